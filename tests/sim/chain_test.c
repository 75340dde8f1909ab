/* Chains of stages under the same trouble as sim_test.c: hops that land and are read before their sender is gone,
 * lanes of every stage moved, lost, set back and restarted from older disks, labels that come a week later.
 *
 * Every feature of a terminal looks back with a delay longer than partitions may drift apart, so what each event is
 * scored is what the offline chain, which sees everything in the order of the log, makes of it: to the byte.
 */
#include "sim/sim_run.h"

#include "weir/base/units.h"

#include <criterion/criterion.h>

#define MODEL(name) WEIR_SOURCE_DIR "/tests/sim/" name

/* Delays are two days and seven: more than the drift and what is late together. The horizon has room for both. */
#define CHAIN_OPTIONS                                                                                                  \
    .labels = true, .calm_steps = 200, .drift_us_max = WEIR_US_PER_DAY, .horizon_us_min = 45 * WEIR_US_PER_DAY,        \
    .stream = {.event_count = 2000, .step_us = 35 * WEIR_US_PER_MINUTE, .late_us_max = 6 * WEIR_US_PER_HOUR}

static const sim_family TWO_STAGES = {
    .name = "card, terminal",
    .model = MODEL("model_terminal.json"),
    .chain = "card, terminal",
    CHAIN_OPTIONS,
};

/* How far apart terminals drift is not bounded, and so not what a merchant sees: its features weigh nothing here. */
static const sim_family THREE_STAGES = {
    .name = "card, terminal, merchant",
    .model = MODEL("model_merchant.json"),
    .chain = "card, terminal, merchant",
    .bare_scores = true,
    CHAIN_OPTIONS,
};

Test(chain, two_stages_score_what_the_offline_chain_does_whatever_crashes)
{
    sim_tally tally;
    sim_run_family(&TWO_STAGES, 60, &tally);
    cr_assert_eq(tally.failed, 0);
    cr_assert_gt(tally.kills, 0);
}

Test(chain, three_stages_score_each_event_once_too)
{
    sim_tally tally;
    sim_run_family(&THREE_STAGES, 20, &tally);
    cr_assert_eq(tally.failed, 0);
    cr_assert_gt(tally.kills, 0);
}

/* Offsets set back by more than the horizon: a stretch of hops comes again that no history remembers any more. */
static const sim_family DEEP = {
    .name = "card, terminal, set back far",
    .model = MODEL("model_terminal.json"),
    .chain = "card, terminal",
    .labels = true,
    .calm_steps = 500,
    .drift_us_max = WEIR_US_PER_DAY,
    .horizon_us_min = 45 * WEIR_US_PER_DAY,
    .deep_rewinds = true,
    .stream = {.event_count = 1500, .step_us = 140 * WEIR_US_PER_MINUTE, .late_us_max = 6 * WEIR_US_PER_HOUR},
};

Test(chain, a_stretch_of_hops_that_comes_again_changes_nothing)
{
    sim_tally tally;
    sim_run_family(&DEEP, 20, &tally);
    cr_assert_eq(tally.failed, 0);
    cr_assert_gt(tally.rewinds, 0);
}

/* What holds the chain together, taken away one by one: each time runs like those above find it out. */
static void expect_harm(const sim_family *family, sim_harm harm, uint64_t calm_steps)
{
    sim_family harmed = *family;
    sim_tally tally = {0};
    harmed.name = "a harmed run";
    harmed.harm = harm;
    harmed.calm_steps = calm_steps;
    sim_run_seeds(&harmed, 1, 12, &tally);
    cr_expect_gt(tally.failed, tally.unfinished);
}

Test(chain, without_the_barrier_runs_go_wrong)
{
    expect_harm(&TWO_STAGES, SIM_WITHOUT_BARRIER, 200);
}

Test(chain, without_what_sources_have_sent_runs_go_wrong)
{
    expect_harm(&DEEP, SIM_WITHOUT_SOURCES, 200);
}

Test(chain, without_what_was_emitted_runs_go_wrong)
{
    expect_harm(&TWO_STAGES, SIM_WITHOUT_EMITTED, 200);
}

Test(chain, without_the_bound_on_drift_runs_go_wrong)
{
    expect_harm(&TWO_STAGES, SIM_WITHOUT_BOUND, 200);
}
