#include "contract.h"
#include "weir/base/check.h"

#include <jansson.h>
#include <math.h>

typedef struct input {
    weir_writer *message;
    weir_error *error;
} input;

static weir_status put_object(const input *in, const weir_contract_message *message, json_t *object);

/* "label" is what `weir generate` writes beside the transaction; '_' marks a user's own columns. */
static bool is_ignored(const char *name)
{
    return name[0] == '_' || strcmp(name, "label") == 0;
}

static const char *type_name(const json_t *value)
{
    static const char *const NAMES[] = {
        [JSON_OBJECT] = "an object", [JSON_ARRAY] = "an array", [JSON_STRING] = "a string", [JSON_INTEGER] = "a number",
        [JSON_REAL] = "a number",    [JSON_TRUE] = "true",      [JSON_FALSE] = "false",     [JSON_NULL] = "null",
    };
    return NAMES[json_typeof(value)];
}

static weir_status put_scalar(const input *in, const weir_contract_field *field, json_t *value)
{
    bool is_bool = field->type == PROTOBUF_C_TYPE_BOOL;
    switch (json_typeof(value)) {
    case JSON_NULL:
        return WEIR_OK; /* the mapping: null is the default */
    case JSON_STRING:
        if (is_bool)
            break;
        return weir_contract_put_text(field, weir_span_of(json_string_value(value), json_string_length(value)),
                                      in->message, in->error);
    case JSON_INTEGER:
        return weir_contract_put_integer(field, json_integer_value(value), in->message, in->error);
    case JSON_REAL:
        return weir_contract_put_real(field, json_real_value(value), in->message, in->error);
    case JSON_TRUE:
    case JSON_FALSE:
        if (!is_bool)
            break;
        return weir_contract_put_text(field, weir_span_text(type_name(value)), in->message, in->error);
    default:
        break;
    }
    return weir_error_set(in->error, WEIR_INVALID, "%s: %s does not fit here", field->name, type_name(value));
}

static weir_status put_message(const input *in, const weir_contract_field *field, json_t *value)
{
    if (!json_is_object(value))
        return weir_error_set(in->error, WEIR_INVALID, "%s: wanted an object, found %s", field->name,
                              type_name(value));
    size_t mark = weir_wire_begin(in->message, field->id);
    weir_status status = put_object(in, weir_contract_inner(field), value);
    weir_wire_end(in->message, mark);
    return status == WEIR_OK ? WEIR_OK : weir_error_wrap(in->error, "%s", field->name);
}

/* An element of a packed array; null is a missing feature. */
static bool read_double(const json_t *value, double *double_out)
{
    if (json_is_string(value))
        return weir_contract_parse_real(weir_span_of(json_string_value(value), json_string_length(value)),
                                        double_out);
    *double_out = json_is_null(value) ? (double)NAN : json_number_value(value);
    return json_is_null(value) || json_is_number(value);
}

static weir_status put_doubles(const input *in, const weir_contract_field *field, json_t *array)
{
    weir_check(field->type == PROTOBUF_C_TYPE_DOUBLE); /* the one repeated scalar of the contract */
    size_t count = json_array_size(array);
    if (count == 0)
        return WEIR_OK;
    weir_wire_put_tag(in->message, field->id, WEIR_WIRE_BYTES);
    weir_write_varint(in->message, count * sizeof(double));
    for (size_t i = 0; i < count; i++) {
        double value;
        if (!read_double(json_array_get(array, i), &value))
            return weir_error_set(in->error, WEIR_INVALID, "%s[%zu]: %s is not a number", field->name, i,
                                  type_name(json_array_get(array, i)));
        weir_wire_write_double(in->message, value);
    }
    return WEIR_OK;
}

static weir_status put_array(const input *in, const weir_contract_field *field, json_t *value)
{
    if (!json_is_array(value))
        return weir_error_set(in->error, WEIR_INVALID, "%s: wanted an array, found %s", field->name, type_name(value));
    if (field->type != PROTOBUF_C_TYPE_MESSAGE)
        return put_doubles(in, field, value);
    weir_status status = WEIR_OK;
    for (size_t i = 0; status == WEIR_OK && i < json_array_size(value); i++)
        status = put_message(in, field, json_array_get(value, i));
    return status;
}

static weir_status put_field(const input *in, const weir_contract_field *field, json_t *value)
{
    if (json_is_null(value))
        return WEIR_OK;
    if (field->label == PROTOBUF_C_LABEL_REPEATED)
        return put_array(in, field, value);
    if (field->type == PROTOBUF_C_TYPE_MESSAGE)
        return put_message(in, field, value);
    return put_scalar(in, field, value);
}

/* Sorts the object's members by field, so that they are written in number order. */
static weir_status match_fields(const input *in, const weir_contract_message *message, json_t *object,
                                json_t *values_out[WEIR_CONTRACT_FIELD_MAX])
{
    weir_check(message->n_fields <= WEIR_CONTRACT_FIELD_MAX);
    const char *name;
    json_t *value;
    json_object_foreach(object, name, value)
    {
        const weir_contract_field *field = weir_contract_find(message, weir_span_text(name));
        if (!field && is_ignored(name))
            continue;
        if (!field)
            return weir_error_set(in->error, WEIR_INVALID, "\"%.64s\" is not a field of %s", name, message->name);
        json_t **slot = &values_out[field - message->fields];
        if (*slot)
            return weir_error_set(in->error, WEIR_INVALID, "%s is given twice", field->name);
        *slot = value;
    }
    return WEIR_OK;
}

static weir_status put_object(const input *in, const weir_contract_message *message, json_t *object)
{
    json_t *values[WEIR_CONTRACT_FIELD_MAX] = {0};
    weir_status status = match_fields(in, message, object, values);
    for (unsigned i = 0; status == WEIR_OK && i < message->n_fields; i++)
        if (values[i])
            status = put_field(in, &message->fields[i], values[i]);
    return status;
}

weir_status weir_json_to_message(weir_message_type type, weir_span json, weir_writer *message, weir_error *error)
{
    const weir_contract_message *contract = weir_contract_of(type);
    json_error_t fault;
    json_t *root = json_loadb((const char *)json.data, json.size, JSON_REJECT_DUPLICATES, &fault);
    if (!root)
        return weir_error_set(error, WEIR_INVALID, "column %d: not JSON: %s", fault.column, fault.text);
    input in = {.message = message, .error = error};
    size_t begin = message->used;
    weir_status status =
        json_is_object(root)
            ? put_object(&in, contract, root)
            : weir_error_set(error, WEIR_INVALID, "wanted an object (a %s), found an array", contract->name);
    json_decref(root);
    if (status == WEIR_OK && message->failed)
        status = weir_error_set(error, WEIR_FULL, "a %s of more than %zu bytes", contract->name, message->size);
    if (status != WEIR_OK)
        message->used = begin;
    return status;
}
