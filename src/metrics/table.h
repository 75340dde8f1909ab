/* Which part of a shard a metric lives in: the order of the enum cuts it into runs of one kind each. */
#ifndef WEIR_METRICS_TABLE_H
#define WEIR_METRICS_TABLE_H

#include "weir/metrics/metrics.h"

#include <stdbool.h>

enum {
    WEIR_METRIC_PLAIN_COUNT = WEIR_METRIC_DEAD_LETTERS,
    WEIR_METRIC_SLOT_FIRST = WEIR_METRIC_DEAD_LETTERS,
    WEIR_METRIC_SLOTTED_COUNT = WEIR_METRIC_SLOT_LAST - WEIR_METRIC_SLOT_FIRST + 1,
    WEIR_METRIC_GAUGE_FIRST = WEIR_METRIC_CARDS_RESIDENT,
    WEIR_METRIC_GAUGE_COUNT = WEIR_METRIC_PROCESSING_SECONDS - WEIR_METRIC_GAUGE_FIRST,
    WEIR_METRIC_HISTOGRAM_FIRST = WEIR_METRIC_PROCESSING_SECONDS,
    WEIR_METRIC_HISTOGRAM_COUNT = WEIR_METRIC_LAG_RECORDS - WEIR_METRIC_HISTOGRAM_FIRST,
    WEIR_METRIC_DERIVED_FIRST = WEIR_METRIC_PRECISION,
    WEIR_METRIC_DERIVED_COUNT = WEIR_METRIC_PROCESS_CPU_SECONDS - WEIR_METRIC_DERIVED_FIRST
};

static inline bool weir_metric_is_plain(weir_metric metric)
{
    return (unsigned)metric < WEIR_METRIC_PLAIN_COUNT;
}

static inline bool weir_metric_is_slotted(weir_metric metric)
{
    return (unsigned)(metric - WEIR_METRIC_SLOT_FIRST) < WEIR_METRIC_SLOTTED_COUNT;
}

static inline bool weir_metric_is_shard_gauge(weir_metric metric)
{
    return (unsigned)(metric - WEIR_METRIC_GAUGE_FIRST) < WEIR_METRIC_GAUGE_COUNT;
}

static inline bool weir_metric_is_histogram(weir_metric metric)
{
    return (unsigned)(metric - WEIR_METRIC_HISTOGRAM_FIRST) < WEIR_METRIC_HISTOGRAM_COUNT;
}

static inline bool weir_metric_is_series(weir_metric metric)
{
    return weir_metric_row_of(metric)->home == WEIR_METRIC_IN_SERIES;
}

static inline bool weir_metric_is_derived(weir_metric metric)
{
    return (unsigned)(metric - WEIR_METRIC_DERIVED_FIRST) < WEIR_METRIC_DERIVED_COUNT;
}

static inline size_t weir_metric_label_count(weir_metric metric)
{
    const weir_metric_row *row = weir_metric_row_of(metric);
    size_t count = 0;
    while (count < WEIR_METRIC_LABEL_MAX && row->labels[count])
        count++;
    return count;
}

#endif
