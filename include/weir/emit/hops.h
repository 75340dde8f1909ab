/* Collects what one stage hands to the next, a record a target partition and batch.
 *
 *   begin (a batch of a lane) ─ add, add, ... ─ flush      every record is noted in the lane's ledger under the batch's
 *                                                          first sequence: nothing of the batch is committed before
 *                                                          all of it is acknowledged
 *
 * One a worker. Thread: the worker's.
 */
#ifndef WEIR_EMIT_HOPS_H
#define WEIR_EMIT_HOPS_H

#include "weir/broker/broker.h"
#include "weir/codec/hop.h"
#include "weir/emit/ledger.h"

/* Entries one record carries at most: their index is the low bits of a sequence beyond the first stage. */
enum { WEIR_HOP_ENTRY_BITS = 8, WEIR_HOP_ENTRY_MAX = 1 << WEIR_HOP_ENTRY_BITS };

typedef struct weir_hops weir_hops;

/* payload_size_max: of one transaction's record. Fails: WEIR_FULL without memory. */
WEIR_MUST_USE weir_status weir_hops_open(int32_t partition_count, size_t payload_size_max, uint32_t register_count_max,
                                         weir_port *port, weir_hops **hops_out);
void weir_hops_close(weir_hops *hops);

/* Begins a batch that a lane sends to `stage`. sequence: the batch's first. Expects: everything before is flushed. */
void weir_hops_begin(weir_hops *hops, weir_ledger *ledger, int32_t lane, size_t stage, const weir_hop_head *head,
                     int64_t sequence);

/* Adds an entry for a partition of that stage's topic; a full record goes at once. Fails: WEIR_FULL (take
 * acknowledgements and add it again), WEIR_FENCED, WEIR_IO, WEIR_INVALID (fatal for the worker). */
WEIR_MUST_USE weir_status weir_hops_add(weir_hops *hops, int32_t partition, const weir_hop_entry *entry);

/* Sends what is left of the batch. Fails as add: call again after WEIR_FULL. */
WEIR_MUST_USE weir_status weir_hops_flush(weir_hops *hops);

/* Records the producer has taken since open. */
uint64_t weir_hops_record_count(const weir_hops *hops);

#endif
