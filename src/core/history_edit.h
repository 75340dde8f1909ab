/* Changing a history in place, for the plan's machinery (src/core/gather.c). */
#ifndef WEIR_SRC_CORE_HISTORY_EDIT_H
#define WEIR_SRC_CORE_HISTORY_EDIT_H

#include "weir/core/history.h"

/* Where an inserted event ended up, and what that did to other cursors: events at index >= split_at of
 * split_from moved to split_to, beginning at index 0 (split_to is NULL when no chunk was split). Cursors
 * behind the new event in its own chunk have moved up by one. */
typedef struct weir_history_insertion {
    weir_history_cursor place;
    weir_chunk *split_from, *split_to;
    uint32_t split_at;
} weir_history_insertion;

/* Puts `event` before the event at `place` (the end included; chunk NULL only in an empty history).
 * Expects: place keeps the time order.
 * Fails: returns false when the slab cannot grow; the history is unchanged. Cost: moves at most 8 events. */
bool weir_history_insert(weir_history *history, weir_slab *slab, weir_history_cursor place, const weir_event *event,
                         weir_history_insertion *insertion_out);

/* Every event of the chunks that hold labelled ones, chunk by chunk in no order: cost goes with the labels, not with
 * the events. Begin with weir_history_begin_labelled; NULL at the end. */
weir_history_cursor weir_history_begin_labelled(const weir_history *history);
const weir_event *weir_history_next_labelled(weir_history_cursor *cursor);

/* An event of the chunk is known to be fraud. */
void weir_history_mark_labelled(weir_history *history, weir_chunk *chunk);

/* Drops the `count` oldest events and the chunks they leave empty. */
void weir_history_drop_oldest(weir_history *history, weir_slab *slab, uint32_t count);

/* Moves the cursor onto the next chunk if it stands at the end of one that has a next. */
static inline void weir_history_settle(weir_history_cursor *cursor)
{
    if (cursor->chunk && cursor->index == cursor->chunk->end && cursor->chunk->next) {
        cursor->chunk = cursor->chunk->next;
        cursor->index = cursor->chunk->begin;
    }
}

/* The event at a settled cursor, NULL at the end. */
static inline const weir_event *weir_history_peek(const weir_history_cursor *cursor)
{
    return cursor->chunk && cursor->index < cursor->chunk->end ? &cursor->chunk->events[cursor->index] : NULL;
}

/* Moves a cursor that stands before an event behind it, settled: the event it then stands before, NULL at the end. */
static inline const weir_event *weir_history_pass(weir_history_cursor *cursor)
{
    if (++cursor->index < cursor->chunk->end)
        return &cursor->chunk->events[cursor->index];
    if (!cursor->chunk->next)
        return NULL;
    cursor->chunk = cursor->chunk->next;
    cursor->index = cursor->chunk->begin;
    return &cursor->chunk->events[cursor->index];
}

/* The event before the cursor, which it then moves onto; NULL at the beginning. */
static inline const weir_event *weir_history_back(weir_history_cursor *cursor)
{
    if (!cursor->chunk)
        return NULL;
    if (cursor->index == cursor->chunk->begin) {
        if (!cursor->chunk->previous)
            return NULL;
        cursor->chunk = cursor->chunk->previous;
        cursor->index = cursor->chunk->end;
    }
    return &cursor->chunk->events[--cursor->index];
}

#endif
