/* Collects what a lane hands to the next stage, a record a target partition and batch.
 *
 *   begin ─ add, add, ... ─ flush      every record is noted in the lane's ledger under the batch's first sequence:
 *                                      nothing of the batch is committed before all of it is acknowledged
 *
 * One a lane, so that the batches of several lanes may fill side by side and go out together: a broker's work is by the
 * request, and a request takes all that there is for a partition. A lane keeps half a MiB at most for its next records.
 * Thread: the worker's.
 */
#ifndef WEIR_EMIT_HOPS_H
#define WEIR_EMIT_HOPS_H

#include "weir/broker/broker.h"
#include "weir/codec/hop.h"
#include "weir/emit/ledger.h"

/* Entries one record carries at most: their index is the low bits of a sequence beyond the first stage. */
enum { WEIR_HOP_ENTRY_BITS = 8, WEIR_HOP_ENTRY_MAX = 1 << WEIR_HOP_ENTRY_BITS };

typedef struct weir_hops weir_hops;

typedef struct weir_hops_options {
    weir_port *port;
    weir_ledger *ledger;     /* of the lane; borrowed, like the port, until close */
    int32_t lane;            /* that hands on ... */
    size_t stage;            /* ... to this stage's topic, ... */
    int32_t partition_count; /* ... which has so many partitions */
    weir_hop_head head;      /* of every record; what entries are differences from is the batch's, whatever is given */
} weir_hops_options;

/* Fails: WEIR_FULL without memory. */
WEIR_MUST_USE weir_status weir_hops_open(const weir_hops_options *options, weir_hops **hops_out);
void weir_hops_close(weir_hops *hops);

/* Begins a batch. sequence: what its records are noted under, the first of its entries' or less. like: one of its
 * events, or NULL. Does nothing while a batch is begun and not flushed: what comes belongs to it. */
void weir_hops_begin(weir_hops *hops, int64_t sequence, const weir_event *like);
/* Whether a batch is begun and not flushed. */
bool weir_hops_begun(const weir_hops *hops);

/* Adds an entry for a partition of that stage's topic; a full record goes at once. Fails: WEIR_FULL (take
 * acknowledgements and add it again), WEIR_FENCED, WEIR_IO, WEIR_INVALID (fatal for the worker). */
WEIR_MUST_USE weir_status weir_hops_add(weir_hops *hops, int32_t partition, const weir_hop_entry *entry);

/* Sends what is left of the batch, and ends it. Fails as add: call again after WEIR_FULL. */
WEIR_MUST_USE weir_status weir_hops_flush(weir_hops *hops);

/* Records the producer has taken since open. */
uint64_t weir_hops_record_count(const weir_hops *hops);

#endif
