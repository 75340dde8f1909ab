#include "core/multiset.h"

#include "weir/base/check.h"

#include <string.h>

enum { FIRST_CAPACITY = 8 };

static size_t table_size(uint32_t capacity)
{
    return capacity * (sizeof(uint64_t) + sizeof(uint32_t));
}

/* Keys are hashes or small codes: a multiplication spreads the latter. */
static uint32_t home_of(uint64_t key, uint32_t capacity)
{
    return (uint32_t)((key * UINT64_C(0x9e3779b97f4a7c15)) >> 32) & (capacity - 1);
}

/* The slot of the key, or the free slot where it belongs. */
static uint32_t slot_of(const weir_multiset *set, uint64_t key)
{
    uint32_t slot = home_of(key, set->capacity);
    while (set->many.keys[slot] != 0 && set->many.keys[slot] != key)
        slot = (slot + 1) & (set->capacity - 1);
    return slot;
}

static bool use_table(weir_multiset *set, weir_slab *slab, uint32_t capacity)
{
    uint64_t *keys = weir_slab_take(slab, table_size(capacity));
    if (!keys)
        return false;
    memset(keys, 0, table_size(capacity));
    weir_multiset old = *set;
    const uint64_t *old_keys = old.capacity ? old.many.keys : old.few.keys;
    const uint32_t *old_counts = old.capacity ? old.many.counts : old.few.counts;
    uint32_t old_slots = old.capacity ? old.capacity : old.distinct_count;
    set->capacity = capacity;
    set->many.keys = keys;
    set->many.counts = (uint32_t *)(keys + capacity);
    for (uint32_t i = 0; i < old_slots; i++) {
        if (old_keys[i] == 0)
            continue;
        uint32_t slot = slot_of(set, old_keys[i]);
        set->many.keys[slot] = old_keys[i];
        set->many.counts[slot] = old_counts[i];
    }
    if (old.capacity)
        weir_slab_give(slab, old.many.keys, table_size(old.capacity));
    return true;
}

bool weir_multiset_reserve(weir_multiset *set, weir_slab *slab)
{
    if (set->capacity == 0)
        return set->distinct_count < WEIR_MULTISET_INLINE || use_table(set, slab, FIRST_CAPACITY);
    return set->distinct_count < set->capacity / 4 * 3 || use_table(set, slab, set->capacity * 2);
}

static bool add_few(weir_multiset *set, uint64_t key)
{
    for (uint32_t i = 0; i < set->distinct_count; i++)
        if (set->few.keys[i] == key) {
            set->few.counts[i]++;
            return true;
        }
    if (set->distinct_count == WEIR_MULTISET_INLINE)
        return false;
    set->few.keys[set->distinct_count] = key;
    set->few.counts[set->distinct_count++] = 1;
    return true;
}

bool weir_multiset_add(weir_multiset *set, weir_slab *slab, uint64_t key)
{
    weir_check(key != 0);
    if (set->capacity == 0 && add_few(set, key))
        return true;
    if (set->capacity == 0 && !use_table(set, slab, FIRST_CAPACITY))
        return false;
    uint32_t slot = slot_of(set, key);
    if (set->many.keys[slot] == 0) {
        if (set->distinct_count >= set->capacity / 4 * 3) {
            if (!use_table(set, slab, set->capacity * 2))
                return false;
            slot = slot_of(set, key);
        }
        set->many.keys[slot] = key;
        set->distinct_count++;
    }
    set->many.counts[slot]++;
    return true;
}

static void remove_few(weir_multiset *set, uint64_t key)
{
    uint32_t i = 0;
    while (i < set->distinct_count && set->few.keys[i] != key)
        i++;
    weir_check(i < set->distinct_count);
    if (--set->few.counts[i] > 0)
        return;
    set->distinct_count--;
    set->few.keys[i] = set->few.keys[set->distinct_count];
    set->few.counts[i] = set->few.counts[set->distinct_count];
}

/* Closes the gap at `hole` with the keys that probed past it. */
static void shift_back(weir_multiset *set, uint32_t hole)
{
    uint32_t mask = set->capacity - 1;
    for (uint32_t next = (hole + 1) & mask; set->many.keys[next] != 0; next = (next + 1) & mask) {
        uint32_t home = home_of(set->many.keys[next], set->capacity);
        if (((next - home) & mask) < ((next - hole) & mask))
            continue;
        set->many.keys[hole] = set->many.keys[next];
        set->many.counts[hole] = set->many.counts[next];
        hole = next;
    }
    set->many.keys[hole] = 0;
    set->many.counts[hole] = 0;
}

void weir_multiset_remove(weir_multiset *set, uint64_t key)
{
    if (set->capacity == 0) {
        remove_few(set, key);
        return;
    }
    uint32_t slot = slot_of(set, key);
    weir_check(set->many.keys[slot] == key);
    if (--set->many.counts[slot] > 0)
        return;
    set->distinct_count--;
    shift_back(set, slot);
}

uint32_t weir_multiset_count(const weir_multiset *set, uint64_t key)
{
    if (set->capacity)
        return set->many.counts[slot_of(set, key)];
    for (uint32_t i = 0; i < set->distinct_count; i++)
        if (set->few.keys[i] == key)
            return set->few.counts[i];
    return 0;
}

void weir_multiset_clear(weir_multiset *set, weir_slab *slab)
{
    if (set->capacity)
        weir_slab_give(slab, set->many.keys, table_size(set->capacity));
    *set = (weir_multiset){0};
}
