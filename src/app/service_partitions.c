#include "service_internal.h"

#include "weir/app/recovery.h"
#include "weir/codec/output.h"
#include "weir/log/log.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

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
    size_t worker = weir_service_worker_index(service, it->partition);
    weir_service_beat(service);
    if (service->options.threadless)
        what(service->workers[worker], it);
    else
        weir_worker_thread_call(service->threads[worker], what, it);
    weir_service_beat(service);
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
                                  "the last record of the %s topic, partition %" PRId32
                                  ", is not weir's: something else "
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
    snprintf(state_path, sizeof state_path, "state: %s/%s/%" PRId32, service->options.state_dir, service->topic,
             partition);
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
        status =
            group->ops->start(group, partition, plan.position, weir_service_worker_index(service, partition), error);
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

weir_status weir_service_give(weir_service *service, const weir_group_event *event, weir_error *error)
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

weir_status weir_service_commit(weir_service *service, weir_error *error)
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
                weir_service_partition(service, next);
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
            weir_worker_committed(service->workers[weir_service_worker_index(service, partitions[i])], partitions[i],
                                  offsets[i]);
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

void weir_service_take(weir_service *service, const int32_t *partitions, size_t count, bool lost)
{
    weir_error error;
    for (size_t i = 0; i < count && !lost; i++)
        if (service->held[partitions[i]])
            drain_one(service, partitions[i]);
    bool committed = !lost && weir_service_commit(service, &error) == WEIR_OK;
    if (!lost && !committed)
        weir_log(WEIR_LOG_WARN, "commit_failed", weir_log_text("reason", error.message));
    for (size_t i = 0; i < count; i++)
        if (service->held[partitions[i]])
            close_one(service, partitions[i], committed);
}

/* ---- partitions let go on ---- */

void weir_service_resume_all(weir_service *service)
{
    for (int32_t number = 0; number < service->partition_count; number++) {
        call it = {.partition = number};
        if (service->held[number])
            ask(service, do_resume, &it);
    }
}
