/* Chains of stages under the same trouble as sim_test.c: hops that land and are read before their sender is gone,
 * lanes of every stage moved, lost, rewound and restarted from older disks, labels that come a week later.
 *
 * Every feature of another entity looks back with a delay longer than partitions may drift apart, so what each event
 * is scored is what the offline chain, which sees everything in the order of the log, makes of it: to the byte.
 */
#include "sim/sim_run.h"

#include "weir/base/units.h"

#include <criterion/criterion.h>

#define STEP_US (35 * 60 * WEIR_US_PER_SECOND)
#define MODEL(name) WEIR_SOURCE_DIR "/tests/sim/" name

static const sim_family TWO_STAGES = {
    .name = "card, terminal",
    .model = MODEL("model_terminal.json"),
    .chain = "card, terminal",
    .labels = true,
    .drift_us_max = WEIR_US_PER_DAY,
    .stream = {.event_count = 2500, .step_us = STEP_US, .late_us_max = WEIR_US_PER_DAY / 4},
};

static const sim_family THREE_STAGES = {
    .name = "card, terminal, merchant",
    .model = MODEL("model_merchant.json"),
    .chain = "card, terminal, merchant",
    .labels = true,
    .drift_us_max = WEIR_US_PER_DAY,
    .stream = {.event_count = 1500, .step_us = STEP_US, .late_us_max = WEIR_US_PER_DAY / 4},
};

Test(chain, two_stages_score_what_the_offline_chain_does_whatever_crashes)
{
    sim_tally tally;
    sim_run_family(&TWO_STAGES, 30, &tally);
    cr_assert_eq(tally.failed, 0);
    cr_assert_gt(tally.rewinds, 0);
}

Test(chain, three_stages_do_too)
{
    sim_tally tally;
    sim_run_family(&THREE_STAGES, 15, &tally);
    cr_assert_eq(tally.failed, 0);
    cr_assert_gt(tally.rewinds, 0);
}
