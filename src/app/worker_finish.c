#include "worker_internal.h"

#include <inttypes.h>

typedef weir_status emit_one(weir_worker *worker, weir_partition *partition, const weir_record *record, weir_job *job,
                             const weir_verdict *verdict, bool *sent_out);

static weir_status emit_alert(weir_worker *worker, weir_partition *partition, const weir_record *record, weir_job *job,
                              const weir_verdict *verdict, bool *sent_out)
{
    return weir_emitter_alert(worker->emitter, &partition->ledger, record->partition, record->offset, &job->transaction,
                              verdict, sent_out);
}

static weir_status emit_score(weir_worker *worker, weir_partition *partition, const weir_record *record, weir_job *job,
                              const weir_verdict *verdict, bool *sent_out)
{
    return weir_emitter_score(worker->emitter, &partition->ledger, record->partition, record->offset, &job->transaction,
                              verdict, sent_out);
}

static weir_status emit_dead_letter(weir_worker *worker, weir_partition *partition, const weir_record *record,
                                    weir_job *job, const weir_verdict *verdict, bool *sent_out)
{
    (void)verdict;
    return weir_emitter_dead_letter(worker->emitter, &partition->ledger, record, job->reject,
                                    job->transaction.reject_field, sent_out);
}

/* Emits until the producer takes it; a full queue is waited for, which is the back-pressure. */
static bool emit(weir_worker *worker, emit_one *emit_it, weir_partition *partition, const weir_record *record,
                 weir_job *job, const weir_verdict *verdict)
{
    bool sent = false;
    weir_status status;
    while ((status = emit_it(worker, partition, record, job, verdict, &sent)) == WEIR_FULL &&
           !weir_worker_failed(worker))
        weir_worker_take_acks(worker, WEIR_ACK_WAIT_US);
    if (status != WEIR_OK)
        weir_worker_fail(worker, status,
                         "partition %" PRId32 ", offset %" PRId64 ": the producer refuses its output: %s",
                         record->partition, record->offset, weir_status_name(status));
    return sent;
}

/* How far behind the card's life the stream is; a clock ahead of ours counts as no delay. */
static void show_age(weir_worker *worker, const weir_job *job)
{
    int64_t age_us = worker->received_wall_us - job->transaction.event.time_us;
    weir_metrics_record(worker->metrics, WEIR_METRIC_EVENT_AGE_SECONDS, age_us > 0 ? age_us : 0);
}

static void finish_scored(weir_worker *worker, weir_partition *partition, const weir_record *record, weir_job *job)
{
    const weir_engine_item *item = job->item;
    weir_metrics_add(worker->metrics, WEIR_METRIC_EVENTS_SCORED, 1);
    if (item->missing_count)
        weir_metrics_add(worker->metrics, WEIR_METRIC_MISSING_FEATURES, item->missing_count);
    if (item->arrival != WEIR_ARRIVAL_APPENDED)
        weir_metrics_add(worker->metrics, WEIR_METRIC_LATE_EVENTS, 1);
    if (weir_partition_phase(partition) != WEIR_PHASE_REPLAYING)
        show_age(worker, job);
    bool wants_score = weir_emitter_enabled(worker->emitter, WEIR_OUTPUT_SCORES);
    if (item->threshold < 0 && !wants_score)
        return;
    weir_verdict verdict;
    weir_pipeline_verdict(worker->ruleset, job, worker->values, &verdict);
    if (item->threshold >= 0 && emit(worker, emit_alert, partition, record, job, &verdict)) {
        weir_metrics_add_slot(worker->metrics, WEIR_METRIC_ALERTS, worker->severity_slots[item->threshold], 1);
        weir_metrics_record(worker->metrics, WEIR_METRIC_PROCESSING_SECONDS,
                            weir_clock_monotonic_us(worker->options.clock) - worker->received_us);
    }
    if (wants_score && emit(worker, emit_score, partition, record, job, &verdict))
        weir_metrics_add(worker->metrics, WEIR_METRIC_SCORES, 1);
}

static void finish_rejected(weir_worker *worker, weir_partition *partition, const weir_record *record, weir_job *job)
{
    if (emit(worker, emit_dead_letter, partition, record, job, NULL))
        weir_metrics_add_slot(worker->metrics, WEIR_METRIC_DEAD_LETTERS, worker->reject_slots[job->reject], 1);
}

static void finish_duplicate(weir_worker *worker, weir_partition *partition, const weir_record *record, weir_job *job)
{
    (void)partition, (void)record, (void)job;
    weir_metrics_add(worker->metrics, WEIR_METRIC_DUPLICATES, 1);
}

/* Its effect is in the state already; advance() counts it as replayed. */
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
