/* Turns what a worker found out about a record into records on the output topics.
 *
 * One emitter a worker: it owns the scratch memory one outgoing record is encoded in, and knows the topics' shape.
 * Whether an offset may be emitted at all is the partition's ledger's answer (emit/ledger.h).
 */
#ifndef WEIR_EMIT_EMITTER_H
#define WEIR_EMIT_EMITTER_H

#include "weir/broker/broker.h"
#include "weir/codec/output.h"
#include "weir/emit/ledger.h"

typedef struct weir_emitter_options {
    const char *input_topic;
    const char *group_id;
    int32_t task;                      /* the worker's index, for dead-letter headers */
    bool enabled[WEIR_OUTPUT_COUNT];   /* scores are optional */
    bool score_features;               /* scores carry the feature values */
    weir_framing framing;              /* RAW or CONFLUENT on alerts and scores */
    uint32_t schema_ids[WEIR_OUTPUT_COUNT]; /* for CONFLUENT */
} weir_emitter_options;

typedef struct weir_emitter weir_emitter;

/* Owns: copies the options' texts. Fails: WEIR_FULL without memory. */
WEIR_MUST_USE weir_status weir_emitter_open(const weir_emitter_options *options, weir_port *port,
                                            weir_emitter **emitter_out);
void weir_emitter_close(weir_emitter *emitter);

bool weir_emitter_enabled(const weir_emitter *emitter, weir_output output);

/* What a record is sent for. */
typedef struct weir_cause {
    weir_ledger *ledger; /* of the lane */
    int32_t lane;
    int64_t sequence;    /* the event's place in the lane's log */
    int32_t partition;   /* of the transaction, and of what is said about it */
    int64_t offset;
} weir_cause;

/* Each sends one record and notes it in the lane's ledger, unless the ledger says that an earlier life sent it (then
 * WEIR_OK and *sent_out false). A dead letter the producer finds too large goes
 * without key and payload: its headers say where the record stands. Fails: WEIR_FULL (take acknowledgements and try
 * again), WEIR_FENCED, WEIR_IO, WEIR_INVALID (fatal for the worker). */
WEIR_MUST_USE weir_status weir_emitter_alert(weir_emitter *emitter, const weir_cause *cause,
                                             const weir_transaction *transaction, const weir_verdict *verdict,
                                             bool *sent_out);
WEIR_MUST_USE weir_status weir_emitter_score(weir_emitter *emitter, const weir_cause *cause,
                                             const weir_transaction *transaction, const weir_verdict *verdict,
                                             bool *sent_out);
/* Of a record of the topic named; the transactions' cause is the record's own place. */
WEIR_MUST_USE weir_status weir_emitter_dead_letter(weir_emitter *emitter, const weir_cause *cause, const char *topic,
                                                   const weir_record *record, weir_reject reject,
                                                   const char *reject_field, bool *sent_out);

#endif
