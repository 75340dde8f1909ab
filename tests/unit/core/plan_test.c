/* The plan against the oracle: the same stream through both, every feature compared at every event. */
#include "core/plan_internal.h"
#include "support/feature_oracle.h"
#include "support/often.h"
#include "support/test_slab.h"
#include "weir/base/rng.h"
#include "weir/base/units.h"
#include "weir/core/plan.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define DAY WEIR_US_PER_DAY
#define HOUR WEIR_US_PER_HOUR

/* Windows are in hours or a few days, so that a few hundred events cross every edge. */
static const char *const EVERYTHING[] = {
    "amount", "log1p(amount)", "count(1h)", "count(24h)", "sum(amount, 24h)", "mean(amount, 7d)", "std(amount, 30d)",
    "std(amount, 1h)", "min(amount, 24h)", "max(amount, 7d)", "min(amount, 3h, where approved)",
    "max(amount, 2d, where is(channel, ecommerce), delay 5h)", "distinct(merchant, 24h)", "distinct(country, 30d)",
    "distinct(merchant, 12h, where amount > 50, delay 6h)", "same(merchant, 30d)", "same(device, 7d, where not fraud)",
    "same(country, 2d, delay 1d)", "new(country)", "new(merchant)", "new(device, where approved, delay 2d)",
    "since_last()", "since_last(where declined)", "since_first()", "distance_km()", "speed_kmh()", "hour()",
    "weekday()", "night()", "weekend()", "hour(+05:30)", "weekday(-08:00)", "is(mcc, 7995, 4829)",
    "between(amount, 10, 100)", "if(count(1h) > 2, mean(amount, 1h), amount)", "clip(amount, 5, 50)",
    "missing(std(amount, 1h), -1)", "amount / mean(amount, 7d)", "prior(count(1h))",
    "prior(mean(amount, 7d))", "amount - prior(mean(amount, 30d))", "prior(max(amount, 24h))",
    "prior(same(merchant, 30d))", "prior(distinct(merchant, 24h))", "prior(streak(approved))",
    "prior(streak_age(approved))", "prior(last(amount))", "prior(since(approved))", "prior(rate(declined, 7d))",
    "count(7d, delay 7d)", "sum(amount, 3d, where amount <= 22.5 or is(currency, JPY), delay 12h)",
    "count(28d, where fraud and amount <= 220, delay 7d)", "rate(fraud, 30d)", "rate(fraud, 7d, where approved)",
    "rate(declined, 24h)", "rate(amount > 20, 5d, where night(), delay 1d)", "last(amount)",
    "last(amount, where declined)", "last(hour(), delay 1d)", "last(mcc)", "since(declined)",
    "since(amount > 90, where approved)", "since(is(entry, magstripe), delay 3h)", "streak(approved)",
    "streak(declined)", "streak(amount < 80, where is(channel, pos))", "streak(approved, delay 8h)",
    "streak_age(approved)", "streak_age(amount < 80, where is(channel, pos))", "streak_age(approved, delay 8h)",
    "fraud", "count(7d, where fraud)", "distinct(merchant, 30d, where fraud)",
    "sqrt(abs(amount)) + exp(-amount / 100)", "max(1, count(1h), hour())", "min(amount, 10)",
    "count(1h) >= 2 and not (amount < 20)", "count(1s)", "mean(amount, 1s)", "count(5d, where located)",
    "sum(amount, 10d, where between(hour(), 9, 17) and weekday() < 5)",
};
enum { EVERYTHING_COUNT = sizeof EVERYTHING / sizeof *EVERYTHING };

/* Without labels behind the frontier these keep their running state when one comes in sight. */
static const char *const FRONTIER_LABELS[] = {
    "last(fraud)", "since(fraud)", "since(fraud, delay 3d)", "streak(not fraud)", "streak_age(not fraud)",
    "max(amount, 10d, where fraud)", "streak(approved, where not fraud)", "count(30d)", "count(30d, where fraud)",
};
enum { FRONTIER_LABEL_COUNT = sizeof FRONTIER_LABELS / sizeof *FRONTIER_LABELS };

/* These are found again by a search back when a label comes in sight: nothing here has to be built anew. */
static const char *const RENEWED_LABELS[] = {
    "since(fraud)", "since(fraud, delay 3d)", "since(not fraud)", "last(amount, where fraud)",
    "last(amount, where fraud and approved, delay 1d)", "streak(fraud)", "streak(not fraud)", "streak_age(not fraud)",
    "streak_age(fraud, delay 2d)", "streak(not fraud, where approved, delay 1d)", "streak(fraud or amount > 50)",
    "prior(streak(not fraud))", "rate(fraud, 30d)", "rate(fraud, 7d, delay 7d)", "count(30d, where fraud)",
    "max(amount, 10d)", "streak(approved)", "since(declined)",
};
enum { RENEWED_LABEL_COUNT = sizeof RENEWED_LABELS / sizeof *RENEWED_LABELS };

/* The shape of a random stream. */
typedef struct shape {
    uint64_t seed;
    size_t count;
    int64_t step_us_max;   /* between events in order */
    unsigned late_percent, duplicate_percent, tie_percent, label_percent;
    int64_t late_us_max;
    int64_t horizon_us_min;
    int64_t drift_us;      /* > 0: the card is the second stage, which retains its events for so much longer */
    size_t check_every;    /* compare with the oracle at each n-th event */
    bool swaps;            /* another plan now and then */
    bool falling;          /* amounts fall steadily: the ring of max grows */
} shape;

typedef struct rig {
    weir_rng rng;
    test_slab slab;
    weir_history history;
    feature_oracle oracle;
    void *memory;
    weir_arena arena;
    const weir_plan *plans[3];
    size_t stage;
    int64_t now_us;
    size_t duplicates, late, expired;
} rig;

enum { ARENA_SIZE = 4 << 20 };

static const weir_plan *compile(weir_arena *arena, const char *const *names, size_t count, int64_t horizon_us,
                                int64_t drift_us, uint32_t serial)
{
    static const weir_entity_kind STAGES[] = {WEIR_ENTITY_TERMINAL, WEIR_ENTITY_CARD};
    const weir_plan *plan = NULL;
    weir_error error = {0};
    weir_plan_options options = {.horizon_us_min = horizon_us, .drift_us = drift_us, .serial = serial};
    if (drift_us > 0) {
        options.stages = STAGES;
        options.stage_count = 2;
    }
    weir_status status = weir_plan_compile(names, count, &options, arena, &plan, &error);
    cr_assert_eq(status, WEIR_OK, "%s", error.message);
    return plan;
}

static weir_event random_event(rig *r, const shape *s)
{
    weir_rng *rng = &r->rng;
    static const char *const CURRENCIES[] = {"EUR", "USD", "JPY", "KWD"};
    static const char *const COUNTRIES[] = {"US", "GB", "FR", "DE", "JP"};
    uint64_t country = weir_rng_below(rng, 6), currency = weir_rng_below(rng, 4);
    weir_event event = {
        .time_us = r->now_us,
        .amount_minor = (int64_t)weir_rng_below(rng, 20000) - 2000,
        .mcc = (const uint16_t[]){0, 7995, 4829, 5411}[weir_rng_below(rng, 4)],
        .transaction = weir_rng_below(rng, UINT64_C(1) << 40) + 1,
        .country = country == 5 ? 0 : weir_code_pack((const uint8_t *)COUNTRIES[country], 2),
        .currency = weir_code_pack((const uint8_t *)CURRENCIES[currency], 3),
        .merchant = weir_rng_below(rng, 40),
        .terminal = weir_rng_below(rng, 60),
        .channel = weir_rng_below(rng, WEIR_CHANNEL_COUNT),
        .entry = weir_rng_below(rng, WEIR_ENTRY_COUNT),
        .outcome = weir_rng_below(rng, 8) == 0 ? WEIR_OUTCOME_DECLINED : weir_rng_below(rng, 9) == 0 ? 0 : 1,
        .label_delay_us = WEIR_LABEL_NONE,
        .latitude = WEIR_LATITUDE_NONE,
    };
    weir_event_set_device(&event, weir_rng_below(rng, 12));
    if (s->falling)
        event.amount_minor = (int64_t)(1000000 - r->oracle.count);
    if (weir_rng_below(rng, 3) > 0) {
        event.latitude = weir_latitude_pack(weir_rng_unit(rng) * 180 - 90);
        event.longitude = weir_longitude_pack(weir_rng_unit(rng) * 360 - 180);
    }
    return event;
}

static weir_event next_event(rig *r, const shape *s)
{
    uint64_t dice = weir_rng_below(&r->rng, 100);
    if (dice < s->duplicate_percent && r->oracle.count > 0)
        return r->oracle.events[weir_rng_below(&r->rng, r->oracle.count)];
    dice = weir_rng_below(&r->rng, 100);
    if (dice >= s->tie_percent)
        r->now_us += (int64_t)weir_rng_below(&r->rng, (uint64_t)s->step_us_max);
    weir_event event = random_event(r, s);
    if (weir_rng_below(&r->rng, 100) < s->late_percent)
        event.time_us -= (int64_t)weir_rng_below(&r->rng, (uint64_t)s->late_us_max);
    if (weir_rng_below(&r->rng, 50) == 0)
        event.label_delay_us = weir_rng_below(&r->rng, (uint64_t)(3 * DAY));
    return event;
}

static void label_something(rig *r, const weir_plan *plan)
{
    if (r->oracle.count == 0)
        return;
    weir_event event = r->oracle.events[weir_rng_below(&r->rng, r->oracle.count)];
    int64_t label_us = event.time_us + (int64_t)weir_rng_below(&r->rng, (uint64_t)(20 * DAY)) - DAY;
    if (weir_rng_below(&r->rng, 5) == 0)
        label_us = INT64_MAX;
    bool known = feature_oracle_label(&r->oracle, event.transaction, event.time_us, label_us);
    cr_assert(known);
    weir_event labelled;
    cr_assert_neq(weir_plan_label(plan, &r->history, &r->slab.slab, event.transaction,
                                  weir_rng_below(&r->rng, 8) ? event.time_us : INT64_MIN, label_us, &labelled),
                  WEIR_LABELLING_UNKNOWN);
    cr_assert_eq(labelled.transaction, event.transaction);
}

static bool is_close(double a, double b)
{
    if (isnan(a) || isnan(b))
        return isnan(a) && isnan(b);
    return fabs(a - b) <= 1e-9 * fmax(fabs(a), fabs(b));
}

/* What counts and sums must equal to the last bit. */
static bool is_exact(const weir_node *node)
{
    if (node->kind != WEIR_NODE_AGGREGATE)
        return false;
    static const char *const EXACT[] = {"count", "sum", "min", "max", "distinct", "same", "new", "streak", "rate"};
    for (size_t i = 0; i < sizeof EXACT / sizeof *EXACT; i++)
        if (strcmp(node->function->name, EXACT[i]) == 0)
            return true;
    return false;
}

static void compare(rig *r, const weir_plan *plan, const weir_event *event, double *registers, size_t step)
{
    static double values[WEIR_PLAN_FEATURE_MAX];
    weir_plan_finish(plan, event, registers, values);
    for (size_t i = 0; i < weir_plan_feature_count(plan); i++) {
        double expected = feature_oracle_value(&r->oracle, plan->roots[i], plan->horizon_us);
        /* Distances come from two formulas over single packed coordinates: close, not to the last digits. */
        bool near = strstr(plan->names[i], "_km") && fabs(values[i] - expected) <= 1e-6 * (1 + fabs(expected));
        bool right = is_exact(plan->roots[i]) ? values[i] == expected || (isnan(values[i]) && isnan(expected))
                                              : is_close(values[i], expected) || near;
        often_assert(right, "step %zu: %s is %.17g, expected %.17g", step, plan->names[i], values[i], expected);
    }
}

/* Events and chunks are what they should be, whatever the plan thinks. */
static void check_history(const rig *r)
{
    cr_assert_eq(r->history.event_count, r->oracle.count);
    weir_history_cursor cursor = weir_history_begin(&r->history);
    for (size_t i = 0; i < r->oracle.count; i++) {
        const weir_event *event = weir_history_next(&cursor);
        often_assert(event && memcmp(event, &r->oracle.events[i], sizeof *event) == 0, "event %zu of %zu", i,
                     r->oracle.count);
    }
    cr_assert_null(weir_history_next(&cursor));
    for (const weir_chunk *chunk = r->history.first; chunk; chunk = chunk->next)
        for (unsigned i = chunk->begin; i < chunk->end; i++) {
            often_assert(chunk->amount_minor_min <= chunk->events[i].amount_minor, "a chunk's minimum is too high");
            often_assert(chunk->amount_minor_max >= chunk->events[i].amount_minor, "a chunk's maximum is too low");
        }
}

static void step(rig *r, const shape *s, size_t i)
{
    const weir_plan *plan = r->plans[s->swaps ? i / 97 % 3 : 0];
    double *registers = calloc(weir_plan_register_count(plan) + 1, sizeof *registers);
    for (uint64_t labels = weir_rng_below(&r->rng, 100) < s->label_percent; labels > 0; labels--)
        label_something(r, plan);
    feature_oracle_settle(&r->oracle, weir_plan_retention_us(plan, r->stage));
    weir_event event = next_event(r, s);
    weir_arrival expected = feature_oracle_arrive(&r->oracle, &event, weir_plan_retention_us(plan, r->stage)), arrival;
    weir_status status;
    bool absorbed = s->check_every == 1 && i % 11 == 3;
    uint32_t moving;
    weir_plan_prefetch(plan, r->stage, &r->history, &event, 0, &moving);
    weir_plan_prefetch(plan, r->stage, &r->history, &event, 1, &moving);
    weir_plan_prefetch(plan, r->stage, &r->history, &event, 2, &moving);
    if (absorbed)
        status = weir_plan_absorb(plan, r->stage, &r->history, &r->slab.slab, &event, &arrival);
    else
        status = weir_plan_gather(plan, r->stage, &r->history, &r->slab.slab, &event, registers, &arrival);
    often_assert(status == WEIR_OK, "step %zu: %s", i, weir_status_name(status));
    often_assert(arrival == expected, "step %zu: arrival %d, expected %d", i, (int)arrival, (int)expected);
    r->duplicates += arrival == WEIR_ARRIVAL_DUPLICATE;
    r->late += arrival == WEIR_ARRIVAL_LATE;
    r->expired += arrival == WEIR_ARRIVAL_EXPIRED;
    if (!absorbed && arrival != WEIR_ARRIVAL_DUPLICATE && i % s->check_every == 0)
        compare(r, plan, &event, registers, i);
    feature_oracle_settle(&r->oracle, weir_plan_retention_us(plan, r->stage));
    if (i % s->check_every == 0)
        check_history(r);
    free(registers);
}

static rig *rig_new(const shape *s, const char *const *names, size_t count)
{
    rig *r = calloc(1, sizeof *r);
    r->rng.state = s->seed;
    r->now_us = 1700000000 * WEIR_US_PER_SECOND;
    r->stage = s->drift_us > 0;
    r->memory = aligned_alloc(64, ARENA_SIZE);
    weir_arena_init(&r->arena, r->memory, ARENA_SIZE);
    test_slab_init(&r->slab, 0);
    r->plans[0] = compile(&r->arena, names, count, s->horizon_us_min, s->drift_us, 1);
    if (s->swaps) {
        r->plans[1] = compile(&r->arena, names + count / 2, count - count / 2, s->horizon_us_min, s->drift_us, 2);
        r->plans[2] = compile(&r->arena, FRONTIER_LABELS, FRONTIER_LABEL_COUNT, s->horizon_us_min, s->drift_us, 3);
    }
    return r;
}

static void rig_free(rig *r)
{
    weir_history_clear(&r->history, &r->slab.slab);
    cr_assert_eq(r->slab.slab.used_size, 0, "%zu bytes were not given back", r->slab.slab.used_size);
    feature_oracle_free(&r->oracle);
    test_slab_free(&r->slab);
    free(r->memory);
    free(r);
}

static void run(const shape *s, const char *const *names, size_t count)
{
    rig *r = rig_new(s, names, count);
    for (size_t i = 0; i < s->count; i++)
        step(r, s, i);
    if (s->duplicate_percent)
        cr_assert_gt(r->duplicates, 0);
    if (s->late_percent)
        cr_assert_gt(r->late, 0);
    rig_free(r);
}

Test(plan, equals_the_oracle_in_order)
{
    run(&(shape){.seed = 1, .count = 1200, .step_us_max = 3 * HOUR, .check_every = 1}, EVERYTHING, EVERYTHING_COUNT);
}

Test(plan, equals_the_oracle_with_late_events_ties_and_duplicates)
{
    for (uint64_t seed = 10; seed < 14; seed++)
        run(&(shape){.seed = seed, .count = 700, .step_us_max = 4 * HOUR, .late_percent = 30, .late_us_max = 3 * DAY,
                     .duplicate_percent = 5, .tie_percent = 20, .check_every = 1},
            EVERYTHING, EVERYTHING_COUNT);
}

Test(plan, equals_the_oracle_in_bursts)
{
    run(&(shape){.seed = 20, .count = 1200, .step_us_max = 3 * WEIR_US_PER_SECOND, .late_percent = 40,
                 .late_us_max = 5 * WEIR_US_PER_MINUTE, .duplicate_percent = 3, .tie_percent = 60, .check_every = 1},
        EVERYTHING, EVERYTHING_COUNT);
}

Test(plan, equals_the_oracle_where_sources_drift_apart)
{
    for (uint64_t seed = 70; seed < 72; seed++) {
        shape s = {.seed = seed, .count = 450, .step_us_max = 5 * HOUR, .late_percent = 60, .late_us_max = 3 * DAY,
                   .duplicate_percent = 2, .tie_percent = 10, .label_percent = 15, .drift_us = 2 * DAY,
                   .check_every = 1};
        run(&s, EVERYTHING, EVERYTHING_COUNT);
        run(&s, FRONTIER_LABELS, FRONTIER_LABEL_COUNT);
        run(&s, RENEWED_LABELS, RENEWED_LABEL_COUNT);
    }
}

Test(plan, equals_the_oracle_with_labels_in_the_past_and_future)
{
    for (uint64_t seed = 30; seed < 32; seed++) {
        shape s = {.seed = seed, .count = 600, .step_us_max = 5 * HOUR, .late_percent = 20, .late_us_max = 4 * DAY,
                   .duplicate_percent = 2, .tie_percent = 10, .label_percent = 30, .check_every = 1};
        run(&s, EVERYTHING, EVERYTHING_COUNT);
        run(&s, FRONTIER_LABELS, FRONTIER_LABEL_COUNT);
        run(&s, RENEWED_LABELS, RENEWED_LABEL_COUNT);
    }
}

Test(plan, equals_the_oracle_when_plans_are_swapped)
{
    for (uint64_t seed = 40; seed < 42; seed++)
        run(&(shape){.seed = seed, .count = 900, .step_us_max = 5 * HOUR, .late_percent = 20, .late_us_max = 4 * DAY,
                     .duplicate_percent = 2, .tie_percent = 10, .label_percent = 10, .check_every = 1, .swaps = true},
            EVERYTHING, EVERYTHING_COUNT);
}

static const char *const SHORT[] = {
    "count(2s)", "sum(amount, 3s)", "std(amount, 5s)", "max(amount, 4s)", "min(amount, 5s, delay 1s)",
    "distinct(merchant, 5s)", "new(merchant)", "new(country, delay 2s)", "streak(approved)", "streak_age(approved)",
    "streak_age(approved, where amount > 20)", "since(declined)", "last(amount, where approved)", "since_first()",
    "distance_km()", "rate(approved, 5s, where amount > 10)", "prior(streak(amount > 10))", "since_last()",
};

Test(plan, equals_the_oracle_with_a_tiny_horizon)
{
    for (uint64_t seed = 50; seed < 54; seed++) {
        rig *r;
        shape s = {.seed = seed, .count = 1500, .step_us_max = WEIR_US_PER_SECOND, .late_percent = 35,
                   .late_us_max = 12 * WEIR_US_PER_SECOND, .duplicate_percent = 5, .tie_percent = 30,
                   .label_percent = 3,
                   .horizon_us_min = 6 * WEIR_US_PER_SECOND, .check_every = 1};
        r = rig_new(&s, SHORT, sizeof SHORT / sizeof *SHORT);
        for (size_t i = 0; i < s.count; i++)
            step(r, &s, i);
        cr_assert_gt(r->expired, 20);
        rig_free(r);
    }
}

static const char *const BUSY[] = {
    "count(1h)", "sum(amount, 7d)", "std(amount, 30d)", "max(amount, 30d)", "min(amount, 30d, where approved)",
    "same(merchant, 30d)", "count(30d, where fraud)", "streak(amount > -100000)", "streak_age(amount > -100000)",
    "since(declined)",
};

Test(plan, one_busy_card_is_neither_truncated_nor_wrong, .timeout = 120)
{
    shape s = {.seed = 60, .count = 120000, .step_us_max = 20 * WEIR_US_PER_SECOND, .late_percent = 2,
               .late_us_max = 30 * WEIR_US_PER_SECOND, .tie_percent = 5, .check_every = 23993};
    rig *r = rig_new(&s, BUSY, sizeof BUSY / sizeof *BUSY);
    r->oracle.trusting = true;
    for (size_t i = 0; i < s.count; i++) {
        if (i % 40000 == 7)
            label_something(r, r->plans[0]);
        const weir_plan *plan = r->plans[0];
        weir_event event = next_event(r, &s);
        double registers[256];
        weir_arrival arrival;
        event.transaction = i + 1;
        weir_arrival expected = feature_oracle_arrive(&r->oracle, &event, plan->horizon_us);
        weir_status status = weir_plan_gather(plan, r->stage, &r->history, &r->slab.slab, &event, registers, &arrival);
        often_assert(status == WEIR_OK, "step %zu: %s", i, weir_status_name(status));
        often_assert(arrival == expected, "step %zu: arrival %d, expected %d", i, (int)arrival, (int)expected);
        if (i % s.check_every == 0)
            compare(r, plan, &event, registers, i);
        if (i % 5000 == 0)
            feature_oracle_settle(&r->oracle, weir_plan_retention_us(plan, r->stage));
    }
    feature_oracle_settle(&r->oracle, r->plans[0]->horizon_us);
    check_history(r);
    rig_free(r);
}

Test(plan, falling_amounts_grow_the_ring_of_candidates)
{
    static const char *const NAMES[] = {"max(amount, 10d)", "min(amount, 10d)", "max(amount, 1d, delay 1d)"};
    run(&(shape){.seed = 70, .count = 2000, .step_us_max = 20 * WEIR_US_PER_MINUTE, .late_percent = 20,
                 .late_us_max = 5 * DAY, .check_every = 1, .falling = true},
        NAMES, 3);
}

/* Every refusal leaves the events as they were, and a later attempt with room is right. */
Test(plan, a_full_slab_changes_nothing)
{
    static const char *const NAMES[] = {"distinct(merchant, 30d)", "max(amount, 30d)", "count(30d)",
                                        "sum(amount, 30d)"};
    shape s = {.seed = 80, .count = 60000, .step_us_max = WEIR_US_PER_SECOND, .late_percent = 10,
               .late_us_max = WEIR_US_PER_MINUTE, .falling = true, .check_every = 1};
    rig *r = rig_new(&s, NAMES, 4);
    const weir_plan *plan = r->plans[0];
    r->slab.segment_max = 2;
    size_t refusals = 0;
    for (size_t i = 0; i < s.count && refusals < 5; i++) {
        weir_event event = next_event(r, &s);
        event.merchant = i + 1;
        double registers[64];
        weir_arrival arrival = WEIR_ARRIVAL_COUNT;
        uint32_t before = r->history.event_count;
        weir_status status = weir_plan_gather(plan, r->stage, &r->history, &r->slab.slab, &event, registers, &arrival);
        if (status != WEIR_OK) {
            cr_assert_eq(status, WEIR_FULL);
            cr_assert_eq(arrival, WEIR_ARRIVAL_COUNT);
            cr_assert_eq(r->history.event_count, before);
            check_history(r);
            r->slab.segment_max += ++refusals;
            status = weir_plan_gather(plan, r->stage, &r->history, &r->slab.slab, &event, registers, &arrival);
            if (status != WEIR_OK)
                continue;
            feature_oracle_arrive(&r->oracle, &event, plan->horizon_us);
            compare(r, plan, &event, registers, i);
            continue;
        }
        feature_oracle_arrive(&r->oracle, &event, plan->horizon_us);
    }
    cr_assert_geq(refusals, 3);
    check_history(r);
    rig_free(r);
}

/* Two stages, each with histories of its own kind; every value is the oracle's of that entity. */
Test(plan, a_second_entity_is_the_same_code_over_another_history)
{
    static const weir_entity_kind STAGES[] = {WEIR_ENTITY_CARD, WEIR_ENTITY_TERMINAL};
    static const char *const NAMES[] = {"count(1d)", "terminal.count(1d)", "terminal.rate(declined, 7d, delay 1d)",
                                        "sum(amount, 7d) / terminal.sum(amount, 7d)",
                                        "terminal.distinct(merchant, 7d)"};
    enum { CARD_COUNT = 3, TERMINAL_COUNT = 4 };
    shape s = {.seed = 90, .count = 1, .step_us_max = HOUR, .late_percent = 20, .late_us_max = DAY, .check_every = 1};
    rig *r = rig_new(&s, NAMES, 1);
    const weir_plan *plan = NULL;
    weir_plan_options options = {.serial = 9, .stages = STAGES, .stage_count = 2};
    cr_assert_eq(weir_plan_compile(NAMES, sizeof NAMES / sizeof *NAMES, &options, &r->arena, &plan, NULL), WEIR_OK);
    weir_history histories[2][TERMINAL_COUNT] = {0};
    feature_oracle oracles[2][TERMINAL_COUNT] = {0};
    for (size_t i = 0; i < 600; i++) {
        weir_event event = next_event(r, &s);
        size_t of[2] = {weir_rng_below(&r->rng, CARD_COUNT), weir_rng_below(&r->rng, TERMINAL_COUNT)};
        double registers[64], values[8], expected[2][8], sums[2];
        for (size_t stage = 0; stage < 2; stage++) {
            weir_arrival arrival;
            feature_oracle *oracle = &oracles[stage][of[stage]];
            cr_assert_eq(weir_plan_gather(plan, stage, &histories[stage][of[stage]], &r->slab.slab, &event, registers,
                                          &arrival), WEIR_OK);
            cr_assert_eq(feature_oracle_arrive(oracle, &event, plan->horizon_us), arrival);
            for (size_t f = 0; f < plan->feature_count; f++)
                expected[stage][f] = feature_oracle_value(oracle, plan->roots[f], plan->horizon_us);
            /* The one feature that asks both: its halves. */
            sums[stage] = feature_oracle_value(oracle, plan->roots[3]->arguments[stage], plan->horizon_us);
            feature_oracle_settle(oracle, plan->horizon_us);
        }
        weir_plan_finish(plan, &event, registers, values);
        cr_assert_eq(values[0], expected[0][0]);
        cr_assert_eq(values[1], expected[1][1]);
        cr_assert(is_close(values[2], expected[1][2]));
        cr_assert(is_close(values[3], sums[1] == 0 ? NAN : sums[0] / sums[1]));
        cr_assert_eq(values[4], expected[1][4]);
    }
    for (size_t stage = 0; stage < 2; stage++)
        for (size_t k = 0; k < TERMINAL_COUNT; k++) {
            weir_history_clear(&histories[stage][k], &r->slab.slab);
            feature_oracle_free(&oracles[stage][k]);
        }
    rig_free(r);
}

/* The oracle shares nothing with the engine but the parser; these few are reckoned by hand. */
Test(plan, windows_are_open_at_their_old_end_and_closed_at_their_new_one)
{
    static const char *const NAMES[] = {"count(10s)", "count(10s, delay 10s)", "sum(amount, 10s)", "prior(count(10s))",
                                        "std(amount, 1h)", "same(merchant, 1h)", "new(merchant)", "since_last()",
                                        "streak(approved)", "rate(declined, 1h)"};
    static const struct {
        int64_t second, minor;
        uint64_t merchant;
        weir_outcome outcome;
        double values[10];
    } ROWS[] = {
        {100, 1000, 1, WEIR_OUTCOME_APPROVED, {1, 0, 10, 0, NAN, 1, 1, NAN, 1, 0}},
        {110, 2000, 2, WEIR_OUTCOME_APPROVED, {1, 1, 20, 0, 7.0710678118654755, 1, 1, 10, 2, 0}},
        {119, 500, 1, WEIR_OUTCOME_DECLINED, {2, 1, 25, 1, 7.6376261582597333, 2, 0, 9, 0, 1. / 3}},
        {105, 100, 3, WEIR_OUTCOME_APPROVED, {2, 0, 11, 1, 6.3639610306789276, 1, 1, 5, 2, 0}},
        {120, 300, 2, WEIR_OUTCOME_APPROVED, {2, 2, 8, 1, 7.5960516059331775, 2, 0, 1, 1, .2}},
    };
    shape s = {.seed = 1, .check_every = 1};
    rig *r = rig_new(&s, NAMES, 10);
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        weir_event event = {.time_us = ROWS[i].second * WEIR_US_PER_SECOND, .amount_minor = ROWS[i].minor,
                            .merchant = ROWS[i].merchant, .outcome = ROWS[i].outcome, .transaction = i + 1,
                            .label_delay_us = WEIR_LABEL_NONE, .latitude = WEIR_LATITUDE_NONE};
        double registers[64], values[10];
        weir_arrival arrival;
        weir_status status = weir_plan_gather(r->plans[0], 0, &r->history, &r->slab.slab, &event, registers, &arrival);
        cr_assert_eq(status, WEIR_OK);
        weir_plan_finish(r->plans[0], &event, registers, values);
        for (size_t f = 0; f < 10; f++)
            cr_assert(is_close(values[f], ROWS[i].values[f]), "event %zu: %s is %.17g, expected %.17g", i, NAMES[f],
                      values[f], ROWS[i].values[f]);
    }
    r->oracle.count = 0;
    rig_free(r);
}
