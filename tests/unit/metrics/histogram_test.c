#include "weir/metrics/histogram.h"

#include "weir/base/rng.h"

#include <criterion/criterion.h>
#include <stdlib.h>

Test(histogram, buckets_cover_every_value_once_and_in_order)
{
    for (size_t i = 0; i + 1 < WEIR_HISTOGRAM_BUCKET_COUNT; i++) {
        int64_t begin = weir_histogram_bucket_begin(i), next = weir_histogram_bucket_begin(i + 1);
        cr_assert_lt(begin, next);
        cr_assert_eq(weir_histogram_bucket(begin), i);
        cr_assert_eq(weir_histogram_bucket(next - 1), i);
    }
    cr_expect_eq(weir_histogram_bucket(-5), 0);
    cr_expect_eq(weir_histogram_bucket(INT64_MAX), WEIR_HISTOGRAM_BUCKET_COUNT - 1);
    cr_expect_eq(weir_histogram_bucket((INT64_C(1) << 36) - 1), WEIR_HISTOGRAM_BUCKET_COUNT - 1);
}

Test(histogram, a_bucket_is_never_wider_than_a_thirty_second_of_its_values)
{
    for (size_t i = 32; i + 1 < WEIR_HISTOGRAM_BUCKET_COUNT; i++) {
        int64_t begin = weir_histogram_bucket_begin(i), next = weir_histogram_bucket_begin(i + 1);
        cr_assert_leq((next - begin) * 32, begin);
    }
}

static int by_value(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* The oracle: all values, sorted. */
Test(histogram, quantiles_are_within_two_percent_of_the_sorted_values)
{
    enum { COUNT = 20001 };
    static int64_t values[COUNT];
    static const double QUANTILES[] = {0, 0.01, 0.5, 0.9, 0.99, 0.999, 1};
    weir_rng rng = {.state = 11};
    for (int round = 0; round < 20; round++) {
        static weir_histogram histogram;
        histogram = (weir_histogram){0};
        for (int i = 0; i < COUNT; i++) {
            values[i] = (int64_t)(weir_rng_next(&rng) >> (30 + weir_rng_below(&rng, (uint64_t)round + 15)));
            weir_histogram_record(&histogram, values[i]);
        }
        qsort(values, COUNT, sizeof *values, by_value);
        for (size_t q = 0; q < sizeof QUANTILES / sizeof *QUANTILES; q++) {
            double exact = QUANTILES[q] * COUNT;
            size_t rank = (size_t)exact + ((double)(size_t)exact < exact);
            double wanted = (double)values[rank ? rank - 1 : 0];
            double found = weir_histogram_quantile(&histogram, QUANTILES[q]);
            cr_assert(found >= 0.98 * wanted && found <= 1.02 * wanted, "%g: %g for %g", QUANTILES[q], found, wanted);
        }
    }
}

Test(histogram, small_values_are_exact)
{
    weir_histogram histogram = {0};
    for (int i = 1; i <= 9; i++)
        weir_histogram_record(&histogram, i);
    cr_expect_eq(weir_histogram_quantile(&histogram, 0.5), 5);
    cr_expect_eq(weir_histogram_quantile(&histogram, 1), 9);
    cr_expect_eq(weir_histogram_mean(&histogram), 5);
}

Test(histogram, empty_is_zero)
{
    weir_histogram histogram = {0};
    cr_expect_eq(weir_histogram_quantile(&histogram, 0.99), 0);
    cr_expect_eq(weir_histogram_mean(&histogram), 0);
}

Test(histogram, subtracting_a_reading_leaves_what_came_after)
{
    weir_histogram all = {0}, later = {0};
    for (int i = 0; i < 1000; i++)
        weir_histogram_record(&all, i);
    weir_histogram earlier = all;
    for (int i = 0; i < 500; i++) {
        weir_histogram_record(&all, 70000 + i);
        weir_histogram_record(&later, 70000 + i);
    }
    weir_histogram_subtract(&all, &earlier);
    cr_expect_arr_eq(all.counts, later.counts, sizeof all.counts);
    cr_expect_eq(all.count, 500);
    cr_expect_eq(all.sum_us, later.sum_us);
    weir_histogram_merge(&all, &earlier);
    cr_expect_eq(all.count, 1500);
}
