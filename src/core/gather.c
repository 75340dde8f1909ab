/* One event folded into one history, and what the plan wants to know about it. */
#include "core/plan_internal.h"

#include "weir/base/check.h"
#include "weir/base/prefetch.h"

#include <math.h>

static weir_run begin_run(const weir_plan *plan, size_t stage, weir_history *history, weir_slab *slab,
                          const weir_event *event)
{
    weir_check(stage < plan->stage_count);
    weir_check(event->time_us >= -WEIR_TIME_US_MAX && event->time_us <= WEIR_TIME_US_MAX);
    return (weir_run){.stage = &plan->stages[stage], .history = history, .slab = slab, .event = event,
                      .minor_per_major = weir_field_minor_per_major(event)};
}

static weir_arrival arrival_of(const weir_history *history, int64_t time_us, int64_t retention_us)
{
    if (history->event_count == 0 || time_us >= history->newest_time_us)
        return WEIR_ARRIVAL_APPENDED;
    return time_us > history->newest_time_us - retention_us ? WEIR_ARRIVAL_LATE : WEIR_ARRIVAL_EXPIRED;
}

/* Whether a retained event has this transaction and time. Edge 0 stands behind all events of that time. */
static bool is_duplicate(const weir_run *run)
{
    const weir_event *event = run->event;
    if (event->transaction == 0 || event->time_us > run->history->newest_time_us)
        return false;
    weir_history_cursor at = weir_place_cursor(weir_run_edges(run)[0].next);
    for (const weir_event *earlier; (earlier = weir_history_back(&at)) && earlier->time_us == event->time_us;)
        if (earlier->transaction == event->transaction)
            return true;
    return false;
}

static void read_values(weir_run *run, const weir_reading *reading, double *registers)
{
    if (!registers)
        return;
    weir_run_read_spreads(run, reading, registers);
    for (uint32_t i = 0; i < reading->load_count; i++)
        registers[reading->loads[i].slot] = reading->loads[i].function->load(run, &reading->loads[i]);
}

/* An event beyond the horizon was there only to be scored. */
static void retire(weir_run *run)
{
    if (weir_run_seek(run, run->history->newest_time_us))
        weir_run_expire(run);
    else
        weir_history_trim(run->history, run->slab, run->stage->retention_us);
}

static weir_status visit(weir_run *run, double *registers, weir_arrival *arrival_out)
{
    weir_arrival arrival = arrival_of(run->history, run->event->time_us, run->stage->retention_us);
    if (!weir_run_open(run, run->event->time_us))
        return WEIR_FULL;
    if (is_duplicate(run)) {
        *arrival_out = WEIR_ARRIVAL_DUPLICATE;
        return WEIR_OK;
    }
    read_values(run, &run->stage->prior, registers);
    if (!weir_run_insert(run))
        return WEIR_FULL;
    read_values(run, &run->stage->after, registers);
    if (arrival == WEIR_ARRIVAL_EXPIRED)
        retire(run);
    else
        weir_run_expire(run);
    *arrival_out = arrival;
    return WEIR_OK;
}

weir_status weir_plan_gather(const weir_plan *plan, size_t stage, weir_history *history, weir_slab *slab,
                             const weir_event *event, double *registers, weir_arrival *arrival_out)
{
    weir_check(registers);
    weir_run run = begin_run(plan, stage, history, slab, event);
    return visit(&run, registers, arrival_out);
}

weir_status weir_plan_absorb(const weir_plan *plan, size_t stage, weir_history *history, weir_slab *slab,
                             const weir_event *event, weir_arrival *arrival_out)
{
    weir_run run = begin_run(plan, stage, history, slab, event);
    return visit(&run, NULL, arrival_out);
}

/* Where an event of that time goes, behind all that are not newer; false when one of them is the event itself. */
static bool find_place(const weir_history *history, const weir_event *event, weir_history_cursor *place_out)
{
    weir_history_cursor at = {.chunk = history->last, .index = history->last ? history->last->end : 0};
    *place_out = at;
    for (const weir_event *earlier; (earlier = weir_history_back(&at)) && earlier->time_us >= event->time_us;) {
        if (earlier->time_us > event->time_us)
            *place_out = at;
        else if (earlier->transaction == event->transaction && event->transaction != 0)
            return false;
    }
    return true;
}

weir_status weir_plan_keep(const weir_plan *plan, size_t stage, weir_history *history, weir_slab *slab,
                           const weir_event *event, weir_arrival *arrival_out)
{
    weir_check(stage < plan->stage_count && !history->running);
    int64_t retention_us = plan->stages[stage].retention_us;
    weir_history_cursor place;
    weir_history_insertion insertion;
    *arrival_out = arrival_of(history, event->time_us, retention_us);
    if (*arrival_out == WEIR_ARRIVAL_EXPIRED)
        return WEIR_OK;
    if (!find_place(history, event, &place)) {
        *arrival_out = WEIR_ARRIVAL_DUPLICATE;
        return WEIR_OK;
    }
    if (!weir_history_insert(history, slab, place, event, &insertion))
        return WEIR_FULL;
    weir_history_trim(history, slab, retention_us);
    return WEIR_OK;
}

/* --- cache --- */

/* The event that an edge is about to cross, and its chunk's header, which says what comes next. */
static void prefetch_crossed(weir_history_cursor at)
{
    weir_prefetch_to_write(at.chunk);
    weir_prefetch(&at.chunk->events[at.index % WEIR_CHUNK_EVENT_MAX]);
}

/* The event it will then stand before, and the one behind that, in case it is crossed too. Whether it is, nobody can
 * guess, and finding out costs more than a line that was fetched for nothing. */
static void prefetch_next(weir_history_cursor at)
{
    enum { AHEAD = 3 };
    weir_prefetch_block(&at.chunk->events[at.index + 1], AHEAD * sizeof(weir_event));
    if (at.index + AHEAD >= at.chunk->end && at.chunk->next)
        weir_prefetch_block(at.chunk->next, offsetof(weir_chunk, events) + (AHEAD - 1) * sizeof(weir_event));
}

/* The same for an edge about to go back: the event behind it, ... */
static void prefetch_crossed_back(weir_history_cursor at)
{
    weir_prefetch_to_write(at.chunk);
    if (at.index > 0)
        weir_prefetch(&at.chunk->events[at.index - 1]);
}

/* ... and those behind that, in the chunk before it too, as if that were full. */
static void prefetch_previous(weir_history_cursor at)
{
    enum { BACK = 3 };
    if (at.index >= BACK)
        weir_prefetch_block(&at.chunk->events[at.index - BACK], (BACK - 1) * sizeof(weir_event));
    else if (at.chunk->previous) {
        weir_prefetch_to_write(at.chunk->previous);
        weir_prefetch_block(&at.chunk->previous->events[WEIR_CHUNK_EVENT_MAX - BACK], BACK * sizeof(weir_event));
    }
}

/* Whether the event is late, so that edges go back. */
static bool goes_back(const weir_run *run)
{
    return run->stage->behind_offset && run->event->time_us < weir_run_header(run)->at_us;
}

/* A bit for each edge that is about to move, of those that stand at one place only the first. Without a branch: which
 * edges move is a coin toss. Edges beyond the 32nd do without prefetching; edge 0 stands at the end, and moves only
 * back. */
static uint32_t moving_edges(const weir_run *run)
{
    enum { EDGE_MAX = 32 };
    const weir_stage *stage = run->stage;
    const int64_t *lags_us = stage->lags_us;
    int64_t at_us = run->event->time_us;
    const weir_edge *edges = weir_run_edges(run);
    unsigned count = stage->edge_count < EDGE_MAX ? stage->edge_count : EDGE_MAX;
    bool back = goes_back(run);
    const int64_t *times_us = back ? weir_run_behind(run) : weir_run_gates(run);
    uint32_t moving = back;
    for (unsigned i = 1; i < count; i++)
        moving |= (uint32_t)(((times_us[i] > at_us - lags_us[i]) == back) & (edges[i].next != edges[i - 1].next)) << i;
    return moving;
}

static void prefetch_events(const weir_run *run, uint32_t moving, int level)
{
    bool back = goes_back(run);
    for (uint32_t left = moving; left; left &= left - 1) {
        weir_history_cursor at = weir_place_cursor(weir_run_edges(run)[__builtin_ctz(left)].next);
        if (level == 1 && back)
            prefetch_crossed_back(at);
        else if (level == 1)
            prefetch_crossed(at);
        else if (at.chunk && back) /* an earlier event of the batch may have moved the edge */
            prefetch_previous(at);
        else if (at.chunk)
            prefetch_next(at);
    }
}

/* Where a key is to be added, which is the event's, or taken out again, which is that of an event about to be crossed,
 * and perhaps of another. Small sets are in the running block itself. */
static void prefetch_keys(const weir_run *run, int level)
{
    enum { CROSSED_MAX = 2 };
    const weir_stage *stage = run->stage;
    for (uint32_t i = 0; i < stage->key_op_count; i++) {
        const weir_edge_op *op = &stage->key_ops[i];
        const weir_multiset *set = weir_run_multiset(run, op->place);
        if (set->capacity == 0 || level != (op->edge == 0 ? 1 : 2))
            continue;
        if (op->edge == 0) {
            weir_multiset_prefetch(set, op->field->key(run->event));
            continue;
        }
        weir_history_cursor at = weir_place_cursor(weir_run_edges(run)[op->edge].next);
        if (!at.chunk || weir_run_gates(run)[op->edge] > run->event->time_us - stage->lags_us[op->edge])
            continue;
        for (uint32_t index = at.index; index < at.chunk->end && index < at.index + CROSSED_MAX; index++)
            weir_multiset_prefetch(set, op->field->key(&at.chunk->events[index]));
    }
}

void weir_plan_prefetch(const weir_plan *plan, size_t stage, const weir_history *history, const weir_event *event,
                        int level, uint32_t *moving)
{
    if (level == 0) {
        *moving = 0;
        if (history->running)
            weir_prefetch_block(history->running, plan->stages[stage].size);
        if (history->last)
            weir_prefetch_to_write(history->last);
        return;
    }
    weir_run run = {.stage = &plan->stages[stage], .base = history->running, .event = event};
    if (!run.base || !history->last || weir_run_header(&run)->plan != plan->serial)
        return;
    if (level == 1) {
        weir_prefetch_to_write(&history->last->events[history->last->end % WEIR_CHUNK_EVENT_MAX]);
        *moving = moving_edges(&run);
    }
    prefetch_events(&run, *moving, level);
    prefetch_keys(&run, level);
}
