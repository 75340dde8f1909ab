/* One batch of records through decode, table and engine: the same code for the service, for files and for the
 * simulator, so that the same stream gives the same scores everywhere.
 *
 *   records ─ decode ─ touch (table, store) ─ gather + score ─ applied
 *               │reject        │already applied       │duplicate
 *
 * Nothing here emits or waits: what to do with a finished job is the caller's.
 * Thread: one pipeline a worker.
 */
#ifndef WEIR_APP_PIPELINE_H
#define WEIR_APP_PIPELINE_H

#include "weir/codec/output.h"
#include "weir/codec/transaction.h"
#include "weir/core/engine.h"
#include "weir/state/state.h"

typedef enum weir_fate { /* what became of a record */
    WEIR_FATE_SCORED,
    WEIR_FATE_REJECTED,  /* `reject` says why: a dead letter */
    WEIR_FATE_DUPLICATE, /* a retained event's redelivery: counted, changes nothing, gives no score */
    WEIR_FATE_KNOWN,     /* its card's state already holds it (replay after a crash): gives no score */
    WEIR_FATE_COUNT
} weir_fate;

typedef struct weir_job {
    weir_span payload;  /* in: as it came; borrowed until the job is done with */
    int32_t partition;  /* in: for messages */
    int64_t offset;     /* in */
    int64_t now_us;     /* in: the clock for "far in the future" */
    weir_state *state;  /* in: of the record's partition */
    weir_slab *slab;    /* in: that state's memory */
    weir_fate fate;                 /* out */
    weir_reject reject;             /* out */
    weir_transaction transaction;   /* out: when not rejected */
    weir_entity *entity;            /* out: when not rejected; valid until the state next evicts */
    const weir_engine_item *item;   /* out: when scored; valid until the next batch */
} weir_job;

typedef struct weir_pipeline weir_pipeline;

/* Makes a pipeline for rulesets of up to these sizes. Fails: WEIR_FULL without memory. */
WEIR_MUST_USE weir_status weir_pipeline_open(const weir_decode_limits *limits, weir_pipeline **pipeline_out);
void weir_pipeline_close(weir_pipeline *pipeline);

/* Does now, before the first event, what the first batch under a ruleset would otherwise wait for: the engine's memory,
 * and BLAS's. Fails: WEIR_FULL without memory. */
WEIR_MUST_USE weir_status weir_pipeline_warm(weir_pipeline *pipeline, const weir_ruleset *ruleset);

/* Takes up to WEIR_BATCH_MAX jobs, in stream order per partition, to their fate.
 * Fails: the state's reasons (corrupt record, disk, memory); the message names the offset. Jobs before the failing one
 *        may have been applied; the caller must not go on with the partition. */
WEIR_MUST_USE weir_status weir_pipeline_run(weir_pipeline *pipeline, const weir_ruleset *ruleset, weir_job *jobs,
                                            size_t count, weir_error *error);

/* The verdict on a scored job under the ruleset's champion; `values_scratch` has room for the champion's features. */
void weir_pipeline_verdict(const weir_ruleset *ruleset, const weir_job *job, double *values_scratch,
                           weir_verdict *verdict_out);

#endif
