/* Labels as they arrive: what was learned of a transaction later, and when. */
#ifndef WEIR_CODEC_LABEL_H
#define WEIR_CODEC_LABEL_H

#include "weir/base/cursor.h"
#include "weir/codec/transaction.h"

typedef enum weir_label_verdict { /* proto weir.v1.Label.Verdict */
    WEIR_LABEL_UNSPECIFIED,
    WEIR_LABEL_FRAUD,
    WEIR_LABEL_CLEARED,
    WEIR_LABEL_VERDICT_COUNT
} weir_label_verdict;

/* "unspecified", "fraud", "cleared". */
const char *weir_label_verdict_name(weir_label_verdict verdict);

typedef struct weir_label {
    weir_span transaction_id, card_token, source; /* borrowed from the payload */
    uint64_t transaction;                         /* weir_hash48 of the id, as in weir_event */
    uint64_t card_hash;                           /* weir_hash(card_token), for the table */
    int64_t label_time_us;                        /* when it became known */
    int64_t event_time_us;                        /* the transaction's own time; INT64_MIN = the sender did not say */
    weir_label_verdict verdict;                   /* FRAUD or CLEARED when accepted */
    const char *reject_field;                     /* the field at fault, or NULL; static text */
} weir_label;

/* Strips the frame, decodes, checks, as weir_transaction_decode does and with its reasons: transaction_id, card_token,
 * label_time_us and a verdict of fraud or cleared are required; a card number as token is refused; a label time further
 * ahead of now_us than limits->future_us_max is far future. Thread: any; no allocation. */
weir_reject weir_label_decode(weir_span payload, const weir_decode_limits *limits, int64_t now_us,
                              weir_label *label_out);

/* Writes the protobuf message (no frame) of transaction_id, card_token, label_time_us, event_time_us (INT64_MIN: left
 * out), verdict and source, byte-identical to protobuf-c's packing. Sticky failure of the writer. */
void weir_label_encode(const weir_label *label, weir_writer *writer);

#endif
