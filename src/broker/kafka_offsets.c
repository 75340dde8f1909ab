#include "kafka_private.h"

#include "weir/base/check.h"

#include <stdlib.h>

/* Notes of one answer, each with its end, in one block that lives until the next. */
static weir_status keep_notes(kafka_group *group, const rd_kafka_topic_partition_list_t *list,
                              weir_lane_bounds *bounds_out, weir_error *error)
{
    size_t size = 1;
    for (int i = 0; i < list->cnt; i++)
        size += list->elems[i].metadata_size + 1;
    free(group->notes);
    group->notes = calloc(1, size);
    if (!group->notes)
        return weir_error_set(error, WEIR_FULL, "no memory for the notes of %d lanes", list->cnt);
    char *at = group->notes;
    for (int i = 0; i < list->cnt; i++) {
        if (list->elems[i].metadata_size)
            memcpy(at, list->elems[i].metadata, list->elems[i].metadata_size);
        bounds_out[i].note = at;
        at += list->elems[i].metadata_size + 1;
    }
    return WEIR_OK;
}

/* Lanes the group may have committed: all but those of labels, in their order. */
static rd_kafka_topic_partition_list_t *staged_list(const kafka_group *group, const int32_t *lanes, size_t count)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)count);
    for (size_t i = 0; i < count; i++) {
        const kafka_lane *lane = kafka_lane_at(group, lanes[i]);
        if (!kafka_lane_is_label(group, lane))
            rd_kafka_topic_partition_list_add(list, lane->topic, lane->partition);
    }
    return list;
}

/* Brings the answer into the order asked for (librdkafka gives it back as brokers did), labels with nothing. */
static rd_kafka_topic_partition_list_t *in_order(const kafka_group *group, const int32_t *lanes, size_t count,
                                                 rd_kafka_topic_partition_list_t *answer)
{
    rd_kafka_topic_partition_list_t *list = kafka_lane_list(group, lanes, count);
    for (size_t i = 0; i < count; i++) {
        rd_kafka_topic_partition_t *to = &list->elems[i];
        rd_kafka_topic_partition_t *from = rd_kafka_topic_partition_list_find(answer, to->topic, to->partition);
        to->offset = from && from->offset >= 0 ? from->offset : WEIR_OFFSET_NONE;
        if (!from || !from->metadata)
            continue;
        to->metadata = from->metadata; /* moved */
        to->metadata_size = from->metadata_size;
        from->metadata = NULL;
        from->metadata_size = 0;
    }
    return list;
}

static weir_status committed(kafka_group *group, const int32_t *lanes, size_t lane_count, weir_lane_bounds *bounds_out,
                             weir_error *error)
{
    rd_kafka_topic_partition_list_t *answer = staged_list(group, lanes, lane_count);
    rd_kafka_resp_err_t code =
        answer->cnt ? rd_kafka_committed(group->consumer, answer, KAFKA_TIMEOUT_MS) : RD_KAFKA_RESP_ERR_NO_ERROR;
    for (int i = 0; i < answer->cnt && !code; i++)
        code = answer->elems[i].err;
    weir_status status = WEIR_OK;
    if (code) {
        status = kafka_error(error, code, "asking for the committed offsets of group %s", group->group_id);
    } else {
        rd_kafka_topic_partition_list_t *list = in_order(group, lanes, lane_count, answer);
        status = keep_notes(group, list, bounds_out, error);
        for (size_t i = 0; i < lane_count && status == WEIR_OK; i++)
            bounds_out[i].committed = list->elems[i].offset;
        rd_kafka_topic_partition_list_destroy(list);
    }
    rd_kafka_topic_partition_list_destroy(answer);
    return status;
}

weir_status kafka_offsets_bounds(weir_group *base, const int32_t *lanes, size_t lane_count,
                                 weir_lane_bounds *bounds_out, weir_error *error)
{
    kafka_group *group = (kafka_group *)base;
    if (lane_count == 0)
        return WEIR_OK;
    rd_kafka_topic_partition_list_t *list = kafka_lane_list(group, lanes, lane_count);
    weir_status status = kafka_topic_bounds(group->reader, list, bounds_out, error);
    rd_kafka_topic_partition_list_destroy(list);
    for (size_t i = 0; i < lane_count && status == WEIR_OK; i++)
        atomic_store_explicit(&kafka_lane_at(group, lanes[i])->log_end, bounds_out[i].log_end, memory_order_relaxed);
    return status == WEIR_OK ? committed(group, lanes, lane_count, bounds_out, error) : status;
}

static weir_status add_commit(const kafka_group *group, rd_kafka_topic_partition_list_t *list,
                              const weir_lane_commit *commit, weir_error *error)
{
    const kafka_lane *lane = kafka_lane_at(group, commit->lane);
    weir_check(commit->next_offset >= 0 && !kafka_lane_is_label(group, lane));
    rd_kafka_topic_partition_t *entry = rd_kafka_topic_partition_list_add(list, lane->topic, lane->partition);
    entry->offset = commit->next_offset;
    if (!commit->note || !*commit->note)
        return WEIR_OK;
    size_t size = strlen(commit->note);
    weir_check(size < WEIR_NOTE_SIZE_MAX);
    entry->metadata = rd_kafka_mem_malloc(NULL, size); /* freed with the list */
    if (!entry->metadata)
        return weir_error_set(error, WEIR_FULL, "no memory for a note of %zu bytes", size);
    memcpy(entry->metadata, commit->note, size);
    entry->metadata_size = size;
    return WEIR_OK;
}

weir_status kafka_offsets_commit(weir_group *base, const weir_lane_commit *commits, size_t count, bool wait,
                                 weir_error *error)
{
    kafka_group *group = (kafka_group *)base;
    if (count == 0)
        return WEIR_OK;
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)count);
    weir_status status = WEIR_OK;
    for (size_t i = 0; i < count && status == WEIR_OK; i++)
        status = add_commit(group, list, &commits[i], error);
    rd_kafka_resp_err_t code = status == WEIR_OK ? rd_kafka_commit(group->consumer, list, !wait) : 0;
    for (int i = 0; i < list->cnt && !code && wait; i++)
        code = list->elems[i].err;
    rd_kafka_topic_partition_list_destroy(list);
    return code ? kafka_error(error, code, "committing offsets of group %s", group->group_id) : status;
}
