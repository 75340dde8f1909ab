/* The stream as weir's shell sees it: a narrow seam over Kafka.
 *
 * What is read comes in *lanes*: a lane is one partition of one input topic, numbered
 *
 *   lane = source * partition_count + partition
 *
 * where the sources are the stages in the order of the chain (0 reads the transactions, the others the internal topic
 * of their stage) and behind them, if there are labels, the labels topic. All input topics have the same number of
 * partitions. The lanes of stages belong to the consumer group and come and go by its assignment; the lane of labels
 * p is started and stopped together with lane p, on a consumer of its own.
 *
 * Two faces. The *group* face belongs to one thread (app's service thread): it joins the consumer group,
 * hears of lanes given and taken, asks about offsets, and reads back what an output ends with.
 * The *port* face belongs to one worker thread: it takes records of the lanes routed to it, produces,
 * and hears acknowledgements. Implementations: kafka (librdkafka; also against its embedded mock cluster) and
 * the simulator of tests/sim (thousands of crashes and rebalances in one process from one seed).
 *
 *   group->poll ── ASSIGN p ──> app opens p's state, asks mark and bounds, group->start(p, offset, worker)
 *              └── REVOKE p ──> app drains p on its worker, group->commit, group->stop(p)
 *   port->poll ── records ──> app scores ──> port->produce ──> port->acks ──> app moves the ack mark
 */
#ifndef WEIR_BROKER_BROKER_H
#define WEIR_BROKER_BROKER_H

#include "weir/base/span.h"
#include "weir/base/status.h"

/* Where weir writes to. Rows of one table: topic option, what it carries. */
typedef enum weir_output {
    WEIR_OUTPUT_ALERTS,
    WEIR_OUTPUT_SCORES,
    WEIR_OUTPUT_DEAD_LETTERS,
    WEIR_OUTPUT_HOPS, /* to the next stage's internal topic */
    WEIR_OUTPUT_COUNT
} weir_output;

/* WEIR_LANE_MAX, WEIR_MARKER_MAX: an acknowledgement carries lane and marker in one word. */
enum { WEIR_HEADER_MAX = 16, WEIR_OFFSET_NONE = -1, WEIR_LANE_MAX = 1 << 15, WEIR_NOTE_SIZE_MAX = 4096 };
#define WEIR_MARKER_MAX ((INT64_C(1) << 47) - 1)

typedef struct weir_header {
    const char *name;
    weir_span value;
} weir_header;

typedef struct weir_record {
    int32_t lane;
    int32_t partition;      /* of its topic: lane % partition_count */
    int64_t offset;
    int64_t timestamp_us;   /* the broker's record timestamp, microseconds; -1 = none */
    weir_span key, payload; /* borrowed until weir_port_release; payload.data NULL for a tombstone */
    void *handle;           /* the implementation's */
} weir_record;

typedef struct weir_outgoing {
    weir_output output;
    int32_t lane;           /* that caused it; comes back with the acknowledgement */
    int64_t marker;         /* comes back with it too: -1 .. WEIR_MARKER_MAX */
    size_t stage;           /* of hops: whose topic it goes to, >= 1 */
    int32_t partition;      /* where it goes */
    weir_span key, payload; /* copied before produce returns */
    const weir_header *headers; /* copied */
    size_t header_count;
} weir_outgoing;

typedef struct weir_ack {
    weir_output output;
    int32_t lane;
    int64_t marker;
    int32_t partition;  /* where it went */
    int64_t offset;     /* and the place it got there; WEIR_OFFSET_NONE when not delivered, or the broker did not say */
    bool delivered; /* false: given up after the delivery timeout; the worker must treat the partition as failed */
} weir_ack;

/* ---- the worker's face ---- */
/* Records a poll brings at most, and of one lane. */
enum { WEIR_POLL_LANE_MAX = 2048, WEIR_POLL_MAX = 4 * WEIR_POLL_LANE_MAX };

typedef struct weir_port weir_port;
typedef struct weir_port_ops {
    /* Up to `max` records (and WEIR_POLL_MAX, and WEIR_POLL_LANE_MAX of a lane) that are here now on lanes not held,
     * one lane's after the other's and each lane's in offset order; among lanes of one rank the first to be looked at
     * goes round. Waits up to wait_us only when there is none. Valid until release. With a max of 0 a sign of life. */
    size_t (*poll)(weir_port *port, weir_record *records, size_t max, int64_t wait_us);
    /* Gives records of the last poll back unread: `count` of them, the rest of one lane's run. They come first when
     * that lane is polled next. Before release. */
    void (*unread)(weir_port *port, const weir_record *first, size_t count);
    /* Ends the borrow of every record the last poll returned. */
    void (*release)(weir_port *port);
    /* Queues one record for sending. WEIR_FULL: the queue is full, take acks and try again; WEIR_INVALID: larger than
     * the topic takes; WEIR_FENCED / WEIR_IO: fatal. */
    weir_status (*produce)(weir_port *port, const weir_outgoing *outgoing);
    /* Calls `heard` for every acknowledgement that has come in; waits up to wait_us when there is none. Returns how
     * many. */
    size_t (*acks)(weir_port *port, int64_t wait_us, void (*heard)(void *context, const weir_ack *ack), void *context);
    /* The record's header of that name (for DLQ re-drives and schema ids); an empty span when absent. */
    weir_span (*header)(weir_port *port, const weir_record *record, const char *name);
    /* Leaves a lane's records where they are until it is let go on (alignment, dead-letter brake). What was fetched
     * is kept, and no more is fetched than fits the bound. A lane that starts is not held. Costs next to nothing. */
    void (*hold)(weir_port *port, int32_t lane, bool held);
    /* Says in what order poll looks at lanes: of those with records the one of the lowest rank first (INT64_MIN at the
     * start), so that lanes ranked by event time stay together. NULL where the order does not matter. */
    void (*rank)(weir_port *port, int32_t lane, int64_t rank);
    /* Records between `position` and the lane's end as last heard from the broker; -1 = not heard yet. Asks nobody. */
    int64_t (*lag)(weir_port *port, int32_t lane, int64_t position);
} weir_port_ops;
struct weir_port {
    const weir_port_ops *ops;
};

/* ---- the service thread's face ---- */
typedef enum weir_group_event_kind {
    WEIR_GROUP_NONE,
    WEIR_GROUP_ASSIGN, /* lanes newly given: answer with start for each, then settle */
    WEIR_GROUP_REVOKE, /* lanes about to be taken: drain, commit, then settle */
    WEIR_GROUP_LOST,   /* lanes already someone else's: drop, commit nothing, then settle */
    WEIR_GROUP_ERROR   /* `error` tells; fatal when error.status is WEIR_FENCED or WEIR_REFUSED */
} weir_group_event_kind;

typedef struct weir_group_event {
    weir_group_event_kind kind;
    const int32_t *lanes; /* of stages, in an ERROR also of labels; valid until the next poll */
    size_t lane_count;
    weir_error error;
} weir_group_event;

typedef struct weir_lane_bounds {
    int64_t log_start, log_end; /* first retained offset, and the one the next record will get */
    int64_t committed;          /* the group's committed offset, or WEIR_OFFSET_NONE (always, for labels) */
    const char *note;           /* what was committed beside it, "" when nothing; valid until the next bounds */
} weir_lane_bounds;

typedef struct weir_lane_commit {
    int32_t lane;
    int64_t next_offset; /* the next one to read */
    const char *note;    /* text kept beside the offset, below WEIR_NOTE_SIZE_MAX bytes; NULL = none */
} weir_lane_commit;

typedef void weir_last_visit(void *context, weir_span payload, weir_span header);
typedef void weir_output_visit(void *context, int64_t offset, weir_span payload);
typedef void weir_gossip_visit(void *context, weir_span payload);

typedef struct weir_shape { /* of the input, as found at start */
    char cluster_id[64];
    int32_t partition_count; /* of every input topic */
    size_t stage_count;
    bool has_labels;
} weir_shape;

/* Lanes in all, and of the stages alone (which the group assigns). */
static inline int32_t weir_shape_lane_count(const weir_shape *shape)
{
    return (int32_t)(shape->stage_count + shape->has_labels) * shape->partition_count;
}
static inline int32_t weir_shape_staged_count(const weir_shape *shape)
{
    return (int32_t)shape->stage_count * shape->partition_count;
}
/* The lane of the labels that belong to a lane of the first stage; -1 when there are none. */
static inline int32_t weir_shape_label_lane(const weir_shape *shape, int32_t lane)
{
    return shape->has_labels && lane < shape->partition_count ? weir_shape_staged_count(shape) + lane : -1;
}

typedef struct weir_group weir_group;
typedef struct weir_group_ops {
    /* Joins the group and makes one port a worker. After this, poll. */
    weir_status (*join)(weir_group *group, weir_error *error);
    /* Waits up to wait_us for a group event. WEIR_GROUP_NONE when there was none. */
    weir_status (*poll)(weir_group *group, int64_t wait_us, weir_group_event *event_out);
    /* Bounds, committed offsets and notes of lanes, also of labels (both arrays of lane_count). */
    weir_status (*bounds)(weir_group *group, const int32_t *lanes, size_t lane_count, weir_lane_bounds *bounds_out,
                          weir_error *error);
    /* Calls visit with the payload of the last retained record of output[partition], and with its header of that
     * name (header_name NULL, or no such header: an empty span). Does not call it when the partition has no record.
     * Not for hops. */
    weir_status (*last_output)(weir_group *group, weir_output output, int32_t partition, const char *header_name,
                               weir_last_visit *visit, void *context, weir_error *error);
    /* The offset the next record of each partition of an output will get (partition_count entries). Not for hops. */
    weir_status (*output_ends)(weir_group *group, weir_output output, int64_t *ends_out, weir_error *error);
    /* Calls visit for every record of output[partition] from an offset on, to the end it has now. An offset below the
     * log's start begins there. Not for hops. */
    weir_status (*read_output)(weir_group *group, weir_output output, int32_t partition, int64_t from,
                               weir_output_visit *visit, void *context, weir_error *error);
    /* Says where a lane begins and which worker gets its records. Within ASSIGN only, also for the lanes of labels
     * that follow the ones given; those stop by themselves when their lanes are taken. */
    weir_status (*start)(weir_group *group, int32_t lane, int64_t offset, size_t worker, weir_error *error);
    /* Completes ASSIGN / REVOKE / LOST: the assignment is now what was asked. */
    weir_status (*settle)(weir_group *group, weir_error *error);
    /* Stores the group's committed offsets; synchronous when `wait`, else in the background. Not for labels. */
    weir_status (*commit)(weir_group *group, const weir_lane_commit *commits, size_t count, bool wait,
                          weir_error *error);
    /* As the port's lag, for the service's thread. */
    int64_t (*lag)(weir_group *group, int32_t lane, int64_t position);
    /* A few words to every member of the group, this one too, over the topic <group>.clock: sent at once, heard
     * within milliseconds, lost when nobody listens. Members that join later hear only what is said from then on.
     * Both do nothing when the chain has one stage. */
    weir_status (*say)(weir_group *group, weir_span payload, weir_error *error);
    void (*hear)(weir_group *group, weir_gossip_visit *visit, void *context);
    /* Identity and shape of the input. */
    weir_status (*describe)(weir_group *group, weir_shape *shape_out, weir_error *error);
    weir_port *(*port)(weir_group *group, size_t worker);
    /* Records waiting in local queues and bytes held by them, for metrics and back-pressure. */
    void (*backlog)(weir_group *group, uint64_t *records_out, uint64_t *bytes_out);
    /* Leaves the group, flushes what is left within timeout_us, frees everything. */
    void (*close)(weir_group *group, int64_t timeout_us);
} weir_group_ops;
struct weir_group {
    const weir_group_ops *ops;
};

#endif
