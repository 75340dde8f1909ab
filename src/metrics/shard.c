#include "metrics/shard.h"

#include "weir/base/check.h"

/* From well below a batch to an hour: 1-2.5-5 where latencies are watched, wider where only trouble lives. */
const int64_t WEIR_METRICS_BOUNDS_US[WEIR_METRICS_BOUND_COUNT] = {
    50,     100,    250,     500,     1000,    2500,     5000,     10000,     25000,     50000,
    100000, 250000, 500000, 1000000, 2500000, 5000000, 10000000, 60000000, 600000000, INT64_C(3600000000)};

size_t weir_metrics_bound_of(int64_t us)
{
    /* Branch-free halving over 20 sorted bounds; 32 would be the next power of two. */
    size_t index = 0;
    for (size_t step = 16; step > 0; step /= 2) {
        size_t next = index + step;
        index = next <= WEIR_METRICS_BOUND_COUNT && WEIR_METRICS_BOUNDS_US[next - 1] < us ? next : index;
    }
    return index;
}

/* One writer: no read-modify-write instruction is needed, only that no reader sees half a word. */
static void bump(_Atomic uint64_t *cell, uint64_t count)
{
    atomic_store_explicit(cell, weir_metrics_load(cell) + count, memory_order_relaxed);
}

void weir_metrics_add(weir_metrics_shard *shard, weir_metric metric, uint64_t count)
{
    weir_check(weir_metric_is_plain(metric));
    bump(&shard->plain[metric], count);
}

void weir_metrics_add_slot(weir_metrics_shard *shard, weir_metric metric, size_t slot, uint64_t count)
{
    weir_check(weir_metric_is_slotted(metric) && slot < WEIR_METRIC_SLOT_MAX);
    bump(&shard->slotted[metric - WEIR_METRIC_SLOT_FIRST][slot], count);
}

void weir_metrics_set(weir_metrics_shard *shard, weir_metric metric, double value)
{
    weir_check(weir_metric_is_shard_gauge(metric));
    atomic_store_explicit(&shard->gauges[metric - WEIR_METRIC_GAUGE_FIRST], value, memory_order_relaxed);
}

void weir_metrics_adjust(weir_metrics_shard *shard, weir_metric metric, double change)
{
    weir_check(weir_metric_is_shard_gauge(metric));
    _Atomic double *part = &shard->gauges[metric - WEIR_METRIC_GAUGE_FIRST];
    atomic_store_explicit(part, atomic_load_explicit(part, memory_order_relaxed) + change, memory_order_relaxed);
}

void weir_metrics_record(weir_metrics_shard *shard, weir_metric metric, int64_t us)
{
    weir_check(weir_metric_is_histogram(metric));
    weir_metrics_cells *cells = &shard->histograms[metric - WEIR_METRIC_HISTOGRAM_FIRST];
    us = us < 0 ? 0 : us;
    bump(&cells->counts[weir_histogram_bucket(us)], 1);
    bump(&cells->bounded[weir_metrics_bound_of(us)], 1);
    bump(&cells->sum_us, (uint64_t)us);
}
