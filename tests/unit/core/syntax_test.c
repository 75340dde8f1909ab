#include "core/plan_internal.h"

#include "weir/base/units.h"
#include "weir/core/language.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static _Alignas(64) uint8_t memory[4 << 20];
static weir_error error;

static weir_status compile_with(const char *const *names, size_t count, const weir_plan_options *options,
                                const weir_plan **plan_out)
{
    static weir_arena arena;
    weir_arena_init(&arena, memory, sizeof memory);
    error = (weir_error){0};
    return weir_plan_compile(names, count, options, &arena, plan_out, &error);
}

static weir_status compile_one(const char *name, const weir_plan **plan_out)
{
    return compile_with(&name, 1, &(weir_plan_options){.serial = 1}, plan_out);
}

static const char *canonical(const char *name)
{
    const weir_plan *plan = NULL;
    cr_assert_eq(compile_one(name, &plan), WEIR_OK, "%s", error.message);
    return weir_plan_feature_name(plan, 0);
}

/* The value of a feature that needs no history, on one event. */
static double value_of(const char *name)
{
    static double registers[256];
    const weir_plan *plan = NULL;
    cr_assert_eq(compile_one(name, &plan), WEIR_OK, "%s", error.message);
    weir_event event = {.time_us = 1709251199 * WEIR_US_PER_SECOND, .amount_minor = 2500, .mcc = 7995,
                        .currency = weir_code_pack((const uint8_t *)"EUR", 3), .channel = WEIR_CHANNEL_ECOMMERCE,
                        .country = weir_code_pack((const uint8_t *)"US", 2), .latitude = WEIR_LATITUDE_NONE,
                        .label_delay_us = WEIR_LABEL_NONE};
    double value;
    cr_assert_leq(weir_plan_register_count(plan), 256);
    weir_plan_finish(plan, &event, registers, &value);
    return value;
}

Test(syntax, names_have_one_spelling)
{
    static const char *const ROWS[][2] = {
        {"  sum( amount,24h )", "sum(amount, 1d)"},
        {"count(7d,delay 7d)", "count(1w, delay 1w)"},
        {"count(28d, delay 7d, where fraud and amount<=220.0)", "count(4w, where fraud and amount <= 220, delay 1w)"},
        {"count(1h, delay 0s)", "count(1h)"},
        {"card.count(60m)", "count(1h)"},
        {"((amount))", "amount"},
        {"(amount+1)*2", "(amount + 1) * 2"},
        {"amount-(1-2)", "amount - (1 - 2)"},
        {"(amount-1)-2", "amount - 1 - 2"},
        {"amount/(2*3)", "amount / (2 * 3)"},
        {"-(amount+1)", "-(amount + 1)"},
        {"- -amount", "--amount"},
        {"not(amount<1)", "not amount < 1"},
        {"(not amount)<1", "(not amount) < 1"},
        {"(amount<1)==(amount<2)", "(amount < 1) == (amount < 2)"},
        {"(amount<1 or amount>2)and fraud", "(amount < 1 or amount > 2) and fraud"},
        {"amount<1 or(amount>2 and fraud)", "amount < 1 or amount > 2 and fraud"},
        {"is(mcc,742)", "is(mcc, 0742)"},
        {"hour(+00:00)", "hour()"},
        {"hour(-03:30)", "hour(-03:30)"},
        {"1e3", "1000"},
        {"0.1", "0.1"},
        {"prior(count(1h)/sum(amount,1h))", "prior(count(1h) / sum(amount, 1h))"},
        {"streak(approved,where is(channel,pos))", "streak(approved, where is(channel, pos))"},
        {"min(amount,3)", "min(amount, 3)"},
        {"min(amount,3d)", "min(amount, 3d)"},
    };
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        char once[WEIR_FEATURE_NAME_MAX];
        snprintf(once, sizeof once, "%s", canonical(ROWS[i][0]));
        cr_assert_str_eq(once, ROWS[i][1]);
        cr_assert_str_eq(canonical(once), once);
    }
}

Test(syntax, operators_bind_as_in_arithmetic)
{
    static const struct {
        const char *name;
        double value;
    } ROWS[] = {
        {"1 + 2 * 3", 7},
        {"(1 + 2) * 3", 9},
        {"10 - 2 - 3", 5},
        {"12 / 2 / 3", 2},
        {"-2 * -3", 6},
        {"1 + 1 == 2", 1},
        {"1 < 2 and 2 < 1 or 1", 1},
        {"not 1 or 1", 1},
        {"not (1 or 1)", 0},
        {"2 != 2", 0},
        {"amount", 25},
        {"amount >= 25", 1},
        {"if(amount > 20, 1, 2)", 1},
        {"if(amount > 30, 1, 2)", 2},
        {"if(1, 5, 1 / 0)", 5},
        {"clip(amount, 30, 40)", 30},
        {"clip(amount, 10, 20)", 20},
        {"between(amount, 25, 25)", 1},
        {"between(mcc, 7000, 7999)", 1},
        {"max(1, amount, 3)", 25},
        {"min(4, amount, 3)", 3},
        {"missing(1 / 0, 8)", 8},
        {"missing(7, 8)", 7},
        {"abs(-3)", 3},
        {"sqrt(16)", 4},
        {"exp(0)", 1},
        {"log1p(0)", 0},
        {"hour()", 23},
        {"weekday()", 3},
        {"hour(+01:30)", 1},
        {"weekday(+01:00)", 4},
        {"night()", 0},
        {"night(+01:00)", 1},
        {"weekend()", 0},
        {"weekend(+14:00)", 0},
        {"is(mcc, 4829, 7995)", 1},
        {"is(mcc, 4829)", 0},
        {"is(country, GB, US)", 1},
        {"is(channel, ecommerce)", 1},
        {"fraud", 0},
        {"located", 0},
    };
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++)
        cr_assert_eq(value_of(ROWS[i].name), ROWS[i].value, "%s is %g", ROWS[i].name, value_of(ROWS[i].name));
}

Test(syntax, what_cannot_be_computed_is_missing)
{
    static const char *const NAMES[] = {
        "1 / 0", "0 / 0", "sqrt(-1)", "log1p(-1)", "log1p(-2)", "exp(1000)", "declined", "is(entry, chip)",
        "1 / 0 + 1", "1 / 0 < 1", "1 and 1 / 0", "0 and 1 / 0", "1 or 1 / 0", "not (1 / 0)", "if(1 / 0, 1, 2)",
        "if(0, 5, 1 / 0)", "min(1, 1 / 0)", "max(1 / 0, 1)", "clip(1, 0, 1 / 0)", "between(1 / 0, 0, 1)",
        "missing(1 / 0, 1 / 0)", "1e300 * 1e300", "-(1 / 0)",
    };
    for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++)
        cr_assert(isnan(value_of(NAMES[i])), "%s is %g", NAMES[i], value_of(NAMES[i]));
}

Test(syntax, refusals_say_where_and_what)
{
    static const struct {
        const char *name;
        int column;
        const char *expected, *found;
    } ROWS[] = {
        {"", 1, "a field", "found the end"},
        {"amout", 1, "a field", "'amout'"},
        {"sum(amount 24h)", 12, "sum(amount, window)", "'24h'"},
        {"sum(amount, 24)", 13, "a window", "'24'"},
        {"sum(merchant, 24h)", 5, "amount", "'merchant'"},
        {"sum(amount, 24h", 16, "','", "the end"},
        {"count(1h) count(1h)", 11, "an operator", "'count'"},
        {"count(0s)", 7, "a window", "'0s'"},
        {"count(99999w)", 7, "at most 36525d", "'99999w'"},
        {"count(1x)", 7, "a window", "'1x'"},
        {"count()", 7, "a window", "')'"},
        {"count(1h, 2h)", 11, "where", "'2h'"},
        {"count(1h, where fraud, where fraud)", 24, "once each", "'where'"},
        {"count(1h, delay 1h, delay 1h)", 21, "once each", "'delay'"},
        {"count(1h, where count(1h) > 1)", 23, "no aggregate", "'1h'"},
        {"count(1h, where prior(amount))", 23, "condition", "'amount'"},
        {"rate(count(1h), 1h)", 12, "no aggregate", "'1h'"},
        {"rate(fraud)", 11, "rate(condition, window)", "')'"},
        {"merchant", 1, "only has equality", "'merchant'"},
        {"merchant == 3", 1, "only has equality", "'merchant'"},
        {"is(merchant, 3)", 4, "a field with codes", "'merchant'"},
        {"is(country)", 11, "a code", "')'"},
        {"is(country, us)", 13, "two-letter", "'us'"},
        {"is(mcc, 12345)", 9, "1 to 9999", "'12345'"},
        {"is(channel, carrier_pigeon)", 13, "ecommerce", "'carrier_pigeon'"},
        {"distinct(amount, 1h)", 10, "a field such as", "'amount'"},
        {"new(nothing)", 5, "a field such as", "'nothing'"},
        {"prior(amount)", 7, "history", "'amount'"},
        {"nosuch(1)", 1, "a function", "'nosuch'"},
        {"planet.count(1h)", 1, "card, terminal", "'planet'"},
        {"terminal.amount", 10, "a function of the history", "'amount'"},
        {"terminal.hour()", 10, "a function of the history", "'hour'"},
        {"1 < 2 < 3", 7, "do not chain", "'<'"},
        {"1 == not 0", 6, "parentheses", "'not'"},
        {"-not 0", 2, "parentheses", "'not'"},
        {"amount +", 9, "a field", "the end"},
        {"(amount", 8, "')'", "the end"},
        {"amount)", 7, "an operator", "')'"},
        {"amount ? 1", 8, "an operator", "'?'"},
        {"if(1, 2)", 8, "if(condition, x, y)", "')'"},
        {"sqrt(1, 2)", 9, "sqrt(x)", "'2'"},
        {"max(1)", 6, "max(x, y, ...)", "')'"},
        {"hour(+15:00)", 7, "an offset", "'15'"},
        {"hour(+2)", 7, "an offset", "'2'"},
        {"hour(+02:99)", 10, "an offset", "'99'"},
        {"since_first(where fraud)", 13, "')'", "'where'"},
        {"1e301", 1, "below 1e300", "'1e301'"},
        {"1h", 1, "a field", "'1h'"},
    };
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        const weir_plan *plan = (const weir_plan *)1;
        char column[32];
        snprintf(column, sizeof column, "column %d:", ROWS[i].column);
        cr_assert_eq(compile_one(ROWS[i].name, &plan), WEIR_INVALID, "%s", ROWS[i].name);
        cr_assert_eq(plan, (const weir_plan *)1, "outputs change only on success");
        cr_assert(strstr(error.message, column) && strstr(error.message, ROWS[i].expected) &&
                      strstr(error.message, ROWS[i].found),
                  "%s gives: %s", ROWS[i].name, error.message);
    }
}

Test(syntax, depth_and_length_are_bounded)
{
    const weir_plan *plan;
    char name[WEIR_FEATURE_NAME_MAX + 2];
    memset(name, '(', 200);
    name[200] = '\0';
    cr_assert_eq(compile_one(name, &plan), WEIR_INVALID);
    cr_assert(strstr(error.message, "nesting"), "%s", error.message);
    memset(name, '-', 200);
    cr_assert_eq(compile_one(name, &plan), WEIR_INVALID);
    for (size_t i = 0; i < WEIR_FEATURE_NAME_MAX; i++)
        name[i] = i % 2 ? '+' : '1';
    name[WEIR_FEATURE_NAME_MAX - 1] = ' ';
    name[WEIR_FEATURE_NAME_MAX - 2] = '1';
    name[WEIR_FEATURE_NAME_MAX - 3] = '+';
    name[WEIR_FEATURE_NAME_MAX] = '\0';
    cr_assert_eq(compile_one(name, &plan), WEIR_OK, "%s", error.message);
    name[WEIR_FEATURE_NAME_MAX] = ' ';
    name[WEIR_FEATURE_NAME_MAX + 1] = '\0';
    cr_assert_eq(compile_one(name, &plan), WEIR_INVALID);
}

Test(plan_compile, equal_features_share_a_column_whatever_their_spelling)
{
    const char *names[] = {"sum(amount, 24h)", "amount", "sum( amount, 1d )", "card.sum(amount, 1440m)"};
    const weir_plan *plan;
    cr_assert_eq(compile_with(names, 4, &(weir_plan_options){.serial = 7}, &plan), WEIR_OK);
    cr_assert_eq(weir_plan_serial(plan), 7);
    cr_assert_eq(weir_plan_feature_count(plan), 2);
    cr_assert_eq(weir_plan_feature_index(plan, "sum(amount, 24h)"), 0);
    cr_assert_eq(weir_plan_feature_index(plan, "sum( amount, 1d )"), 0);
    cr_assert_eq(weir_plan_feature_index(plan, "card.sum(amount, 1440m)"), 0);
    cr_assert_eq(weir_plan_feature_index(plan, "amount"), 1);
    cr_assert_eq(weir_plan_feature_index(plan, "sum(amount, 1d)"), SIZE_MAX);
}

Test(plan_compile, shared_windows_are_kept_once)
{
    const char *names[] = {"mean(amount, 1h)", "sum(amount, 1h)", "std(amount, 1h)", "count(1h)",
                           "mean(amount, 1h) / 2", "distinct(merchant, 1h)", "same(merchant, 1h)", "max(amount, 1h)",
                           "max(amount, 1h) + 1",
                           "since(approved)", "since(approved) / 60", "streak(fraud)", "streak_age(fraud)"};
    const weir_plan *plan;
    cr_assert_eq(compile_with(names, sizeof names / sizeof *names, &(weir_plan_options){.serial = 1}, &plan), WEIR_OK);
    const weir_stage *stage = &plan->stages[0];
    cr_assert_eq(stage->edge_count, 3); /* now, 1h, horizon */
    cr_assert_eq(stage->multiset_count, 1);
    cr_assert_eq(stage->extreme_count, 1);
    cr_assert_eq(stage->latest_count, 1);
    cr_assert_eq(stage->streak_count, 1);
}

Test(plan_compile, retention_is_what_is_asked_for)
{
    static const struct {
        const char *name;
        int64_t option_us, days;
    } ROWS[] = {{"amount", 0, 30},
                {"count(90d)", 0, 90},
                {"count(28d, delay 7d)", 0, 35},
                {"count(1h)", 3 * WEIR_US_PER_DAY, 3},
                {"last(amount, delay 40d)", 0, 70}};
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        const weir_plan *plan;
        weir_plan_options options = {.serial = 1, .horizon_us_min = ROWS[i].option_us};
        cr_assert_eq(compile_with(&ROWS[i].name, 1, &options, &plan), WEIR_OK);
        cr_assert_eq(weir_plan_horizon_us(plan), ROWS[i].days * WEIR_US_PER_DAY, "%s", ROWS[i].name);
    }
}

Test(plan_compile, an_entity_without_a_stage_is_refused_by_name)
{
    const char *name = "amount + terminal.rate(fraud, 30d, delay 7d)";
    const weir_plan *plan;
    cr_assert_eq(compile_one(name, &plan), WEIR_REFUSED);
    cr_assert(strstr(error.message, name) && strstr(error.message, "terminal stage"), "%s", error.message);
    static const weir_entity_kind TERMINAL_ALONE[] = {WEIR_ENTITY_TERMINAL};
    const char *card = "count(1h)";
    weir_plan_options options = {.serial = 1, .stages = TERMINAL_ALONE, .stage_count = 1};
    cr_assert_eq(compile_with(&card, 1, &options, &plan), WEIR_REFUSED);
    cr_assert(strstr(error.message, "card stage"), "%s", error.message);
}

Test(plan_compile, stages_are_checked)
{
    const char *name = "amount";
    const weir_plan *plan;
    static const weir_entity_kind TWICE[] = {WEIR_ENTITY_CARD, WEIR_ENTITY_CARD};
    cr_assert_eq(compile_with(&name, 1, &(weir_plan_options){.serial = 1, .stages = TWICE, .stage_count = 2}, &plan),
                 WEIR_INVALID);
    cr_assert_eq(compile_with(&name, 1, &(weir_plan_options){.serial = 1, .stages = TWICE, .stage_count = 0}, &plan),
                 WEIR_INVALID);
    cr_assert_eq(compile_with(&name, 1, &(weir_plan_options){.serial = 1, .horizon_us_min = -1}, &plan), WEIR_INVALID);
}

Test(plan_compile, every_stage_fills_registers_of_its_own)
{
    static const weir_entity_kind STAGES[] = {WEIR_ENTITY_CARD, WEIR_ENTITY_TERMINAL};
    const char *names[] = {"terminal.count(1h)", "count(1h)",
                           "terminal.rate(fraud, 7d, delay 1d) - rate(fraud, 7d, delay 1d)"};
    const weir_plan *plan;
    weir_plan_options options = {.serial = 1, .stages = STAGES, .stage_count = 2};
    cr_assert_eq(compile_with(names, 3, &options, &plan), WEIR_OK);
    size_t first, count;
    weir_plan_stage_registers(plan, 0, &first, &count);
    cr_assert(first == 0 && count == 2);
    weir_plan_stage_registers(plan, 1, &first, &count);
    cr_assert(first == 2 && count == 2);
    double registers[16] = {0};
    weir_plan_skip(plan, 1, registers);
    cr_assert(registers[0] == 0 && isnan(registers[2]) && isnan(registers[3]));
}

/* Whatever the size of the arena, compiling succeeds or says that it is full. */
Test(plan_compile, a_full_arena_is_said)
{
    static _Alignas(64) uint8_t small[1 << 16];
    const char *names[] = {"count(28d, where fraud and amount <= 220, delay 7d)", "std(amount, 1h) / mean(amount, 1h)"};
    size_t full = 0, size = 0;
    for (; size < sizeof small; size += 48) {
        weir_arena arena;
        weir_arena_init(&arena, small, size);
        const weir_plan *plan;
        weir_status status = weir_plan_compile(names, 2, &(weir_plan_options){.serial = 1}, &arena, &plan, &error);
        if (status == WEIR_OK)
            break;
        cr_assert_eq(status, WEIR_FULL);
        full++;
    }
    cr_assert(full > 10 && size < sizeof small);
}

Test(plan_compile, too_many_features_are_refused)
{
    static char texts[WEIR_PLAN_FEATURE_MAX + 1][16];
    static const char *names[WEIR_PLAN_FEATURE_MAX + 1];
    for (size_t i = 0; i <= WEIR_PLAN_FEATURE_MAX; i++) {
        snprintf(texts[i], sizeof texts[i], "count(%zus)", i + 1);
        names[i] = texts[i];
    }
    const weir_plan *plan;
    cr_assert_eq(compile_with(names, WEIR_PLAN_FEATURE_MAX, &(weir_plan_options){.serial = 1}, &plan), WEIR_OK, "%s",
                 error.message);
    cr_assert_eq(compile_with(names, WEIR_PLAN_FEATURE_MAX + 1, &(weir_plan_options){.serial = 1}, &plan), WEIR_FULL);
}

Test(language, every_row_is_documented_and_parses_as_it_says)
{
    cr_assert_gt(weir_feature_function_count(), 40);
    for (size_t i = 0; i < weir_feature_function_count(); i++) {
        weir_language_row row = weir_feature_function_row(i);
        cr_assert(row.name && *row.name && row.kind && *row.kind && row.doc && *row.doc && row.options);
        cr_assert(strstr(row.usage, row.name), "%s", row.name);
    }
    for (size_t i = 0; i < weir_feature_field_count(); i++) {
        weir_language_row row = weir_feature_field_row(i);
        cr_assert(row.name && *row.name && row.kind && *row.kind && row.doc && *row.doc && row.options);
    }
}
