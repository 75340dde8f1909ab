#include "worker_internal.h"

#include "weir/base/check.h"
#include "weir/base/units.h"
#include "weir/log/log.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    EVICT_CARDS_PER_BATCH = 512, /* cold ones looked at */
    RECORD_SHARE = 32 * 1024,    /* bytes of memory for each record a poll may bring: each may bring in a card, and what
                                  * is dirty leaves after the poll at the earliest */
    FULL_TOLD_INTERVAL_US = 60 * 1000 * 1000,
    HELD_WAIT_US = 1000,        /* for a record, where the others' progress may let a lane go at any time */
};

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

/* Label slots of what the worker counts by: dead-letter reasons, label outcomes, and the champion's severities. */
static void look_up_slots(weir_worker *worker)
{
    static const char *const OUTCOMES[WEIR_LABEL_OUTCOME_COUNT] = {
        [WEIR_LABELLING_UNKNOWN] = "unknown",   [WEIR_LABELLING_FIRST] = "first",
        [WEIR_LABELLING_REPEATED] = "repeated", [WEIR_LABELLING_CONTRARY] = "contrary",
        [WEIR_LABEL_ORPHANED] = "orphaned",     [WEIR_LABEL_REJECTED] = "rejected",
    };
    weir_metrics *metrics = worker->options.metrics;
    for (int reject = WEIR_ACCEPTED + 1; reject < WEIR_REJECT_COUNT; reject++)
        worker->reject_slots[reject] =
            weir_metrics_slot(metrics, WEIR_METRIC_DEAD_LETTERS, weir_reject_code((weir_reject)reject));
    for (int outcome = 0; outcome < WEIR_LABEL_OUTCOME_COUNT; outcome++)
        worker->label_slots[outcome] = weir_metrics_slot(metrics, WEIR_METRIC_LABELS, OUTCOMES[outcome]);
    const weir_model *champion = weir_ruleset_model(worker->ruleset, 0);
    for (size_t i = 0; i < champion->threshold_count; i++)
        worker->severity_slots[i] = weir_metrics_slot(metrics, WEIR_METRIC_ALERTS, champion->thresholds[i].name);
}

/* What each stage hands on: the registers of all stages up to it. */
static bool open_heads(weir_worker *worker)
{
    size_t inherited_max = weir_engine_inherited(worker->ruleset, worker->stage_count - 1);
    worker->heads = calloc(worker->stage_count, sizeof *worker->heads);
    worker->inherited = calloc(WEIR_BATCH_MAX * inherited_max + 1, sizeof *worker->inherited);
    if (!worker->heads || !worker->inherited)
        return false;
    for (size_t stage = 0; stage + 1 < worker->stage_count; stage++)
        worker->heads[stage] = (weir_hop_head){
            .layout = weir_plan_layout(weir_ruleset_plan(worker->ruleset)),
            .register_count = (uint32_t)weir_engine_inherited(worker->ruleset, stage + 1),
        };
    return true;
}

static bool open_tables(weir_worker *worker)
{
    size_t lanes = (size_t)weir_shape_lane_count(&worker->options.shape);
    worker->partitions = calloc(lanes, sizeof *worker->partitions);
    worker->held = calloc(lanes, sizeof *worker->held);
    worker->ends = calloc(WEIR_SPREAD_OUTPUT_COUNT * (size_t)worker->partition_count, sizeof *worker->ends);
    return worker->partitions && worker->held && worker->ends;
}

/* What a poll brings is worked off together, hops and acknowledgements included: the more of it, the fewer requests and
 * wake-ups an event costs. */
static size_t poll_max(uint64_t memory_bytes_max)
{
    uint64_t count = memory_bytes_max / RECORD_SHARE;
    return count < WEIR_BATCH_MAX ? WEIR_BATCH_MAX : count < WEIR_POLL_MAX ? (size_t)count : WEIR_POLL_MAX;
}

weir_status weir_worker_open(const weir_worker_options *options, weir_worker **worker_out, weir_error *error)
{
    weir_check(options->batch_events_max >= 1 && options->batch_events_max <= WEIR_BATCH_MAX);
    weir_worker *worker = calloc(1, sizeof *worker);
    if (!worker)
        return weir_error_set(error, WEIR_FULL, "no memory for a worker");
    worker->options = *options;
    worker->ruleset = options->ruleset;
    worker->poll_max = poll_max(options->memory_bytes_max);
    worker->partition_count = options->shape.partition_count;
    worker->stage_count = options->shape.stage_count;
    if (worker->stage_count > 1 && worker->partition_count > WEIR_CHAIN_PARTITION_MAX) {
        weir_worker_close(worker);
        return weir_error_set(error, WEIR_REFUSED,
                              "a chain of stages takes topics of at most %d partitions; these have %" PRId32,
                              WEIR_CHAIN_PARTITION_MAX, options->shape.partition_count);
    }
    weir_status status = weir_memory_open(options->memory_bytes_max, &worker->memory, error);
    if (status == WEIR_OK && options->memory_prefault)
        status = weir_memory_prefault(worker->memory, error);
    if (status != WEIR_OK) {
        weir_worker_close(worker);
        return weir_error_wrap(error, "the share of one worker in state.memory");
    }
    if (!open_tables(worker) || !open_heads(worker) ||
        weir_pipeline_open(&options->limits, &worker->pipeline) != WEIR_OK ||
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
    free(worker->heads);
    free(worker->inherited);
    free(worker->ends);
    free(worker->held);
    free(worker->partitions);
    free(worker);
}

/* ---- acknowledgements ------------------------------------------------------------------------------------- */

static void note_end(weir_worker *worker, const weir_ack *ack)
{
    if ((int)ack->output >= (int)WEIR_SPREAD_OUTPUT_COUNT || ack->offset < 0)
        return;
    int64_t *end = &worker->ends[(size_t)ack->output * (size_t)worker->partition_count + (size_t)ack->partition];
    *end = ack->offset >= *end ? ack->offset + 1 : *end;
}

/* An output given up after its lane was given away is the next owner's to produce again. */
static void hear(void *context, const weir_ack *ack)
{
    weir_worker *worker = context;
    note_end(worker, ack);
    weir_partition *partition = worker->partitions[ack->lane];
    if (!partition)
        return;
    weir_ledger_heard(&partition->ledger, ack);
    if (!ack->delivered)
        weir_worker_fail(worker, WEIR_TEMPORARY,
                         "%s partition %" PRId32 ": an output was not delivered in time; restart to resume from the "
                         "last committed offset",
                         weir_worker_topic(worker, partition), partition->number);
}

void weir_worker_take_acks(weir_worker *worker, int64_t wait_us)
{
    beat(worker);
    worker->options.port->ops->acks(worker->options.port, wait_us, hear, worker);
}

/* ---- a turn ----------------------------------------------------------------------------------------------- */

bool weir_partition_wants(const weir_partition *partition, int64_t offset)
{
    if (weir_sequence_of(partition->stage, offset) < partition->position)
        return false;
    weir_phase phase = weir_partition_phase(partition);
    return phase == WEIR_PHASE_REPLAYING || phase == WEIR_PHASE_LIVE || phase == WEIR_PHASE_BRAKED;
}

void weir_partition_advance(weir_partition *partition, int64_t position)
{
    partition->position = position;
    if (weir_partition_phase(partition) == WEIR_PHASE_REPLAYING && position >= partition->live_from)
        weir_partition_enter(partition, WEIR_PHASE_LIVE);
    if (partition->ledger.emitted.count > 0 && position >= partition->emitted_until)
        weir_emitted_clear(&partition->ledger.emitted);
}

typedef void process_run(weir_worker *worker, weir_partition *partition, const weir_record *records, size_t count);

/* Calls for each run of one lane's records: those of labels, or the others. */
static void for_each_run(weir_worker *worker, size_t record_count, bool labels, process_run *process)
{
    int32_t staged = weir_shape_staged_count(&worker->options.shape);
    for (size_t first = 0, end; first < record_count && !weir_worker_failed(worker); first = end) {
        int32_t lane = worker->records[first].lane;
        weir_check(lane >= 0 && lane < weir_shape_lane_count(&worker->options.shape));
        for (end = first + 1; end < record_count && worker->records[end].lane == lane;)
            end++;
        if (worker->partitions[lane] && (lane >= staged) == labels)
            process(worker, worker->partitions[lane], &worker->records[first], end - first);
    }
}

/* Labels first: events may be waiting for them. */
static void process(weir_worker *worker, size_t record_count)
{
    worker->received_wall_us = weir_clock_wall_us(worker->options.clock);
    if (worker->options.shape.has_labels)
        for_each_run(worker, record_count, true, weir_worker_take_labels);
    for_each_run(worker, record_count, false, weir_worker_process);
    for (size_t i = 0; i < worker->held_count && worker->stage_count > 1; i++)
        weir_worker_settle(worker, worker->partitions[worker->held[i]]);
    weir_metrics_record(worker->metrics, WEIR_METRIC_BATCH_SECONDS,
                        weir_clock_monotonic_us(worker->options.clock) - worker->received_us);
}

void weir_partition_publish(weir_partition *partition)
{
    int64_t acked = weir_ledger_acked_below(&partition->ledger, partition->position);
    atomic_store_explicit(&partition->published_position, weir_sequence_offset(partition->stage, partition->position),
                          memory_order_relaxed);
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

/* Where a commit would bring that: a record's entries are committed together. */
static int64_t committable_below(weir_partition *partition)
{
    int64_t acked = atomic_load_explicit(&partition->acked_below, memory_order_relaxed);
    return weir_sequence_of(partition->stage, weir_sequence_offset(partition->stage, acked));
}

/* A step for each batch that came, so that checkpoints keep up with a worker that is busy. */
static weir_status step_state(weir_worker *worker, weir_partition *partition, weir_error *error)
{
    int64_t durable = durable_below(partition), now_us = weir_clock_monotonic_us(worker->options.clock);
    weir_status status = WEIR_OK;
    for (size_t steps = 1 + worker->turn_events / WEIR_BATCH_MAX; steps > 0 && status == WEIR_OK; steps--)
        status = weir_state_step(partition->state, partition->position, durable, now_us, partition->event_clock_us,
                                 error);
    bool wants_commit = weir_state_is_held_up(partition->state, durable, committable_below(partition), now_us);
    atomic_store_explicit(&partition->wants_commit, wants_commit, memory_order_relaxed);
    return status;
}

static void tend(weir_worker *worker, weir_partition *partition)
{
    if (weir_partition_phase(partition) == WEIR_PHASE_OPEN)
        return;
    weir_partition_publish(partition);
    weir_worker_pass_milestones(worker, partition);
    weir_error error;
    weir_status status = step_state(worker, partition, &error);
    bool store_failing = status == WEIR_FULL || status == WEIR_IO;
    if (store_failing && !atomic_load_explicit(&partition->store_failing, memory_order_relaxed))
        weir_metrics_add(worker->metrics, WEIR_METRIC_COMMIT_FAILURES, 1); /* scoring goes on from RAM */
    atomic_store_explicit(&partition->store_failing, store_failing, memory_order_relaxed);
    if (store_failing)
        return;
    if (status != WEIR_OK)
        weir_worker_fail(worker, status, "%s partition %" PRId32 ": %s", weir_worker_topic(worker, partition),
                         partition->number, error.message);
}

void weir_worker_make_room(weir_worker *worker)
{
    for (size_t i = 0; i < worker->held_count && weir_memory_tight(worker->memory); i++)
        weir_metrics_add(worker->metrics, WEIR_METRIC_EVICTIONS,
                         weir_state_evict(worker->partitions[worker->held[i]]->state, EVICT_CARDS_PER_BATCH));
}

/* Whether memory is full and a checkpoint will make room. Otherwise what cannot be taken in ends the worker. */
static bool waits_for_room(const weir_worker *worker)
{
    bool dirty = false;
    if (!weir_memory_full(worker->memory))
        return false;
    for (size_t i = 0; i < worker->held_count && !dirty; i++) {
        weir_state_stats stats;
        weir_state_stats_read(worker->partitions[worker->held[i]]->state, &stats);
        dirty = stats.oldest_dirty_offset >= 0;
    }
    return dirty;
}

/* The back-pressure of a state that grows faster than it is written: no records until some of it can be evicted. */
static size_t poll_records(weir_worker *worker, int64_t wait_us)
{
    weir_port *port = worker->options.port;
    bool waits = waits_for_room(worker);
    if (waits &&
        (worker->full_told_us == 0 || worker->received_us - worker->full_told_us > FULL_TOLD_INTERVAL_US)) {
        worker->full_told_us = worker->received_us;
        weir_log(WEIR_LOG_WARN, "state_memory_full", weir_log_int("worker", (int64_t)worker->options.index),
                 weir_log_text("effect", "no records are taken until a checkpoint makes room; a larger state.memory "
                                         "avoids the wait"));
    }
    weir_metrics_add(worker->metrics, WEIR_METRIC_MEMORY_WAITS, waits);
    size_t record_count = port->ops->poll(port, worker->records, waits ? 0 : worker->poll_max, wait_us);
    if (waits)
        weir_worker_take_acks(worker, WEIR_ACK_WAIT_US);
    return record_count;
}

/* Whether anything but records decides over lanes: labels, or the pace of others. */
static bool is_steered(const weir_worker *worker)
{
    return worker->options.shape.has_labels || worker->options.limit_us;
}

/* Before a poll: labels whose time has come without an event, and which lanes are read. Returns how many wait for
 * others. */
static size_t steer(weir_worker *worker)
{
    size_t held = 0, waiting = 0;
    if (is_steered(worker))
        worker->received_wall_us = weir_clock_wall_us(worker->options.clock);
    for (size_t i = 0; i < worker->held_count && !weir_worker_failed(worker); i++) {
        weir_partition *partition = worker->partitions[worker->held[i]];
        weir_phase phase = weir_partition_phase(partition);
        if (phase == WEIR_PHASE_OPEN || phase == WEIR_PHASE_DRAINING)
            continue;
        if (partition->stage == 0 && is_steered(worker))
            weir_worker_settle_idle(worker, partition);
        weir_worker_align(worker, partition);
        held += partition->held;
        waiting += atomic_load_explicit(&partition->pace, memory_order_relaxed) == WEIR_PACE_HELD;
    }
    weir_metrics_set(worker->metrics, WEIR_METRIC_LANES_HELD, (double)held);
    return waiting;
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
    int64_t wait_us = steer(worker) == 0 ? worker->options.idle_wait_us : HELD_WAIT_US;
    size_t record_count = poll_records(worker, wait_us);
    worker->turn_events = 0;
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
    weir_worker_make_room(worker);
    if (worker->received_us - worker->gauged_us >= WEIR_US_PER_SECOND)
        show_gauges(worker);
    return record_count;
}
