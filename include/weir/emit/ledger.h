/* What a lane has produced and not yet heard back about, and from where on it may produce at all. Offsets here are
 * places in the lane's own log: in the first stage the transaction's offset, behind it a hop's sequence.
 *
 *   offsets  ... 90 ─────── 101 ─────────────── 140 ──────────── 150
 *                 │  silent   │    emitted, acked  │ pending acks   │ position (next to process)
 *               replay_from  mark              acked_below
 *
 * The *mark* of an output is the first source offset that may be emitted to it: everything before was emitted by an
 * earlier life of this partition. *acked_below* is the barrier for checkpoints and commits: every output caused by an
 * offset below it has been acknowledged by the broker. A delivery that is given up breaks the ledger for good:
 * nothing after it may be committed.
 *
 * Thread: the lane's worker.
 */
#ifndef WEIR_EMIT_LEDGER_H
#define WEIR_EMIT_LEDGER_H

#include "weir/broker/broker.h"
#include "weir/emit/emitted.h"

enum { WEIR_LEDGER_PENDING_MAX = 1 << 16 };

typedef struct weir_ledger_queue { /* pending source offsets of one output, oldest first */
    int64_t *offsets;              /* ring of `capacity` (a power of two), grown from the heap up to the maximum */
    uint32_t capacity, head, count;
} weir_ledger_queue;

typedef struct weir_ledger {
    int64_t marks[WEIR_OUTPUT_COUNT];
    weir_ledger_queue pending[WEIR_OUTPUT_COUNT];
    weir_emitted emitted; /* behind the marks, these were sent all the same */
    bool broken;
    uint32_t life; /* tells its acknowledgements from those of earlier lives of the lane in this worker; 0 after init */
} weir_ledger;

/* Begins with nothing pending and the given marks. */
void weir_ledger_init(weir_ledger *ledger, const int64_t marks[WEIR_OUTPUT_COUNT]);

/* Whether an output caused by `offset` is this life's to emit. */
bool weir_ledger_may_emit(const weir_ledger *ledger, weir_output output, int64_t offset);

/* Makes room to note one more record, so that what the producer has taken is never left out.
 * Fails: WEIR_FULL at WEIR_LEDGER_PENDING_MAX (take acks first) or without memory. */
WEIR_MUST_USE weir_status weir_ledger_reserve(weir_ledger *ledger, weir_output output);

/* What an outgoing record carries so that its acknowledgement is told from others: the offset's low bits. */
static inline int64_t weir_ledger_marker(int64_t offset)
{
    return offset & WEIR_MARKER_MAX;
}

/* The same in one life of a lane: a lane that was lost and came back produces again from the same offsets, while what
 * it had produced before is still under way and acknowledged. */
static inline int64_t weir_ledger_life_marker(const weir_ledger *ledger, int64_t offset)
{
    enum { LIFE_SHIFT = 40, LIFE_MASK = 0x7f };
    return weir_ledger_marker(offset) ^ (int64_t)(ledger->life & LIFE_MASK) << LIFE_SHIFT;
}

/* Notes one record handed to the producer. Offsets of one output never go down.
 * Expects: room, by weir_ledger_reserve (checked). */
void weir_ledger_sent(weir_ledger *ledger, weir_output output, int64_t offset);

/* Notes one acknowledgement. An undelivered one breaks the ledger. */
void weir_ledger_heard(weir_ledger *ledger, const weir_ack *ack);

/* The barrier: the oldest pending source offset, or `position` when nothing is pending. */
int64_t weir_ledger_acked_below(const weir_ledger *ledger, int64_t position);

/* How many records are pending, all outputs together. */
size_t weir_ledger_pending(const weir_ledger *ledger);

/* Frees the rings. */
void weir_ledger_deinit(weir_ledger *ledger);

#endif
