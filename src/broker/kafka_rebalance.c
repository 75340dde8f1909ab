#include "kafka_private.h"

#include "weir/base/check.h"

#include <stdio.h>

/* The rebalance dance. librdkafka raises an event on the consumer's queue and then waits for the application's
 * incremental_assign or incremental_unassign, from whatever thread and however long it takes (heartbeats go on by
 * themselves). weir answers in settle():
 *
 *   poll ── REBALANCE(assign) ──> pending = ASSIGN ── start(lane) ... ── settle ──> incremental_assign, labels start
 *        └─ REBALANCE(revoke) ──> pending = REVOKE / LOST ── settle ──> no poll sees them, incremental_unassign
 *
 * start() sets the lane's queue apart before the assignment exists, so no record can ever land on the group's own
 * queue.
 */

static void raise_error(weir_group_event *event_out, const weir_error *error, const int32_t *lanes, size_t count)
{
    *event_out = (weir_group_event){.kind = WEIR_GROUP_ERROR, .lanes = lanes, .lane_count = count, .error = *error};
}

void kafka_rebalance_fault(kafka_group *group, const kafka_lane *lane, const rd_kafka_message_t *message)
{
    kafka_fault fault = {.lane = lane->number};
    if (message->err == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET || message->err == RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE)
        weir_error_set(&fault.error, WEIR_REFUSED,
                       "%s [%d]: offset %lld is not in the log (retention has overtaken the reader, or the topic was "
                       "made anew): %s; move the partition's state away to begin again",
                       lane->topic, lane->partition, (long long)message->offset, rd_kafka_message_errstr(message));
    else
        weir_error_set(&fault.error, kafka_status(message->err), "%s [%d]: %s (%s)", lane->topic, lane->partition,
                       rd_kafka_message_errstr(message), rd_kafka_err2name(message->err));
    pthread_mutex_lock(&group->fault_lock);
    if (group->fault_count < KAFKA_FAULT_MAX) /* beyond that, the first causes say enough */
        group->faults[group->fault_count++] = fault;
    pthread_mutex_unlock(&group->fault_lock);
    rd_kafka_queue_yield(group->queue);
}

static bool take_fault(kafka_group *group, weir_group_event *event_out)
{
    pthread_mutex_lock(&group->fault_lock);
    bool taken = group->fault_count > 0;
    if (taken) {
        kafka_fault fault = group->faults[0];
        memmove(group->faults, group->faults + 1, --group->fault_count * sizeof *group->faults);
        group->event_lanes[0] = fault.lane;
        raise_error(event_out, &fault.error, group->event_lanes, 1);
    }
    pthread_mutex_unlock(&group->fault_lock);
    return taken;
}

/* A worker that must not miss its chance to answer within max.poll.interval.ms is served by its own polls; the
 * group only has to say yes. */
static weir_status answer(kafka_group *group, bool assign, const rd_kafka_topic_partition_list_t *list,
                          weir_error *error)
{
    rd_kafka_error_t *raised = assign ? rd_kafka_incremental_assign(group->consumer, list)
                                      : rd_kafka_incremental_unassign(group->consumer, list);
    return kafka_error_take(error, raised, "answering a rebalance");
}

static weir_status not_a_lane(kafka_group *group, const rd_kafka_topic_partition_t *given, weir_error *error)
{
    return weir_error_set(error, WEIR_REFUSED,
                          "given %s [%d], but the topics of this group had %d partitions at start: a topic has grown, "
                          "and keys now map to other partitions, so that histories no longer fit; move to new topics",
                          given->topic, given->partition, group->partition_count);
}

/* The lanes of an event: all that are given, or of those taken the ones that were started. */
static size_t name_lanes(kafka_group *group, const rd_kafka_topic_partition_list_t *list, bool assign,
                         weir_error *error)
{
    size_t count = 0;
    for (int i = 0; i < list->cnt && count < (size_t)group->lane_count; i++) {
        int32_t number = kafka_lane_number(group, list->elems[i].topic, list->elems[i].partition);
        if (number < 0)
            not_a_lane(group, &list->elems[i], error);
        else if (assign || kafka_lane_at(group, number)->queue)
            group->event_lanes[count++] = number;
    }
    return count;
}

static void rebalance(kafka_group *group, rd_kafka_event_t *event, weir_group_event *event_out)
{
    bool assign = rd_kafka_event_error(event) == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
    bool lost = !assign && rd_kafka_assignment_lost(group->consumer);
    group->was_assigned |= assign;
    weir_error error = {0};
    size_t count = name_lanes(group, rd_kafka_event_topic_partition_list(event), assign, &error);
    if (error.status) {
        raise_error(event_out, &error, NULL, 0);
    } else if (count == 0) {
        /* A cooperative group says "nothing changes for you" this way; it still wants to hear back. */
        rd_kafka_topic_partition_list_t *none = rd_kafka_topic_partition_list_new(0);
        if (answer(group, assign, none, &error) != WEIR_OK)
            raise_error(event_out, &error, NULL, 0);
        rd_kafka_topic_partition_list_destroy(none);
    } else {
        group->pending = assign ? WEIR_GROUP_ASSIGN : lost ? WEIR_GROUP_LOST : WEIR_GROUP_REVOKE;
        group->event_lane_count = count;
        group->starting_count = 0;
        *event_out =
            (weir_group_event){.kind = group->pending, .lanes = group->event_lanes, .lane_count = count};
    }
}

static void client_error(kafka_group *group, rd_kafka_event_t *event, weir_group_event *event_out)
{
    rd_kafka_resp_err_t code = rd_kafka_event_error(event);
    char text[KAFKA_ERROR_TEXT_SIZE];
    snprintf(text, sizeof text, "%s", rd_kafka_event_error_string(event));
    if (code == RD_KAFKA_RESP_ERR__FATAL)
        code = rd_kafka_fatal_error(group->consumer, text, sizeof text);
    weir_error error = {0};
    weir_status status = kafka_status(code);
    weir_error_set(&error, status == WEIR_OK ? WEIR_TEMPORARY : status, "Kafka consumer: %s (%s)", text,
                   rd_kafka_err2name(code));
    raise_error(event_out, &error, NULL, 0);
}

static void commit_result(kafka_group *group, rd_kafka_event_t *event, weir_group_event *event_out)
{
    rd_kafka_resp_err_t code = rd_kafka_event_error(event);
    const rd_kafka_topic_partition_list_t *list = rd_kafka_event_topic_partition_list(event);
    for (int i = 0; list && i < list->cnt && !code; i++)
        code = list->elems[i].err;
    if (!code || code == RD_KAFKA_RESP_ERR__NO_OFFSET)
        return;
    weir_error error = {0};
    kafka_error(&error, code, "committing offsets of group %s", group->group_id);
    raise_error(event_out, &error, NULL, 0);
}

static const struct {
    rd_kafka_event_type_t type;
    void (*handle)(kafka_group *group, rd_kafka_event_t *event, weir_group_event *event_out);
} EVENTS[] = {
    {RD_KAFKA_EVENT_REBALANCE, rebalance},
    {RD_KAFKA_EVENT_ERROR, client_error},
    {RD_KAFKA_EVENT_OFFSET_COMMIT, commit_result},
};

weir_status kafka_rebalance_poll(weir_group *base, int64_t wait_us, weir_group_event *event_out)
{
    kafka_group *group = (kafka_group *)base;
    weir_check(group->joined && group->pending == WEIR_GROUP_NONE);
    *event_out = (weir_group_event){0};
    if (take_fault(group, event_out))
        return WEIR_OK;
    rd_kafka_event_t *event = rd_kafka_queue_poll(group->queue, kafka_ms(wait_us));
    if (!event) {
        take_fault(group, event_out);
        return WEIR_OK;
    }
    weir_check(rd_kafka_event_type(event) != RD_KAFKA_EVENT_FETCH); /* a record here would be a lost record */
    for (size_t i = 0; i < sizeof EVENTS / sizeof *EVENTS; i++)
        if (EVENTS[i].type == rd_kafka_event_type(event))
            EVENTS[i].handle(group, event, event_out);
    rd_kafka_event_destroy(event);
    return WEIR_OK;
}

weir_status kafka_rebalance_start(weir_group *base, int32_t number, int64_t offset, size_t worker, weir_error *error)
{
    kafka_group *group = (kafka_group *)base;
    weir_check(group->pending == WEIR_GROUP_ASSIGN && worker < group->worker_count && offset >= 0);
    kafka_lane *lane = kafka_lane_at(group, number);
    bool is_label = kafka_lane_is_label(group, lane);
    rd_kafka_queue_t *queue = is_label
                                  ? rd_kafka_queue_new(group->label_consumer)
                                  : rd_kafka_queue_get_partition(group->consumer, lane->topic, lane->partition);
    if (!queue)
        return weir_error_set(error, WEIR_TEMPORARY, "%s [%d]: librdkafka has no queue for it", lane->topic,
                              lane->partition);
    if (!is_label)
        rd_kafka_queue_forward(queue, NULL); /* not to the consumer's own queue, where it would go by itself */
    kafka_lane_attach(lane, group->ports[worker], queue, offset);
    group->starting_lanes[group->starting_count++] = number;
    return WEIR_OK;
}

static void stop_lane(kafka_group *group, int32_t number)
{
    kafka_lane *lane = kafka_lane_at(group, number);
    if (!lane->queue)
        return;
    kafka_lane_detach(lane);
    if (kafka_lane_is_label(group, lane))
        kafka_labels_stop(group, lane);
}

static void close_lane(kafka_group *group, int32_t number)
{
    kafka_lane *lane = kafka_lane_at(group, number);
    if (lane->queue)
        kafka_lane_close(lane);
}

/* Calls `visit` for lanes taken and for the labels that follow them. */
static void each_taken(kafka_group *group, void (*visit)(kafka_group *group, int32_t number))
{
    for (size_t i = 0; i < group->event_lane_count; i++) {
        int32_t number = group->event_lanes[i];
        visit(group, number);
        if (group->has_labels && number < group->partition_count)
            visit(group, (int32_t)group->stage_count * group->partition_count + number);
    }
}

static weir_status settle_taken(kafka_group *group, weir_error *error)
{
    rd_kafka_topic_partition_list_t *list = kafka_lane_list(group, group->event_lanes, group->event_lane_count);
    each_taken(group, stop_lane);
    weir_status status = answer(group, false, list, error);
    each_taken(group, close_lane);
    rd_kafka_topic_partition_list_destroy(list);
    return status;
}

static weir_status start_labels(kafka_group *group, weir_error *error)
{
    weir_status status = WEIR_OK;
    for (size_t i = 0; i < group->starting_count && status == WEIR_OK; i++) {
        kafka_lane *lane = kafka_lane_at(group, group->starting_lanes[i]);
        if (kafka_lane_is_label(group, lane))
            status = kafka_labels_start(group, lane, error);
    }
    return status;
}

static weir_status settle_given(kafka_group *group, weir_error *error)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)group->starting_count);
    for (size_t i = 0; i < group->starting_count; i++) {
        const kafka_lane *lane = kafka_lane_at(group, group->starting_lanes[i]);
        if (!kafka_lane_is_label(group, lane))
            rd_kafka_topic_partition_list_add(list, lane->topic, lane->partition)->offset = lane->start_offset;
    }
    weir_status status = answer(group, true, list, error);
    rd_kafka_topic_partition_list_destroy(list);
    if (status == WEIR_OK)
        status = start_labels(group, error);
    for (size_t i = 0; i < group->starting_count && status != WEIR_OK; i++) {
        stop_lane(group, group->starting_lanes[i]);
        close_lane(group, group->starting_lanes[i]);
    }
    return status;
}

weir_status kafka_rebalance_settle(weir_group *base, weir_error *error)
{
    kafka_group *group = (kafka_group *)base;
    weir_check(group->pending != WEIR_GROUP_NONE);
    bool assign = group->pending == WEIR_GROUP_ASSIGN;
    group->pending = WEIR_GROUP_NONE;
    return assign ? settle_given(group, error) : settle_taken(group, error);
}

void kafka_rebalance_decline(kafka_group *group, rd_kafka_event_t *event)
{
    if (rd_kafka_event_type(event) != RD_KAFKA_EVENT_REBALANCE)
        return;
    bool assign = rd_kafka_event_error(event) == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
    rd_kafka_topic_partition_list_t *none = rd_kafka_topic_partition_list_new(0);
    group->was_assigned |= assign;
    weir_error ignored; /* leaving: the session timeout does what is left undone */
    (void)answer(group, assign, assign ? none : rd_kafka_event_topic_partition_list(event), &ignored);
    rd_kafka_topic_partition_list_destroy(none);
}
