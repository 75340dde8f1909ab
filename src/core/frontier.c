#include "core/frontier.h"

/* --- an event is passed --- */

static weir_candidate candidate_of(const weir_frontier_op *op, const weir_event *event)
{
    int64_t amount = event->amount_minor;
    return (weir_candidate){.time_us = event->time_us, .rank = op->negate ? -amount : amount};
}

static void note_latest(weir_run *run, const weir_frontier_op *op, const weir_event *event)
{
    weir_latest *latest = weir_run_latest(run, op->index);
    latest->time_us = event->time_us;
    if (op->value) {
        latest->value = weir_node_evaluate(op->value, event, weir_run_header(run)->as_of_us);
        return;
    }
    latest->latitude = event->latitude;
    latest->longitude = event->longitude;
}

static void push_extreme(weir_run *run, const weir_frontier_op *op, const weir_event *event)
{
    weir_extreme *extreme = weir_run_extreme(run, op->index);
    weir_extreme_expire(extreme, event->time_us - op->window_us);
    if (weir_extreme_reserve(extreme, run->slab))
        weir_extreme_push(extreme, candidate_of(op, event));
    else
        run->failed = true;
}

/* The head edge has just counted the event, which matches the streak's `where`. */
static void push_streak(weir_run *run, const weir_frontier_op *op, const weir_event *event)
{
    weir_streak *streak = weir_run_streak(run, op->index);
    if (!weir_run_matches(run, op->condition, event)) {
        streak->break_ordinal = weir_run_edges(run)[op->edge].ordinal;
        streak->break_count = weir_run_count(run, op->count_at_head);
        streak->is_open = false;
    } else if (!streak->is_open) {
        streak->start_us = event->time_us;
        streak->is_open = true;
    }
}

void weir_frontier_push(weir_run *run, uint16_t edge, const weir_event *event)
{
    const weir_edge_plan *plan = &run->stage->edges[edge];
    for (uint16_t i = 0; i < plan->frontier_op_count; i++) {
        const weir_frontier_op *op = &plan->frontier_ops[i];
        if (!weir_run_matches(run, op->predicate, event))
            continue;
        switch ((weir_frontier_kind)op->kind) {
        case WEIR_FRONTIER_EXTREME:
            push_extreme(run, op, event);
            break;
        case WEIR_FRONTIER_LATEST:
            note_latest(run, op, event);
            break;
        case WEIR_FRONTIER_STREAK:
            push_streak(run, op, event);
            break;
        }
    }
}

/* --- a late event --- */

/* The first event of the row, behind `cursor`, up to the head edge's frontier; `ordinal` is the cursor's. */
static void reopen_streak(weir_run *run, const weir_frontier_op *op, weir_history_cursor cursor, uint32_t ordinal)
{
    weir_streak *streak = weir_run_streak(run, op->index);
    uint32_t frontier = weir_run_edges(run)[op->edge].frontier;
    streak->is_open = false;
    for (const weir_event *event; ordinal < frontier && (event = weir_history_next(&cursor)); ordinal++)
        if (weir_run_matches(run, op->predicate, event)) {
            streak->is_open = true;
            streak->start_us = event->time_us;
            return;
        }
}

/* An event has appeared at `ordinal`, behind the streak's frontier. Edge 0 has not counted it yet. */
static void late_streak(weir_run *run, const weir_frontier_op *op, weir_history_cursor place, uint32_t ordinal,
                        bool matches)
{
    weir_streak *streak = weir_run_streak(run, op->index);
    const weir_event *event = run->event;
    if (ordinal < streak->break_ordinal) {
        streak->break_ordinal++;
        streak->break_count += matches;
    } else if (matches && !weir_run_matches(run, op->condition, event)) {
        streak->break_ordinal = ordinal + 1;
        streak->break_count = weir_run_count(run, op->count_at_now) + 1;
        place.index++;
        reopen_streak(run, op, place, ordinal + 1);
    } else if (matches && (!streak->is_open || event->time_us < streak->start_us)) {
        streak->is_open = true;
        streak->start_us = event->time_us;
    }
}

void weir_frontier_take_late(weir_run *run, uint16_t edge, weir_history_cursor place, uint32_t ordinal)
{
    const weir_edge_plan *plan = &run->stage->edges[edge];
    for (uint16_t i = 0; i < plan->frontier_op_count; i++) {
        const weir_frontier_op *op = &plan->frontier_ops[i];
        bool matches = weir_run_matches(run, op->predicate, run->event);
        if (op->kind == WEIR_FRONTIER_STREAK)
            late_streak(run, op, place, ordinal, matches);
        else if (matches && op->kind == WEIR_FRONTIER_EXTREME)
            weir_extreme_insert(weir_run_extreme(run, op->index), candidate_of(op, run->event));
        else if (matches && run->event->time_us >= weir_run_latest(run, op->index)->time_us)
            note_latest(run, op, run->event);
    }
}

/* --- found again, when labels look different --- */

/* Where an edge's frontier is: a few events in front of it, when the edge has gone back. `matches` counts those of them
 * that meet a predicate. */
static weir_history_cursor frontier_place(const weir_run *run, uint16_t index, uint16_t predicate, uint32_t *matches)
{
    const weir_edge *edge = &weir_run_edges(run)[index];
    weir_history_cursor at = weir_place_cursor(edge->next);
    for (uint32_t ordinal = edge->ordinal; ordinal < edge->frontier; ordinal++)
        *matches += weir_run_matches(run, predicate, weir_history_next(&at));
    return at;
}

static void renew_latest(weir_run *run, const weir_frontier_op *op)
{
    uint32_t ignored = 0;
    weir_history_cursor at = frontier_place(run, op->edge, op->predicate, &ignored);
    const weir_event *event = weir_history_back(&at);
    while (event && !weir_run_matches(run, op->predicate, event))
        event = weir_history_back(&at);
    weir_run_latest(run, op->index)->time_us = INT64_MIN;
    if (event)
        note_latest(run, op, event);
}

/* The row is what meets the condition behind its newest break, or behind the oldest retained event. */
static void renew_streak(weir_run *run, const weir_frontier_op *op)
{
    weir_streak *streak = weir_run_streak(run, op->index);
    uint32_t count = weir_run_count(run, op->count_at_head), ordinal = weir_run_edges(run)[op->edge].frontier;
    weir_history_cursor at = frontier_place(run, op->edge, op->predicate, &count);
    *streak = (weir_streak){.start_us = streak->start_us};
    for (const weir_event *event; (event = weir_history_back(&at)); ordinal--) {
        if (!weir_run_matches(run, op->predicate, event))
            continue;
        if (!weir_run_matches(run, op->condition, event))
            break;
        count--;
        streak->start_us = event->time_us;
        streak->is_open = true;
    }
    streak->break_ordinal = ordinal;
    streak->break_count = count;
}

void weir_frontier_renew(weir_run *run)
{
    if (!run->stage->has_label_to_renew)
        return;
    for (uint16_t edge = 0; edge < run->stage->edge_count; edge++) {
        const weir_edge_plan *plan = &run->stage->edges[edge];
        for (uint16_t i = 0; i < plan->frontier_op_count; i++)
            if (plan->frontier_ops[i].renewed && plan->frontier_ops[i].kind == WEIR_FRONTIER_STREAK)
                renew_streak(run, &plan->frontier_ops[i]);
            else if (plan->frontier_ops[i].renewed)
                renew_latest(run, &plan->frontier_ops[i]);
    }
}
