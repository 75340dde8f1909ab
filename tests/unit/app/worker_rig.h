/* A worker over a fake port, fake disks and a clock that moves by a fixed step each time it is asked. */
#ifndef WEIR_TESTS_UNIT_APP_WORKER_RIG_H
#define WEIR_TESTS_UNIT_APP_WORKER_RIG_H

#include "rig.h"

#include <string.h>

enum { RIG_STAGES = 3 };

static const char *const RIG_TOPICS[RIG_STAGES] = {"transactions", "weir.stage.terminal", "weir.stage.merchant"};

typedef struct worker_rig {
    weir_rules rules;
    weir_fake_port port;
    weir_fake_disk disks[RIG_STAGES * RIG_PARTITIONS]; /* by lane */
    size_t carried;                                    /* records of the port that rig_carry has looked at */
    int64_t hop_ends[RIG_STAGES * RIG_PARTITIONS];     /* of the lanes it carries to */
    _Atomic int64_t limit_us;                          /* the alignment's, when options.limit_us is set to it */
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

static weir_status rig_open_disk(void *context, const char *topic, int32_t partition, weir_store **store_out,
                                 weir_error *error)
{
    worker_rig *it = context;
    if (it->open_failure != WEIR_OK)
        return weir_error_set(error, it->open_failure, "the disk does not open");
    int32_t stage = 0;
    while (strcmp(RIG_TOPICS[stage], topic) != 0)
        cr_assert_lt(++stage, RIG_STAGES, "no such topic: %s", topic);
    *store_out = weir_fake_store_open(&it->disks[stage * RIG_PARTITIONS + partition]);
    return WEIR_OK;
}

/* Everything but the worker, for a chain of so many stages; `it` is zeroed. Change it->options before rig_start. */
static inline void rig_prepare_chain(worker_rig *it, size_t stage_count, bool has_labels)
{
    weir_error error = {0};
    rig_open_chain(&it->rules, stage_count);
    weir_fake_port_init(&it->port);
    it->port.partition_count = RIG_PARTITIONS;
    for (int lane = 0; lane < RIG_STAGES * RIG_PARTITIONS; lane++)
        weir_fake_disk_init(&it->disks[lane]);
    cr_assert_eq(weir_committer_open(false, &it->committer, &error), WEIR_OK, "%s", error.message);
    cr_assert_eq(weir_metrics_open(2, &it->metrics, &error), WEIR_OK, "%s", error.message);
    it->options = (weir_worker_options){
        .shape = {.partition_count = RIG_PARTITIONS, .stage_count = stage_count, .has_labels = has_labels},
        .stage_topics = RIG_TOPICS,
        .batch_events_max = 64,
        .limits = {.framing = WEIR_FRAMING_RAW},
        .brake_window = 20,
        .brake_share_max = 0.5,
        .memory_bytes_max = 64 << 20,
        .state = {.identity = {.partition_count = RIG_PARTITIONS, .horizon_us = weir_plan_horizon_us(it->rules.plan)},
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
        .drift_us_max = WEIR_US_PER_HOUR,
        .idle_us = WEIR_US_PER_SECOND,
    };
}

/* The first stage alone. */
static inline void rig_prepare(worker_rig *it)
{
    rig_prepare_chain(it, 1, false);
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
    for (int lane = 0; lane < RIG_STAGES * RIG_PARTITIONS; lane++)
        weir_fake_disk_deinit(&it->disks[lane]);
    weir_fake_port_deinit(&it->port);
    weir_rules_close(&it->rules);
}

static inline weir_status rig_open(worker_rig *it, int32_t lane, int64_t *replay_from_out, weir_error *error)
{
    int64_t labels_from;
    return weir_worker_open_partition(it->worker, lane, replay_from_out, &labels_from, error);
}

/* Opens a lane and begins it as told; the ends are the outputs' as they are. */
static inline void rig_begin_as(worker_rig *it, int32_t lane, weir_beginning beginning)
{
    int64_t replay_from, ends[2 * RIG_PARTITIONS];
    weir_error error = {0};
    cr_assert_eq(rig_open(it, lane, &replay_from, &error), WEIR_OK, "%s", error.message);
    for (int32_t p = 0; p < RIG_PARTITIONS; p++) {
        ends[p] = it->port.ends[WEIR_OUTPUT_ALERTS][p];
        ends[RIG_PARTITIONS + p] = it->port.ends[WEIR_OUTPUT_SCORES][p];
    }
    beginning.ends = ends;
    weir_worker_begin_partition(it->worker, lane, &beginning);
}

/* Opens a lane and begins it at `position`, emitting from `mark` on. */
static inline void rig_begin(worker_rig *it, int32_t lane, int64_t position, int64_t mark, int64_t committed)
{
    rig_begin_as(it, lane,
                 (weir_beginning){.position = position, .marks = {mark, mark, mark, mark}, .committed = committed});
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

/* Brings what was sent to the internal topics since the last time to the lanes that read them. */
static inline void rig_carry(worker_rig *it)
{
    for (; it->carried < it->port.sent_count; it->carried++) {
        const weir_fake_sent sent = it->port.sent[it->carried];
        int32_t lane = (int32_t)sent.stage * RIG_PARTITIONS + sent.partition;
        if (sent.output == WEIR_OUTPUT_HOPS)
            weir_fake_port_add(&it->port, lane, it->hop_ends[lane]++, (weir_span){0}, sent.payload);
    }
}

/* Turns until nothing is under way any more. */
static inline void rig_settle(worker_rig *it)
{
    do
        rig_carry(it);
    while (weir_worker_turn(it->worker) > 0 || it->carried < it->port.sent_count);
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
