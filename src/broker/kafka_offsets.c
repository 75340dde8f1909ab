#include "kafka_private.h"

#include "weir/base/check.h"

#include <stdio.h>
#include <stdlib.h>

static rd_kafka_topic_partition_list_t *list_of(const kafka_group *group, const int32_t *partitions, size_t count)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)count);
    for (size_t i = 0; i < count; i++)
        rd_kafka_topic_partition_list_add(list, group->input_topic, partitions[i]);
    return list;
}

static weir_status committed(kafka_group *group, const int32_t *partitions, size_t partition_count,
                             weir_partition_bounds *bounds_out, weir_error *error)
{
    rd_kafka_topic_partition_list_t *list = list_of(group, partitions, partition_count);
    rd_kafka_resp_err_t code = rd_kafka_committed(group->consumer, list, KAFKA_TIMEOUT_MS);
    for (int i = 0; i < list->cnt && !code; i++)
        code = list->elems[i].err;
    for (size_t i = 0; i < partition_count && !code; i++) {
        int64_t offset = rd_kafka_topic_partition_list_find(list, group->input_topic, partitions[i])->offset;
        bounds_out[i].committed = offset < 0 ? WEIR_OFFSET_NONE : offset;
    }
    rd_kafka_topic_partition_list_destroy(list);
    return code ? kafka_error(error, code, "asking for the committed offsets of group %s", group->group_id) : WEIR_OK;
}

weir_status kafka_group_bounds(weir_group *base, const int32_t *partitions, size_t partition_count,
                               weir_partition_bounds *bounds_out, weir_error *error)
{
    kafka_group *group = (kafka_group *)base;
    if (partition_count == 0)
        return WEIR_OK;
    weir_status status =
        kafka_topic_bounds(group->consumer, group->input_topic, partitions, partition_count, bounds_out, error);
    return status == WEIR_OK ? committed(group, partitions, partition_count, bounds_out, error) : status;
}

weir_status kafka_group_commit(weir_group *base, const int32_t *partitions, const int64_t *next_offsets, size_t count,
                               bool wait, weir_error *error)
{
    kafka_group *group = (kafka_group *)base;
    if (count == 0)
        return WEIR_OK;
    rd_kafka_topic_partition_list_t *list = list_of(group, partitions, count);
    for (size_t i = 0; i < count; i++) {
        weir_check(next_offsets[i] >= 0);
        list->elems[i].offset = next_offsets[i];
    }
    rd_kafka_resp_err_t code = rd_kafka_commit(group->consumer, list, !wait);
    for (int i = 0; i < list->cnt && !code && wait; i++)
        code = list->elems[i].err;
    rd_kafka_topic_partition_list_destroy(list);
    return code ? kafka_error(error, code, "committing offsets of group %s", group->group_id) : WEIR_OK;
}

int64_t kafka_group_lag(weir_group *base, int32_t partition, int64_t position)
{
    kafka_group *group = (kafka_group *)base;
    int64_t low, high;
    if (rd_kafka_get_watermark_offsets(group->consumer, group->input_topic, partition, &low, &high) || high < 0)
        return -1;
    return high > position ? high - position : 0;
}

weir_status kafka_group_last_output(weir_group *base, weir_output output, int32_t partition, const char *header_name,
                                    weir_last_visit *visit, void *context, weir_error *error)
{
    kafka_group *group = (kafka_group *)base;
    weir_check(output < WEIR_OUTPUT_COUNT && group->output_topics[output]);
    weir_status status = WEIR_OK;
    if (!group->reader)
        status = kafka_config_open(RD_KAFKA_CONSUMER, rd_kafka_conf_dup(group->reader_conf), &group->handle,
                                   &group->reader, error);
    return status == WEIR_OK
               ? kafka_reader_last(group->reader, group->output_topics[output], partition, header_name, visit, context,
                                   error)
               : status;
}

weir_status kafka_group_describe(weir_group *base, char *cluster_id_out, int32_t *partition_count_out,
                                 weir_error *error)
{
    kafka_group *group = (kafka_group *)base;
    char *id = rd_kafka_clusterid(group->consumer, KAFKA_TIMEOUT_MS);
    if (!id)
        return weir_error_set(error, WEIR_TEMPORARY, "no Kafka broker told its cluster id within %d s",
                              KAFKA_TIMEOUT_MS / 1000);
    snprintf(cluster_id_out, 64, "%s", id);
    *partition_count_out = group->partition_count;
    rd_kafka_mem_free(group->consumer, id);
    return WEIR_OK;
}
