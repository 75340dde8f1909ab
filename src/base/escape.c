#include "weir/base/escape.h"

#include <stdio.h>

size_t weir_escape_utf8_size(weir_span text)
{
    /* First byte, what the second must lie in, how many bytes: the table 3-7 of the Unicode standard. */
    static const struct {
        uint8_t first_low, first_high, second_low, second_high, size;
    } FORMS[] = {
        {0x00, 0x7f, 0x00, 0x00, 1}, {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3},
        {0xe1, 0xec, 0x80, 0xbf, 3}, {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3},
        {0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4},
    };
    if (text.size == 0)
        return 0;
    for (size_t i = 0; i < sizeof FORMS / sizeof *FORMS; i++) {
        if (text.data[0] < FORMS[i].first_low || text.data[0] > FORMS[i].first_high)
            continue;
        if (text.size < FORMS[i].size)
            return 0;
        if (FORMS[i].size > 1 && (text.data[1] < FORMS[i].second_low || text.data[1] > FORMS[i].second_high))
            return 0;
        for (size_t k = 2; k < FORMS[i].size; k++)
            if ((text.data[k] & 0xc0) != 0x80)
                return 0;
        return FORMS[i].size;
    }
    return 0;
}

/* What the character at the front of `text` becomes: itself or an escape. Returns the bytes taken. */
static size_t escape_one(weir_span text, char buffer[8], weir_span *out)
{
    static const char SHORT[] = "b\bf\fn\nr\rt\t\"\"\\\\";
    uint8_t byte = text.data[0];
    size_t size = weir_escape_utf8_size(text);
    *out = size ? weir_span_of(text.data, size) : weir_span_text("\xef\xbf\xbd");
    if (byte >= 0x20 && byte != '"' && byte != '\\' && byte != 0x7f)
        return size ? size : 1;
    for (size_t i = 0; i + 1 < sizeof SHORT; i += 2) {
        if ((uint8_t)SHORT[i + 1] != byte)
            continue;
        buffer[0] = '\\';
        buffer[1] = SHORT[i];
        *out = weir_span_of(buffer, 2);
        return 1;
    }
    snprintf(buffer, 8, "\\u%04x", (unsigned)byte);
    *out = weir_span_of(buffer, 6);
    return 1;
}

bool weir_escape_json(weir_writer *writer, weir_span text)
{
    while (text.size > 0) {
        char buffer[8];
        weir_span escaped;
        size_t taken = escape_one(text, buffer, &escaped);
        if (escaped.size > writer->size - writer->used)
            return false;
        weir_write_bytes(writer, escaped.data, escaped.size);
        text = weir_span_of(text.data + taken, text.size - taken);
    }
    return true;
}
