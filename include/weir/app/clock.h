/* The clock seam: everything in the shell that asks for the time asks here, so that the simulator decides it. */
#ifndef WEIR_APP_CLOCK_H
#define WEIR_APP_CLOCK_H

#include <stdint.h>

typedef struct weir_clock weir_clock;
struct weir_clock {
    int64_t (*wall_us)(const weir_clock *clock);      /* microseconds since 1970 UTC; may jump */
    int64_t (*monotonic_us)(const weir_clock *clock); /* microseconds since some start; never goes back */
};

/* The machine's own clocks. */
const weir_clock *weir_clock_system(void);

static inline int64_t weir_clock_wall_us(const weir_clock *clock)
{
    return clock->wall_us(clock);
}

static inline int64_t weir_clock_monotonic_us(const weir_clock *clock)
{
    return clock->monotonic_us(clock);
}

#endif
