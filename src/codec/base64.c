#include "weir/codec/base64.h"

static const char ALPHABET[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static void write_group(weir_writer *writer, const uint8_t *bytes, size_t size)
{
    uint32_t group = (uint32_t)bytes[0] << 16 | (size > 1 ? (uint32_t)bytes[1] << 8 : 0) | (size > 2 ? bytes[2] : 0u);
    char text[4] = "====";
    for (size_t i = 0; i <= size; i++)
        text[i] = ALPHABET[group >> (18 - 6 * i) & 63];
    weir_write_bytes(writer, text, sizeof text);
}

void weir_base64_write(weir_writer *writer, weir_span bytes)
{
    for (size_t at = 0; at < bytes.size; at += 3)
        write_group(writer, bytes.data + at, bytes.size - at < 3 ? bytes.size - at : 3);
}

static int digit_of(uint8_t letter)
{
    letter = letter == '-' ? '+' : letter == '_' ? '/' : letter;
    const char *found = letter ? strchr(ALPHABET, letter) : NULL;
    return found ? (int)(found - ALPHABET) : -1;
}

bool weir_base64_read(weir_writer *writer, weir_span text)
{
    size_t size = text.size;
    for (int i = 0; i < 2 && size > 0 && size % 4 != 1 && text.size % 4 == 0 && text.data[size - 1] == '='; i++)
        size--;
    if (size % 4 == 1)
        return false;
    uint32_t group = 0;
    unsigned bits = 0;
    for (size_t i = 0; i < size; i++) {
        int digit = digit_of(text.data[i]);
        if (digit < 0)
            return false;
        group = group << 6 | (uint32_t)digit;
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            weir_write_bytes(writer, &(uint8_t){(uint8_t)(group >> bits)}, 1);
        }
    }
    return (group & ((1u << bits) - 1)) == 0;
}
