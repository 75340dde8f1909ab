/* Asking the cache for memory ahead of its use.
 *
 * gcc takes a function that does nothing but prefetch for one without an effect, and drops the calls of it, across
 * files too when it optimises at link time (seen with gcc 12: the engine then runs a fifth slower). The empty
 * statement behind each prefetch is an effect.
 */
#ifndef WEIR_BASE_PREFETCH_H
#define WEIR_BASE_PREFETCH_H

#include <stddef.h>
#include <stdint.h>

enum { WEIR_CACHE_LINE = 64 };

/* The line at an address that need not be valid, to be read soon ... */
static inline void weir_prefetch(const void *at)
{
    __builtin_prefetch(at);
    __asm__ volatile("");
}

/* ... or to be written. */
static inline void weir_prefetch_to_write(const void *at)
{
    __builtin_prefetch(at, 1);
    __asm__ volatile("");
}

/* Every line of a block of that many bytes, as far as it begins on one. */
static inline void weir_prefetch_block(const void *from, size_t size)
{
    for (size_t at = 0; at < size; at += WEIR_CACHE_LINE)
        weir_prefetch((const uint8_t *)from + at);
}

#endif
