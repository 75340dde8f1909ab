/* The plain functions of a linear model: link, thresholds, reasons. */
#include "weir/base/rng.h"
#include "weir/core/model.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

enum { FEATURE_COUNT = 12 };

typedef struct fixture {
    weir_model model;
    double weights[FEATURE_COUNT], means[FEATURE_COUNT], imputes[FEATURE_COUNT], values[FEATURE_COUNT];
} fixture;

static fixture random_fixture(weir_rng *rng)
{
    fixture f = {.model = {.feature_count = FEATURE_COUNT, .bias = weir_rng_unit(rng) - 0.5, .clip_high = 1}};
    for (size_t i = 0; i < FEATURE_COUNT; i++) {
        f.weights[i] = (double)weir_rng_below(rng, 9) - 4; /* small whole numbers, so that ties happen */
        f.means[i] = (double)weir_rng_below(rng, 3);
        f.imputes[i] = (double)weir_rng_below(rng, 5) - 2;
        f.values[i] = weir_rng_below(rng, 4) == 0 ? NAN : (double)weir_rng_below(rng, 6) - 2;
    }
    return f;
}

static const weir_model *bound(fixture *f)
{
    f->model.weights = f->weights;
    f->model.means = f->means;
    f->model.imputes = f->imputes;
    return &f->model;
}

Test(model, logistic_score_equals_the_definition)
{
    weir_model model = {.link = WEIR_LINK_LOGISTIC, .clip_high = 1};
    for (double logit = -60; logit <= 60; logit += 0.37) {
        double expected = (double)(1 / (1 + expl(-(long double)logit)));
        cr_assert_float_eq(weir_model_score(&model, logit), expected, 1e-15 * (expected + 1e-30), "logit %g", logit);
    }
    cr_assert_eq(weir_model_score(&model, 0), 0.5);
}

Test(model, logistic_score_stays_in_range_at_the_extremes)
{
    weir_model model = {.link = WEIR_LINK_LOGISTIC, .clip_high = 1};
    cr_assert_eq(weir_model_score(&model, 1e300), 1);
    cr_assert_eq(weir_model_score(&model, -1e300), 0);
    cr_assert_gt(weir_model_score(&model, -700), 0, "small scores keep their order");
}

Test(model, identity_score_is_clipped)
{
    weir_model model = {.link = WEIR_LINK_IDENTITY, .clip_low = 0.1, .clip_high = 0.9};
    cr_assert_eq(weir_model_score(&model, 0.25), 0.25);
    cr_assert_eq(weir_model_score(&model, -3), 0.1);
    cr_assert_eq(weir_model_score(&model, 3), 0.9);
}

Test(model, threshold_is_the_highest_passed)
{
    weir_model model = {.threshold_count = 3, .thresholds = {{.score = 0.2}, {.score = 0.5}, {.score = 0.9}}};
    static const struct {
        double score;
        int32_t expected;
    } CASES[] = {{0, -1}, {0.19999999, -1}, {0.2, 0}, {0.4999, 0}, {0.5, 1}, {0.9, 2}, {1, 2}};
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++)
        cr_assert_eq(weir_model_threshold(&model, CASES[i].score), CASES[i].expected, "score %g", CASES[i].score);
    cr_assert_eq(weir_model_threshold(&(weir_model){0}, 1), -1, "no thresholds, no alert");
}

Test(model, what_is_not_a_usable_number_is_missing)
{
    cr_assert(weir_model_is_missing(NAN));
    cr_assert(weir_model_is_missing(INFINITY));
    cr_assert(weir_model_is_missing(-1.1e100));
    cr_assert_not(weir_model_is_missing(-1e100));
    cr_assert_not(weir_model_is_missing(0));
}

Test(model, missing_values_count_as_their_impute)
{
    double weights[] = {2, 3, 5}, imputes[] = {10, 20, 30}, means[3] = {0};
    weir_model model = {
        .feature_count = 3, .bias = 1, .weights = weights, .imputes = imputes, .means = means, .clip_high = 1};
    cr_assert_eq(weir_model_logit(&model, (double[]){1, NAN, 2}), 1 + 2 + 60 + 10);
    cr_assert_eq(weir_model_logit(&model, (double[]){INFINITY, 1, 2}), 1 + 20 + 3 + 10);
    weir_reason reasons[WEIR_REASON_MAX];
    cr_assert_eq(weir_model_reasons(&model, (double[]){1, NAN, -2}, reasons), 2);
    cr_assert_eq(reasons[0].feature, 1);
    cr_assert_eq(reasons[0].value, 20);
    cr_assert_eq(reasons[0].contribution, 60);
}

/* The oracle: all contributions, stably sorted. */
static size_t slow_reasons(const weir_model *model, const double *values, weir_reason reasons[FEATURE_COUNT])
{
    size_t count = 0;
    bool taken[FEATURE_COUNT] = {false};
    for (;;) {
        weir_reason best = {.contribution = 0};
        for (size_t i = 0; i < FEATURE_COUNT; i++) {
            double value = isnan(values[i]) ? model->imputes[i] : values[i];
            double contribution = model->weights[i] * (value - model->means[i]);
            if (!taken[i] && contribution > best.contribution)
                best = (weir_reason){i, value, contribution};
        }
        if (best.contribution <= 0)
            return count;
        taken[best.feature] = true;
        reasons[count++] = best;
    }
}

Test(model, reasons_equal_the_sorted_contributions)
{
    weir_rng rng = {7};
    size_t full = 0, partial = 0;
    for (int round = 0; round < 20000; round++) {
        fixture f = random_fixture(&rng);
        const weir_model *model = bound(&f);
        weir_reason expected[FEATURE_COUNT], reasons[WEIR_REASON_MAX];
        size_t all = slow_reasons(model, f.values, expected);
        size_t wanted = all < WEIR_REASON_MAX ? all : WEIR_REASON_MAX;
        cr_assert_eq(weir_model_reasons(model, f.values, reasons), wanted, "round %d", round);
        for (size_t i = 0; i < wanted; i++) {
            cr_assert_eq(reasons[i].feature, expected[i].feature, "round %d, reason %zu", round, i);
            cr_assert_eq(reasons[i].value, expected[i].value);
            cr_assert_eq(reasons[i].contribution, expected[i].contribution);
        }
        full += all >= WEIR_REASON_MAX;
        partial += all < WEIR_REASON_MAX;
    }
    cr_assert(full > 100 && partial > 100, "both cases were met: %zu, %zu", full, partial);
}

Test(model, contributions_add_up_to_the_logit_above_the_mean)
{
    weir_rng rng = {11};
    for (int round = 0; round < 1000; round++) {
        fixture f = random_fixture(&rng);
        const weir_model *model = bound(&f);
        double sum = weir_model_logit(model, f.means);
        for (size_t i = 0; i < FEATURE_COUNT; i++)
            sum += f.weights[i] * ((isnan(f.values[i]) ? f.imputes[i] : f.values[i]) - f.means[i]);
        cr_assert_float_eq(sum, weir_model_logit(model, f.values), 1e-12);
    }
}
