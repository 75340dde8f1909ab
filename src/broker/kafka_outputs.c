#include "kafka_private.h"

#include "weir/base/check.h"

#include <stdlib.h>

/* What an output topic ends with, as recovery asks: of the brokers, each time, since another instance may have written
 * meanwhile. */

static const char *topic_of(const kafka_group *group, weir_output output)
{
    weir_check(output < WEIR_OUTPUT_COUNT && group->output_topics[output]);
    return group->output_topics[output];
}

weir_status kafka_outputs_last(weir_group *base, weir_output output, int32_t partition, const char *header_name,
                               weir_last_visit *visit, void *context, weir_error *error)
{
    kafka_group *group = (kafka_group *)base;
    return kafka_reader_last(group->reader, topic_of(group, output), partition, header_name, visit, context, error);
}

weir_status kafka_outputs_ends(weir_group *base, weir_output output, int64_t *ends_out, weir_error *error)
{
    kafka_group *group = (kafka_group *)base;
    weir_lane_bounds *bounds = calloc((size_t)group->partition_count, sizeof *bounds);
    if (!bounds)
        return weir_error_set(error, WEIR_FULL, "no memory for %d partitions", group->partition_count);
    rd_kafka_topic_partition_list_t *list = kafka_topic_list(topic_of(group, output), group->partition_count);
    weir_status status = kafka_topic_bounds(group->reader, list, bounds, error);
    for (int32_t i = 0; i < group->partition_count && status == WEIR_OK; i++)
        ends_out[i] = bounds[i].log_end;
    rd_kafka_topic_partition_list_destroy(list);
    free(bounds);
    return status;
}

weir_status kafka_outputs_read(weir_group *base, weir_output output, int32_t partition, int64_t from,
                               weir_output_visit *visit, void *context, weir_error *error)
{
    kafka_group *group = (kafka_group *)base;
    return kafka_reader_each(group->reader, topic_of(group, output), partition, from, visit, context, error);
}
