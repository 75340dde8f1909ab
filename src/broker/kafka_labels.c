#include "kafka_private.h"

#include "weir/base/check.h"

/* Labels are read where their transactions are read. No assignor promises that (cooperative-sticky moves each topic by
 * itself), so a consumer outside the group follows the assignment: librdkafka's simple consumer, one queue a lane. */

weir_status kafka_labels_open(kafka_group *group, const weir_kafka_options *options, weir_error *error)
{
    if (!group->has_labels)
        return WEIR_OK;
    weir_status status =
        kafka_open(KAFKA_LABELS, options, group->partition_count, &group->handle, &group->label_consumer, error);
    if (status != WEIR_OK)
        return status;
    status = kafka_nudge_open(&group->label_nudge, group->label_consumer, error);
    if (status != WEIR_OK)
        return status;
    group->label_topic = rd_kafka_topic_new(group->label_consumer, options->labels_topic, NULL);
    return group->label_topic ? WEIR_OK
                              : kafka_error(error, rd_kafka_last_error(), "labels topic %s", options->labels_topic);
}

weir_status kafka_labels_start(kafka_group *group, kafka_lane *lane, weir_error *error)
{
    weir_check(kafka_lane_is_label(group, lane) && lane->queue);
    if (rd_kafka_consume_start_queue(group->label_topic, lane->partition, lane->start_offset, lane->queue) == 0)
        return WEIR_OK;
    return kafka_error(error, rd_kafka_last_error(), "reading %s [%d]", lane->topic, lane->partition);
}

void kafka_labels_stop(kafka_group *group, kafka_lane *lane)
{
    rd_kafka_consume_stop(group->label_topic, lane->partition);
}

void kafka_labels_close(kafka_group *group)
{
    for (int32_t i = 0; i < group->lane_count && group->label_topic && group->lanes; i++)
        if (kafka_lane_is_label(group, &group->lanes[i]) && group->lanes[i].queue)
            kafka_labels_stop(group, &group->lanes[i]);
    if (group->label_topic)
        rd_kafka_topic_destroy(group->label_topic);
    group->label_topic = NULL;
}
