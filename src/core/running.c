#include "core/running.h"

#include "core/frontier.h"
#include "weir/base/check.h"

enum { REBUILD_STRIDE = 64 };

/* --- the block --- */

void weir_running_give(void *block, weir_slab *slab)
{
    const weir_running *running = block;
    weir_multiset *multisets = (weir_multiset *)((uint8_t *)block + running->multiset_offset);
    weir_extreme *extremes = (weir_extreme *)((uint8_t *)block + running->extreme_offset);
    for (uint32_t i = 0; i < running->multiset_count; i++)
        weir_multiset_clear(&multisets[i], slab);
    for (uint32_t i = 0; i < running->extreme_count; i++)
        weir_extreme_clear(&extremes[i], slab);
    weir_slab_give(slab, block, running->size);
}

static bool take_block(weir_run *run)
{
    const weir_stage *stage = run->stage;
    void *block = weir_slab_take(run->slab, stage->size);
    if (!block)
        return false;
    memset(block, 0, stage->size);
    weir_running *running = block;
    running->plan = stage->serial;
    running->stage = (uint16_t)stage->index;
    running->size = stage->size;
    running->multiset_offset = stage->multiset_offset;
    running->multiset_count = (uint16_t)stage->multiset_count;
    running->extreme_offset = stage->extreme_offset;
    running->extreme_count = (uint16_t)stage->extreme_count;
    running->at_us = INT64_MIN;
    run->base = block;
    run->history->running = block;
    return true;
}

/* All edges before the first event, nothing counted. */
static void begin_state(weir_run *run)
{
    weir_history_cursor first = weir_history_begin(run->history);
    const weir_event *event = weir_history_peek(&first);
    for (uint16_t i = 0; i < run->stage->edge_count; i++) {
        weir_run_gates(run)[i] = event ? event->time_us : INT64_MAX;
        weir_run_edges(run)[i] = (weir_edge){.next = weir_place_of(first)};
        if (run->stage->behind_offset)
            weir_run_behind(run)[i] = INT64_MIN;
    }
    for (uint32_t i = 0; i < run->stage->latest_count; i++)
        weir_run_latest(run, i)->time_us = INT64_MIN;
}

/* --- crossing --- */

static void apply_key(weir_run *run, const weir_edge_op *op, const weir_event *event, int sign)
{
    uint64_t key = op->field->key(event);
    weir_multiset *set = weir_run_multiset(run, op->place);
    if (key == 0 || run->failed)
        return;
    if (sign * op->sign > 0)
        run->failed = !weir_multiset_add(set, run->slab, key);
    else
        weir_multiset_remove(set, key);
}

static void add_sum(void *place, int64_t amount, int sign)
{
    *(uint64_t *)place += sign > 0 ? (uint64_t)amount : -(uint64_t)amount;
}

static void add_square(void *place, int64_t amount, int sign)
{
    unsigned __int128 square = (unsigned __int128)((__int128)amount * amount);
    *(unsigned __int128 *)place += sign > 0 ? square : -square;
}

static void apply_op(weir_run *run, const weir_edge_op *op, const weir_event *event, int sign)
{
    void *place = run->base + op->place;
    switch ((weir_measure)op->measure) {
    case WEIR_MEASURE_COUNT:
        *(uint32_t *)place += (uint32_t)sign;
        break;
    case WEIR_MEASURE_SUM:
        add_sum(place, event->amount_minor, sign);
        break;
    case WEIR_MEASURE_SQUARES:
        add_square(place, event->amount_minor, sign);
        break;
    case WEIR_MEASURE_KEY:
        apply_key(run, op, event, sign);
        break;
    }
}

static __attribute__((noinline)) void apply_listed(weir_run *run, const weir_edge_plan *plan, const weir_event *event,
                                                   int sign)
{
    uint16_t predicate = 0;
    bool matches = true;
    for (uint16_t i = 0; i < plan->op_count; i++) {
        const weir_edge_op *op = &plan->ops[i];
        if (op->predicate != predicate) {
            predicate = op->predicate;
            matches = weir_run_matches(run, predicate, event);
        }
        if (matches)
            apply_op(run, op, event, sign);
    }
}

/* What has an inverse: done with sign +1 when an edge passes the event, undone with -1. */
static inline void apply_ops(weir_run *run, const weir_edge_plan *plan, const weir_event *event, int sign)
{
    if (plan->sum_place)
        add_sum(run->base + plan->sum_place, event->amount_minor, sign);
    if (plan->squares_place)
        add_square(run->base + plan->squares_place, event->amount_minor, sign);
    if (plan->op_count)
        apply_listed(run, plan, event, sign);
}

/* The events in front of the edge up to until_us; there is at least one. What most edges do, and nothing more, is done
 * in line: an event crosses every edge once, so this is half of what folding it in costs. */
static inline __attribute__((always_inline)) void cross_forward(weir_run *run, unsigned index, int64_t until_us)
{
    const weir_edge_plan *plan = &run->stage->edges[index];
    weir_edge *edge = &weir_run_edges(run)[index];
    weir_history_cursor at = weir_place_cursor(edge->next);
    const weir_event *event = &at.chunk->events[at.index], *last;
    bool more = plan->op_count > 0 || plan->frontier_op_count > 0;
    do {
        last = event;
        if (plan->sum_place)
            add_sum(run->base + plan->sum_place, event->amount_minor, +1);
        if (plan->squares_place)
            add_square(run->base + plan->squares_place, event->amount_minor, +1);
        edge->ordinal++;
        if (more)
            apply_listed(run, plan, event, +1);
        if (edge->ordinal > edge->frontier) {
            edge->frontier = edge->ordinal;
            if (more)
                weir_frontier_push(run, (uint16_t)index, event);
        }
        event = weir_history_pass(&at);
    } while (event && event->time_us <= until_us);
    edge->next = weir_place_of(at);
    weir_run_gates(run)[index] = event ? event->time_us : INT64_MAX;
    if (run->stage->behind_offset)
        weir_run_behind(run)[index] = last->time_us;
}

/* The events behind the edge that are later than until_us; there may be none. */
static void cross_back(weir_run *run, unsigned index, int64_t until_us)
{
    weir_edge *edge = &weir_run_edges(run)[index];
    weir_history_cursor at = weir_place_cursor(edge->next);
    const weir_event *event;
    while ((event = weir_history_back(&at)) && event->time_us > until_us) {
        weir_check(edge->ordinal > 0);
        edge->ordinal--;
        edge->next = weir_place_of(at);
        weir_run_gates(run)[index] = event->time_us;
        apply_ops(run, &run->stage->edges[index], event, -1);
    }
    if (run->stage->behind_offset)
        weir_run_behind(run)[index] = event ? event->time_us : INT64_MIN;
}

/* Tails before heads, so that no count goes below 0. */
static void move_back(weir_run *run, int64_t at_us)
{
    const int64_t *behind = weir_run_behind(run);
    for (unsigned i = run->stage->edge_count; i-- > 0;)
        if (!behind || behind[i] > at_us - run->stage->lags_us[i])
            cross_back(run, i, at_us - run->stage->lags_us[i]);
}

/* A bit for each of up to 32 gates that opens at at_us. Without a branch: which edges move is a coin toss. */
static uint32_t due_edges(const int64_t *gates, const int64_t *lags_us, unsigned count, int64_t at_us)
{
    uint32_t due = 0;
    for (unsigned i = 0; i < count; i++)
        due |= (uint32_t)(gates[i] <= at_us - lags_us[i]) << i;
    return due;
}

/* Windows open at their head and close at their tail in this order, so that no count goes below 0. */
static void move_forward(weir_run *run, int64_t at_us)
{
    enum { STRIDE = 32 };
    const int64_t *gates = weir_run_gates(run), *lags_us = run->stage->lags_us;
    unsigned count = run->stage->edge_count;
    for (unsigned from = 0; from < count; from += STRIDE) {
        unsigned width = count - from < STRIDE ? count - from : STRIDE;
        for (uint32_t due = due_edges(gates + from, lags_us + from, width, at_us); due; due &= due - 1) {
            unsigned index = from + (unsigned)__builtin_ctz(due);
            cross_forward(run, index, at_us - lags_us[index]);
        }
    }
}

static void move_edges(weir_run *run, int64_t at_us)
{
    weir_running *running = weir_run_header(run);
    if (at_us >= running->at_us)
        move_forward(run, at_us);
    else
        move_back(run, at_us);
    running->at_us = at_us;
}

static bool give_up(weir_run *run)
{
    weir_history_drop_running(run->history, run->slab);
    run->base = NULL;
    return false;
}

bool weir_run_seek(weir_run *run, int64_t at_us)
{
    move_edges(run, at_us);
    return run->failed ? give_up(run) : true;
}

/* --- labels --- */

static void note_label_time(weir_running *running, const weir_event *event)
{
    if (event->label_delay_us == WEIR_LABEL_NONE)
        return;
    int64_t label_time_us = event->time_us + (int64_t)event->label_delay_us;
    if (label_time_us <= running->as_of_us && label_time_us > running->labels_from_us)
        running->labels_from_us = label_time_us;
    if (label_time_us > running->as_of_us && label_time_us < running->labels_to_us)
        running->labels_to_us = label_time_us;
}

/* The times between which labels look as they do at as_of_us. */
static void find_label_times(weir_run *run)
{
    weir_running *running = weir_run_header(run);
    running->labels_from_us = INT64_MIN;
    running->labels_to_us = INT64_MAX;
    if (!run->stage->has_label)
        return;
    weir_history_cursor cursor = weir_history_begin_labelled(run->history);
    for (const weir_event *event; (event = weir_history_next_labelled(&cursor));)
        note_label_time(running, event);
}

/* Whoever has passed the event forgets it (-1) or learns it (+1) as it looks now. */
static void apply_passed(weir_run *run, const weir_event *event, int sign)
{
    int64_t at_us = weir_run_header(run)->at_us;
    uint16_t passed = 0;
    while (passed < run->stage->edge_count && event->time_us <= at_us - run->stage->edges[passed].lag_us)
        passed++;
    for (uint16_t i = 0; i < passed; i++) /* heads before tails */
        if (sign > 0)
            apply_ops(run, &run->stage->edges[i], event, +1);
        else
            apply_ops(run, &run->stage->edges[passed - 1 - i], event, -1);
}

/* --- building --- */

static bool build(weir_run *run, int64_t as_of_us)
{
    weir_history_trim(run->history, run->slab, run->stage->retention_us);
    if (!take_block(run))
        return false;
    begin_state(run);
    weir_run_header(run)->as_of_us = as_of_us;
    find_label_times(run);
    weir_history_cursor cursor = weir_history_begin(run->history);
    unsigned count = 0;
    for (const weir_event *event; !run->failed && (event = weir_history_next(&cursor)) && event->time_us <= as_of_us;)
        if (++count % REBUILD_STRIDE == 0)
            move_edges(run, event->time_us);
    return run->failed ? give_up(run) : true;
}

/* --- labels that look different --- */

/* Labels have come into sight, or out of it for a late event: what was counted is counted anew. */
static bool see_labels(weir_run *run, int64_t as_of_us)
{
    weir_running *running = weir_run_header(run);
    if (run->stage->has_label_at_frontier) {
        give_up(run);
        return build(run, as_of_us);
    }
    int64_t before_us = running->as_of_us;
    weir_history_cursor cursor = weir_history_begin_labelled(run->history);
    for (const weir_event *event; (event = weir_history_next_labelled(&cursor));) {
        if (weir_event_is_fraud_at(event, before_us) == weir_event_is_fraud_at(event, as_of_us))
            continue;
        apply_passed(run, event, -1);
        running->as_of_us = as_of_us;
        apply_passed(run, event, +1);
        running->as_of_us = before_us;
    }
    running->as_of_us = as_of_us;
    find_label_times(run);
    weir_frontier_renew(run);
    return run->failed ? give_up(run) : true;
}

bool weir_run_open(weir_run *run, int64_t at_us)
{
    weir_history *history = run->history;
    run->base = history->running;
    if (run->base && (weir_run_header(run)->plan != run->stage->serial ||
                      weir_run_edges(run)->ordinal >= WEIR_ORDINAL_MAX))
        give_up(run);
    if (!run->base) {
        if (!build(run, at_us))
            return false;
    } else {
        weir_running *running = weir_run_header(run);
        weir_check(running->stage == run->stage->index);
        if (at_us < running->labels_from_us || at_us >= running->labels_to_us) {
            if (!see_labels(run, at_us))
                return false;
        } else {
            running->as_of_us = at_us;
        }
    }
    return weir_run_seek(run, at_us);
}

/* --- insertion --- */

static bool reserve(weir_run *run)
{
    for (uint32_t i = 0; i < run->stage->multiset_count; i++)
        if (!weir_multiset_reserve(weir_run_multiset(run, i), run->slab))
            return false;
    for (uint32_t i = 0; i < run->stage->extreme_count; i++)
        if (!weir_extreme_reserve(weir_run_extreme(run, i), run->slab))
            return false;
    return true;
}

/* Where a place is after half of its chunk was split off. */
static weir_place moved_place(const weir_history_insertion *insertion, weir_place place)
{
    weir_history_cursor at = weir_place_cursor(place);
    if (at.chunk != insertion->split_from || at.index < insertion->split_at)
        return place;
    return weir_place_of((weir_history_cursor){.chunk = insertion->split_to, .index = at.index - insertion->split_at});
}

/* Edges that stand elsewhere: they may have been moved with the half of a chunk that was split off, and be about to
 * learn of an event behind their frontier. */
static void mend_others(weir_run *run, const weir_history_insertion *insertion, uint32_t ordinal)
{
    weir_edge *edges = weir_run_edges(run);
    for (uint16_t i = 0; i < run->stage->edge_count; i++) {
        if (edges[i].ordinal != ordinal && insertion->split_to)
            edges[i].next = moved_place(insertion, edges[i].next);
        if (edges[i].frontier > ordinal) {
            edges[i].frontier++;
            weir_frontier_take_late(run, i, insertion->place, ordinal);
        }
    }
}

/* No edge is beyond the new event, and those right before it, the first ones, stay before it. No edge's frontier is
 * beyond that of edge 0: if the event is not behind that, it is behind none. */
static void mend_edges(weir_run *run, const weir_history_insertion *insertion, uint32_t ordinal)
{
    int64_t *gates = weir_run_gates(run), time_us = run->event->time_us;
    weir_edge *edges = weir_run_edges(run);
    weir_place place = weir_place_of(insertion->place);
    for (unsigned i = 0, count = run->stage->edge_count; i < count && edges[i].ordinal == ordinal; i++) {
        edges[i].next = place;
        gates[i] = time_us;
    }
    if (insertion->split_to || edges[0].frontier > ordinal)
        mend_others(run, insertion, ordinal);
}

bool weir_run_insert(weir_run *run)
{
    weir_edge *now = weir_run_edges(run);
    weir_history_insertion insertion;
    weir_check(weir_run_header(run)->at_us == run->event->time_us);
    weir_history_cursor place = weir_place_cursor(now->next);
    if (!reserve(run) || !weir_history_insert(run->history, run->slab, place, run->event, &insertion))
        return false;
    mend_edges(run, &insertion, now->ordinal);
    if (run->stage->has_label)
        note_label_time(weir_run_header(run), run->event);
    cross_forward(run, 0, run->event->time_us);
    weir_check(!run->failed);
    return true;
}

/* --- retention --- */

void weir_run_expire(weir_run *run)
{
    weir_running *running = weir_run_header(run);
    uint32_t passed = weir_run_edges(run)[run->stage->edge_count - 1].ordinal;
    if (passed <= running->first_ordinal)
        return;
    weir_history_drop_oldest(run->history, run->slab, passed - running->first_ordinal);
    running->first_ordinal = passed;
}

void weir_history_trim(weir_history *history, weir_slab *slab, int64_t retention_us)
{
    weir_check(!history->running);
    uint32_t count = 0;
    weir_history_cursor cursor = weir_history_begin(history);
    for (const weir_event *event; (event = weir_history_next(&cursor)) &&
                                  event->time_us <= history->newest_time_us - retention_us;)
        count++;
    weir_history_drop_oldest(history, slab, count);
}

/* --- a label from outside --- */

void weir_run_label(weir_run *run, weir_event *event, uint64_t label_delay_us)
{
    weir_running *running = weir_run_header(run);
    weir_event after = *event;
    after.label_delay_us = label_delay_us;
    bool seen = run->stage->has_label && weir_event_is_fraud_at(event, running->as_of_us) !=
                                             weir_event_is_fraud_at(&after, running->as_of_us);
    if (seen && run->stage->has_label_at_frontier)
        give_up(run);
    else if (seen)
        apply_passed(run, event, -1);
    event->label_delay_us = label_delay_us;
    if (!run->base)
        return;
    note_label_time(running, event);
    if (seen) {
        apply_passed(run, event, +1);
        weir_frontier_renew(run);
    }
    if (run->failed)
        give_up(run);
}
