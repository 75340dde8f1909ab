#include "worker_internal.h"

#include "weir/base/check.h"
#include "weir/base/units.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* How many cold cards one turn may look at for eviction. */
enum { EVICT_CARDS_PER_TURN = 512 };

void weir_worker_fail(weir_worker *worker, weir_status status, const char *format, ...)
{
    if (weir_worker_failed(worker))
        return;
    char sentence[sizeof worker->failure.message];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(sentence, sizeof sentence, format, arguments);
    va_end(arguments);
    weir_error_set(&worker->failure, status, "%s", sentence);
    atomic_store(&worker->failed, true);
}

bool weir_worker_failed(const weir_worker *worker)
{
    return atomic_load_explicit(&worker->failed, memory_order_acquire);
}

static void beat(weir_worker *worker)
{
    atomic_store_explicit(&worker->beat_us, weir_clock_monotonic_us(worker->options.clock), memory_order_relaxed);
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
    weir_status status = weir_memory_open(options->memory_bytes_max, &worker->memory, error);
    if (status != WEIR_OK) {
        weir_worker_close(worker);
        return weir_error_wrap(error, "the share of one worker in state.memory");
    }
    if (!worker->partitions || !worker->held || weir_pipeline_open(&options->limits, &worker->pipeline) != WEIR_OK ||
        weir_pipeline_warm(worker->pipeline, options->ruleset) != WEIR_OK ||
        weir_emitter_open(&options->emitter, options->port, &worker->emitter) != WEIR_OK) {
        weir_worker_close(worker);
        return weir_error_set(error, WEIR_FULL, "no memory for a worker");
    }
    worker->metrics = weir_metrics_shard_at(options->metrics, options->index);
    look_up_slots(worker);
    beat(worker);
    *worker_out = worker;
    return WEIR_OK;
}

void weir_worker_adopt(weir_worker *worker, const weir_ruleset *ruleset)
{
    worker->ruleset = ruleset;
    look_up_slots(worker);
}

void weir_worker_close(weir_worker *worker)
{
    if (!worker)
        return;
    while (worker->held_count > 0)
        weir_worker_forget(worker, worker->held[0]);
    weir_emitter_close(worker->emitter);
    weir_pipeline_close(worker->pipeline);
    weir_memory_close(worker->memory);
    free(worker->held);
    free(worker->partitions);
    free(worker);
}

/* ---- acknowledgements ------------------------------------------------------------------------------------- */

/* An output given up after its partition was given away is the next owner's to produce again. */
static void hear(void *context, const weir_ack *ack)
{
    weir_worker *worker = context;
    weir_partition *partition = worker->partitions[ack->partition];
    if (!partition)
        return;
    weir_ledger_heard(&partition->ledger, ack);
    if (!ack->delivered)
        weir_worker_fail(worker, WEIR_TEMPORARY,
                         "partition %" PRId32 ", offset %" PRId64 ": an output was not delivered in time; restart to "
                         "resume from the last committed offset",
                         ack->partition, ack->source_offset);
}

void weir_worker_take_acks(weir_worker *worker, int64_t wait_us)
{
    beat(worker);
    worker->options.port->ops->acks(worker->options.port, wait_us, hear, worker);
}

/* ---- a turn ----------------------------------------------------------------------------------------------- */

/* "Far in the future" is judged by the record's own timestamp, capped by the wall clock, so that a replay decides as
 * the first run did. */
static int64_t judgement_time(const weir_record *record, int64_t wall_us)
{
    return record->timestamp_us > 0 && record->timestamp_us < wall_us ? record->timestamp_us : wall_us;
}

static bool wants(const weir_partition *partition, const weir_record *record)
{
    if (!partition || record->offset < partition->position)
        return false;
    weir_phase phase = weir_partition_phase(partition);
    return phase == WEIR_PHASE_REPLAYING || phase == WEIR_PHASE_LIVE || phase == WEIR_PHASE_BRAKED;
}

static size_t line_up(weir_worker *worker, size_t record_count)
{
    int64_t wall_us = worker->received_wall_us = weir_clock_wall_us(worker->options.clock);
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
        job->partition = record->partition;
        job->offset = record->offset;
        job->now_us = judgement_time(record, wall_us);
        job->state = partition->state;
        job->slab = weir_memory_slab(worker->memory);
    }
    return job_count;
}

static void advance(weir_worker *worker, weir_partition *partition, const weir_record *record, const weir_job *job)
{
    partition->position = record->offset + 1;
    if (job->fate != WEIR_FATE_REJECTED && job->transaction.event.time_us > partition->event_clock_us)
        partition->event_clock_us = job->transaction.event.time_us;
    if (weir_partition_phase(partition) == WEIR_PHASE_REPLAYING) {
        weir_metrics_add(worker->metrics, WEIR_METRIC_REPLAYED_EVENTS, 1);
        if (partition->position >= partition->live_from)
            weir_partition_enter(partition, WEIR_PHASE_LIVE);
        return;
    }
    if (weir_brake_note(&partition->brake, job->fate == WEIR_FATE_REJECTED) &&
        weir_partition_phase(partition) == WEIR_PHASE_LIVE) {
        weir_partition_enter(partition, WEIR_PHASE_BRAKED);
        worker->options.port->ops->pause(worker->options.port, partition->number, true);
    }
}

/* A record whose output could not be produced holds the position: nothing from it on may be committed. */
static void process(weir_worker *worker, size_t record_count)
{
    size_t job_count = line_up(worker, record_count);
    weir_metrics_add(worker->metrics, WEIR_METRIC_EVENTS, job_count);
    weir_error error;
    weir_status status = weir_pipeline_run(worker->pipeline, worker->ruleset, worker->jobs, job_count, &error);
    if (status != WEIR_OK) {
        weir_worker_fail(worker, status, "%s", error.message);
        return;
    }
    for (size_t i = 0; i < job_count; i++) {
        const weir_record *record = &worker->records[worker->job_records[i]];
        weir_partition *partition = worker->partitions[record->partition];
        weir_worker_finish(worker, partition, record, &worker->jobs[i]);
        if (weir_worker_failed(worker))
            return;
        advance(worker, partition, record, &worker->jobs[i]);
    }
    weir_metrics_record(worker->metrics, WEIR_METRIC_BATCH_SECONDS,
                        weir_clock_monotonic_us(worker->options.clock) - worker->received_us);
}

void weir_partition_publish(weir_partition *partition)
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
    if (weir_partition_phase(partition) == WEIR_PHASE_OPEN)
        return;
    weir_partition_publish(partition);
    weir_error error;
    weir_status status =
        weir_state_step(partition->state, partition->position, durable_below(partition),
                        weir_clock_monotonic_us(worker->options.clock), partition->event_clock_us, &error);
    bool store_failing = status == WEIR_FULL || status == WEIR_IO;
    if (store_failing && !atomic_load_explicit(&partition->store_failing, memory_order_relaxed))
        weir_metrics_add(worker->metrics, WEIR_METRIC_COMMIT_FAILURES, 1); /* scoring goes on from RAM */
    atomic_store_explicit(&partition->store_failing, store_failing, memory_order_relaxed);
    if (store_failing)
        return;
    if (status != WEIR_OK)
        weir_worker_fail(worker, status, "partition %" PRId32 ": %s", partition->number, error.message);
}

/* Once a second: what the states know of themselves, into this worker's shard. */
static void show_gauges(weir_worker *worker)
{
    double cards = 0, store_bytes = 0, oldest_us = 0;
    uint64_t loads = 0;
    for (size_t i = 0; i < worker->held_count; i++) {
        weir_state_stats stats;
        weir_partition *partition = worker->partitions[worker->held[i]];
        weir_state_stats_read(partition->state, &stats);
        if (stats.sweeps > partition->sweeps_shown)
            weir_metrics_record(worker->metrics, WEIR_METRIC_CHECKPOINT_DURATION_SECONDS, stats.sweep_duration_us);
        partition->sweeps_shown = stats.sweeps;
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
        weir_metrics_add(worker->metrics, WEIR_METRIC_CARD_LOADS, loads - worker->loads_shown);
    worker->loads_shown = loads;
    worker->gauged_us = worker->received_us;
}

size_t weir_worker_turn(weir_worker *worker)
{
    beat(worker);
    if (weir_worker_failed(worker))
        return 0;
    weir_port *port = worker->options.port;
    size_t record_count =
        port->ops->poll(port, worker->records, worker->options.batch_events_max, worker->options.idle_wait_us);
    worker->received_us = weir_clock_monotonic_us(worker->options.clock);
    if (record_count > 0) {
        process(worker, record_count);
        port->ops->release(port);
    }
    weir_worker_take_acks(worker, 0);
    if (weir_worker_failed(worker))
        return record_count;
    for (size_t i = 0; i < worker->held_count; i++)
        tend(worker, worker->partitions[worker->held[i]]);
    for (size_t i = 0; i < worker->held_count && weir_memory_tight(worker->memory); i++)
        weir_metrics_add(worker->metrics, WEIR_METRIC_EVICTIONS,
              weir_state_evict(worker->partitions[worker->held[i]]->state, EVICT_CARDS_PER_TURN));
    if (worker->received_us - worker->gauged_us >= WEIR_US_PER_SECOND)
        show_gauges(worker);
    return record_count;
}
