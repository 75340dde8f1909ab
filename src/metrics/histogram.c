#include "weir/metrics/histogram.h"

#include "weir/base/check.h"

_Static_assert(WEIR_HISTOGRAM_BUCKET_COUNT == 1024, "32 linear buckets and 31 doublings of 32");

void weir_histogram_merge(weir_histogram *histogram, const weir_histogram *other)
{
    for (size_t i = 0; i < WEIR_HISTOGRAM_BUCKET_COUNT; i++)
        histogram->counts[i] += other->counts[i];
    histogram->count += other->count;
    histogram->sum_us += other->sum_us;
}

void weir_histogram_subtract(weir_histogram *histogram, const weir_histogram *earlier)
{
    weir_check(histogram->count >= earlier->count);
    for (size_t i = 0; i < WEIR_HISTOGRAM_BUCKET_COUNT; i++)
        histogram->counts[i] -= earlier->counts[i];
    histogram->count -= earlier->count;
    histogram->sum_us -= earlier->sum_us;
}

static double middle(size_t bucket)
{
    double begin = (double)weir_histogram_bucket_begin(bucket);
    double last = (double)weir_histogram_bucket_begin(bucket + 1) - 1; /* values are whole microseconds */
    return (begin + last) / 2;
}

double weir_histogram_quantile(const weir_histogram *histogram, double quantile)
{
    weir_check(quantile >= 0 && quantile <= 1);
    if (histogram->count == 0)
        return 0;
    /* The rank of the answer among the sorted values, from 1: the smallest with at least that share at or below it. */
    double exact = quantile * (double)histogram->count;
    uint64_t rank = (uint64_t)exact;
    rank += (double)rank < exact || rank == 0;
    uint64_t seen = 0;
    for (size_t i = 0; i < WEIR_HISTOGRAM_BUCKET_COUNT; i++) {
        seen += histogram->counts[i];
        if (seen >= rank)
            return middle(i);
    }
    return middle(WEIR_HISTOGRAM_BUCKET_COUNT - 1);
}

double weir_histogram_mean(const weir_histogram *histogram)
{
    return histogram->count ? (double)histogram->sum_us / (double)histogram->count : 0;
}
