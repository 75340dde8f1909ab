#include "worker_internal.h"

#include "weir/base/check.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- opening ---- */

static void free_partition(weir_partition *partition)
{
    weir_hops_close(partition->hops);
    weir_ledger_deinit(&partition->ledger);
    weir_label_inbox_deinit(&partition->labels);
    free(partition->ends_ahead.ends);
    free(partition->ends_passed.ends);
    free(partition->sources);
    free(partition->label_sources);
    free(partition);
}

/* What the stage hands on: the registers of all stages up to it. */
static weir_status open_hops(const weir_worker *worker, weir_partition *partition)
{
    if (weir_worker_is_last(worker, partition))
        return WEIR_OK;
    weir_hops_options options = {.port = worker->options.port,
                                 .ledger = &partition->ledger,
                                 .lane = partition->lane,
                                 .stage = partition->stage + 1,
                                 .partition_count = worker->partition_count,
                                 .head = worker->heads[partition->stage]};
    options.head.source_partition = partition->number;
    return weir_hops_open(&options, &partition->hops);
}

static weir_partition *make_partition(const weir_worker *worker, int32_t lane)
{
    weir_partition *partition = calloc(1, sizeof *partition);
    if (!partition)
        return NULL;
    size_t partition_count = (size_t)worker->partition_count;
    partition->lane = lane;
    partition->stage = (size_t)lane / partition_count;
    partition->number = lane % worker->partition_count;
    partition->label_lane = weir_shape_label_lane(&worker->options.shape, lane);
    partition->event_clock_us = partition->waiting_us = INT64_MIN;
    partition->labels_next_us = INT64_MAX;
    partition->labels_newest_us = INT64_MIN;
    atomic_store(&partition->clock_us, INT64_MIN);
    atomic_store(&partition->pace, WEIR_PACE_BEHIND);
    weir_brake_init(&partition->brake, worker->options.brake_window, worker->options.brake_share_max);
    partition->through = -1;
    if (open_hops(worker, partition) != WEIR_OK) {
        free_partition(partition);
        return NULL;
    }
    if (partition->stage == 0)
        return partition;
    partition->source_count = (uint32_t)partition_count;
    partition->label_sources = malloc(partition_count * sizeof *partition->label_sources);
    partition->sources = malloc(partition->source_count * sizeof *partition->sources);
    bool spreads = weir_worker_is_last(worker, partition);
    if (spreads) {
        partition->ends_ahead.ends = calloc(WEIR_SPREAD_OUTPUT_COUNT * partition_count, sizeof(int64_t));
        partition->ends_passed.ends = calloc(WEIR_SPREAD_OUTPUT_COUNT * partition_count, sizeof(int64_t));
    }
    if (!partition->sources || !partition->label_sources ||
        (spreads && (!partition->ends_ahead.ends || !partition->ends_passed.ends))) {
        free_partition(partition);
        return NULL;
    }
    for (uint32_t i = 0; i < partition->source_count; i++) {
        partition->sources[i] = -1;
        partition->label_sources[i] = weir_seen_none();
    }
    return partition;
}

/* A lane holds up to two batches of a checkpoint, and one process may come to hold all lanes: together they keep to a
 * bound, however many there are. */
static size_t batch_size_max(const weir_worker *worker)
{
    enum { BATCHES_SIZE_MAX = 32 << 20, LEAST = 128 << 10 };
    size_t share = BATCHES_SIZE_MAX / 2 / (size_t)weir_shape_staged_count(&worker->options.shape);
    size_t asked = worker->options.state.batch_size_max;
    return asked < share ? asked : share > LEAST ? share : LEAST;
}

static weir_status open_state(weir_worker *worker, weir_partition *partition, int64_t *replay_from_out,
                              int64_t *labels_from_out, weir_error *error)
{
    const char *topic = weir_worker_topic(worker, partition);
    weir_store *store;
    weir_status status =
        worker->options.open_store(worker->options.open_store_context, topic, partition->number, &store, error);
    if (status != WEIR_OK)
        return status;
    weir_state_options options = worker->options.state;
    options.batch_size_max = batch_size_max(worker);
    options.identity.partition = partition->number;
    snprintf(options.identity.topic, sizeof options.identity.topic, "%s", topic);
    snprintf(options.identity.entity, sizeof options.identity.entity, "%s",
             weir_entity_kind_name(weir_plan_stage_entity(weir_ruleset_plan(worker->ruleset), partition->stage)));
    options.identity.horizon_us = weir_plan_retention_us(weir_ruleset_plan(worker->ruleset), partition->stage);
    options.note = weir_checkpoint_note_write;
    options.note_context = partition;
    status = weir_state_open(store, worker->memory, worker->options.committer, &options, &partition->state,
                             replay_from_out, error);
    if (status != WEIR_OK) {
        store->ops->close(store);
        return status;
    }
    if (weir_checkpoint_note_read(partition, weir_state_note(partition->state), labels_from_out))
        return WEIR_OK;
    weir_state_close(partition->state);
    return weir_error_set(error, WEIR_UNSUPPORTED,
                          "the state of %s partition %" PRId32 " was written by a newer weir, or for another number of "
                          "partitions: run that one, or move the directory away to rebuild the state from the topic",
                          topic, partition->number);
}

weir_status weir_worker_open_partition(weir_worker *worker, int32_t lane, int64_t *replay_from_out,
                                       int64_t *labels_from_out, weir_error *error)
{
    weir_check(lane >= 0 && lane < weir_shape_staged_count(&worker->options.shape) && !worker->partitions[lane]);
    weir_partition *partition = make_partition(worker, lane);
    if (!partition)
        return weir_error_set(error, WEIR_FULL, "no memory for another partition");
    weir_status status = open_state(worker, partition, replay_from_out, labels_from_out, error);
    if (status != WEIR_OK) {
        free_partition(partition);
        return status;
    }
    weir_partition_enter(partition, WEIR_PHASE_OPEN);
    worker->partitions[lane] = partition;
    if (partition->label_lane >= 0)
        worker->partitions[partition->label_lane] = partition;
    worker->held[worker->held_count++] = lane;
    return WEIR_OK;
}

void weir_worker_forget(weir_worker *worker, int32_t lane)
{
    weir_partition *partition = worker->partitions[lane];
    weir_state_close(partition->state);
    if (partition->stage == 0 && worker->options.nearby)
        weir_nearby_note(worker->options.nearby, lane, INT64_MAX);
    worker->partitions[lane] = NULL;
    if (partition->label_lane >= 0)
        worker->partitions[partition->label_lane] = NULL;
    size_t at = 0;
    while (worker->held[at] != lane)
        at++;
    worker->held[at] = worker->held[--worker->held_count];
    free_partition(partition);
}

/* ---- beginning ---- */

/* An end is where what this life emits comes behind: at first that of the log, then what was acknowledged. Until
 * what an earlier life may have emitted is behind the lane, a note has to lead back to that. */
static void begin_ends(weir_worker *worker, weir_partition *partition, const int64_t *ends, const int64_t *starts)
{
    size_t count = WEIR_SPREAD_OUTPUT_COUNT * (size_t)worker->partition_count;
    if (!partition->ends_passed.ends)
        return;
    weir_check(ends);
    for (size_t i = 0; i < count; i++)
        worker->ends[i] = ends[i] > worker->ends[i] ? ends[i] : worker->ends[i];
    memcpy(partition->ends_passed.ends, starts ? starts : ends, count * sizeof *ends);
    memcpy(partition->ends_ahead.ends, ends, count * sizeof *ends);
    partition->ends_passed.position = partition->position;
    partition->ends_ahead.position =
        partition->emitted_until > partition->position ? partition->emitted_until : partition->position;
}

void weir_worker_begin_partition(weir_worker *worker, int32_t lane, const weir_beginning *beginning)
{
    weir_partition *partition = worker->partitions[lane];
    weir_check(partition && weir_partition_phase(partition) == WEIR_PHASE_OPEN);
    size_t stage = partition->stage;
    int64_t marks[WEIR_OUTPUT_COUNT];
    partition->position = partition->live_from = weir_sequence_of(stage, beginning->position);
    for (int output = 0; output < WEIR_OUTPUT_COUNT; output++) {
        marks[output] = weir_sequence_of(stage, beginning->marks[output]);
        if (marks[output] > partition->live_from)
            partition->live_from = marks[output];
    }
    weir_ledger_init(&partition->ledger, marks);
    partition->ledger.life = ++worker->lives;
    if (beginning->emitted)
        partition->ledger.emitted = *beginning->emitted;
    partition->emitted_until = weir_sequence_of(stage, beginning->log_end);
    begin_ends(worker, partition, beginning->ends, beginning->starts);
    weir_label_inbox_init(&partition->labels, beginning->labels_from);
    atomic_store(&partition->acked_below, partition->position);
    atomic_store(&partition->published_position, beginning->position);
    atomic_store(&partition->committed_below, weir_sequence_of(stage, beginning->committed));
    weir_partition_enter(partition,
                         partition->live_from > partition->position ? WEIR_PHASE_REPLAYING : WEIR_PHASE_LIVE);
}

/* ---- ending ---- */

weir_status weir_worker_drain_partition(weir_worker *worker, int32_t lane, int64_t timeout_us, weir_error *error)
{
    weir_partition *partition = worker->partitions[lane];
    if (!partition)
        return weir_error_set(error, WEIR_NOT_FOUND, "lane %" PRId32 " is not held", lane);
    weir_partition_enter(partition, WEIR_PHASE_DRAINING);
    int64_t deadline_us = weir_clock_monotonic_us(worker->options.clock) + timeout_us;
    while (weir_ledger_pending(&partition->ledger) > 0 && !weir_worker_failed(worker) &&
           weir_clock_monotonic_us(worker->options.clock) < deadline_us)
        weir_worker_take_acks(worker, WEIR_ACK_WAIT_US);
    if (weir_worker_failed(worker))
        return weir_error_set(error, WEIR_TEMPORARY, "its worker has failed: %.400s", worker->failure.message);
    weir_partition_publish(partition);
    if (partition->ledger.broken || atomic_load(&partition->acked_below) < partition->position)
        return weir_error_set(error, WEIR_TEMPORARY,
                              "%s partition %" PRId32 ": %zu outputs were not acknowledged in time; they will be "
                              "produced again by whoever takes the partition over",
                              weir_worker_topic(worker, partition), partition->number,
                              weir_ledger_pending(&partition->ledger));
    return WEIR_OK;
}

weir_status weir_worker_close_partition(weir_worker *worker, int32_t lane, bool flush, int64_t committed,
                                        weir_error *error)
{
    weir_partition *partition = worker->partitions[lane];
    if (!partition)
        return WEIR_OK;
    weir_status status = WEIR_OK;
    bool begun = weir_partition_phase(partition) != WEIR_PHASE_OPEN;
    if (flush && begun && !weir_worker_failed(worker) && !partition->ledger.broken &&
        weir_ledger_pending(&partition->ledger) == 0 &&
        weir_sequence_of(partition->stage, committed) >= partition->position)
        status = weir_state_flush(partition->state, partition->position, partition->position, error);
    weir_worker_forget(worker, lane);
    return status;
}

void weir_worker_resume_partition(weir_worker *worker, int32_t lane)
{
    weir_partition *partition = worker->partitions[lane];
    if (!partition || weir_partition_phase(partition) != WEIR_PHASE_BRAKED)
        return;
    weir_brake_reset(&partition->brake);
    weir_partition_enter(partition, WEIR_PHASE_LIVE);
    weir_worker_align(worker, partition);
}

/* ---- what others look at ---- */

const weir_partition *weir_worker_partition(const weir_worker *worker, int32_t lane)
{
    return worker->partitions[lane];
}

void weir_worker_committed(weir_worker *worker, int32_t lane, int64_t committed)
{
    weir_partition *partition = worker->partitions[lane];
    if (partition)
        atomic_store_explicit(&partition->committed_below, weir_sequence_of(partition->stage, committed),
                              memory_order_relaxed);
}

int64_t weir_worker_beat_us(const weir_worker *worker)
{
    return atomic_load_explicit(&worker->beat_us, memory_order_relaxed);
}

size_t weir_worker_index(const weir_worker *worker)
{
    return worker->options.index;
}

weir_status weir_worker_failure(const weir_worker *worker, weir_error *error_out)
{
    if (!weir_worker_failed(worker))
        return WEIR_OK;
    *error_out = worker->failure;
    return worker->failure.status;
}
