/* A histogram of durations with a bounded relative error: log-linear buckets, as HdrHistogram has them.
 *
 * Values below 32 us have a bucket each; above, every doubling is cut into 32 equal buckets, so that a bucket is never
 * wider than 1/32 (3.2 %) of its values and a quantile, taken at its middle, is off by at most 1.6 %. Values past
 * 2^36 us (19 hours) count in the last bucket. Adding is two instructions and a store; merging is addition.
 *
 * A zeroed weir_histogram is empty and valid. Thread: one at a time per histogram (metrics.h has the shared kind).
 * Source: Tene, HdrHistogram; Prometheus native histograms use the same shape in powers of two.
 */
#ifndef WEIR_METRICS_HISTOGRAM_H
#define WEIR_METRICS_HISTOGRAM_H

#include <stddef.h>
#include <stdint.h>

enum {
    WEIR_HISTOGRAM_SUB_BITS = 5,
    WEIR_HISTOGRAM_TOP_BIT = 36, /* values are kept below 2^36 us */
    WEIR_HISTOGRAM_BUCKET_COUNT = (WEIR_HISTOGRAM_TOP_BIT - WEIR_HISTOGRAM_SUB_BITS + 1) << WEIR_HISTOGRAM_SUB_BITS
};

typedef struct weir_histogram {
    uint64_t counts[WEIR_HISTOGRAM_BUCKET_COUNT];
    uint64_t count;
    uint64_t sum_us;
} weir_histogram;

/* The bucket of a value; negative values count as 0. */
static inline size_t weir_histogram_bucket(int64_t us)
{
    uint64_t value = us < 0 ? 0 : (uint64_t)us;
    if (value >> WEIR_HISTOGRAM_TOP_BIT)
        return WEIR_HISTOGRAM_BUCKET_COUNT - 1;
    if (value < 1u << WEIR_HISTOGRAM_SUB_BITS)
        return (size_t)value;
    unsigned shift = 63 - WEIR_HISTOGRAM_SUB_BITS - (unsigned)__builtin_clzll(value);
    return ((size_t)shift << WEIR_HISTOGRAM_SUB_BITS) + (size_t)(value >> shift);
}

/* The smallest value of a bucket, and the smallest of the next one. */
static inline int64_t weir_histogram_bucket_begin(size_t bucket)
{
    if (bucket < 2u << WEIR_HISTOGRAM_SUB_BITS)
        return (int64_t)bucket;
    unsigned shift = (unsigned)(bucket >> WEIR_HISTOGRAM_SUB_BITS) - 1;
    return (int64_t)((bucket & ((1u << WEIR_HISTOGRAM_SUB_BITS) - 1)) + (1u << WEIR_HISTOGRAM_SUB_BITS)) << shift;
}

/* Counts one duration in microseconds. */
static inline void weir_histogram_record(weir_histogram *histogram, int64_t us)
{
    histogram->counts[weir_histogram_bucket(us)]++;
    histogram->count++;
    histogram->sum_us += us < 0 ? 0 : (uint64_t)us;
}

/* Adds what `other` counted. */
void weir_histogram_merge(weir_histogram *histogram, const weir_histogram *other);

/* Takes away what `earlier` counted: leaves what happened between two readings of the same histogram. */
void weir_histogram_subtract(weir_histogram *histogram, const weir_histogram *earlier);

/* The value in microseconds that a share `quantile` (0..1) of the values do not exceed, at most 1.6 % off; 0 when
 * empty. Costs a walk over the buckets. */
double weir_histogram_quantile(const weir_histogram *histogram, double quantile);

/* Microseconds; 0 when empty. */
double weir_histogram_mean(const weir_histogram *histogram);

#endif
