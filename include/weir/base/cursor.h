/* Reading and writing little records byte by byte: protobuf's varints and
 * fixed-width integers, with the bounds checked once per call.
 *
 * Both kinds are sticky: after the first failure every further call fails
 * harmlessly, so a caller checks `failed` once at the end.
 */
#ifndef WEIR_BASE_CURSOR_H
#define WEIR_BASE_CURSOR_H

#include "weir/base/span.h"

typedef struct weir_reader {
    const uint8_t *at;
    const uint8_t *end;
    bool failed; /* ran past the end, or a varint was longer than ten bytes */
} weir_reader;

typedef struct weir_writer {
    uint8_t *base;
    size_t size; /* capacity in bytes */
    size_t used;
    bool failed; /* the capacity was not enough; `used` stays within it */
} weir_writer;

static inline weir_reader weir_reader_of(weir_span bytes)
{
    const uint8_t *data = bytes.data ? bytes.data : (const uint8_t *)""; /* C has no arithmetic on NULL, not even + 0 */
    return (weir_reader){.at = data, .end = data + bytes.size};
}

static inline size_t weir_reader_left(const weir_reader *reader)
{
    return (size_t)(reader->end - reader->at);
}

/* Protobuf base-128 varint, at most ten bytes. 0 on failure. */
static inline uint64_t weir_read_varint(weir_reader *reader)
{
    if (reader->at < reader->end && *reader->at < 0x80)
        return *reader->at++;
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 70 && reader->at < reader->end; shift += 7) {
        uint8_t byte = *reader->at++;
        if (shift == 63 && byte > 1)
            break;
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80)
            return value;
    }
    reader->failed = true;
    reader->at = reader->end;
    return 0;
}

static inline weir_span weir_read_bytes(weir_reader *reader, size_t size)
{
    if (size > weir_reader_left(reader)) {
        reader->failed = true;
        reader->at = reader->end;
        return (weir_span){0};
    }
    weir_span bytes = {.data = reader->at, .size = size};
    reader->at += size;
    return bytes;
}

/* An unsigned integer of `width` bytes (1..8), little-endian. */
static inline uint64_t weir_read_fixed(weir_reader *reader, size_t width)
{
    weir_span bytes = weir_read_bytes(reader, width);
    uint64_t value = 0;
    for (size_t i = bytes.size; i > 0; i--)
        value = value << 8 | bytes.data[i - 1];
    return value;
}

static inline int64_t weir_zigzag_decode(uint64_t value)
{
    return (int64_t)(value >> 1) ^ -(int64_t)(value & 1);
}

static inline uint64_t weir_zigzag_encode(int64_t value)
{
    return (uint64_t)value << 1 ^ (uint64_t)(value >> 63);
}

static inline weir_writer weir_writer_of(void *memory, size_t size)
{
    return (weir_writer){.base = memory, .size = size};
}

static inline void weir_write_bytes(weir_writer *writer, const void *data, size_t size)
{
    if (writer->failed || size > writer->size - writer->used) {
        writer->failed = true;
        return;
    }
    if (size)
        memcpy(writer->base + writer->used, data, size);
    writer->used += size;
}

static inline void weir_write_varint(weir_writer *writer, uint64_t value)
{
    uint8_t bytes[10];
    size_t size = 0;
    for (; value >= 0x80; value >>= 7)
        bytes[size++] = (uint8_t)(value | 0x80);
    bytes[size++] = (uint8_t)value;
    weir_write_bytes(writer, bytes, size);
}

static inline void weir_write_fixed(weir_writer *writer, uint64_t value, size_t width)
{
    uint8_t bytes[8];
    for (size_t i = 0; i < width && i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(value >> (8 * i));
    weir_write_bytes(writer, bytes, width);
}

#endif
