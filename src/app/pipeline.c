#include "weir/app/pipeline.h"

#include "weir/base/check.h"
#include "weir/base/hash.h"
#include "weir/base/prefetch.h"

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

/* ---- the table's key of an event, by stage ---- */

typedef struct entity_name {
    weir_span key;
    uint64_t hash;
    bool aside; /* the event has no such entity */
    uint8_t bytes[WEIR_ENTITY_KEY_SIZE + 1];
} entity_name;

/* An event without such an entity is kept aside, by its card: no feature sees it there, but it is recognised when it
 * comes again, and a label finds what was said of it. */
static void name_by_hash(uint64_t hash48, uint64_t card_hash48, entity_name *name_out)
{
    name_out->aside = hash48 == 0;
    name_out->hash = weir_entity_key(hash48 ? hash48 : card_hash48, name_out->bytes);
    name_out->key = weir_span_of(name_out->bytes, WEIR_ENTITY_KEY_SIZE);
    if (!name_out->aside)
        return;
    name_out->bytes[name_out->key.size++] = 0xff; /* no entity's key is that long */
    name_out->hash = weir_hash(name_out->key);
}

/* A card is known by its whole token, everything else by the hash that events keep of it. */
static void name_entity(const weir_plan *plan, size_t stage, const weir_transaction *transaction, entity_name *name_out)
{
    weir_entity_kind kind = weir_plan_stage_entity(plan, stage);
    if (kind != WEIR_ENTITY_CARD) {
        name_by_hash(weir_event_entity(&transaction->event, kind), transaction->event.card, name_out);
        return;
    }
    name_out->key = transaction->card_token;
    name_out->hash = transaction->card_hash;
    name_out->aside = false;
}

/* ---- a batch ---- */

enum { PAYLOADS_AHEAD = 4, ENTITIES_AHEAD = 16, PREFETCH_SIZE_MAX = 256 };

static void prefetch_payload(weir_span payload)
{
    weir_prefetch_block(payload.data, payload.size < PREFETCH_SIZE_MAX ? payload.size : PREFETCH_SIZE_MAX);
}

static void enter(weir_job *job, weir_reject reject)
{
    job->item = NULL;
    job->entity = NULL;
    job->reject = reject;
    job->fate = reject == WEIR_ACCEPTED ? WEIR_FATE_SCORED : WEIR_FATE_REJECTED;
}

static void look_up(const weir_ruleset *ruleset, size_t stage, weir_job *job)
{
    entity_name name;
    name_entity(weir_ruleset_plan(ruleset), stage, &job->transaction, &name);
    job->entity_hash = name.hash;
    weir_state_prefetch_slot(job->state, name.hash);
}

void weir_pipeline_accept(const weir_ruleset *ruleset, size_t stage, weir_job *job)
{
    enter(job, WEIR_ACCEPTED);
    look_up(ruleset, stage, job);
}

void weir_pipeline_decode(const weir_pipeline *pipeline, const weir_ruleset *ruleset, weir_job *jobs, size_t count)
{
    weir_check(count <= WEIR_BATCH_MAX);
    for (size_t i = 0; i < count; i++) {
        weir_job *job = &jobs[i];
        if (i + PAYLOADS_AHEAD < count)
            prefetch_payload(jobs[i + PAYLOADS_AHEAD].payload);
        enter(job, weir_transaction_decode(job->payload, &pipeline->limits, job->now_us, &job->transaction));
        if (job->fate != WEIR_FATE_REJECTED)
            look_up(ruleset, 0, job);
    }
}

/* Of a job whose slot has arrived; all keys but a card's are short. */
static void prefetch_entity(const weir_job *job, weir_entity_kind kind)
{
    if (job->fate == WEIR_FATE_REJECTED)
        return;
    size_t size = kind == WEIR_ENTITY_CARD ? job->transaction.card_token.size : WEIR_ENTITY_KEY_SIZE + 1;
    weir_state_prefetch_entity(job->state, job->entity_hash, size);
}

/* Finds every entity and lines up the events that are news to it. An entity's applied_offset moves only after the
 * engine ran, so a batch's later events of the same one are compared with the sequence before the batch: they only
 * rise. */
static weir_status touch_all(weir_pipeline *pipeline, const weir_plan *plan, size_t stage, weir_job *jobs, size_t count,
                             size_t *item_count_out, weir_error *error)
{
    weir_entity_kind kind = weir_plan_stage_entity(plan, stage);
    size_t item_count = 0;
    for (size_t i = 0; i < count && i < ENTITIES_AHEAD; i++)
        prefetch_entity(&jobs[i], kind);
    for (size_t i = 0; i < count; i++) {
        weir_job *job = &jobs[i];
        if (i + ENTITIES_AHEAD < count)
            prefetch_entity(&jobs[i + ENTITIES_AHEAD], kind);
        if (job->fate == WEIR_FATE_REJECTED)
            continue;
        entity_name name;
        name_entity(plan, stage, &job->transaction, &name);
        weir_status status = weir_state_touch(job->state, name.key, name.hash, &job->entity);
        if (status != WEIR_OK)
            return weir_error_set(error, status,
                                  "partition %" PRId32 ", offset %" PRId64 ": the %s's state cannot be read: %s",
                                  job->partition, job->offset,
                                  weir_entity_kind_name(kind), weir_status_name(status));
        if (job->entity->applied_offset >= job->sequence) {
            job->fate = WEIR_FATE_KNOWN;
            continue;
        }
        pipeline->item_jobs[item_count] = (uint16_t)i;
        weir_engine_item *item = &pipeline->items[item_count++]; /* what comes out of it need not be cleared */
        item->history = &job->entity->history;
        item->aside = name.aside;
        item->event = job->transaction.event;
        item->slab = job->slab;
        item->registers_in = job->inherited;
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
    weir_state_applied(job->state, job->entity, job->sequence);
}

weir_status weir_pipeline_apply(weir_pipeline *pipeline, const weir_ruleset *ruleset, size_t stage, weir_job *jobs,
                                size_t count, weir_error *error)
{
    weir_check(count <= WEIR_BATCH_MAX);
    weir_status status = fit_engine(pipeline, ruleset);
    if (status != WEIR_OK)
        return weir_error_set(error, status, "no memory for the engine's scratch");
    size_t item_count = 0, done = 0;
    status = touch_all(pipeline, weir_ruleset_plan(ruleset), stage, jobs, count, &item_count, error);
    if (status != WEIR_OK || item_count == 0)
        return status;
    status = weir_engine_step(pipeline->engine, ruleset, stage, pipeline->items, item_count, &done);
    if (status != WEIR_OK)
        return weir_error_set(
            error, status, "partition %" PRId32 ", offset %" PRId64 ": the machine gives no more memory for histories",
            jobs[pipeline->item_jobs[done]].partition, jobs[pipeline->item_jobs[done]].offset);
    for (size_t i = 0; i < item_count; i++)
        settle_item(pipeline, jobs, i);
    return WEIR_OK;
}

weir_status weir_pipeline_run(weir_pipeline *pipeline, const weir_ruleset *ruleset, size_t stage, weir_job *jobs,
                              size_t count, weir_error *error)
{
    if (stage == 0)
        weir_pipeline_decode(pipeline, ruleset, jobs, count);
    for (size_t i = 0; stage > 0 && i < count; i++)
        weir_pipeline_accept(ruleset, stage, &jobs[i]);
    return weir_pipeline_apply(pipeline, ruleset, stage, jobs, count, error);
}

size_t weir_pipeline_jobs_before(const weir_job *jobs, size_t count, int64_t at_us)
{
    size_t before = 0;
    while (before < count &&
           (jobs[before].fate == WEIR_FATE_REJECTED || jobs[before].transaction.event.time_us < at_us))
        before++;
    return before;
}

/* ---- labels ---- */

/* Marks the event in the history of a named entity, which is left as it was when it is not known. */
static weir_status mark(const weir_ruleset *ruleset, weir_state *state, weir_slab *slab, const entity_name *name,
                        const weir_hop_label *label, weir_labelling *labelling_out, weir_event *event_out,
                        weir_error *error)
{
    weir_entity *entity;
    *labelling_out = WEIR_LABELLING_UNKNOWN;
    weir_status status = weir_state_touch(state, name->key, name->hash, &entity);
    if (status != WEIR_OK)
        return weir_error_set(error, status, "the state of a label's entity cannot be read: %s",
                              weir_status_name(status));
    *labelling_out = weir_plan_label(weir_ruleset_plan(ruleset), &entity->history, slab, label->transaction,
                                     label->event_time_us, label->label_time_us, event_out);
    if (*labelling_out != WEIR_LABELLING_UNKNOWN)
        weir_state_changed(state, entity);
    else if (entity->history.event_count == 0 && entity->applied_offset < 0)
        weir_state_untouch(state, entity);
    return WEIR_OK;
}

weir_status weir_pipeline_label(const weir_ruleset *ruleset, weir_state *state, weir_slab *slab,
                                const weir_label *label, weir_labelling *labelling_out, weir_event *event_out,
                                weir_hop_label *onward_out, weir_error *error)
{
    entity_name name = {.key = label->card_token, .hash = label->card_hash};
    *onward_out = (weir_hop_label){
        .transaction = label->transaction,
        .event_time_us = label->event_time_us,
        .label_time_us = label->verdict == WEIR_LABEL_CLEARED ? INT64_MAX : label->label_time_us,
        .known_us = label->label_time_us,
    };
    weir_status status = mark(ruleset, state, slab, &name, onward_out, labelling_out, event_out, error);
    if (status != WEIR_OK || *labelling_out == WEIR_LABELLING_UNKNOWN)
        return status;
    onward_out->event_time_us = event_out->time_us;
    for (int kind = 0; kind < WEIR_ENTITY_COUNT; kind++)
        onward_out->entities[kind] = weir_event_entity(event_out, (weir_entity_kind)kind);
    return WEIR_OK;
}

weir_status weir_pipeline_label_onward(const weir_ruleset *ruleset, size_t stage, weir_state *state, weir_slab *slab,
                                       const weir_hop_label *label, weir_labelling *labelling_out,
                                       weir_event *event_out, weir_error *error)
{
    entity_name name;
    name_by_hash(label->entities[weir_plan_stage_entity(weir_ruleset_plan(ruleset), stage)],
                 label->entities[WEIR_ENTITY_CARD], &name);
    return mark(ruleset, state, slab, &name, label, labelling_out, event_out, error);
}

/* ---- verdicts ---- */

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
