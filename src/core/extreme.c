#include "core/extreme.h"

#include "weir/base/check.h"

enum { FIRST_CAPACITY = 4 };

static weir_candidate *at(const weir_extreme *extreme, uint32_t index)
{
    return &extreme->ring[(extreme->first + index) & (extreme->capacity - 1)];
}

bool weir_extreme_reserve(weir_extreme *extreme, weir_slab *slab)
{
    if (extreme->count < extreme->capacity)
        return true;
    uint32_t capacity = extreme->capacity ? extreme->capacity * 2 : FIRST_CAPACITY;
    weir_candidate *ring = weir_slab_take(slab, capacity * sizeof *ring);
    if (!ring)
        return false;
    for (uint32_t i = 0; i < extreme->count; i++)
        ring[i] = *at(extreme, i);
    if (extreme->capacity)
        weir_slab_give(slab, extreme->ring, extreme->capacity * sizeof *ring);
    extreme->ring = ring;
    extreme->capacity = capacity;
    extreme->first = 0;
    return true;
}

void weir_extreme_push(weir_extreme *extreme, weir_candidate candidate)
{
    while (extreme->count > 0 && at(extreme, extreme->count - 1)->rank <= candidate.rank)
        extreme->count--;
    weir_check(extreme->count < extreme->capacity);
    *at(extreme, extreme->count++) = candidate;
}

void weir_extreme_insert(weir_extreme *extreme, weir_candidate candidate)
{
    uint32_t later = extreme->count; /* index of the first candidate after the new one */
    while (later > 0 && at(extreme, later - 1)->time_us > candidate.time_us)
        later--;
    if (later < extreme->count && at(extreme, later)->rank >= candidate.rank)
        return;
    uint32_t kept = later; /* candidates before it that still count */
    while (kept > 0 && at(extreme, kept - 1)->rank <= candidate.rank)
        kept--;
    uint32_t after = extreme->count - later;
    if (kept == later) {
        weir_check(extreme->count < extreme->capacity);
        for (uint32_t i = after; i > 0; i--)
            *at(extreme, later + i) = *at(extreme, later + i - 1);
    } else {
        for (uint32_t i = 0; i < after; i++)
            *at(extreme, kept + 1 + i) = *at(extreme, later + i);
    }
    *at(extreme, kept) = candidate;
    extreme->count = kept + 1 + after;
}

void weir_extreme_expire(weir_extreme *extreme, int64_t until_us)
{
    while (extreme->count > 0 && at(extreme, 0)->time_us <= until_us) {
        extreme->first = (extreme->first + 1) & (extreme->capacity - 1);
        extreme->count--;
    }
}

void weir_extreme_clear(weir_extreme *extreme, weir_slab *slab)
{
    if (extreme->capacity)
        weir_slab_give(slab, extreme->ring, extreme->capacity * sizeof *extreme->ring);
    *extreme = (weir_extreme){0};
}
