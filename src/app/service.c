#include "weir/app/service.h"

#include "weir/app/recovery.h"
#include "weir/base/check.h"
#include "weir/base/escape.h"
#include "weir/base/units.h"
#include "weir/codec/output.h"
#include "weir/log/log.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    POLL_WAIT_US = 20 * 1000,
    SHOW_INTERVAL_US = 1000 * 1000,
    STALLED_AFTER_US = 30 * 1000 * 1000, /* a worker without a turn for this long is not alive */
    REASONS_SIZE = 2048
};

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
    weir_metrics_shard *metrics;
    _Atomic bool started, joined, resume_asked, ending;
    pthread_mutex_t reasons_lock;
    char reasons[REASONS_SIZE]; /* JSON array, "[]" when ready */
    bool ready;
};

static size_t worker_of(const weir_service *service, int32_t partition)
{
    return (size_t)partition % service->options.worker_count;
}

/* ---- calls to workers: a small struct of arguments each ---- */

typedef struct call {
    int32_t partition;
    int64_t position, committed, timeout_us;
    const int64_t *marks;
    bool flush;
    int64_t offset_out;
    weir_status status;
    weir_error error;
} call;

static void do_open(weir_worker *worker, void *context)
{
    call *it = context;
    it->status = weir_worker_open_partition(worker, it->partition, &it->offset_out, &it->error);
}

static void do_begin(weir_worker *worker, void *context)
{
    call *it = context;
    weir_worker_begin_partition(worker, it->partition, it->position, it->marks, it->committed);
}

static void do_drain(weir_worker *worker, void *context)
{
    call *it = context;
    it->status = weir_worker_drain_partition(worker, it->partition, it->timeout_us, &it->offset_out, &it->error);
}

static void do_close(weir_worker *worker, void *context)
{
    call *it = context;
    it->status = weir_worker_close_partition(worker, it->partition, it->flush, it->committed, &it->error);
}

static void do_resume(weir_worker *worker, void *context)
{
    call *it = context;
    weir_worker_resume_partition(worker, it->partition);
}

static weir_status ask(weir_service *service, void (*what)(weir_worker *, void *), call *it)
{
    size_t worker = worker_of(service, it->partition);
    if (service->options.threadless)
        what(service->workers[worker], it);
    else
        weir_worker_thread_call(service->threads[worker], what, it);
    return it->status;
}

/* ---- partitions given ---- */

typedef struct last_source {
    weir_output output;
    int64_t offset;
    bool readable;
} last_source;

static void note_last(void *context, weir_span payload, weir_span dead_letter_offset)
{
    last_source *last = context;
    int32_t partition;
    weir_span message;
    int64_t schema_id;
    last->readable = false;
    if (last->output == WEIR_OUTPUT_DEAD_LETTERS) {
        char digits[24] = {0};
        if (dead_letter_offset.size == 0 || dead_letter_offset.size >= sizeof digits)
            return;
        memcpy(digits, dead_letter_offset.data, dead_letter_offset.size);
        char *end;
        last->offset = strtoll(digits, &end, 10);
        last->readable = *end == '\0' && last->offset >= 0;
    } else if (weir_frame_strip(WEIR_FRAMING_AUTO, payload, &message, &schema_id)) {
        last->readable = last->output == WEIR_OUTPUT_ALERTS ? weir_alert_source(message, &partition, &last->offset)
                                                            : weir_score_source(message, &partition, &last->offset);
    }
}

static weir_status read_marks(weir_service *service, weir_recovery_facts *facts, weir_error *error)
{
    static const char *const OUTPUT_NAMES[WEIR_OUTPUT_COUNT] = {"alerts", "scores", "dead letters"};
    weir_group *group = service->options.group;
    for (int output = 0; output < WEIR_OUTPUT_COUNT; output++) {
        facts->last_outputs[output] = -1;
        if (!service->options.worker.emitter.enabled[output])
            continue;
        last_source last = {.output = (weir_output)output, .offset = -1, .readable = true};
        weir_status status =
            group->ops->last_output(group, (weir_output)output, facts->partition,
                                                     "__connect.errors.offset", note_last, &last, error);
        if (status != WEIR_OK)
            return status;
        if (!last.readable)
            return weir_error_set(error, WEIR_REFUSED,
                                  "the last record of the %s topic, partition %" PRId32 ", is not weir's: something else "
                                  "writes there; give weir an output topic of its own",
                                  OUTPUT_NAMES[output], facts->partition);
        facts->last_outputs[output] = last.offset;
    }
    return WEIR_OK;
}

static weir_status begin_one(weir_service *service, int32_t partition, const weir_partition_bounds *bounds,
                             weir_error *error)
{
    weir_group *group = service->options.group;
    call it = {.partition = partition};
    if (ask(service, do_open, &it) != WEIR_OK) {
        *error = it.error;
        return it.status;
    }
    char state_path[512];
    snprintf(state_path, sizeof state_path, "state: %s/%s/%" PRId32, service->options.state_dir, service->topic, partition);
    weir_recovery_facts facts = {.topic = service->topic,
                                 .state_path = state_path,
                                 .partition = partition,
                                 .bounds = *bounds,
                                 .replay_from = it.offset_out};
    weir_recovery_plan plan;
    weir_status status = read_marks(service, &facts, error);
    if (status == WEIR_OK)
        status = weir_recovery_decide(&facts, &plan, error);
    if (status == WEIR_OK)
        status = group->ops->start(group, partition, plan.position, worker_of(service, partition), error);
    if (status != WEIR_OK)
        return status;
    it = (call){.partition = partition, .position = plan.position, .marks = plan.marks, .committed = bounds->committed};
    ask(service, do_begin, &it);
    service->held[partition] = true;
    service->committed[partition] = bounds->committed;
    weir_log(WEIR_LOG_INFO, "partition_started", weir_log_int("partition", partition),
             weir_log_int("read_from", plan.position), weir_log_int("emit_from", plan.marks[WEIR_OUTPUT_ALERTS]),
             weir_log_int("log_end", bounds->log_end), weir_log_bool("local_state", facts.replay_from >= 0));
    return WEIR_OK;
}

static weir_status begin_all(weir_service *service, const weir_group_event *event, weir_error *error)
{
    weir_group *group = service->options.group;
    weir_partition_bounds *bounds = calloc(event->partition_count, sizeof *bounds);
    if (!bounds)
        return weir_error_set(error, WEIR_FULL, "no memory for %zu partitions", event->partition_count);
    weir_status status = group->ops->bounds(group, event->partitions, event->partition_count, bounds, error);
    for (size_t i = 0; i < event->partition_count && status == WEIR_OK; i++)
        status = begin_one(service, event->partitions[i], &bounds[i], error);
    free(bounds);
    return status == WEIR_OK ? group->ops->settle(group, error) : status;
}

/* ---- commits ---- */

/* Commits what every held partition has had acknowledged since the last time. Rebalances make commits fail now and then;
 * the next interval tries again, and until then checkpoints wait. */
static weir_status commit_progress(weir_service *service, weir_error *error)
{
    weir_group *group = service->options.group;
    int32_t partitions[256];
    int64_t offsets[256];
    weir_status status = WEIR_OK;
    for (int32_t next = 0; next < service->partition_count && status == WEIR_OK;) {
        size_t count = 0;
        for (; next < service->partition_count && count < 256; next++) {
            if (!service->held[next])
                continue;
            const weir_partition *partition =
                weir_worker_partition(service->workers[worker_of(service, next)], next);
            int64_t acked = atomic_load_explicit(&partition->acked_below, memory_order_relaxed);
            if (acked <= service->committed[next])
                continue;
            partitions[count] = next;
            offsets[count++] = acked;
        }
        if (count == 0)
            return status;
        status = group->ops->commit(group, partitions, offsets, count, true, error);
        for (size_t i = 0; i < count && status == WEIR_OK; i++) {
            service->committed[partitions[i]] = offsets[i];
            weir_worker_committed(service->workers[worker_of(service, partitions[i])], partitions[i], offsets[i]);
        }
    }
    return status;
}

/* ---- partitions taken ---- */

static void drain_one(weir_service *service, int32_t partition)
{
    call it = {.partition = partition, .timeout_us = service->options.drain_timeout_us};
    if (ask(service, do_drain, &it) != WEIR_OK)
        weir_log(WEIR_LOG_WARN, "drain_incomplete", weir_log_int("partition", partition),
                 weir_log_text("reason", it.error.message));
}

static void close_one(weir_service *service, int32_t partition, bool flush)
{
    call it = {.partition = partition, .flush = flush, .committed = service->committed[partition]};
    if (ask(service, do_close, &it) != WEIR_OK)
        weir_log(WEIR_LOG_WARN, "final_checkpoint_failed", weir_log_int("partition", partition),
                 weir_log_text("reason", it.error.message),
                 weir_log_text("effect", "the next owner replays a little more"));
    service->held[partition] = false;
    weir_metrics_drop_partition(service->options.metrics, partition);
    weir_log(WEIR_LOG_INFO, "partition_closed", weir_log_int("partition", partition), weir_log_bool("flushed", flush),
             weir_log_int("committed", service->committed[partition]));
}

static void give_back(weir_service *service, const int32_t *partitions, size_t count, bool lost)
{
    weir_error error;
    for (size_t i = 0; i < count && !lost; i++)
        if (service->held[partitions[i]])
            drain_one(service, partitions[i]);
    bool committed = !lost && commit_progress(service, &error) == WEIR_OK;
    if (!lost && !committed)
        weir_log(WEIR_LOG_WARN, "commit_failed", weir_log_text("reason", error.message));
    for (size_t i = 0; i < count; i++)
        if (service->held[partitions[i]])
            close_one(service, partitions[i], committed);
}

/* ---- the group's events ---- */

static weir_status on_none(weir_service *service, const weir_group_event *event, weir_error *error)
{
    (void)service, (void)event, (void)error;
    return WEIR_OK;
}

static weir_status on_assign(weir_service *service, const weir_group_event *event, weir_error *error)
{
    weir_metrics_add(service->metrics, WEIR_METRIC_REBALANCES, 1);
    weir_log(WEIR_LOG_INFO, "partitions_assigned", weir_log_int("count", (int64_t)event->partition_count));
    return begin_all(service, event, error);
}

static weir_status on_taken(weir_service *service, const weir_group_event *event, weir_error *error)
{
    bool lost = event->kind == WEIR_GROUP_LOST;
    weir_metrics_add(service->metrics, WEIR_METRIC_REBALANCES, 1);
    weir_log(lost ? WEIR_LOG_WARN : WEIR_LOG_INFO, lost ? "partitions_lost" : "partitions_revoked",
             weir_log_int("count", (int64_t)event->partition_count));
    give_back(service, event->partitions, event->partition_count, lost);
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

/* ---- readiness and metrics ---- */

typedef struct reasons {
    weir_writer json;
    size_t count;
} reasons;

static void add_reason(reasons *list, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void add_reason(reasons *list, const char *format, ...)
{
    char sentence[256];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(sentence, sizeof sentence, format, arguments);
    va_end(arguments);
    if (list->json.used + sizeof sentence > list->json.size)
        return; /* enough reasons */
    if (list->count++ > 0)
        weir_write_bytes(&list->json, ", ", 2);
    weir_write_bytes(&list->json, "\"", 1);
    weir_escape_json(&list->json, weir_span_text(sentence));
    weir_write_bytes(&list->json, "\"", 1);
}

static void partition_reasons(const weir_service *service, reasons *list)
{
    for (int32_t number = 0; number < service->partition_count; number++) {
        if (!service->held[number])
            continue;
        const weir_partition *partition = weir_worker_partition(service->workers[worker_of(service, number)], number);
        weir_phase phase = (weir_phase)atomic_load_explicit(&partition->phase, memory_order_relaxed);
        if (phase == WEIR_PHASE_BRAKED)
            add_reason(list, "partition %" PRId32 " is paused: too many of its recent records are dead letters; mend the "
                             "producer, then POST /admin/resume", number);
        else if (phase == WEIR_PHASE_REPLAYING)
            add_reason(list, "partition %" PRId32 " is replaying to rebuild its state", number);
        if (atomic_load_explicit(&partition->store_failing, memory_order_relaxed))
            add_reason(list, "partition %" PRId32 ": checkpoints cannot be written; free disk space before retention is overrun",
                       number);
    }
}

static void judge(weir_service *service)
{
    char text[REASONS_SIZE];
    reasons list = {.json = weir_writer_of(text, sizeof text - 2)};
    if (!atomic_load(&service->joined))
        add_reason(&list, "not yet in the consumer group");
    if (atomic_load(&service->ending))
        add_reason(&list, "shutting down");
    if (!weir_service_alive(service))
        add_reason(&list, "a worker thread is stalled");
    partition_reasons(service, &list);
    pthread_mutex_lock(&service->reasons_lock);
    service->ready = list.count == 0;
    snprintf(service->reasons, sizeof service->reasons, "[%.*s]", (int)list.json.used, text);
    pthread_mutex_unlock(&service->reasons_lock);
}

static void show_partitions(weir_service *service)
{
    weir_group *group = service->options.group;
    for (int32_t number = 0; number < service->partition_count; number++) {
        if (!service->held[number])
            continue;
        const weir_partition *partition = weir_worker_partition(service->workers[worker_of(service, number)], number);
        int phase = atomic_load_explicit(&partition->phase, memory_order_relaxed);
        weir_metrics_set_partition_state(service->options.metrics, number, weir_phase_name((weir_phase)phase));
        int64_t position = atomic_load_explicit(&partition->published_position, memory_order_relaxed);
        int64_t lag = group->ops->lag(group, number, position);
        if (lag >= 0)
            weir_metrics_set_partition(service->options.metrics, WEIR_METRIC_LAG_RECORDS, number, (double)lag);
    }
    uint64_t records, bytes;
    group->ops->backlog(group, &records, &bytes);
    weir_metrics_set(service->metrics, WEIR_METRIC_FETCH_QUEUE_RECORDS, (double)records);
    weir_metrics_set(service->metrics, WEIR_METRIC_FETCH_QUEUE_BYTES, (double)bytes);
}

bool weir_service_alive(const weir_service *service)
{
    int64_t now_us = weir_clock_monotonic_us(service->clock);
    for (size_t i = 0; i < service->options.worker_count && atomic_load(&service->started); i++)
        if (now_us - weir_worker_thread_beat_us(service->threads[i]) > STALLED_AFTER_US)
            return false;
    return true;
}

bool weir_service_ready(const weir_service *service, char *reasons_json_out, size_t capacity)
{
    weir_service *locked = (weir_service *)service; /* the mutex is the only thing that changes */
    pthread_mutex_lock(&locked->reasons_lock);
    bool ready = service->ready;
    snprintf(reasons_json_out, capacity, "%s", service->reasons);
    pthread_mutex_unlock(&locked->reasons_lock);
    return ready;
}

void weir_service_resume(weir_service *service)
{
    atomic_store(&service->resume_asked, true);
}

static void resume_all(weir_service *service)
{
    for (int32_t number = 0; number < service->partition_count; number++) {
        call it = {.partition = number};
        if (service->held[number])
            ask(service, do_resume, &it);
    }
}

/* ---- open, run, close ---- */

static weir_status open_workers(weir_service *service, weir_error *error)
{
    weir_status status = weir_committer_open(!service->options.threadless, &service->committer, error);
    for (size_t i = 0; i < service->options.worker_count && status == WEIR_OK; i++) {
        weir_worker_options options = service->options.worker;
        options.index = i;
        options.partition_count = service->partition_count;
        options.port = service->options.group->ops->port(service->options.group, i);
        options.committer = service->committer;
        options.ruleset = service->options.rules->ruleset;
        options.metrics = service->options.metrics;
        options.emitter.task = (int32_t)i;
        options.state.identity.partition_count = service->partition_count;
        snprintf(options.state.identity.cluster_id, sizeof options.state.identity.cluster_id, "%s", service->cluster_id);
        status = weir_worker_open(&options, &service->workers[i], error);
    }
    return status;
}

weir_status weir_service_open(const weir_service_options *options, weir_service **service_out, weir_error *error)
{
    weir_check(options->worker_count >= 1);
    weir_service *service = calloc(1, sizeof *service);
    if (!service)
        return weir_error_set(error, WEIR_FULL, "no memory for the service");
    service->options = *options;
    service->clock = options->worker.clock;
    snprintf(service->topic, sizeof service->topic, "%s", options->worker.emitter.input_topic);
    snprintf(service->reasons, sizeof service->reasons, "[\"not yet in the consumer group\"]");
    pthread_mutex_init(&service->reasons_lock, NULL);
    service->metrics = weir_metrics_shard_at(options->metrics, options->worker_count);
    weir_metrics_set(service->metrics, WEIR_METRIC_WORKERS, (double)options->worker_count);
    weir_status status =
        options->group->ops->describe(options->group, service->cluster_id, &service->partition_count, error);
    if (status == WEIR_OK) {
        service->workers = calloc(options->worker_count, sizeof *service->workers);
        service->threads = calloc(options->worker_count, sizeof *service->threads);
        service->held = calloc((size_t)service->partition_count, sizeof *service->held);
        service->committed = calloc((size_t)service->partition_count, sizeof *service->committed);
        status = service->workers && service->threads && service->held && service->committed
                     ? WEIR_OK
                     : weir_error_set(error, WEIR_FULL, "no memory for the service");
    }
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

static void tick(weir_service *service)
{
    int64_t now_us = weir_clock_monotonic_us(service->clock);
    weir_error error;
    if (now_us - service->committed_us >= service->options.commit_interval_us) {
        service->committed_us = now_us;
        if (commit_progress(service, &error) != WEIR_OK) {
            weir_metrics_add(service->metrics, WEIR_METRIC_COMMIT_FAILURES, 1);
            weir_log(WEIR_LOG_WARN, "commit_failed", weir_log_text("reason", error.message),
                     weir_log_text("effect", "tried again at the next interval"));
        }
    }
    if (now_us - service->shown_us >= SHOW_INTERVAL_US) {
        service->shown_us = now_us;
        show_partitions(service);
        judge(service);
    }
    if (atomic_exchange(&service->resume_asked, false))
        resume_all(service);
}

weir_status weir_service_begin(weir_service *service, weir_error *error)
{
    weir_status status = service->options.group->ops->join(service->options.group, error);
    if (status == WEIR_OK)
        status = open_workers(service, error);
    if (status == WEIR_OK && !service->options.threadless)
        status = start_threads(service, error);
    judge(service);
    return status;
}

weir_status weir_service_step(weir_service *service, int64_t wait_us, weir_error *error)
{
    weir_group *group = service->options.group;
    weir_group_event event;
    weir_status status = group->ops->poll(group, wait_us, &event);
    if (status != WEIR_OK)
        return weir_error_set(error, status, "the consumer group cannot be polled");
    status = ON[event.kind](service, &event, error);
    if (event.kind == WEIR_GROUP_ASSIGN)
        atomic_store(&service->joined, true);
    if (status == WEIR_OK)
        status = check_workers(service, error);
    if (status == WEIR_OK)
        tick(service);
    return status;
}

void weir_service_drain(weir_service *service)
{
    int32_t *partitions = calloc((size_t)service->partition_count, sizeof *partitions);
    size_t count = 0;
    for (int32_t number = 0; partitions && number < service->partition_count; number++)
        if (service->held[number])
            partitions[count++] = number;
    if (partitions)
        give_back(service, partitions, count, false);
    free(partitions);
}

weir_worker *weir_service_worker(weir_service *service, size_t index)
{
    return service->workers[index];
}

weir_status weir_service_run(weir_service *service, weir_error *error)
{
    weir_status status = weir_service_begin(service, error);
    while (status == WEIR_OK && !atomic_load(service->options.stop))
        status = weir_service_step(service, POLL_WAIT_US, error);
    atomic_store(&service->ending, true);
    judge(service);
    if (status == WEIR_OK) {
        weir_log(WEIR_LOG_INFO, "draining", weir_log_int("timeout_ms", service->options.drain_timeout_us / WEIR_US_PER_MS));
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
    free(service->committed);
    free(service->held);
    free(service->threads);
    free(service->workers);
    free(service);
}
