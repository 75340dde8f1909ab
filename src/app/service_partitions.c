#include "service_internal.h"

#include "weir/log/log.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- calls to workers: a small struct of arguments each ---- */

typedef struct call {
    int32_t lane;
    int64_t committed, timeout_us;
    const weir_beginning *beginning;
    bool flush;
    int64_t replay_from_out, labels_from_out, acked_out;
    char *note_out;
    weir_status status;
    weir_error error;
} call;

static void do_open(weir_worker *worker, void *context)
{
    call *it = context;
    it->status = weir_worker_open_partition(worker, it->lane, &it->replay_from_out, &it->labels_from_out, &it->error);
}

static void do_begin(weir_worker *worker, void *context)
{
    call *it = context;
    weir_worker_begin_partition(worker, it->lane, it->beginning);
}

static void do_drain(weir_worker *worker, void *context)
{
    call *it = context;
    it->status = weir_worker_drain_partition(worker, it->lane, it->timeout_us, &it->error);
}

static void do_note(weir_worker *worker, void *context)
{
    call *it = context;
    it->acked_out = weir_worker_note(worker, it->lane, it->note_out);
}

static void do_close(weir_worker *worker, void *context)
{
    call *it = context;
    it->status = weir_worker_close_partition(worker, it->lane, it->flush, it->committed, &it->error);
}

static void do_resume(weir_worker *worker, void *context)
{
    call *it = context;
    weir_worker_resume_partition(worker, it->lane);
}

static weir_status ask(weir_service *service, void (*what)(weir_worker *, void *), call *it)
{
    size_t worker = service->lane_workers[it->lane];
    weir_service_beat(service);
    if (service->options.threadless)
        what(service->workers[worker], it);
    else
        weir_worker_thread_call(service->threads[worker], what, it);
    weir_service_beat(service);
    return it->status;
}

/* ---- lanes given ---- */

/* The worker with the fewest lanes of that stage, and of those the one with the fewest in all. */
static size_t choose_worker(const weir_service *service, int32_t lane)
{
    size_t best = 0, best_load = SIZE_MAX, stage = weir_service_stage(service, lane);
    size_t lane_count = (size_t)weir_shape_staged_count(&service->shape);
    for (size_t worker = 0; worker < service->options.worker_count; worker++) {
        size_t load = 0;
        for (size_t other = 0; other < lane_count; other++)
            if (service->held[other] && service->lane_workers[other] == worker)
                load += weir_service_stage(service, (int32_t)other) == stage ? lane_count + 1 : 1;
        if (load < best_load) {
            best = worker;
            best_load = load;
        }
    }
    return best;
}

/* Where the labels of a lane of the first stage are read from: where its checkpoint says, else from the start. */
static weir_status start_labels(weir_service *service, int32_t lane, int64_t wanted, int64_t *from_out,
                                weir_error *error)
{
    weir_group *group = service->options.group;
    int32_t label_lane = weir_shape_label_lane(&service->shape, lane);
    *from_out = 0;
    if (label_lane < 0)
        return WEIR_OK;
    weir_lane_bounds bounds;
    weir_status status = group->ops->bounds(group, &label_lane, 1, &bounds, error);
    if (status != WEIR_OK)
        return status;
    bool gone = wanted >= 0 && (wanted < bounds.log_start || wanted > bounds.log_end);
    if (gone)
        weir_log(WEIR_LOG_WARN, "labels_missed", weir_log_int("partition", weir_service_number(service, lane)),
                 weir_log_int("wanted", wanted), weir_log_int("log_start", bounds.log_start),
                 weir_log_text("effect", "labels between them are not known; lengthen the labels topic's retention"));
    *from_out = wanted < 0 || gone ? bounds.log_start : wanted;
    return group->ops->start(group, label_lane, *from_out, service->lane_workers[lane], error);
}

static weir_status copy_emitted(const weir_emitted *from, weir_emitted *to, weir_error *error)
{
    *to = *from;
    if (from->size == 0)
        return WEIR_OK;
    to->entries = malloc(from->size * sizeof *to->entries);
    if (!to->entries)
        return weir_error_set(error, WEIR_FULL, "no memory for what was emitted before");
    memcpy(to->entries, from->entries, from->size * sizeof *to->entries);
    return WEIR_OK;
}

static weir_status decide(weir_service *service, const call *opened, const weir_lane_bounds *bounds,
                          weir_recovery_plan *plan_out, weir_error *error)
{
    int32_t lane = opened->lane;
    char state_path[512];
    snprintf(state_path, sizeof state_path, "state: %s/%s/%" PRId32, service->options.state_dir,
             weir_service_topic(service, lane), weir_service_number(service, lane));
    weir_recovery_facts facts = {
        .topic = weir_service_topic(service, lane),
        .state_path = state_path,
        .partition = weir_service_number(service, lane),
        .bounds = *bounds,
        .replay_from = weir_sequence_offset(weir_service_stage(service, lane), opened->replay_from_out)};
    weir_status status = weir_service_read_last(service, lane, &facts, error);
    return status == WEIR_OK ? weir_recovery_decide(&facts, plan_out, error) : status;
}

static weir_status begin_one(weir_service *service, int32_t lane, const weir_lane_bounds *bounds,
                             const weir_service_marks *marks, weir_error *error)
{
    weir_group *group = service->options.group;
    service->lane_workers[lane] = choose_worker(service, lane);
    call it = {.lane = lane};
    if (ask(service, do_open, &it) != WEIR_OK) {
        *error = it.error;
        return it.status;
    }
    bool last = weir_service_stage(service, lane) + 1 == service->shape.stage_count;
    weir_recovery_plan plan;
    weir_emitted emitted = {0};
    weir_beginning beginning = {.committed = bounds->committed, .log_end = bounds->log_end};
    weir_status status = decide(service, &it, bounds, &plan, error);
    if (status == WEIR_OK)
        status = group->ops->start(group, lane, plan.position, service->lane_workers[lane], error);
    if (status == WEIR_OK)
        status = start_labels(service, lane, it.labels_from_out, &beginning.labels_from, error);
    if (status == WEIR_OK && last)
        status = copy_emitted(&marks->emitted, &emitted, error);
    if (status != WEIR_OK)
        return status;
    beginning.position = plan.position;
    memcpy(beginning.marks, plan.marks, sizeof beginning.marks);
    beginning.emitted = &emitted;
    beginning.ends = last ? marks->ends : NULL;
    beginning.starts = last ? marks->starts : NULL;
    bool local_state = it.replay_from_out >= 0;
    it = (call){.lane = lane, .beginning = &beginning};
    ask(service, do_begin, &it);
    service->held[lane] = true;
    service->committed[lane] = bounds->committed;
    weir_log(WEIR_LOG_INFO, "partition_started", weir_log_text("stage", weir_service_entity(service, lane)),
             weir_log_int("partition", weir_service_number(service, lane)), weir_log_int("read_from", plan.position),
             weir_log_int("emit_from", plan.marks[last ? WEIR_OUTPUT_ALERTS : WEIR_OUTPUT_HOPS]),
             weir_log_int("log_end", bounds->log_end), weir_log_bool("local_state", local_state));
    return WEIR_OK;
}

weir_status weir_service_give(weir_service *service, const weir_group_event *event, weir_error *error)
{
    weir_group *group = service->options.group;
    weir_service_marks marks = {0};
    weir_lane_bounds *bounds = calloc(event->lane_count, sizeof *bounds);
    if (!bounds)
        return weir_error_set(error, WEIR_FULL, "no memory for %zu partitions", event->lane_count);
    weir_status status = group->ops->bounds(group, event->lanes, event->lane_count, bounds, error);
    if (status == WEIR_OK)
        status = weir_service_read_marks(service, event->lanes, event->lane_count, bounds, &marks, error);
    for (size_t i = 0; i < event->lane_count; i++)
        bounds[i].note = ""; /* it has been looked at, and lives only until bounds are asked for again */
    for (size_t i = 0; i < event->lane_count && status == WEIR_OK; i++)
        status = begin_one(service, event->lanes[i], &bounds[i], &marks, error);
    weir_service_drop_marks(&marks);
    free(bounds);
    return status == WEIR_OK ? group->ops->settle(group, error) : status;
}

/* ---- commits ---- */

enum { COMMIT_LANE_MAX = 64 };

typedef struct commit_batch {
    weir_lane_commit commits[COMMIT_LANE_MAX];
    char notes[COMMIT_LANE_MAX][WEIR_NOTE_SIZE_MAX];
    size_t count;
} commit_batch;

/* A lane that scores for other partitions commits, beside its offset, how far the outputs were at it. */
static void gather(weir_service *service, int32_t lane, commit_batch *batch)
{
    const weir_partition *partition = weir_service_partition(service, lane);
    size_t stage = weir_service_stage(service, lane);
    char *note = batch->notes[batch->count];
    int64_t acked =
        weir_sequence_offset(stage, atomic_load_explicit(&partition->acked_below, memory_order_relaxed));
    if (acked <= service->committed[lane])
        return;
    note[0] = '\0';
    if (stage > 0 && stage + 1 == service->shape.stage_count) {
        call it = {.lane = lane, .note_out = note};
        ask(service, do_note, &it);
        acked = it.acked_out;
    }
    batch->commits[batch->count++] =
        (weir_lane_commit){.lane = lane, .next_offset = acked, .note = *note ? note : NULL};
}

static weir_status commit(weir_service *service, const commit_batch *batch, weir_error *error)
{
    weir_group *group = service->options.group;
    if (batch->count == 0)
        return WEIR_OK;
    weir_status status = group->ops->commit(group, batch->commits, batch->count, true, error);
    for (size_t i = 0; i < batch->count && status == WEIR_OK; i++) {
        int32_t lane = batch->commits[i].lane;
        service->committed[lane] = batch->commits[i].next_offset;
        weir_worker_committed(service->workers[service->lane_workers[lane]], lane, service->committed[lane]);
    }
    return status;
}

weir_status weir_service_commit(weir_service *service, weir_error *error)
{
    static _Thread_local commit_batch batch; /* a quarter of a megabyte: not for the stack */
    int32_t lane_count = weir_shape_staged_count(&service->shape);
    weir_status status = WEIR_OK;
    batch.count = 0;
    for (int32_t lane = 0; lane < lane_count && status == WEIR_OK; lane++) {
        if (service->held[lane])
            gather(service, lane, &batch);
        if (batch.count == COMMIT_LANE_MAX || lane + 1 == lane_count) {
            status = commit(service, &batch, error);
            batch.count = 0;
        }
    }
    return status;
}

/* ---- lanes taken ---- */

static void drain_one(weir_service *service, int32_t lane)
{
    call it = {.lane = lane, .timeout_us = service->options.drain_timeout_us};
    if (ask(service, do_drain, &it) != WEIR_OK)
        weir_log(WEIR_LOG_WARN, "drain_incomplete", weir_log_text("stage", weir_service_entity(service, lane)),
                 weir_log_int("partition", weir_service_number(service, lane)),
                 weir_log_text("reason", it.error.message));
}

static void close_one(weir_service *service, int32_t lane, bool flush)
{
    const char *entity = weir_service_entity(service, lane);
    int32_t number = weir_service_number(service, lane);
    call it = {.lane = lane, .flush = flush, .committed = service->committed[lane]};
    if (ask(service, do_close, &it) != WEIR_OK)
        weir_log(WEIR_LOG_WARN, "final_checkpoint_failed", weir_log_text("stage", entity),
                 weir_log_int("partition", number), weir_log_text("reason", it.error.message),
                 weir_log_text("effect", "the next owner replays a little more"));
    service->held[lane] = false;
    weir_metrics_drop_partition(service->options.metrics, entity, number);
    weir_log(WEIR_LOG_INFO, "partition_closed", weir_log_text("stage", entity), weir_log_int("partition", number),
             weir_log_bool("flushed", flush), weir_log_int("committed", service->committed[lane]));
}

void weir_service_take(weir_service *service, const int32_t *lanes, size_t count, bool lost)
{
    weir_error error;
    for (size_t i = 0; i < count && !lost; i++)
        if (service->held[lanes[i]])
            drain_one(service, lanes[i]);
    bool committed = !lost && weir_service_commit(service, &error) == WEIR_OK;
    if (!lost && !committed)
        weir_log(WEIR_LOG_WARN, "commit_failed", weir_log_text("reason", error.message));
    for (size_t i = 0; i < count; i++)
        if (service->held[lanes[i]])
            close_one(service, lanes[i], committed);
}

/* ---- lanes let go on ---- */

void weir_service_resume_all(weir_service *service)
{
    for (int32_t lane = 0; lane < weir_shape_staged_count(&service->shape); lane++) {
        call it = {.lane = lane};
        if (service->held[lane])
            ask(service, do_resume, &it);
    }
}
