#include "contract.h"
#include "weir/base/check.h"
#include "weir/base/escape.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { MERGE_SIZE_MAX = 4096 }; /* of a sub-message that came in pieces */

static void write_literal(weir_writer *json, const char *text)
{
    weir_write_bytes(json, text, strlen(text));
}

static bool is_plain(uint8_t byte)
{
    return byte >= 0x20 && byte < 0x7f && byte != '"' && byte != '\\';
}

/* Nearly all text is plain to its end; weir_escape_json takes over where it is not. */
void weir_json_write_text(weir_writer *json, weir_span text)
{
    size_t plain = 0;
    while (plain < text.size && is_plain(text.data[plain]))
        plain++;
    weir_write_bytes(json, "\"", 1);
    weir_write_bytes(json, text.data, plain);
    if (!json->failed && !weir_escape_json(json, weir_span_of(text.data + plain, text.size - plain)))
        json->failed = true;
    weir_write_bytes(json, "\"", 1);
}

static size_t format_shortest(double value, char text_out[32])
{
    int size = 0;
    for (int digits = 15; digits <= 17; digits++) {
        size = snprintf(text_out, 32, "%.*g", digits, value);
        if (strtod(text_out, NULL) == value)
            break;
    }
    return (size_t)size;
}

void weir_json_write_double(weir_writer *json, double value)
{
    char text[32];
    if (isnan(value))
        write_literal(json, "null");
    else if (value == 0 && signbit(value))
        write_literal(json, "-0.0"); /* "-0" would read back as the integer */
    else if (isinf(value))
        write_literal(json, value > 0 ? "\"Infinity\"" : "\"-Infinity\"");
    else
        weir_write_bytes(json, text, format_shortest(value, text));
}

/* ---- messages -------------------------------------------------------------------------------------------- */

typedef struct output {
    weir_writer *json;
    weir_writer *scratch;
} output;

static bool write_object(const output *out, const weir_contract_message *message, weir_span bytes);

static void write_name(const output *out, const char *name, size_t object_begin)
{
    if (out->json->used != object_begin)
        write_literal(out->json, ",");
    weir_json_write_text(out->json, weir_span_text(name));
    write_literal(out->json, ":");
}

static bool write_packed(const output *out, weir_span doubles)
{
    weir_reader reader = weir_reader_of(doubles);
    while (weir_reader_left(&reader) >= sizeof(double)) {
        if (doubles.data != reader.at)
            write_literal(out->json, ",");
        weir_json_write_double(out->json, weir_wire_double(weir_read_fixed(&reader, sizeof(double))));
    }
    return weir_reader_left(&reader) == 0;
}

/* One occurrence of a repeated field on the wire: a message, a packed run of doubles, or one double. */
static bool write_elements(const output *out, const weir_contract_field *field, const weir_wire_field *value)
{
    if (field->type == PROTOBUF_C_TYPE_MESSAGE)
        return value->type == WEIR_WIRE_BYTES && write_object(out, weir_contract_inner(field), value->bytes);
    weir_check(field->type == PROTOBUF_C_TYPE_DOUBLE); /* the one repeated scalar of the contract */
    if (value->type == WEIR_WIRE_BYTES)
        return write_packed(out, value->bytes);
    if (value->type != WEIR_WIRE_FIXED64)
        return false;
    weir_json_write_double(out->json, weir_wire_double(value->value));
    return true;
}

static bool write_array(const output *out, const weir_contract_field *field, weir_span bytes, size_t object_begin)
{
    size_t array_begin = 0;
    weir_reader reader = weir_reader_of(bytes);
    weir_wire_field value = {0};
    while (weir_wire_next(&reader, &value)) {
        bool is_empty_run = field->type == PROTOBUF_C_TYPE_DOUBLE && value.type == WEIR_WIRE_BYTES && !value.bytes.size;
        if (value.number != field->id || is_empty_run)
            continue;
        if (array_begin == 0) {
            write_name(out, field->name, object_begin);
            write_literal(out->json, "[");
            array_begin = out->json->used;
        } else {
            write_literal(out->json, ",");
        }
        if (!write_elements(out, field, &value))
            return false;
    }
    if (array_begin)
        write_literal(out->json, "]");
    return !reader.failed;
}

static bool write_inner(const output *out, const weir_contract_field *field, weir_span bytes, size_t object_begin)
{
    weir_span inner;
    if (!weir_contract_gather(field, bytes, out->scratch, &inner))
        return false;
    if (!inner.data)
        return true;
    write_name(out, field->name, object_begin);
    return write_object(out, weir_contract_inner(field), inner);
}

static bool write_scalar(const output *out, const weir_contract_field *field, weir_span bytes, size_t object_begin)
{
    weir_wire_field value = {0};
    bool found = false;
    if (!weir_contract_last(field, bytes, &value, &found))
        return false;
    if (!found || weir_contract_is_default(field, &value))
        return true;
    write_name(out, field->name, object_begin);
    return weir_contract_write(field, &value, true, out->json);
}

static bool write_object(const output *out, const weir_contract_message *message, weir_span bytes)
{
    write_literal(out->json, "{");
    size_t begin = out->json->used;
    bool ok = true;
    for (unsigned i = 0; ok && i < message->n_fields; i++) {
        const weir_contract_field *field = &message->fields[i];
        if (field->label == PROTOBUF_C_LABEL_REPEATED)
            ok = write_array(out, field, bytes, begin);
        else if (field->type == PROTOBUF_C_TYPE_MESSAGE)
            ok = write_inner(out, field, bytes, begin);
        else
            ok = write_scalar(out, field, bytes, begin);
        if (!ok)
            break;
    }
    write_literal(out->json, "}");
    return ok;
}

weir_status weir_json_from_message(weir_message_type type, weir_span message, weir_writer *json, weir_error *error)
{
    uint8_t pieces[MERGE_SIZE_MAX];
    weir_writer scratch = weir_writer_of(pieces, sizeof pieces);
    output out = {.json = json, .scratch = &scratch};
    size_t begin = json->used;
    const weir_contract_message *contract = weir_contract_of(type);
    if (!write_object(&out, contract, message)) {
        json->used = begin;
        return weir_error_set(error, WEIR_CORRUPT, "%zu bytes are not a %s", message.size, contract->name);
    }
    if (json->failed)
        return weir_error_set(error, WEIR_FULL, "%s as JSON needs more than %zu bytes", contract->name, json->size);
    return WEIR_OK;
}
