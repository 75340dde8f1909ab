/* The stream as weir's shell sees it: a narrow seam over Kafka.
 *
 * Two faces. The *group* face belongs to one thread (app's service thread): it joins the consumer group,
 * hears of partitions given and taken, asks about offsets, and reads back the last record of an output.
 * The *port* face belongs to one worker thread: it takes records of the partitions routed to it, produces,
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
    WEIR_OUTPUT_COUNT
} weir_output;

enum { WEIR_HEADER_MAX = 16, WEIR_OFFSET_NONE = -1 };

typedef struct weir_header {
    const char *name;
    weir_span value;
} weir_header;

typedef struct weir_record {
    int32_t partition;
    int64_t offset;
    int64_t timestamp_us;   /* the broker's record timestamp, microseconds; -1 = none */
    weir_span key, payload; /* borrowed until weir_port_release; payload.data NULL for a tombstone */
    void *handle;           /* the implementation's */
} weir_record;

typedef struct weir_outgoing {
    weir_output output;
    int32_t partition;      /* the same as the source's */
    int64_t source_offset;  /* comes back with the acknowledgement */
    weir_span key, payload; /* copied before produce returns */
    const weir_header *headers; /* copied */
    size_t header_count;
} weir_outgoing;

typedef struct weir_ack {
    weir_output output;
    int32_t partition;
    int64_t source_offset;
    bool delivered; /* false: given up after the delivery timeout; the worker must treat the partition as failed */
} weir_ack;

/* ---- the worker's face ---- */
typedef struct weir_port weir_port;
typedef struct weir_port_ops {
    /* Up to `max` records that are here now, in offset order per partition; waits up to wait_us only when there is
     * none. Records stay valid until release. */
    size_t (*poll)(weir_port *port, weir_record *records, size_t max, int64_t wait_us);
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
    /* Stops / resumes fetching one partition (back-pressure, dead-letter brake). */
    void (*pause)(weir_port *port, int32_t partition, bool paused);
} weir_port_ops;
struct weir_port {
    const weir_port_ops *ops;
};

/* ---- the service thread's face ---- */
typedef enum weir_group_event_kind {
    WEIR_GROUP_NONE,
    WEIR_GROUP_ASSIGN, /* partitions newly given: answer with start for each, then assigned() */
    WEIR_GROUP_REVOKE, /* partitions about to be taken: drain, commit, then revoked() */
    WEIR_GROUP_LOST,   /* partitions already someone else's: drop, commit nothing, then revoked() */
    WEIR_GROUP_ERROR   /* `error` tells; fatal when error.status is WEIR_FENCED or WEIR_REFUSED */
} weir_group_event_kind;

typedef struct weir_group_event {
    weir_group_event_kind kind;
    const int32_t *partitions; /* valid until the next poll */
    size_t partition_count;
    weir_error error;
} weir_group_event;

typedef struct weir_partition_bounds {
    int64_t log_start, log_end; /* first retained offset, and the one the next record will get */
    int64_t committed;          /* the group's committed offset, or WEIR_OFFSET_NONE */
} weir_partition_bounds;

typedef void weir_last_visit(void *context, weir_span payload, weir_span header);

typedef struct weir_group weir_group;
typedef struct weir_group_ops {
    /* Joins the group and makes one port a worker. After this, poll. */
    weir_status (*join)(weir_group *group, weir_error *error);
    /* Waits up to wait_us for a group event. WEIR_GROUP_NONE when there was none. */
    weir_status (*poll)(weir_group *group, int64_t wait_us, weir_group_event *event_out);
    /* Bounds and committed offsets of partitions (both arrays of partition_count). */
    weir_status (*bounds)(weir_group *group, const int32_t *partitions, size_t partition_count,
                          weir_partition_bounds *bounds_out, weir_error *error);
    /* Calls visit with the payload of the last retained record of output[partition], and with its header of that
     * name (header_name NULL, or no such header: an empty span). Does not call it when the partition has no record. */
    weir_status (*last_output)(weir_group *group, weir_output output, int32_t partition, const char *header_name,
                               weir_last_visit *visit, void *context, weir_error *error);
    /* Says where a partition just given begins and which worker gets its records. Within ASSIGN only. */
    weir_status (*start)(weir_group *group, int32_t partition, int64_t offset, size_t worker, weir_error *error);
    /* Completes ASSIGN / REVOKE / LOST: the assignment is now what was asked. */
    weir_status (*settle)(weir_group *group, weir_error *error);
    /* Stores the group's committed offset (the next one to read); synchronous when `wait`, else in the background. */
    weir_status (*commit)(weir_group *group, const int32_t *partitions, const int64_t *next_offsets, size_t count,
                          bool wait, weir_error *error);
    /* Records between `position` and the log's end as last heard from the broker; -1 = not known. Asks nobody. */
    int64_t (*lag)(weir_group *group, int32_t partition, int64_t position);
    /* Identity and shape of the input topic. cluster_id_out has 64 bytes. */
    weir_status (*describe)(weir_group *group, char *cluster_id_out, int32_t *partition_count_out, weir_error *error);
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
