/* What weir retains of one entity's events: every event of the last `horizon`, in time order.
 *
 *   weir_history ──> chunk ⇄ chunk ⇄ chunk        each holds up to 8 events (one cache line an event),
 *        │             └ events sorted by (time, arrival) within and across chunks
 *        └─────────> running: the edges and accumulators of the plan in force (core/plan.h);
 *                    rebuilt from the events whenever another plan is in force
 *
 * A history never truncates: a card with a million events in its horizon has them all, in 125,000
 * chunks. Retention is eager and exact: after every arrival the events with
 * time <= newest_time - horizon are gone, so what a feature sees depends on the order of arrival only.
 *
 * Memory comes from a slab (base/slab.h). A zeroed weir_history is empty and valid.
 * Thread: one at a time per history; a history and its slab belong to one worker.
 */
#ifndef WEIR_CORE_HISTORY_H
#define WEIR_CORE_HISTORY_H

#include "weir/base/slab.h"
#include "weir/core/event.h"

#include <stdbool.h>
#include <stddef.h>

enum { WEIR_CHUNK_EVENT_MAX = 8 };

typedef struct weir_chunk {
    struct weir_chunk *previous, *next;
    struct weir_chunk *labelled_previous, *labelled_next; /* on the history's list of labelled chunks, if on it */
    int64_t amount_minor_min, amount_minor_max; /* bounds over the chunk's events (may be wider after removals) */
    uint32_t id;        /* unique within the history, never reused: names the chunk in the store */
    uint8_t begin, end; /* events[begin..end) are retained; begin > 0 only in the first chunk */
    bool dirty;         /* changed since the store last took it */
    bool stored;        /* the store holds a version of it under its id */
    bool labelled;      /* holds, or has held, events known to be fraud; without it, it holds none */
    uint8_t padding[7];
    weir_event events[WEIR_CHUNK_EVENT_MAX];
} weir_chunk;

_Static_assert(sizeof(weir_chunk) == 64 + 64 * WEIR_CHUNK_EVENT_MAX, "a chunk is whole cache lines");

/* Whoever puts an event into a chunk notes it: the bounds are over all its events. (Labels are noted with the history,
 * which lists the chunks that have some.) */
static inline void weir_chunk_note(weir_chunk *chunk, const weir_event *event)
{
    if (event->amount_minor < chunk->amount_minor_min)
        chunk->amount_minor_min = event->amount_minor;
    if (event->amount_minor > chunk->amount_minor_max)
        chunk->amount_minor_max = event->amount_minor;
}

typedef struct weir_history {
    weir_chunk *first, *last;  /* NULL when empty */
    weir_chunk *labelled;      /* the chunks that have labelled set, in no order: few of many, as a rule */
    void *running;             /* the plan's state (src/core/running.h), NULL until a plan touches the history */
    int64_t newest_time_us;    /* largest event time that ever arrived; meaningful when event_count or arrivals > 0 */
    uint32_t event_count;      /* retained events */
    uint32_t next_chunk_id;
} weir_history;

/* A place in a history: the event at (chunk, index), or the end. */
typedef struct weir_history_cursor {
    weir_chunk *chunk;
    uint32_t index;
} weir_history_cursor;

/* The oldest retained event, or a cursor whose chunk is NULL. */
weir_history_cursor weir_history_begin(const weir_history *history);

/* The event at the cursor, which it then moves on; NULL at the end. */
const weir_event *weir_history_next(weir_history_cursor *cursor);

/* Appends an event that is not older than the newest retained one: how a stored record is loaded.
 * Does not look for duplicates, expire, or touch the running state (there must be none).
 * Fails: returns false when the slab cannot grow; the history is unchanged. */
bool weir_history_append(weir_history *history, weir_slab *slab, const weir_event *event);

/* Notes what labels the events of a chunk carry that has just been linked into the history with its events. */
void weir_history_note_labels(weir_history *history, weir_chunk *chunk);

/* Gives every block back (events and running state) and leaves the history empty. */
void weir_history_clear(weir_history *history, weir_slab *slab);

/* Gives only the running state back, in whatever plan's layout; it is rebuilt on the next touch. */
void weir_history_drop_running(weir_history *history, weir_slab *slab);

#endif
