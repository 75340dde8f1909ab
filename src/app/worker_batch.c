#include "worker_internal.h"

#include "weir/base/check.h"
#include "weir/log/log.h"

#include <math.h>

/* ---- holding a lane ---- */

/* The event time up to which lanes may go just now. */
static int64_t limit_now(const weir_worker *worker)
{
    int64_t limit_us = atomic_load_explicit(worker->options.limit_us, memory_order_relaxed);
    int64_t near_us = worker->options.nearby ? weir_nearby_limit(worker->options.nearby) : INT64_MAX;
    return near_us < limit_us ? near_us : limit_us;
}

/* Whether an event of that time would run ahead of the others. What is as good as now never does. */
static bool is_ahead(const weir_worker *worker, int64_t time_us, int64_t limit_us)
{
    return time_us > limit_us && time_us < weir_clock_wall_us(worker->options.clock) - worker->options.drift_us_max;
}

/* Tells the other workers how far the lane is. One that is at its end, or does not get on, is not waited for. */
static void note_nearby(weir_worker *worker, weir_partition *partition, weir_pace pace)
{
    if (!worker->options.nearby)
        return;
    int64_t clock_us = weir_partition_newest_us(partition); /* the slowest may go on, however long its next gap is */
    if (pace != WEIR_PACE_BEHIND || clock_us != partition->noted_clock_us)
        partition->noted_us = worker->received_us;
    partition->noted_clock_us = clock_us;
    bool waited_for =
        pace != WEIR_PACE_CURRENT && worker->received_us - partition->noted_us < worker->options.idle_us;
    weir_nearby_note(worker->options.nearby, partition->lane, waited_for ? clock_us : INT64_MAX);
}

/* Whether all there is has been worked off, labels up to that time too, and has reached the next stage's logs. */
static bool is_through(weir_worker *worker, const weir_partition *partition, int64_t until_us)
{
    weir_port *port = worker->options.port;
    if (partition->waiting_us != INT64_MIN || weir_ledger_pending(&partition->ledger) > 0 ||
        (partition->hops && weir_hops_begun(partition->hops)) ||
        port->ops->lag(port, partition->lane, partition->position) != 0)
        return false;
    return partition->label_lane < 0 ||
           (partition->labels_next_us > until_us &&
            port->ops->lag(port, partition->label_lane, partition->labels.fetched_next) == 0);
}

static weir_pace pace_of(weir_worker *worker, const weir_partition *partition, bool ahead)
{
    int64_t present_us = weir_clock_wall_us(worker->options.clock) - worker->options.drift_us_max;
    if (ahead)
        return WEIR_PACE_HELD;
    if (is_through(worker, partition, present_us))
        return WEIR_PACE_CURRENT;
    return partition->event_clock_us >= present_us ? WEIR_PACE_CURRENT : WEIR_PACE_BEHIND;
}

void weir_worker_align(weir_worker *worker, weir_partition *partition)
{
    weir_port *port = worker->options.port;
    bool first = partition->stage == 0, aligned = first && worker->options.limit_us;
    bool ahead = aligned && partition->waiting_us != INT64_MIN &&
                 is_ahead(worker, partition->waiting_us, limit_now(worker));
    bool held = ahead || weir_partition_phase(partition) == WEIR_PHASE_BRAKED ||
                (first && !weir_worker_labels_ready(worker, partition));
    if (held != partition->held)
        port->ops->hold(port, partition->lane, held);
    partition->held = held;
    if (!aligned)
        return;
    if (port->ops->rank)
        port->ops->rank(port, partition->lane, partition->event_clock_us); /* behind the hops, which come first */
    weir_pace pace = pace_of(worker, partition, ahead);
    atomic_store_explicit(&partition->pace, pace, memory_order_relaxed);
    note_nearby(worker, partition, pace);
}

/* ---- the first stage: a record is a transaction ---- */

/* "Far in the future" is judged by the record's own timestamp, capped by the wall clock, so that a replay decides as
 * the first run did. */
static int64_t judgement_time(const weir_record *record, int64_t wall_us)
{
    return record->timestamp_us > 0 && record->timestamp_us < wall_us ? record->timestamp_us : wall_us;
}

/* Expects: at most a batch. What the run has finished already is behind its position. */
static size_t line_up(weir_worker *worker, weir_partition *partition, const weir_record *records, size_t count)
{
    size_t job_count = 0;
    for (size_t i = 0; i < count; i++) {
        const weir_record *record = &records[i];
        weir_check(i == 0 || record->offset > records[i - 1].offset); /* in another order events would be lost */
        if (!weir_partition_wants(partition, record->offset))
            continue;
        worker->job_records[job_count] = (uint16_t)i;
        weir_job *job = &worker->jobs[job_count++];
        job->payload = record->payload;
        job->partition = record->partition;
        job->offset = job->sequence = record->offset;
        job->inherited = NULL;
        job->now_us = judgement_time(record, worker->received_wall_us);
        job->state = partition->state;
        job->slab = weir_memory_slab(worker->memory);
    }
    return job_count;
}

static void note_finished(weir_worker *worker, weir_partition *partition, const weir_job *job)
{
    if (job->fate != WEIR_FATE_REJECTED && job->transaction.event.time_us > partition->event_clock_us)
        partition->event_clock_us = job->transaction.event.time_us;
    if (weir_partition_phase(partition) == WEIR_PHASE_REPLAYING)
        weir_metrics_add(worker->metrics, WEIR_METRIC_REPLAYED_EVENTS, job->sequence < partition->live_from);
    else if (partition->stage == 0 && weir_brake_note(&partition->brake, job->fate == WEIR_FATE_REJECTED) &&
             weir_partition_phase(partition) == WEIR_PHASE_LIVE)
        weir_partition_enter(partition, WEIR_PHASE_BRAKED); /* align() holds it */
}

/* Of those that go on; NULL when none does. */
static const weir_event *first_event(const weir_job *jobs, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (jobs[i].fate == WEIR_FATE_SCORED)
            return &jobs[i].transaction.event;
    return NULL;
}

/* Applies jobs and brings each to its end. The position moves over them when they are settled: a record whose output
 * could not be produced holds it, and nothing from there on may be committed. records: of the first stage, by
 * job_records. */
static void run_jobs(weir_worker *worker, weir_partition *partition, const weir_record *records, size_t first,
                     size_t count)
{
    weir_job *jobs = worker->jobs + first;
    weir_error error;
    if (count == 0)
        return;
    weir_status status =
        weir_pipeline_apply(worker->pipeline, worker->ruleset, partition->stage, jobs, count, &error);
    if (status != WEIR_OK) {
        weir_worker_fail(worker, status, "%s", error.message);
        return;
    }
    if (partition->hops)
        weir_hops_begin(partition->hops, jobs[0].sequence, first_event(jobs, count));
    for (size_t i = 0; i < count && !weir_worker_failed(worker); i++)
        weir_worker_finish(worker, partition, records ? &records[worker->job_records[first + i]] : NULL, &jobs[i]);
    for (size_t i = 0; i < count && !weir_worker_failed(worker); i++)
        note_finished(worker, partition, &jobs[i]);
    partition->through = jobs[count - 1].sequence + 1;
    worker->turn_events += count;
    if (!partition->hops)
        weir_worker_settle(worker, partition);
    weir_worker_make_room(worker);
}

void weir_worker_settle(weir_worker *worker, weir_partition *partition)
{
    if (partition->hops && weir_hops_begun(partition->hops))
        weir_worker_flush_hops(worker, partition);
    if (partition->through >= 0 && !weir_worker_failed(worker))
        weir_partition_advance(partition, partition->through);
    partition->through = -1;
}

/* How many of the jobs may be applied now: up to the next label's time, and none that runs ahead. */
static size_t count_ready(weir_worker *worker, weir_partition *partition, const weir_job *jobs, size_t count)
{
    partition->waiting_us = INT64_MIN;
    if (!weir_worker_labels_ready(worker, partition))
        return 0;
    int64_t offset;
    const weir_label *label =
        partition->labels.count > 0 ? weir_label_inbox_at(&partition->labels, 0, &offset) : NULL;
    size_t ready = label ? weir_pipeline_jobs_before(jobs, count, label->label_time_us) : count;
    int64_t limit_us = worker->options.limit_us ? limit_now(worker) : INT64_MAX;
    for (size_t i = 0; i < ready && limit_us != INT64_MAX; i++)
        if (jobs[i].fate != WEIR_FATE_REJECTED && is_ahead(worker, jobs[i].transaction.event.time_us, limit_us)) {
            partition->waiting_us = jobs[i].transaction.event.time_us;
            return i;
        }
    return ready;
}

static int64_t time_of_first(const weir_partition *partition, const weir_job *job)
{
    return job->fate == WEIR_FATE_REJECTED ? partition->event_clock_us : job->transaction.event.time_us;
}

/* One batch of the run; false when its rest, or all of it, has to wait: *done_out records are through. */
static bool process_batch(weir_worker *worker, weir_partition *partition, const weir_record *records, size_t count,
                          size_t *done_out)
{
    size_t job_count = line_up(worker, partition, records, count), done = 0;
    weir_pipeline_decode(worker->pipeline, worker->ruleset, worker->jobs, job_count);
    while (done < job_count && !weir_worker_failed(worker)) {
        weir_worker_settle_labels(worker, partition, time_of_first(partition, &worker->jobs[done]));
        size_t ready = count_ready(worker, partition, worker->jobs + done, job_count - done);
        if (weir_worker_failed(worker) || ready == 0)
            break;
        run_jobs(worker, partition, records, done, ready);
        done += ready;
    }
    weir_metrics_add(worker->metrics, WEIR_METRIC_EVENTS, done);
    *done_out = done < job_count ? worker->job_records[done] : count;
    return done == job_count;
}

static bool may_go_on(const weir_worker *worker, const weir_partition *partition)
{
    return !weir_worker_failed(worker) && weir_partition_phase(partition) != WEIR_PHASE_BRAKED;
}

static void process_transactions(weir_worker *worker, weir_partition *partition, const weir_record *records,
                                 size_t count)
{
    weir_port *port = worker->options.port;
    size_t first = 0, done;
    for (bool goes_on = true; goes_on && first < count && may_go_on(worker, partition); first += done) {
        size_t left = count - first, most = worker->options.batch_events_max;
        goes_on = process_batch(worker, partition, records + first, left < most ? left : most, &done);
    }
    if (!weir_worker_failed(worker)) /* others may go as far beyond the newest as labels are sent ahead of it */
        weir_worker_settle_labels(worker, partition, partition->event_clock_us);
    if (first < count && !weir_worker_failed(worker)) {
        port->ops->unread(port, records + first, count - first);
        weir_worker_align(worker, partition);
    }
}

/* ---- the stages behind it: a record is a batch ---- */

/* Whether the entry is news, by what its source has sent before. */
static bool is_news(weir_worker *worker, weir_partition *partition, const weir_hop_head *head,
                    const weir_hop_entry *entry)
{
    int64_t *last = &partition->sources[head->source_partition];
    bool news = entry->kind == WEIR_HOP_LABEL
                    ? weir_seen_add(&partition->label_sources[head->source_partition], entry->sequence)
                    : entry->sequence > *last;
    if (!news)
        weir_metrics_add(worker->metrics, WEIR_METRIC_HOP_REDELIVERED, 1);
    else if (entry->kind == WEIR_HOP_EVENT)
        *last = entry->sequence;
    return news;
}

static void refuse_record(weir_worker *worker, const weir_partition *partition, const weir_record *record)
{
    weir_metrics_add(worker->metrics, WEIR_METRIC_HOP_REFUSED, 1);
    weir_log(WEIR_LOG_ERROR, "hop_record_refused", weir_log_text("topic", weir_worker_topic(worker, partition)),
             weir_log_int("partition", record->partition), weir_log_int("offset", record->offset),
             weir_log_text("reason", "it is not weir's, or of a newer weir: something else writes to an internal "
                                     "topic, or an older instance must be replaced"));
}

/* The job's transaction is there already. */
static void line_up_event(weir_worker *worker, weir_partition *partition, const weir_hop_event *event,
                          int64_t sequence, weir_job *job)
{
    job->partition = event->origin_partition;
    job->offset = event->origin_offset;
    job->sequence = sequence;
    job->inherited = event->registers;
    job->state = partition->state;
    job->slab = weir_memory_slab(worker->memory);
    weir_pipeline_accept(worker->ruleset, partition->stage, job);
}

static void run_hop_jobs(weir_worker *worker, weir_partition *partition, size_t *job_count)
{
    run_jobs(worker, partition, NULL, 0, *job_count);
    *job_count = 0;
}

/* What another model's instance has gathered means something else here: it counts as missing. */
static void void_registers(weir_worker *worker, double *registers, size_t count)
{
    weir_metrics_add(worker->metrics, WEIR_METRIC_HOP_STRANGERS, 1);
    for (size_t i = 0; i < count; i++)
        registers[i] = NAN;
}

/* Returns how many entries it had. */
static size_t process_record(weir_worker *worker, weir_partition *partition, const weir_record *record,
                             size_t *job_count)
{
    const weir_hop_head *ours = &worker->heads[partition->stage - 1];
    double strange[WEIR_PLAN_FEATURE_MAX * 4];
    weir_reader reader;
    weir_hop_head head;
    weir_hop_entry entry;
    if (!weir_hop_open(record->payload, &reader, &head) || head.source_partition >= worker->partition_count ||
        head.register_count > sizeof strange / sizeof *strange) {
        refuse_record(worker, partition, record);
        return 0;
    }
    bool known = head.layout == ours->layout && head.register_count == ours->register_count;
    int64_t sequence = weir_sequence_of(partition->stage, record->offset);
    int64_t index = 0;
    for (; !weir_worker_failed(worker); index++) {
        double *row = worker->inherited + *job_count * ours->register_count;
        weir_job *job = &worker->jobs[*job_count];
        if (!weir_hop_next(&reader, &head, known ? row : strange, &job->transaction, &entry))
            break;
        if (index == WEIR_HOP_ENTRY_MAX) { /* no sequence is left for it */
            reader.failed = true;
            break;
        }
        if (!is_news(worker, partition, &head, &entry))
            continue;
        if (entry.kind == WEIR_HOP_LABEL) {
            run_hop_jobs(worker, partition, job_count);
            if (!weir_worker_failed(worker))
                weir_worker_label_onward(worker, partition, &entry.label, sequence + index);
            continue;
        }
        if (!known)
            void_registers(worker, row, ours->register_count);
        entry.event.registers = row;
        line_up_event(worker, partition, &entry.event, sequence + index, job);
        if (++*job_count == WEIR_BATCH_MAX)
            run_hop_jobs(worker, partition, job_count);
    }
    if (reader.failed)
        refuse_record(worker, partition, record);
    return (size_t)index;
}

/* Records are batches: after some thousand events the rest is given back, so that acknowledgements and checkpoints
 * do not wait for all of it. */
static void process_hops(weir_worker *worker, weir_partition *partition, const weir_record *records, size_t count)
{
    enum { RUN_EVENT_MAX = 8 * WEIR_BATCH_MAX };
    weir_port *port = worker->options.port;
    size_t job_count = 0, event_count = 0, i = 0;
    int64_t next = -1;
    for (; i < count && event_count < RUN_EVENT_MAX && !weir_worker_failed(worker); i++) {
        if (!weir_partition_wants(partition, records[i].offset))
            continue;
        event_count += process_record(worker, partition, &records[i], &job_count);
        next = weir_sequence_of(partition->stage, records[i].offset + 1);
    }
    if (!weir_worker_failed(worker))
        run_hop_jobs(worker, partition, &job_count);
    if (weir_worker_failed(worker))
        return;
    if (next >= 0)
        partition->through = next;
    if (i < count)
        port->ops->unread(port, records + i, count - i);
}

void weir_worker_process(weir_worker *worker, weir_partition *partition, const weir_record *records, size_t count)
{
    if (partition->stage == 0)
        process_transactions(worker, partition, records, count);
    else
        process_hops(worker, partition, records, count);
}
