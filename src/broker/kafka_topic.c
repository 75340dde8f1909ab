#include "kafka_private.h"

#include <stdlib.h>
#include <time.h>

weir_status kafka_topic_partitions(rd_kafka_t *rk, const char *topic, int32_t *partition_count_out, weir_error *error)
{
    rd_kafka_topic_t *handle = rd_kafka_topic_new(rk, topic, NULL);
    if (!handle)
        return kafka_error(error, rd_kafka_last_error(), "topic %s", topic);
    const struct rd_kafka_metadata *metadata = NULL;
    rd_kafka_resp_err_t code = rd_kafka_metadata(rk, 0, handle, &metadata, KAFKA_TIMEOUT_MS);
    rd_kafka_topic_destroy(handle);
    if (code)
        return weir_error_set(error, WEIR_TEMPORARY, "no Kafka broker answered within %d s about topic %s: %s",
                              KAFKA_TIMEOUT_MS / 1000, topic, rd_kafka_err2str(code));
    weir_status status = WEIR_OK;
    if (metadata->topic_cnt != 1 || metadata->topics[0].err == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART ||
        (metadata->topics[0].err == RD_KAFKA_RESP_ERR_NO_ERROR && metadata->topics[0].partition_cnt == 0))
        status = weir_error_set(error, WEIR_NOT_FOUND, "topic %s does not exist", topic);
    else if (metadata->topics[0].err)
        status = kafka_error(error, metadata->topics[0].err, "topic %s", topic);
    else
        *partition_count_out = metadata->topics[0].partition_cnt;
    rd_kafka_metadata_destroy(metadata);
    return status;
}

/* The answer of CreateTopics for our one topic; another instance having been faster is as good. */
static weir_status created(rd_kafka_event_t *event, const char *topic, weir_error *error)
{
    if (!event)
        return weir_error_set(error, WEIR_TEMPORARY, "creating topic %s: no broker answered within %d s", topic,
                              KAFKA_TIMEOUT_MS / 1000);
    if (rd_kafka_event_error(event))
        return weir_error_set(error, kafka_status(rd_kafka_event_error(event)), "creating topic %s: %s", topic,
                              rd_kafka_event_error_string(event));
    size_t count;
    const rd_kafka_topic_result_t **results =
        rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event), &count);
    rd_kafka_resp_err_t code = count ? rd_kafka_topic_result_error(results[0]) : RD_KAFKA_RESP_ERR__BAD_MSG;
    if (!code || code == RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS)
        return WEIR_OK;
    const char *text = count ? rd_kafka_topic_result_error_string(results[0]) : NULL;
    return weir_error_set(error, kafka_status(code), "creating topic %s: %s", topic,
                          text ? text : rd_kafka_err2str(code));
}

static weir_status create(rd_kafka_t *rk, const char *topic, int32_t partition_count, int16_t replication_factor,
                          weir_error *error)
{
    char text[KAFKA_ERROR_TEXT_SIZE];
    rd_kafka_NewTopic_t *wanted = rd_kafka_NewTopic_new(topic, partition_count, replication_factor, text, sizeof text);
    if (!wanted)
        return weir_error_set(error, WEIR_INVALID, "creating topic %s: %s", topic, text);
    rd_kafka_AdminOptions_t *options = rd_kafka_AdminOptions_new(rk, RD_KAFKA_ADMIN_OP_CREATETOPICS);
    rd_kafka_AdminOptions_set_request_timeout(options, KAFKA_TIMEOUT_MS, text, sizeof text);
    rd_kafka_queue_t *queue = rd_kafka_queue_new(rk);
    rd_kafka_CreateTopics(rk, &wanted, 1, options, queue);
    rd_kafka_event_t *event = rd_kafka_queue_poll(queue, KAFKA_TIMEOUT_MS + 1000);
    weir_status status = created(event, topic, error);
    if (event)
        rd_kafka_event_destroy(event);
    rd_kafka_queue_destroy(queue);
    rd_kafka_AdminOptions_destroy(options);
    rd_kafka_NewTopic_destroy(wanted);
    return status;
}

/* A topic just made is known to every broker a moment later. */
static weir_status await(rd_kafka_t *rk, const char *topic, int32_t *partition_count_out, weir_error *error)
{
    weir_status status = WEIR_NOT_FOUND;
    for (int tries = 0; tries < 100 && status == WEIR_NOT_FOUND; tries++) {
        nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
        status = kafka_topic_partitions(rk, topic, partition_count_out, error);
    }
    return status;
}

static weir_status check_output(rd_kafka_t *rk, const weir_kafka_options *options, const char *topic,
                                int32_t input_count, weir_error *error)
{
    int32_t count = 0;
    weir_status status = kafka_topic_partitions(rk, topic, &count, error);
    if (status == WEIR_NOT_FOUND && options->create_topics) {
        status = create(rk, topic, input_count, options->replication_factor ? options->replication_factor : -1, error);
        if (status == WEIR_OK)
            status = await(rk, topic, &count, error);
    } else if (status == WEIR_NOT_FOUND) {
        return weir_error_set(error, WEIR_NOT_FOUND,
                              "output topic %s does not exist: create it with %d partitions, or set create_topics",
                              topic, input_count);
    }
    if (status == WEIR_OK && count != input_count)
        return weir_error_set(error, WEIR_REFUSED,
                              "output topic %s has %d partitions and input topic %s has %d: they must be the same, "
                              "since an alert goes to its transaction's partition number",
                              topic, count, options->input_topic, input_count);
    return status;
}

weir_status kafka_topic_check(rd_kafka_t *rk, const weir_kafka_options *options, int32_t *partition_count_out,
                              weir_error *error)
{
    int32_t input_count = 0;
    weir_status status = kafka_topic_partitions(rk, options->input_topic, &input_count, error);
    if (status != WEIR_OK)
        return weir_error_wrap(error, "input");
    for (size_t i = 0; i < WEIR_OUTPUT_COUNT && status == WEIR_OK; i++)
        if (options->output_topics[i])
            status = check_output(rk, options, options->output_topics[i], input_count, error);
    if (status == WEIR_OK)
        *partition_count_out = input_count;
    return status;
}

/* One batched ListOffsets: librdkafka passes the time straight through, and Kafka's protocol gives the times
 * -2 and -1 the meanings "first" and "end". Source: KIP-79; rd_kafka_query_watermark_offsets asks the same way,
 * but one partition a call. */
static weir_status list_offsets(rd_kafka_t *rk, const char *topic, const int32_t *partitions, size_t partition_count,
                                int64_t at, rd_kafka_topic_partition_list_t **list_out, weir_error *error)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)partition_count);
    for (size_t i = 0; i < partition_count; i++)
        rd_kafka_topic_partition_list_add(list, topic, partitions[i])->offset = at;
    rd_kafka_resp_err_t code = rd_kafka_offsets_for_times(rk, list, KAFKA_TIMEOUT_MS);
    for (int i = 0; i < list->cnt && !code; i++)
        code = list->elems[i].err;
    if (code) {
        rd_kafka_topic_partition_list_destroy(list);
        return kafka_error(error, code, "asking for the offsets of topic %s", topic);
    }
    *list_out = list;
    return WEIR_OK;
}

weir_status kafka_topic_bounds(rd_kafka_t *rk, const char *topic, const int32_t *partitions, size_t partition_count,
                               weir_partition_bounds *bounds_out, weir_error *error)
{
    rd_kafka_topic_partition_list_t *starts = NULL, *ends = NULL;
    weir_status status =
        list_offsets(rk, topic, partitions, partition_count, RD_KAFKA_OFFSET_BEGINNING, &starts, error);
    if (status == WEIR_OK)
        status = list_offsets(rk, topic, partitions, partition_count, RD_KAFKA_OFFSET_END, &ends, error);
    for (size_t i = 0; i < partition_count && status == WEIR_OK; i++) {
        bounds_out[i].log_start = rd_kafka_topic_partition_list_find(starts, topic, partitions[i])->offset;
        bounds_out[i].log_end = rd_kafka_topic_partition_list_find(ends, topic, partitions[i])->offset;
    }
    if (starts)
        rd_kafka_topic_partition_list_destroy(starts);
    if (ends)
        rd_kafka_topic_partition_list_destroy(ends);
    return status;
}
