/* Thousands of crashes, rebalances, losses and disk failures, a seed each, on the service's own code.
 *
 * Every run feeds the same kind of stream (late events, redeliveries, records nobody can decode) to up to three
 * members of a group that are killed, restarted with or without their disk, robbed of partitions, and denied
 * disk writes, and compares what ends up in the output topics with what the offline engine makes of the same log: each
 * alert and each dead letter once, in order, byte for byte.
 */
#include "sim/sim_run.h"

#include "weir/base/units.h"

#include <criterion/criterion.h>

static const sim_family ONE_STAGE = {
    .name = "one stage",
    .model = WEIR_SOURCE_DIR "/tests/sim/model.json",
    .chain = "card",
    .calm_steps = 30,
    .stream = {.event_count = 2500, .step_us = 60 * WEIR_US_PER_SECOND, .late_us_max = 3 * WEIR_US_PER_DAY},
};

/* WEIR_SIM_FIRST and WEIR_SIM_COUNT choose the seeds; tests/soak.sh runs thousands. */
Test(sim, every_alert_once_whatever_crashes)
{
    sim_tally tally;
    sim_run_family(&ONE_STAGE, 60, &tally);
    cr_assert_eq(tally.failed, 0);
    cr_assert_gt(tally.kills, 0);
}

Test(sim, without_the_barrier_runs_go_wrong)
{
    sim_family harmed = ONE_STAGE;
    sim_tally tally = {0};
    harmed.name = "a harmed run";
    harmed.harm = SIM_WITHOUT_BARRIER;
    sim_run_seeds(&harmed, 1, 5, &tally);
    cr_assert_gt(tally.failed, 0);
}
