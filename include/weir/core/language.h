/* The feature language as documentation: the rows the parser and the evaluator work from, for commands
 * that print a reference. What the language means is in src/core/README.md.
 *
 * Thread: any; the rows are constant.
 */
#ifndef WEIR_CORE_LANGUAGE_H
#define WEIR_CORE_LANGUAGE_H

#include <stddef.h>

typedef struct weir_language_row {
    const char *name;    /* "count" */
    const char *usage;   /* "count(window)" */
    const char *kind;    /* functions: operator, number, calendar, history, form; fields: number, key, number or key */
    const char *options; /* what else may stand between the parentheses; "" when nothing */
    const char *doc;     /* one line */
} weir_language_row;

/* The functions and operators a feature can use. Expects: index < count. */
size_t weir_feature_function_count(void);
weir_language_row weir_feature_function_row(size_t index);

/* The fields of an event a feature can use; `options` says which codes is() takes. Expects: index < count. */
size_t weir_feature_field_count(void);
weir_language_row weir_feature_field_row(size_t index);

#endif
