/* The parts of the table: shards, slots and series, shared by metrics.c (keeping) and text.c (showing). */
#ifndef WEIR_METRICS_PARTS_H
#define WEIR_METRICS_PARTS_H

#include "metrics/series.h"
#include "metrics/shard.h"
#include "weir/metrics/metrics.h"

typedef struct weir_metrics_slot_table {
    char names[WEIR_METRIC_SLOT_MAX][WEIR_METRIC_TEXT_MAX];
    size_t count;
    bool has_other; /* a value came that had no slot left: the last one is shown as "other" */
} weir_metrics_slot_table;

struct weir_metrics {
    weir_metrics_shard *shards;
    size_t shard_count;
    weir_metrics_series_set series;
    struct {
        pthread_mutex_t lock;
        weir_metrics_slot_table tables[WEIR_METRIC_SLOTTED_COUNT];
    } slots;
};

/* Sum over the shards of one slot of a labelled counter. */
uint64_t weir_metrics_slot_total(const weir_metrics *metrics, weir_metric metric, size_t slot);

#endif
