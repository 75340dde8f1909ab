#include "core/function.h"

#include "core/calendar.h"
#include "weir/base/check.h"
#include "weir/core/language.h"

#include <math.h>

/* --- operators: by the time one is called no operand is missing --- */

#define OPERATOR(name, expression)                              \
    static double operator_##name(const double *x, size_t count) \
    {                                                           \
        (void)count;                                            \
        return (expression);                                    \
    }
OPERATOR(or, x[0] != 0 || x[1] != 0)
OPERATOR(and, x[0] != 0 && x[1] != 0)
OPERATOR(not, x[0] == 0)
OPERATOR(less, x[0] < x[1])
OPERATOR(less_equal, x[0] <= x[1])
OPERATOR(greater, x[0] > x[1])
OPERATOR(greater_equal, x[0] >= x[1])
OPERATOR(equal, x[0] == x[1])
OPERATOR(not_equal, x[0] != x[1])
OPERATOR(add, x[0] + x[1])
OPERATOR(subtract, x[0] - x[1])
OPERATOR(multiply, x[0] * x[1])
OPERATOR(divide, x[0] / x[1])
OPERATOR(negate, -x[0])

/* --- functions of numbers --- */

OPERATOR(abs, fabs(x[0]))
OPERATOR(sqrt, sqrt(x[0]))
OPERATOR(exp, exp(x[0]))
OPERATOR(log1p, log1p(x[0]))
OPERATOR(between, x[0] >= x[1] && x[0] <= x[2])
OPERATOR(clip, x[0] < x[1] ? x[1] : x[0] > x[2] ? x[2] : x[0])
OPERATOR(if, isnan(x[0]) ? NAN : x[0] != 0 ? x[1] : x[2])
OPERATOR(missing, isnan(x[0]) ? x[1] : x[0])

static double operator_min(const double *x, size_t count)
{
    double least = x[0];
    for (size_t i = 1; i < count; i++)
        least = x[i] < least ? x[i] : least;
    return least;
}

static double operator_max(const double *x, size_t count)
{
    double most = x[0];
    for (size_t i = 1; i < count; i++)
        most = x[i] > most ? x[i] : most;
    return most;
}

/* --- calendar --- */

static int is_night(int64_t local_us)
{
    return weir_calendar_hour(local_us) <= 6;
}

static int is_weekend(int64_t local_us)
{
    return weir_calendar_weekday(local_us) >= 5;
}

#define BINARY(symbol, strength, function, text)                                                       \
    {.name = symbol, .usage = "x " symbol " y", .doc = text, .kind = WEIR_FUNCTION_OPERATOR,            \
     .argument_min = 2, .argument_max = 2, .binds = strength, .numeric = operator_##function}
#define UNARY(symbol, space, strength, function, text)                                                 \
    {.name = symbol, .usage = symbol space "x", .doc = text, .kind = WEIR_FUNCTION_OPERATOR,            \
     .argument_min = 1, .argument_max = 1, .binds = strength, .numeric = operator_##function}
#define NUMERIC(function, args, least, most, text)                                                     \
    {.name = #function, .usage = #function args, .doc = text, .kind = WEIR_FUNCTION_NUMERIC,            \
     .argument_min = least, .argument_max = most, .binds = WEIR_BINDS_CALL, .numeric = operator_##function}
#define CALENDAR(word, function, text)                                                                 \
    {.name = #word, .usage = #word "() or " #word "(+hh:mm)", .doc = text,                              \
     .kind = WEIR_FUNCTION_CALENDAR, .binds = WEIR_BINDS_CALL, .calendar = function}

static const weir_function ROWS[] = {
    BINARY("or", WEIR_BINDS_OR, or, "1 if either is not 0"),
    BINARY("and", WEIR_BINDS_AND, and, "1 if neither is 0"),
    UNARY("not", " ", WEIR_BINDS_NOT, not, "1 if x is 0"),
    BINARY("<", WEIR_BINDS_COMPARE, less, "1 if x is less"),
    BINARY("<=", WEIR_BINDS_COMPARE, less_equal, "1 if x is less or equal"),
    BINARY(">", WEIR_BINDS_COMPARE, greater, "1 if x is greater"),
    BINARY(">=", WEIR_BINDS_COMPARE, greater_equal, "1 if x is greater or equal"),
    BINARY("==", WEIR_BINDS_COMPARE, equal, "1 if they are equal"),
    BINARY("!=", WEIR_BINDS_COMPARE, not_equal, "1 if they differ"),
    BINARY("+", WEIR_BINDS_ADD, add, "the sum"),
    BINARY("-", WEIR_BINDS_ADD, subtract, "the difference"),
    BINARY("*", WEIR_BINDS_MULTIPLY, multiply, "the product"),
    BINARY("/", WEIR_BINDS_MULTIPLY, divide, "the quotient; missing when y is 0"),
    UNARY("-", "", WEIR_BINDS_MINUS, negate, "x with its sign changed"),
    NUMERIC(abs, "(x)", 1, 1, "x without its sign"),
    NUMERIC(sqrt, "(x)", 1, 1, "square root; missing below 0"),
    NUMERIC(exp, "(x)", 1, 1, "e to the x; missing when too large"),
    NUMERIC(log1p, "(x)", 1, 1, "natural logarithm of 1 + x; missing at -1 and below"),
    NUMERIC(min, "(x, y, ...)", 2, WEIR_FUNCTION_ARGUMENT_MAX, "the least"),
    NUMERIC(max, "(x, y, ...)", 2, WEIR_FUNCTION_ARGUMENT_MAX, "the greatest"),
    NUMERIC(between, "(x, low, high)", 3, 3, "1 if low <= x <= high"),
    NUMERIC(clip, "(x, low, high)", 3, 3, "x, but at least low and at most high"),
    {.name = "if", .usage = "if(condition, x, y)",
     .doc = "x if the condition is not 0, else y; the other may be missing",
     .kind = WEIR_FUNCTION_NUMERIC, .argument_min = 3, .argument_max = 3, .binds = WEIR_BINDS_CALL,
     .sees_missing = true, .numeric = operator_if},
    {.name = "missing", .usage = "missing(x, default)", .doc = "x, or the default when x is missing",
     .kind = WEIR_FUNCTION_NUMERIC, .argument_min = 2, .argument_max = 2, .binds = WEIR_BINDS_CALL,
     .sees_missing = true, .numeric = operator_missing},
    CALENDAR(hour, weir_calendar_hour, "hour of the day, 0 to 23, in UTC or at a fixed offset from it"),
    CALENDAR(weekday, weir_calendar_weekday, "day of the week, 0 = Monday to 6 = Sunday"),
    CALENDAR(night, is_night, "1 if the hour is 6 or less"),
    CALENDAR(weekend, is_weekend, "1 on Saturday and Sunday"),
    {.name = "is", .usage = "is(field, code, ...)",
     .doc = "1 if the field is one of the codes, missing if it is absent",
     .kind = WEIR_FUNCTION_SPECIAL, .binds = WEIR_BINDS_CALL},
    {.name = "prior", .usage = "prior(x)", .doc = "x as it was before the event being scored was counted",
     .kind = WEIR_FUNCTION_SPECIAL, .binds = WEIR_BINDS_CALL},
};
enum { ROW_COUNT = sizeof ROWS / sizeof *ROWS };

size_t weir_function_count(void)
{
    return ROW_COUNT + WEIR_AGGREGATE_COUNT;
}

const weir_function *weir_function_at(size_t index)
{
    weir_check(index < weir_function_count());
    return index < ROW_COUNT ? &ROWS[index] : &WEIR_AGGREGATES[index - ROW_COUNT];
}

const weir_function *weir_function_find(weir_span name, weir_function_kind kind)
{
    for (size_t i = 0; i < weir_function_count(); i++) {
        const weir_function *function = weir_function_at(i);
        if (function->kind == kind && weir_span_is(name, function->name))
            return function;
    }
    return NULL;
}

const weir_function *weir_function_operator(weir_span symbol, size_t operands)
{
    for (size_t i = 0; i < ROW_COUNT; i++)
        if (ROWS[i].kind == WEIR_FUNCTION_OPERATOR && ROWS[i].argument_min == operands &&
            weir_span_is(symbol, ROWS[i].name))
            return &ROWS[i];
    return NULL;
}

double weir_function_numeric(const weir_function *function, const double *arguments, size_t count)
{
    if (!function->sees_missing)
        for (size_t i = 0; i < count; i++)
            if (isnan(arguments[i]))
                return NAN;
    double value = function->numeric(arguments, count);
    return isfinite(value) ? value : NAN;
}

/* --- the language as documentation (weir/core/language.h) --- */

static const char *const KIND_NAMES[WEIR_FUNCTION_KIND_COUNT] = {
    [WEIR_FUNCTION_OPERATOR] = "operator",   [WEIR_FUNCTION_NUMERIC] = "number",
    [WEIR_FUNCTION_CALENDAR] = "calendar",   [WEIR_FUNCTION_AGGREGATE] = "history",
    [WEIR_FUNCTION_SPECIAL] = "form",
};

size_t weir_feature_function_count(void)
{
    return weir_function_count();
}

weir_language_row weir_feature_function_row(size_t index)
{
    const weir_function *function = weir_function_at(index);
    return (weir_language_row){.name = function->name,
                               .usage = function->usage,
                               .kind = KIND_NAMES[function->kind],
                               .options = function->options ? "where <condition>, delay <duration>" : "",
                               .doc = function->doc};
}
