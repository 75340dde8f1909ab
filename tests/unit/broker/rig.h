/* One member of a consumer group, driven by hand: what app does, in miniature. It answers every rebalance
 * (starting at the committed offset or the log's start), takes records of all its workers, and remembers what
 * it saw. Used against the embedded cluster here, and against Apache Kafka in tests/kafka. */
#ifndef WEIR_TESTS_BROKER_RIG_H
#define WEIR_TESTS_BROKER_RIG_H

#include "weir/broker/broker.h"
#include "weir/broker/client.h"
#include "weir/broker/kafka.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <time.h>

enum { RIG_LANE_MAX = 128, RIG_WORKER_MAX = 4 };

typedef struct rig_member {
    weir_group *group;
    weir_shape shape;
    size_t worker_count;
    bool owned[RIG_LANE_MAX];
    int64_t next[RIG_LANE_MAX];      /* offset after the last record seen */
    uint64_t seen[RIG_LANE_MAX];     /* records */
    bool disordered;                      /* some record did not follow its lane's last, or lanes were mixed */
    int assigns, revokes, losts, errors;
    int32_t error_lane;              /* of the last error; -1 = it named none */
    weir_error error;                     /* the last */
    bool commit_on_revoke;
    int64_t start_offset; /* >= 0: begin here instead */
} rig_member;

static inline int64_t rig_now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static inline void rig_open(rig_member *rig, weir_kafka_options options)
{
    *rig = (rig_member){.worker_count = options.worker_count, .start_offset = -1, .error_lane = -1};
    weir_error error = {0};
    cr_assert_eq(weir_kafka_open(&options, &rig->group, &error), WEIR_OK, "%s", error.message);
    cr_assert_eq(rig->group->ops->join(rig->group, &error), WEIR_OK, "%s", error.message);
    cr_assert_eq(rig->group->ops->describe(rig->group, &rig->shape, &error), WEIR_OK, "%s", error.message);
    cr_assert_leq(weir_shape_lane_count(&rig->shape), RIG_LANE_MAX);
}

static inline void rig_start(rig_member *rig, int32_t lane, const weir_lane_bounds *bounds)
{
    weir_error error = {0};
    cr_assert_not(rig->owned[lane], "lane %d was given twice", lane);
    int64_t offset = bounds->committed >= 0 ? bounds->committed : bounds->log_start;
    offset = rig->start_offset >= 0 ? rig->start_offset : offset;
    size_t worker = (size_t)(lane % rig->shape.partition_count) % rig->worker_count;
    cr_assert_eq(rig->group->ops->start(rig->group, lane, offset, worker, &error), WEIR_OK, "%s", error.message);
    rig->owned[lane] = true;
    rig->next[lane] = offset;
}

static inline void rig_assign(rig_member *rig, const weir_group_event *event)
{
    int32_t lanes[RIG_LANE_MAX];
    weir_lane_bounds bounds[RIG_LANE_MAX];
    weir_error error = {0};
    size_t count = 0;
    for (size_t i = 0; i < event->lane_count; i++) {
        int32_t label = weir_shape_label_lane(&rig->shape, event->lanes[i]);
        lanes[count++] = event->lanes[i];
        if (label >= 0)
            lanes[count++] = label;
    }
    cr_assert_eq(rig->group->ops->bounds(rig->group, lanes, count, bounds, &error), WEIR_OK, "%s", error.message);
    for (size_t i = 0; i < count; i++)
        rig_start(rig, lanes[i], &bounds[i]);
    cr_assert_eq(rig->group->ops->settle(rig->group, &error), WEIR_OK, "%s", error.message);
    rig->assigns++;
}

static inline weir_status rig_commit_lane(rig_member *rig, int32_t lane, int64_t offset, weir_error *error)
{
    weir_lane_commit commit = {.lane = lane, .next_offset = offset};
    return rig->group->ops->commit(rig->group, &commit, 1, true, error);
}

static inline void rig_give_up(rig_member *rig, const weir_group_event *event)
{
    weir_error error = {0};
    for (size_t i = 0; i < event->lane_count; i++) {
        int32_t lane = event->lanes[i], label = weir_shape_label_lane(&rig->shape, lane);
        cr_assert(rig->owned[lane], "lane %d was taken but never given", lane);
        /* The embedded cluster refuses a commit once the next rebalance has begun, which Kafka takes: best effort. */
        if (rig->commit_on_revoke && event->kind == WEIR_GROUP_REVOKE &&
            rig_commit_lane(rig, lane, rig->next[lane], &error) != WEIR_OK)
            cr_assert_eq(error.status, WEIR_TEMPORARY, "%s", error.message);
        rig->owned[lane] = false;
        if (label >= 0)
            rig->owned[label] = false;
    }
    cr_assert_eq(rig->group->ops->settle(rig->group, &error), WEIR_OK, "%s", error.message);
    rig->revokes += event->kind == WEIR_GROUP_REVOKE;
    rig->losts += event->kind == WEIR_GROUP_LOST;
}

/* What every poll promises: lanes of this worker only, one after the other, each in order. */
static inline void rig_see(rig_member *rig, size_t worker, const weir_record *records, size_t count)
{
    bool ended[RIG_LANE_MAX] = {false};
    for (size_t i = 0; i < count; i++) {
        int32_t lane = records[i].lane, p = records[i].partition;
        if (i > 0 && records[i - 1].lane != lane)
            ended[records[i - 1].lane] = true;
        if (p != lane % rig->shape.partition_count || (size_t)p % rig->worker_count != worker || ended[lane] ||
            records[i].offset < rig->next[lane])
            rig->disordered = true;
        rig->next[lane] = records[i].offset + 1;
        rig->seen[lane]++;
    }
}

static inline void rig_take(rig_member *rig, size_t worker, int64_t wait_us)
{
    weir_port *port = rig->group->ops->port(rig->group, worker);
    weir_record records[64];
    rig_see(rig, worker, records, port->ops->poll(port, records, 64, wait_us));
    port->ops->release(port);
}

/* One turn: a group event, then each worker's records. */
static inline void rig_turn(rig_member *rig)
{
    weir_group_event event;
    cr_assert_eq(rig->group->ops->poll(rig->group, 1000, &event), WEIR_OK);
    if (event.kind == WEIR_GROUP_ASSIGN)
        rig_assign(rig, &event);
    else if (event.kind == WEIR_GROUP_REVOKE || event.kind == WEIR_GROUP_LOST)
        rig_give_up(rig, &event);
    else if (event.kind == WEIR_GROUP_ERROR) {
        rig->errors++;
        rig->error = event.error;
        rig->error_lane = event.lane_count ? event.lanes[0] : -1;
    }
    for (size_t i = 0; i < rig->worker_count; i++)
        rig_take(rig, i, 1000);
}

static inline void rig_commit(rig_member *rig)
{
    weir_error error = {0};
    for (int32_t p = 0; p < weir_shape_staged_count(&rig->shape); p++)
        if (rig->owned[p])
            cr_assert_eq(rig_commit_lane(rig, p, rig->next[p], &error), WEIR_OK, "%s", error.message);
}

static inline size_t rig_owned(const rig_member *rig)
{
    size_t count = 0;
    for (size_t i = 0; i < RIG_LANE_MAX; i++)
        count += rig->owned[i];
    return count;
}

static inline uint64_t rig_seen(const rig_member *rig)
{
    uint64_t count = 0;
    for (size_t i = 0; i < RIG_LANE_MAX; i++)
        count += rig->seen[i];
    return count;
}

/* Turns rigs until `condition` holds; the test fails after 30 s. */
#define RIG_UNTIL(condition, ...)                                                                                      \
    do {                                                                                                               \
        rig_member *rigs_[] = {__VA_ARGS__};                                                                           \
        int64_t deadline_us_ = rig_now_us() + 30000000;                                                                \
        while (!(condition) && rig_now_us() < deadline_us_)                                                            \
            for (size_t r_ = 0; r_ < sizeof rigs_ / sizeof *rigs_; r_++)                                               \
                rig_turn(rigs_[r_]);                                                                                   \
        cr_assert(condition, "not within 30 s: %s", #condition);                                                       \
    } while (0)

/* A member that is closed while it joins may be left to the process's end (destroy_consumer), which is a leak to the
 * sanitizers: whoever closes one waits for its lanes first, unless that is the test. */
static inline void rig_close(rig_member *rig)
{
    rig->group->ops->close(rig->group, 5000000);
    rig->group = NULL;
}

/* Sends `count` records to each of a topic's partitions: payload "<partition>:<n>", keyed "card-<n>". */
static inline void rig_fill(const char *bootstrap, const char *topic, int count)
{
    weir_sender *sender;
    weir_error error = {0};
    cr_assert_eq(weir_sender_open(bootstrap, topic, 1000, NULL, 0, &sender, &error), WEIR_OK, "%s", error.message);
    for (int i = 0; i < count; i++)
        for (int32_t p = 0; p < weir_sender_partition_count(sender); p++) {
            char key[32], payload[32];
            snprintf(key, sizeof key, "card-%d", i);
            snprintf(payload, sizeof payload, "%d:%d", p, i);
            cr_assert_eq(weir_sender_send(sender, p, weir_span_text(key), weir_span_text(payload), -1), WEIR_OK);
        }
    cr_assert_eq(weir_sender_flush(sender, 20000000), 0);
    weir_sender_close(sender);
}

/* Acknowledgements, as heard. */
typedef struct rig_acks {
    size_t count, delivered;
    weir_ack last;
} rig_acks;

static inline void rig_heard(void *context, const weir_ack *ack)
{
    rig_acks *acks = context;
    acks->count++;
    acks->delivered += ack->delivered;
    acks->last = *ack;
}

static inline void rig_await_acks(weir_port *port, rig_acks *acks, size_t count)
{
    for (int64_t deadline_us = rig_now_us() + 30000000; acks->count < count && rig_now_us() < deadline_us;)
        port->ops->acks(port, 10000, rig_heard, acks);
    cr_assert_eq(acks->count, count);
}

/* To output[partition], as if record `marker` of lane `partition` had caused it. */
static inline weir_status rig_produce(weir_port *port, weir_output output, int32_t partition, int64_t marker,
                                      const char *payload)
{
    weir_outgoing outgoing = {.output = output,
                              .lane = partition,
                              .marker = marker,
                              .partition = partition,
                              .key = weir_span_text("card-1"),
                              .payload = weir_span_text(payload)};
    return port->ops->produce(port, &outgoing);
}

/* The last payload of an output, as text, and a header after a bar when it has one. */
static inline void rig_visit_text(void *context, weir_span payload, weir_span header)
{
    if (header.size)
        snprintf(context, 64, "%.*s|%.*s", WEIR_SPAN_ARGS(payload), WEIR_SPAN_ARGS(header));
    else
        snprintf(context, 64, "%.*s", WEIR_SPAN_ARGS(payload));
}

static inline void rig_last(rig_member *rig, weir_output output, int32_t partition, const char *header,
                            char text_out[64])
{
    weir_error error = {0};
    snprintf(text_out, 64, "none");
    cr_assert_eq(rig->group->ops->last_output(rig->group, output, partition, header, rig_visit_text, text_out, &error),
                 WEIR_OK, "%s", error.message);
}

#endif
