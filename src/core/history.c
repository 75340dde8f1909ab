#include "weir/core/history.h"

#include "core/history_edit.h"
#include "core/running.h"
#include "weir/base/check.h"

#include <string.h>

weir_history_cursor weir_history_begin(const weir_history *history)
{
    return (weir_history_cursor){.chunk = history->first, .index = history->first ? history->first->begin : 0};
}

const weir_event *weir_history_next(weir_history_cursor *cursor)
{
    weir_history_settle(cursor);
    const weir_event *event = weir_history_peek(cursor);
    if (event)
        cursor->index++;
    return event;
}

/* ---- labelled chunks ---- */

static weir_history_cursor labelled_cursor(weir_chunk *chunk)
{
    return (weir_history_cursor){.chunk = chunk, .index = chunk ? chunk->begin : 0};
}

weir_history_cursor weir_history_begin_labelled(const weir_history *history)
{
    return labelled_cursor(history->labelled);
}

const weir_event *weir_history_next_labelled(weir_history_cursor *cursor)
{
    if (cursor->chunk && cursor->index == cursor->chunk->end)
        *cursor = labelled_cursor(cursor->chunk->labelled_next);
    return cursor->chunk ? &cursor->chunk->events[cursor->index++] : NULL;
}

void weir_history_mark_labelled(weir_history *history, weir_chunk *chunk)
{
    if (chunk->labelled)
        return;
    chunk->labelled = true;
    chunk->labelled_previous = NULL;
    chunk->labelled_next = history->labelled;
    if (history->labelled)
        history->labelled->labelled_previous = chunk;
    history->labelled = chunk;
}

static void unmark_labelled(weir_history *history, weir_chunk *chunk)
{
    if (!chunk->labelled)
        return;
    chunk->labelled = false;
    *(chunk->labelled_previous ? &chunk->labelled_previous->labelled_next : &history->labelled) = chunk->labelled_next;
    if (chunk->labelled_next)
        chunk->labelled_next->labelled_previous = chunk->labelled_previous;
}

static bool is_labelled(const weir_event *event)
{
    return event->label_delay_us != WEIR_LABEL_NONE;
}

void weir_history_note_labels(weir_history *history, weir_chunk *chunk)
{
    bool any = false;
    for (unsigned i = chunk->begin; i < chunk->end; i++)
        any |= is_labelled(&chunk->events[i]);
    if (any)
        weir_history_mark_labelled(history, chunk);
    else
        unmark_labelled(history, chunk);
}

/* ---- chunks ---- */

static void recompute_notes(weir_history *history, weir_chunk *chunk)
{
    chunk->amount_minor_min = INT64_MAX;
    chunk->amount_minor_max = INT64_MIN;
    for (unsigned i = chunk->begin; i < chunk->end; i++)
        weir_chunk_note(chunk, &chunk->events[i]);
    weir_history_note_labels(history, chunk);
}

/* A new empty chunk after `previous` (NULL: at the front). */
static weir_chunk *link_chunk(weir_history *history, weir_slab *slab, weir_chunk *previous)
{
    weir_chunk *chunk = weir_slab_take(slab, sizeof *chunk);
    if (!chunk)
        return NULL;
    memset(chunk, 0, offsetof(weir_chunk, events));
    chunk->previous = previous;
    chunk->next = previous ? previous->next : history->first;
    *(chunk->previous ? &chunk->previous->next : &history->first) = chunk;
    *(chunk->next ? &chunk->next->previous : &history->last) = chunk;
    chunk->amount_minor_min = INT64_MAX;
    chunk->amount_minor_max = INT64_MIN;
    chunk->id = history->next_chunk_id++;
    return chunk;
}

static void unlink_chunk(weir_history *history, weir_slab *slab, weir_chunk *chunk)
{
    unmark_labelled(history, chunk);
    *(chunk->previous ? &chunk->previous->next : &history->first) = chunk->next;
    *(chunk->next ? &chunk->next->previous : &history->last) = chunk->previous;
    weir_slab_give(slab, chunk, sizeof *chunk);
}

/* Makes two chunks of a full one so that `place` has room; `place` follows its event. */
static bool split(weir_history *history, weir_slab *slab, weir_history_cursor *place, weir_history_insertion *insertion)
{
    weir_chunk *from = place->chunk;
    weir_chunk *to = link_chunk(history, slab, from);
    if (!to)
        return false;
    unsigned at = ((unsigned)from->begin + from->end + 1) / 2;
    to->end = (uint8_t)(from->end - at);
    memcpy(to->events, from->events + at, to->end * sizeof *to->events);
    from->end = (uint8_t)at;
    recompute_notes(history, from);
    recompute_notes(history, to);
    from->dirty = to->dirty = true;
    insertion->split_from = from;
    insertion->split_to = to;
    insertion->split_at = at;
    if (place->index > at)
        *place = (weir_history_cursor){.chunk = to, .index = place->index - at};
    return true;
}

/* Chooses where there is room for an event before `place`, making some if there is none. */
static bool make_room(weir_history *history, weir_slab *slab, weir_history_cursor *place,
                      weir_history_insertion *insertion)
{
    weir_chunk *chunk = place->chunk;
    if (!chunk || (place->index == WEIR_CHUNK_EVENT_MAX && !chunk->next)) {
        weir_check(chunk == history->last);
        chunk = link_chunk(history, slab, chunk);
        *place = (weir_history_cursor){.chunk = chunk};
        return chunk != NULL;
    }
    if (place->index == WEIR_CHUNK_EVENT_MAX)
        weir_history_settle(place);
    else if (place->index == chunk->begin && chunk->previous &&
             chunk->previous->end < WEIR_CHUNK_EVENT_MAX)
        *place = (weir_history_cursor){.chunk = chunk->previous, .index = chunk->previous->end};
    chunk = place->chunk;
    bool room_before = place->index == chunk->begin && chunk->begin > 0;
    return room_before || chunk->end < WEIR_CHUNK_EVENT_MAX || split(history, slab, place, insertion);
}

bool weir_history_insert(weir_history *history, weir_slab *slab, weir_history_cursor place, const weir_event *event,
                         weir_history_insertion *insertion_out)
{
    insertion_out->split_from = insertion_out->split_to = NULL;
    insertion_out->split_at = 0;
    if (!make_room(history, slab, &place, insertion_out))
        return false;
    weir_chunk *chunk = place.chunk;
    weir_check(place.index >= chunk->begin && place.index <= chunk->end);
    if (place.index == chunk->begin && chunk->begin > 0) {
        place.index--;
        chunk->begin--;
    } else {
        weir_event *slot = &chunk->events[place.index];
        memmove(slot + 1, slot, (chunk->end - place.index) * sizeof *slot);
        chunk->end++;
    }
    chunk->events[place.index] = *event;
    chunk->dirty = true;
    weir_chunk_note(chunk, event);
    if (is_labelled(event))
        weir_history_mark_labelled(history, chunk);
    if (history->event_count == 0 || event->time_us > history->newest_time_us)
        history->newest_time_us = event->time_us;
    history->event_count++;
    insertion_out->place = place;
    return true;
}

bool weir_history_append(weir_history *history, weir_slab *slab, const weir_event *event)
{
    weir_check(!history->running);
    weir_check(history->event_count == 0 || event->time_us >= history->newest_time_us);
    weir_history_cursor end = {.chunk = history->last, .index = history->last ? history->last->end : 0};
    weir_history_insertion ignored;
    return weir_history_insert(history, slab, end, event, &ignored);
}

void weir_history_drop_oldest(weir_history *history, weir_slab *slab, uint32_t count)
{
    weir_check(count <= history->event_count);
    history->event_count -= count;
    while (count > 0) {
        weir_chunk *first = history->first;
        uint32_t held = (uint32_t)(first->end - first->begin);
        if (count < held) {
            first->begin = (uint8_t)(first->begin + count);
            first->dirty = true;
            return;
        }
        count -= held;
        unlink_chunk(history, slab, first);
    }
}

void weir_history_drop_running(weir_history *history, weir_slab *slab)
{
    if (history->running)
        weir_running_give(history->running, slab);
    history->running = NULL;
}

void weir_history_clear(weir_history *history, weir_slab *slab)
{
    weir_history_drop_running(history, slab);
    while (history->first)
        unlink_chunk(history, slab, history->first);
    *history = (weir_history){0};
}
