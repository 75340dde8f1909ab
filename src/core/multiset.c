#include "core/multiset.h"

#include "weir/base/check.h"
#include "weir/base/prefetch.h"

#include <string.h>

enum { FIRST_CAPACITY = 8 };

static size_t table_size(uint32_t capacity)
{
    return capacity * sizeof(weir_multiset_slot);
}

static uint32_t count_max(uint32_t capacity)
{
    return capacity / 8 * 5;
}

/* Keys are hashes or small codes: a multiplication spreads the latter. */
static uint32_t home_of(uint64_t key, uint32_t capacity)
{
    return (uint32_t)((key * UINT64_C(0x9e3779b97f4a7c15)) >> 32) & (capacity - 1);
}

/* The slot of the key in the table, or the free slot where it belongs. */
static weir_multiset_slot *slot_of(const weir_multiset *set, uint64_t key)
{
    uint32_t at = home_of(key, set->capacity);
    while (set->many[at].key != 0 && set->many[at].key != key)
        at = (at + 1) & (set->capacity - 1);
    return &set->many[at];
}

static bool use_table(weir_multiset *set, weir_slab *slab, uint32_t capacity)
{
    weir_multiset_slot *slots = weir_slab_take(slab, table_size(capacity));
    if (!slots)
        return false;
    memset(slots, 0, table_size(capacity));
    weir_multiset old = *set;
    const weir_multiset_slot *old_slots = old.capacity ? old.many : old.few;
    uint32_t old_count = old.capacity ? old.capacity : old.distinct_count;
    set->capacity = capacity;
    set->many = slots;
    for (uint32_t i = 0; i < old_count; i++)
        if (old_slots[i].key != 0)
            *slot_of(set, old_slots[i].key) = old_slots[i];
    if (old.capacity)
        weir_slab_give(slab, old.many, table_size(old.capacity));
    return true;
}

bool weir_multiset_reserve(weir_multiset *set, weir_slab *slab)
{
    if (set->capacity == 0)
        return set->distinct_count < WEIR_MULTISET_INLINE || use_table(set, slab, FIRST_CAPACITY);
    return set->distinct_count < count_max(set->capacity) || use_table(set, slab, set->capacity * 2);
}

static bool add_few(weir_multiset *set, uint64_t key)
{
    for (uint32_t i = 0; i < set->distinct_count; i++)
        if (set->few[i].key == key) {
            set->few[i].count++;
            return true;
        }
    if (set->distinct_count == WEIR_MULTISET_INLINE)
        return false;
    set->few[set->distinct_count++] = (weir_multiset_slot){.key = key, .count = 1};
    return true;
}

bool weir_multiset_add(weir_multiset *set, weir_slab *slab, uint64_t key)
{
    weir_check(key != 0);
    if (set->capacity == 0 && add_few(set, key))
        return true;
    if (set->capacity == 0 && !use_table(set, slab, FIRST_CAPACITY))
        return false;
    weir_multiset_slot *slot = slot_of(set, key);
    if (slot->key == 0) {
        if (set->distinct_count >= count_max(set->capacity)) {
            if (!use_table(set, slab, set->capacity * 2))
                return false;
            slot = slot_of(set, key);
        }
        slot->key = key;
        set->distinct_count++;
    }
    slot->count++;
    return true;
}

static void remove_few(weir_multiset *set, uint64_t key)
{
    uint32_t i = 0;
    while (i < set->distinct_count && set->few[i].key != key)
        i++;
    weir_check(i < set->distinct_count);
    if (--set->few[i].count == 0)
        set->few[i] = set->few[--set->distinct_count];
}

/* Closes the gap at `hole` with the keys that probed past it. */
static void shift_back(weir_multiset *set, uint32_t hole)
{
    uint32_t mask = set->capacity - 1;
    for (uint32_t next = (hole + 1) & mask; set->many[next].key != 0; next = (next + 1) & mask) {
        uint32_t home = home_of(set->many[next].key, set->capacity);
        if (((next - home) & mask) < ((next - hole) & mask))
            continue;
        set->many[hole] = set->many[next];
        hole = next;
    }
    set->many[hole] = (weir_multiset_slot){0};
}

void weir_multiset_remove(weir_multiset *set, uint64_t key)
{
    if (set->capacity == 0) {
        remove_few(set, key);
        return;
    }
    weir_multiset_slot *slot = slot_of(set, key);
    weir_check(slot->key == key);
    if (--slot->count > 0)
        return;
    set->distinct_count--;
    shift_back(set, (uint32_t)(slot - set->many));
}

uint32_t weir_multiset_count(const weir_multiset *set, uint64_t key)
{
    if (set->capacity)
        return slot_of(set, key)->count;
    for (uint32_t i = 0; i < set->distinct_count; i++)
        if (set->few[i].key == key)
            return set->few[i].count;
    return 0;
}

void weir_multiset_prefetch(const weir_multiset *set, uint64_t key)
{
    weir_prefetch_to_write(&set->many[home_of(key, set->capacity)]);
}

void weir_multiset_clear(weir_multiset *set, weir_slab *slab)
{
    if (set->capacity)
        weir_slab_give(slab, set->many, table_size(set->capacity));
    *set = (weir_multiset){0};
}
