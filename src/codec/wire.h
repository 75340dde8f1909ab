/* The protobuf wire format, one field at a time: what every hand-written reader and writer in codec stands on.
 *
 * Reading accepts exactly what protobuf-c 1.4.1 accepts, held against it by the fuzz corpus, but for one thing:
 * field number 0, which the specification forbids and protobuf-c lets pass. Groups are refused by both.
 * Writing follows proto3: a scalar at its default is left out.
 * Source: protobuf "Encoding" specification.
 */
#ifndef WEIR_CODEC_WIRE_H
#define WEIR_CODEC_WIRE_H

#include "weir/base/cursor.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "varints and doubles are loaded as words");

typedef enum weir_wire_type {
    WEIR_WIRE_VARINT = 0,
    WEIR_WIRE_FIXED64 = 1,
    WEIR_WIRE_BYTES = 2,
    WEIR_WIRE_FIXED32 = 5
} weir_wire_type;

typedef struct weir_wire_field {
    uint32_t number;
    uint32_t type;   /* weir_wire_type */
    uint64_t value;  /* of the integer types */
    weir_span bytes; /* of WEIR_WIRE_BYTES, borrowed */
} weir_wire_field;

static inline bool weir_wire_fail(weir_reader *reader)
{
    reader->failed = true;
    reader->at = reader->end;
    return false;
}

/* A tag or a length: at most five bytes. */
static inline uint64_t weir_wire_read_short(weir_reader *reader)
{
    if (reader->at < reader->end && *reader->at < 0x80)
        return *reader->at++;
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 35 && reader->at < reader->end; shift += 7) {
        uint8_t byte = *reader->at++;
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80)
            return value;
    }
    weir_wire_fail(reader);
    return 0;
}

/* The seven-bit groups of a varint's bytes closed up: eight bytes, continuation bits already cleared. */
static inline uint64_t weir_wire_compact(uint64_t groups)
{
    groups = (groups & 0x007f007f007f007f) | (groups & 0x7f007f007f007f00) >> 1;
    groups = (groups & 0x00003fff00003fff) | (groups & 0x3fff00003fff0000) >> 2;
    return (groups & 0x000000000fffffff) | (groups & 0x0fffffff00000000) >> 4;
}

/* A varint of at most ten bytes, bits above 64 dropped (weir_read_varint refuses those).
 * With eight bytes to load the length is found and the groups are closed up without a loop: times are
 * eight bytes long, and every event has one. */
static inline uint64_t weir_wire_read_varint(weir_reader *reader)
{
    if (reader->at < reader->end && *reader->at < 0x80)
        return *reader->at++;
    if (weir_reader_left(reader) >= 8) {
        uint64_t word;
        memcpy(&word, reader->at, sizeof word);
        uint64_t stops = ~word & 0x8080808080808080;
        if (stops) {
            unsigned last_bit = (unsigned)__builtin_ctzll(stops);
            reader->at += last_bit / 8 + 1;
            return weir_wire_compact(word & (stops ^ (stops - 1)) & 0x7f7f7f7f7f7f7f7f);
        }
    }
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 70 && reader->at < reader->end; shift += 7) {
        uint8_t byte = *reader->at++;
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80)
            return value;
    }
    weir_wire_fail(reader);
    return 0;
}

/* The next field, known or not. False at the end and on malformed bytes: `reader->failed` tells which. */
static inline bool weir_wire_next(weir_reader *reader, weir_wire_field *field_out)
{
    if (reader->at == reader->end)
        return false;
    uint64_t tag = weir_wire_read_short(reader);
    field_out->number = (uint32_t)(tag >> 3);
    field_out->type = tag & 7;
    if (field_out->number == 0)
        return weir_wire_fail(reader);
    switch (field_out->type) {
    case WEIR_WIRE_VARINT:
        field_out->value = weir_wire_read_varint(reader);
        break;
    case WEIR_WIRE_BYTES: {
        uint64_t size = weir_wire_read_short(reader);
        field_out->bytes = weir_read_bytes(reader, size);
        break;
    }
    case WEIR_WIRE_FIXED64:
        field_out->value = weir_read_fixed(reader, 8);
        break;
    case WEIR_WIRE_FIXED32:
        field_out->value = weir_read_fixed(reader, 4);
        break;
    default:
        return weir_wire_fail(reader);
    }
    return !reader->failed;
}

static inline double weir_wire_double(uint64_t bits)
{
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static inline void weir_wire_put_tag(weir_writer *writer, uint32_t number, weir_wire_type type)
{
    weir_write_varint(writer, (uint64_t)number << 3 | type);
}

static inline void weir_wire_put_integer(weir_writer *writer, uint32_t number, uint64_t value)
{
    if (value == 0)
        return;
    weir_wire_put_tag(writer, number, WEIR_WIRE_VARINT);
    weir_write_varint(writer, value);
}

static inline void weir_wire_put_bytes(weir_writer *writer, uint32_t number, weir_span bytes)
{
    if (bytes.size == 0)
        return;
    weir_wire_put_tag(writer, number, WEIR_WIRE_BYTES);
    weir_write_varint(writer, bytes.size);
    weir_write_bytes(writer, bytes.data, bytes.size);
}

/* Eight bytes, as in a packed array. */
static inline void weir_wire_write_double(weir_writer *writer, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    weir_write_fixed(writer, bits, sizeof bits);
}

/* Both zeros are left out, as protobuf-c does. */
static inline void weir_wire_put_double(weir_writer *writer, uint32_t number, double value)
{
    if (value == 0)
        return;
    weir_wire_put_tag(writer, number, WEIR_WIRE_FIXED64);
    weir_wire_write_double(writer, value);
}

/* Opens a sub-message or packed array: one byte is set aside for its length. Give the mark to weir_wire_end. */
static inline size_t weir_wire_begin(weir_writer *writer, uint32_t number)
{
    weir_wire_put_tag(writer, number, WEIR_WIRE_BYTES);
    weir_write_bytes(writer, "", 1);
    return writer->used;
}

/* Closes it: writes the length, moving the body up when one byte is not enough for it. */
static inline void weir_wire_end(weir_writer *writer, size_t mark)
{
    if (writer->failed)
        return;
    size_t size = writer->used - mark;
    weir_writer length = {.base = (uint8_t[10]){0}, .size = 10};
    weir_write_varint(&length, size);
    weir_write_bytes(writer, length.base, length.used - 1); /* room at the end; overwritten by the move */
    if (writer->failed)
        return;
    memmove(writer->base + mark + length.used - 1, writer->base + mark, size);
    memcpy(writer->base + mark - 1, length.base, length.used);
}

#endif
