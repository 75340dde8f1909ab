/* What the files of the service share. Read app/service.h first.
 *
 *   service.c             open, run, close; the group's events
 *   service_partitions.c  lanes given and taken, and the commits in between
 *   service_marks.c       what the outputs say of earlier lives, when a lane is given
 *   service_alignment.c   clocks told and heard, and the limit they give
 *   service_health.c      readiness, liveness, metrics of partitions
 */
#ifndef WEIR_APP_SERVICE_INTERNAL_H
#define WEIR_APP_SERVICE_INTERNAL_H

#include "weir/app/alignment.h"
#include "weir/app/recovery.h"
#include "weir/app/service.h"

#include <pthread.h>

enum { WEIR_REASONS_SIZE = 2048 };

struct weir_service {
    weir_service_options options;
    const weir_clock *clock;
    weir_shape shape;
    weir_committer *committer;
    weir_worker **workers;
    weir_worker_thread **threads;
    bool *held;                /* by lane: assigned to us and begun */
    size_t *lane_workers;      /* by lane: who has it, while held */
    int64_t *committed;        /* by lane: the offset the group is known to have */
    weir_alignment alignment;  /* when the chain has more than one stage */
    _Atomic int64_t limit_us;  /* its limit, for the workers */
    weir_nearby nearby;
    int64_t said_us;
    uint64_t said_pace_hash;   /* of what was said last */
    int64_t said_slowest_us;
    int64_t committed_us, shown_us;
    uint64_t log_dropped_shown; /* lines the log dropped that the metrics have */
    weir_metrics_shard *metrics;
    _Atomic bool started, joined, resume_asked, ending;
    _Atomic int64_t beat_us;   /* monotonic: the service thread's last step, or its last call of a worker */
    pthread_mutex_t reasons_lock;
    char reasons[WEIR_REASONS_SIZE]; /* JSON array, "[]" when ready */
    bool ready;
};

/* A held lane, as its worker publishes it. */
static inline const weir_partition *weir_service_partition(const weir_service *service, int32_t lane)
{
    return weir_worker_partition(service->workers[service->lane_workers[lane]], lane);
}

static inline size_t weir_service_stage(const weir_service *service, int32_t lane)
{
    return (size_t)(lane / service->shape.partition_count);
}

static inline const char *weir_service_topic(const weir_service *service, int32_t lane)
{
    return service->options.worker.stage_topics[weir_service_stage(service, lane)];
}

/* "card" and so on: what logs and metrics call a lane by, with its partition. */
static inline const char *weir_service_entity(const weir_service *service, int32_t lane)
{
    return weir_entity_kind_name(
        weir_plan_stage_entity(service->options.rules->plan, weir_service_stage(service, lane)));
}

static inline int32_t weir_service_number(const weir_service *service, int32_t lane)
{
    return lane % service->shape.partition_count;
}

/* Whether event times are kept together: a chain of stages gathers from all partitions. */
static inline bool weir_service_aligns(const weir_service *service)
{
    return service->shape.stage_count > 1;
}

/* A sign of life of the service thread. */
static inline void weir_service_beat(weir_service *service)
{
    atomic_store_explicit(&service->beat_us, weir_clock_monotonic_us(service->clock), memory_order_relaxed);
}

/* ---- service_partitions.c ---- */

/* Opens, places and begins every lane of an ASSIGN, and settles it. */
WEIR_MUST_USE weir_status weir_service_give(weir_service *service, const weir_group_event *event, weir_error *error);
/* Commits what every held partition has had acknowledged since the last time. Rebalances make commits fail now and
 * then; the next interval tries again, and until then checkpoints wait. */
WEIR_MUST_USE weir_status weir_service_commit(weir_service *service, weir_error *error);
/* Drains, commits, checkpoints and closes; lost ones are only closed. */
void weir_service_take(weir_service *service, const int32_t *lanes, size_t count, bool lost);
/* Lets every braked partition go on. */
void weir_service_resume_all(weir_service *service);

/* ---- service_marks.c ---- */

/* What the outputs say, for lanes about to begin. */
typedef struct weir_service_marks {
    weir_emitted emitted; /* behind the notes of the lanes of the last stage */
    int64_t *ends;        /* of the partitions of alerts, then of scores; NULL with one stage */
    int64_t *starts;      /* from where on they were read */
    size_t ends_count;
} weir_service_marks;

/* Reads what lanes of the last stage may have emitted and not committed. With one stage there is nothing to read: the
 * last record of an output partition tells. */
WEIR_MUST_USE weir_status weir_service_read_marks(weir_service *service, const int32_t *lanes, size_t count,
                                                  const weir_lane_bounds *bounds, weir_service_marks *marks_out,
                                                  weir_error *error);
void weir_service_drop_marks(weir_service_marks *marks);
/* Fills facts->last_outputs: of outputs whose partitions carry one lane's records alone. */
WEIR_MUST_USE weir_status weir_service_read_last(weir_service *service, int32_t lane, weir_recovery_facts *facts,
                                                 weir_error *error);

/* ---- service_alignment.c ---- */

/* Notes and tells how our partitions do, hears the others, and sets the limit. */
void weir_service_align(weir_service *service);
/* How long a poll of the group may wait: clocks are told more often than anything else is done. */
int64_t weir_service_poll_wait_us(const weir_service *service);

/* ---- service_health.c ---- */

/* Works out readiness and its reasons, for weir_service_ready to hand out. */
void weir_service_judge(weir_service *service);
/* Lag, state and backlog into the metrics. */
void weir_service_show(weir_service *service);

#endif
