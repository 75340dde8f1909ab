/* A shard: what one thread counts. One writer, any reader; shards begin on cache lines of their own. */
#ifndef WEIR_METRICS_SHARD_H
#define WEIR_METRICS_SHARD_H

#include "metrics/table.h"

#include <stdalign.h>
#include <stdatomic.h>

/* The upper bounds shown to Prometheus, in microseconds; +Inf follows. */
enum { WEIR_METRICS_BOUND_COUNT = 20 };
extern const int64_t WEIR_METRICS_BOUNDS_US[WEIR_METRICS_BOUND_COUNT];

typedef struct weir_metrics_cells {
    _Atomic uint64_t counts[WEIR_HISTOGRAM_BUCKET_COUNT];
    /* The same values once more by the bounds shown: those are not edges of the buckets, and what a scrape says of
     * "at most 1 ms" is to be exact. */
    _Atomic uint64_t bounded[WEIR_METRICS_BOUND_COUNT + 1];
    _Atomic uint64_t sum_us;
} weir_metrics_cells;

struct weir_metrics_shard {
    alignas(64) _Atomic uint64_t plain[WEIR_METRIC_PLAIN_COUNT];
    _Atomic uint64_t slotted[WEIR_METRIC_SLOTTED_COUNT][WEIR_METRIC_SLOT_MAX];
    _Atomic double gauges[WEIR_METRIC_GAUGE_COUNT];
    weir_metrics_cells histograms[WEIR_METRIC_HISTOGRAM_COUNT];
};

static inline uint64_t weir_metrics_load(const _Atomic uint64_t *cell)
{
    return atomic_load_explicit(cell, memory_order_relaxed);
}

/* The first bound that is not below `us`, or WEIR_METRICS_BOUND_COUNT for +Inf. */
size_t weir_metrics_bound_of(int64_t us);

#endif
