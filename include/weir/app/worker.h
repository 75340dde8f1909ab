/* A worker: one thread that owns some lanes outright (partitions of the stages' topics; broker.h numbers them).
 *
 * Each turn takes what is there (no waiting for more), runs it through the pipeline, emits or hands on
 * to the next stage, hears acknowledgements, and gives the states of its partitions a little time. Between turns it
 * answers calls from the service thread. Nothing is shared with other workers but the read-only ruleset, the
 * alignment's limit and how far each lane is.
 *
 * The worker sees broker, disk and clock only through their seams, and a turn is a plain function: the simulator
 * drives it without a thread.
 */
#ifndef WEIR_APP_WORKER_H
#define WEIR_APP_WORKER_H

#include "weir/app/clock.h"
#include "weir/app/nearby.h"
#include "weir/app/partition.h"
#include "weir/app/pipeline.h"
#include "weir/emit/emitter.h"
#include "weir/metrics/metrics.h"

/* Opens the durable form of one partition of a stage's topic: the disk seam. */
typedef weir_status (*weir_store_opener)(void *context, const char *topic, int32_t partition, weir_store **store_out,
                                         weir_error *error);

typedef struct weir_worker_options {
    size_t index;
    weir_shape shape;                 /* of the input */
    const char *const *stage_topics;  /* by stage; [0] is the transactions topic */
    size_t batch_events_max;          /* 1..WEIR_BATCH_MAX */
    int64_t idle_wait_us;             /* how long a turn waits for a record when there is none */
    weir_decode_limits limits;
    uint32_t brake_window;
    double brake_share_max;
    uint64_t memory_bytes_max;        /* bound on this worker's cards and histories */
    bool memory_prefault;             /* taken from the system when the worker is opened */
    weir_state_options state;         /* topic, entity, partition, horizon and note are filled in per partition */
    weir_store_opener open_store;
    void *open_store_context;
    weir_emitter_options emitter;
    weir_port *port;
    const weir_clock *clock;
    weir_committer *committer;        /* shared by the process */
    const weir_ruleset *ruleset;      /* in force at start */
    weir_metrics *metrics;            /* the worker writes shard `index` */
    const _Atomic int64_t *limit_us;  /* the alignment's; NULL: no bound */
    weir_nearby *nearby;              /* shared by the process's workers; NULL: none of them wait for another */
    int64_t drift_us_max;             /* how far labels may run ahead of events, and what keeps up with the present */
    int64_t idle_us;                  /* how long the label log is waited for */
} weir_worker_options;

typedef struct weir_worker weir_worker;

WEIR_MUST_USE weir_status weir_worker_open(const weir_worker_options *options, weir_worker **worker_out,
                                           weir_error *error);

/* One turn; returns records processed. A failure is remembered (weir_worker_failure) and stops further turns. */
size_t weir_worker_turn(weir_worker *worker);

/* ---- calls: on the worker's own thread, or from the service through weir_worker_call (worker_thread.h) ---- */

/* Opens the state of a lane. *replay_from_out is a sequence, -1 when the store is empty; *labels_from_out the offset of
 * the label log its checkpoint was at, -1 when it does not say.
 * Fails: the opener's and weir_state_open's reasons; nothing is then held. */
WEIR_MUST_USE weir_status weir_worker_open_partition(weir_worker *worker, int32_t lane, int64_t *replay_from_out,
                                                     int64_t *labels_from_out, weir_error *error);

typedef struct weir_beginning { /* of a lane; see recovery.h */
    int64_t position;                /* offset to read from */
    int64_t marks[WEIR_OUTPUT_COUNT]; /* offsets to emit from */
    int64_t committed;               /* offset; WEIR_OFFSET_NONE: nothing */
    int64_t labels_from;             /* offset in the label log */
    weir_emitted *emitted;           /* moved into the lane; NULL: empty */
    int64_t log_end;                 /* an earlier life cannot have emitted for what comes behind */
    const int64_t *ends;             /* ends of the partitions of alerts, then of scores; NULL: not needed */
    const int64_t *starts;           /* from where in them an earlier life may have emitted; NULL: from the ends */
} weir_beginning;
/* Starts an open lane. */
void weir_worker_begin_partition(weir_worker *worker, int32_t lane, const weir_beginning *beginning);
/* Takes no more records and waits up to timeout_us until every output is acknowledged. What was is published, also
 * when this fails. Fails: WEIR_TEMPORARY. */
WEIR_MUST_USE weir_status weir_worker_drain_partition(weir_worker *worker, int32_t lane, int64_t timeout_us,
                                                      weir_error *error);
/* The text to commit beside a lane's offset: how far the outputs were when it was at most there (empty where no such
 * note is needed). note_out has WEIR_NOTE_SIZE_MAX bytes; the offset is what may be committed with it. */
int64_t weir_worker_note(weir_worker *worker, int32_t lane, char *note_out);
/* Reads such a text: 2 x partition_count ends, of alerts, then of scores. False when it is none. */
bool weir_note_parse(const char *note, int32_t partition_count, int64_t *ends_out);
/* Closes the lane. flush: writes everything up to `committed` (an offset) first (only when it was drained that far
 * and the worker has not failed). */
WEIR_MUST_USE weir_status weir_worker_close_partition(weir_worker *worker, int32_t lane, bool flush,
                                                      int64_t committed, weir_error *error);
/* Lets a braked partition go on. */
void weir_worker_resume_partition(weir_worker *worker, int32_t lane);
/* Puts another ruleset in force from the next turn on. */
void weir_worker_adopt(weir_worker *worker, const weir_ruleset *ruleset);

/* ---- from the service's thread, between its calls ---- */
const weir_partition *weir_worker_partition(const weir_worker *worker, int32_t lane); /* NULL when not held */
/* Tells the worker what offset the group has committed: checkpoints may reach that far. */
void weir_worker_committed(weir_worker *worker, int32_t lane, int64_t committed);

/* ---- from any thread ---- */
size_t weir_worker_index(const weir_worker *worker);
/* When the worker last showed a sign of life, on its monotonic clock: a turn begun, acknowledgements asked for. A
 * worker that is held up by a full producer still beats. */
int64_t weir_worker_beat_us(const weir_worker *worker);
/* WEIR_OK while all is well; else what stopped the worker. */
weir_status weir_worker_failure(const weir_worker *worker, weir_error *error_out);

void weir_worker_close(weir_worker *worker);

#endif
