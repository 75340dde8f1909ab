/* The seam of broker.h over librdkafka: one consumer handle (one group member) a process, and one idempotent
 * producer a worker, so that acknowledgements arrive on the thread that waits for them. */
#ifndef WEIR_BROKER_KAFKA_H
#define WEIR_BROKER_KAFKA_H

#include "weir/broker/broker.h"

#include <stdint.h>

typedef struct weir_kafka_property {
    const char *name, *value;
} weir_kafka_property;

enum { WEIR_STAGE_TOPIC_MAX = 8 };

typedef struct weir_kafka_options {
    const char *bootstrap_servers;
    const char *group_id;
    const char *group_instance_id; /* static membership, or NULL */
    const char *client_id;
    const char *input_topic;
    const char *stage_topics[WEIR_STAGE_TOPIC_MAX]; /* of stages 1 on, by stage; [0] is not looked at */
    size_t stage_count;            /* >= 1 */
    int64_t stage_retention_us;    /* what the stages' topics must keep at least: the horizon */
    const char *labels_topic;      /* NULL = no labels */
    const char *clock_topic;       /* what members tell each other; NULL with one stage */
    const char *output_topics[WEIR_OUTPUT_COUNT]; /* NULL = that output is off; hops have stage_topics instead */
    size_t worker_count;           /* >= 1 */
    bool create_topics;            /* create missing output and labels topics with the input's partition count;
                                    * internal ones (stages, clock) are weir's own and always created */
    int16_t replication_factor;    /* for created topics; -1 = broker default */
    uint64_t fetch_queue_bytes_max; /* bound on records held in local queues, over all lanes */
    int64_t session_timeout_us;    /* 0 = librdkafka's default */
    int64_t linger_us;             /* sender linger */
    int64_t delivery_timeout_us;   /* without an acknowledgement from a partition, a port gives up all; 0 = 30 s */
    const weir_kafka_property *consumer_properties; /* passed through; those weir owns are refused with the reason */
    size_t consumer_property_count;
    const weir_kafka_property *producer_properties;
    size_t producer_property_count;
    /* librdkafka's own log lines; may be NULL; any thread. */
    void (*log)(void *context, int level, const char *facility, const char *text);
    void *log_context;
} weir_kafka_options;

/* Connects, checks that the topics exist and that all of them have as many partitions as the input (creating them if
 * asked), that the topics of stages are not compacted and keep records for stage_retention_us or longer, and returns a
 * group ready to join.
 * Fails: WEIR_INVALID for a property (named) weir owns or librdkafka does not know; WEIR_NOT_FOUND for a missing
 * topic; WEIR_REFUSED for a partition count or a setting that does not fit; WEIR_UNSUPPORTED where brokers make no
 * topics (the embedded cluster); WEIR_TEMPORARY when no broker answers in 10 s. */
WEIR_MUST_USE weir_status weir_kafka_open(const weir_kafka_options *options, weir_group **group_out, weir_error *error);

/* The properties weir owns: name and reason, for `config check` and documentation. Returns how many rows. */
typedef struct weir_kafka_owned {
    const char *name, *reason;
} weir_kafka_owned;
size_t weir_kafka_owned_properties(const weir_kafka_owned **rows_out);

#endif
