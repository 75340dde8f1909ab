#include "kafka_private.h"

#include "weir/base/check.h"

#include <stdlib.h>

/* What members tell each other, over a topic of one partition: a sender that does not wait (a millisecond, one
 * acknowledgement) and a reader from the end. Words are of the moment: what does not get through within two seconds is
 * dropped, and what was said before a member came is not read. */

enum { HEARD_MAX = 64, HEARD_AT_ONCE_MAX = 1024 };

struct kafka_gossip {
    kafka_handle handle;
    rd_kafka_t *speaker, *listener;
    rd_kafka_topic_t *topic; /* of the speaker */
    kafka_reader *reader;
};

static weir_status open_speaker(kafka_gossip *gossip, const weir_kafka_options *options, weir_error *error)
{
    weir_status status = kafka_open(KAFKA_SPEAKER, options, 0, &gossip->handle, &gossip->speaker, error);
    if (status != WEIR_OK)
        return status;
    gossip->topic = rd_kafka_topic_new(gossip->speaker, options->clock_topic, NULL);
    if (!gossip->topic)
        return kafka_error(error, rd_kafka_last_error(), "clock topic %s", options->clock_topic);
    int32_t partition_count; /* asked so that the first word does not wait for metadata */
    return kafka_topic_partitions(gossip->speaker, options->clock_topic, &partition_count, error);
}

/* The end is asked for here and now: "from the end" would begin wherever it is when the first fetch gets there, and
 * miss what this very member says meanwhile. */
static weir_status open_listener(kafka_gossip *gossip, const weir_kafka_options *options, rd_kafka_t *asking,
                                 weir_error *error)
{
    weir_lane_bounds bounds;
    rd_kafka_topic_partition_list_t *list = kafka_topic_list(options->clock_topic, 1);
    weir_status status = kafka_topic_bounds(asking, list, &bounds, error);
    rd_kafka_topic_partition_list_destroy(list);
    if (status == WEIR_OK)
        status = kafka_open(KAFKA_LISTENER, options, 0, &gossip->handle, &gossip->listener, error);
    if (status == WEIR_OK)
        status = kafka_reader_open(gossip->listener, options->clock_topic, &gossip->reader, error);
    return status == WEIR_OK ? kafka_reader_start(gossip->reader, 0, bounds.log_end, error) : status;
}

weir_status kafka_gossip_open(const weir_kafka_options *options, rd_kafka_t *asking, kafka_gossip **gossip_out,
                              weir_error *error)
{
    if (!options->clock_topic)
        return WEIR_OK;
    kafka_gossip *gossip = calloc(1, sizeof *gossip);
    if (!gossip)
        return weir_error_set(error, WEIR_FULL, "no memory for the clock topic");
    gossip->handle = (kafka_handle){.log = options->log, .log_context = options->log_context};
    weir_status status = open_speaker(gossip, options, error);
    if (status == WEIR_OK)
        status = open_listener(gossip, options, asking, error);
    if (status == WEIR_OK)
        *gossip_out = gossip;
    else
        kafka_gossip_close(gossip);
    return status;
}

weir_status kafka_gossip_say(kafka_gossip *gossip, weir_span payload, weir_error *error)
{
    if (!gossip)
        return WEIR_OK;
    rd_kafka_poll(gossip->speaker, 0);
    if (rd_kafka_produce(gossip->topic, 0, RD_KAFKA_MSG_F_COPY, (void *)(uintptr_t)payload.data, payload.size, NULL, 0,
                         NULL) == 0)
        return WEIR_OK;
    return kafka_error(error, rd_kafka_last_error(), "clock topic %s", rd_kafka_topic_name(gossip->topic));
}

void kafka_gossip_hear(kafka_gossip *gossip, weir_gossip_visit *visit, void *context)
{
    if (!gossip)
        return;
    rd_kafka_message_t *messages[HEARD_MAX];
    size_t count = HEARD_MAX;
    for (size_t total = 0; count == HEARD_MAX && total < HEARD_AT_ONCE_MAX; total += count) {
        count = kafka_reader_batch(gossip->reader, messages, HEARD_MAX);
        for (size_t i = 0; i < count; i++) {
            if (!messages[i]->err) /* librdkafka tries again by itself; what is lost meanwhile is not missed */
                visit(context, weir_span_of(messages[i]->payload, messages[i]->len));
            rd_kafka_message_destroy(messages[i]);
        }
    }
}

void kafka_gossip_close(kafka_gossip *gossip)
{
    if (!gossip)
        return;
    if (gossip->reader) {
        kafka_reader_stop(gossip->reader, 0);
        kafka_reader_close(gossip->reader);
    }
    if (gossip->listener)
        rd_kafka_destroy(gossip->listener);
    if (gossip->topic)
        rd_kafka_topic_destroy(gossip->topic);
    if (gossip->speaker) {
        rd_kafka_purge(gossip->speaker, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
        rd_kafka_destroy(gossip->speaker);
    }
    free(gossip);
}
