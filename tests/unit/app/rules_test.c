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

/* ---- chains ---- */

Test(chain, is_read_from_names_and_from_a_list)
{
    weir_chain chain, same;
    weir_error error = {0};
    static const char *const NAMES[] = {"card", "terminal", "merchant"};
    cr_assert_eq(weir_chain_parse(NAMES, 3, &chain, &error), WEIR_OK);
    cr_expect_eq(chain.count, 3);
    cr_expect_eq(chain.stages[0], WEIR_ENTITY_CARD);
    cr_expect_eq(chain.stages[1], WEIR_ENTITY_TERMINAL);
    cr_expect_eq(chain.stages[2], WEIR_ENTITY_MERCHANT);
    cr_assert_eq(weir_chain_parse_list("card, terminal,merchant", &same, &error), WEIR_OK);
    cr_expect_eq(same.count, 3);
    cr_expect_eq(memcmp(chain.stages, same.stages, 3 * sizeof *same.stages), 0);
    cr_assert_eq(weir_chain_parse_list("card", &same, &error), WEIR_OK);
    cr_expect_eq(same.count, 1);
}

Test(chain, refusals_say_what_and_leave_the_output)
{
    static const struct {
        const char *list, *said;
    } ROWS[] = {
        {"", "begin with card"},
        {"terminal, card", "begin with card"},
        {"terminal", "begin with card"},
        {"card, termnal", "\"termnal\" is no entity"},
        {"card, card", "card is named twice"},
        {"card, terminal, merchant, terminal", "terminal is named twice"},
        {"card, terminal, merchant, device, shop", "\"shop\" is no entity"},
    };
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        weir_chain chain = {.count = 77};
        weir_error error = {0};
        cr_expect_eq(weir_chain_parse_list(ROWS[i].list, &chain, &error), WEIR_INVALID, "%s", ROWS[i].list);
        cr_expect_not_null(strstr(error.message, ROWS[i].said), "%s: %s", ROWS[i].list, error.message);
        cr_expect_eq(chain.count, 77);
    }
}

Test(rules, of_a_chain_have_a_stage_an_entity)
{
    weir_rules rules;
    rig_open_chain(&rules, 3);
    cr_assert_eq(weir_plan_stage_count(rules.plan), 3);
    cr_expect_eq(weir_plan_stage_entity(rules.plan, 1), WEIR_ENTITY_TERMINAL);
    cr_expect_eq(weir_plan_stage_entity(rules.plan, 2), WEIR_ENTITY_MERCHANT);
    weir_rules_close(&rules);
}

Test(rules, a_model_that_asks_for_a_stage_there_is_none_of_is_refused)
{
    weir_rules rules;
    weir_error error = {0};
    weir_chain chain = {.stages = {WEIR_ENTITY_CARD, WEIR_ENTITY_TERMINAL}, .count = 2};
    cr_expect_eq(weir_rules_open(WEIR_SOURCE_DIR "/tests/unit/app/fixtures/three_stages.json", &chain, 0, &rules,
                                 &error), WEIR_REFUSED);
    cr_expect_not_null(strstr(error.message, "merchant"), "%s", error.message);
}
