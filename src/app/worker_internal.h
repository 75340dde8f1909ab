/* What the files of a worker share. Read app/worker.h first.
 *
 *   worker.c             open and close, a turn: take, sort by lane, hear, tend
 *   worker_batch.c       a run of records of one lane, through the pipeline
 *   worker_labels.c      labels: taking them in, applying them in their time, handing them on, the tally
 *   worker_finish.c      one event's fate: what is counted, emitted and handed on
 *   worker_note.c        milestones, and the notes kept beside offsets and checkpoints
 *   worker_partitions.c  lanes coming and going: the calls between turns
 */
#ifndef WEIR_APP_WORKER_INTERNAL_H
#define WEIR_APP_WORKER_INTERNAL_H

#include "weir/app/alignment.h"
#include "weir/app/worker.h"

enum {
    /* How long a full producer queue, or a drain, waits for acknowledgements at a time. */
    WEIR_ACK_WAIT_US = 1000,
    /* Outputs that a lane of the last stage may send to any partition of: alerts and scores. */
    WEIR_SPREAD_OUTPUT_COUNT = 2,
    /* Sources that the note of a checkpoint has room for. */
    WEIR_CHAIN_PARTITION_MAX = 1024
};

typedef enum weir_label_outcome { /* values of weir_labels_total's label: weir_labelling's first */
    WEIR_LABEL_ORPHANED = WEIR_LABELLING_COUNT,
    WEIR_LABEL_REJECTED,
    WEIR_LABEL_OUTCOME_COUNT
} weir_label_outcome;

struct weir_worker {
    weir_worker_options options;
    size_t stage_count;
    int32_t partition_count;
    weir_partition **partitions; /* by lane; NULL when not held. A label lane's is its card lane's. */
    int32_t *held;               /* lanes of the held ones */
    size_t held_count;
    weir_memory *memory;
    weir_pipeline *pipeline;
    weir_emitter *emitter;
    weir_hop_head *heads;        /* by stage: of what it hands on; the source partition is filled in */
    double *inherited;           /* WEIR_BATCH_MAX rows of what came with the batch in hand */
    int64_t *ends;               /* alerts' partitions, then scores': what this producer has had acknowledged */
    const weir_ruleset *ruleset;
    weir_metrics_shard *metrics;
    size_t reject_slots[WEIR_REJECT_COUNT];       /* label slots, looked up once */
    size_t label_slots[WEIR_LABEL_OUTCOME_COUNT];
    size_t severity_slots[WEIR_THRESHOLD_MAX];    /* of the ruleset in force */
    weir_error failure;                           /* written before `failed` is set, never after */
    _Atomic bool failed;
    _Atomic int64_t beat_us;               /* monotonic: the last sign of life */
    int64_t received_us, received_wall_us; /* when the batch in hand came */
    int64_t gauged_us;
    uint32_t lives; /* lanes begun so far */
    size_t poll_max;    /* records a poll may bring */
    size_t turn_events; /* applied since the last poll */
    int64_t full_told_us; /* monotonic: when the log last heard of a full memory; 0 = never */
    uint64_t loads_shown;
    int64_t judged[2][2]; /* labelled events counted by this worker, by fraud and alerted */
    double values[WEIR_PLAN_FEATURE_MAX];
    weir_record records[WEIR_POLL_MAX];
    weir_job jobs[WEIR_BATCH_MAX];
    uint16_t job_records[WEIR_BATCH_MAX]; /* of jobs of the first stage: index among the records lined up */
};

static inline weir_phase weir_partition_phase(const weir_partition *partition)
{
    return (weir_phase)atomic_load_explicit(&partition->phase, memory_order_relaxed);
}

static inline void weir_partition_enter(weir_partition *partition, weir_phase phase)
{
    atomic_store_explicit(&partition->phase, phase, memory_order_relaxed);
}

/* The newest event time the partition has seen, finished or waiting. */
static inline int64_t weir_partition_newest_us(const weir_partition *partition)
{
    return partition->waiting_us > partition->event_clock_us ? partition->waiting_us : partition->event_clock_us;
}

static inline bool weir_worker_is_last(const weir_worker *worker, const weir_partition *partition)
{
    return partition->stage + 1 == worker->stage_count;
}

static inline const char *weir_worker_topic(const weir_worker *worker, const weir_partition *partition)
{
    return worker->options.stage_topics[partition->stage];
}

/* ---- worker.c ---- */

/* Remembers the first failure and stops the worker: what follows it must not be committed. */
void weir_worker_fail(weir_worker *worker, weir_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
bool weir_worker_failed(const weir_worker *worker);
/* Hears what has been acknowledged, waiting up to wait_us when nothing has. A sign of life. */
void weir_worker_take_acks(weir_worker *worker, int64_t wait_us);
/* Evicts cold cards where memory is tight. Between batches: their jobs' entities may go. */
void weir_worker_make_room(weir_worker *worker);
/* Tells the service how far the partition is. */
void weir_partition_publish(weir_partition *partition);
/* Whether records of this offset are still to be processed. */
bool weir_partition_wants(const weir_partition *partition, int64_t offset);
/* Moves a position on, and the phase with it. */
void weir_partition_advance(weir_partition *partition, int64_t position);

/* ---- worker_batch.c ---- */

/* Processes a run of one lane's records. What cannot be processed yet is given back to the port; what was, still has to
 * be settled. May fail the worker. */
void weir_worker_process(weir_worker *worker, weir_partition *partition, const weir_record *records, size_t count);
/* Sends the hops that have gathered, and moves the position over what caused them. May fail the worker. */
void weir_worker_settle(weir_worker *worker, weir_partition *partition);
/* Holds or lets go the partition's lane as its brake, the alignment and its labels ask. */
void weir_worker_align(weir_worker *worker, weir_partition *partition);

/* ---- worker_labels.c ---- */

/* Takes labels of a run of a label lane into the partition's inbox. May fail the worker. */
void weir_worker_take_labels(weir_worker *worker, weir_partition *partition, const weir_record *records, size_t count);
/* Applies the labels that are due before an event of that time, and those ahead of it whose event is there. May fail
 * the worker. */
void weir_worker_settle_labels(weir_worker *worker, weir_partition *partition, int64_t before_us);
/* The same while no event comes: up to the newest one, and to the present when the lane is read to its end. */
void weir_worker_settle_idle(weir_worker *worker, weir_partition *partition);
/* Whether the label log is known as far as events need it. */
bool weir_worker_labels_ready(weir_worker *worker, weir_partition *partition);
/* Applies a label that came over a hop, and hands it on. May fail the worker. */
void weir_worker_label_onward(weir_worker *worker, weir_partition *partition, const weir_hop_label *label,
                              int64_t sequence);

/* ---- worker_finish.c ---- */

/* Counts what the job's fate asks for, and emits or hands on, waiting while the producer is full. record: the job's in
 * the first stage, else NULL. May fail the worker. */
void weir_worker_finish(weir_worker *worker, weir_partition *partition, const weir_record *record, weir_job *job);
/* Adds an entry to the batch of hops that is begun; flushes it. Both wait while the producer is full. */
void weir_worker_hand_on(weir_worker *worker, weir_partition *partition, uint64_t entity, uint64_t card,
                         const weir_hop_entry *entry);
void weir_worker_flush_hops(weir_worker *worker, weir_partition *partition);

/* ---- worker_note.c ---- */

/* Moves the partition's milestones on to what has been acknowledged, and publishes its clock. */
void weir_worker_pass_milestones(weir_worker *worker, weir_partition *partition);
/* What a checkpoint says besides its entities, and its way back; write has the shape of weir_state_options.note. */
size_t weir_checkpoint_note_write(void *partition, uint8_t *note_out);
/* Gives *labels_from_out, or fills the partition's sources. False when it is no note of such a partition. */
bool weir_checkpoint_note_read(weir_partition *partition, weir_span note, int64_t *labels_from_out);

/* ---- worker_partitions.c ---- */

/* Closes a held lane as a crash would. */
void weir_worker_forget(weir_worker *worker, int32_t lane);

#endif
