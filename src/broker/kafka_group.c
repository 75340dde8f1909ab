#include "kafka_private.h"

#include "weir/base/check.h"

#include <stdio.h>
#include <stdlib.h>

static weir_status subscribe(kafka_group *group, weir_error *error)
{
    rd_kafka_topic_partition_list_t *topics = rd_kafka_topic_partition_list_new((int)group->stage_count);
    for (size_t i = 0; i < group->stage_count; i++)
        rd_kafka_topic_partition_list_add(topics, group->topics[i], RD_KAFKA_PARTITION_UA);
    rd_kafka_resp_err_t code = rd_kafka_subscribe(group->consumer, topics);
    rd_kafka_topic_partition_list_destroy(topics);
    return code ? kafka_error(error, code, "subscribing to %s", group->topics[0]) : WEIR_OK;
}

static weir_status join(weir_group *base, weir_error *error)
{
    kafka_group *group = (kafka_group *)base;
    weir_check(!group->joined);
    weir_status status = WEIR_OK;
    for (size_t i = 0; i < group->worker_count && status == WEIR_OK; i++)
        if (!group->ports[i])
            status = kafka_port_open(group, &group->ports[i], error);
    if (status == WEIR_OK)
        status = subscribe(group, error);
    group->joined = status == WEIR_OK;
    return status;
}

static weir_port *port_of(weir_group *base, size_t worker)
{
    kafka_group *group = (kafka_group *)base;
    weir_check(group->joined && worker < group->worker_count);
    return &group->ports[worker]->base;
}

/* librdkafka tells how many records wait, not their size: that is estimated from the last batch each worker took. */
static void backlog(weir_group *base, uint64_t *records_out, uint64_t *bytes_out)
{
    kafka_group *group = (kafka_group *)base;
    uint64_t records = 0, bytes = 0;
    for (int32_t i = 0; i < group->lane_count; i++) {
        const kafka_lane *lane = &group->lanes[i];
        if (!lane->queue)
            continue;
        uint64_t waiting = rd_kafka_queue_length(lane->queue);
        records += waiting;
        bytes += waiting * (KAFKA_RECORD_OVERHEAD +
                            atomic_load_explicit(&lane->port->record_size_mean, memory_order_relaxed));
    }
    *records_out = records;
    *bytes_out = bytes;
}

static int64_t lag(weir_group *base, int32_t lane, int64_t position)
{
    return kafka_lane_lag((kafka_group *)base, lane, position);
}

static weir_status say(weir_group *base, weir_span payload, weir_error *error)
{
    return kafka_gossip_say(((kafka_group *)base)->gossip, payload, error);
}

static void hear(weir_group *base, weir_gossip_visit *visit, void *context)
{
    kafka_gossip_hear(((kafka_group *)base)->gossip, visit, context);
}

static weir_status describe(weir_group *base, weir_shape *shape_out, weir_error *error)
{
    kafka_group *group = (kafka_group *)base;
    char *id = rd_kafka_clusterid(group->reader, KAFKA_TIMEOUT_MS);
    if (!id)
        return weir_error_set(error, WEIR_TEMPORARY, "no Kafka broker told its cluster id within %d s",
                              KAFKA_TIMEOUT_MS / 1000);
    *shape_out = (weir_shape){.partition_count = group->partition_count,
                              .stage_count = group->stage_count,
                              .has_labels = group->has_labels};
    snprintf(shape_out->cluster_id, sizeof shape_out->cluster_id, "%s", id);
    rd_kafka_mem_free(group->reader, id);
    return WEIR_OK;
}

/* ---- leaving ---- */

static void leave(kafka_group *group, int64_t deadline_us)
{
    if (!group->joined)
        return;
    weir_error ignored;
    if (group->pending != WEIR_GROUP_NONE)
        (void)kafka_rebalance_settle(&group->base, &ignored);
    rd_kafka_error_t *raised = rd_kafka_consumer_close_queue(group->consumer, group->queue);
    if (raised)
        rd_kafka_error_destroy(raised);
    while (!rd_kafka_consumer_closed(group->consumer) && kafka_now_us() < deadline_us) {
        rd_kafka_event_t *event = rd_kafka_queue_poll(group->queue, 50);
        if (!event)
            continue;
        kafka_rebalance_decline(group, event);
        rd_kafka_event_destroy(event);
    }
}

/* librdkafka 2.0.2 aborts the process when a handle is destroyed after the group chose its assignor and before the
 * first assignment (rd_kafka_sticky_assignor_state_destroy asserts that there is a state). Such a handle, closed
 * already, is left to the end of the process. Returns whether it is gone. */
static bool destroy_consumer(kafka_group *group)
{
    bool safe = !group->joined || group->was_assigned;
    if (!safe) {
        const char *protocol = rd_kafka_rebalance_protocol(group->consumer);
        safe = protocol && strcmp(protocol, "NONE") == 0;
    }
    if (safe)
        rd_kafka_destroy_flags(group->consumer, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
    return safe;
}

static void free_names(kafka_group *group)
{
    free(group->group_id);
    for (size_t i = 0; i < KAFKA_SOURCE_MAX; i++)
        free(group->topics[i]);
    for (size_t i = 0; i < WEIR_OUTPUT_COUNT; i++)
        free(group->output_topics[i]);
}

static void free_all(kafka_group *group)
{
    kafka_labels_close(group);
    kafka_lanes_free(group);
    for (size_t i = 0; i < group->worker_count && group->ports; i++)
        kafka_port_close(group->ports[i]);
    kafka_gossip_close(group->gossip);
    if (group->queue)
        rd_kafka_queue_destroy(group->queue);
    if (group->label_consumer)
        rd_kafka_destroy(group->label_consumer);
    if (group->reader)
        rd_kafka_destroy(group->reader);
    bool gone = !group->consumer || destroy_consumer(group);
    if (group->producer_conf)
        rd_kafka_conf_destroy(group->producer_conf);
    free_names(group);
    kafka_nudge_close(&group->nudge);
    kafka_nudge_close(&group->label_nudge);
    free(group->event_lanes);
    free(group->starting_lanes);
    free(group->notes);
    free(group->ports);
    pthread_mutex_destroy(&group->fault_lock);
    if (gone) /* or else its threads still log, through the handle in here */
        free(group);
}

/* Order matters: alerts are flushed before the group is left, so that the next owner, who reads the last one
 * back, sees them; and nothing that refers to a handle outlives it, or librdkafka waits for it for ever. */
static void close_group(weir_group *base, int64_t timeout_us)
{
    kafka_group *group = (kafka_group *)base;
    if (!group)
        return;
    int64_t deadline_us = kafka_now_us() + timeout_us;
    for (size_t i = 0; i < group->worker_count && group->ports[i]; i++) {
        int64_t left_us = deadline_us - kafka_now_us();
        kafka_port_flush(group->ports[i], left_us > 0 ? left_us : 0);
    }
    /* Leaving takes a moment even when the flush used it all up; without it the group waits a session timeout. */
    int64_t leave_by_us = kafka_now_us() + 500000;
    leave(group, leave_by_us > deadline_us ? leave_by_us : deadline_us);
    free_all(group);
}

static const weir_group_ops GROUP_OPS = {
    .join = join,
    .poll = kafka_rebalance_poll,
    .bounds = kafka_offsets_bounds,
    .last_output = kafka_outputs_last,
    .output_ends = kafka_outputs_ends,
    .read_output = kafka_outputs_read,
    .start = kafka_rebalance_start,
    .settle = kafka_rebalance_settle,
    .commit = kafka_offsets_commit,
    .lag = lag,
    .say = say,
    .hear = hear,
    .describe = describe,
    .port = port_of,
    .backlog = backlog,
    .close = close_group,
};

/* ---- opening ---- */

static bool copy(char **to, const char *from)
{
    return !from || (*to = strdup(from)) != NULL;
}

static weir_status copy_names(kafka_group *group, const weir_kafka_options *options, weir_error *error)
{
    bool kept = copy(&group->group_id, options->group_id) && copy(&group->topics[0], options->input_topic);
    for (size_t i = 1; i < options->stage_count; i++)
        kept = kept && copy(&group->topics[i], options->stage_topics[i]);
    kept = kept && copy(&group->topics[options->stage_count], options->labels_topic);
    for (size_t i = 0; i < WEIR_OUTPUT_COUNT; i++)
        kept = kept && copy(&group->output_topics[i], options->output_topics[i]);
    return kept ? WEIR_OK : weir_error_set(error, WEIR_FULL, "no memory for a consumer group");
}

static weir_status make_tables(kafka_group *group, weir_error *error)
{
    weir_status status = kafka_lanes_make(group, error);
    if (status != WEIR_OK)
        return status;
    group->event_lanes = calloc((size_t)group->lane_count, sizeof *group->event_lanes);
    group->starting_lanes = calloc((size_t)group->lane_count, sizeof *group->starting_lanes);
    group->ports = calloc(group->worker_count, sizeof(kafka_port *));
    return group->event_lanes && group->starting_lanes && group->ports
               ? WEIR_OK
               : weir_error_set(error, WEIR_FULL, "no memory for %d lanes", group->lane_count);
}

static weir_status open_member(kafka_group *group, const weir_kafka_options *options, weir_error *error)
{
    int32_t lane_count = (int32_t)group->stage_count * group->partition_count;
    weir_status status = kafka_open(KAFKA_MEMBER, options, lane_count, &group->handle, &group->consumer, error);
    if (status != WEIR_OK)
        return status;
    rd_kafka_poll_set_consumer(group->consumer);
    group->queue = rd_kafka_queue_get_consumer(group->consumer);
    return kafka_nudge_open(&group->nudge, group->consumer, error);
}

/* The reader comes first: it tells how many lanes there are, by which the member's fetch bound is divided. */
static weir_status open_all(kafka_group *group, const weir_kafka_options *options, weir_error *error)
{
    weir_status status = kafka_config(KAFKA_PRODUCER, options, 0, &group->producer_conf, error);
    if (status == WEIR_OK)
        status = copy_names(group, options, error);
    if (status == WEIR_OK)
        status = kafka_open(KAFKA_READER, options, 0, &group->handle, &group->reader, error);
    if (status == WEIR_OK)
        status = kafka_layout_check(group->reader, options, &group->partition_count, error);
    if (status == WEIR_OK)
        status = make_tables(group, error);
    if (status == WEIR_OK)
        status = open_member(group, options, error);
    if (status == WEIR_OK)
        status = kafka_labels_open(group, options, error);
    if (status == WEIR_OK)
        status = kafka_gossip_open(options, group->reader, &group->gossip, error);
    return status;
}

weir_status weir_kafka_open(const weir_kafka_options *options, weir_group **group_out, weir_error *error)
{
    weir_check(options->worker_count >= 1);
    weir_status status = kafka_layout_names(options, error);
    if (status != WEIR_OK)
        return status;
    kafka_group *group = calloc(1, sizeof *group);
    if (!group)
        return weir_error_set(error, WEIR_FULL, "no memory for a consumer group");
    group->base.ops = &GROUP_OPS;
    group->handle = (kafka_handle){.log = options->log, .log_context = options->log_context};
    group->worker_count = options->worker_count;
    group->stage_count = options->stage_count;
    group->has_labels = options->labels_topic != NULL;
    group->delivery_timeout_us = options->delivery_timeout_us > 0 ? options->delivery_timeout_us : 30000000;
    pthread_mutex_init(&group->fault_lock, NULL);
    status = open_all(group, options, error);
    if (status == WEIR_OK)
        *group_out = &group->base;
    else
        free_all(group);
    return status;
}
