/* The fields of an event by name, as features and conditions may use them.
 *
 * A field is a number (amount), a flag (fraud: 0 or 1), a key (merchant: only equality makes sense), or
 * several of these. A key of 0 is absent. Codes are keys people can write down: is(country, US).
 * Read next: core/function.h (what can be done with them).
 */
#ifndef WEIR_SRC_CORE_FIELD_H
#define WEIR_SRC_CORE_FIELD_H

#include "weir/base/span.h"
#include "weir/core/event.h"

enum { WEIR_FIELD_CODE_TEXT_SIZE = 32 };

typedef struct weir_field {
    const char *name;
    const char *doc;
    /* The value as of event time as_of_us (only labels depend on it); NaN when absent. NULL: not a number. */
    double (*number)(const weir_event *event, int64_t as_of_us);
    /* What distinct, same, new and is compare; 0 when absent. NULL: not a key. */
    uint64_t (*key)(const weir_event *event);
    /* Between a code's text and its key; parse returns 0 for a code that does not exist. NULL: no codes. */
    uint64_t (*parse_code)(weir_span text);
    void (*format_code)(uint64_t key, char text_out[WEIR_FIELD_CODE_TEXT_SIZE]);
    const char *codes; /* what parse_code wants, for messages */
    bool is_label;     /* number depends on as_of_us */
} weir_field;

/* NULL when there is no such field. */
const weir_field *weir_field_find(weir_span name);

size_t weir_field_count(void);
const weir_field *weir_field_at(size_t index);

/* The amount in major units of its own currency. */
double weir_field_amount(const weir_event *event);

/* 10^digits: minor units per major unit of the event's currency. */
double weir_field_minor_per_major(const weir_event *event);

#endif
