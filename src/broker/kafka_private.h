/* What the files of the Kafka broker share: the group, its ports, and the small helpers below them.
 *
 * Read in this order: kafka_config.c (which properties, whose), kafka_topic.c (what must exist), kafka_group.c
 * (the service thread's face), kafka_port.c and kafka_producer.c (a worker's face), kafka_reader.c (reading
 * a topic outside the group, for last_output and `weir tail`).
 */
#ifndef WEIR_BROKER_KAFKA_PRIVATE_H
#define WEIR_BROKER_KAFKA_PRIVATE_H

#include "weir/broker/broker.h"
#include "weir/broker/kafka.h"

#include <librdkafka/rdkafka.h>
#include <pthread.h>
#include <stdatomic.h>

enum {
    KAFKA_POLL_MAX = 1024,     /* records one poll returns at most */
    KAFKA_FAULT_MAX = 16,      /* errors of workers' queues waiting for the service thread */
    KAFKA_TIMEOUT_MS = 10000,  /* for one question to the brokers */
    KAFKA_ERROR_TEXT_SIZE = 256
};

/* ---- kafka_config.c ---- */

/* Every librdkafka handle's opaque: where its log lines go, and whose acknowledgements it delivers. */
typedef struct kafka_handle {
    void (*log)(void *context, int level, const char *facility, const char *text);
    void *log_context;
    struct kafka_port *port; /* producers only */
} kafka_handle;

/* Configurations of the three kinds of handle; *conf_out is the caller's until rd_kafka_new takes it. */
weir_status kafka_config_consumer(const weir_kafka_options *options, rd_kafka_conf_t **conf_out, weir_error *error);
weir_status kafka_config_producer(const weir_kafka_options *options, rd_kafka_conf_t **conf_out, weir_error *error);
weir_status kafka_config_reader(const weir_kafka_options *options, rd_kafka_conf_t **conf_out, weir_error *error);

/* Makes a handle; takes `conf` whether it succeeds or not. */
weir_status kafka_config_open(rd_kafka_type_t type, rd_kafka_conf_t *conf, kafka_handle *handle, rd_kafka_t **rk_out,
                              weir_error *error);

/* ---- kafka_error.c ---- */

/* What a librdkafka error means to weir. */
weir_status kafka_status(rd_kafka_resp_err_t code);

/* Writes "<what>: <librdkafka's text> (<NAME>)" and returns the status of `code`. */
weir_status kafka_error(weir_error *error, rd_kafka_resp_err_t code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The same for an error object, which is destroyed; WEIR_OK for NULL. */
weir_status kafka_error_take(weir_error *error, rd_kafka_error_t *raised, const char *what);

/* Milliseconds for librdkafka, rounded up so that a short wait is not a busy loop. */
int kafka_ms(int64_t us);

/* ---- kafka_topic.c ---- */

/* How many partitions a topic has now. Fails: WEIR_NOT_FOUND; WEIR_TEMPORARY when no broker answers. */
weir_status kafka_topic_partitions(rd_kafka_t *rk, const char *topic, int32_t *partition_count_out, weir_error *error);

/* Checks (or makes, if asked) every output against the input's partition count. */
weir_status kafka_topic_check(rd_kafka_t *rk, const weir_kafka_options *options, int32_t *partition_count_out,
                              weir_error *error);

/* First and end offsets of partitions, in one request to each leader. */
weir_status kafka_topic_bounds(rd_kafka_t *rk, const char *topic, const int32_t *partitions, size_t partition_count,
                               weir_partition_bounds *bounds_out, weir_error *error);

/* ---- kafka_reader.c ---- */

/* Reads partitions of one topic in order, outside any group. One thread at a time. */
typedef struct kafka_reader kafka_reader;
weir_status kafka_reader_open(rd_kafka_t *rk, const char *topic, kafka_reader **reader_out, weir_error *error);
weir_status kafka_reader_start(kafka_reader *reader, int32_t partition, int64_t offset, weir_error *error);
void kafka_reader_stop(kafka_reader *reader, int32_t partition);
/* The next message or partition end (err = _PARTITION_EOF), the caller's to destroy; NULL when there was none. */
rd_kafka_message_t *kafka_reader_next(kafka_reader *reader, int timeout_ms);
void kafka_reader_close(kafka_reader *reader);

/* Calls visit with the last retained payload of a partition, or an empty span. */
weir_status kafka_reader_last(rd_kafka_t *rk, const char *topic, int32_t partition, const char *header_name,
                              weir_last_visit *visit, void *context, weir_error *error);

/* The record a message carries: borrowed from it. */
weir_record kafka_record(const rd_kafka_message_t *message);

/* The last header of that name, or an empty span. */
weir_span kafka_record_header(const rd_kafka_message_t *message, const char *name);

/* ---- kafka_port.c, kafka_producer.c ---- */

typedef struct kafka_port {
    weir_port base;
    struct kafka_group *group;
    rd_kafka_queue_t *queue; /* every partition routed to this worker is forwarded here */
    rd_kafka_message_t *messages[KAFKA_POLL_MAX];
    size_t message_count;
    atomic_uint_fast64_t record_size_mean; /* payload and key, bytes; for the backlog estimate */

    kafka_handle handle;
    rd_kafka_t *producer;
    rd_kafka_topic_t *topics[WEIR_OUTPUT_COUNT]; /* NULL = that output is off */
    void (*heard)(void *context, const weir_ack *ack); /* during acks() only */
    void *heard_context;
    size_t heard_count;
} kafka_port;

weir_status kafka_port_open(struct kafka_group *group, kafka_port **port_out, weir_error *error);
/* Waits for what is queued, gives up on the rest. */
void kafka_port_flush(kafka_port *port, int64_t timeout_us);
void kafka_port_close(kafka_port *port);

weir_status kafka_producer_open(kafka_port *port, weir_error *error);
void kafka_producer_close(kafka_port *port);
weir_status kafka_producer_produce(weir_port *port, const weir_outgoing *outgoing);
size_t kafka_producer_acks(weir_port *port, int64_t wait_us, void (*heard)(void *context, const weir_ack *ack),
                           void *context);
void kafka_producer_delivered(rd_kafka_t *rk, const rd_kafka_message_t *message, void *opaque);

/* ---- kafka_group.c ---- */

typedef struct kafka_fault {
    int32_t partition;
    weir_error error;
} kafka_fault;

typedef struct kafka_group {
    weir_group base;
    kafka_handle handle;
    char *group_id, *input_topic, *output_topics[WEIR_OUTPUT_COUNT];
    size_t worker_count;
    int32_t partition_count;

    rd_kafka_t *consumer;
    rd_kafka_queue_t *queue;            /* group events; never records */
    rd_kafka_queue_t **partition_queues; /* by partition; held while assigned */
    rd_kafka_conf_t *producer_conf, *reader_conf; /* templates */
    rd_kafka_t *reader;                 /* opened at the first last_output */
    kafka_port **ports;
    bool joined;
    bool was_assigned; /* heard of an assignment once, be it empty */

    /* The event being answered; .error also keeps the text of the last one. */
    weir_group_event_kind pending;
    int32_t *event_partitions;
    rd_kafka_topic_partition_list_t *starting; /* partitions started so far, within ASSIGN */

    pthread_mutex_t fault_lock; /* guards the two below */
    kafka_fault faults[KAFKA_FAULT_MAX];
    size_t fault_count;
} kafka_group;

/* Hands an error of one partition's fetching from a worker to the service thread. Any thread. */
void kafka_group_fault(kafka_group *group, const rd_kafka_message_t *message);

/* The rest of weir_group_ops, in kafka_offsets.c: questions and commits that do not touch the assignment. */
weir_status kafka_group_bounds(weir_group *base, const int32_t *partitions, size_t partition_count,
                               weir_partition_bounds *bounds_out, weir_error *error);
weir_status kafka_group_commit(weir_group *base, const int32_t *partitions, const int64_t *next_offsets, size_t count,
                               bool wait, weir_error *error);
weir_status kafka_group_last_output(weir_group *base, weir_output output, int32_t partition, const char *header_name,
                                    weir_last_visit *visit, void *context, weir_error *error);
int64_t kafka_group_lag(weir_group *base, int32_t partition, int64_t position);
weir_status kafka_group_describe(weir_group *base, char *cluster_id_out, int32_t *partition_count_out,
                                 weir_error *error);

#endif
