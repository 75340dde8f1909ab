#include "kafka_private.h"

#include "weir/base/check.h"

#include <stdlib.h>

/* A lane's queue belongs to librdkafka's threads on one end and to one worker on the other:
 *
 *   broker thread ── record into an empty queue ──> heard(): ready = true, and the bell if the worker sleeps
 *   worker        ── poll ──> ready = false, takes what is there; ready = true again if it stopped for want of room
 *
 * librdkafka calls heard() under the queue's own lock, at the step from empty to not empty. The worker lowers the flag
 * before it looks, so that a record that comes after its look raises it again; a poll of lanes that have nothing is a
 * few loads. Asleep is the same bargain one level up (kafka_port.c): each side raises its own flag before it reads the
 * other's, in one total order, so that at least one of them sees the other.
 */
static void heard(rd_kafka_t *rk, void *opaque)
{
    (void)rk;
    kafka_lane *lane = opaque;
    atomic_store(&lane->ready, true);
    kafka_port_ring(lane->port);
}

static int32_t source_count(const kafka_group *group)
{
    return (int32_t)group->stage_count + group->has_labels;
}

weir_status kafka_lanes_make(kafka_group *group, weir_error *error)
{
    group->lane_count = source_count(group) * group->partition_count;
    group->lanes = calloc((size_t)group->lane_count, sizeof *group->lanes);
    if (!group->lanes)
        return weir_error_set(error, WEIR_FULL, "no memory for %d lanes", group->lane_count);
    for (int32_t i = 0; i < group->lane_count; i++) {
        group->lanes[i].number = i;
        group->lanes[i].partition = i % group->partition_count;
        group->lanes[i].topic = group->topics[i / group->partition_count];
        atomic_init(&group->lanes[i].log_end, -1);
    }
    return WEIR_OK;
}

void kafka_lanes_free(kafka_group *group)
{
    for (int32_t i = 0; i < group->lane_count && group->lanes; i++)
        if (group->lanes[i].queue) {
            kafka_lane_detach(&group->lanes[i]);
            kafka_lane_close(&group->lanes[i]);
        }
    free(group->lanes);
    group->lanes = NULL;
}

kafka_lane *kafka_lane_at(const kafka_group *group, int32_t number)
{
    weir_check(number >= 0 && number < group->lane_count);
    return &group->lanes[number];
}

bool kafka_lane_is_label(const kafka_group *group, const kafka_lane *lane)
{
    return lane->number >= (int32_t)group->stage_count * group->partition_count;
}

int32_t kafka_lane_number(const kafka_group *group, const char *topic, int32_t partition)
{
    if (partition < 0 || partition >= group->partition_count)
        return -1;
    for (size_t i = 0; i < group->stage_count; i++)
        if (strcmp(group->topics[i], topic) == 0)
            return (int32_t)i * group->partition_count + partition;
    return -1;
}

rd_kafka_topic_partition_list_t *kafka_lane_list(const kafka_group *group, const int32_t *lanes, size_t count)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)count);
    for (size_t i = 0; i < count; i++) {
        const kafka_lane *lane = kafka_lane_at(group, lanes[i]);
        rd_kafka_topic_partition_list_add(list, lane->topic, lane->partition)->offset = lane->start_offset;
    }
    return list;
}

void kafka_lane_attach(kafka_lane *lane, kafka_port *port, rd_kafka_queue_t *queue, int64_t offset)
{
    weir_check(!lane->queue && !lane->port);
    lane->queue = queue;
    lane->port = port;
    lane->start_offset = offset;
    atomic_store(&lane->held, false);
    atomic_store(&lane->ended, false);
    lane->rank = INT64_MIN;
    atomic_store(&lane->ready, true); /* what is in the queue already made no step from empty */
    rd_kafka_queue_cb_event_enable(queue, heard, lane);
    pthread_mutex_lock(&port->lanes_lock);
    weir_check(port->lane_count < (size_t)port->group->lane_count);
    port->lanes[port->lane_count++] = lane;
    pthread_mutex_unlock(&port->lanes_lock);
    kafka_port_ring(port);
}

void kafka_lane_detach(kafka_lane *lane)
{
    kafka_port *port = lane->port;
    pthread_mutex_lock(&port->lanes_lock);
    size_t at = 0;
    while (port->lanes[at] != lane)
        at++;
    port->lanes[at] = port->lanes[--port->lane_count];
    pthread_mutex_unlock(&port->lanes_lock);
    rd_kafka_queue_cb_event_enable(lane->queue, NULL, NULL); /* takes the queue's lock: nobody is in heard() after it */
    lane->port = NULL;
}

void kafka_lane_close(kafka_lane *lane)
{
    weir_check(lane->queue && !lane->port);
    for (size_t i = 0; i < lane->returned_count; i++)
        rd_kafka_message_destroy(lane->returned[i]);
    free(lane->returned);
    lane->returned = NULL;
    lane->returned_count = 0;
    rd_kafka_message_t *messages[64];
    for (ssize_t count; (count = rd_kafka_consume_batch_queue(lane->queue, 0, messages, 64)) > 0;)
        for (ssize_t i = 0; i < count; i++)
            rd_kafka_message_destroy(messages[i]);
    rd_kafka_queue_destroy(lane->queue);
    lane->queue = NULL;
}

/* The end is what bounds found, or a later one that came with fetched records: librdkafka alone would still tell the
 * one it saw when it last read this partition, which may be long ago. */
int64_t kafka_lane_lag(const kafka_group *group, int32_t number, int64_t position)
{
    kafka_lane *lane = kafka_lane_at(group, number);
    if (atomic_load_explicit(&lane->ended, memory_order_relaxed))
        return 0;
    rd_kafka_t *rk = kafka_lane_is_label(group, lane) ? group->label_consumer : group->consumer;
    int64_t end = atomic_load_explicit(&lane->log_end, memory_order_relaxed), low, high;
    if (rd_kafka_get_watermark_offsets(rk, lane->topic, lane->partition, &low, &high) == RD_KAFKA_RESP_ERR_NO_ERROR &&
        high > end)
        end = high;
    if (end < 0)
        return -1;
    return end > position ? end - position : 0;
}
