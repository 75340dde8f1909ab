/* A seeded random stream: the same seed gives the same run on every machine.
 * Source: Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014. */
#ifndef WEIR_BASE_RNG_H
#define WEIR_BASE_RNG_H

#include <stdint.h>

typedef struct weir_rng {
    uint64_t state; /* any value is a valid seed */
} weir_rng;

/* The next 64 random bits. */
static inline uint64_t weir_rng_next(weir_rng *rng)
{
    uint64_t z = (rng->state += 0x9e3779b97f4a7c15u);
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

/* Uniform in [0, bound); bound > 0. The bias is below 2^-32 for the bounds used here. */
static inline uint64_t weir_rng_below(weir_rng *rng, uint64_t bound)
{
    return (uint64_t)((unsigned __int128)weir_rng_next(rng) * bound >> 64);
}

/* Uniform in [0, 1). */
static inline double weir_rng_unit(weir_rng *rng)
{
    return (double)(weir_rng_next(rng) >> 11) * 0x1p-53;
}

#endif
