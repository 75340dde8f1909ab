#include "kafka_private.h"

#include <stdio.h>
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

/* The brokers' answer to a request of administration, or NULL and the error. `what` names the request. */
static rd_kafka_event_t *take_answer(rd_kafka_queue_t *queue, const char *what, const char *topic, weir_error *error)
{
    rd_kafka_event_t *event = rd_kafka_queue_poll(queue, KAFKA_TIMEOUT_MS + 1000);
    if (!event) {
        weir_error_set(error, WEIR_TEMPORARY, "%s topic %s: no broker answered within %d s", what, topic,
                       KAFKA_TIMEOUT_MS / 1000);
        return NULL;
    }
    if (!rd_kafka_event_error(event))
        return event;
    weir_error_set(error, kafka_status(rd_kafka_event_error(event)), "%s topic %s: %s", what, topic,
                   rd_kafka_event_error_string(event));
    rd_kafka_event_destroy(event);
    return NULL;
}

/* librdkafka would wait for the controller as long as it may, even where metadata names one that is none of the
 * brokers, as the embedded cluster's does. */
static bool has_controller(rd_kafka_t *rk)
{
    const struct rd_kafka_metadata *metadata = NULL;
    if (rd_kafka_metadata(rk, 0, NULL, &metadata, KAFKA_TIMEOUT_MS))
        return true; /* not known: the request itself will tell */
    int32_t controller = rd_kafka_controllerid(rk, 0);
    bool found = false;
    for (int i = 0; i < metadata->broker_cnt; i++)
        found |= metadata->brokers[i].id == controller;
    rd_kafka_metadata_destroy(metadata);
    return found;
}

static rd_kafka_AdminOptions_t *patience(rd_kafka_t *rk, rd_kafka_admin_op_t operation)
{
    char text[KAFKA_ERROR_TEXT_SIZE];
    rd_kafka_AdminOptions_t *options = rd_kafka_AdminOptions_new(rk, operation);
    rd_kafka_AdminOptions_set_request_timeout(options, KAFKA_TIMEOUT_MS, text, sizeof text);
    return options;
}

static weir_status request_creation(rd_kafka_t *rk, rd_kafka_NewTopic_t *wanted, const char *topic, weir_error *error)
{
    rd_kafka_AdminOptions_t *options = patience(rk, RD_KAFKA_ADMIN_OP_CREATETOPICS);
    rd_kafka_queue_t *queue = rd_kafka_queue_new(rk);
    rd_kafka_CreateTopics(rk, &wanted, 1, options, queue);
    weir_error refusal = {0};
    rd_kafka_event_t *event = take_answer(queue, "creating", topic, &refusal);
    if (event) {
        size_t count;
        const rd_kafka_topic_result_t **results =
            rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event), &count);
        rd_kafka_resp_err_t code = count ? rd_kafka_topic_result_error(results[0]) : RD_KAFKA_RESP_ERR__BAD_MSG;
        const char *text = count ? rd_kafka_topic_result_error_string(results[0]) : NULL;
        if (code && code != RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS) /* another instance was faster */
            weir_error_set(&refusal, kafka_status(code), "creating topic %s: %s", topic,
                           text ? text : rd_kafka_err2str(code));
        rd_kafka_event_destroy(event);
    }
    rd_kafka_queue_destroy(queue);
    rd_kafka_AdminOptions_destroy(options);
    return refusal.status ? weir_error_set(error, refusal.status, "%s", refusal.message) : WEIR_OK;
}

/* A topic just made is known to every broker a moment later. */
static weir_status await(rd_kafka_t *rk, const char *topic, weir_error *error)
{
    weir_status status = WEIR_NOT_FOUND;
    for (int tries = 0; tries < 100 && status == WEIR_NOT_FOUND; tries++) {
        nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
        int32_t partition_count;
        status = kafka_topic_partitions(rk, topic, &partition_count, error);
    }
    return status;
}

weir_status kafka_topic_create(rd_kafka_t *rk, const char *topic, int32_t partition_count, int16_t replication_factor,
                               const kafka_setting *settings, size_t setting_count, weir_error *error)
{
    if (!has_controller(rk))
        return weir_error_set(error, WEIR_UNSUPPORTED, "creating topic %s: the brokers have no controller", topic);
    char text[KAFKA_ERROR_TEXT_SIZE];
    int factor = replication_factor ? replication_factor : -1;
    rd_kafka_NewTopic_t *wanted = rd_kafka_NewTopic_new(topic, partition_count, factor, text, sizeof text);
    if (!wanted)
        return weir_error_set(error, WEIR_INVALID, "creating topic %s: %s", topic, text);
    for (size_t i = 0; i < setting_count; i++)
        rd_kafka_NewTopic_set_config(wanted, settings[i].name, settings[i].value);
    weir_status status = request_creation(rk, wanted, topic, error);
    rd_kafka_NewTopic_destroy(wanted);
    return status == WEIR_OK ? await(rk, topic, error) : status;
}

static void read_settings(const rd_kafka_ConfigResource_t *resource, kafka_setting *settings, size_t setting_count)
{
    size_t count;
    const rd_kafka_ConfigEntry_t **entries = rd_kafka_ConfigResource_configs(resource, &count);
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < setting_count; j++) {
            const char *value = rd_kafka_ConfigEntry_value(entries[i]);
            if (value && strcmp(rd_kafka_ConfigEntry_name(entries[i]), settings[j].name) == 0)
                snprintf(settings[j].value, sizeof settings[j].value, "%s", value);
        }
}

weir_status kafka_topic_settings(rd_kafka_t *rk, const char *topic, kafka_setting *settings, size_t setting_count,
                                 weir_error *error)
{
    if (!has_controller(rk))
        return weir_error_set(error, WEIR_UNSUPPORTED, "settings of topic %s: the brokers have no controller", topic);
    rd_kafka_ConfigResource_t *wanted = rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, topic);
    rd_kafka_AdminOptions_t *options = patience(rk, RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS);
    rd_kafka_queue_t *queue = rd_kafka_queue_new(rk);
    rd_kafka_DescribeConfigs(rk, &wanted, 1, options, queue);
    weir_error refusal = {0};
    rd_kafka_event_t *event = take_answer(queue, "asking for the settings of", topic, &refusal);
    if (event) {
        size_t count;
        const rd_kafka_ConfigResource_t **answers =
            rd_kafka_DescribeConfigs_result_resources(rd_kafka_event_DescribeConfigs_result(event), &count);
        rd_kafka_resp_err_t code = count ? rd_kafka_ConfigResource_error(answers[0]) : RD_KAFKA_RESP_ERR__BAD_MSG;
        if (code)
            kafka_error(&refusal, code, "asking for the settings of topic %s", topic);
        else
            read_settings(answers[0], settings, setting_count);
        rd_kafka_event_destroy(event);
    }
    rd_kafka_queue_destroy(queue);
    rd_kafka_AdminOptions_destroy(options);
    rd_kafka_ConfigResource_destroy(wanted);
    return refusal.status ? weir_error_set(error, refusal.status, "%s", refusal.message) : WEIR_OK;
}

rd_kafka_topic_partition_list_t *kafka_topic_list(const char *topic, int32_t count)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(count);
    for (int32_t i = 0; i < count; i++)
        rd_kafka_topic_partition_list_add(list, topic, i);
    return list;
}

/* One batched ListOffsets: librdkafka passes the time straight through, and Kafka's protocol gives the times
 * -2 and -1 the meanings "first" and "end". Source: KIP-79; rd_kafka_query_watermark_offsets asks the same way,
 * but one partition a call. */
static rd_kafka_resp_err_t ask_offsets(rd_kafka_t *rk, rd_kafka_topic_partition_list_t *list, int64_t at)
{
    for (int i = 0; i < list->cnt; i++) {
        list->elems[i].offset = at;
        list->elems[i].err = RD_KAFKA_RESP_ERR_NO_ERROR;
    }
    rd_kafka_resp_err_t code = rd_kafka_offsets_for_times(rk, list, KAFKA_TIMEOUT_MS);
    for (int i = 0; i < list->cnt && !code; i++)
        code = list->elems[i].err;
    return code;
}

static weir_status list_offsets(rd_kafka_t *rk, const rd_kafka_topic_partition_list_t *wanted, int64_t at,
                                rd_kafka_topic_partition_list_t **list_out, weir_error *error)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_copy(wanted);
    int64_t until_us = kafka_now_us() + KAFKA_TIMEOUT_MS * INT64_C(1000);
    rd_kafka_resp_err_t code = ask_offsets(rk, list, at);
    while (code && kafka_status(code) == WEIR_TEMPORARY && kafka_now_us() < until_us) {
        nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL); /* a leader that moves, or is just being chosen */
        code = ask_offsets(rk, list, at);
    }
    if (code) {
        rd_kafka_topic_partition_list_destroy(list);
        return kafka_error(error, code, "asking for the offsets of topic %s", wanted->elems[0].topic);
    }
    *list_out = list;
    return WEIR_OK;
}

weir_status kafka_topic_bounds(rd_kafka_t *rk, const rd_kafka_topic_partition_list_t *list,
                               weir_lane_bounds *bounds_out, weir_error *error)
{
    rd_kafka_topic_partition_list_t *starts = NULL, *ends = NULL;
    weir_status status = list_offsets(rk, list, RD_KAFKA_OFFSET_BEGINNING, &starts, error);
    if (status == WEIR_OK)
        status = list_offsets(rk, list, RD_KAFKA_OFFSET_END, &ends, error);
    for (int i = 0; i < list->cnt && status == WEIR_OK; i++) { /* answers may come in another order */
        const char *topic = list->elems[i].topic;
        int32_t partition = list->elems[i].partition;
        bounds_out[i].log_start = rd_kafka_topic_partition_list_find(starts, topic, partition)->offset;
        bounds_out[i].log_end = rd_kafka_topic_partition_list_find(ends, topic, partition)->offset;
    }
    if (starts)
        rd_kafka_topic_partition_list_destroy(starts);
    if (ends)
        rd_kafka_topic_partition_list_destroy(ends);
    return status;
}
