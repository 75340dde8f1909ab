/* What is learned of a retained event afterwards: that it was fraud, or was not; that its score passed a threshold. */
#include "core/plan_internal.h"

static weir_event *find_in_chunk(weir_chunk *chunk, uint64_t transaction, int64_t time_us)
{
    for (unsigned i = chunk->begin; i < chunk->end; i++)
        if (chunk->events[i].transaction == transaction &&
            (time_us == INT64_MIN || chunk->events[i].time_us == time_us))
            return &chunk->events[i];
    return NULL;
}

/* The newest chunk that may hold an event of that time: none is in front of an edge that has a later event before it.
 * Labels come a week late, to entities with a thousand events in that week. The time is INT64_MIN when not known. */
static weir_chunk *newest_with(const weir_plan *plan, const weir_history *history, int64_t time_us)
{
    const weir_running *running = history->running;
    if (time_us == INT64_MIN || !running || running->plan != plan->serial)
        return history->last;
    const weir_run run = {.stage = &plan->stages[running->stage], .base = history->running};
    const int64_t *gates = weir_run_gates(&run);
    unsigned passed = run.stage->edge_count;
    while (passed > 0 && gates[passed - 1] <= time_us)
        passed--;
    weir_chunk *chunk = passed > 0 ? weir_place_cursor(weir_run_edges(&run)[passed - 1].next).chunk : NULL;
    return chunk ? chunk : history->last;
}

/* From that chunk back; chunks are in time order. */
static weir_event *find_event(weir_chunk *from, uint64_t transaction, int64_t time_us, weir_chunk **chunk_out)
{
    for (weir_chunk *chunk = from; chunk; chunk = chunk->previous) {
        if (time_us != INT64_MIN && chunk->events[chunk->begin].time_us > time_us)
            continue;
        weir_event *event = find_in_chunk(chunk, transaction, time_us);
        *chunk_out = chunk;
        if (event)
            return event;
        if (time_us != INT64_MIN && chunk->events[chunk->begin].time_us < time_us)
            return NULL;
    }
    return NULL;
}

/* A label cannot be known before its event, and a delay is 48 bits: 8.9 years. */
static uint64_t label_delay(const weir_event *event, int64_t label_time_us)
{
    if (label_time_us == INT64_MAX)
        return WEIR_LABEL_NONE;
    if (label_time_us <= event->time_us)
        return 0;
    uint64_t delay_us = (uint64_t)label_time_us - (uint64_t)event->time_us;
    return delay_us < WEIR_LABEL_NONE ? delay_us : WEIR_LABEL_NONE - 1;
}

static void set_label(const weir_plan *plan, weir_history *history, weir_slab *slab, weir_event *event,
                      uint64_t delay_us)
{
    const weir_running *running = history->running;
    if (running && running->plan != plan->serial) {
        weir_history_drop_running(history, slab);
        running = NULL;
    }
    if (!running) {
        event->label_delay_us = delay_us & WEIR_LABEL_NONE;
        return;
    }
    weir_run run = {.stage = &plan->stages[running->stage], .history = history, .slab = slab, .base = history->running};
    weir_run_label(&run, event, delay_us);
}

weir_labelling weir_plan_label(const weir_plan *plan, weir_history *history, weir_slab *slab, uint64_t transaction,
                               int64_t event_time_us, int64_t label_time_us, weir_event *event_out)
{
    weir_chunk *chunk = NULL;
    weir_event *event = find_event(newest_with(plan, history, event_time_us), transaction, event_time_us, &chunk);
    if (!event)
        return WEIR_LABELLING_UNKNOWN;
    uint64_t delay_us = label_delay(event, label_time_us), before_us = event->label_delay_us;
    bool was_fraud = before_us != WEIR_LABEL_NONE, is_fraud = delay_us != WEIR_LABEL_NONE;
    weir_labelling labelling = !(event->flags & WEIR_EVENT_LABELLED) ? WEIR_LABELLING_FIRST
                               : was_fraud != is_fraud               ? WEIR_LABELLING_CONTRARY
                                                                     : WEIR_LABELLING_REPEATED;
    if (was_fraud && is_fraud && before_us < delay_us)
        delay_us = before_us;
    if (labelling == WEIR_LABELLING_FIRST || delay_us != before_us)
        chunk->dirty = true;
    if (is_fraud)
        weir_history_mark_labelled(history, chunk);
    event->flags = (event->flags | WEIR_EVENT_LABELLED) & 15;
    if (delay_us != before_us)
        set_label(plan, history, slab, event, delay_us);
    *event_out = *event;
    return labelling;
}

void weir_history_flag(weir_history *history, uint64_t transaction, int64_t event_time_us, unsigned flags)
{
    weir_chunk *chunk = NULL;
    weir_event *event = find_event(history->last, transaction, event_time_us, &chunk);
    if (!event || (event->flags & flags) == flags)
        return;
    event->flags = (event->flags | flags) & 15;
    chunk->dirty = true;
}
