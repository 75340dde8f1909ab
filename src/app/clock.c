#include "weir/app/clock.h"

#include "weir/base/units.h"

#include <time.h>

static int64_t read_clock(clockid_t id)
{
    struct timespec now;
    clock_gettime(id, &now);
    return (int64_t)now.tv_sec * WEIR_US_PER_SECOND + now.tv_nsec / 1000;
}

static int64_t system_wall_us(const weir_clock *clock)
{
    (void)clock;
    return read_clock(CLOCK_REALTIME);
}

static int64_t system_monotonic_us(const weir_clock *clock)
{
    (void)clock;
    return read_clock(CLOCK_MONOTONIC);
}

const weir_clock *weir_clock_system(void)
{
    static const weir_clock SYSTEM = {.wall_us = system_wall_us, .monotonic_us = system_monotonic_us};
    return &SYSTEM;
}
