/* A span borrows bytes: it never owns them, and it is valid while its owner is. */
#ifndef WEIR_BASE_SPAN_H
#define WEIR_BASE_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct weir_span {
    const uint8_t *data;
    size_t size;
} weir_span;

static inline weir_span weir_span_of(const void *data, size_t size)
{
    return (weir_span){.data = data, .size = size};
}

static inline weir_span weir_span_text(const char *text)
{
    return (weir_span){.data = (const uint8_t *)text, .size = strlen(text)};
}

static inline bool weir_span_equal(weir_span a, weir_span b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

static inline bool weir_span_is(weir_span a, const char *text)
{
    return weir_span_equal(a, weir_span_text(text));
}

/* For printf: `printf("%.*s", WEIR_SPAN_ARGS(span))`. */
#define WEIR_SPAN_ARGS(span) (int)(span).size, (const char *)(span).data

#endif
