/* A feature's name, parsed: trees of interned nodes.
 *
 *   feature    := or
 *   or         := and ("or" and)*              and := not ("and" not)*            not := "not" not | compare
 *   compare    := sum [("<" | "<=" | ">" | ">=" | "==" | "!=") sum]
 *   sum        := product (("+" | "-") product)*       product := minus (("*" | "/") minus)*
 *   minus      := "-" minus | primary
 *   primary    := number | field | "(" feature ")" | [entity "."] function "(" [arguments] ")"
 *   arguments  := what the function's row asks for, then options: "where" feature | "delay" duration
 *
 * Two equal trees are one node, across all features parsed into one weir_syntax: a shared window is
 * computed once because it *is* one. A node says whether it speaks of the event being scored or of a
 * past event (inside where, and in the conditions of rate, last, since and streak).
 *
 * Read next: core/function.h (the rows), core/plan.c (what becomes of the trees).
 */
#ifndef WEIR_SRC_CORE_SYNTAX_H
#define WEIR_SRC_CORE_SYNTAX_H

#include "core/field.h"
#include "core/function.h"
#include "weir/base/arena.h"
#include "weir/base/status.h"
#include "weir/core/plan.h"

enum { WEIR_SYNTAX_DEPTH_MAX = 48, WEIR_SYNTAX_CODE_MAX = 64, WEIR_SYNTAX_BUCKET_COUNT = 1024,
       WEIR_SYNTAX_NODE_MAX = 32768 };

/* The longest window or delay: a century. */
#define WEIR_LAG_US_MAX (INT64_C(36525) * 24 * 3600 * 1000000)

/* window_us of an aggregate that looks over everything retained. */
#define WEIR_WINDOW_ALL INT64_C(-1)

typedef enum weir_node_kind {
    WEIR_NODE_NUMBER,
    WEIR_NODE_FIELD,
    WEIR_NODE_CALENDAR,
    WEIR_NODE_NUMERIC, /* operators too */
    WEIR_NODE_IS,
    WEIR_NODE_AGGREGATE,
    WEIR_NODE_PRIOR /* wraps its argument, whose aggregates are marked */
} weir_node_kind;

typedef struct weir_node {
    weir_node_kind kind;
    bool past;                     /* speaks of a past event */
    bool prior;                    /* aggregate: without the event being scored */
    uint8_t argument_count;
    weir_entity_kind entity;       /* aggregate */
    uint32_t code_count;           /* is */
    double number;                 /* number */
    int64_t window_us, delay_us;   /* aggregate */
    int64_t offset_us;             /* calendar: east of UTC */
    const weir_function *function; /* calendar, numeric, is, aggregate, prior */
    const weir_field *field;       /* field, is, and an aggregate's key */
    const uint64_t *codes;         /* is */
    const struct weir_node *where; /* aggregate, or NULL; past */
    const struct weir_node *arguments[WEIR_FUNCTION_ARGUMENT_MAX]; /* an aggregate's are its conditions; past */

    /* Not part of what the node says: */
    bool has_label;     /* depends on labels */
    bool has_aggregate; /* has an aggregate in it */
    uint32_t slot;      /* register of a node of the scored event; set by the plan */
    struct weir_node *next_in_bucket, *next;
} weir_node;

typedef struct weir_syntax {
    weir_arena *arena;
    weir_node *buckets[WEIR_SYNTAX_BUCKET_COUNT];
    weir_node *first, *last; /* all nodes, arguments before those who use them */
    uint32_t node_count;
} weir_syntax;

/* Begins an empty collection of trees in `arena`; `syntax` itself is zeroed memory of the caller. */
void weir_syntax_init(weir_syntax *syntax, weir_arena *arena);

/* Parses one feature.
 * Fails: WEIR_INVALID with the column, what was expected and what was found; WEIR_FULL when the arena is. */
WEIR_MUST_USE weir_status weir_syntax_parse(weir_syntax *syntax, weir_span name, const weir_node **root_out,
                                            weir_error *error);

/* The one node equal to `draft`, taken from the arena if it is new; NULL when that is full. */
const weir_node *weir_syntax_intern(weir_syntax *syntax, const weir_node *draft);

/* The past condition "a and b"; either may be NULL for "every event". NULL with *full set when the arena is full. */
const weir_node *weir_syntax_and(weir_syntax *syntax, const weir_node *a, const weir_node *b, bool *full);

/* Writes the canonical text (normal spacing, units, order of options, fewest parentheses), NUL-terminated and
 * cut off at `capacity`. Returns the size of the whole text. Parsing the text gives the node again. */
size_t weir_syntax_format(const weir_node *node, char *text_out, size_t capacity);

/* The value of a node that has no aggregate, on one event, as known at as_of_us. */
double weir_node_evaluate(const weir_node *node, const weir_event *event, int64_t as_of_us);

/* Whether an event matches a condition: its value is there and not 0. NULL matches everything. */
static inline bool weir_node_matches(const weir_node *condition, const weir_event *event, int64_t as_of_us)
{
    if (!condition)
        return true;
    double value = weir_node_evaluate(condition, event, as_of_us);
    return value < 0 || value > 0;
}

#endif
