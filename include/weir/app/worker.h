/* A worker: one thread that owns some partitions outright.
 *
 * Each turn takes what is there (up to a batch, no waiting for more), runs it through the pipeline, emits, hears
 * acknowledgements, and gives the states of its partitions a little time. Between turns it answers calls
 * from the service thread. Nothing is shared with other workers but the read-only ruleset.
 *
 * The worker sees broker, disk and clock only through their seams, and a turn is a plain function: the simulator
 * drives it without a thread.
 */
#ifndef WEIR_APP_WORKER_H
#define WEIR_APP_WORKER_H

#include "weir/app/clock.h"
#include "weir/app/partition.h"
#include "weir/app/pipeline.h"
#include "weir/emit/emitter.h"
#include "weir/metrics/metrics.h"

/* Opens the durable form of one partition: the disk seam. */
typedef weir_status (*weir_store_opener)(void *context, int32_t partition, weir_store **store_out, weir_error *error);

typedef struct weir_worker_options {
    size_t index;
    int32_t partition_count;          /* of the input topic */
    size_t batch_events_max;          /* 1..WEIR_BATCH_MAX */
    int64_t idle_wait_us;             /* how long a turn waits for a record when there is none */
    weir_decode_limits limits;
    uint32_t brake_window;
    double brake_share_max;
    uint64_t memory_bytes_max;        /* bound on this worker's cards and histories */
    weir_state_options state;         /* identity.partition is filled in per partition */
    weir_store_opener open_store;
    void *open_store_context;
    weir_emitter_options emitter;
    weir_port *port;
    const weir_clock *clock;
    weir_committer *committer;        /* shared by the process */
    const weir_ruleset *ruleset;      /* in force at start */
    weir_metrics *metrics;            /* the worker writes shard `index` */
} weir_worker_options;

typedef struct weir_worker weir_worker;

WEIR_MUST_USE weir_status weir_worker_open(const weir_worker_options *options, weir_worker **worker_out,
                                           weir_error *error);

/* One turn; returns records processed. A failure is remembered (weir_worker_failure) and stops further turns. */
size_t weir_worker_turn(weir_worker *worker);

/* ---- calls: on the worker's own thread, or from the service through weir_worker_call (worker_thread.h) ---- */

/* Opens the partition's state. *replay_from_out is -1 when the store is empty.
 * Fails: the opener's and weir_state_open's reasons; nothing is then held. */
WEIR_MUST_USE weir_status weir_worker_open_partition(weir_worker *worker, int32_t partition, int64_t *replay_from_out,
                                                     weir_error *error);
/* Starts an open partition at `position`, with the outputs' marks and what the group has committed. */
void weir_worker_begin_partition(weir_worker *worker, int32_t partition, int64_t position,
                                 const int64_t marks[WEIR_OUTPUT_COUNT], int64_t committed);
/* Takes no more records and waits up to timeout_us until every output is acknowledged. *acked_below_out may
 * then be committed, also when this fails: it covers what was acknowledged. Fails: WEIR_TEMPORARY. */
WEIR_MUST_USE weir_status weir_worker_drain_partition(weir_worker *worker, int32_t partition, int64_t timeout_us,
                                                      int64_t *acked_below_out, weir_error *error);
/* Closes the partition. flush: writes everything up to `committed` first (only when it was drained that far and the
 * worker has not failed). */
WEIR_MUST_USE weir_status weir_worker_close_partition(weir_worker *worker, int32_t partition, bool flush,
                                                      int64_t committed, weir_error *error);
/* Lets a braked partition go on. */
void weir_worker_resume_partition(weir_worker *worker, int32_t partition);
/* Puts another ruleset in force from the next turn on. */
void weir_worker_adopt(weir_worker *worker, const weir_ruleset *ruleset);

/* ---- from the service's thread, between its calls ---- */
const weir_partition *weir_worker_partition(const weir_worker *worker, int32_t partition); /* NULL when not held */
/* Tells the worker what the group has committed: checkpoints may reach that far. */
void weir_worker_committed(weir_worker *worker, int32_t partition, int64_t committed);

/* ---- from any thread ---- */
size_t weir_worker_index(const weir_worker *worker);
/* When the worker last showed a sign of life, on its monotonic clock: a turn begun, acknowledgements asked for. A
 * worker that is held up by a full producer still beats. */
int64_t weir_worker_beat_us(const weir_worker *worker);
/* WEIR_OK while all is well; else what stopped the worker. */
weir_status weir_worker_failure(const weir_worker *worker, weir_error *error_out);

void weir_worker_close(weir_worker *worker);

#endif
