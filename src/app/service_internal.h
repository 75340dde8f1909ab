/* What the files of the service share. Read app/service.h first.
 *
 *   service.c             open, run, close; the group's events
 *   service_partitions.c  partitions given and taken, and the commits in between
 *   service_health.c      readiness, liveness, metrics of partitions
 */
#ifndef WEIR_APP_SERVICE_INTERNAL_H
#define WEIR_APP_SERVICE_INTERNAL_H

#include "weir/app/service.h"

#include <pthread.h>

enum { WEIR_REASONS_SIZE = 2048 };

struct weir_service {
    weir_service_options options;
    const weir_clock *clock;
    char cluster_id[64];
    char topic[250];
    int32_t partition_count;
    weir_committer *committer;
    weir_worker **workers;
    weir_worker_thread **threads;
    bool *held;                /* by partition: assigned to us and begun */
    int64_t *committed;        /* by partition: what the group is known to have */
    int64_t committed_us, shown_us;
    uint64_t log_dropped_shown; /* lines the log dropped that the metrics have */
    weir_metrics_shard *metrics;
    _Atomic bool started, joined, resume_asked, ending;
    _Atomic int64_t beat_us;   /* monotonic: the service thread's last step, or its last call of a worker */
    pthread_mutex_t reasons_lock;
    char reasons[WEIR_REASONS_SIZE]; /* JSON array, "[]" when ready */
    bool ready;
};

static inline size_t weir_service_worker_index(const weir_service *service, int32_t partition)
{
    return (size_t)partition % service->options.worker_count;
}

/* A held partition, as its worker publishes it. */
static inline const weir_partition *weir_service_partition(const weir_service *service, int32_t partition)
{
    return weir_worker_partition(service->workers[weir_service_worker_index(service, partition)], partition);
}

/* A sign of life of the service thread. */
static inline void weir_service_beat(weir_service *service)
{
    atomic_store_explicit(&service->beat_us, weir_clock_monotonic_us(service->clock), memory_order_relaxed);
}

/* ---- service_partitions.c ---- */

/* Opens, places and begins every partition of an ASSIGN, and settles it. */
WEIR_MUST_USE weir_status weir_service_give(weir_service *service, const weir_group_event *event, weir_error *error);
/* Commits what every held partition has had acknowledged since the last time. Rebalances make commits fail now and
 * then; the next interval tries again, and until then checkpoints wait. */
WEIR_MUST_USE weir_status weir_service_commit(weir_service *service, weir_error *error);
/* Drains, commits, checkpoints and closes; lost ones are only closed. */
void weir_service_take(weir_service *service, const int32_t *partitions, size_t count, bool lost);
/* Lets every braked partition go on. */
void weir_service_resume_all(weir_service *service);

/* ---- service_health.c ---- */

/* Works out readiness and its reasons, for weir_service_ready to hand out. */
void weir_service_judge(weir_service *service);
/* Lag, state and backlog into the metrics. */
void weir_service_show(weir_service *service);

#endif
