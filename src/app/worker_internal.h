/* What the files of a worker share. Read app/worker.h first.
 *
 *   worker.c             open and close, a turn: take, run, advance, hear, tend
 *   worker_finish.c      one record's fate: what is counted and what is emitted
 *   worker_partitions.c  partitions coming and going: the calls between turns
 */
#ifndef WEIR_APP_WORKER_INTERNAL_H
#define WEIR_APP_WORKER_INTERNAL_H

#include "weir/app/worker.h"

/* How long a full producer queue, or a drain, waits for acknowledgements at a time. */
enum { WEIR_ACK_WAIT_US = 1000 };

struct weir_worker {
    weir_worker_options options;
    weir_partition **partitions; /* by number; NULL when not held */
    int32_t *held;               /* numbers of the held ones */
    size_t held_count;
    weir_memory *memory;
    weir_pipeline *pipeline;
    weir_emitter *emitter;
    const weir_ruleset *ruleset;
    weir_metrics_shard *metrics;
    size_t reject_slots[WEIR_REJECT_COUNT];    /* label slots, looked up once */
    size_t severity_slots[WEIR_THRESHOLD_MAX]; /* of the ruleset in force */
    weir_error failure;                        /* written before `failed` is set, never after */
    _Atomic bool failed;
    _Atomic int64_t beat_us;            /* monotonic: the last sign of life */
    int64_t received_us, received_wall_us; /* when the batch in hand came */
    int64_t gauged_us;
    uint64_t loads_shown;
    double values[WEIR_PLAN_FEATURE_MAX];
    weir_record records[WEIR_BATCH_MAX];
    weir_job jobs[WEIR_BATCH_MAX];
    uint16_t job_records[WEIR_BATCH_MAX];
};

static inline weir_phase weir_partition_phase(const weir_partition *partition)
{
    return (weir_phase)atomic_load_explicit(&partition->phase, memory_order_relaxed);
}

static inline void weir_partition_enter(weir_partition *partition, weir_phase phase)
{
    atomic_store_explicit(&partition->phase, phase, memory_order_relaxed);
}

/* ---- worker.c ---- */

/* Remembers the first failure and stops the worker: what follows it must not be committed. */
void weir_worker_fail(weir_worker *worker, weir_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
bool weir_worker_failed(const weir_worker *worker);
/* Hears what has been acknowledged, waiting up to wait_us when nothing has. A sign of life. */
void weir_worker_take_acks(weir_worker *worker, int64_t wait_us);
/* Tells the service how far the partition is. */
void weir_partition_publish(weir_partition *partition);

/* ---- worker_finish.c ---- */

/* Counts and emits what the job's fate asks for, waiting while the producer is full. May fail the worker. */
void weir_worker_finish(weir_worker *worker, weir_partition *partition, const weir_record *record, weir_job *job);

/* ---- worker_partitions.c ---- */

/* Closes a held partition as a crash would. */
void weir_worker_forget(weir_worker *worker, int32_t number);

#endif
