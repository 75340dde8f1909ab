#include "weir/app/pipeline.h"

#include "weir/base/check.h"

#include <inttypes.h>
#include <stdlib.h>

struct weir_pipeline {
    weir_decode_limits limits;
    weir_engine *engine;
    size_t feature_count_max, register_count_max; /* what the engine's memory was made for */
    weir_engine_item items[WEIR_BATCH_MAX];
    uint16_t item_jobs[WEIR_BATCH_MAX]; /* which job an item belongs to */
};

weir_status weir_pipeline_open(const weir_decode_limits *limits, weir_pipeline **pipeline_out)
{
    weir_pipeline *pipeline = calloc(1, sizeof *pipeline);
    if (!pipeline)
        return WEIR_FULL;
    pipeline->limits = *limits;
    *pipeline_out = pipeline;
    return WEIR_OK;
}

void weir_pipeline_close(weir_pipeline *pipeline)
{
    if (!pipeline)
        return;
    free(pipeline->engine);
    free(pipeline);
}

/* The engine's memory grows only when a larger ruleset comes along: never on the steady event path. */
static weir_status fit_engine(weir_pipeline *pipeline, const weir_ruleset *ruleset)
{
    const weir_plan *plan = weir_ruleset_plan(ruleset);
    size_t features = weir_plan_feature_count(plan), registers = weir_plan_register_count(plan);
    if (pipeline->engine && features <= pipeline->feature_count_max && registers <= pipeline->register_count_max)
        return WEIR_OK;
    size_t size = (weir_engine_size(features, registers) + 63) & ~(size_t)63;
    void *memory = aligned_alloc(64, size);
    if (!memory)
        return WEIR_FULL;
    free(pipeline->engine);
    pipeline->engine = weir_engine_init(memory, features, registers);
    pipeline->feature_count_max = features;
    pipeline->register_count_max = registers;
    return WEIR_OK;
}

weir_status weir_pipeline_warm(weir_pipeline *pipeline, const weir_ruleset *ruleset)
{
    weir_status status = fit_engine(pipeline, ruleset);
    if (status == WEIR_OK)
        weir_engine_warm(pipeline->engine, ruleset);
    return status;
}

static void decode_all(const weir_pipeline *pipeline, weir_job *jobs, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        weir_job *job = &jobs[i];
        job->item = NULL;
        job->entity = NULL;
        job->reject = weir_transaction_decode(job->payload, &pipeline->limits, job->now_us, &job->transaction);
        job->fate = job->reject == WEIR_ACCEPTED ? WEIR_FATE_SCORED : WEIR_FATE_REJECTED;
        if (job->fate != WEIR_FATE_REJECTED)
            weir_state_prefetch(job->state, job->transaction.card_hash, 0);
    }
    for (size_t i = 0; i < count; i++)
        if (jobs[i].fate != WEIR_FATE_REJECTED)
            weir_state_prefetch(jobs[i].state, jobs[i].transaction.card_hash, 1);
}

/* Finds every card and lines up the events that are news to it. A card's applied_offset moves only after the engine
 * ran, so a batch's later events of the same card are compared with the offset before the batch: offsets only rise. */
static weir_status touch_all(weir_pipeline *pipeline, weir_job *jobs, size_t count, size_t *item_count_out,
                             weir_error *error)
{
    size_t item_count = 0;
    for (size_t i = 0; i < count; i++) {
        weir_job *job = &jobs[i];
        if (job->fate == WEIR_FATE_REJECTED)
            continue;
        weir_status status =
            weir_state_touch(job->state, job->transaction.card_token, job->transaction.card_hash, &job->entity);
        if (status != WEIR_OK)
            return weir_error_set(error, status,
                                  "partition %" PRId32 ", offset %" PRId64 ": the card's state cannot be read: %s",
                                  job->partition, job->offset, weir_status_name(status));
        if (job->entity->applied_offset >= job->offset) {
            job->fate = WEIR_FATE_KNOWN;
            continue;
        }
        pipeline->item_jobs[item_count] = (uint16_t)i;
        pipeline->items[item_count++] = (weir_engine_item){
            .history = &job->entity->history,
            .event = job->transaction.event,
            .slab = job->slab,
        };
    }
    *item_count_out = item_count;
    return WEIR_OK;
}

static void settle_item(weir_pipeline *pipeline, weir_job *jobs, size_t index)
{
    weir_job *job = &jobs[pipeline->item_jobs[index]];
    weir_engine_item *item = &pipeline->items[index];
    if (item->arrival == WEIR_ARRIVAL_DUPLICATE) {
        job->fate = WEIR_FATE_DUPLICATE;
        return;
    }
    job->item = item;
    weir_state_applied(job->state, job->entity, job->offset);
}

weir_status weir_pipeline_run(weir_pipeline *pipeline, const weir_ruleset *ruleset, weir_job *jobs, size_t count,
                              weir_error *error)
{
    weir_check(count <= WEIR_BATCH_MAX);
    weir_status status = fit_engine(pipeline, ruleset);
    if (status != WEIR_OK)
        return weir_error_set(error, status, "no memory for the engine's scratch");
    decode_all(pipeline, jobs, count);
    size_t item_count = 0, done = 0;
    status = touch_all(pipeline, jobs, count, &item_count, error);
    if (status != WEIR_OK || item_count == 0)
        return status;
    status = weir_engine_step(pipeline->engine, ruleset, pipeline->items, item_count, &done);
    if (status != WEIR_OK)
        return weir_error_set(
            error, status, "partition %" PRId32 ", offset %" PRId64 ": the machine gives no more memory for histories",
            jobs[pipeline->item_jobs[done]].partition, jobs[pipeline->item_jobs[done]].offset);
    for (size_t i = 0; i < item_count; i++)
        settle_item(pipeline, jobs, i);
    return WEIR_OK;
}

void weir_pipeline_verdict(const weir_ruleset *ruleset, const weir_job *job, double *values_scratch,
                           weir_verdict *verdict_out)
{
    const weir_model *model = weir_ruleset_model(ruleset, 0);
    const weir_engine_item *item = job->item;
    weir_engine_values(ruleset, item, values_scratch);
    *verdict_out = (weir_verdict){
        .model = model,
        .score = item->score,
        .threshold = item->threshold,
        .values = values_scratch,
        .missing_count = item->missing_count,
    };
    if (item->threshold >= 0)
        verdict_out->reason_count = weir_engine_reasons(ruleset, item, verdict_out->reasons);
}
