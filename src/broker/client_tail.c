#include "weir/broker/client.h"

#include "kafka_private.h"
#include "weir/base/check.h"

#include <stdlib.h>

struct weir_tail {
    kafka_handle handle;
    rd_kafka_t *consumer;
    kafka_reader *reader;
    int32_t partition_count;
    int32_t ended_count;
    bool *ended;           /* by partition: read to the end it had at open */
    int64_t *end_offsets;  /* by partition, at open */
    rd_kafka_message_t *message; /* last returned */
    int32_t started_count;
};

static void mark(weir_tail *tail, int32_t partition, int64_t next_offset)
{
    if (tail->ended[partition] || next_offset < tail->end_offsets[partition])
        return;
    tail->ended[partition] = true;
    tail->ended_count++;
}

static weir_status learn_ends(weir_tail *tail, const char *topic, weir_lane_bounds *bounds, weir_error *error)
{
    rd_kafka_topic_partition_list_t *list = kafka_topic_list(topic, tail->partition_count);
    weir_status status = kafka_topic_bounds(tail->consumer, list, bounds, error);
    rd_kafka_topic_partition_list_destroy(list);
    return status;
}

/* Where to begin within what is there: an offset before or beyond the log is moved to its nearer end. */
static int64_t first_offset(int64_t from, const weir_lane_bounds *bounds)
{
    if (from == RD_KAFKA_OFFSET_BEGINNING || (from >= 0 && from < bounds->log_start))
        return bounds->log_start;
    return from < 0 || from > bounds->log_end ? bounds->log_end : from;
}

static weir_status start_all(weir_tail *tail, const char *topic, int64_t from, weir_error *error)
{
    weir_lane_bounds *bounds = calloc((size_t)tail->partition_count, sizeof *bounds);
    tail->ended = calloc((size_t)tail->partition_count, sizeof *tail->ended);
    tail->end_offsets = calloc((size_t)tail->partition_count, sizeof *tail->end_offsets);
    weir_status status = bounds && tail->ended && tail->end_offsets
                             ? learn_ends(tail, topic, bounds, error)
                             : weir_error_set(error, WEIR_FULL, "no memory for %d partitions", tail->partition_count);
    for (int32_t i = 0; i < tail->partition_count && status == WEIR_OK; i++) {
        int64_t offset = first_offset(from, &bounds[i]);
        tail->end_offsets[i] = bounds[i].log_end;
        mark(tail, i, offset);
        status = kafka_reader_start(tail->reader, i, offset, error);
        tail->started_count += status == WEIR_OK;
    }
    free(bounds);
    return status;
}

weir_status weir_tail_open(const char *bootstrap, const char *topic, int64_t from,
                           const weir_kafka_property *properties, size_t property_count, weir_tail **tail_out,
                           weir_error *error)
{
    weir_kafka_options options = {.bootstrap_servers = bootstrap,
                                  .client_id = "weir-tail",
                                  .consumer_properties = properties,
                                  .consumer_property_count = property_count};
    weir_tail *tail = calloc(1, sizeof *tail);
    if (!tail)
        return weir_error_set(error, WEIR_FULL, "no memory for a reader");
    weir_status status = kafka_open(KAFKA_READER, &options, 0, &tail->handle, &tail->consumer, error);
    if (status == WEIR_OK)
        status = kafka_topic_partitions(tail->consumer, topic, &tail->partition_count, error);
    if (status == WEIR_OK)
        status = kafka_reader_open(tail->consumer, topic, &tail->reader, error);
    if (status == WEIR_OK)
        status = start_all(tail, topic, from, error);
    if (status == WEIR_OK)
        *tail_out = tail;
    else
        weir_tail_close(tail);
    return status;
}

static void drop_message(weir_tail *tail)
{
    if (tail->message)
        rd_kafka_message_destroy(tail->message);
    tail->message = NULL;
}

bool weir_tail_next(weir_tail *tail, int64_t wait_us, weir_record *record_out, bool *ended_out)
{
    drop_message(tail);
    bool found = false;
    rd_kafka_message_t *message = kafka_reader_next(tail->reader, kafka_ms(wait_us));
    if (message && !message->err) {
        tail->message = message;
        mark(tail, message->partition, message->offset + 1);
        *record_out = kafka_record(message, message->partition);
        found = true;
    } else if (message) {
        /* An end-of-partition says more than offsets do when the log closes with a transaction marker. */
        if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF)
            mark(tail, message->partition, INT64_MAX);
        rd_kafka_message_destroy(message);
    }
    if (ended_out)
        *ended_out = tail->ended_count == tail->partition_count;
    return found;
}

weir_span weir_tail_header(weir_tail *tail, const char *name)
{
    weir_check(tail->message);
    return kafka_record_header(tail->message, name);
}

size_t weir_tail_headers(weir_tail *tail, weir_header *headers_out, size_t max)
{
    weir_check(tail->message);
    rd_kafka_headers_t *headers;
    size_t count = 0;
    if (rd_kafka_message_headers(tail->message, &headers))
        return 0;
    const void *value;
    while (count < max && !rd_kafka_header_get_all(headers, count, &headers_out[count].name, &value,
                                                   &headers_out[count].value.size)) {
        headers_out[count].value.data = value;
        count++;
    }
    return count;
}

void weir_tail_close(weir_tail *tail)
{
    if (!tail)
        return;
    drop_message(tail);
    for (int32_t i = 0; i < tail->started_count; i++)
        kafka_reader_stop(tail->reader, i);
    kafka_reader_close(tail->reader);
    if (tail->consumer)
        rd_kafka_destroy(tail->consumer);
    free(tail->ended);
    free(tail->end_offsets);
    free(tail);
}
