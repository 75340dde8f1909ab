#include "weir/app/worker.h"

#include "weir/base/check.h"
#include "weir/base/units.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* How many cold cards one turn may look at for eviction, and how long a full producer queue is waited for at a time. */
enum { EVICT_CARDS_PER_TURN = 512, FULL_WAIT_US = 1000 };

struct weir_worker {
    weir_worker_options options;
    weir_partition **partitions; /* by number; NULL when not held */
    int32_t *held;               /* numbers of the held ones */
    size_t held_count;
    weir_memory *memory;
    weir_pipeline *pipeline;
    weir_emitter *emitter;
    const weir_ruleset *ruleset;
    weir_metrics_shard *metrics;
    size_t reject_slots[WEIR_REJECT_COUNT];       /* label slots, looked up once */
    size_t severity_slots[WEIR_THRESHOLD_MAX];    /* of the ruleset in force */
    weir_error failure;
    _Atomic bool failed;
    int64_t received_us; /* monotonic, of the batch in hand */
    int64_t gauged_us;
    uint64_t loads_shown;
    double values[WEIR_PLAN_FEATURE_MAX];
    weir_record records[WEIR_BATCH_MAX];
    weir_job jobs[WEIR_BATCH_MAX];
    uint16_t job_records[WEIR_BATCH_MAX];
};

static void count(weir_worker *worker, weir_metric metric, uint64_t by)
{
    weir_metrics_add(worker->metrics, metric, by);
}

static weir_phase phase_of(const weir_partition *partition)
{
    return (weir_phase)atomic_load_explicit(&partition->phase, memory_order_relaxed);
}

static void set_phase(weir_partition *partition, weir_phase phase)
{
    atomic_store_explicit(&partition->phase, phase, memory_order_relaxed);
}

/* Remembers the first failure and stops the worker: what follows it must not be committed. */
static weir_status fail(weir_worker *worker, weir_status status, int32_t partition, const char *what)
{
    if (!atomic_load(&worker->failed)) {
        weir_error_set(&worker->failure, status, "partition %" PRId32 ": %s", partition, what);
        atomic_store(&worker->failed, true);
    }
    return status;
}

/* ---- open and close --------------------------------------------------------------------------------------- */

/* Label slots of what the worker counts by: dead-letter reasons, and the champion's severities. */
static void look_up_slots(weir_worker *worker)
{
    weir_metrics *metrics = worker->options.metrics;
    for (int reject = WEIR_ACCEPTED + 1; reject < WEIR_REJECT_COUNT; reject++)
        worker->reject_slots[reject] =
            weir_metrics_slot(metrics, WEIR_METRIC_DEAD_LETTERS, weir_reject_code((weir_reject)reject));
    const weir_model *champion = weir_ruleset_model(worker->ruleset, 0);
    for (size_t i = 0; i < champion->threshold_count; i++)
        worker->severity_slots[i] = weir_metrics_slot(metrics, WEIR_METRIC_ALERTS, champion->thresholds[i].name);
}

weir_status weir_worker_open(const weir_worker_options *options, weir_worker **worker_out, weir_error *error)
{
    weir_check(options->batch_events_max >= 1 && options->batch_events_max <= WEIR_BATCH_MAX);
    weir_worker *worker = calloc(1, sizeof *worker);
    if (!worker)
        return weir_error_set(error, WEIR_FULL, "no memory for a worker");
    worker->options = *options;
    worker->ruleset = options->ruleset;
    worker->partitions = calloc((size_t)options->partition_count, sizeof *worker->partitions);
    worker->held = calloc((size_t)options->partition_count, sizeof *worker->held);
    weir_status status = worker->partitions && worker->held ? WEIR_OK : WEIR_FULL;
    if (status == WEIR_OK)
        status = weir_memory_open(options->memory_bytes_max, &worker->memory, error);
    if (status == WEIR_OK)
        status = weir_pipeline_open(&options->limits, &worker->pipeline);
    if (status == WEIR_OK)
        status = weir_emitter_open(&options->emitter, options->port, &worker->emitter);
    if (status != WEIR_OK) {
        weir_worker_close(worker);
        return weir_error_set(error, status, "no memory for a worker");
    }
    worker->metrics = weir_metrics_shard_at(options->metrics, options->index);
    look_up_slots(worker);
    *worker_out = worker;
    return WEIR_OK;
}

static void forget(weir_worker *worker, int32_t number)
{
    weir_partition *partition = worker->partitions[number];
    weir_state_close(partition->state);
    weir_ledger_deinit(&partition->ledger);
    worker->partitions[number] = NULL;
    size_t at = 0;
    while (worker->held[at] != number)
        at++;
    worker->held[at] = worker->held[--worker->held_count];
    free(partition);
}

void weir_worker_close(weir_worker *worker)
{
    if (!worker)
        return;
    while (worker->held_count > 0)
        forget(worker, worker->held[0]);
    weir_emitter_close(worker->emitter);
    weir_pipeline_close(worker->pipeline);
    weir_memory_close(worker->memory);
    free(worker->held);
    free(worker->partitions);
    free(worker);
}

/* ---- acknowledgements ------------------------------------------------------------------------------------- */

static void hear(void *context, const weir_ack *ack)
{
    weir_worker *worker = context;
    weir_partition *partition = worker->partitions[ack->partition];
    if (partition)
        weir_ledger_heard(&partition->ledger, ack);
    if (!ack->delivered)
        fail(worker, WEIR_TEMPORARY, ack->partition,
             "an output was not delivered in time; restart to resume from the last committed offset");
}

static void take_acks(weir_worker *worker, int64_t wait_us)
{
    worker->options.port->ops->acks(worker->options.port, wait_us, hear, worker);
}

/* ---- one record's fate ------------------------------------------------------------------------------------ */

/* Emits until the producer takes it; a full queue is waited for, which is the back-pressure. */
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

static bool emit(weir_worker *worker, emit_one *emit_it, weir_partition *partition, const weir_record *record,
                 weir_job *job, const weir_verdict *verdict)
{
    bool sent = false;
    weir_status status;
    while ((status = emit_it(worker, partition, record, job, verdict, &sent)) == WEIR_FULL &&
           !atomic_load(&worker->failed))
        take_acks(worker, FULL_WAIT_US);
    if (status != WEIR_OK)
        fail(worker, status, record->partition, "the producer refuses records");
    return sent;
}

static void finish_scored(weir_worker *worker, weir_partition *partition, const weir_record *record, weir_job *job)
{
    const weir_engine_item *item = job->item;
    count(worker, WEIR_METRIC_EVENTS_SCORED, 1);
    if (item->missing_count)
        count(worker, WEIR_METRIC_MISSING_FEATURES, item->missing_count);
    if (item->arrival != WEIR_ARRIVAL_APPENDED)
        count(worker, WEIR_METRIC_LATE_EVENTS, 1);
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
        count(worker, WEIR_METRIC_SCORES, 1);
}

static void finish_rejected(weir_worker *worker, weir_partition *partition, const weir_record *record, weir_job *job)
{
    if (emit(worker, emit_dead_letter, partition, record, job, NULL))
        weir_metrics_add_slot(worker->metrics, WEIR_METRIC_DEAD_LETTERS, worker->reject_slots[job->reject], 1);
}

static void finish_duplicate(weir_worker *worker, weir_partition *partition, const weir_record *record, weir_job *job)
{
    (void)partition, (void)record, (void)job;
    count(worker, WEIR_METRIC_DUPLICATES, 1);
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

static void advance(weir_worker *worker, weir_partition *partition, const weir_record *record, const weir_job *job)
{
    partition->position = record->offset + 1;
    if (job->fate != WEIR_FATE_REJECTED && job->transaction.event.time_us > partition->event_clock_us)
        partition->event_clock_us = job->transaction.event.time_us;
    if (phase_of(partition) == WEIR_PHASE_REPLAYING) {
        count(worker, WEIR_METRIC_REPLAYED_EVENTS, 1);
        if (partition->position >= partition->live_from)
            set_phase(partition, WEIR_PHASE_LIVE);
        return;
    }
    if (weir_brake_note(&partition->brake, job->fate == WEIR_FATE_REJECTED) && phase_of(partition) == WEIR_PHASE_LIVE) {
        set_phase(partition, WEIR_PHASE_BRAKED);
        worker->options.port->ops->pause(worker->options.port, partition->number, true);
    }
}

/* ---- a turn ----------------------------------------------------------------------------------------------- */

/* "Far in the future" is judged by the record's own timestamp, capped by the wall clock, so that a replay decides as the
 * first run did. */
static int64_t judgement_time(const weir_record *record, int64_t wall_us)
{
    return record->timestamp_us > 0 && record->timestamp_us < wall_us ? record->timestamp_us : wall_us;
}

static bool wants(const weir_partition *partition, const weir_record *record)
{
    if (!partition || record->offset < partition->position)
        return false;
    weir_phase phase = phase_of(partition);
    return phase == WEIR_PHASE_REPLAYING || phase == WEIR_PHASE_LIVE || phase == WEIR_PHASE_BRAKED;
}

static size_t line_up(weir_worker *worker, size_t record_count)
{
    int64_t wall_us = weir_clock_wall_us(worker->options.clock);
    size_t job_count = 0;
    for (size_t i = 0; i < record_count; i++) {
        const weir_record *record = &worker->records[i];
        weir_check(record->partition >= 0 && record->partition < worker->options.partition_count);
        weir_partition *partition = worker->partitions[record->partition];
        if (!wants(partition, record))
            continue;
        worker->job_records[job_count] = (uint16_t)i;
        weir_job *job = &worker->jobs[job_count++];
        job->payload = record->payload;
        job->offset = record->offset;
        job->now_us = judgement_time(record, wall_us);
        job->state = partition->state;
        job->slab = weir_memory_slab(worker->memory);
    }
    return job_count;
}

static void process(weir_worker *worker, size_t record_count)
{
    size_t job_count = line_up(worker, record_count);
    count(worker, WEIR_METRIC_EVENTS, job_count);
    weir_error error;
    weir_status status = weir_pipeline_run(worker->pipeline, worker->ruleset, worker->jobs, job_count, &error);
    if (status != WEIR_OK) {
        fail(worker, status, worker->records[0].partition, error.message);
        return;
    }
    for (size_t i = 0; i < job_count && !atomic_load_explicit(&worker->failed, memory_order_relaxed); i++) {
        const weir_record *record = &worker->records[worker->job_records[i]];
        weir_partition *partition = worker->partitions[record->partition];
        FINISH[worker->jobs[i].fate](worker, partition, record, &worker->jobs[i]);
        advance(worker, partition, record, &worker->jobs[i]);
    }
}

static void publish(weir_partition *partition)
{
    int64_t acked = weir_ledger_acked_below(&partition->ledger, partition->position);
    atomic_store_explicit(&partition->published_position, partition->position, memory_order_relaxed);
    if (!partition->ledger.broken)
        atomic_store_explicit(&partition->acked_below, acked, memory_order_relaxed);
}

/* What checkpoints may contain: acknowledged *and* committed, so that durable state is never ahead of the group. */
static int64_t durable_below(weir_partition *partition)
{
    int64_t committed = atomic_load_explicit(&partition->committed_below, memory_order_relaxed);
    int64_t acked = atomic_load_explicit(&partition->acked_below, memory_order_relaxed);
    return acked < committed ? acked : committed;
}

static void tend(weir_worker *worker, weir_partition *partition)
{
    if (phase_of(partition) == WEIR_PHASE_OPEN)
        return;
    publish(partition);
    weir_error error;
    weir_status status =
        weir_state_step(partition->state, partition->position, durable_below(partition),
                        weir_clock_monotonic_us(worker->options.clock), partition->event_clock_us, &error);
    bool store_failing = status == WEIR_FULL || status == WEIR_IO;
    if (store_failing && !partition->store_failing)
        count(worker, WEIR_METRIC_COMMIT_FAILURES, 1); /* scoring goes on from RAM; readiness tells */
    atomic_store_explicit(&partition->store_failing, store_failing, memory_order_relaxed);
    if (store_failing)
        return;
    if (status != WEIR_OK)
        fail(worker, status, partition->number, error.message);
}

/* Once a second: what the states know of themselves, into this worker's shard. */
static void show_gauges(weir_worker *worker)
{
    double cards = 0, store_bytes = 0, oldest_us = 0;
    uint64_t loads = 0;
    for (size_t i = 0; i < worker->held_count; i++) {
        weir_state_stats stats;
        weir_state_stats_read(worker->partitions[worker->held[i]]->state, &stats);
        cards += (double)stats.cards_resident;
        store_bytes += (double)stats.store_size;
        loads += stats.loads;
        double age_us = stats.last_sweep_us ? (double)(worker->received_us - stats.last_sweep_us) : 0;
        oldest_us = age_us > oldest_us ? age_us : oldest_us;
    }
    weir_metrics_set(worker->metrics, WEIR_METRIC_CARDS_RESIDENT, cards);
    weir_metrics_set(worker->metrics, WEIR_METRIC_STORE_BYTES, store_bytes);
    weir_metrics_set(worker->metrics, WEIR_METRIC_STATE_MEMORY_BYTES, (double)weir_memory_used(worker->memory));
    weir_metrics_set(worker->metrics, WEIR_METRIC_STATE_MEMORY_LIMIT_BYTES, (double)worker->options.memory_bytes_max);
    weir_metrics_set(worker->metrics, WEIR_METRIC_CHECKPOINT_AGE_SECONDS, oldest_us / WEIR_US_PER_SECOND);
    if (loads > worker->loads_shown) /* a partition given away takes its loads with it */
        count(worker, WEIR_METRIC_CARD_LOADS, loads - worker->loads_shown);
    worker->loads_shown = loads;
    worker->gauged_us = worker->received_us;
}

size_t weir_worker_turn(weir_worker *worker)
{
    if (atomic_load_explicit(&worker->failed, memory_order_relaxed))
        return 0;
    weir_port *port = worker->options.port;
    size_t record_count =
        port->ops->poll(port, worker->records, worker->options.batch_events_max, worker->options.idle_wait_us);
    worker->received_us = weir_clock_monotonic_us(worker->options.clock);
    if (record_count > 0) {
        process(worker, record_count);
        port->ops->release(port);
    }
    take_acks(worker, 0);
    for (size_t i = 0; i < worker->held_count; i++)
        tend(worker, worker->partitions[worker->held[i]]);
    for (size_t i = 0; i < worker->held_count && weir_memory_tight(worker->memory); i++)
        count(worker, WEIR_METRIC_EVICTIONS,
              weir_state_evict(worker->partitions[worker->held[i]]->state, EVICT_CARDS_PER_TURN));
    if (worker->received_us - worker->gauged_us >= WEIR_US_PER_SECOND)
        show_gauges(worker);
    return record_count;
}

/* ---- calls ------------------------------------------------------------------------------------------------ */

weir_status weir_worker_open_partition(weir_worker *worker, int32_t number, int64_t *replay_from_out, weir_error *error)
{
    weir_check(number >= 0 && number < worker->options.partition_count && !worker->partitions[number]);
    weir_partition *partition = calloc(1, sizeof *partition);
    if (!partition)
        return weir_error_set(error, WEIR_FULL, "no memory for partition %" PRId32, number);
    weir_store *store;
    weir_status status = worker->options.open_store(worker->options.open_store_context, number, &store, error);
    if (status != WEIR_OK) {
        free(partition);
        return status;
    }
    weir_state_options options = worker->options.state;
    options.identity.partition = number;
    status = weir_state_open(store, worker->memory, worker->options.committer, &options, &partition->state,
                             replay_from_out, error);
    if (status != WEIR_OK) {
        free(partition);
        return status;
    }
    partition->number = number;
    partition->event_clock_us = INT64_MIN;
    weir_brake_init(&partition->brake, worker->options.brake_window, worker->options.brake_share_max);
    set_phase(partition, WEIR_PHASE_OPEN);
    worker->partitions[number] = partition;
    worker->held[worker->held_count++] = number;
    return WEIR_OK;
}

void weir_worker_begin_partition(weir_worker *worker, int32_t number, int64_t position,
                                 const int64_t marks[WEIR_OUTPUT_COUNT], int64_t committed)
{
    weir_partition *partition = worker->partitions[number];
    weir_check(partition && phase_of(partition) == WEIR_PHASE_OPEN);
    weir_ledger_init(&partition->ledger, marks);
    partition->position = position;
    partition->live_from = position;
    for (int output = 0; output < WEIR_OUTPUT_COUNT; output++)
        if (marks[output] > partition->live_from)
            partition->live_from = marks[output];
    atomic_store(&partition->acked_below, position);
    atomic_store(&partition->published_position, position);
    atomic_store(&partition->committed_below, committed);
    set_phase(partition, partition->live_from > position ? WEIR_PHASE_REPLAYING : WEIR_PHASE_LIVE);
}

weir_status weir_worker_drain_partition(weir_worker *worker, int32_t number, int64_t timeout_us,
                                        int64_t *acked_below_out, weir_error *error)
{
    weir_partition *partition = worker->partitions[number];
    if (!partition)
        return weir_error_set(error, WEIR_NOT_FOUND, "partition %" PRId32 " is not held", number);
    set_phase(partition, WEIR_PHASE_DRAINING);
    int64_t deadline_us = weir_clock_monotonic_us(worker->options.clock) + timeout_us;
    while (weir_ledger_pending(&partition->ledger) > 0 && !atomic_load(&worker->failed) &&
           weir_clock_monotonic_us(worker->options.clock) < deadline_us)
        take_acks(worker, FULL_WAIT_US);
    publish(partition);
    *acked_below_out = atomic_load(&partition->acked_below);
    if (partition->ledger.broken || *acked_below_out < partition->position)
        return weir_error_set(error, WEIR_TEMPORARY,
                              "partition %" PRId32 ": %zu outputs were not acknowledged in time; they will be produced "
                              "again by whoever takes the partition over",
                              number, weir_ledger_pending(&partition->ledger));
    return WEIR_OK;
}

weir_status weir_worker_close_partition(weir_worker *worker, int32_t number, bool flush, int64_t committed,
                                        weir_error *error)
{
    weir_partition *partition = worker->partitions[number];
    if (!partition)
        return WEIR_OK;
    weir_status status = WEIR_OK;
    if (flush && !partition->ledger.broken && committed >= partition->position)
        status = weir_state_flush(partition->state, partition->position, partition->position, error);
    forget(worker, number);
    return status;
}

void weir_worker_resume_partition(weir_worker *worker, int32_t number)
{
    weir_partition *partition = worker->partitions[number];
    if (!partition || phase_of(partition) != WEIR_PHASE_BRAKED)
        return;
    weir_brake_reset(&partition->brake);
    set_phase(partition, WEIR_PHASE_LIVE);
    worker->options.port->ops->pause(worker->options.port, number, false);
}

void weir_worker_adopt(weir_worker *worker, const weir_ruleset *ruleset)
{
    worker->ruleset = ruleset;
    look_up_slots(worker);
}

/* ---- from any thread -------------------------------------------------------------------------------------- */

const weir_partition *weir_worker_partition(const weir_worker *worker, int32_t number)
{
    return worker->partitions[number];
}

void weir_worker_committed(weir_worker *worker, int32_t number, int64_t committed)
{
    weir_partition *partition = worker->partitions[number];
    if (partition)
        atomic_store_explicit(&partition->committed_below, committed, memory_order_relaxed);
}

size_t weir_worker_index(const weir_worker *worker)
{
    return worker->options.index;
}

weir_status weir_worker_failure(const weir_worker *worker, weir_error *error_out)
{
    if (!atomic_load(&worker->failed))
        return WEIR_OK;
    *error_out = worker->failure;
    return worker->failure.status;
}
