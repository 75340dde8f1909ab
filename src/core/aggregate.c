/* What can be asked of a history: one row an aggregate, with the function that asks for what it needs kept
 * (plan) and the one that reads its value (load). A value reads only what its edges hold; where the edges
 * stand behind the frontier (a late event), it looks at the events themselves. */
#include "core/builder.h"
#include "core/geo.h"

#include "weir/base/units.h"

#include <math.h>

/* --- counts, sums, spreads --- */

static void plan_measure(weir_builder *builder, weir_load *load, weir_measure measure, uint32_t *head, uint32_t *tail)
{
    *head = weir_builder_measure(builder, measure, load->head, load->predicate);
    *tail = weir_builder_measure(builder, measure, load->tail, load->predicate);
}

static void plan_count(weir_builder *builder, const weir_node *node, weir_load *load)
{
    load->predicate = weir_builder_predicate(builder, node->where);
    plan_measure(builder, load, WEIR_MEASURE_COUNT, &load->count_head, &load->count_tail);
}

static void plan_sum(weir_builder *builder, const weir_node *node, weir_load *load)
{
    load->predicate = weir_builder_predicate(builder, node->where);
    plan_measure(builder, load, WEIR_MEASURE_SUM, &load->sum_head, &load->sum_tail);
}

static void plan_mean(weir_builder *builder, const weir_node *node, weir_load *load)
{
    plan_count(builder, node, load);
    plan_sum(builder, node, load);
}

static void plan_std(weir_builder *builder, const weir_node *node, weir_load *load)
{
    plan_mean(builder, node, load);
    plan_measure(builder, load, WEIR_MEASURE_SQUARES, &load->squares_head, &load->squares_tail);
}

static void plan_rate(weir_builder *builder, const weir_node *node, weir_load *load)
{
    load->predicate = weir_builder_predicate(builder, node->where);
    plan_measure(builder, load, WEIR_MEASURE_COUNT, &load->base_head, &load->base_tail);
    load->predicate = weir_builder_both(builder, node->where, node->arguments[0]);
    plan_measure(builder, load, WEIR_MEASURE_COUNT, &load->count_head, &load->count_tail);
}

static uint32_t count_between(const weir_run *run, uint32_t head, uint32_t tail)
{
    return weir_run_count(run, head) - weir_run_count(run, tail);
}

static int64_t sum_between(const weir_run *run, uint32_t head, uint32_t tail)
{
    return (int64_t)(weir_run_sum(run, head) - weir_run_sum(run, tail));
}

static unsigned __int128 squares_between(const weir_run *run, uint32_t head, uint32_t tail)
{
    return *(const unsigned __int128 *)(run->base + head) - *(const unsigned __int128 *)(run->base + tail);
}

static double double_of(unsigned __int128 value)
{
    double high = (double)(uint64_t)(value >> 64) * 0x1p64;
    return value >> 63 == 0 ? (double)(int64_t)value : high + (double)(uint64_t)value;
}

/* count times the sum of squared deviations from the mean, n Q - S^2, from exact integers, of which S^2 <= n Q. When
 * the amounts are so large that this could pass 128 bits, it is taken about m, the mean rounded towards zero: with
 * r = S - n m the deviations from m have sum r and squares Q - m (S + r), and |r| < n, so nothing that matters
 * cancels. */
static double scaled_deviations(uint32_t count, int64_t sum, unsigned __int128 squares)
{
    uint64_t scaled;
    if (squares >> 64 == 0 && !__builtin_mul_overflow((uint64_t)squares, count, &scaled) && scaled <= INT64_MAX)
        return (double)(int64_t)(scaled - (uint64_t)sum * (uint64_t)sum);
    if (squares >> 64 == 0)
        return double_of((unsigned __int128)(uint64_t)squares * count - (unsigned __int128)((__int128)sum * sum));
    int64_t m = sum / count;
    int64_t r = sum % count;
    unsigned __int128 about_m = squares - (unsigned __int128)((__int128)m * ((__int128)sum + r));
    return double_of(about_m) * (double)count - (double)r * (double)r;
}

/* The numbers of a few windows side by side, because dividing is most of the work and two can be divided at once. */
enum { SPREADS_ABREAST = 8 };

typedef struct spread_numbers {
    double counts[SPREADS_ABREAST];     /* events */
    double sums[SPREADS_ABREAST];       /* minor units, then the sum in major ones */
    double means[SPREADS_ABREAST];      /* major units */
    double deviations[SPREADS_ABREAST]; /* scaled_deviations, then the sample standard deviation */
} spread_numbers;

/* What nobody asked for has both its offsets at 0, the block's header, and so a difference of 0. */
static void collect_spreads(const weir_run *run, const weir_spread *spreads, unsigned count, spread_numbers *numbers)
{
    for (unsigned i = 0; i < count; i++) {
        const weir_spread *spread = &spreads[i];
        uint32_t events = count_between(run, spread->count_head, spread->count_tail);
        int64_t sum = sum_between(run, spread->sum_head, spread->sum_tail);
        numbers->counts[i] = events;
        numbers->sums[i] = (double)sum;
        numbers->deviations[i] =
            spread->slots[WEIR_SPREAD_STD] == WEIR_SLOT_NONE
                ? 0
                : scaled_deviations(events, sum, squares_between(run, spread->squares_head, spread->squares_tail));
    }
}

/* The mean of no events and the deviation of fewer than two are missing, without a branch: 0 / 0. */
static void divide_spreads(spread_numbers *numbers, unsigned count, double minor_per_major)
{
    for (unsigned i = 0; i < count; i++) {
        double n = numbers->counts[i];
        numbers->means[i] = numbers->sums[i] / (n * minor_per_major);
        numbers->sums[i] /= minor_per_major;
        numbers->deviations[i] =
            sqrt(numbers->deviations[i] / (n * (n - 1) * minor_per_major * minor_per_major));
    }
}

static void put_number(double *registers, uint32_t slot, double number)
{
    if (slot != WEIR_SLOT_NONE)
        registers[slot] = number;
}

void weir_run_read_spreads(const weir_run *run, const weir_reading *reading, double *registers)
{
    spread_numbers numbers;
    for (uint32_t from = 0; from < reading->spread_count; from += SPREADS_ABREAST) {
        const weir_spread *spreads = reading->spreads + from;
        uint32_t left = reading->spread_count - from, count = left < SPREADS_ABREAST ? left : SPREADS_ABREAST;
        collect_spreads(run, spreads, count, &numbers);
        divide_spreads(&numbers, count, run->minor_per_major);
        for (uint32_t i = 0; i < count; i++) {
            put_number(registers, spreads[i].slots[WEIR_SPREAD_COUNT], numbers.counts[i]);
            put_number(registers, spreads[i].slots[WEIR_SPREAD_SUM], numbers.sums[i]);
            put_number(registers, spreads[i].slots[WEIR_SPREAD_MEAN], numbers.means[i]);
            put_number(registers, spreads[i].slots[WEIR_SPREAD_STD], numbers.deviations[i]);
        }
    }
}

static double load_rate(weir_run *run, const weir_load *load)
{
    uint32_t base = count_between(run, load->base_head, load->base_tail);
    return base ? (double)count_between(run, load->count_head, load->count_tail) / base : NAN;
}

/* --- keys --- */

static void plan_key(weir_builder *builder, const weir_node *node, weir_load *load)
{
    load->predicate = weir_builder_predicate(builder, node->where);
    load->index = weir_builder_multiset(builder, node->field, load->predicate, load->head, load->tail);
}

static double load_distinct(weir_run *run, const weir_load *load)
{
    return weir_run_multiset(run, load->index)->distinct_count;
}

static double load_same(weir_run *run, const weir_load *load)
{
    uint64_t key = load->field->key(run->event);
    return key ? weir_multiset_count(weir_run_multiset(run, load->index), key) : NAN;
}

static double load_new(weir_run *run, const weir_load *load)
{
    uint64_t key = load->field->key(run->event);
    return key ? weir_multiset_count(weir_run_multiset(run, load->index), key) == 0 : NAN;
}

/* --- least and greatest --- */

static void plan_extreme(weir_builder *builder, const weir_node *node, weir_load *load, bool negate)
{
    load->predicate = weir_builder_predicate(builder, node->where);
    load->negate = negate;
    load->index = weir_builder_frontier(builder, (weir_frontier_op){.kind = WEIR_FRONTIER_EXTREME,
                                                                    .edge = load->head,
                                                                    .predicate = load->predicate,
                                                                    .negate = negate,
                                                                    .window_us = node->window_us});
}

static void plan_min(weir_builder *builder, const weir_node *node, weir_load *load)
{
    plan_extreme(builder, node, load, true);
}

static void plan_max(weir_builder *builder, const weir_node *node, weir_load *load)
{
    plan_extreme(builder, node, load, false);
}

/* The greatest rank between the load's edges, skipping chunks that cannot hold a greater one; INT64_MIN: none. */
static int64_t scan_extreme(weir_run *run, const weir_load *load)
{
    const weir_edge *tail = &weir_run_edges(run)[load->tail], *head = &weir_run_edges(run)[load->head];
    weir_history_cursor at = weir_place_cursor(tail->next);
    int64_t best = INT64_MIN;
    for (uint32_t left = head->ordinal - tail->ordinal; left > 0;) {
        weir_history_settle(&at);
        uint32_t here = at.chunk->end - at.index;
        here = here < left ? here : left;
        int64_t bound = load->negate ? -at.chunk->amount_minor_min : at.chunk->amount_minor_max;
        for (uint32_t i = 0; bound > best && i < here; i++) {
            const weir_event *event = &at.chunk->events[at.index + i];
            int64_t rank = load->negate ? -(int64_t)event->amount_minor : (int64_t)event->amount_minor;
            if (rank > best && weir_run_matches(run, load->predicate, event))
                best = rank;
        }
        at.index += here;
        left -= here;
    }
    return best;
}

static double load_extreme(weir_run *run, const weir_load *load)
{
    int64_t rank = INT64_MIN;
    if (weir_run_at_frontier(run, load->head) && weir_run_at_frontier(run, load->tail)) {
        weir_extreme *extreme = weir_run_extreme(run, load->index);
        weir_extreme_expire(extreme, run->event->time_us - run->stage->edges[load->tail].lag_us);
        if (extreme->count > 0)
            rank = weir_extreme_rank(extreme);
    } else {
        rank = scan_extreme(run, load);
    }
    return rank == INT64_MIN ? NAN : (double)(load->negate ? -rank : rank) / run->minor_per_major;
}

/* --- the newest match --- */

static void plan_latest(weir_builder *builder, weir_load *load, const weir_node *condition, const weir_node *value)
{
    load->predicate = weir_builder_predicate(builder, condition);
    load->value = value;
    load->index = weir_builder_frontier(builder, (weir_frontier_op){.kind = WEIR_FRONTIER_LATEST,
                                                                    .edge = load->head,
                                                                    .predicate = load->predicate,
                                                                    .value = value});
}

static void plan_last(weir_builder *builder, const weir_node *node, weir_load *load)
{
    plan_latest(builder, load, node->where, node->arguments[0]);
}

/* A past node that is always there: since needs a time, not a value, and so shares nothing with distance_km. */
static const weir_node *number_node(weir_builder *builder)
{
    const weir_node *node =
        weir_syntax_intern(builder->syntax, &(weir_node){.kind = WEIR_NODE_NUMBER, .past = true});
    builder->full |= !node;
    return node;
}

static void plan_since(weir_builder *builder, const weir_node *node, weir_load *load)
{
    const weir_node *both = weir_syntax_and(builder->syntax, node->where, node->arguments[0], &builder->full);
    plan_latest(builder, load, both, number_node(builder));
}

static void plan_since_last(weir_builder *builder, const weir_node *node, weir_load *load)
{
    plan_latest(builder, load, node->where, number_node(builder));
}

static void plan_distance(weir_builder *builder, const weir_node *node, weir_load *load)
{
    (void)node;
    weir_node located = {.kind = WEIR_NODE_FIELD, .past = true, .field = weir_field_find(weir_span_text("located"))};
    const weir_node *condition = weir_syntax_intern(builder->syntax, &located);
    builder->full |= !condition;
    plan_latest(builder, load, condition, NULL);
}

/* Back from the head edge to the newest match; time_us is INT64_MIN when there is none. */
static weir_latest scan_latest(weir_run *run, const weir_load *load)
{
    weir_latest latest = {.time_us = INT64_MIN};
    weir_history_cursor at = weir_place_cursor(weir_run_edges(run)[load->head].next);
    const weir_event *event = weir_history_back(&at);
    while (event && !weir_run_matches(run, load->predicate, event))
        event = weir_history_back(&at);
    if (!event)
        return latest;
    latest.time_us = event->time_us;
    if (load->value) {
        latest.value = weir_node_evaluate(load->value, event, weir_run_header(run)->as_of_us);
    } else {
        latest.latitude = event->latitude;
        latest.longitude = event->longitude;
    }
    return latest;
}

static bool is_retained(const weir_run *run, int64_t time_us)
{
    weir_history_cursor at = weir_history_begin(run->history);
    const weir_event *oldest = weir_history_next(&at);
    return oldest && oldest->time_us <= time_us;
}

/* An event that comes behind the newest finds the head edge behind its frontier. What is the newest match there is the
 * newest here too, unless it lies between the two, or has been dropped since. */
static weir_latest latest_behind(weir_run *run, const weir_load *load)
{
    const weir_latest *newest = weir_run_latest(run, load->index);
    if (newest->time_us > run->event->time_us - run->stage->lags_us[load->head])
        return scan_latest(run, load);
    return is_retained(run, newest->time_us) ? *newest : (weir_latest){.time_us = INT64_MIN};
}

/* False when no match is within the horizon. */
static bool find_latest(weir_run *run, const weir_load *load, weir_latest *latest_out)
{
    *latest_out =
        weir_run_at_frontier(run, load->head) ? *weir_run_latest(run, load->index) : latest_behind(run, load);
    return latest_out->time_us > run->event->time_us - run->stage->horizon_us;
}

static double seconds_since(const weir_run *run, int64_t time_us)
{
    return (double)(run->event->time_us - time_us) / (double)WEIR_US_PER_SECOND;
}

static double load_last(weir_run *run, const weir_load *load)
{
    weir_latest latest;
    return find_latest(run, load, &latest) ? latest.value : NAN;
}

static double load_since(weir_run *run, const weir_load *load)
{
    weir_latest latest;
    return find_latest(run, load, &latest) ? seconds_since(run, latest.time_us) : NAN;
}

/* Both edges stand before the event being scored is inserted, so what lies between them is earlier. */
static void plan_since_first(weir_builder *builder, const weir_node *node, weir_load *load)
{
    (void)builder, (void)node, (void)load;
}

static double load_since_first(weir_run *run, const weir_load *load)
{
    const weir_edge *edges = weir_run_edges(run);
    bool any = edges[load->head].ordinal > edges[load->tail].ordinal;
    return any ? seconds_since(run, weir_run_gates(run)[load->tail]) : NAN;
}

/* --- places --- */

static bool find_distance(weir_run *run, const weir_load *load)
{
    weir_latest latest;
    if (run->km_known)
        return !isnan(run->km);
    run->km_known = true;
    run->km = NAN;
    if (!weir_event_has_location(run->event) || !find_latest(run, load, &latest))
        return false;
    run->km_elapsed_us = (double)(run->event->time_us - latest.time_us);
    run->km = weir_geo_distance_km(weir_latitude_unpack(latest.latitude), weir_longitude_unpack(latest.longitude),
                                   weir_latitude_unpack(run->event->latitude),
                                   weir_longitude_unpack(run->event->longitude));
    return true;
}

static double load_distance(weir_run *run, const weir_load *load)
{
    return find_distance(run, load) ? run->km : NAN;
}

static double load_speed(weir_run *run, const weir_load *load)
{
    if (!find_distance(run, load))
        return NAN;
    double kmh = run->km / (run->km_elapsed_us / (double)WEIR_US_PER_HOUR);
    return isfinite(kmh) ? kmh : NAN;
}

/* --- streaks --- */

static void plan_streak(weir_builder *builder, const weir_node *node, weir_load *load)
{
    load->predicate = weir_builder_predicate(builder, node->where);
    load->condition = weir_builder_predicate(builder, node->arguments[0]);
    plan_measure(builder, load, WEIR_MEASURE_COUNT, &load->base_head, &load->base_tail);
    weir_frontier_op op = {.kind = WEIR_FRONTIER_STREAK,
                           .edge = load->head,
                           .predicate = load->predicate,
                           .condition = load->condition,
                           .count_at_head = load->base_head};
    op.count_at_now = weir_builder_measure(builder, WEIR_MEASURE_COUNT, 0, load->predicate);
    load->index = weir_builder_frontier(builder, op);
}

typedef struct row {
    uint32_t length;
    int64_t start_us;
} row;

/* Back from the head edge to the newest event that breaks the row. */
static row scan_row(weir_run *run, const weir_load *load)
{
    row found = {0};
    weir_history_cursor at = weir_place_cursor(weir_run_edges(run)[load->head].next);
    int64_t until_us = run->event->time_us - run->stage->horizon_us;
    for (const weir_event *event; (event = weir_history_back(&at)) && event->time_us > until_us;) {
        if (!weir_run_matches(run, load->predicate, event))
            continue;
        if (!weir_run_matches(run, load->condition, event))
            break;
        found.length++;
        found.start_us = event->time_us;
    }
    return found;
}

/* The row began with an event that is beyond the horizon now: it begins with the first one that is not. The
 * stretches searched do not overlap, so each event is searched once. */
static int64_t restart_row(weir_run *run, const weir_load *load)
{
    weir_history_cursor at = weir_place_cursor(weir_run_edges(run)[load->tail].next);
    const weir_event *event = weir_history_next(&at);
    while (event && !weir_run_matches(run, load->predicate, event))
        event = weir_history_next(&at);
    return event ? event->time_us : INT64_MAX;
}

static row find_row(weir_run *run, const weir_load *load)
{
    if (!weir_run_at_frontier(run, load->head) || !weir_run_at_frontier(run, load->tail))
        return scan_row(run, load);
    weir_streak *streak = weir_run_streak(run, load->index);
    uint32_t tail = weir_run_count(run, load->base_tail);
    uint32_t from = streak->break_count > tail ? streak->break_count : tail;
    row found = {.length = weir_run_count(run, load->base_head) - from};
    if (found.length == 0)
        return found;
    if (streak->start_us <= run->event->time_us - run->stage->horizon_us)
        streak->start_us = restart_row(run, load);
    found.start_us = streak->start_us;
    return found;
}

static double load_streak(weir_run *run, const weir_load *load)
{
    return find_row(run, load).length;
}

static double load_streak_age(weir_run *run, const weir_load *load)
{
    row found = find_row(run, load);
    return found.length ? seconds_since(run, found.start_us) : NAN;
}

#define AGGREGATE(word, positional, text, planner, loader)                                            \
    .name = #word, .doc = text, .kind = WEIR_FUNCTION_AGGREGATE, .binds = WEIR_BINDS_CALL,            \
    .arguments = positional, .plan = plan_##planner, .load = load_##loader
#define SPREAD(word, positional, text, planner, number)                                               \
    .name = #word, .doc = text, .kind = WEIR_FUNCTION_AGGREGATE, .binds = WEIR_BINDS_CALL,            \
    .arguments = positional, .plan = plan_##planner, .spread = number

const weir_function WEIR_AGGREGATES[] = {
    {SPREAD(count, "w", "events in the window", count, WEIR_SPREAD_COUNT), .usage = "count(window)", .options = true},
    {SPREAD(sum, "aw", "their amounts added up", sum, WEIR_SPREAD_SUM), .usage = "sum(amount, window)",
     .options = true},
    {SPREAD(mean, "aw", "their mean amount; missing when there is none", mean, WEIR_SPREAD_MEAN),
     .usage = "mean(amount, window)", .options = true},
    {SPREAD(std, "aw", "the sample standard deviation of their amounts; missing below two events", std,
            WEIR_SPREAD_STD),
     .usage = "std(amount, window)", .options = true},
    {AGGREGATE(min, "aw", "the least amount; missing when there is none", min, extreme), .usage = "min(amount, window)",
     .options = true},
    {AGGREGATE(max, "aw", "the greatest amount; missing when there is none", max, extreme),
     .usage = "max(amount, window)", .options = true},
    {AGGREGATE(distinct, "fw", "how many different values the field has in the window", key, distinct),
     .usage = "distinct(field, window)", .options = true},
    {AGGREGATE(same, "fw", "events in the window that share the scored event's value of the field", key, same),
     .usage = "same(field, window)", .options = true},
    {AGGREGATE(new, "f", "1 if no earlier retained event has the scored event's value of the field", key, new),
     .usage = "new(field)", .options = true, .always_prior = true},
    {AGGREGATE(rate, "cw", "the share of events that meet the condition; missing when there is none", rate, rate),
     .usage = "rate(condition, window)", .options = true},
    {AGGREGATE(last, "x", "x of the newest event", last, last), .usage = "last(x)", .options = true},
    {AGGREGATE(since, "c", "seconds since the newest event that meets the condition", since, since),
     .usage = "since(condition)", .options = true},
    {AGGREGATE(streak, "c", "how many of the newest events in a row meet the condition", streak, streak),
     .usage = "streak(condition)", .options = true},
    {AGGREGATE(streak_age, "c", "seconds since that row began; missing when there is none", streak, streak_age),
     .usage = "streak_age(condition)", .options = true},
    {AGGREGATE(since_last, "", "seconds since the previous event", since_last, since), .usage = "since_last()",
     .options = true, .always_prior = true},
    {AGGREGATE(since_first, "", "seconds since the oldest retained earlier event", since_first, since_first),
     .usage = "since_first()", .always_prior = true},
    {AGGREGATE(distance_km, "", "kilometres from the previous located event", distance, distance),
     .usage = "distance_km()", .always_prior = true},
    {AGGREGATE(speed_kmh, "", "that distance over the time between the two", distance, speed), .usage = "speed_kmh()",
     .always_prior = true},
};
const size_t WEIR_AGGREGATE_COUNT = sizeof WEIR_AGGREGATES / sizeof *WEIR_AGGREGATES;
