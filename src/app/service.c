#include "service_internal.h"

#include "weir/base/check.h"
#include "weir/base/units.h"
#include "weir/log/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    SHOW_INTERVAL_US = 1000 * 1000,
    COMMIT_GAP_US = 200 * 1000, /* between commits at the least */
    NEARBY_SHARE = 4, /* of the drift: how far lanes of one process may be apart */
};

/* ---- the group's events ---- */

static weir_status on_none(weir_service *service, const weir_group_event *event, weir_error *error)
{
    (void)service, (void)event, (void)error;
    return WEIR_OK;
}

static weir_status on_assign(weir_service *service, const weir_group_event *event, weir_error *error)
{
    weir_metrics_add(service->metrics, WEIR_METRIC_REBALANCES, 1);
    weir_log(WEIR_LOG_INFO, "partitions_assigned", weir_log_int("count", (int64_t)event->lane_count));
    return weir_service_give(service, event, error);
}

static weir_status on_taken(weir_service *service, const weir_group_event *event, weir_error *error)
{
    bool lost = event->kind == WEIR_GROUP_LOST;
    weir_metrics_add(service->metrics, WEIR_METRIC_REBALANCES, 1);
    weir_log(lost ? WEIR_LOG_WARN : WEIR_LOG_INFO, lost ? "partitions_lost" : "partitions_revoked",
             weir_log_int("count", (int64_t)event->lane_count));
    weir_service_take(service, event->lanes, event->lane_count, lost);
    return service->options.group->ops->settle(service->options.group, error);
}

static weir_status on_error(weir_service *service, const weir_group_event *event, weir_error *error)
{
    (void)service;
    bool fatal = event->error.status == WEIR_FENCED || event->error.status == WEIR_REFUSED;
    weir_log(fatal ? WEIR_LOG_ERROR : WEIR_LOG_WARN, "broker_error", weir_log_text("reason", event->error.message));
    if (!fatal)
        return WEIR_OK;
    *error = event->error;
    return event->error.status;
}

static weir_status (*const ON[])(weir_service *, const weir_group_event *, weir_error *) = {
    [WEIR_GROUP_NONE] = on_none,   [WEIR_GROUP_ASSIGN] = on_assign, [WEIR_GROUP_REVOKE] = on_taken,
    [WEIR_GROUP_LOST] = on_taken, [WEIR_GROUP_ERROR] = on_error,
};

/* ---- open, run, close ---- */

void weir_service_resume(weir_service *service)
{
    atomic_store(&service->resume_asked, true);
}

static weir_status open_workers(weir_service *service, weir_error *error)
{
    weir_status status = weir_committer_open(!service->options.threadless, &service->committer, error);
    for (size_t i = 0; i < service->options.worker_count && status == WEIR_OK; i++) {
        weir_worker_options options = service->options.worker;
        options.index = i;
        options.shape = service->shape;
        options.port = service->options.group->ops->port(service->options.group, i);
        options.committer = service->committer;
        options.ruleset = service->options.rules->ruleset;
        options.metrics = service->options.metrics;
        options.emitter.task = (int32_t)i;
        options.state.identity.partition_count = service->shape.partition_count;
        options.limit_us = weir_service_aligns(service) ? &service->limit_us : NULL;
        options.nearby = weir_service_aligns(service) ? &service->nearby : NULL;
        snprintf(options.state.identity.cluster_id, sizeof options.state.identity.cluster_id, "%s",
                 service->shape.cluster_id);
        status = weir_worker_open(&options, &service->workers[i], error);
    }
    return status;
}

static weir_status open_tables(weir_service *service, weir_error *error)
{
    size_t worker_count = service->options.worker_count;
    size_t lane_count = (size_t)weir_shape_staged_count(&service->shape);
    service->workers = calloc(worker_count, sizeof *service->workers);
    service->threads = calloc(worker_count, sizeof *service->threads);
    service->held = calloc(lane_count, sizeof *service->held);
    service->lane_workers = calloc(lane_count, sizeof *service->lane_workers);
    service->committed = calloc(lane_count, sizeof *service->committed);
    int64_t drift_us = service->options.worker.drift_us_max;
    weir_status aligned = weir_alignment_init(&service->alignment, service->shape.partition_count, drift_us,
                                              service->options.worker.idle_us, weir_clock_monotonic_us(service->clock));
    if (aligned == WEIR_OK)
        aligned = weir_nearby_init(&service->nearby, service->shape.partition_count, drift_us / NEARBY_SHARE);
    atomic_store(&service->limit_us, INT64_MIN);
    if (service->workers && service->threads && service->held && service->lane_workers && service->committed &&
        aligned == WEIR_OK)
        return WEIR_OK;
    return weir_error_set(error, WEIR_FULL, "no memory for the service");
}

weir_status weir_service_open(const weir_service_options *options, weir_service **service_out, weir_error *error)
{
    weir_check(options->worker_count >= 1);
    weir_service *service = calloc(1, sizeof *service);
    if (!service) {
        options->group->ops->close(options->group, 0);
        return weir_error_set(error, WEIR_FULL, "no memory for the service");
    }
    service->options = *options;
    service->clock = options->worker.clock;
    snprintf(service->reasons, sizeof service->reasons, "[\"not yet in the consumer group\"]");
    pthread_mutex_init(&service->reasons_lock, NULL);
    weir_service_beat(service);
    service->metrics = weir_metrics_shard_at(options->metrics, options->worker_count);
    weir_metrics_set(service->metrics, WEIR_METRIC_WORKERS, (double)options->worker_count);
    weir_status status = options->group->ops->describe(options->group, &service->shape, error);
    if (status == WEIR_OK)
        status = open_tables(service, error);
    if (status != WEIR_OK) {
        weir_service_close(service);
        return status;
    }
    *service_out = service;
    return WEIR_OK;
}

static weir_status start_threads(weir_service *service, weir_error *error)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    weir_status status = WEIR_OK;
    for (size_t i = 0; i < service->options.worker_count && status == WEIR_OK; i++)
        status = weir_worker_thread_start(service->workers[i],
                                          service->options.pin_workers && cores > 0 ? (int)(i % (size_t)cores) : -1,
                                          &service->threads[i], error);
    atomic_store(&service->started, status == WEIR_OK);
    return status;
}

static weir_status check_workers(const weir_service *service, weir_error *error)
{
    for (size_t i = 0; i < service->options.worker_count; i++) {
        weir_status status = weir_worker_failure(service->workers[i], error);
        if (status != WEIR_OK)
            return status;
    }
    return WEIR_OK;
}

/* Once an interval; sooner when a checkpoint is held up by it, so that it takes as long as its writing does. */
static bool commit_is_due(const weir_service *service, int64_t now_us)
{
    int64_t since_us = now_us - service->committed_us;
    if (since_us >= service->options.commit_interval_us)
        return true;
    bool is_wanted = false;
    int32_t lane_count = since_us < COMMIT_GAP_US ? 0 : weir_shape_staged_count(&service->shape);
    for (int32_t lane = 0; lane < lane_count && !is_wanted; lane++)
        is_wanted = service->held[lane] && atomic_load_explicit(&weir_service_partition(service, lane)->wants_commit,
                                                                memory_order_relaxed);
    return is_wanted;
}

static void tick(weir_service *service)
{
    int64_t now_us = weir_clock_monotonic_us(service->clock);
    weir_error error;
    if (commit_is_due(service, now_us)) {
        service->committed_us = now_us;
        if (weir_service_commit(service, &error) != WEIR_OK) {
            weir_metrics_add(service->metrics, WEIR_METRIC_COMMIT_FAILURES, 1);
            weir_log(WEIR_LOG_WARN, "commit_failed", weir_log_text("reason", error.message),
                     weir_log_text("effect", "tried again at the next interval"));
        }
    }
    if (now_us - service->shown_us >= SHOW_INTERVAL_US) {
        service->shown_us = now_us;
        weir_service_show(service);
        weir_service_judge(service);
    }
    if (atomic_exchange(&service->resume_asked, false))
        weir_service_resume_all(service);
}

weir_status weir_service_begin(weir_service *service, weir_error *error)
{
    weir_status status = service->options.group->ops->join(service->options.group, error);
    if (status == WEIR_OK)
        status = open_workers(service, error);
    if (status == WEIR_OK && !service->options.threadless)
        status = start_threads(service, error);
    weir_service_judge(service);
    return status;
}

weir_status weir_service_step(weir_service *service, int64_t wait_us, weir_error *error)
{
    weir_group *group = service->options.group;
    weir_group_event event;
    weir_service_beat(service);
    weir_status status = group->ops->poll(group, wait_us, &event);
    if (status != WEIR_OK)
        return weir_error_set(error, status, "the consumer group cannot be polled");
    status = ON[event.kind](service, &event, error);
    if (event.kind == WEIR_GROUP_ASSIGN)
        atomic_store(&service->joined, true);
    if (status == WEIR_OK)
        status = check_workers(service, error);
    if (status == WEIR_OK) {
        weir_service_align(service);
        tick(service);
    }
    return status;
}

void weir_service_drain(weir_service *service)
{
    int32_t lane_count = weir_shape_staged_count(&service->shape);
    int32_t *lanes = calloc((size_t)lane_count, sizeof *lanes);
    size_t count = 0;
    for (int32_t lane = 0; lanes && lane < lane_count; lane++)
        if (service->held[lane])
            lanes[count++] = lane;
    if (lanes)
        weir_service_take(service, lanes, count, false);
    free(lanes);
}

weir_worker *weir_service_worker(weir_service *service, size_t index)
{
    return service->workers[index];
}

weir_status weir_service_run(weir_service *service, weir_error *error)
{
    weir_status status = weir_service_begin(service, error);
    while (status == WEIR_OK && !atomic_load(service->options.stop))
        status = weir_service_step(service, weir_service_poll_wait_us(service), error);
    atomic_store(&service->ending, true);
    weir_service_judge(service);
    if (status == WEIR_OK) {
        weir_log(WEIR_LOG_INFO, "draining",
                 weir_log_int("timeout_ms", service->options.drain_timeout_us / WEIR_US_PER_MS));
        weir_service_drain(service);
    }
    return status;
}

void weir_service_close(weir_service *service)
{
    if (!service)
        return;
    for (size_t i = 0; service->threads && i < service->options.worker_count; i++)
        weir_worker_thread_stop(service->threads[i]);
    for (size_t i = 0; service->workers && i < service->options.worker_count; i++)
        weir_worker_close(service->workers[i]);
    if (service->committer)
        weir_committer_close(service->committer);
    service->options.group->ops->close(service->options.group, service->options.drain_timeout_us);
    pthread_mutex_destroy(&service->reasons_lock);
    weir_alignment_deinit(&service->alignment);
    weir_nearby_deinit(&service->nearby);
    free(service->committed);
    free(service->lane_workers);
    free(service->held);
    free(service->threads);
    free(service->workers);
    free(service);
}
