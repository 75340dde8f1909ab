/* What the files of the Kafka broker share: the group, its ports, and the small helpers below them.
 *
 * Read in this order: kafka_config.c (which properties, whose), kafka_topic.c and kafka_layout.c (topics: what can be
 * asked of them, what must be true), kafka_lanes.c (which topic and partition a lane is, and who polls it),
 * kafka_group.c and kafka_rebalance.c (the service thread's face), kafka_port.c and kafka_producer.c (a worker's face),
 * kafka_labels.c (the lanes no group assigns), kafka_reader.c and kafka_outputs.c (reading a topic outside the group),
 * kafka_nudge.c (when fetching threads are woken), kafka_gossip.c (what members tell each other).
 */
#ifndef WEIR_BROKER_KAFKA_PRIVATE_H
#define WEIR_BROKER_KAFKA_PRIVATE_H

#include "weir/broker/broker.h"
#include "weir/broker/kafka.h"

#include <librdkafka/rdkafka.h>
#include <pthread.h>
#include <stdatomic.h>

enum {
    KAFKA_FAULT_MAX = 16,      /* errors of lanes waiting for the service thread */
    KAFKA_TIMEOUT_MS = 10000,  /* for one question to the brokers */
    KAFKA_ERROR_TEXT_SIZE = 256,
    KAFKA_RECORD_OVERHEAD = 300, /* bytes of bookkeeping a waiting message costs beside its own (measured) */
    KAFKA_SOURCE_MAX = WEIR_STAGE_TOPIC_MAX + 1, /* the stages and the labels */
    KAFKA_OUTLET_MAX = WEIR_OUTPUT_HOPS + WEIR_STAGE_TOPIC_MAX - 1
};

typedef struct kafka_group kafka_group;
typedef struct kafka_port kafka_port;

/* ---- kafka_config.c ---- */

/* Every librdkafka handle's opaque: where its log lines go, and whose acknowledgements it delivers. */
typedef struct kafka_handle {
    void (*log)(void *context, int level, const char *facility, const char *text);
    void *log_context;
    kafka_port *port; /* producers of ports only */
} kafka_handle;

/* How long a full queue keeps a consumer from looking again, where librdkafka lets it be set. */
#define KAFKA_QUEUE_BACKOFF "fetch.queue.backoff.ms"

/* The kinds of handle a process opens, one configuration each. */
typedef enum kafka_kind {
    KAFKA_MEMBER,   /* the group's consumer */
    KAFKA_LABELS,   /* the consumer of labels, in no group */
    KAFKA_READER,   /* reads topics to their ends, and asks about them */
    KAFKA_LISTENER, /* hears gossip */
    KAFKA_PRODUCER, /* a worker's */
    KAFKA_SENDER,   /* the tools' */
    KAFKA_SPEAKER,  /* says gossip */
    KAFKA_KIND_COUNT
} kafka_kind;

/* lane_count: lanes of that kind that share the fetch bound (KAFKA_MEMBER and KAFKA_LABELS; else 0). *conf_out is the
 * caller's until kafka_config_open takes it. */
weir_status kafka_config(kafka_kind kind, const weir_kafka_options *options, int32_t lane_count,
                         rd_kafka_conf_t **conf_out, weir_error *error);

/* Makes a handle; takes `conf` whether it succeeds or not. */
weir_status kafka_config_open(rd_kafka_type_t type, rd_kafka_conf_t *conf, kafka_handle *handle, rd_kafka_t **rk_out,
                              weir_error *error);

/* Both of the above. */
weir_status kafka_open(kafka_kind kind, const weir_kafka_options *options, int32_t lane_count, kafka_handle *handle,
                       rd_kafka_t **rk_out, weir_error *error);

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

/* Microseconds of a clock that only goes forward. */
int64_t kafka_now_us(void);

/* ---- kafka_topic.c ---- */

/* A topic's setting, such as retention.ms. */
typedef struct kafka_setting {
    const char *name;
    char value[64]; /* "" = not told */
} kafka_setting;

/* How many partitions a topic has now. Fails: WEIR_NOT_FOUND; WEIR_TEMPORARY when no broker answers. */
weir_status kafka_topic_partitions(rd_kafka_t *rk, const char *topic, int32_t *partition_count_out, weir_error *error);

/* Makes a topic and waits until it is known. A topic that is there by now is as good. replication_factor 0 or -1: the
 * broker's default. Fails: WEIR_UNSUPPORTED (the embedded cluster), or what the broker says. */
weir_status kafka_topic_create(rd_kafka_t *rk, const char *topic, int32_t partition_count, int16_t replication_factor,
                               const kafka_setting *settings, size_t setting_count, weir_error *error);

/* Fills in the values of the settings named. Fails: WEIR_UNSUPPORTED when brokers do not tell. */
weir_status kafka_topic_settings(rd_kafka_t *rk, const char *topic, kafka_setting *settings, size_t setting_count,
                                 weir_error *error);

/* Partitions 0 .. count - 1 of a topic. The caller destroys it. */
rd_kafka_topic_partition_list_t *kafka_topic_list(const char *topic, int32_t count);

/* First and end offsets of partitions, in two requests to each leader; writes log_start and log_end of bounds_out, in
 * the list's order. */
weir_status kafka_topic_bounds(rd_kafka_t *rk, const rd_kafka_topic_partition_list_t *list,
                               weir_lane_bounds *bounds_out, weir_error *error);

/* ---- kafka_layout.c ---- */

/* Checks what the options name against each other, before anything is connected. */
weir_status kafka_layout_names(const weir_kafka_options *options, weir_error *error);

/* Checks (or makes) every topic against the input's partition count. */
weir_status kafka_layout_check(rd_kafka_t *rk, const weir_kafka_options *options, int32_t *partition_count_out,
                               weir_error *error);

/* ---- kafka_reader.c ---- */

/* Reads partitions of one topic in order, outside any group. One thread at a time. */
typedef struct kafka_reader kafka_reader;
weir_status kafka_reader_open(rd_kafka_t *rk, const char *topic, kafka_reader **reader_out, weir_error *error);
weir_status kafka_reader_start(kafka_reader *reader, int32_t partition, int64_t offset, weir_error *error);
void kafka_reader_stop(kafka_reader *reader, int32_t partition);
/* The next message or partition end (err = _PARTITION_EOF), the caller's to destroy; NULL when there was none. */
rd_kafka_message_t *kafka_reader_next(kafka_reader *reader, int timeout_ms);
/* Up to `max` messages that are here now, each the caller's to destroy. */
size_t kafka_reader_batch(kafka_reader *reader, rd_kafka_message_t **messages, size_t max);
void kafka_reader_close(kafka_reader *reader);

/* Calls visit with the last retained payload of a partition, or an empty span. */
weir_status kafka_reader_last(rd_kafka_t *rk, const char *topic, int32_t partition, const char *header_name,
                              weir_last_visit *visit, void *context, weir_error *error);
/* Calls visit for every record from an offset on, to the end the partition has at the call. */
weir_status kafka_reader_each(rd_kafka_t *rk, const char *topic, int32_t partition, int64_t from,
                              weir_output_visit *visit, void *context, weir_error *error);

/* The record a message carries: borrowed from it. */
weir_record kafka_record(const rd_kafka_message_t *message, int32_t lane);

/* The last header of that name, or an empty span. */
weir_span kafka_record_header(const rd_kafka_message_t *message, const char *name);

/* ---- kafka_lanes.c ---- */

/* A lane has one queue, which is librdkafka's own of that partition. The places are made once, at open, so that
 * librdkafka's threads may hold a pointer to one; what is in them comes and goes with the assignment. */
typedef struct kafka_lane {
    int32_t number;
    int32_t partition;
    const char *topic;
    kafka_port *port;        /* that polls it; NULL = not started */
    rd_kafka_queue_t *queue; /* NULL = not started */
    int64_t start_offset;
    atomic_bool ready;       /* something may wait in the queue; raised by librdkafka's threads */
    atomic_bool held;
    int64_t rank;            /* the worker's, as the rest below */
    uint64_t taken_at;       /* the sweep it was last taken from in */
    atomic_bool ended;       /* read to its end, control records and all (labels, whose reader hears of ends) */
    rd_kafka_message_t **returned; /* given back unread: the next ones, before the queue's */
    size_t returned_count;
    atomic_int_fast64_t log_end; /* as bounds last told; -1 = never asked */
} kafka_lane;

weir_status kafka_lanes_make(kafka_group *group, weir_error *error);
/* Stops and closes whatever still runs, and frees the places. */
void kafka_lanes_free(kafka_group *group);
kafka_lane *kafka_lane_at(const kafka_group *group, int32_t number);
bool kafka_lane_is_label(const kafka_group *group, const kafka_lane *lane);
/* The lane of a stage's topic and partition; -1 for a topic that is none, or a partition beyond the count. */
int32_t kafka_lane_number(const kafka_group *group, const char *topic, int32_t partition);
/* Topics and partitions of lanes, in order. The caller destroys it. */
rd_kafka_topic_partition_list_t *kafka_lane_list(const kafka_group *group, const int32_t *lanes, size_t count);

/* Puts a lane on its worker's list, its queue (taken) apart from all others. */
void kafka_lane_attach(kafka_lane *lane, kafka_port *port, rd_kafka_queue_t *queue, int64_t offset);
/* Takes it off: once this returns, no poll touches the lane. */
void kafka_lane_detach(kafka_lane *lane);
/* Drops what still waits in a detached lane's queue, and lets the queue go. */
void kafka_lane_close(kafka_lane *lane);
int64_t kafka_lane_lag(const kafka_group *group, int32_t number, int64_t position);

/* ---- kafka_labels.c ---- */

weir_status kafka_labels_open(kafka_group *group, const weir_kafka_options *options, weir_error *error);
/* What is fetched of the lane, attached before, goes to its queue from now on. */
weir_status kafka_labels_start(kafka_group *group, kafka_lane *lane, weir_error *error);
void kafka_labels_stop(kafka_group *group, kafka_lane *lane);
void kafka_labels_close(kafka_group *group);

/* ---- kafka_gossip.c ---- */

typedef struct kafka_gossip kafka_gossip;
weir_status kafka_gossip_open(const weir_kafka_options *options, rd_kafka_t *asking, kafka_gossip **gossip_out,
                              weir_error *error);
weir_status kafka_gossip_say(kafka_gossip *gossip, weir_span payload, weir_error *error);
void kafka_gossip_hear(kafka_gossip *gossip, weir_gossip_visit *visit, void *context);
void kafka_gossip_close(kafka_gossip *gossip);

/* ---- kafka_port.c, kafka_producer.c ---- */

/* ---- kafka_nudge.c ---- */

/* A consumer handle whose broker threads want to be told when its queues have room again. */
typedef struct kafka_nudge {
    rd_kafka_t *rk;
    uint64_t record_max, byte_max; /* that may be taken before they are told */
    char *username, *password;     /* "" without SASL; NULL: they need not be told */
} kafka_nudge;

/* What one worker took since it told them. */
typedef struct kafka_taken {
    uint64_t records, bytes;
    bool due;
} kafka_taken;

/* Borrows the handle. After a failure close it all the same. */
weir_status kafka_nudge_open(kafka_nudge *nudge, rd_kafka_t *rk, weir_error *error);
void kafka_nudge_close(kafka_nudge *nudge);
/* Notes what was taken from the handle's queues; then tells the threads if it was enough. Any thread, with a `taken` of
 * its own. */
void kafka_nudge_count(const kafka_nudge *nudge, kafka_taken *taken, uint64_t records, uint64_t bytes);
void kafka_nudge_if_due(const kafka_nudge *nudge, kafka_taken *taken);

struct kafka_port {
    weir_port base;
    kafka_group *group;
    rd_kafka_queue_t *bell; /* never holds anything: asleep on it, woken by a yield of it */
    atomic_bool asleep;

    pthread_mutex_t lanes_lock; /* guards the three below; held for a sweep, never while waiting */
    kafka_lane **lanes;
    size_t lane_count;
    size_t first; /* where the next sweep begins */
    uint64_t sweep_count;

    rd_kafka_message_t *messages[WEIR_POLL_MAX];
    size_t message_count;
    atomic_uint_fast64_t record_size_mean; /* payload and key, bytes; for the backlog estimate */
    kafka_taken taken, labels_taken;

    kafka_handle handle;
    rd_kafka_t *producer;
    rd_kafka_topic_t *outlets[KAFKA_OUTLET_MAX]; /* outputs, then hops by stage from 1 on; NULL = off */
    struct kafka_flight *flights;                /* by outlet and partition: what is under way */
    int64_t now_us, next_look_us;                /* at the last acks(); when to look for overdue flights again */
    void (*heard)(void *context, const weir_ack *ack); /* during acks() only */
    void *heard_context;
    size_t heard_count;
};

weir_status kafka_port_open(kafka_group *group, kafka_port **port_out, weir_error *error);
/* Wakes the worker if it sleeps in poll. Any thread. */
void kafka_port_ring(kafka_port *port);
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
    int32_t lane;
    weir_error error;
} kafka_fault;

struct kafka_group {
    weir_group base;
    kafka_handle handle;
    char *group_id;
    char *topics[KAFKA_SOURCE_MAX]; /* by source */
    char *output_topics[WEIR_OUTPUT_COUNT];
    size_t worker_count;
    size_t stage_count;
    bool has_labels;
    int32_t partition_count; /* of every source */
    int32_t lane_count;
    kafka_lane *lanes;
    int64_t delivery_timeout_us;

    rd_kafka_t *consumer;
    kafka_nudge nudge, label_nudge; /* of the two consumers */
    rd_kafka_queue_t *queue;        /* group events; never records */
    rd_kafka_conf_t *producer_conf; /* template */
    rd_kafka_t *reader;
    rd_kafka_t *label_consumer; /* NULL without labels */
    rd_kafka_topic_t *label_topic;
    kafka_gossip *gossip; /* NULL with one stage */
    kafka_port **ports;
    char *notes;       /* of the last bounds */
    bool joined;
    bool was_assigned; /* heard of an assignment once, be it empty */

    /* The event being answered. */
    weir_group_event_kind pending;
    int32_t *event_lanes;
    size_t event_lane_count;
    int32_t *starting_lanes; /* started so far, within ASSIGN, labels among them */
    size_t starting_count;

    pthread_mutex_t fault_lock; /* guards the two below */
    kafka_fault faults[KAFKA_FAULT_MAX];
    size_t fault_count;
};

/* ---- kafka_rebalance.c ---- */

weir_status kafka_rebalance_poll(weir_group *base, int64_t wait_us, weir_group_event *event_out);
weir_status kafka_rebalance_start(weir_group *base, int32_t lane, int64_t offset, size_t worker, weir_error *error);
weir_status kafka_rebalance_settle(weir_group *base, weir_error *error);
/* Answers a rebalance while the group is being left: takes nothing, gives back what is asked. */
void kafka_rebalance_decline(kafka_group *group, rd_kafka_event_t *event);
/* Hands an error of one lane's fetching from a worker to the service thread. Any thread. */
void kafka_rebalance_fault(kafka_group *group, const kafka_lane *lane, const rd_kafka_message_t *message);

/* ---- kafka_offsets.c, kafka_outputs.c: questions and commits that do not touch the assignment ---- */

weir_status kafka_offsets_bounds(weir_group *base, const int32_t *lanes, size_t lane_count,
                                 weir_lane_bounds *bounds_out, weir_error *error);
weir_status kafka_offsets_commit(weir_group *base, const weir_lane_commit *commits, size_t count, bool wait,
                                 weir_error *error);
weir_status kafka_outputs_last(weir_group *base, weir_output output, int32_t partition, const char *header_name,
                               weir_last_visit *visit, void *context, weir_error *error);
weir_status kafka_outputs_ends(weir_group *base, weir_output output, int64_t *ends_out, weir_error *error);
weir_status kafka_outputs_read(weir_group *base, weir_output output, int32_t partition, int64_t from,
                               weir_output_visit *visit, void *context, weir_error *error);

#endif
