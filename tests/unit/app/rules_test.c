#include "rig.h"

#include <string.h>

Test(rules, join_a_model_file_with_its_plan)
{
    weir_rules rules;
    rig_open_rules(&rules);
    cr_expect_eq(weir_ruleset_model_count(rules.ruleset), 1);
    cr_expect_str_eq(weir_ruleset_model(rules.ruleset, 0)->name, "simulated");
    cr_expect_eq(weir_ruleset_plan(rules.ruleset), rules.plan);
    cr_expect_eq(weir_plan_horizon_us(rules.plan), 30 * WEIR_US_PER_DAY, "the default retention");
    weir_rules_close(&rules);
    cr_expect_null(rules.release);
    weir_rules_close(&rules);
}

Test(rules, retain_what_the_configuration_asks_for)
{
    weir_rules rules;
    weir_error error = {0};
    cr_assert_eq(weir_rules_open(WEIR_SOURCE_DIR "/tests/sim/model.json", NULL, 90 * WEIR_US_PER_DAY, &rules, &error),
                 WEIR_OK);
    cr_expect_eq(weir_plan_horizon_us(rules.plan), 90 * WEIR_US_PER_DAY);
    weir_rules_close(&rules);
}

Test(rules, a_file_that_is_not_there_is_named)
{
    weir_rules rules;
    weir_error error = {0};
    cr_expect_neq(weir_rules_open("/nowhere/model.json", NULL, 0, &rules, &error), WEIR_OK);
    cr_expect_not_null(strstr(error.message, "/nowhere/model.json"), "%s", error.message);
}
