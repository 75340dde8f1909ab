/* A chain of stages: what one gathers is handed to the next as plain numbers, and the last scores as if it had seen
 * everything itself. The oracle of each entity is feature_oracle.c's. */
#include "core/plan_internal.h"
#include "support/feature_oracle.h"
#include "support/test_slab.h"
#include "weir/base/rng.h"
#include "weir/base/units.h"
#include "weir/core/engine.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ENTITIES = 6, EVENTS = 1500, ARENA_SIZE = 4 << 20, FEATURE_MAX = 16, REGISTER_MAX = 64 };

static const weir_entity_kind CHAIN[] = {WEIR_ENTITY_CARD, WEIR_ENTITY_TERMINAL};
static const char *const NAMES[] = {
    "amount", "count(1d)", "terminal.count(1d)", "terminal.rate(fraud, 7d, delay 1d)", "sum(amount, 7d)",
    "sum(amount, 7d) / terminal.sum(amount, 7d)", "terminal.distinct(merchant, 7d)", "prior(terminal.mean(amount, 7d))",
    "count(7d, where fraud)", "terminal.since_last()",
};
enum { NAME_COUNT = sizeof NAMES / sizeof *NAMES, RATIO = 5 };

static const weir_plan *compile(weir_arena *arena, const char *const *names, size_t count,
                                const weir_entity_kind *stages, size_t stage_count)
{
    const weir_plan *plan = NULL;
    weir_error error = {0};
    weir_plan_options options = {.serial = 1, .stages = stages, .stage_count = stage_count};
    cr_assert_eq(weir_plan_compile(names, count, &options, arena, &plan, &error), WEIR_OK, "%s", error.message);
    return plan;
}

static weir_arena open_arena(void)
{
    weir_arena arena;
    weir_arena_init(&arena, aligned_alloc(64, ARENA_SIZE), ARENA_SIZE);
    return arena;
}

/* ---- layouts ---- */

static uint64_t layout_of(const char *const *names, size_t count, const weir_entity_kind *stages, size_t stage_count)
{
    weir_arena arena = open_arena();
    uint64_t layout = weir_plan_layout(compile(&arena, names, count, stages, stage_count));
    free(arena.base);
    return layout;
}

Test(layout, is_the_same_for_the_same_features)
{
    static const char *const SPELLED[] = {"count( 1h )", "terminal.sum(amount,24h)"};
    static const char *const OTHERWISE[] = {"count(60m)", "terminal.sum( amount, 1d )"};
    uint64_t layout = layout_of(SPELLED, 2, CHAIN, 2);
    cr_expect_eq(layout, layout_of(SPELLED, 2, CHAIN, 2));
    cr_expect_eq(layout, layout_of(OTHERWISE, 2, CHAIN, 2), "a name has one spelling");
}

Test(layout, is_another_when_registers_mean_something_else)
{
    static const weir_entity_kind TURNED[] = {WEIR_ENTITY_TERMINAL, WEIR_ENTITY_CARD};
    static const weir_entity_kind LONGER[] = {WEIR_ENTITY_CARD, WEIR_ENTITY_TERMINAL, WEIR_ENTITY_MERCHANT};
    static const struct {
        const char *names[3];
        size_t count;
        const weir_entity_kind *stages;
        size_t stage_count;
    } ROWS[] = {
        {{"count(1h)", "terminal.count(1h)"}, 2, CHAIN, 2},
        {{"terminal.count(1h)", "terminal.count(2h)"}, 2, CHAIN, 2},
        {{"terminal.count(2h)", "terminal.count(1h)"}, 2, CHAIN, 2}, /* another order */
        {{"count(1h)", "count(1h)"}, 2, CHAIN, 2},
        {{"count(1h, delay 1h)", "terminal.count(1h)"}, 2, CHAIN, 2},
        {{"count(1h, where fraud)", "terminal.count(1h)"}, 2, CHAIN, 2},
        {{"prior(count(1h))", "terminal.count(1h)"}, 2, CHAIN, 2},
        {{"sum(amount, 1h)", "terminal.count(1h)"}, 2, CHAIN, 2},
        {{"count(1h)", "terminal.count(1h)"}, 2, TURNED, 2},
        {{"count(1h)", "terminal.count(1h)"}, 2, LONGER, 3},
        {{"count(1h)", "terminal.count(1h)", "count(3h)"}, 3, CHAIN, 2},
        {{"amount"}, 1, CHAIN, 2},
    };
    enum { COUNT = sizeof ROWS / sizeof *ROWS };
    uint64_t layouts[COUNT];
    for (size_t i = 0; i < COUNT; i++) {
        layouts[i] = layout_of(ROWS[i].names, ROWS[i].count, ROWS[i].stages, ROWS[i].stage_count);
        for (size_t k = 0; k < i; k++)
            cr_expect_neq(layouts[i], layouts[k], "rows %zu and %zu", k, i);
    }
}

Test(layout, is_not_of_what_is_worked_out_afterwards)
{
    static const char *const ONE[] = {"count(1h)", "hour()"}, *const OTHER[] = {"count(1h)", "log1p(amount)"};
    cr_expect_eq(layout_of(ONE, 2, CHAIN, 2), layout_of(OTHER, 2, CHAIN, 2), "no register of these goes over a hop");
}

/* ---- two stages ---- */

typedef struct chain {
    weir_arena arena;
    const weir_plan *plan;
    const weir_ruleset *ruleset;
    weir_model model;
    double weights[NAME_COUNT], means[NAME_COUNT], imputes[NAME_COUNT];
    test_slab slab;
    weir_engine *engines[2];
    weir_history histories[2][ENTITIES];
    feature_oracle oracles[2][ENTITIES];
    weir_engine_item items[2][WEIR_BATCH_MAX];
    double handed[WEIR_BATCH_MAX][REGISTER_MAX];
    double expected[WEIR_BATCH_MAX][FEATURE_MAX];
} chain;

static chain *open_chain(void)
{
    chain *c = calloc(1, sizeof *c);
    cr_assert_not_null(c);
    c->arena = open_arena();
    c->plan = compile(&c->arena, NAMES, NAME_COUNT, CHAIN, 2);
    test_slab_init(&c->slab, 0);
    for (size_t i = 0; i < NAME_COUNT; i++) {
        c->weights[i] = 0.001 * (double)(i + 1);
        c->imputes[i] = 0.5;
    }
    c->model = (weir_model){.name = "m", .version = "1", .feature_count = NAME_COUNT, .feature_names = NAMES,
                            .weights = c->weights, .means = c->means, .imputes = c->imputes, .bias = -70,
                            .link = WEIR_LINK_LOGISTIC, .clip_high = 1, .threshold_count = 1,
                            .thresholds = {{"review", 0.5}}};
    const weir_model *models[] = {&c->model};
    cr_assert_eq(weir_ruleset_build(c->plan, models, 1, &c->arena, &c->ruleset, NULL), WEIR_OK);
    size_t size = (weir_engine_size(NAME_COUNT, weir_plan_register_count(c->plan)) + 63) / 64 * 64;
    for (int stage = 0; stage < 2; stage++)
        c->engines[stage] = weir_engine_init(aligned_alloc(64, size), NAME_COUNT, weir_plan_register_count(c->plan));
    return c;
}

static void close_chain(chain *c)
{
    for (size_t stage = 0; stage < 2; stage++) {
        for (size_t i = 0; i < ENTITIES; i++) {
            weir_history_clear(&c->histories[stage][i], &c->slab.slab);
            feature_oracle_free(&c->oracles[stage][i]);
        }
        free(c->engines[stage]);
    }
    cr_expect_eq(c->slab.slab.used_size, 0);
    test_slab_free(&c->slab);
    free(c->arena.base);
    free(c);
}

static weir_event draw(weir_rng *rng, int64_t *now_us, uint64_t transaction)
{
    *now_us += (int64_t)weir_rng_below(rng, (uint64_t)WEIR_US_PER_HOUR);
    weir_event event = {
        .time_us = *now_us,
        .amount_minor = (int64_t)weir_rng_below(rng, 50000),
        .transaction = transaction,
        .currency = weir_code_pack((const uint8_t *)"EUR", 3),
        .card = 1 + weir_rng_below(rng, ENTITIES),
        .terminal = weir_rng_below(rng, ENTITIES + 1), /* 0: none */
        .merchant = 1 + weir_rng_below(rng, 9),
        .label_delay_us =
            weir_rng_below(rng, 6) ? WEIR_LABEL_NONE : weir_rng_below(rng, (uint64_t)(2 * WEIR_US_PER_DAY)),
        .latitude = WEIR_LATITUDE_NONE,
    };
    if (weir_rng_below(rng, 5) == 0)
        event.time_us -= (int64_t)weir_rng_below(rng, (uint64_t)WEIR_US_PER_DAY);
    return event;
}

/* What every feature of the event is: of an entity it does not have, all is missing. */
static void ask_oracles(chain *c, const weir_event *event, double *expected_out)
{
    double values[2][NAME_COUNT], sums[2];
    int64_t horizon_us = c->plan->horizon_us;
    for (size_t stage = 0; stage < 2; stage++) {
        uint64_t entity = weir_event_entity(event, CHAIN[stage]);
        feature_oracle *oracle = entity ? &c->oracles[stage][entity - 1] : NULL;
        if (oracle)
            cr_assert_neq(feature_oracle_arrive(oracle, event, horizon_us), WEIR_ARRIVAL_DUPLICATE);
        for (size_t i = 0; i < NAME_COUNT; i++)
            values[stage][i] = oracle ? feature_oracle_value(oracle, c->plan->roots[i], horizon_us) : NAN;
        const weir_node *part = c->plan->roots[RATIO]->arguments[stage];
        sums[stage] = oracle ? feature_oracle_value(oracle, part, horizon_us) : NAN;
        if (oracle)
            feature_oracle_settle(oracle, horizon_us);
    }
    for (size_t i = 0; i < NAME_COUNT; i++)
        expected_out[i] = values[strstr(NAMES[i], "terminal.") != NULL][i];
    expected_out[RATIO] = sums[1] == 0 ? NAN : sums[0] / sums[1];
}

static weir_history *history_of(chain *c, size_t stage, const weir_event *event)
{
    uint64_t entity = weir_event_entity(event, CHAIN[stage]);
    return entity ? &c->histories[stage][entity - 1] : NULL;
}

/* One batch through both stages; between them nothing but the registers a hop carries. */
static void run_batch(chain *c, const weir_event *events, size_t count)
{
    size_t done, inherited = weir_engine_inherited(c->ruleset, 1);
    cr_assert_leq(inherited, REGISTER_MAX);
    cr_assert_eq(weir_engine_inherited(c->ruleset, 0), 0);
    for (size_t i = 0; i < count; i++) {
        ask_oracles(c, &events[i], c->expected[i]);
        c->items[0][i] = (weir_engine_item){
            .history = history_of(c, 0, &events[i]), .event = events[i], .slab = &c->slab.slab};
    }
    cr_assert_eq(weir_engine_step(c->engines[0], c->ruleset, 0, c->items[0], count, &done), WEIR_OK);
    for (size_t i = 0; i < count; i++) {
        cr_assert_null(c->items[0][i].values, "the first stage scores nothing");
        cr_assert_eq(c->items[0][i].threshold, -1);
        memcpy(c->handed[i], c->items[0][i].registers, inherited * sizeof(double));
        c->items[1][i] = (weir_engine_item){.history = history_of(c, 1, &events[i]), .event = events[i],
                                            .slab = &c->slab.slab, .registers_in = c->handed[i]};
    }
    cr_assert_eq(weir_engine_step(c->engines[1], c->ruleset, 1, c->items[1], count, &done), WEIR_OK);
}

static bool is_close(double a, double b)
{
    return isnan(a) || isnan(b) ? isnan(a) && isnan(b) : fabs(a - b) <= 1e-9 * (1 + fabs(b));
}

static size_t check_batch(const chain *c, size_t count)
{
    size_t alerts = 0;
    for (size_t i = 0; i < count; i++) {
        const weir_engine_item *item = &c->items[1][i];
        double logit = c->model.bias;
        uint32_t missing = 0;
        for (size_t f = 0; f < NAME_COUNT; f++) {
            double expected = c->expected[i][f];
            cr_assert(is_close(item->values[f], expected), "%s is %.17g, expected %.17g", NAMES[f], item->values[f],
                      expected);
            missing += isnan(expected);
            logit += c->weights[f] * (isnan(expected) ? c->imputes[f] : expected);
        }
        cr_assert_eq(item->missing_count, missing);
        cr_assert_float_eq(item->logits[0], logit, 1e-9 * (1 + fabs(logit)));
        cr_assert_eq(item->threshold >= 0, item->score >= 0.5);
        alerts += item->threshold >= 0;
    }
    return alerts;
}

Test(stages, two_of_them_equal_the_oracle_of_each_entity)
{
    chain *c = open_chain();
    weir_rng rng = {.state = 12};
    int64_t now_us = INT64_C(1700000000) * WEIR_US_PER_SECOND;
    weir_event events[WEIR_BATCH_MAX];
    size_t alerts = 0, without = 0;
    for (uint64_t transaction = 1; transaction <= EVENTS;) {
        size_t count = 1 + weir_rng_below(&rng, 100);
        for (size_t i = 0; i < count; i++) {
            events[i] = draw(&rng, &now_us, transaction++);
            without += events[i].terminal == 0;
        }
        run_batch(c, events, count);
        alerts += check_batch(c, count);
    }
    cr_expect_gt(without, 100, "some had no terminal");
    cr_expect_gt(alerts, 100);
    cr_expect_lt(alerts, EVENTS - 100);
    close_chain(c);
}

/* One plan, one history an entity, no hop between: the values are the same to the bit. */
Test(stages, a_hop_changes_no_bit)
{
    chain *c = open_chain();
    static weir_history histories[2][ENTITIES];
    weir_rng rng = {.state = 31};
    int64_t now_us = INT64_C(1700000000) * WEIR_US_PER_SECOND;
    for (uint64_t transaction = 1; transaction <= 400; transaction++) {
        weir_event event = draw(&rng, &now_us, transaction);
        double registers[REGISTER_MAX], values[FEATURE_MAX];
        cr_assert_leq(weir_plan_register_count(c->plan), REGISTER_MAX);
        for (size_t stage = 0; stage < 2; stage++) {
            weir_arrival arrival;
            uint64_t entity = weir_event_entity(&event, CHAIN[stage]);
            if (!entity)
                weir_plan_skip(c->plan, stage, registers);
            else
                cr_assert_eq(weir_plan_gather(c->plan, stage, &histories[stage][entity - 1], &c->slab.slab, &event,
                                              registers, &arrival), WEIR_OK);
        }
        weir_plan_finish(c->plan, &event, registers, values);
        run_batch(c, &event, 1);
        for (size_t f = 0; f < NAME_COUNT; f++) {
            double through = c->items[1][0].values[f];
            cr_assert(isnan(values[f]) ? isnan(through) : memcmp(&values[f], &through, sizeof(double)) == 0, "%s",
                      NAMES[f]);
        }
    }
    for (size_t stage = 0; stage < 2; stage++)
        for (size_t i = 0; i < ENTITIES; i++)
            weir_history_clear(&histories[stage][i], &c->slab.slab);
    close_chain(c);
}

Test(stages, an_event_without_the_entity_goes_through_and_leaves_no_trace)
{
    chain *c = open_chain();
    weir_event event = {.time_us = 1700000000000000, .amount_minor = 12345, .transaction = 1, .card = 2,
                        .currency = weir_code_pack((const uint8_t *)"EUR", 3), .merchant = 3,
                        .label_delay_us = WEIR_LABEL_NONE, .latitude = WEIR_LATITUDE_NONE};
    run_batch(c, &event, 1);
    check_batch(c, 1);
    cr_expect_eq(c->items[1][0].arrival, WEIR_ARRIVAL_APPENDED);
    cr_expect_eq(c->items[1][0].values[0], 123.45);
    cr_expect(isnan(c->items[1][0].values[2]));
    for (size_t i = 0; i < ENTITIES; i++)
        cr_expect_eq(c->histories[1][i].event_count, 0);
    close_chain(c);
}

Test(stages, what_passed_a_threshold_is_flagged_where_it_was_scored)
{
    chain *c = open_chain();
    weir_event event = {.time_us = 1700000000000000, .amount_minor = 90000000, .transaction = 1, .card = 2,
                        .terminal = 4, .currency = weir_code_pack((const uint8_t *)"EUR", 3), .merchant = 3,
                        .label_delay_us = WEIR_LABEL_NONE, .latitude = WEIR_LATITUDE_NONE};
    weir_event small = event;
    small.amount_minor = 1;
    small.transaction = 2;
    small.terminal = 5;
    run_batch(c, (weir_event[]){event, small}, 2);
    cr_assert_geq(c->items[1][0].threshold, 0);
    weir_history_cursor terminal = weir_history_begin(&c->histories[1][3]);
    cr_expect_eq(weir_history_next(&terminal)->flags, WEIR_EVENT_ALERTED);
    weir_history_cursor card = weir_history_begin(&c->histories[0][1]);
    cr_expect_eq(weir_history_next(&card)->flags, 0, "the card's stage does not know");
    weir_history_cursor other = weir_history_begin(&c->histories[1][4]);
    cr_expect_eq(weir_history_next(&other)->flags != 0, c->items[1][1].threshold >= 0);
    close_chain(c);
}

Test(stages, a_duplicate_is_one_in_every_stage)
{
    chain *c = open_chain();
    weir_rng rng = {.state = 5};
    int64_t now_us = 1700000000000000;
    weir_event event = draw(&rng, &now_us, 1);
    event.terminal = 1;
    run_batch(c, &event, 1);
    size_t done;
    for (size_t stage = 0; stage < 2; stage++) {
        weir_engine_item again = {.history = history_of(c, stage, &event), .event = event, .slab = &c->slab.slab,
                                  .registers_in = c->handed[0]};
        cr_assert_eq(weir_engine_step(c->engines[stage], c->ruleset, stage, &again, 1, &done), WEIR_OK);
        cr_expect_eq(again.arrival, WEIR_ARRIVAL_DUPLICATE);
        cr_expect_null(again.values);
        cr_expect_eq(again.threshold, -1);
    }
    close_chain(c);
}
