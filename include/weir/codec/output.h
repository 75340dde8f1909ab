/* What weir writes: alerts and scores, as protobuf. Content is a function of stream and model alone. */
#ifndef WEIR_CODEC_OUTPUT_H
#define WEIR_CODEC_OUTPUT_H

#include "weir/base/cursor.h"
#include "weir/codec/transaction.h"
#include "weir/core/model.h"

enum { WEIR_ALERT_ID_SIZE = 32 }; /* hex characters */

typedef struct weir_source {
    const char *topic;
    int32_t partition;
    int64_t offset;
} weir_source;

/* The alert's id: 32 hex characters, XXH3-128 of topic, NUL, partition and offset (both little-endian).
 * Writes no NUL. */
void weir_alert_id(const weir_source *source, char id_out[WEIR_ALERT_ID_SIZE]);

typedef struct weir_verdict {
    const weir_model *model;
    double score;
    int32_t threshold;       /* index in the model's thresholds, >= 0 for an alert */
    const double *values;    /* in the model's feature order; NaN = missing */
    uint32_t missing_count;
    size_t reason_count;
    weir_reason reasons[WEIR_REASON_MAX];
} weir_verdict;

/* Write one message (no frame), hand-encoded for the event path, byte-identical to protobuf-c's packing.
 * Sticky failure of the writer: check `failed`. */
void weir_alert_encode(const weir_transaction *transaction, const weir_verdict *verdict, const weir_source *source,
                       weir_writer *writer);
void weir_score_encode(const weir_transaction *transaction, const weir_verdict *verdict, const weir_source *source,
                       bool with_features, weir_writer *writer);

/* The source of an Alert or Score message: how the emit mark is read back. False when the bytes are not one. */
bool weir_alert_source(weir_span message, int32_t *partition_out, int64_t *offset_out);
bool weir_score_source(weir_span message, int32_t *partition_out, int64_t *offset_out);

#endif
