#include "weir/app/offline.h"

#include "weir/base/check.h"
#include "weir/base/hash.h"

#include <stdlib.h>
#include <string.h>

enum { MESSAGE_SIZE_MAX = 64 * 1024 };

typedef struct offline_partition {
    weir_state *state;
    int64_t next_offset;
} offline_partition;

struct weir_offline {
    weir_offline_options options;
    weir_memory *memory;
    weir_committer *committer;
    weir_pipeline *pipeline;
    size_t stage_count;
    offline_partition *partitions;             /* of the first stage */
    weir_state *stages[WEIR_ENTITY_COUNT];     /* of the others: one is enough, a partition has no say in a value */
    int64_t stage_sequence;                    /* events that went beyond the first stage */
    double *inherited;                         /* what a batch brings into the stage at work */
    weir_job onward[WEIR_BATCH_MAX];           /* the batch there, and which of `jobs` each one is */
    uint16_t onward_jobs[WEIR_BATCH_MAX];
    weir_label label; /* the next one to come, when has_label */
    bool has_label;
    uint64_t labellings[WEIR_LABELLING_COUNT];
    size_t count; /* jobs waiting */
    weir_job jobs[WEIR_BATCH_MAX];
    weir_source sources[WEIR_BATCH_MAX];
    uint64_t numbers[WEIR_BATCH_MAX];
    uint8_t *payloads; /* of the waiting jobs, one after the other */
    size_t payload_used;
};

/* ---- open and close ---- */

static weir_status open_partitions(weir_offline *offline, weir_error *error)
{
    const weir_offline_options *options = &offline->options;
    offline->partitions = calloc((size_t)options->partition_count, sizeof *offline->partitions);
    offline->payloads = malloc((size_t)WEIR_BATCH_MAX * MESSAGE_SIZE_MAX);
    if (!offline->partitions || !offline->payloads)
        return weir_error_set(error, WEIR_FULL, "no memory for %d partitions", options->partition_count);
    weir_state_options state = {
        .identity = {.partition_count = options->partition_count,
                     .horizon_us = weir_plan_horizon_us(options->rules->plan)},
        .sweep_interval_us = INT64_MAX,
        .step_card_max = 1,
        .batch_card_max = 1,
        .batch_size_max = 1,
    };
    for (int32_t number = 0; number < options->partition_count; number++) {
        int64_t replay_from;
        state.identity.partition = number;
        weir_status status = weir_state_open(weir_store_null(), offline->memory, offline->committer, &state,
                                             &offline->partitions[number].state, &replay_from, error);
        if (status != WEIR_OK)
            return status;
    }
    for (size_t stage = 1; stage < offline->stage_count; stage++) {
        int64_t replay_from;
        weir_status status = weir_state_open(weir_store_null(), offline->memory, offline->committer, &state,
                                             &offline->stages[stage], &replay_from, error);
        if (status != WEIR_OK)
            return status;
    }
    size_t registers = weir_plan_register_count(options->rules->plan);
    offline->inherited = calloc(WEIR_BATCH_MAX * registers + 1, sizeof(double));
    return offline->inherited ? WEIR_OK : weir_error_set(error, WEIR_FULL, "no memory for %zu stages",
                                                         offline->stage_count);
}

weir_status weir_offline_open(const weir_offline_options *options, weir_offline **offline_out, weir_error *error)
{
    weir_check(options->partition_count >= 1 && options->limits.payload_size_max < MESSAGE_SIZE_MAX);
    weir_offline *offline = calloc(1, sizeof *offline);
    if (!offline)
        return weir_error_set(error, WEIR_FULL, "no memory to score");
    offline->options = *options;
    offline->stage_count = weir_plan_stage_count(options->rules->plan);
    offline->has_label = options->labels && options->labels(options->labels_context, &offline->label);
    weir_status status = weir_memory_open(UINT64_MAX / 2, &offline->memory, error);
    if (status == WEIR_OK)
        status = weir_committer_open(false, &offline->committer, error);
    if (status == WEIR_OK && weir_pipeline_open(&options->limits, &offline->pipeline) != WEIR_OK)
        status = weir_error_set(error, WEIR_FULL, "no memory to score");
    if (status == WEIR_OK)
        status = open_partitions(offline, error);
    if (status != WEIR_OK) {
        weir_offline_close(offline);
        return status;
    }
    *offline_out = offline;
    return WEIR_OK;
}

void weir_offline_close(weir_offline *offline)
{
    if (!offline)
        return;
    for (int32_t number = 0; offline->partitions && number < offline->options.partition_count; number++)
        if (offline->partitions[number].state)
            weir_state_close(offline->partitions[number].state);
    for (size_t stage = 1; stage < offline->stage_count; stage++)
        if (offline->stages[stage])
            weir_state_close(offline->stages[stage]);
    weir_pipeline_close(offline->pipeline);
    if (offline->committer)
        weir_committer_close(offline->committer);
    weir_memory_close(offline->memory);
    free(offline->inherited);
    free(offline->payloads);
    free(offline->partitions);
    free(offline);
}

/* ---- work ---- */

/* The partition a producer would have chosen; what cannot be decoded goes to partition 0, as a record without a key
 * may. */
static int32_t partition_of(const weir_offline *offline, weir_span message)
{
    weir_transaction transaction;
    weir_decode_limits any = offline->options.limits;
    any.future_us_max = INT64_MAX;
    if (offline->options.partition_count == 1 ||
        weir_transaction_decode(message, &any, 0, &transaction) != WEIR_ACCEPTED)
        return 0;
    return weir_hash_partition(transaction.card_token, offline->options.partition_count);
}

weir_status weir_offline_push(weir_offline *offline, weir_span message, uint64_t number, int64_t now_us,
                              weir_error *error)
{
    if (message.size > MESSAGE_SIZE_MAX)
        message.size = MESSAGE_SIZE_MAX; /* beyond any limit still, and so rejected as oversized */
    int32_t partition = partition_of(offline, message);
    offline_partition *home = &offline->partitions[partition];
    uint8_t *copy = offline->payloads + offline->payload_used;
    if (message.size)
        memcpy(copy, message.data, message.size);
    offline->payload_used += message.size;
    size_t at = offline->count++;
    offline->numbers[at] = number;
    offline->sources[at] =
        (weir_source){.topic = offline->options.topic, .partition = partition, .offset = home->next_offset};
    offline->jobs[at] = (weir_job){.payload = weir_span_of(copy, message.size),
                                   .partition = partition,
                                   .offset = home->next_offset,
                                   .sequence = home->next_offset,
                                   .now_us = now_us,
                                   .state = home->state,
                                   .slab = weir_memory_slab(offline->memory)};
    home->next_offset++;
    return offline->count == WEIR_BATCH_MAX ? weir_offline_flush(offline, error) : WEIR_OK;
}

/* What went through the stage before becomes the batch of the next one. Registers are copied: the engine is about to
 * use its own again. */
static size_t hand_on(weir_offline *offline, size_t stage, weir_job *jobs, size_t count)
{
    size_t inherited = weir_engine_inherited(offline->options.rules->ruleset, stage), passed = 0;
    for (size_t i = 0; i < count; i++) {
        if (jobs[i].fate != WEIR_FATE_SCORED)
            continue;
        double *registers = offline->inherited + passed * inherited;
        memcpy(registers, jobs[i].item->registers, inherited * sizeof *registers);
        weir_job job = jobs[i];
        job.state = offline->stages[stage];
        job.sequence = offline->stage_sequence++;
        job.inherited = registers;
        offline->onward_jobs[passed] = stage == 1 ? (uint16_t)i : offline->onward_jobs[i];
        offline->onward[passed++] = job;
    }
    return passed;
}

/* Takes jobs decoded for the first stage through the whole chain, and shows each once it is through. */
static weir_status run_chain(weir_offline *offline, size_t first, size_t count, weir_error *error)
{
    const weir_ruleset *ruleset = offline->options.rules->ruleset;
    weir_job *jobs = offline->jobs + first;
    weir_status status = weir_pipeline_apply(offline->pipeline, ruleset, 0, jobs, count, error);
    size_t passed = count;
    for (size_t stage = 1; stage < offline->stage_count && status == WEIR_OK; stage++) {
        passed = hand_on(offline, stage, stage == 1 ? jobs : offline->onward, passed);
        status = weir_pipeline_run(offline->pipeline, ruleset, stage, offline->onward, passed, error);
        for (size_t i = 0; i < passed; i++)
            jobs[offline->onward_jobs[i]] = offline->onward[i];
    }
    for (size_t i = 0; i < count && status == WEIR_OK; i++) {
        status = offline->options.visit(offline->options.context, &jobs[i], &offline->sources[first + i],
                                        offline->numbers[first + i]);
        if (status != WEIR_OK)
            weir_error_set(error, status, "the results cannot be written");
    }
    return status;
}

static weir_status apply_label(weir_offline *offline, weir_error *error)
{
    const weir_ruleset *ruleset = offline->options.rules->ruleset;
    const weir_label *label = &offline->label;
    weir_slab *slab = weir_memory_slab(offline->memory);
    int32_t partition = weir_hash_partition(label->card_token, offline->options.partition_count);
    weir_labelling labelling, elsewhere;
    weir_hop_label onward;
    weir_event event;
    weir_status status = weir_pipeline_label(ruleset, offline->partitions[partition].state, slab, label, &labelling,
                                             &event, &onward, error);
    if (status != WEIR_OK)
        return status;
    offline->labellings[labelling]++;
    for (size_t stage = 1; stage < offline->stage_count && labelling != WEIR_LABELLING_UNKNOWN && status == WEIR_OK;
         stage++)
        status = weir_pipeline_label_onward(ruleset, stage, offline->stages[stage], slab, &onward, &elsewhere, &event,
                                            error);
    offline->has_label = offline->options.labels(offline->options.labels_context, &offline->label);
    return status;
}

void weir_offline_labellings(const weir_offline *offline, uint64_t counts_out[WEIR_LABELLING_COUNT])
{
    memcpy(counts_out, offline->labellings, sizeof offline->labellings);
}

weir_status weir_offline_flush(weir_offline *offline, weir_error *error)
{
    weir_pipeline_decode(offline->pipeline, offline->options.rules->ruleset, offline->jobs, offline->count);
    weir_status status = WEIR_OK;
    for (size_t done = 0; done < offline->count && status == WEIR_OK;) {
        size_t left = offline->count - done;
        size_t ready = offline->has_label
                           ? weir_pipeline_jobs_before(offline->jobs + done, left, offline->label.label_time_us)
                           : left;
        status = run_chain(offline, done, ready, error);
        done += ready;
        if (status == WEIR_OK && done < offline->count)
            status = apply_label(offline, error);
    }
    offline->count = 0;
    offline->payload_used = 0;
    return status;
}
