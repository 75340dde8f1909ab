/* The engine over a real plan: batches, blocks, challengers, missing values, duplicates, full memory. */
#include "weir/base/hash.h"
#include "weir/base/rng.h"
#include "weir/base/units.h"
#include "weir/core/engine.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    FEATURE_MAX = 64,
    CARD_COUNT = 40,
    EVENT_COUNT = 3000,
    ARENA_SIZE = 16 << 20,
    SEGMENT_MAX = 256,
};

/* --- a world: cards, memory, models -------------------------------------------------------------------------- */

typedef struct world {
    weir_history cards[CARD_COUNT];
    weir_slab slab;
    void *segments[SEGMENT_MAX];
    size_t segment_count, segment_max;
    weir_engine *engine;
} world;

static void *grow(void *owner, size_t size)
{
    world *w = owner;
    if (w->segment_count == w->segment_max)
        return NULL;
    void *segment = aligned_alloc(64, size);
    cr_assert_not_null(segment);
    w->segments[w->segment_count++] = segment;
    return segment;
}

static world *open_world(const weir_plan *plan)
{
    world *w = calloc(1, sizeof *w);
    cr_assert_not_null(w);
    w->segment_max = SEGMENT_MAX;
    weir_slab_init(&w->slab, grow, w);
    size_t size = weir_engine_size(weir_plan_feature_count(plan), weir_plan_register_count(plan));
    void *memory = aligned_alloc(64, (size + 63) / 64 * 64);
    cr_assert_not_null(memory);
    w->engine = weir_engine_init(memory, weir_plan_feature_count(plan), weir_plan_register_count(plan));
    return w;
}

static void close_world(world *w)
{
    for (size_t i = 0; i < w->segment_count; i++)
        free(w->segments[i]);
    free(w->engine);
    free(w);
}

static weir_arena new_arena(void)
{
    weir_arena arena;
    void *memory = aligned_alloc(64, ARENA_SIZE);
    cr_assert_not_null(memory);
    weir_arena_init(&arena, memory, ARENA_SIZE);
    return arena;
}

/* Features that are always there and features that often are not. */
static size_t write_names(char names[FEATURE_MAX][64], size_t wanted)
{
    static const char *const FIXED[] = {"amount",           "log1p(amount)", "std(amount, 30d)", "since_last()",
                                        "new(country)",     "hour()",        "distance_km()",    "speed_kmh()",
                                        "sum(amount, 24h)", "night()"};
    size_t count = 0;
    for (size_t i = 0; i < sizeof FIXED / sizeof *FIXED && count < wanted; i++)
        snprintf(names[count++], sizeof names[0], "%s", FIXED[i]);
    for (int hours = 1; count < wanted; hours++)
        snprintf(names[count++], sizeof names[0], hours % 2 ? "count(%dh)" : "mean(amount, %dh)", hours);
    return count;
}

typedef struct setting {
    weir_arena arena;
    const weir_plan *plan;
    const char *names[FEATURE_MAX];
    char texts[FEATURE_MAX][64];
    size_t count;
} setting;

static setting *open_setting(size_t feature_count)
{
    setting *s = calloc(1, sizeof *s);
    cr_assert_not_null(s);
    s->arena = new_arena();
    s->count = write_names(s->texts, feature_count);
    for (size_t i = 0; i < s->count; i++)
        s->names[i] = s->texts[i];
    weir_error error = {0};
    weir_plan_options options = {.serial = 1};
    cr_assert_eq(weir_plan_compile(s->names, s->count, &options, &s->arena, &s->plan, &error), WEIR_OK, "%s",
                 error.message);
    return s;
}

static void close_setting(setting *s)
{
    free(s->arena.base);
    free(s);
}

typedef struct random_model {
    weir_model model;
    const char *names[FEATURE_MAX];
    double weights[FEATURE_MAX], means[FEATURE_MAX], imputes[FEATURE_MAX];
} random_model;

/* A model over every `step`-th feature of the setting, so that challengers overlap without being equal. */
static void fill_model(random_model *r, const setting *s, size_t step, uint64_t seed)
{
    weir_rng rng = {seed};
    memset(r, 0, sizeof *r);
    size_t count = 0;
    for (size_t i = 0; i < s->count; i += step, count++) {
        r->names[count] = s->names[i];
        r->weights[count] = (weir_rng_unit(&rng) - 0.5) * 2e-5;
        r->means[count] = weir_rng_unit(&rng) * 3;
        r->imputes[count] = weir_rng_unit(&rng) * 10 - 5;
    }
    r->model = (weir_model){.name = "test", .version = "1", .feature_count = count, .feature_names = r->names,
                            .weights = r->weights, .means = r->means, .imputes = r->imputes, .bias = -0.25,
                            .link = WEIR_LINK_LOGISTIC, .clip_high = 1, .threshold_count = 2,
                            .thresholds = {{"review", 0.45}, {"block", 0.55}}};
}

static const weir_ruleset *build(setting *s, const random_model *models, size_t count)
{
    const weir_model *pointers[WEIR_MODEL_COLUMNS];
    for (size_t i = 0; i < count; i++)
        pointers[i] = &models[i].model;
    const weir_ruleset *ruleset = NULL;
    weir_error error = {0};
    cr_assert_eq(weir_ruleset_build(s->plan, pointers, count, &s->arena, &ruleset, &error), WEIR_OK, "%s",
                 error.message);
    return ruleset;
}

typedef struct stream {
    size_t cards[EVENT_COUNT];
    weir_event events[EVENT_COUNT];
} stream;

static weir_event random_event(weir_rng *rng, size_t card, int64_t time_us)
{
    weir_event event = {.time_us = time_us,
                        .amount_minor = (int64_t)weir_rng_below(rng, 500000),
                        .mcc = 5411,
                        .transaction = 1 + (weir_rng_next(rng) >> 17),
                        .country = weir_code_pack((const uint8_t *)(weir_rng_below(rng, 5) ? "ES" : "FR"), 2),
                        .currency = weir_code_pack((const uint8_t *)"EUR", 3),
                        .card = card + 1,
                        .merchant = 1 + weir_rng_below(rng, 20),
                        .channel = WEIR_CHANNEL_POS,
                        .label_delay_us = WEIR_LABEL_NONE,
                        .latitude = WEIR_LATITUDE_NONE};
    if (weir_rng_below(rng, 3) > 0) {
        event.latitude = weir_latitude_pack(40 + weir_rng_unit(rng));
        event.longitude = weir_longitude_pack(-3 + weir_rng_unit(rng));
    }
    return event;
}

static stream *open_stream(uint64_t seed)
{
    stream *s = calloc(1, sizeof *s);
    cr_assert_not_null(s);
    weir_rng rng = {seed};
    int64_t time_us = INT64_C(1700000000) * WEIR_US_PER_SECOND;
    for (size_t i = 0; i < EVENT_COUNT; i++) {
        time_us += (int64_t)weir_rng_below(&rng, (uint64_t)WEIR_US_PER_MINUTE);
        s->cards[i] = weir_rng_below(&rng, CARD_COUNT);
        s->events[i] = random_event(&rng, s->cards[i], time_us);
    }
    return s;
}

typedef struct outcome {
    double logits[WEIR_MODEL_COLUMNS];
    double score;
    int32_t threshold;
    uint32_t missing_count;
    double values[FEATURE_MAX];
} outcome;

static weir_engine_item item_of(world *w, const stream *s, size_t index)
{
    return (weir_engine_item){
        .history = &w->cards[s->cards[index]], .event = s->events[index], .slab = &w->slab, .threshold = 99};
}

static void keep(const weir_ruleset *ruleset, const weir_engine_item *item, outcome *out)
{
    memcpy(out->logits, item->logits, sizeof out->logits);
    out->score = item->score;
    out->threshold = item->threshold;
    out->missing_count = item->missing_count;
    memcpy(out->values, item->values, weir_plan_feature_count(weir_ruleset_plan(ruleset)) * sizeof(double));
}

/* Runs the stream in the order given, in batches of random sizes up to `batch_max`. */
static outcome *run(const weir_ruleset *ruleset, const stream *s, const size_t *order, size_t batch_max, uint64_t seed)
{
    world *w = open_world(weir_ruleset_plan(ruleset));
    outcome *outcomes = calloc(EVENT_COUNT, sizeof *outcomes);
    weir_engine_item *items = calloc(WEIR_BATCH_MAX, sizeof *items);
    cr_assert(outcomes && items);
    weir_rng rng = {seed};
    for (size_t at = 0, size; at < EVENT_COUNT; at += size) {
        size = 1 + weir_rng_below(&rng, batch_max);
        if (size > EVENT_COUNT - at)
            size = EVENT_COUNT - at;
        for (size_t i = 0; i < size; i++)
            items[i] = item_of(w, s, order[at + i]);
        size_t done;
        cr_assert_eq(weir_engine_step(w->engine, ruleset, 0, items, size, &done), WEIR_OK);
        cr_assert_eq(done, size);
        for (size_t i = 0; i < size; i++)
            keep(ruleset, &items[i], &outcomes[order[at + i]]);
    }
    free(items);
    close_world(w);
    return outcomes;
}

static void in_order(size_t order[EVENT_COUNT])
{
    for (size_t i = 0; i < EVENT_COUNT; i++)
        order[i] = i;
}

/* Another interleaving of the cards that keeps each card's own order: what repartitioning does. */
static void shuffle_cards(const stream *s, size_t order[EVENT_COUNT], uint64_t seed)
{
    weir_rng rng = {seed};
    for (int pass = 0; pass < 30; pass++)
        for (size_t i = 0; i + 1 < EVENT_COUNT; i++)
            if (s->cards[order[i]] != s->cards[order[i + 1]] && weir_rng_below(&rng, 2)) {
                size_t kept = order[i];
                order[i] = order[i + 1];
                order[i + 1] = kept;
            }
}

/* --- claims -------------------------------------------------------------------------------------------------- */

static void assert_same_bits(const outcome *a, const outcome *b, const char *what)
{
    for (size_t i = 0; i < EVENT_COUNT; i++)
        cr_assert_eq(memcmp(&a[i], &b[i], sizeof a[i]), 0, "%s: event %zu: %a and %a", what, i, a[i].logits[0],
                     b[i].logits[0]);
}

static void check_splits(size_t feature_count)
{
    setting *s = open_setting(feature_count);
    random_model models[3];
    for (size_t i = 0; i < 3; i++)
        fill_model(&models[i], s, i + 1, 100 + i);
    const weir_ruleset *ruleset = build(s, models, 3);
    stream *events = open_stream(5);
    size_t order[EVENT_COUNT];
    in_order(order);
    outcome *single = run(ruleset, events, order, 1, 1);
    static const size_t BATCHES[] = {3, 8, 9, 64, WEIR_BATCH_MAX};
    for (size_t i = 0; i < sizeof BATCHES / sizeof *BATCHES; i++) {
        outcome *other = run(ruleset, events, order, BATCHES[i], 40 + i);
        assert_same_bits(single, other, "split");
        free(other);
        shuffle_cards(events, order, 70 + i);
        other = run(ruleset, events, order, BATCHES[i], 90 + i);
        assert_same_bits(single, other, "permutation");
        free(other);
    }
    free(single);
    free(events);
    close_setting(s);
}

Test(engine, scores_have_the_same_bits_whatever_the_batches)
{
    check_splits(64);
}

Test(engine, odd_widths_have_the_same_bits_whatever_the_batches)
{
    check_splits(1);
    check_splits(17);
    check_splits(37);
}

Test(engine, a_challenger_scores_as_it_would_as_champion)
{
    setting *s = open_setting(48);
    random_model models[WEIR_MODEL_COLUMNS], alone[1];
    for (size_t i = 0; i < WEIR_MODEL_COLUMNS; i++)
        fill_model(&models[i], s, i + 1, 200 + i);
    stream *events = open_stream(6);
    size_t order[EVENT_COUNT];
    in_order(order);
    outcome *together = run(build(s, models, WEIR_MODEL_COLUMNS), events, order, 64, 1);
    for (size_t m = 0; m < WEIR_MODEL_COLUMNS; m++) {
        alone[0] = models[m];
        outcome *single = run(build(s, alone, 1), events, order, 64, 1);
        for (size_t i = 0; i < EVENT_COUNT; i++)
            cr_assert_eq(memcmp(&single[i].logits[0], &together[i].logits[m], sizeof(double)), 0,
                         "model %zu, event %zu", m, i);
        free(single);
    }
    free(together);
    free(events);
    close_setting(s);
}

/* The oracle: the definition, in long double, from the values handed out. */
static long double slow_logit(const random_model *r, const weir_plan *plan, const double *values, uint32_t *missing_out)
{
    long double logit = r->model.bias;
    *missing_out = 0;
    for (size_t i = 0; i < r->model.feature_count; i++) {
        double value = values[weir_plan_feature_index(plan, r->names[i])];
        *missing_out += isnan(value);
        logit += (long double)r->weights[i] * (isnan(value) ? r->imputes[i] : value);
    }
    return logit;
}

static int by_score(const void *a, const void *b)
{
    double x = ((const outcome *)a)->score, y = ((const outcome *)b)->score;
    return (x > y) - (x < y);
}

/* Thresholds at the thirds of the scores that occur, equal to one of them each: "passed" means at or above. */
static void set_thirds(random_model *champion, const outcome *outcomes)
{
    outcome *sorted = malloc(EVENT_COUNT * sizeof *sorted);
    cr_assert_not_null(sorted);
    memcpy(sorted, outcomes, EVENT_COUNT * sizeof *sorted);
    qsort(sorted, EVENT_COUNT, sizeof *sorted, by_score);
    champion->model.thresholds[0].score = sorted[EVENT_COUNT / 3].score;
    champion->model.thresholds[1].score = sorted[2 * EVENT_COUNT / 3].score;
    free(sorted);
}

Test(engine, scores_equal_the_definition)
{
    setting *s = open_setting(40);
    random_model models[WEIR_MODEL_COLUMNS];
    for (size_t i = 0; i < WEIR_MODEL_COLUMNS; i++)
        fill_model(&models[i], s, i + 1, 300 + i);
    stream *events = open_stream(7);
    size_t order[EVENT_COUNT];
    in_order(order);
    outcome *outcomes = run(build(s, models, WEIR_MODEL_COLUMNS), events, order, WEIR_BATCH_MAX, 1);
    set_thirds(&models[0], outcomes);
    free(outcomes);
    outcomes = run(build(s, models, WEIR_MODEL_COLUMNS), events, order, WEIR_BATCH_MAX, 1);
    const weir_threshold *thresholds = models[0].model.thresholds;
    size_t missing_total = 0, passed[3] = {0};
    for (size_t i = 0; i < EVENT_COUNT; i++) {
        uint32_t missing;
        for (size_t m = 0; m < WEIR_MODEL_COLUMNS; m++) {
            long double logit = slow_logit(&models[m], s->plan, outcomes[i].values, &missing);
            cr_assert_float_eq(outcomes[i].logits[m], (double)logit, 1e-10 * (1 + fabs((double)logit)));
        }
        slow_logit(&models[0], s->plan, outcomes[i].values, &missing);
        cr_assert_eq(outcomes[i].missing_count, missing);
        missing_total += missing;
        double score = 1 / (1 + exp(-outcomes[i].logits[0]));
        cr_assert_float_eq(outcomes[i].score, score, 1e-15);
        int32_t threshold = (outcomes[i].score >= thresholds[0].score) + (outcomes[i].score >= thresholds[1].score) - 1;
        cr_assert_eq(outcomes[i].threshold, threshold);
        passed[threshold + 1]++;
    }
    cr_assert_gt(missing_total, EVENT_COUNT / 4, "missing values were met");
    cr_assert(passed[0] > 500 && passed[1] > 500 && passed[2] > 500, "every threshold was met: %zu %zu %zu", passed[0],
              passed[1], passed[2]);
    free(outcomes);
    free(events);
    close_setting(s);
}

Test(engine, reasons_follow_the_champions_own_feature_order)
{
    setting *s = open_setting(10);
    double weights[] = {1, 2}, zeros[] = {0, 0};
    const char *names[] = {"count(1h)", "amount"}; /* not the plan's order, and one the plan has later */
    const char *planned[] = {"hour()", "amount", "count(1h)"};
    weir_plan_options options = {.serial = 2};
    cr_assert_eq(weir_plan_compile(planned, 3, &options, &s->arena, &s->plan, NULL), WEIR_OK);
    weir_model model = {.name = "m", .version = "1", .feature_count = 2, .feature_names = names, .weights = weights,
                        .means = zeros, .imputes = zeros, .link = WEIR_LINK_LOGISTIC, .clip_high = 1};
    const weir_model *models[] = {&model};
    const weir_ruleset *ruleset = NULL;
    cr_assert_eq(weir_ruleset_build(s->plan, models, 1, &s->arena, &ruleset, NULL), WEIR_OK);
    world *w = open_world(s->plan);
    weir_rng rng = {3};
    weir_event event = random_event(&rng, 0, INT64_C(1700000000) * WEIR_US_PER_SECOND);
    event.amount_minor = 1234;
    weir_engine_item item = {.history = &w->cards[0], .event = event, .slab = &w->slab};
    size_t done;
    cr_assert_eq(weir_engine_step(w->engine, ruleset, 0, &item, 1, &done), WEIR_OK);
    weir_reason reasons[WEIR_REASON_MAX];
    cr_assert_eq(weir_engine_reasons(ruleset, &item, reasons), 2);
    cr_assert_eq(reasons[0].feature, 1);
    cr_assert_float_eq(reasons[0].contribution, 2 * 12.34, 1e-12);
    cr_assert_eq(reasons[1].feature, 0);
    cr_assert_eq(reasons[1].contribution, 1);
    close_world(w);
    close_setting(s);
}

Test(engine, a_duplicate_has_no_score)
{
    setting *s = open_setting(10);
    random_model model[1];
    fill_model(model, s, 1, 400);
    const weir_ruleset *ruleset = build(s, model, 1);
    world *w = open_world(s->plan);
    weir_rng rng = {9};
    weir_event event = random_event(&rng, 0, INT64_C(1700000000) * WEIR_US_PER_SECOND);
    weir_engine_item items[3];
    for (size_t i = 0; i < 3; i++)
        items[i] = (weir_engine_item){.history = &w->cards[0], .event = event, .slab = &w->slab, .threshold = 99};
    items[2].event.transaction ^= 1;
    size_t done;
    cr_assert_eq(weir_engine_step(w->engine, ruleset, 0, items, 3, &done), WEIR_OK);
    cr_assert_eq(done, 3);
    cr_assert_eq(items[0].arrival, WEIR_ARRIVAL_APPENDED);
    cr_assert_not_null(items[0].values);
    cr_assert_eq(items[1].arrival, WEIR_ARRIVAL_DUPLICATE);
    cr_assert_null(items[1].values);
    cr_assert_eq(items[1].threshold, -1);
    cr_assert_eq(items[1].score, 0);
    cr_assert_not_null(items[2].values);
    weir_reason reasons[WEIR_REASON_MAX];
    cr_assert_eq(weir_engine_reasons(ruleset, &items[1], reasons), 0);
    close_world(w);
    close_setting(s);
}

Test(engine, a_full_slab_leaves_the_done_items_scored_and_the_rest_can_follow)
{
    setting *s = open_setting(20);
    random_model model[1];
    fill_model(model, s, 1, 500);
    const weir_ruleset *ruleset = build(s, model, 1);
    world *w = open_world(s->plan);
    w->segment_max = 0;
    stream *events = open_stream(8);
    size_t order[EVENT_COUNT], at = 0, refusals = 0;
    in_order(order);
    outcome *expected = run(ruleset, events, order, 64, 1);
    weir_engine_item *items = calloc(WEIR_BATCH_MAX, sizeof *items);
    while (at < EVENT_COUNT) {
        size_t size = EVENT_COUNT - at < WEIR_BATCH_MAX ? EVENT_COUNT - at : WEIR_BATCH_MAX, done = 999;
        for (size_t i = 0; i < size; i++)
            items[i] = item_of(w, events, at + i);
        weir_status status = weir_engine_step(w->engine, ruleset, 0, items, size, &done);
        cr_assert_leq(done, size);
        cr_assert_eq(status, done == size ? WEIR_OK : WEIR_FULL);
        for (size_t i = 0; i < done; i++)
            cr_assert_eq(memcmp(items[i].logits, expected[at + i].logits, sizeof items[i].logits), 0);
        at += done;
        if (status == WEIR_FULL) {
            refusals++;
            w->segment_max++;
        }
    }
    cr_assert_gt(refusals, 0);
    free(items);
    free(expected);
    free(events);
    close_world(w);
    close_setting(s);
}

Test(ruleset, a_feature_outside_the_plan_is_refused_by_name)
{
    setting *s = open_setting(5);
    random_model model[1];
    fill_model(model, s, 1, 600);
    model->names[3] = "count(17d)";
    const weir_model *models[] = {&model->model};
    const weir_ruleset *ruleset = NULL;
    weir_error error = {0};
    cr_assert_eq(weir_ruleset_build(s->plan, models, 1, &s->arena, &ruleset, &error), WEIR_INVALID);
    cr_assert_not_null(strstr(error.message, "count(17d)"), "%s", error.message);
    cr_assert_null(ruleset);
    close_setting(s);
}

Test(ruleset, numbers_that_could_overflow_are_refused)
{
    setting *s = open_setting(5);
    random_model model[1];
    const weir_model *models[] = {&model->model};
    static const double BAD[] = {NAN, INFINITY, -1e101};
    for (size_t i = 0; i < 4 * (sizeof BAD / sizeof *BAD); i++) {
        fill_model(model, s, 1, 700);
        double *places[] = {&model->weights[2], &model->means[1], &model->imputes[4], &model->model.bias};
        *places[i % 4] = BAD[i / 4];
        const weir_ruleset *ruleset = NULL;
        cr_assert_eq(weir_ruleset_build(s->plan, models, 1, &s->arena, &ruleset, NULL), WEIR_INVALID, "case %zu", i);
    }
    close_setting(s);
}

Test(ruleset, an_arena_too_small_is_reported)
{
    setting *s = open_setting(64);
    random_model model[1];
    fill_model(model, s, 1, 800);
    const weir_model *models[] = {&model->model};
    const weir_ruleset *ruleset = NULL;
    uint8_t memory[1024] __attribute__((aligned(64)));
    for (size_t size = 0; size <= sizeof memory; size += 256) {
        weir_arena small;
        weir_arena_init(&small, memory, size);
        cr_assert_eq(weir_ruleset_build(s->plan, models, 1, &small, &ruleset, NULL), WEIR_FULL, "size %zu", size);
    }
    close_setting(s);
}
