#include "weir/emit/ledger.h"

#include "weir/base/check.h"

#include <stdlib.h>

enum { FIRST_CAPACITY = 64 };

static int64_t *slot(weir_ledger_queue *queue, uint32_t index)
{
    return &queue->offsets[(queue->head + index) & (queue->capacity - 1)];
}

static bool grow(weir_ledger_queue *queue)
{
    uint32_t capacity = queue->capacity ? queue->capacity * 2 : FIRST_CAPACITY;
    int64_t *offsets = malloc(capacity * sizeof *offsets);
    if (!offsets)
        return false;
    for (uint32_t i = 0; i < queue->count; i++)
        offsets[i] = *slot(queue, i);
    free(queue->offsets);
    *queue = (weir_ledger_queue){.offsets = offsets, .capacity = capacity, .count = queue->count};
    return true;
}

void weir_ledger_init(weir_ledger *ledger, const int64_t marks[WEIR_OUTPUT_COUNT])
{
    *ledger = (weir_ledger){0};
    memcpy(ledger->marks, marks, sizeof ledger->marks);
}

bool weir_ledger_may_emit(const weir_ledger *ledger, weir_output output, int64_t offset)
{
    return offset >= ledger->marks[output];
}

weir_status weir_ledger_reserve(weir_ledger *ledger, weir_output output)
{
    weir_ledger_queue *queue = &ledger->pending[output];
    if (queue->count == WEIR_LEDGER_PENDING_MAX)
        return WEIR_FULL;
    return queue->count < queue->capacity || grow(queue) ? WEIR_OK : WEIR_FULL;
}

void weir_ledger_sent(weir_ledger *ledger, weir_output output, int64_t offset)
{
    weir_ledger_queue *queue = &ledger->pending[output];
    weir_check(queue->count < queue->capacity);
    weir_check(output == WEIR_OUTPUT_HOPS || offset >= ledger->marks[output]); /* labels go on whatever the mark */
    weir_check(queue->count == 0 || *slot(queue, queue->count - 1) <= offset);
    queue->count++;
    *slot(queue, queue->count - 1) = offset;
}

/* The idempotent producer keeps order within a partition, so the acknowledged one is the oldest. One that is not
 * (a failed delivery amid others) is found by search and closed over. */
void weir_ledger_heard(weir_ledger *ledger, const weir_ack *ack)
{
    if (!ack->delivered)
        ledger->broken = true;
    weir_ledger_queue *queue = &ledger->pending[ack->output];
    uint32_t at = 0;
    while (at < queue->count && weir_ledger_life_marker(ledger, *slot(queue, at)) != ack->marker)
        at++;
    if (at == queue->count)
        return; /* of an earlier life of the partition */
    for (; at > 0; at--)
        *slot(queue, at) = *slot(queue, at - 1);
    queue->head = (queue->head + 1) & (queue->capacity - 1);
    queue->count--;
}

int64_t weir_ledger_acked_below(const weir_ledger *ledger, int64_t position)
{
    int64_t below = position;
    for (int output = 0; output < WEIR_OUTPUT_COUNT; output++) {
        const weir_ledger_queue *queue = &ledger->pending[output];
        if (queue->count && queue->offsets[queue->head] < below)
            below = queue->offsets[queue->head];
    }
    return below;
}

size_t weir_ledger_pending(const weir_ledger *ledger)
{
    size_t pending = 0;
    for (int output = 0; output < WEIR_OUTPUT_COUNT; output++)
        pending += ledger->pending[output].count;
    return pending;
}

void weir_ledger_deinit(weir_ledger *ledger)
{
    for (int output = 0; output < WEIR_OUTPUT_COUNT; output++)
        free(ledger->pending[output].offsets);
    weir_emitted_clear(&ledger->emitted);
    *ledger = (weir_ledger){0};
}
