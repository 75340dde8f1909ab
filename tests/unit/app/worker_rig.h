/* A worker over a fake port, fake disks and a clock that moves by a fixed step each time it is asked. */
#ifndef WEIR_TESTS_UNIT_APP_WORKER_RIG_H
#define WEIR_TESTS_UNIT_APP_WORKER_RIG_H

#include "rig.h"

typedef struct worker_rig {
    weir_rules rules;
    weir_fake_port port;
    weir_fake_disk disks[RIG_PARTITIONS];
    weir_status open_failure; /* what opening a store answers; WEIR_OK = it opens */
    weir_committer *committer;
    weir_metrics *metrics;
    weir_worker_options options;
    weir_worker *worker;
} worker_rig;

static int64_t rig_monotonic_now_us = 1;
static int64_t rig_step_us = 10;

static int64_t rig_wall_us(const weir_clock *clock)
{
    (void)clock;
    return RIG_NOW_US;
}

static int64_t rig_monotonic_us(const weir_clock *clock)
{
    (void)clock;
    return rig_monotonic_now_us += rig_step_us;
}

static const weir_clock RIG_CLOCK = {.wall_us = rig_wall_us, .monotonic_us = rig_monotonic_us};

static weir_status rig_open_disk(void *context, int32_t partition, weir_store **store_out, weir_error *error)
{
    worker_rig *it = context;
    if (it->open_failure != WEIR_OK)
        return weir_error_set(error, it->open_failure, "the disk does not open");
    *store_out = weir_fake_store_open(&it->disks[partition]);
    return WEIR_OK;
}

/* Everything but the worker; `it` is zeroed. Change it->options before rig_start. */
static inline void rig_prepare(worker_rig *it)
{
    weir_error error = {0};
    rig_open_rules(&it->rules);
    weir_fake_port_init(&it->port);
    for (int p = 0; p < RIG_PARTITIONS; p++)
        weir_fake_disk_init(&it->disks[p]);
    cr_assert_eq(weir_committer_open(false, &it->committer, &error), WEIR_OK, "%s", error.message);
    cr_assert_eq(weir_metrics_open(2, &it->metrics, &error), WEIR_OK, "%s", error.message);
    it->options = (weir_worker_options){
        .partition_count = RIG_PARTITIONS,
        .batch_events_max = 64,
        .limits = {.framing = WEIR_FRAMING_RAW},
        .brake_window = 20,
        .brake_share_max = 0.5,
        .memory_bytes_max = 64 << 20,
        .state = {.identity = {.topic = "transactions", .entity = "card", .partition_count = RIG_PARTITIONS,
                               .horizon_us = weir_plan_horizon_us(it->rules.plan)},
                  .sweep_interval_us = 1},
        .open_store = rig_open_disk,
        .open_store_context = it,
        .emitter = {.input_topic = "transactions", .group_id = "weir", .enabled = {true, true, true},
                    .score_features = true, .framing = WEIR_FRAMING_RAW},
        .port = &it->port.base,
        .clock = &RIG_CLOCK,
        .committer = it->committer,
        .ruleset = it->rules.ruleset,
        .metrics = it->metrics,
    };
}

static inline void rig_start(worker_rig *it)
{
    weir_error error = {0};
    cr_assert_eq(weir_worker_open(&it->options, &it->worker, &error), WEIR_OK, "%s", error.message);
}

static inline void rig_stop(worker_rig *it)
{
    weir_worker_close(it->worker);
    weir_metrics_close(it->metrics);
    weir_committer_close(it->committer);
    for (int p = 0; p < RIG_PARTITIONS; p++)
        weir_fake_disk_deinit(&it->disks[p]);
    weir_fake_port_deinit(&it->port);
    weir_rules_close(&it->rules);
}

/* Opens a partition and begins it at `position`, emitting from `mark` on. */
static inline void rig_begin(worker_rig *it, int32_t partition, int64_t position, int64_t mark, int64_t committed)
{
    const int64_t marks[WEIR_OUTPUT_COUNT] = {mark, mark, mark};
    int64_t replay_from;
    weir_error error = {0};
    cr_assert_eq(weir_worker_open_partition(it->worker, partition, &replay_from, &error), WEIR_OK, "%s", error.message);
    weir_worker_begin_partition(it->worker, partition, position, marks, committed);
}

static inline void rig_add(worker_rig *it, int32_t partition, int64_t offset, uint64_t card, int64_t amount_minor)
{
    uint8_t bytes[RIG_PAYLOAD_MAX];
    weir_fake_port_add(&it->port, partition, offset, weir_span_text("key"),
                       rig_transaction(bytes, (uint64_t)offset + 100000 * (uint64_t)partition, card, amount_minor));
}

static inline void rig_add_garbage(worker_rig *it, int32_t partition, int64_t offset)
{
    weir_fake_port_add(&it->port, partition, offset, weir_span_text("key"), weir_span_text("garbage"));
}

static inline void rig_turn(worker_rig *it, int times)
{
    while (times-- > 0)
        weir_worker_turn(it->worker);
}

static inline int64_t rig_acked_below(worker_rig *it, int32_t partition)
{
    return atomic_load(&weir_worker_partition(it->worker, partition)->acked_below);
}

static inline weir_phase rig_phase(worker_rig *it, int32_t partition)
{
    return (weir_phase)atomic_load(&weir_worker_partition(it->worker, partition)->phase);
}

static inline bool rig_has_failed(worker_rig *it, weir_error *error_out)
{
    return weir_worker_failure(it->worker, error_out) != WEIR_OK;
}

#endif
