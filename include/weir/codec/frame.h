/* The frame around a protobuf payload: raw, or Confluent's `00 <schema id, 4 bytes big-endian> <message indexes>`.
 *
 * `auto` tells them apart by the first byte: a protobuf message cannot begin with 0x00 (field number 0 is illegal).
 * Only the first message of a schema is accepted (indexes `00`, or its long form `02 00`).
 * Source: Confluent Schema Registry wire format.
 */
#ifndef WEIR_CODEC_FRAME_H
#define WEIR_CODEC_FRAME_H

#include "weir/base/span.h"
#include "weir/base/cursor.h"

typedef enum weir_framing {
    WEIR_FRAMING_AUTO,
    WEIR_FRAMING_CONFLUENT,
    WEIR_FRAMING_RAW,
    WEIR_FRAMING_COUNT
} weir_framing;

enum { WEIR_FRAME_SIZE = 6 };

/* Parses "auto", "confluent", "raw"; false for anything else. */
bool weir_framing_parse(const char *name, weir_framing *framing_out);

/* Strips the frame: *message_out borrows from payload; *schema_id_out is -1 for raw.
 * Returns false for a frame that is cut short, names another message, or is missing where it is required. */
bool weir_frame_strip(weir_framing framing, weir_span payload, weir_span *message_out, int64_t *schema_id_out);

/* Writes a Confluent frame head of WEIR_FRAME_SIZE bytes. */
void weir_frame_write(weir_writer *writer, uint32_t schema_id);

#endif
