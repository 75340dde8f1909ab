#include "worker_internal.h"

#include "weir/base/hash.h"

#include <inttypes.h>

/* One thing said about an event. */
typedef struct saying {
    weir_cause cause;
    const weir_record *record; /* of a dead letter */
    const weir_job *job;
    const weir_verdict *verdict;
} saying;

typedef weir_status say(weir_worker *worker, const saying *it, bool *sent_out);

static weir_status say_alert(weir_worker *worker, const saying *it, bool *sent_out)
{
    return weir_emitter_alert(worker->emitter, &it->cause, &it->job->transaction, it->verdict, sent_out);
}

static weir_status say_score(weir_worker *worker, const saying *it, bool *sent_out)
{
    return weir_emitter_score(worker->emitter, &it->cause, &it->job->transaction, it->verdict, sent_out);
}

static weir_status say_dead_letter(weir_worker *worker, const saying *it, bool *sent_out)
{
    return weir_emitter_dead_letter(worker->emitter, &it->cause, worker->options.stage_topics[0], it->record,
                                    it->job->reject, it->job->transaction.reject_field, sent_out);
}

static void refuse(weir_worker *worker, const weir_partition *partition, int64_t sequence, weir_status status)
{
    if (status != WEIR_OK)
        weir_worker_fail(worker, status, "%s partition %" PRId32 ", offset %" PRId64 ": the producer refuses its "
                         "output: %s", weir_worker_topic(worker, partition), partition->number,
                         weir_sequence_offset(partition->stage, sequence), weir_status_name(status));
}

/* Emits until the producer takes it; a full queue is waited for, which is the back-pressure. */
static bool emit(weir_worker *worker, const weir_partition *partition, say *say_it, const saying *it)
{
    bool sent = false;
    weir_status status;
    while ((status = say_it(worker, it, &sent)) == WEIR_FULL && !weir_worker_failed(worker))
        weir_worker_take_acks(worker, WEIR_ACK_WAIT_US);
    refuse(worker, partition, it->cause.sequence, status);
    return sent;
}

static saying saying_of(weir_partition *partition, const weir_record *record, const weir_job *job)
{
    return (saying){.cause = {.ledger = &partition->ledger,
                              .lane = partition->lane,
                              .sequence = job->sequence,
                              .partition = job->partition,
                              .offset = job->offset},
                    .record = record,
                    .job = job};
}

/* ---- hops ---- */

void weir_worker_hand_on(weir_worker *worker, weir_partition *partition, uint64_t entity, uint64_t card,
                         const weir_hop_entry *entry)
{
    /* An event without such an entity passes through wherever its card's do. */
    int32_t to = weir_stage_partition(entity ? entity : card, worker->partition_count);
    weir_status status;
    while ((status = weir_hops_add(partition->hops, to, entry)) == WEIR_FULL && !weir_worker_failed(worker))
        weir_worker_take_acks(worker, WEIR_ACK_WAIT_US);
    refuse(worker, partition, partition->position, status);
}

void weir_worker_flush_hops(weir_worker *worker, weir_partition *partition)
{
    weir_status status = WEIR_OK;
    while (!weir_worker_failed(worker) && (status = weir_hops_flush(partition->hops)) == WEIR_FULL)
        weir_worker_take_acks(worker, WEIR_ACK_WAIT_US);
    uint64_t records = weir_hops_record_count(partition->hops);
    weir_metrics_add(worker->metrics, WEIR_METRIC_HOP_RECORDS, records - partition->hops_shown);
    partition->hops_shown = records;
    refuse(worker, partition, partition->position, status);
}

static void hand_on_event(weir_worker *worker, weir_partition *partition, const weir_job *job)
{
    if (!weir_ledger_may_emit(&partition->ledger, WEIR_OUTPUT_HOPS, job->sequence))
        return;
    const weir_event *event = &job->transaction.event;
    weir_entity_kind next = weir_plan_stage_entity(weir_ruleset_plan(worker->ruleset), partition->stage + 1);
    weir_hop_entry entry = {.kind = WEIR_HOP_EVENT,
                            .sequence = job->sequence,
                            .event = {.origin_partition = job->partition,
                                      .origin_offset = job->offset,
                                      .registers = job->item->registers,
                                      .transaction = &job->transaction}};
    weir_worker_hand_on(worker, partition, weir_event_entity(event, next), event->card, &entry);
    weir_metrics_add(worker->metrics, WEIR_METRIC_HOP_EVENTS, 1);
}

/* ---- fates ---- */

/* How far behind the card's life the stream is; a clock ahead of ours counts as no delay. */
static void show_age(weir_worker *worker, const weir_job *job)
{
    int64_t age_us = worker->received_wall_us - job->transaction.event.time_us;
    weir_metrics_record(worker->metrics, WEIR_METRIC_EVENT_AGE_SECONDS, age_us > 0 ? age_us : 0);
}

static void emit_verdict(weir_worker *worker, weir_partition *partition, const weir_job *job)
{
    const weir_engine_item *item = job->item;
    bool wants_score = weir_emitter_enabled(worker->emitter, WEIR_OUTPUT_SCORES);
    if (item->threshold < 0 && !wants_score)
        return;
    weir_verdict verdict;
    weir_pipeline_verdict(worker->ruleset, job, worker->values, &verdict);
    saying it = saying_of(partition, NULL, job);
    it.verdict = &verdict;
    if (item->threshold >= 0 && emit(worker, partition, say_alert, &it)) {
        weir_metrics_add_slot(worker->metrics, WEIR_METRIC_ALERTS, worker->severity_slots[item->threshold], 1);
        weir_metrics_record(worker->metrics, WEIR_METRIC_PROCESSING_SECONDS,
                            weir_clock_monotonic_us(worker->options.clock) - worker->received_us);
    }
    if (wants_score && emit(worker, partition, say_score, &it))
        weir_metrics_add(worker->metrics, WEIR_METRIC_SCORES, 1);
}

static void finish_scored(weir_worker *worker, weir_partition *partition, const weir_record *record, weir_job *job)
{
    (void)record;
    const weir_engine_item *item = job->item;
    if (partition->stage == 0 && item->arrival != WEIR_ARRIVAL_APPENDED)
        weir_metrics_add(worker->metrics, WEIR_METRIC_LATE_EVENTS, 1);
    if (!weir_worker_is_last(worker, partition)) {
        hand_on_event(worker, partition, job);
        return;
    }
    weir_metrics_add(worker->metrics, WEIR_METRIC_EVENTS_SCORED, 1);
    if (item->missing_count)
        weir_metrics_add(worker->metrics, WEIR_METRIC_MISSING_FEATURES, item->missing_count);
    if (weir_partition_phase(partition) != WEIR_PHASE_REPLAYING)
        show_age(worker, job);
    emit_verdict(worker, partition, job);
}

static void finish_rejected(weir_worker *worker, weir_partition *partition, const weir_record *record, weir_job *job)
{
    saying it = saying_of(partition, record, job);
    if (emit(worker, partition, say_dead_letter, &it))
        weir_metrics_add_slot(worker->metrics, WEIR_METRIC_DEAD_LETTERS, worker->reject_slots[job->reject], 1);
}

static void finish_duplicate(weir_worker *worker, weir_partition *partition, const weir_record *record, weir_job *job)
{
    (void)partition, (void)record, (void)job;
    weir_metrics_add(worker->metrics, WEIR_METRIC_DUPLICATES, 1);
}

/* Its effect is in the state already; it is counted as replayed. */
static void finish_known(weir_worker *worker, weir_partition *partition, const weir_record *record, weir_job *job)
{
    (void)worker, (void)partition, (void)record, (void)job;
}

static void (*const FINISH[WEIR_FATE_COUNT])(weir_worker *, weir_partition *, const weir_record *, weir_job *) = {
    [WEIR_FATE_SCORED] = finish_scored,
    [WEIR_FATE_REJECTED] = finish_rejected,
    [WEIR_FATE_DUPLICATE] = finish_duplicate,
    [WEIR_FATE_KNOWN] = finish_known,
};

void weir_worker_finish(weir_worker *worker, weir_partition *partition, const weir_record *record, weir_job *job)
{
    FINISH[job->fate](worker, partition, record, job);
}
