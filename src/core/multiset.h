/* How often each key occurs in a window: what distinct, same and new are answered from.
 *
 * Up to four keys live in the set itself; beyond that an open-addressing table from the slab (power of
 * two, at most five eighths full, linear probing; removal shifts back, so there are no tombstones).
 * Keys are not 0. A zeroed set is empty and valid.
 * Source: Knuth, TAOCP volume 3, 6.4, algorithm R (removal).
 */
#ifndef WEIR_SRC_CORE_MULTISET_H
#define WEIR_SRC_CORE_MULTISET_H

#include "weir/base/slab.h"

#include <stdbool.h>

enum { WEIR_MULTISET_INLINE = 4 };

/* A key and its count side by side: in a table that is not in the cache, one line instead of two. */
typedef struct __attribute__((packed, aligned(4))) weir_multiset_slot {
    uint64_t key; /* 0 = free */
    uint32_t count;
} weir_multiset_slot;

typedef struct weir_multiset {
    uint32_t distinct_count;
    uint32_t capacity; /* slots of the table; 0 while the keys are inline */
    union {
        weir_multiset_slot few[WEIR_MULTISET_INLINE]; /* the first distinct_count */
        weir_multiset_slot *many;
    };
} weir_multiset;

_Static_assert(sizeof(weir_multiset) <= 64, "a small set is one cache line");

/* Makes sure that the next add of a new key needs no memory. Fails: false when the slab cannot grow. */
bool weir_multiset_reserve(weir_multiset *set, weir_slab *slab);

/* One more of `key`. Fails: false when the slab cannot grow; the set is unchanged. */
bool weir_multiset_add(weir_multiset *set, weir_slab *slab, uint64_t key);

/* One less of `key`, which must be there. */
void weir_multiset_remove(weir_multiset *set, uint64_t key);

uint32_t weir_multiset_count(const weir_multiset *set, uint64_t key);

/* Asks the cache for the place of a key, which may be 0, in a set that has a table. */
void weir_multiset_prefetch(const weir_multiset *set, uint64_t key);

/* Gives the table back and leaves the set empty. */
void weir_multiset_clear(weir_multiset *set, weir_slab *slab);

#endif
