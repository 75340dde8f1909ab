#include "kafka_private.h"

#include "weir/base/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* The rebalance dance. librdkafka raises an event on the consumer's queue and then waits for the application's
 * incremental_assign or incremental_unassign, from whatever thread and however long it takes (heartbeats go on by
 * themselves). weir answers in settle():
 *
 *   poll ── REBALANCE(assign) ──> pending = ASSIGN ── start(p) ... ── settle ──> incremental_assign
 *        └─ REBALANCE(revoke) ──> pending = REVOKE / LOST ────────── settle ──> incremental_unassign
 *
 * start() forwards the partition's queue to its worker before the assignment exists, so no record can ever land
 * on the group's own queue.
 */

static void raise_error(weir_group_event *event_out, const weir_error *error, const int32_t *partitions, size_t count)
{
    *event_out = (weir_group_event){
        .kind = WEIR_GROUP_ERROR, .partitions = partitions, .partition_count = count, .error = *error};
}

void kafka_group_fault(kafka_group *group, const rd_kafka_message_t *message)
{
    kafka_fault fault = {.partition = message->partition};
    if (message->err == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET || message->err == RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE)
        weir_error_set(&fault.error, WEIR_REFUSED,
                       "%s [%d]: offset %lld is not in the log (retention has overtaken the reader, or the topic was "
                       "made anew): %s; move the partition's state away to begin again",
                       group->input_topic, message->partition, (long long)message->offset,
                       rd_kafka_message_errstr(message));
    else
        weir_error_set(&fault.error, kafka_status(message->err), "%s [%d]: %s (%s)", group->input_topic,
                       message->partition, rd_kafka_message_errstr(message), rd_kafka_err2name(message->err));
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
        group->event_partitions[0] = fault.partition;
        raise_error(event_out, &fault.error, group->event_partitions, fault.partition >= 0);
    }
    pthread_mutex_unlock(&group->fault_lock);
    return taken;
}

/* A worker that must not miss its chance to answer within max.poll.interval.ms is served by its own polls; the
 * group only has to say yes. */
static weir_status answer(kafka_group *group, rd_kafka_resp_err_t code, const rd_kafka_topic_partition_list_t *list,
                          weir_error *error)
{
    rd_kafka_error_t *raised = code == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS
                                   ? rd_kafka_incremental_assign(group->consumer, list)
                                   : rd_kafka_incremental_unassign(group->consumer, list);
    return kafka_error_take(error, raised, "answering a rebalance");
}

static weir_status too_many_partitions(kafka_group *group, int32_t partition, weir_error *error)
{
    return weir_error_set(error, WEIR_REFUSED,
                          "topic %s has grown beyond the %d partitions it had at start (given partition %d): keys now "
                          "map to other partitions, so cards' histories no longer fit; move to a new topic",
                          group->input_topic, group->partition_count, partition);
}

static void rebalance(kafka_group *group, rd_kafka_event_t *event, weir_group_event *event_out)
{
    rd_kafka_resp_err_t code = rd_kafka_event_error(event);
    rd_kafka_topic_partition_list_t *list = rd_kafka_event_topic_partition_list(event);
    bool assign = code == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
    bool lost = !assign && rd_kafka_assignment_lost(group->consumer);
    group->was_assigned |= assign;
    weir_error error = {0};
    size_t count = 0;
    for (int i = 0; i < list->cnt && count < (size_t)group->partition_count; i++) {
        int32_t partition = list->elems[i].partition;
        if (partition >= group->partition_count)
            too_many_partitions(group, partition, &error);
        else if (assign || group->partition_queues[partition])
            group->event_partitions[count++] = partition;
    }
    if (error.status) {
        raise_error(event_out, &error, NULL, 0);
    } else if (count == 0) {
        /* A cooperative group says "nothing changes for you" this way; it still wants to hear back. */
        rd_kafka_topic_partition_list_t *none = rd_kafka_topic_partition_list_new(0);
        if (answer(group, code, none, &error) != WEIR_OK)
            raise_error(event_out, &error, NULL, 0);
        rd_kafka_topic_partition_list_destroy(none);
    } else {
        group->pending = assign ? WEIR_GROUP_ASSIGN : lost ? WEIR_GROUP_LOST : WEIR_GROUP_REVOKE;
        *event_out = (weir_group_event){
            .kind = group->pending, .partitions = group->event_partitions, .partition_count = count};
        group->starting = rd_kafka_topic_partition_list_new((int)count);
        for (size_t i = 0; i < count && !assign; i++)
            rd_kafka_topic_partition_list_add(group->starting, group->input_topic, group->event_partitions[i]);
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

static weir_status poll_group(weir_group *base, int64_t wait_us, weir_group_event *event_out)
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

static weir_status start(weir_group *base, int32_t partition, int64_t offset, size_t worker, weir_error *error)
{
    kafka_group *group = (kafka_group *)base;
    weir_check(group->pending == WEIR_GROUP_ASSIGN && worker < group->worker_count && offset >= 0);
    weir_check(partition >= 0 && partition < group->partition_count && !group->partition_queues[partition]);
    rd_kafka_queue_t *queue = rd_kafka_queue_get_partition(group->consumer, group->input_topic, partition);
    if (!queue)
        return weir_error_set(error, WEIR_TEMPORARY, "%s [%d]: librdkafka has no queue for it", group->input_topic,
                              partition);
    rd_kafka_queue_forward(queue, group->ports[worker]->queue);
    group->partition_queues[partition] = queue;
    rd_kafka_topic_partition_list_add(group->starting, group->input_topic, partition)->offset = offset;
    return WEIR_OK;
}

static void drop_partition_queue(kafka_group *group, int32_t partition)
{
    if (group->partition_queues[partition])
        rd_kafka_queue_destroy(group->partition_queues[partition]);
    group->partition_queues[partition] = NULL;
}

static weir_status settle(weir_group *base, weir_error *error)
{
    kafka_group *group = (kafka_group *)base;
    weir_check(group->pending != WEIR_GROUP_NONE);
    bool assign = group->pending == WEIR_GROUP_ASSIGN;
    rd_kafka_topic_partition_list_t *list = group->starting;
    group->pending = WEIR_GROUP_NONE;
    group->starting = NULL;
    weir_status status = answer(
        group, assign ? RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS : RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS, list, error);
    if (assign && status == WEIR_OK)
        rd_kafka_resume_partitions(group->consumer, list); /* a pause of an earlier tenure may still be on record */
    for (int i = 0; i < list->cnt && (!assign || status != WEIR_OK); i++)
        drop_partition_queue(group, list->elems[i].partition);
    rd_kafka_topic_partition_list_destroy(list);
    return status;
}

static weir_status join(weir_group *base, weir_error *error)
{
    kafka_group *group = (kafka_group *)base;
    weir_check(!group->joined);
    weir_status status = WEIR_OK;
    for (size_t i = 0; i < group->worker_count && status == WEIR_OK; i++)
        if (!group->ports[i])
            status = kafka_port_open(group, &group->ports[i], error);
    if (status != WEIR_OK)
        return status;
    rd_kafka_topic_partition_list_t *topics = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(topics, group->input_topic, RD_KAFKA_PARTITION_UA);
    rd_kafka_resp_err_t code = rd_kafka_subscribe(group->consumer, topics);
    rd_kafka_topic_partition_list_destroy(topics);
    if (code)
        return kafka_error(error, code, "subscribing to %s", group->input_topic);
    group->joined = true;
    return WEIR_OK;
}

static weir_port *port_of(weir_group *base, size_t worker)
{
    kafka_group *group = (kafka_group *)base;
    weir_check(group->joined && worker < group->worker_count);
    return &group->ports[worker]->base;
}

/* librdkafka tells how many records wait, not their size: that is estimated from the last batch each worker took,
 * with the 300 bytes of bookkeeping a waiting message costs (kafka_config.c). */
static void backlog(weir_group *base, uint64_t *records_out, uint64_t *bytes_out)
{
    kafka_group *group = (kafka_group *)base;
    uint64_t records = 0, bytes = 0;
    for (size_t i = 0; i < group->worker_count && group->ports[i]; i++) {
        uint64_t waiting = rd_kafka_queue_length(group->ports[i]->queue);
        records += waiting;
        bytes += waiting * (300 + atomic_load_explicit(&group->ports[i]->record_size_mean, memory_order_relaxed));
    }
    *records_out = records;
    *bytes_out = bytes;
}

static int64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* Gives back every partition the group still holds, whatever was going on. */
static void give_back(kafka_group *group, rd_kafka_event_t *event)
{
    if (rd_kafka_event_type(event) != RD_KAFKA_EVENT_REBALANCE)
        return;
    rd_kafka_resp_err_t code = rd_kafka_event_error(event);
    rd_kafka_topic_partition_list_t *none = rd_kafka_topic_partition_list_new(0);
    bool revoke = code == RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS;
    group->was_assigned |= !revoke;
    weir_error ignored; /* leaving: the session timeout does what is left undone */
    (void)answer(group, code, revoke ? rd_kafka_event_topic_partition_list(event) : none, &ignored);
    rd_kafka_topic_partition_list_destroy(none);
}

static void leave(kafka_group *group, int64_t deadline_us)
{
    if (!group->joined)
        return;
    weir_error ignored;
    if (group->pending != WEIR_GROUP_NONE)
        (void)settle(&group->base, &ignored);
    rd_kafka_error_t *raised = rd_kafka_consumer_close_queue(group->consumer, group->queue);
    if (raised)
        rd_kafka_error_destroy(raised);
    while (!rd_kafka_consumer_closed(group->consumer) && now_us() < deadline_us) {
        rd_kafka_event_t *event = rd_kafka_queue_poll(group->queue, 50);
        if (event)
            give_back(group, event);
        if (event)
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

static void free_all(kafka_group *group)
{
    for (int32_t i = 0; i < group->partition_count && group->partition_queues; i++)
        drop_partition_queue(group, i);
    for (size_t i = 0; i < group->worker_count && group->ports; i++)
        kafka_port_close(group->ports[i]);
    if (group->queue)
        rd_kafka_queue_destroy(group->queue);
    if (group->reader)
        rd_kafka_destroy(group->reader);
    bool gone = !group->consumer || destroy_consumer(group);
    if (group->producer_conf)
        rd_kafka_conf_destroy(group->producer_conf);
    if (group->reader_conf)
        rd_kafka_conf_destroy(group->reader_conf);
    for (size_t i = 0; i < WEIR_OUTPUT_COUNT; i++)
        free(group->output_topics[i]);
    free(group->group_id);
    free(group->input_topic);
    free(group->partition_queues);
    free(group->event_partitions);
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
    int64_t deadline_us = now_us() + timeout_us;
    for (size_t i = 0; i < group->worker_count && group->ports[i]; i++) {
        int64_t left_us = deadline_us - now_us();
        kafka_port_flush(group->ports[i], left_us > 0 ? left_us : 0);
    }
    /* Leaving takes a moment even when the flush used it all up; without it the group waits a session timeout. */
    int64_t leave_by_us = now_us() + 500000;
    leave(group, leave_by_us > deadline_us ? leave_by_us : deadline_us);
    free_all(group);
}

static const weir_group_ops GROUP_OPS = {
    .join = join,
    .poll = poll_group,
    .bounds = kafka_group_bounds,
    .last_output = kafka_group_last_output,
    .start = start,
    .settle = settle,
    .commit = kafka_group_commit,
    .lag = kafka_group_lag,
    .describe = kafka_group_describe,
    .port = port_of,
    .backlog = backlog,
    .close = close_group,
};

static weir_status check_options(const weir_kafka_options *options, weir_error *error)
{
    if (!options->input_topic || !*options->input_topic)
        return weir_error_set(error, WEIR_INVALID, "topics.transactions is empty: name the topic to read");
    for (size_t i = 0; i < WEIR_OUTPUT_COUNT; i++)
        for (size_t j = 0; j <= i && options->output_topics[i]; j++) {
            const char *other = j == i ? options->input_topic : options->output_topics[j];
            if (other && strcmp(options->output_topics[i], other) == 0)
                return weir_error_set(error, WEIR_INVALID, "topic %s is named twice: every output needs its own",
                                      other);
        }
    return WEIR_OK;
}

static weir_status copy_names(kafka_group *group, const weir_kafka_options *options, weir_error *error)
{
    group->group_id = strdup(options->group_id);
    group->input_topic = strdup(options->input_topic);
    bool full = !group->group_id || !group->input_topic;
    for (size_t i = 0; i < WEIR_OUTPUT_COUNT; i++)
        if (options->output_topics[i] && !(group->output_topics[i] = strdup(options->output_topics[i])))
            full = true;
    return full ? weir_error_set(error, WEIR_FULL, "no memory for a consumer group") : WEIR_OK;
}

static weir_status make_tables(kafka_group *group, weir_error *error)
{
    group->partition_queues = calloc((size_t)group->partition_count, sizeof *group->partition_queues);
    group->event_partitions = calloc((size_t)group->partition_count + 1, sizeof *group->event_partitions);
    group->ports = calloc(group->worker_count, sizeof *group->ports);
    return group->partition_queues && group->event_partitions && group->ports
               ? WEIR_OK
               : weir_error_set(error, WEIR_FULL, "no memory for %d partitions", group->partition_count);
}

static weir_status connect_consumer(kafka_group *group, const weir_kafka_options *options, weir_error *error)
{
    rd_kafka_conf_t *conf = NULL;
    weir_status status = kafka_config_consumer(options, &conf, error);
    if (status == WEIR_OK)
        status = kafka_config_open(RD_KAFKA_CONSUMER, conf, &group->handle, &group->consumer, error);
    if (status != WEIR_OK)
        return status;
    rd_kafka_poll_set_consumer(group->consumer);
    group->queue = rd_kafka_queue_get_consumer(group->consumer);
    return kafka_topic_check(group->consumer, options, &group->partition_count, error);
}

weir_status weir_kafka_open(const weir_kafka_options *options, weir_group **group_out, weir_error *error)
{
    weir_check(options->worker_count >= 1);
    weir_status status = check_options(options, error);
    if (status != WEIR_OK)
        return status;
    kafka_group *group = calloc(1, sizeof *group);
    if (!group)
        return weir_error_set(error, WEIR_FULL, "no memory for a consumer group");
    group->base.ops = &GROUP_OPS;
    group->handle = (kafka_handle){.log = options->log, .log_context = options->log_context};
    pthread_mutex_init(&group->fault_lock, NULL);
    status = kafka_config_producer(options, &group->producer_conf, error);
    if (status == WEIR_OK)
        status = kafka_config_reader(options, &group->reader_conf, error);
    if (status == WEIR_OK)
        status = connect_consumer(group, options, error);
    if (status == WEIR_OK)
        status = copy_names(group, options, error);
    group->worker_count = options->worker_count;
    if (status == WEIR_OK)
        status = make_tables(group, error);
    if (status == WEIR_OK)
        *group_out = &group->base;
    else
        free_all(group);
    return status;
}
