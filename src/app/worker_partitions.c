#include "worker_internal.h"

#include "weir/base/check.h"

#include <inttypes.h>
#include <stdlib.h>

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
        store->ops->close(store);
        free(partition);
        return status;
    }
    partition->number = number;
    partition->event_clock_us = INT64_MIN;
    weir_brake_init(&partition->brake, worker->options.brake_window, worker->options.brake_share_max);
    weir_partition_enter(partition, WEIR_PHASE_OPEN);
    worker->partitions[number] = partition;
    worker->held[worker->held_count++] = number;
    return WEIR_OK;
}

void weir_worker_forget(weir_worker *worker, int32_t number)
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

void weir_worker_begin_partition(weir_worker *worker, int32_t number, int64_t position,
                                 const int64_t marks[WEIR_OUTPUT_COUNT], int64_t committed)
{
    weir_partition *partition = worker->partitions[number];
    weir_check(partition && weir_partition_phase(partition) == WEIR_PHASE_OPEN);
    weir_ledger_init(&partition->ledger, marks);
    partition->position = position;
    partition->live_from = position;
    for (int output = 0; output < WEIR_OUTPUT_COUNT; output++)
        if (marks[output] > partition->live_from)
            partition->live_from = marks[output];
    atomic_store(&partition->acked_below, position);
    atomic_store(&partition->published_position, position);
    atomic_store(&partition->committed_below, committed);
    weir_partition_enter(partition, partition->live_from > position ? WEIR_PHASE_REPLAYING : WEIR_PHASE_LIVE);
}

weir_status weir_worker_drain_partition(weir_worker *worker, int32_t number, int64_t timeout_us,
                                        int64_t *acked_below_out, weir_error *error)
{
    weir_partition *partition = worker->partitions[number];
    if (!partition)
        return weir_error_set(error, WEIR_NOT_FOUND, "partition %" PRId32 " is not held", number);
    weir_partition_enter(partition, WEIR_PHASE_DRAINING);
    int64_t deadline_us = weir_clock_monotonic_us(worker->options.clock) + timeout_us;
    while (weir_ledger_pending(&partition->ledger) > 0 && !weir_worker_failed(worker) &&
           weir_clock_monotonic_us(worker->options.clock) < deadline_us)
        weir_worker_take_acks(worker, WEIR_ACK_WAIT_US);
    if (weir_worker_failed(worker)) {
        *acked_below_out = atomic_load(&partition->acked_below);
        return weir_error_set(error, WEIR_TEMPORARY, "its worker has failed: %.400s", worker->failure.message);
    }
    weir_partition_publish(partition);
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
    bool begun = weir_partition_phase(partition) != WEIR_PHASE_OPEN;
    if (flush && begun && !weir_worker_failed(worker) && !partition->ledger.broken && committed >= partition->position)
        status = weir_state_flush(partition->state, partition->position, partition->position, error);
    weir_worker_forget(worker, number);
    return status;
}

void weir_worker_resume_partition(weir_worker *worker, int32_t number)
{
    weir_partition *partition = worker->partitions[number];
    if (!partition || weir_partition_phase(partition) != WEIR_PHASE_BRAKED)
        return;
    weir_brake_reset(&partition->brake);
    weir_partition_enter(partition, WEIR_PHASE_LIVE);
    worker->options.port->ops->pause(worker->options.port, number, false);
}

/* ---- what others look at ---- */

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
