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

void kafka_reader_close(kafka_reader *reader)
{
    if (!reader)
        return;
    rd_kafka_queue_destroy(reader->queue);
    rd_kafka_topic_destroy(reader->topic);
    free(reader);
}

/* Reads from `offset` to the partition's end and keeps the last record. WEIR_NOT_FOUND: no record there, only
 * control records or gaps. */
static weir_status last_from(kafka_reader *reader, int32_t partition, int64_t offset, rd_kafka_message_t **last_out,
                             weir_error *error)
{
    weir_status status = kafka_reader_start(reader, partition, offset, error);
    if (status != WEIR_OK)
        return status;
    rd_kafka_message_t *last = NULL;
    for (bool ended = false; !ended && status == WEIR_OK;) {
        rd_kafka_message_t *message = kafka_reader_next(reader, KAFKA_TIMEOUT_MS);
        if (!message) {
            status = weir_error_set(error, WEIR_TEMPORARY, "reading the end of partition %d: no answer within %d s",
                                    partition, KAFKA_TIMEOUT_MS / 1000);
        } else if (!message->err) {
            if (last)
                rd_kafka_message_destroy(last);
            last = message;
        } else {
            ended = message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF;
            if (!ended)
                status = kafka_error(error, message->err, "reading the end of partition %d", partition);
            rd_kafka_message_destroy(message);
        }
    }
    kafka_reader_stop(reader, partition);
    if (status == WEIR_OK && last) {
        *last_out = last;
        return WEIR_OK;
    }
    if (last)
        rd_kafka_message_destroy(last);
    return status == WEIR_OK ? WEIR_NOT_FOUND : status;
}

weir_status kafka_reader_last(rd_kafka_t *rk, const char *topic, int32_t partition, const char *header_name,
                              weir_last_visit *visit, void *context, weir_error *error)
{
    weir_partition_bounds bounds;
    weir_status status = kafka_topic_bounds(rk, topic, &partition, 1, &bounds, error);
    if (status != WEIR_OK)
        return status;
    kafka_reader *reader = NULL;
    rd_kafka_message_t *last = NULL;
    status = bounds.log_end > bounds.log_start ? kafka_reader_open(rk, topic, &reader, error) : WEIR_NOT_FOUND;
    /* The record at end - 1 may be a transaction marker, and so may those before it: step back in widening strides. */
    for (int64_t back = 1; reader; back *= 16) {
        int64_t offset = bounds.log_end - back > bounds.log_start ? bounds.log_end - back : bounds.log_start;
        status = last_from(reader, partition, offset, &last, error);
        if (status != WEIR_NOT_FOUND || offset == bounds.log_start)
            break;
    }
    if (status == WEIR_OK)
        visit(context, weir_span_of(last->payload, last->len),
              header_name ? kafka_record_header(last, header_name) : (weir_span){0});
    if (last)
        rd_kafka_message_destroy(last);
    kafka_reader_close(reader);
    return status == WEIR_NOT_FOUND ? WEIR_OK : status;
}

weir_record kafka_record(const rd_kafka_message_t *message)
{
    weir_check(!message->err);
    rd_kafka_timestamp_type_t kind;
    int64_t timestamp_ms = rd_kafka_message_timestamp(message, &kind);
    return (weir_record){
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
