#include "support/feature_oracle.h"

#include <math.h>
#include <stdlib.h>

weir_arrival feature_oracle_arrive(feature_oracle *oracle, const weir_event *event, int64_t horizon_us)
{
    weir_arrival arrival = oracle->count == 0 || event->time_us >= oracle->newest_us ? WEIR_ARRIVAL_APPENDED
                           : event->time_us > oracle->newest_us - horizon_us        ? WEIR_ARRIVAL_LATE
                                                                                    : WEIR_ARRIVAL_EXPIRED;
    oracle->scored = SIZE_MAX;
    for (size_t i = 0; !oracle->trusting && i < oracle->count; i++)
        if (event->transaction && oracle->events[i].transaction == event->transaction &&
            oracle->events[i].time_us == event->time_us)
            return WEIR_ARRIVAL_DUPLICATE;
    if (oracle->count == oracle->capacity) {
        oracle->capacity = oracle->capacity ? oracle->capacity * 2 : 64;
        oracle->events = realloc(oracle->events, oracle->capacity * sizeof *oracle->events);
        if (!oracle->events)
            abort();
    }
    size_t at = oracle->count++;
    for (; at > 0 && oracle->events[at - 1].time_us > event->time_us; at--)
        oracle->events[at] = oracle->events[at - 1];
    oracle->events[at] = *event;
    oracle->scored = at;
    if (arrival == WEIR_ARRIVAL_APPENDED)
        oracle->newest_us = event->time_us;
    return arrival;
}

void feature_oracle_settle(feature_oracle *oracle, int64_t horizon_us)
{
    size_t kept = 0;
    for (size_t i = 0; i < oracle->count; i++)
        if (oracle->events[i].time_us > oracle->newest_us - horizon_us)
            oracle->events[kept++] = oracle->events[i];
    oracle->count = kept;
    oracle->scored = SIZE_MAX;
}

bool feature_oracle_label(feature_oracle *oracle, uint64_t transaction, int64_t time_us, int64_t label_time_us)
{
    for (size_t i = 0; i < oracle->count; i++) {
        weir_event *event = &oracle->events[i];
        if (event->transaction != transaction || event->time_us != time_us)
            continue;
        int64_t delay_us = label_time_us > time_us ? label_time_us - time_us : 0;
        uint64_t label_delay_us = label_time_us == INT64_MAX ? WEIR_LABEL_NONE : (uint64_t)delay_us & WEIR_LABEL_NONE;
        bool holds = label_time_us != INT64_MAX && event->label_delay_us < label_delay_us; /* the earlier word */
        event->label_delay_us = holds ? event->label_delay_us : label_delay_us;
        event->flags = (event->flags | WEIR_EVENT_LABELLED) & 15;
        return true;
    }
    return false;
}

void feature_oracle_free(feature_oracle *oracle)
{
    free(oracle->events);
    *oracle = (feature_oracle){0};
}

/* --- expressions --- */

static double calendar_value(const char *name, int64_t us)
{
    const int64_t hour_us = INT64_C(3600000000);
    int64_t hours = us / hour_us - (us % hour_us < 0);
    int64_t hour = (hours % 24 + 24) % 24;
    int64_t day = (hours - hour) / 24;
    int64_t weekday = ((day + 3) % 7 + 7) % 7;
    if (strcmp(name, "hour") == 0)
        return (double)hour;
    if (strcmp(name, "weekday") == 0)
        return (double)weekday;
    return strcmp(name, "night") == 0 ? hour <= 6 : weekday == 5 || weekday == 6;
}

static double numeric_value(const char *name, const double *x, size_t n)
{
#define IS(word) (strcmp(name, word) == 0)
    if (IS("if"))
        return isnan(x[0]) ? NAN : x[0] != 0 ? x[1] : x[2];
    if (IS("missing"))
        return isnan(x[0]) ? x[1] : x[0];
    for (size_t i = 0; i < n; i++)
        if (isnan(x[i]))
            return NAN;
    double y = NAN;
    if (IS("or"))
        y = x[0] != 0 || x[1] != 0;
    else if (IS("and"))
        y = x[0] != 0 && x[1] != 0;
    else if (IS("not"))
        y = x[0] == 0;
    else if (IS("<"))
        y = x[0] < x[1];
    else if (IS("<="))
        y = x[0] <= x[1];
    else if (IS(">"))
        y = x[0] > x[1];
    else if (IS(">="))
        y = x[0] >= x[1];
    else if (IS("=="))
        y = x[0] == x[1];
    else if (IS("!="))
        y = x[0] != x[1];
    else if (IS("+"))
        y = x[0] + x[1];
    else if (IS("-"))
        y = n == 1 ? -x[0] : x[0] - x[1];
    else if (IS("*"))
        y = x[0] * x[1];
    else if (IS("/"))
        y = x[0] / x[1];
    else if (IS("abs"))
        y = x[0] < 0 ? -x[0] : x[0];
    else if (IS("sqrt"))
        y = sqrt(x[0]);
    else if (IS("exp"))
        y = exp(x[0]);
    else if (IS("log1p"))
        y = log1p(x[0]);
    else if (IS("between"))
        y = x[1] <= x[0] && x[0] <= x[2];
    else if (IS("clip"))
        y = fmin(fmax(x[0], x[1]), x[2]);
    else if (IS("min") || IS("max"))
        for (size_t i = 0; i < n; i++)
            y = IS("min") ? fmin(y, x[i]) : fmax(y, x[i]);
    else
        abort();
    return isfinite(y) ? y : NAN;
#undef IS
}

static double is_value(const weir_node *node, const weir_event *event)
{
    uint64_t key = node->field->key(event);
    double found = 0;
    for (size_t i = 0; i < node->code_count; i++)
        found = node->codes[i] == key ? 1 : found;
    return key ? found : NAN;
}

static double past_value(const weir_node *node, const weir_event *event, int64_t as_of_us)
{
    double x[WEIR_FUNCTION_ARGUMENT_MAX];
    switch (node->kind) {
    case WEIR_NODE_NUMBER:
        return node->number;
    case WEIR_NODE_FIELD:
        return node->field->number(event, as_of_us);
    case WEIR_NODE_CALENDAR:
        return calendar_value(node->function->name, event->time_us + node->offset_us);
    case WEIR_NODE_IS:
        return is_value(node, event);
    default:
        for (size_t i = 0; i < node->argument_count; i++)
            x[i] = past_value(node->arguments[i], event, as_of_us);
        return numeric_value(node->function->name, x, node->argument_count);
    }
}

/* --- windows --- */

typedef struct window {
    const feature_oracle *oracle;
    const weir_node *node;
    const weir_event *now;
    int64_t from_us, to_us; /* (from, to] */
    double scale;
} window;

static bool holds(const weir_node *condition, const weir_event *event, int64_t as_of_us)
{
    double value = condition ? past_value(condition, event, as_of_us) : 1;
    return !isnan(value) && value != 0;
}

/* Whether event i is in the window and meets the aggregate's where. */
static bool has(const window *w, size_t i)
{
    const weir_event *event = &w->oracle->events[i];
    return event->time_us > w->from_us && event->time_us <= w->to_us && !(w->node->prior && i == w->oracle->scored) &&
           holds(w->node->where, event, w->now->time_us);
}

static bool meets(const window *w, size_t i)
{
    return holds(w->node->arguments[0], &w->oracle->events[i], w->now->time_us);
}

#define EACH(w, i) for (size_t i = 0; i < (w)->oracle->count; i++) if (has(w, i))
#define AMOUNT(w, i) ((int64_t)(w)->oracle->events[i].amount_minor)

static double agg_count(const window *w)
{
    double n = 0;
    EACH(w, i) n++;
    return n;
}

static int64_t minor_sum(const window *w)
{
    int64_t sum = 0;
    EACH(w, i) sum += AMOUNT(w, i);
    return sum;
}

static double agg_sum(const window *w)
{
    return (double)minor_sum(w) / w->scale;
}

static double agg_mean(const window *w)
{
    double n = agg_count(w);
    return n > 0 ? (double)minor_sum(w) / n / w->scale : NAN;
}

static double agg_std(const window *w)
{
    double n = agg_count(w);
    if (n < 2)
        return NAN;
    long double mean = (long double)minor_sum(w) / n, squares = 0;
    EACH(w, i) squares += ((long double)AMOUNT(w, i) - mean) * ((long double)AMOUNT(w, i) - mean);
    return (double)sqrtl(squares / (n - 1)) / w->scale;
}

static double agg_min(const window *w)
{
    double least = NAN;
    EACH(w, i) least = fmin(least, (double)AMOUNT(w, i));
    return least / w->scale;
}

static double agg_max(const window *w)
{
    double most = NAN;
    EACH(w, i) most = fmax(most, (double)AMOUNT(w, i));
    return most / w->scale;
}

static uint64_t key_at(const window *w, size_t i)
{
    return w->node->field->key(&w->oracle->events[i]);
}

static double agg_distinct(const window *w)
{
    double n = 0;
    EACH(w, i)
    {
        bool first = key_at(w, i) != 0;
        for (size_t j = 0; first && j < i; j++)
            first = !(has(w, j) && key_at(w, j) == key_at(w, i));
        n += first;
    }
    return n;
}

static double agg_same(const window *w)
{
    uint64_t key = w->node->field->key(w->now);
    double n = 0;
    EACH(w, i) n += key_at(w, i) == key;
    return key ? n : NAN;
}

static double agg_new(const window *w)
{
    double n = agg_same(w);
    return isnan(n) ? NAN : n == 0;
}

static double agg_rate(const window *w)
{
    double n = 0, met = 0;
    EACH(w, i)
    {
        n++;
        met += meets(w, i);
    }
    return n > 0 ? met / n : NAN;
}

static double seconds_since(const window *w, size_t i)
{
    return i == SIZE_MAX ? NAN : (double)(w->now->time_us - w->oracle->events[i].time_us) / 1e6;
}

static double agg_last(const window *w)
{
    size_t newest = SIZE_MAX;
    EACH(w, i) newest = i;
    return newest == SIZE_MAX ? NAN : past_value(w->node->arguments[0], &w->oracle->events[newest], w->now->time_us);
}

static double agg_since(const window *w)
{
    size_t newest = SIZE_MAX;
    EACH(w, i) newest = meets(w, i) ? i : newest;
    return seconds_since(w, newest);
}

static double agg_since_last(const window *w)
{
    size_t newest = SIZE_MAX;
    EACH(w, i) newest = i;
    return seconds_since(w, newest);
}

static double agg_since_first(const window *w)
{
    size_t oldest = SIZE_MAX;
    EACH(w, i) oldest = oldest == SIZE_MAX ? i : oldest;
    return seconds_since(w, oldest);
}

static double agg_streak(const window *w)
{
    double n = 0;
    EACH(w, i) n = meets(w, i) ? n + 1 : 0;
    return n;
}

static double agg_streak_age(const window *w)
{
    size_t start = SIZE_MAX;
    EACH(w, i) start = !meets(w, i) ? SIZE_MAX : start == SIZE_MAX ? i : start;
    return seconds_since(w, start);
}

static size_t newest_located(const window *w)
{
    size_t newest = SIZE_MAX;
    EACH(w, i) newest = weir_event_has_location(&w->oracle->events[i]) ? i : newest;
    return weir_event_has_location(w->now) ? newest : SIZE_MAX;
}

/* The angle between two unit vectors: not the haversine the engine uses. */
static double agg_distance(const window *w)
{
    size_t at = newest_located(w);
    if (at == SIZE_MAX)
        return NAN;
    const weir_event *ends[2] = {&w->oracle->events[at], w->now};
    double v[2][3];
    for (int i = 0; i < 2; i++) {
        double north = weir_latitude_unpack(ends[i]->latitude) * M_PI / 180;
        double east = weir_longitude_unpack(ends[i]->longitude) * M_PI / 180;
        v[i][0] = cos(north) * cos(east);
        v[i][1] = cos(north) * sin(east);
        v[i][2] = sin(north);
    }
    double chord = sqrt(pow(v[0][0] - v[1][0], 2) + pow(v[0][1] - v[1][1], 2) + pow(v[0][2] - v[1][2], 2));
    return 6371.0088 * 2 * asin(fmin(1, chord / 2));
}

static double agg_speed(const window *w)
{
    double kmh = agg_distance(w) / (seconds_since(w, newest_located(w)) / 3600);
    return isfinite(kmh) ? kmh : NAN;
}

static const struct {
    const char *name;
    double (*value)(const window *w);
} AGGREGATES[] = {
    {"count", agg_count},           {"sum", agg_sum},       {"mean", agg_mean},     {"std", agg_std},
    {"min", agg_min},               {"max", agg_max},       {"distinct", agg_distinct}, {"same", agg_same},
    {"new", agg_new},               {"rate", agg_rate},     {"last", agg_last},     {"since", agg_since},
    {"since_last", agg_since_last}, {"since_first", agg_since_first}, {"streak", agg_streak},
    {"streak_age", agg_streak_age}, {"distance_km", agg_distance},    {"speed_kmh", agg_speed},
};

static double aggregate_value(const feature_oracle *oracle, const weir_node *node, int64_t horizon_us)
{
    const weir_event *now = &oracle->events[oracle->scored];
    window w = {.oracle = oracle, .node = node, .now = now, .to_us = now->time_us - node->delay_us,
                .scale = pow(10, weir_currency_exponent(now->currency))};
    w.from_us = node->window_us == WEIR_WINDOW_ALL ? now->time_us - horizon_us : w.to_us - node->window_us;
    for (size_t i = 0; i < sizeof AGGREGATES / sizeof *AGGREGATES; i++)
        if (strcmp(AGGREGATES[i].name, node->function->name) == 0)
            return AGGREGATES[i].value(&w);
    abort();
}

double feature_oracle_value(const feature_oracle *oracle, const weir_node *node, int64_t horizon_us)
{
    const weir_event *now = &oracle->events[oracle->scored];
    double x[WEIR_FUNCTION_ARGUMENT_MAX];
    if (node->kind == WEIR_NODE_AGGREGATE)
        return aggregate_value(oracle, node, horizon_us);
    if (node->kind == WEIR_NODE_PRIOR)
        return feature_oracle_value(oracle, node->arguments[0], horizon_us);
    if (node->kind != WEIR_NODE_NUMERIC)
        return past_value(node, now, now->time_us);
    for (size_t i = 0; i < node->argument_count; i++)
        x[i] = feature_oracle_value(oracle, node->arguments[i], horizon_us);
    return numeric_value(node->function->name, x, node->argument_count);
}
