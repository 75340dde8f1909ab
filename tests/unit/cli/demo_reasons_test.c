/* Which stage the demo owes an alert to, by the features its reasons name. */
#include "cli/demo_reasons.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdarg.h>

static char *STAGES[] = {"card", "terminal", "merchant"};
static const weir_conf_list ALL = {STAGES, 3};

enum { REASON_MAX = 4 };

/* An alert with a score and reasons: feature, contribution, feature, contribution ... NULL. */
static demo_reasons reasons_of(const weir_conf_list *stages, double score, ...)
{
    Weir__V1__Alert__Reason reasons[REASON_MAX];
    Weir__V1__Alert__Reason *pointers[REASON_MAX];
    Weir__V1__Alert alert = WEIR__V1__ALERT__INIT;
    alert.score = score;
    alert.reasons = pointers;
    va_list rows;
    va_start(rows, score);
    for (char *feature; (feature = va_arg(rows, char *)) != NULL; alert.n_reasons++) {
        reasons[alert.n_reasons] = (Weir__V1__Alert__Reason)WEIR__V1__ALERT__REASON__INIT;
        reasons[alert.n_reasons].feature = feature;
        reasons[alert.n_reasons].contribution = va_arg(rows, double);
        pointers[alert.n_reasons] = &reasons[alert.n_reasons];
    }
    va_end(rows);
    return demo_reasons_of(&alert, stages);
}

static bool is_near(float found, double wanted)
{
    return fabs((double)found - wanted) < 1e-4;
}

Test(demo_reasons, the_strongest_reason_tells_the_stage)
{
    cr_expect_eq(reasons_of(&ALL, 0.5, "count(1h)", 2.0, "terminal.count(1h)", 1.0, NULL).top, 0);
    cr_expect_eq(reasons_of(&ALL, 0.5, "missing(terminal.rate(fraud, 7d), 0)", 2.0, "amount", 1.0, NULL).top, 1);
    cr_expect_eq(reasons_of(&ALL, 0.5, "new(country) * merchant.rate(fraud, 7d)", 2.0, NULL).top, 2);
    cr_expect_eq(reasons_of(&ALL, 0.5, "terminal.count(1d) / merchant.count(1d)", 2.0, NULL).top, 2, "the last asked");
    cr_expect_eq(reasons_of(&ALL, 0.5, NULL).top, 0);
}

Test(demo_reasons, a_field_of_the_card_is_no_stage)
{
    cr_expect_eq(reasons_of(&ALL, 0.5, "log1p(same(merchant, 30d))", 2.0, NULL).top, 0);
    cr_expect_eq(reasons_of(&ALL, 0.5, "new(terminal)", 2.0, NULL).top, 0);
    cr_expect_eq(reasons_of(&ALL, 0.5, "x_terminal.count(1d)", 2.0, NULL).top, 0);
    cr_expect_eq(reasons_of(&ALL, 0.5, "new(terminal) * terminal.count(1d)", 2.0, NULL).top, 1);
    weir_conf_list card_alone = {STAGES, 1};
    cr_expect_eq(reasons_of(&card_alone, 0.5, "terminal.count(1d)", 2.0, NULL).top, 0);
}

Test(demo_reasons, without_a_stage_its_contributions_are_gone)
{
    demo_reasons found =
        reasons_of(&ALL, 0.9, "terminal.count(1d)", 2.0, "amount", 1.0, "terminal.last(fraud)", 0.5, NULL);
    double logit = log(0.9 / 0.1);
    cr_expect(is_near(found.logit_without[0], logit - 1));
    cr_expect(is_near(found.logit_without[1], logit - 2.5));
    cr_expect(is_near(found.logit_without[2], logit));
}

Test(demo_reasons, certain_scores_have_finite_logits)
{
    cr_expect(isfinite(demo_logit(1)) && demo_logit(1) > 15);
    cr_expect(isfinite(demo_logit(0)) && demo_logit(0) < -15);
    cr_expect(is_near(demo_logit(0.5), 0));
}
