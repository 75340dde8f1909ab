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

const weir_event *weir_history_next_labelled(weir_history_cursor *cursor)
{
    weir_history_settle(cursor);
    while (cursor->chunk && !cursor->chunk->labelled && cursor->chunk->next) {
        cursor->chunk = cursor->chunk->next;
        cursor->index = cursor->chunk->begin;
    }
    return cursor->chunk && cursor->chunk->labelled ? weir_history_next(cursor) : NULL;
}

static void recompute_bounds(weir_chunk *chunk)
{
    chunk->amount_minor_min = INT64_MAX;
    chunk->amount_minor_max = INT64_MIN;
    for (unsigned i = chunk->begin; i < chunk->end; i++)
        weir_chunk_note(chunk, &chunk->events[i]);
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
    recompute_bounds(from);
    recompute_bounds(to);
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
    weir_history_insertion insertion = {0};
    if (!make_room(history, slab, &place, &insertion))
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
    if (history->event_count == 0 || event->time_us > history->newest_time_us)
        history->newest_time_us = event->time_us;
    history->event_count++;
    insertion.place = place;
    *insertion_out = insertion;
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
        weir_running_give(history->running, history->running_size, slab);
    history->running = NULL;
    history->running_plan = 0;
    history->running_size = 0;
}

void weir_history_clear(weir_history *history, weir_slab *slab)
{
    weir_history_drop_running(history, slab);
    while (history->first)
        unlink_chunk(history, slab, history->first);
    *history = (weir_history){0};
}
