/* The least or greatest amount of a sliding window: a ring of candidates in time order whose amounts
 * fall towards the newest, so that the first is the answer. (For the least, amounts are negated.)
 *
 * Source: Lemire, "Streaming maximum-minimum filter using no more than three comparisons per element",
 * Nordic Journal of Computing 13 (2006). A zeroed ring is empty and valid.
 */
#ifndef WEIR_SRC_CORE_EXTREME_H
#define WEIR_SRC_CORE_EXTREME_H

#include "weir/base/slab.h"

#include <stdbool.h>

typedef struct weir_candidate {
    int64_t time_us;
    int64_t rank; /* the amount in minor units, or its negative */
} weir_candidate;

typedef struct weir_extreme {
    weir_candidate *ring;
    uint32_t capacity; /* power of two, or 0 */
    uint32_t first, count;
} weir_extreme;

/* Makes sure that the next insertion needs no memory. Fails: false when the slab cannot grow. */
bool weir_extreme_reserve(weir_extreme *extreme, weir_slab *slab);

/* Takes in a candidate that is not older than any before it. Expects: reserved. */
void weir_extreme_push(weir_extreme *extreme, weir_candidate candidate);

/* Takes in a candidate that may be older than some. Expects: reserved. Cost: up to the length of the ring. */
void weir_extreme_insert(weir_extreme *extreme, weir_candidate candidate);

/* Drops the candidates at or before the time. */
void weir_extreme_expire(weir_extreme *extreme, int64_t until_us);

/* The answer. Expects: count > 0. */
static inline int64_t weir_extreme_rank(const weir_extreme *extreme)
{
    return extreme->ring[extreme->first].rank;
}

/* Gives the ring back and leaves it empty. */
void weir_extreme_clear(weir_extreme *extreme, weir_slab *slab);

#endif
