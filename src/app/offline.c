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
    offline_partition *partitions;
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
    return WEIR_OK;
}

weir_status weir_offline_open(const weir_offline_options *options, weir_offline **offline_out, weir_error *error)
{
    weir_check(options->partition_count >= 1 && options->limits.payload_size_max < MESSAGE_SIZE_MAX);
    weir_offline *offline = calloc(1, sizeof *offline);
    if (!offline)
        return weir_error_set(error, WEIR_FULL, "no memory to score");
    offline->options = *options;
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
    weir_pipeline_close(offline->pipeline);
    if (offline->committer)
        weir_committer_close(offline->committer);
    weir_memory_close(offline->memory);
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
                                   .offset = home->next_offset++,
                                   .now_us = now_us,
                                   .state = home->state,
                                   .slab = weir_memory_slab(offline->memory)};
    return offline->count == WEIR_BATCH_MAX ? weir_offline_flush(offline, error) : WEIR_OK;
}

weir_status weir_offline_flush(weir_offline *offline, weir_error *error)
{
    weir_status status =
        weir_pipeline_run(offline->pipeline, offline->options.rules->ruleset, offline->jobs, offline->count, error);
    for (size_t i = 0; i < offline->count && status == WEIR_OK; i++) {
        status = offline->options.visit(offline->options.context, &offline->jobs[i], &offline->sources[i],
                                        offline->numbers[i]);
        if (status != WEIR_OK)
            weir_error_set(error, status, "the results cannot be written");
    }
    offline->count = 0;
    offline->payload_used = 0;
    return status;
}
