/* The contract as data: what JSON and CSV know about the messages.
 *
 * protoc-c writes a descriptor of every message next to the code it generates: field names, numbers,
 * types, enum names. That table is the one table here. A field added to proto/weir/v1 is read and written
 * as JSON and CSV without a line of code; a field of a type the contract has not used before needs one row in
 * contract.c.
 */
#ifndef WEIR_CODEC_CONTRACT_H
#define WEIR_CODEC_CONTRACT_H

#include "weir/base/status.h"
#include "weir/codec/json.h"
#include "wire.h"

#include <protobuf-c/protobuf-c.h>

typedef ProtobufCMessageDescriptor weir_contract_message;
typedef ProtobufCFieldDescriptor weir_contract_field;

/* The most fields a message may have. */
enum { WEIR_CONTRACT_FIELD_MAX = 32 };

const weir_contract_message *weir_contract_of(weir_message_type type);

/* The message a field of type MESSAGE holds. */
const weir_contract_message *weir_contract_inner(const weir_contract_field *field);

/* The field of this name, in snake_case or lowerCamelCase; NULL when there is none. */
const weir_contract_field *weir_contract_find(const weir_contract_message *message, weir_span name);

/* The wire type a singular scalar or message field has. */
weir_wire_type weir_contract_wire_type(const weir_contract_field *field);

/* Writes one scalar field, tag and all (nothing for a default), from what JSON or CSV hold: text ("12", "POS",
 * "1.5", base64), an integer, or a real number.
 * Fails: WEIR_INVALID naming the field, what was found and what was wanted; writes nothing then. */
WEIR_MUST_USE weir_status weir_contract_put_text(const weir_contract_field *field, weir_span text,
                                                 weir_writer *writer, weir_error *error);
WEIR_MUST_USE weir_status weir_contract_put_integer(const weir_contract_field *field, int64_t value,
                                                    weir_writer *writer, weir_error *error);
WEIR_MUST_USE weir_status weir_contract_put_real(const weir_contract_field *field, double value, weir_writer *writer,
                                                 weir_error *error);

/* A finite number, "NaN", "Infinity" or "-Infinity", as the JSON mapping has doubles in strings. */
bool weir_contract_parse_real(weir_span text, double *value_out);

/* Writes one scalar as JSON (quoted where the mapping quotes it) or as plain text for a CSV cell.
 * False when the value is not one of the field's type (text that is not UTF-8). */
bool weir_contract_write(const weir_contract_field *field, const weir_wire_field *value, bool as_json,
                         weir_writer *writer);

/* Whether the value is the field's default, which the JSON mapping leaves out. */
bool weir_contract_is_default(const weir_contract_field *field, const weir_wire_field *value);

/* The last occurrence of a field: the one that counts. *found_out says whether there is one.
 * False when the bytes are malformed or the field has another wire type. */
bool weir_contract_last(const weir_contract_field *field, weir_span message, weir_wire_field *value_out,
                        bool *found_out);

/* A singular sub-message: its one occurrence, or all of them laid end to end in `scratch`, which by protobuf's
 * rules is the same message merged. NULL data when absent. False as for weir_contract_last, or when scratch is full. */
bool weir_contract_gather(const weir_contract_field *field, weir_span message, weir_writer *scratch,
                          weir_span *inner_out);

#endif
