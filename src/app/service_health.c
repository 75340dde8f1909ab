#include "service_internal.h"

#include "weir/base/escape.h"
#include "weir/log/log.h"

#include <inttypes.h>
#include <stdio.h>

/* Silence of a thread after which it is not alive: beyond what a broker out of reach or a large final checkpoint may
 * take. The service thread also waits for drains, as long as it is told to. */
enum { STALLED_AFTER_US = 60 * 1000 * 1000 };

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
    for (int32_t lane = 0; lane < weir_shape_staged_count(&service->shape); lane++) {
        if (!service->held[lane])
            continue;
        const weir_partition *partition = weir_service_partition(service, lane);
        weir_phase phase = (weir_phase)atomic_load_explicit(&partition->phase, memory_order_relaxed);
        const char *entity = weir_service_entity(service, lane);
        int32_t number = weir_service_number(service, lane);
        if (phase == WEIR_PHASE_BRAKED)
            add_reason(list,
                       "%s partition %" PRId32 " is paused: too many of its recent records are dead letters; mend the "
                       "producer, then POST /admin/resume",
                       entity, number);
        else if (phase == WEIR_PHASE_REPLAYING)
            add_reason(list, "%s partition %" PRId32 " is replaying to rebuild its state", entity, number);
        if (atomic_load_explicit(&partition->store_failing, memory_order_relaxed))
            add_reason(list,
                       "%s partition %" PRId32
                       ": checkpoints cannot be written; free disk space before retention is overrun",
                       entity, number);
    }
}

void weir_service_judge(weir_service *service)
{
    char text[WEIR_REASONS_SIZE];
    reasons list = {.json = weir_writer_of(text, sizeof text - 2)};
    if (!atomic_load(&service->joined))
        add_reason(&list, "not yet in the consumer group");
    if (atomic_load(&service->ending))
        add_reason(&list, "shutting down");
    if (!weir_service_alive(service))
        add_reason(&list, "a thread is stalled");
    partition_reasons(service, &list);
    pthread_mutex_lock(&service->reasons_lock);
    service->ready = list.count == 0;
    snprintf(service->reasons, sizeof service->reasons, "[%.*s]", (int)list.json.used, text);
    pthread_mutex_unlock(&service->reasons_lock);
}

void weir_service_show(weir_service *service)
{
    weir_group *group = service->options.group;
    weir_metrics *metrics = service->options.metrics;
    for (int32_t lane = 0; lane < weir_shape_staged_count(&service->shape); lane++) {
        if (!service->held[lane])
            continue;
        const weir_partition *partition = weir_service_partition(service, lane);
        const char *entity = weir_service_entity(service, lane);
        int32_t number = weir_service_number(service, lane);
        int phase = atomic_load_explicit(&partition->phase, memory_order_relaxed);
        weir_metrics_set_partition_state(metrics, entity, number, weir_phase_name((weir_phase)phase));
        int64_t position = atomic_load_explicit(&partition->published_position, memory_order_relaxed);
        int64_t lag = group->ops->lag(group, lane, position);
        if (lag >= 0)
            weir_metrics_set_partition(metrics, WEIR_METRIC_LAG_RECORDS, entity, number, (double)lag);
    }
    uint64_t records, bytes;
    group->ops->backlog(group, &records, &bytes);
    weir_metrics_set(service->metrics, WEIR_METRIC_FETCH_QUEUE_RECORDS, (double)records);
    weir_metrics_set(service->metrics, WEIR_METRIC_FETCH_QUEUE_BYTES, (double)bytes);
    uint64_t dropped = weir_log_dropped_count();
    weir_metrics_add(service->metrics, WEIR_METRIC_LOG_LINES_DROPPED, dropped - service->log_dropped_shown);
    service->log_dropped_shown = dropped;
}

bool weir_service_alive(const weir_service *service)
{
    if (!atomic_load(&service->started))
        return true;
    int64_t now_us = weir_clock_monotonic_us(service->clock);
    int64_t silence_us = now_us - atomic_load_explicit(&service->beat_us, memory_order_relaxed);
    bool alive = silence_us <= STALLED_AFTER_US + service->options.drain_timeout_us;
    for (size_t i = 0; i < service->options.worker_count; i++)
        alive = alive && now_us - weir_worker_thread_beat_us(service->threads[i]) <= STALLED_AFTER_US;
    return alive;
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
