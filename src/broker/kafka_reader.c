#include "kafka_private.h"

#include "weir/base/check.h"

#include <stdlib.h>

/* librdkafka's simple consumer: no group, offsets by hand, one queue for all partitions. */
struct kafka_reader {
    rd_kafka_topic_t *topic;
    rd_kafka_queue_t *queue;
};

weir_status kafka_reader_open(rd_kafka_t *rk, const char *topic, kafka_reader **reader_out, weir_error *error)
{
    kafka_reader *reader = calloc(1, sizeof *reader);
    if (!reader)
        return weir_error_set(error, WEIR_FULL, "no memory for a reader of topic %s", topic);
    reader->topic = rd_kafka_topic_new(rk, topic, NULL);
    if (!reader->topic) {
        free(reader);
        return kafka_error(error, rd_kafka_last_error(), "topic %s", topic);
    }
    reader->queue = rd_kafka_queue_new(rk);
    *reader_out = reader;
    return WEIR_OK;
}

weir_status kafka_reader_start(kafka_reader *reader, int32_t partition, int64_t offset, weir_error *error)
{
    if (rd_kafka_consume_start_queue(reader->topic, partition, offset, reader->queue) == 0)
        return WEIR_OK;
    return kafka_error(error, rd_kafka_last_error(), "reading %s [%d]", rd_kafka_topic_name(reader->topic), partition);
}

void kafka_reader_stop(kafka_reader *reader, int32_t partition)
{
    rd_kafka_consume_stop(reader->topic, partition);
}

rd_kafka_message_t *kafka_reader_next(kafka_reader *reader, int timeout_ms)
{
    return rd_kafka_consume_queue(reader->queue, timeout_ms);
}

size_t kafka_reader_batch(kafka_reader *reader, rd_kafka_message_t **messages, size_t max)
{
    ssize_t taken = rd_kafka_consume_batch_queue(reader->queue, 0, messages, max);
    return taken > 0 ? (size_t)taken : 0;
}

void kafka_reader_close(kafka_reader *reader)
{
    if (!reader)
        return;
    rd_kafka_queue_destroy(reader->queue);
    rd_kafka_topic_destroy(reader->topic);
    free(reader);
}

/* Takes a message, the callee's to destroy from then on. */
typedef void take(void *context, rd_kafka_message_t *message);

/* Hands over every record of [from, end). Records may be fewer than offsets: markers and aborted ones have offsets
 * too, so that the partition's end as the broker sees it counts as well. */
static weir_status read_range(kafka_reader *reader, int32_t partition, int64_t from, int64_t end, take *taken_by,
                              void *context, weir_error *error)
{
    weir_status status = kafka_reader_start(reader, partition, from, error);
    if (status != WEIR_OK)
        return status;
    for (bool ended = false; !ended && status == WEIR_OK;) {
        rd_kafka_message_t *message = kafka_reader_next(reader, KAFKA_TIMEOUT_MS);
        if (!message) {
            status = weir_error_set(error, WEIR_TEMPORARY, "reading the end of partition %d: no answer within %d s",
                                    partition, KAFKA_TIMEOUT_MS / 1000);
        } else if (!message->err && message->offset < end) {
            ended = message->offset == end - 1;
            taken_by(context, message);
        } else {
            ended = !message->err || message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF;
            if (!ended)
                status = kafka_error(error, message->err, "reading the end of partition %d", partition);
            rd_kafka_message_destroy(message);
        }
    }
    kafka_reader_stop(reader, partition);
    return status;
}

static weir_status bounds_of(rd_kafka_t *rk, const char *topic, int32_t partition, weir_lane_bounds *bounds_out,
                             weir_error *error)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, topic, partition);
    weir_status status = kafka_topic_bounds(rk, list, bounds_out, error);
    rd_kafka_topic_partition_list_destroy(list);
    return status;
}

static void keep_last(void *context, rd_kafka_message_t *message)
{
    rd_kafka_message_t **last = context;
    if (*last)
        rd_kafka_message_destroy(*last);
    *last = message;
}

/* The record at end - 1 may be a transaction marker, and so may those before it: steps back in widening strides. */
static weir_status find_last(rd_kafka_t *rk, const char *topic, int32_t partition, const weir_lane_bounds *bounds,
                             rd_kafka_message_t **last_out, weir_error *error)
{
    kafka_reader *reader = NULL;
    weir_status status = kafka_reader_open(rk, topic, &reader, error);
    for (int64_t back = 1; status == WEIR_OK && !*last_out; back *= 16) {
        int64_t from = bounds->log_end - back > bounds->log_start ? bounds->log_end - back : bounds->log_start;
        status = read_range(reader, partition, from, bounds->log_end, keep_last, last_out, error);
        if (from == bounds->log_start)
            break;
    }
    kafka_reader_close(reader);
    return status;
}

weir_status kafka_reader_last(rd_kafka_t *rk, const char *topic, int32_t partition, const char *header_name,
                              weir_last_visit *visit, void *context, weir_error *error)
{
    weir_lane_bounds bounds;
    rd_kafka_message_t *last = NULL;
    weir_status status = bounds_of(rk, topic, partition, &bounds, error);
    if (status == WEIR_OK && bounds.log_end > bounds.log_start)
        status = find_last(rk, topic, partition, &bounds, &last, error);
    if (status == WEIR_OK && last)
        visit(context, weir_span_of(last->payload, last->len),
              header_name ? kafka_record_header(last, header_name) : (weir_span){0});
    if (last)
        rd_kafka_message_destroy(last);
    return status;
}

typedef struct visitor {
    weir_output_visit *visit;
    void *context;
} visitor;

static void visit_one(void *context, rd_kafka_message_t *message)
{
    const visitor *to = context;
    to->visit(to->context, message->offset, weir_span_of(message->payload, message->len));
    rd_kafka_message_destroy(message);
}

weir_status kafka_reader_each(rd_kafka_t *rk, const char *topic, int32_t partition, int64_t from,
                              weir_output_visit *visit, void *context, weir_error *error)
{
    weir_lane_bounds bounds;
    weir_status status = bounds_of(rk, topic, partition, &bounds, error);
    if (status != WEIR_OK)
        return status;
    if (from < bounds.log_start)
        from = bounds.log_start;
    if (from >= bounds.log_end)
        return WEIR_OK;
    kafka_reader *reader = NULL;
    status = kafka_reader_open(rk, topic, &reader, error);
    if (status == WEIR_OK)
        status = read_range(reader, partition, from, bounds.log_end, visit_one, &(visitor){visit, context}, error);
    kafka_reader_close(reader);
    return status;
}

weir_record kafka_record(const rd_kafka_message_t *message, int32_t lane)
{
    weir_check(!message->err);
    rd_kafka_timestamp_type_t kind;
    int64_t timestamp_ms = rd_kafka_message_timestamp(message, &kind);
    return (weir_record){
        .lane = lane,
        .partition = message->partition,
        .offset = message->offset,
        .timestamp_us = kind == RD_KAFKA_TIMESTAMP_NOT_AVAILABLE ? -1 : timestamp_ms * 1000,
        .key = {message->key, message->key_len},
        .payload = {message->payload, message->len},
        .handle = (void *)message,
    };
}

weir_span kafka_record_header(const rd_kafka_message_t *message, const char *name)
{
    rd_kafka_headers_t *headers;
    const void *value;
    size_t size;
    if (rd_kafka_message_headers(message, &headers) || rd_kafka_header_get_last(headers, name, &value, &size))
        return (weir_span){0};
    return weir_span_of(value, size);
}
