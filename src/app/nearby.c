#include "weir/app/nearby.h"

#include <stdlib.h>

weir_status weir_nearby_init(weir_nearby *nearby, int32_t lane_count, int64_t reach_us)
{
    *nearby = (weir_nearby){.lane_count = lane_count, .reach_us = reach_us};
    nearby->clocks = malloc((size_t)lane_count * sizeof *nearby->clocks);
    for (int32_t i = 0; nearby->clocks && i < lane_count; i++)
        atomic_init(&nearby->clocks[i], INT64_MAX);
    return nearby->clocks ? WEIR_OK : WEIR_FULL;
}

void weir_nearby_deinit(weir_nearby *nearby)
{
    free(nearby->clocks);
    *nearby = (weir_nearby){0};
}

void weir_nearby_note(weir_nearby *nearby, int32_t lane, int64_t clock_us)
{
    atomic_store_explicit(&nearby->clocks[lane], clock_us, memory_order_relaxed);
}

int64_t weir_nearby_limit(const weir_nearby *nearby)
{
    int64_t slowest_us = INT64_MAX, limit_us;
    for (int32_t i = 0; i < nearby->lane_count; i++) {
        int64_t clock_us = atomic_load_explicit(&nearby->clocks[i], memory_order_relaxed);
        slowest_us = clock_us != INT64_MIN && clock_us < slowest_us ? clock_us : slowest_us;
    }
    return __builtin_add_overflow(slowest_us, nearby->reach_us, &limit_us) ? INT64_MAX : limit_us;
}
