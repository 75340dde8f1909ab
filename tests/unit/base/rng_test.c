#include "weir/base/rng.h"

#include <criterion/criterion.h>

/* Source: the reference splitmix64.c of Vigna, seed 1234567, as published with it. */
Test(rng, the_stream_is_splitmix64)
{
    static const uint64_t WANTED[] = {
        UINT64_C(6457827717110365317),  UINT64_C(3203168211198807973),  UINT64_C(9817491932198370423),
        UINT64_C(4593380528125082431),  UINT64_C(16408922859458223821),
    };
    weir_rng rng = {.state = 1234567};
    for (size_t i = 0; i < sizeof WANTED / sizeof *WANTED; i++)
        cr_expect_eq(weir_rng_next(&rng), WANTED[i]);
}

Test(rng, below_stays_below_and_reaches_everything)
{
    weir_rng rng = {.state = 1};
    size_t counts[7] = {0};
    for (int i = 0; i < 70000; i++) {
        uint64_t value = weir_rng_below(&rng, 7);
        cr_assert(value < 7);
        counts[value]++;
    }
    for (size_t i = 0; i < 7; i++)
        cr_expect(counts[i] > 9500 && counts[i] < 10500, "%zu came %zu times", i, counts[i]);
    for (int i = 0; i < 100; i++)
        cr_expect_eq(weir_rng_below(&rng, 1), 0);
}

Test(rng, unit_is_in_the_half_open_interval_and_even)
{
    weir_rng rng = {.state = 2};
    double sum = 0;
    for (int i = 0; i < 100000; i++) {
        double value = weir_rng_unit(&rng);
        cr_assert(value >= 0 && value < 1);
        sum += value;
    }
    cr_expect(sum > 49500 && sum < 50500);
}
