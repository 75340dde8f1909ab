/* Messages as JSON lines: the proto3 JSON mapping, off the event path.
 *
 * Reading accepts lowerCamelCase and snake_case names, 64-bit integers as strings or numbers, enums by name
 * (with or without prefix, any case) or number, unknown names refused unless they begin with '_' or are "label"
 * (what `weir generate` writes beside the transaction). Writing uses snake_case names; 64-bit integers are
 * strings, as the mapping says; a NaN in an array is null (a missing feature), elsewhere "NaN"; infinities are
 * strings. Doubles are written in the shortest form that reads back to the same bits.
 */
#ifndef WEIR_CODEC_JSON_H
#define WEIR_CODEC_JSON_H

#include "weir/base/cursor.h"
#include "weir/base/span.h"
#include "weir/base/status.h"

typedef enum weir_message_type {
    WEIR_MESSAGE_TRANSACTION,
    WEIR_MESSAGE_ALERT,
    WEIR_MESSAGE_SCORE,
    WEIR_MESSAGE_LABEL,
    WEIR_MESSAGE_COUNT
} weir_message_type;

/* One JSON object -> protobuf bytes of `type` (no frame).
 * Fails: WEIR_INVALID with the field and what was found; WEIR_FULL when the writer is. */
WEIR_MUST_USE weir_status weir_json_to_message(weir_message_type type, weir_span json, weir_writer *message,
                                               weir_error *error);

/* Protobuf bytes -> one line of JSON (no newline). Fails: WEIR_CORRUPT when the bytes are not a `type`. */
WEIR_MUST_USE weir_status weir_json_from_message(weir_message_type type, weir_span message, weir_writer *json,
                                                 weir_error *error);

/* Appends a JSON string literal / the shortest round-trip number (null for NaN) to `json`. */
void weir_json_write_text(weir_writer *json, weir_span text);
void weir_json_write_double(weir_writer *json, double value);

/* CSV with a header of the message's field names (latitude, longitude flat; plus any column named with a leading
 * '_', ignored). RFC 4180 quoting, but a record is one line: no line ends inside quotes. An empty cell is an
 * absent field. For messages without lists: transactions and labels.
 * `open` reads the header; `row` one data line into protobuf bytes. Line ends may be there or not. */
typedef struct weir_csv weir_csv;

/* Fails: WEIR_INVALID naming the column. Owns: *csv_out is the caller's, for weir_csv_close. */
WEIR_MUST_USE weir_status weir_csv_open(weir_message_type type, weir_span header, weir_csv **csv_out,
                                        weir_error *error);
/* Fails: WEIR_INVALID naming the column or field; WEIR_FULL when the writer is. Thread: one at a time per csv. */
WEIR_MUST_USE weir_status weir_csv_row(weir_csv *csv, weir_span line, weir_writer *message, weir_error *error);
void weir_csv_close(weir_csv *csv);

/* The header of every column of `type` / one row of them, without line end / one cell, quoted where needed.
 * Fails: WEIR_CORRUPT when the bytes are not a `type`; WEIR_FULL when the writer is. */
void weir_csv_write_header(weir_message_type type, weir_writer *csv);
WEIR_MUST_USE weir_status weir_csv_write_row(weir_message_type type, weir_span message, weir_writer *csv,
                                             weir_error *error);
void weir_csv_write_text(weir_writer *csv, weir_span text);

#endif
