#include "contract.h"

#include "weir/codec/base64.h"
#include "utf8.h"
#include "weir/base/check.h"
#include "weir/v1/alert.pb-c.h"
#include "weir/v1/label.pb-c.h"
#include "weir/v1/score.pb-c.h"
#include "weir/v1/transaction.pb-c.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static const weir_contract_message *const MESSAGES[WEIR_MESSAGE_COUNT] = {
    [WEIR_MESSAGE_TRANSACTION] = &weir__v1__transaction__descriptor,
    [WEIR_MESSAGE_ALERT] = &weir__v1__alert__descriptor,
    [WEIR_MESSAGE_SCORE] = &weir__v1__score__descriptor,
    [WEIR_MESSAGE_LABEL] = &weir__v1__label__descriptor,
};

const weir_contract_message *weir_contract_of(weir_message_type type)
{
    weir_check(type < WEIR_MESSAGE_COUNT);
    return MESSAGES[type];
}

const weir_contract_message *weir_contract_inner(const weir_contract_field *field)
{
    weir_check(field->type == PROTOBUF_C_TYPE_MESSAGE);
    return field->descriptor;
}

/* ---- names ----------------------------------------------------------------------------------------------- */

static uint8_t to_lower(uint8_t letter)
{
    return letter >= 'A' && letter <= 'Z' ? letter + ('a' - 'A') : letter;
}

/* lowerCamelCase: an underscore is left out and makes the next letter a capital. */
static bool is_camel_of(weir_span name, const char *snake)
{
    size_t at = 0;
    for (; *snake; snake++) {
        bool capital = *snake == '_' && snake[1] >= 'a' && snake[1] <= 'z';
        if (capital)
            snake++;
        uint8_t wanted = (uint8_t)(capital ? *snake - ('a' - 'A') : *snake);
        if (at == name.size || name.data[at++] != wanted)
            return false;
    }
    return at == name.size;
}

const weir_contract_field *weir_contract_find(const weir_contract_message *message, weir_span name)
{
    for (unsigned i = 0; i < message->n_fields; i++)
        if (weir_span_is(name, message->fields[i].name) || is_camel_of(name, message->fields[i].name))
            return &message->fields[i];
    return NULL;
}

static bool equal_any_case(weir_span text, const char *name)
{
    size_t at = 0;
    while (at < text.size && name[at] && to_lower(text.data[at]) == to_lower((uint8_t)name[at]))
        at++;
    return at == text.size && name[at] == '\0';
}

/* "CHANNEL_POS", "channel_pos" or "pos": the prefix is what the zero value has before UNSPECIFIED. */
static const ProtobufCEnumValue *find_enum_value(const ProtobufCEnumDescriptor *type, weir_span name)
{
    size_t prefix_size = strlen(type->values[0].name) - strlen("UNSPECIFIED");
    for (unsigned i = 0; i < type->n_values; i++) {
        const char *full = type->values[i].name;
        if (equal_any_case(name, full) || equal_any_case(name, full + prefix_size))
            return &type->values[i];
    }
    return NULL;
}

/* ---- numbers in text ------------------------------------------------------------------------------------- */

enum { NUMBER_SIZE_MAX = 64 };

static bool parse_integer(weir_span text, int64_t *value_out)
{
    bool negative = text.size > 0 && text.data[0] == '-';
    size_t at = negative;
    int64_t value = 0;
    for (; at < text.size && text.data[at] >= '0' && text.data[at] <= '9'; at++) {
        int digit = text.data[at] - '0';
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, negative ? -digit : digit, &value))
            return false;
    }
    if (at != text.size || text.size == (size_t)negative)
        return false;
    *value_out = value;
    return true;
}

/* strtod also reads hexadecimal, "inf" and leading blanks: the letters allowed here rule them out. */
static bool parse_finite(weir_span text, double *value_out)
{
    char copy[NUMBER_SIZE_MAX];
    if (text.size == 0 || text.size >= sizeof copy)
        return false;
    memcpy(copy, text.data, text.size);
    copy[text.size] = '\0';
    if (strspn(copy, "+-.0123456789eE") != text.size)
        return false;
    char *end;
    double value = strtod(copy, &end);
    if (end != copy + text.size || !isfinite(value))
        return false;
    *value_out = value;
    return true;
}

bool weir_contract_parse_real(weir_span text, double *value_out)
{
    static const struct {
        const char *name;
        double value;
    } NAMED[] = {{"NaN", NAN}, {"Infinity", INFINITY}, {"-Infinity", -INFINITY}};
    for (size_t i = 0; i < sizeof NAMED / sizeof *NAMED; i++) {
        if (weir_span_is(text, NAMED[i].name)) {
            *value_out = NAMED[i].value;
            return true;
        }
    }
    return parse_finite(text, value_out);
}

/* ---- kinds of value: one row a protobuf type ------------------------------------------------------------- */

typedef bool parse_text(const weir_contract_field *field, weir_span text, weir_writer *writer);
typedef bool write_text(const weir_contract_field *field, const weir_wire_field *value, bool as_json,
                        weir_writer *writer);

/* How values of one protobuf type are put on the wire and shown. */
typedef struct kind {
    const char *wanted; /* for messages: "... is not <wanted>" */
    weir_wire_type wire;
    int64_t integer_min, integer_max; /* of JSON numbers taken; min > max when none are */
    bool is_real;                     /* takes numbers with a fraction */
    parse_text *parse;
    write_text *write;
} kind;

static const kind *kind_of(const weir_contract_field *field);

static bool put_integer(const weir_contract_field *field, int64_t value, weir_writer *writer)
{
    const kind *row = kind_of(field);
    if (row->is_real)
        weir_wire_put_double(writer, field->id, (double)value);
    else if (value >= row->integer_min && value <= row->integer_max)
        weir_wire_put_integer(writer, field->id, (uint64_t)value);
    else
        return false;
    return true;
}

static bool parse_number(const weir_contract_field *field, weir_span text, weir_writer *writer)
{
    int64_t value;
    return parse_integer(text, &value) && put_integer(field, value, writer);
}

static bool parse_real(const weir_contract_field *field, weir_span text, weir_writer *writer)
{
    double value;
    if (!weir_contract_parse_real(text, &value))
        return false;
    weir_wire_put_double(writer, field->id, value);
    return true;
}

static bool parse_enum(const weir_contract_field *field, weir_span text, weir_writer *writer)
{
    const ProtobufCEnumValue *named = find_enum_value(field->descriptor, text);
    return named ? put_integer(field, named->value, writer) : parse_number(field, text, writer);
}

static bool parse_bool(const weir_contract_field *field, weir_span text, weir_writer *writer)
{
    bool value = equal_any_case(text, "true");
    weir_wire_put_integer(writer, field->id, value);
    return value || equal_any_case(text, "false");
}

static bool parse_string(const weir_contract_field *field, weir_span text, weir_writer *writer)
{
    if (!weir_utf8_is_text(text))
        return false;
    weir_wire_put_bytes(writer, field->id, text);
    return true;
}

static bool parse_bytes(const weir_contract_field *field, weir_span text, weir_writer *writer)
{
    if (text.size == 0)
        return true;
    weir_writer before = *writer;
    size_t mark = weir_wire_begin(writer, field->id);
    if (!weir_base64_read(writer, text)) {
        *writer = before;
        return false;
    }
    weir_wire_end(writer, mark);
    return true;
}

static void write_quoted(weir_writer *writer, const char *text, bool quoted)
{
    weir_write_bytes(writer, "\"", quoted);
    weir_write_bytes(writer, text, strlen(text));
    weir_write_bytes(writer, "\"", quoted);
}

/* 64-bit integers are strings in JSON: not every reader has more than 53 bits. */
static bool write_int64(const weir_contract_field *field, const weir_wire_field *value, bool as_json,
                        weir_writer *writer)
{
    (void)field;
    char text[NUMBER_SIZE_MAX];
    snprintf(text, sizeof text, "%" PRId64, (int64_t)value->value);
    write_quoted(writer, text, as_json);
    return true;
}

static bool write_int32(const weir_contract_field *field, const weir_wire_field *value, bool as_json,
                        weir_writer *writer)
{
    (void)field, (void)as_json;
    char text[NUMBER_SIZE_MAX];
    snprintf(text, sizeof text, "%" PRId32, (int32_t)(uint32_t)value->value);
    write_quoted(writer, text, false);
    return true;
}

static bool write_uint32(const weir_contract_field *field, const weir_wire_field *value, bool as_json,
                         weir_writer *writer)
{
    (void)field, (void)as_json;
    char text[NUMBER_SIZE_MAX];
    snprintf(text, sizeof text, "%" PRIu32, (uint32_t)value->value);
    write_quoted(writer, text, false);
    return true;
}

static bool write_enum(const weir_contract_field *field, const weir_wire_field *value, bool as_json,
                       weir_writer *writer)
{
    int32_t number = (int32_t)(uint32_t)value->value;
    const ProtobufCEnumValue *named = protobuf_c_enum_descriptor_get_value(field->descriptor, number);
    if (!named)
        return write_int32(field, value, as_json, writer);
    write_quoted(writer, named->name, as_json);
    return true;
}

static bool write_bool(const weir_contract_field *field, const weir_wire_field *value, bool as_json,
                       weir_writer *writer)
{
    (void)field, (void)as_json;
    write_quoted(writer, value->value ? "true" : "false", false);
    return true;
}

static bool write_real(const weir_contract_field *field, const weir_wire_field *value, bool as_json,
                       weir_writer *writer)
{
    (void)field;
    double number = weir_wire_double(value->value);
    if (isnan(number))
        write_quoted(writer, "NaN", as_json); /* null would read back as zero */
    else
        weir_json_write_double(writer, number);
    return true;
}

static bool write_string(const weir_contract_field *field, const weir_wire_field *value, bool as_json,
                         weir_writer *writer)
{
    (void)field;
    if (!weir_utf8_is_text(value->bytes))
        return false;
    if (as_json)
        weir_json_write_text(writer, value->bytes);
    else
        weir_write_bytes(writer, value->bytes.data, value->bytes.size);
    return true;
}

static bool write_base64(const weir_contract_field *field, const weir_wire_field *value, bool as_json,
                         weir_writer *writer)
{
    (void)field;
    weir_write_bytes(writer, "\"", as_json);
    weir_base64_write(writer, value->bytes);
    weir_write_bytes(writer, "\"", as_json);
    return true;
}

/* The types the contract uses. */
static const kind KINDS[] = {
    [PROTOBUF_C_TYPE_INT32] = {"a 32-bit integer", WEIR_WIRE_VARINT, INT32_MIN, INT32_MAX, false, parse_number,
                               write_int32},
    [PROTOBUF_C_TYPE_INT64] = {"a 64-bit integer", WEIR_WIRE_VARINT, INT64_MIN, INT64_MAX, false, parse_number,
                               write_int64},
    [PROTOBUF_C_TYPE_UINT32] = {"an unsigned 32-bit integer", WEIR_WIRE_VARINT, 0, UINT32_MAX, false, parse_number,
                                write_uint32},
    [PROTOBUF_C_TYPE_ENUM] = {"a name or number the contract lists", WEIR_WIRE_VARINT, INT32_MIN, INT32_MAX, false,
                              parse_enum, write_enum},
    [PROTOBUF_C_TYPE_BOOL] = {"true or false", WEIR_WIRE_VARINT, 1, 0, false, parse_bool, write_bool},
    [PROTOBUF_C_TYPE_DOUBLE] = {"a number", WEIR_WIRE_FIXED64, INT64_MIN, INT64_MAX, true, parse_real, write_real},
    [PROTOBUF_C_TYPE_STRING] = {"text (UTF-8 without NUL)", WEIR_WIRE_BYTES, 1, 0, false, parse_string, write_string},
    [PROTOBUF_C_TYPE_BYTES] = {"base64", WEIR_WIRE_BYTES, 1, 0, false, parse_bytes, write_base64},
    [PROTOBUF_C_TYPE_MESSAGE] = {"an object", WEIR_WIRE_BYTES, 1, 0, false, NULL, NULL},
};

static const kind *kind_of(const weir_contract_field *field)
{
    weir_check((size_t)field->type < sizeof KINDS / sizeof *KINDS && KINDS[field->type].wanted);
    return &KINDS[field->type];
}

/* ---- the public side ------------------------------------------------------------------------------------- */

weir_wire_type weir_contract_wire_type(const weir_contract_field *field)
{
    return kind_of(field)->wire;
}

weir_status weir_contract_put_text(const weir_contract_field *field, weir_span text, weir_writer *writer,
                                   weir_error *error)
{
    const kind *row = kind_of(field);
    if (row->parse && row->parse(field, text, writer))
        return WEIR_OK;
    size_t shown = text.size < NUMBER_SIZE_MAX ? text.size : NUMBER_SIZE_MAX;
    return weir_error_set(error, WEIR_INVALID, "%s: \"%.*s\" is not %s", field->name, (int)shown,
                          (const char *)text.data, row->wanted);
}

weir_status weir_contract_put_integer(const weir_contract_field *field, int64_t value, weir_writer *writer,
                                      weir_error *error)
{
    if (put_integer(field, value, writer))
        return WEIR_OK;
    return weir_error_set(error, WEIR_INVALID, "%s: %" PRId64 " is not %s", field->name, value,
                          kind_of(field)->wanted);
}

/* A whole number may be written with a point or exponent ("1e5"), up to where doubles count one by one. */
weir_status weir_contract_put_real(const weir_contract_field *field, double value, weir_writer *writer,
                                   weir_error *error)
{
    if (kind_of(field)->is_real) {
        weir_wire_put_double(writer, field->id, value);
        return WEIR_OK;
    }
    if (value == trunc(value) && fabs(value) <= 0x1p53)
        return weir_contract_put_integer(field, (int64_t)value, writer, error);
    return weir_error_set(error, WEIR_INVALID, "%s: %.17g is not %s", field->name, value, kind_of(field)->wanted);
}

bool weir_contract_write(const weir_contract_field *field, const weir_wire_field *value, bool as_json,
                         weir_writer *writer)
{
    const kind *row = kind_of(field);
    weir_check(row->write);
    return row->write(field, value, as_json, writer);
}

bool weir_contract_is_default(const weir_contract_field *field, const weir_wire_field *value)
{
    switch (weir_contract_wire_type(field)) {
    case WEIR_WIRE_BYTES:
        return field->type != PROTOBUF_C_TYPE_MESSAGE && value->bytes.size == 0;
    case WEIR_WIRE_FIXED64:
        return weir_wire_double(value->value) == 0;
    default: /* of a 32-bit type only the low half counts */
        return field->type == PROTOBUF_C_TYPE_INT64 || field->type == PROTOBUF_C_TYPE_BOOL
                   ? value->value == 0
                   : (uint32_t)value->value == 0;
    }
}

bool weir_contract_last(const weir_contract_field *field, weir_span message, weir_wire_field *value_out,
                        bool *found_out)
{
    weir_wire_type wanted = weir_contract_wire_type(field);
    bool found = false;
    weir_reader reader = weir_reader_of(message);
    weir_wire_field value;
    while (weir_wire_next(&reader, &value)) {
        if (value.number != field->id)
            continue;
        if (value.type != wanted)
            return false;
        *value_out = value;
        found = true;
    }
    *found_out = found;
    return !reader.failed;
}

static bool is_well_formed(weir_span message)
{
    weir_reader reader = weir_reader_of(message);
    weir_wire_field field;
    while (weir_wire_next(&reader, &field))
        ;
    return !reader.failed;
}

/* Each piece has to be whole by itself: what is cut short could be made good by the next one. */
bool weir_contract_gather(const weir_contract_field *field, weir_span message, weir_writer *scratch,
                          weir_span *inner_out)
{
    size_t begin = scratch->used;
    weir_span inner = {0};
    weir_reader reader = weir_reader_of(message);
    weir_wire_field value = {0};
    while (weir_wire_next(&reader, &value)) {
        if (value.number != field->id)
            continue;
        if (value.type != WEIR_WIRE_BYTES || !is_well_formed(value.bytes))
            return false;
        if (inner.data && scratch->used == begin)
            weir_write_bytes(scratch, inner.data, inner.size);
        if (inner.data)
            weir_write_bytes(scratch, value.bytes.data, value.bytes.size);
        inner = inner.data ? weir_span_of(scratch->base + begin, scratch->used - begin) : value.bytes;
    }
    *inner_out = inner;
    return !reader.failed && !scratch->failed;
}
