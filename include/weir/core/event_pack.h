/* One event packed into at most WEIR_EVENT_PACKED_MAX bytes, as a difference from the event before it.
 *
 *   u16 head:  bit 0..10   which fields differ from the previous event and so follow (FIELDS in event_pack.c)
 *              bit 11..13  bytes of the time difference, less one
 *              bit 14..15  bytes of the zigzag amount: 1, 2, 3 or 6
 *   then the time difference, the amount, and the fields named in the head, little-endian.
 *
 * A typical event of a card takes 30 to 40 bytes: the transaction, merchant and terminal hashes are 6 each and do
 * not compress. What is stored (state/record.h) and what travels (codec/hop.h) is made of it: the format is part of
 * WEIR_RECORD_VERSION and of the hop's version. No heap, no globals.
 */
#ifndef WEIR_CORE_EVENT_PACK_H
#define WEIR_CORE_EVENT_PACK_H

#include "weir/base/cursor.h"
#include "weir/core/event.h"

enum {
    WEIR_EVENT_PACKED_MAX = 66,
    WEIR_EVENT_PACKED_SLACK = 8 /* bytes past the end that packing may scribble over */
};

/* The event "before" the first one of a record: everything absent, at `base_time_us`. */
weir_event weir_event_pack_origin(int64_t base_time_us);

/* Writes `count` events at `at` and returns the first byte after them. `previous` is the event before them.
 * Expects: count * WEIR_EVENT_PACKED_MAX + WEIR_EVENT_PACKED_SLACK writable bytes; events in time order. */
uint8_t *weir_event_pack(uint8_t *at, const weir_event *previous, const weir_event *events, size_t count);

/* Reads one event; the reader fails when the bytes end early. Amount and identifiers come back bit for bit. */
weir_event weir_event_unpack(weir_reader *reader, const weir_event *previous);

#endif
