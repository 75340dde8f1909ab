/* One batch of events through one stage of the chain: decode, table and engine. The same code for every stage, for the
 * service, for files and for the simulator, so that the same stream gives the same scores everywhere.
 *
 *   records ─ decode ─ touch (table, store) ─ gather (in the last stage: + score) ─ applied
 *               │reject        │already applied       │duplicate
 *
 * And one label at a time, between batches or in the middle of one. Nothing here emits or waits: what to do with a
 * finished job or label is the caller's.
 * Thread: one pipeline a worker.
 */
#ifndef WEIR_APP_PIPELINE_H
#define WEIR_APP_PIPELINE_H

#include "weir/codec/hop.h"
#include "weir/codec/label.h"
#include "weir/codec/output.h"
#include "weir/codec/transaction.h"
#include "weir/core/engine.h"
#include "weir/state/state.h"

typedef enum weir_fate { /* what became of a record */
    WEIR_FATE_SCORED,    /* went through: scored in the last stage, else gathered and to be handed on */
    WEIR_FATE_REJECTED,  /* `reject` says why: a dead letter */
    WEIR_FATE_DUPLICATE, /* a retained event's redelivery: counted, changes nothing, gives no score */
    WEIR_FATE_KNOWN,     /* its entity's state already holds it (replay after a crash): gives no score */
    WEIR_FATE_COUNT
} weir_fate;

typedef struct weir_job {
    weir_span payload;  /* in the first stage: as it came; borrowed until the job is done with */
    int32_t partition;  /* in: where the transaction stands in the transactions topic */
    int64_t offset;     /* in */
    int64_t sequence;   /* in: the event's place in the log of the stage; in the first stage its offset */
    const double *inherited; /* in: what the stages before gathered; NULL in the first */
    int64_t now_us;     /* in the first stage: the clock for "far in the future" */
    weir_state *state;  /* in: of the lane */
    weir_slab *slab;    /* in: that state's memory */
    weir_fate fate;                 /* out */
    weir_reject reject;             /* out */
    weir_transaction transaction;   /* out in the first stage: when not rejected; behind it: in, as it was handed on */
    uint64_t entity_hash;           /* of the key of its entity in this stage; the pipeline's own */
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

/* Reads up to WEIR_BATCH_MAX jobs of the first stage: afterwards each is rejected, or its transaction is there. */
void weir_pipeline_decode(const weir_pipeline *pipeline, const weir_ruleset *ruleset, weir_job *jobs, size_t count);

/* The same for a job of a later stage, whose transaction is there already: none is rejected. */
void weir_pipeline_accept(const weir_ruleset *ruleset, size_t stage, weir_job *job);

/* Takes decoded jobs of a stage, in the order of its log per lane, to their fate.
 * Fails: the state's reasons (corrupt record, disk, memory); the message names the offset. Jobs before the failing one
 *        may have been applied; the caller must not go on with the lane. */
WEIR_MUST_USE weir_status weir_pipeline_apply(weir_pipeline *pipeline, const weir_ruleset *ruleset, size_t stage,
                                              weir_job *jobs, size_t count, weir_error *error);

/* Decodes, or accepts, and applies. */
WEIR_MUST_USE weir_status weir_pipeline_run(weir_pipeline *pipeline, const weir_ruleset *ruleset, size_t stage,
                                            weir_job *jobs, size_t count, weir_error *error);

/* A label at the card's stage: marks the card's event.
 * Gives: *labelling_out; unless the event is unknown, the event as it is then, and the label as it goes on.
 * Fails: as weir_pipeline_apply. Leaves no trace of a card it does not know. */
WEIR_MUST_USE weir_status weir_pipeline_label(const weir_ruleset *ruleset, weir_state *state, weir_slab *slab,
                                              const weir_label *label, weir_labelling *labelling_out,
                                              weir_event *event_out, weir_hop_label *onward_out, weir_error *error);

/* The same label at a later stage. *event_out is the event it marked, as this stage keeps it, unless it is unknown
 * here. */
WEIR_MUST_USE weir_status weir_pipeline_label_onward(const weir_ruleset *ruleset, size_t stage, weir_state *state,
                                                     weir_slab *slab, const weir_hop_label *label,
                                                     weir_labelling *labelling_out, weir_event *event_out,
                                                     weir_error *error);

/* How many of the jobs, from the first on, happened before at_us and so come before a label of that time; rejected
 * ones go with those before them. */
size_t weir_pipeline_jobs_before(const weir_job *jobs, size_t count, int64_t at_us);

/* The verdict on a scored job under the ruleset's champion; `values_scratch` has room for the champion's features. */
void weir_pipeline_verdict(const weir_ruleset *ruleset, const weir_job *job, double *values_scratch,
                           weir_verdict *verdict_out);

#endif
