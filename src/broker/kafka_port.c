#include "kafka_private.h"

#include "weir/base/check.h"

#include <stdlib.h>

/* A consumed error message is about fetching, not a record: the service thread hears of it. */
static size_t take_records(kafka_port *port, weir_record *records, size_t message_count)
{
    size_t record_count = 0, bytes = 0;
    for (size_t i = 0; i < message_count; i++) {
        rd_kafka_message_t *message = port->messages[i];
        if (message->err) {
            kafka_group_fault(port->group, message);
            rd_kafka_message_destroy(message);
            continue;
        }
        bytes += message->len + message->key_len;
        port->messages[record_count] = message;
        records[record_count++] = kafka_record(message);
    }
    port->message_count = record_count;
    if (record_count)
        atomic_store_explicit(&port->record_size_mean, bytes / record_count, memory_order_relaxed);
    return record_count;
}

/* A batch consume returns only when full or out of time: asked without time it gives what is there, and the
 * waiting is left to a single consume, which returns at once when something comes. */
static size_t poll_records(weir_port *base, weir_record *records, size_t max, int64_t wait_us)
{
    kafka_port *port = (kafka_port *)base;
    weir_check(port->message_count == 0);
    if (max > KAFKA_POLL_MAX)
        max = KAFKA_POLL_MAX;
    if (max == 0)
        return 0;
    ssize_t taken = rd_kafka_consume_batch_queue(port->queue, 0, port->messages, max);
    size_t count = taken > 0 ? (size_t)taken : 0;
    if (count == 0 && wait_us > 0 && (port->messages[0] = rd_kafka_consume_queue(port->queue, kafka_ms(wait_us)))) {
        count = 1;
        if (max > 1 && (taken = rd_kafka_consume_batch_queue(port->queue, 0, port->messages + 1, max - 1)) > 0)
            count += (size_t)taken;
    }
    return take_records(port, records, count);
}

static void release_records(weir_port *base)
{
    kafka_port *port = (kafka_port *)base;
    for (size_t i = 0; i < port->message_count; i++)
        rd_kafka_message_destroy(port->messages[i]);
    port->message_count = 0;
}

static weir_span record_header(weir_port *base, const weir_record *record, const char *name)
{
    (void)base;
    return kafka_record_header(record->handle, name);
}

static void pause_partition(weir_port *base, int32_t partition, bool paused)
{
    kafka_port *port = (kafka_port *)base;
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, port->group->input_topic, partition);
    /* Fails only for a partition that is no longer ours, which is then not fetched either. */
    if (paused)
        rd_kafka_pause_partitions(port->group->consumer, list);
    else
        rd_kafka_resume_partitions(port->group->consumer, list);
    rd_kafka_topic_partition_list_destroy(list);
}

static const weir_port_ops PORT_OPS = {
    .poll = poll_records,
    .release = release_records,
    .produce = kafka_producer_produce,
    .acks = kafka_producer_acks,
    .header = record_header,
    .pause = pause_partition,
};

weir_status kafka_port_open(kafka_group *group, kafka_port **port_out, weir_error *error)
{
    kafka_port *port = calloc(1, sizeof *port);
    if (!port)
        return weir_error_set(error, WEIR_FULL, "no memory for a worker's port");
    port->base.ops = &PORT_OPS;
    port->group = group;
    port->queue = rd_kafka_queue_new(group->consumer);
    port->handle = group->handle;
    port->handle.port = port;
    weir_status status = kafka_producer_open(port, error);
    if (status == WEIR_OK)
        *port_out = port;
    else
        kafka_port_close(port);
    return status;
}

void kafka_port_close(kafka_port *port)
{
    if (!port)
        return;
    release_records(&port->base);
    rd_kafka_queue_destroy(port->queue);
    kafka_producer_close(port);
    free(port);
}
