/* What features can compute: one row each for operators, functions of numbers, calendar functions and
 * aggregates over a history. The row is the definition: the parser, the evaluator, the plan and the
 * printed documentation all read it. To add a function: a row, its function, its test.
 */
#ifndef WEIR_SRC_CORE_FUNCTION_H
#define WEIR_SRC_CORE_FUNCTION_H

#include "weir/base/span.h"
#include "weir/core/event.h"

enum { WEIR_FUNCTION_ARGUMENT_MAX = 8 };

typedef enum weir_function_kind {
    WEIR_FUNCTION_OPERATOR,
    WEIR_FUNCTION_NUMERIC,
    WEIR_FUNCTION_CALENDAR,
    WEIR_FUNCTION_AGGREGATE,
    WEIR_FUNCTION_SPECIAL, /* is, prior: forms of their own */
    WEIR_FUNCTION_KIND_COUNT
} weir_function_kind;

/* How tightly operators bind, loosest first. */
enum { WEIR_BINDS_OR = 1, WEIR_BINDS_AND, WEIR_BINDS_NOT, WEIR_BINDS_COMPARE, WEIR_BINDS_ADD, WEIR_BINDS_MULTIPLY,
       WEIR_BINDS_MINUS, WEIR_BINDS_CALL };

struct weir_node;
struct weir_load;
struct weir_run;
struct weir_builder;

typedef struct weir_function {
    const char *name;
    const char *usage; /* as printed: "count(window)" */
    const char *doc;
    weir_function_kind kind;
    uint8_t argument_min, argument_max; /* operators and numeric functions */
    uint8_t binds;                      /* operators */
    bool sees_missing;                  /* numeric: called even when an argument is missing */
    double (*numeric)(const double *arguments, size_t count);
    int (*calendar)(int64_t local_us);

    /* Aggregates. Positional arguments, a letter each: w window, a the field amount, f a key field,
     * c a condition on past events, x an expression on past events. */
    const char *arguments;
    bool options;      /* takes where and delay */
    bool always_prior; /* never sees the event being scored */
    uint8_t spread;    /* weir_spread_kind: read with its window's others, not by `load` */
    /* Asks the builder for what it needs kept, and notes where in `load`. */
    void (*plan)(struct weir_builder *builder, const struct weir_node *node, struct weir_load *load);
    double (*load)(struct weir_run *run, const struct weir_load *load);
} weir_function;

size_t weir_function_count(void);
const weir_function *weir_function_at(size_t index);

/* The row of that name and kind; NULL when there is none. Names are unique within a kind and count of arguments. */
const weir_function *weir_function_find(weir_span name, weir_function_kind kind);

/* The operator with that symbol and number of operands, or NULL. */
const weir_function *weir_function_operator(weir_span symbol, size_t operands);

/* The numeric function or operator of those arguments; NaN when one is missing or the result is not finite. */
double weir_function_numeric(const weir_function *function, const double *arguments, size_t count);

/* The rows of aggregates, in src/core/aggregate.c. */
extern const weir_function WEIR_AGGREGATES[];
extern const size_t WEIR_AGGREGATE_COUNT;

#endif
