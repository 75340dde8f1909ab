/* The engine: (history, event) in, score and reasons out, a batch at a time.
 *
 *   ruleset (immutable, shared): a plan and the models scored over its values, champion first
 *   engine  (one per worker):    the scratch memory of one batch
 *
 * Scores do not depend on batch boundaries: a row is multiplied by a model at a time (cblas_ddot), so a row's bits do
 * not depend on its neighbours or its place. The process must run OpenBLAS on one thread (weir_engine_init checks
 * nothing of that; app pins it).
 */
#ifndef WEIR_CORE_ENGINE_H
#define WEIR_CORE_ENGINE_H

#include "weir/core/model.h"
#include "weir/core/plan.h"

enum { WEIR_BATCH_MAX = 256, WEIR_MODEL_COLUMNS = 4 };

typedef struct weir_ruleset weir_ruleset;

/* Joins models (champion first; 1..WEIR_MODEL_COLUMNS) with a plan compiled over the union of their features.
 * Owns: borrows plan and models, which must outlive it; takes its matrices from the arena.
 * Fails: WEIR_FULL when the arena is; WEIR_INVALID when a model names a feature the plan lacks. */
WEIR_MUST_USE weir_status weir_ruleset_build(const weir_plan *plan, const weir_model *const *models, size_t model_count,
                                             weir_arena *arena, const weir_ruleset **ruleset_out, weir_error *error);

const weir_plan *weir_ruleset_plan(const weir_ruleset *ruleset);
size_t weir_ruleset_model_count(const weir_ruleset *ruleset);
const weir_model *weir_ruleset_model(const weir_ruleset *ruleset, size_t index);

typedef struct weir_engine_item {
    weir_history *history; /* in: the entity's history; the same one may occur several times in a batch. NULL: none,
                            * and what is asked about it is missing */
    bool aside;            /* in: the event has no such entity: what is asked is missing, and it is only kept in
                            * `history`, to be known again */
    weir_event event;      /* in */
    weir_slab *slab;       /* in: where that history's memory comes from */
    const double *registers_in; /* in, beyond the first stage: what the stages before gathered,
                                 * weir_engine_inherited of them */
    double *registers;     /* out: what the stages so far gathered; valid until the next batch */
    uint32_t moving;       /* the engine's own, for weir_plan_prefetch */
    weir_arrival arrival;  /* out; a duplicate has no score */
    uint32_t missing_count; /* out: champion features that were missing */
    const double *values;  /* out: the plan's values, NaN = missing; valid until the next batch */
    double logits[WEIR_MODEL_COLUMNS]; /* out, a model each */
    double score;          /* out: the champion's, in [0, 1] */
    int32_t threshold;     /* out: index of the highest threshold of the champion passed, -1 = none (no alert) */
} weir_engine_item;

typedef struct weir_engine weir_engine;

/* Bytes of scratch one engine needs for rulesets up to these sizes; aligned to 64. */
size_t weir_engine_size(size_t feature_count_max, size_t register_count_max);
/* Begins an engine in caller's memory of that size. */
weir_engine *weir_engine_init(void *memory, size_t feature_count_max, size_t register_count_max);

/* Multiplies one block for nothing: BLAS chooses its kernel and maps its buffers now, not under the first event.
 * Expects: an engine large enough for the ruleset, between batches. */
void weir_engine_warm(weir_engine *engine, const weir_ruleset *ruleset);

/* How many registers the stages before `stage` fill: what a hop to it carries. */
size_t weir_engine_inherited(const weir_ruleset *ruleset, size_t stage);

/* Gathers up to WEIR_BATCH_MAX items in order under one stage of the chain; in the last stage also computes and scores,
 * and flags the retained events that pass a threshold as WEIR_EVENT_ALERTED.
 * Fails: WEIR_FULL from the slab; *done_out says how many items are complete (in order), so that the
 *        caller can make room and call again with the rest. */
WEIR_MUST_USE weir_status weir_engine_step(weir_engine *engine, const weir_ruleset *ruleset, size_t stage,
                                           weir_engine_item *items, size_t count, size_t *done_out);

/* The champion's feature values of a scored item, in the model's feature order; NaN = missing.
 * values_out has room for the champion's feature_count. */
void weir_engine_values(const weir_ruleset *ruleset, const weir_engine_item *item, double *values_out);

/* The champion's reasons for a scored item. */
size_t weir_engine_reasons(const weir_ruleset *ruleset, const weir_engine_item *item,
                           weir_reason reasons_out[WEIR_REASON_MAX]);

#endif
