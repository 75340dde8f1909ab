#include "weir/metrics/metrics.h"

#include "metrics/parts.h"
#include "weir/base/check.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

weir_status weir_metrics_open(size_t shard_count, weir_metrics **metrics_out, weir_error *error)
{
    weir_check(shard_count >= 1);
    weir_metrics *metrics = calloc(1, sizeof *metrics);
    /* aligned_alloc: a shard begins a cache line, which no other thread writes. */
    weir_metrics_shard *shards = aligned_alloc(64, shard_count * sizeof *shards);
    if (!metrics || !shards) {
        free(metrics);
        free(shards);
        return weir_error_set(error, WEIR_FULL, "There is no memory for the metrics of %zu threads.", shard_count);
    }
    memset(shards, 0, shard_count * sizeof *shards);
    metrics->shards = shards;
    metrics->shard_count = shard_count;
    pthread_mutex_init(&metrics->series.lock, NULL);
    pthread_mutex_init(&metrics->slots.lock, NULL);
    weir_metrics_set_series(metrics, WEIR_METRIC_BUILD_INFO, (const char *const[]){WEIR_VERSION}, 1);
    *metrics_out = metrics;
    return WEIR_OK;
}

void weir_metrics_close(weir_metrics *metrics)
{
    if (!metrics)
        return;
    pthread_mutex_destroy(&metrics->series.lock);
    pthread_mutex_destroy(&metrics->slots.lock);
    free(metrics->series.items);
    free(metrics->shards);
    free(metrics);
}

weir_metrics_shard *weir_metrics_shard_at(weir_metrics *metrics, size_t index)
{
    weir_check(index < metrics->shard_count);
    return &metrics->shards[index];
}

/* ---- slots: label values of counters ---- */

enum { OTHER_SLOT = WEIR_METRIC_SLOT_MAX - 1 };

static size_t find_or_make(weir_metrics_slot_table *table, const char *value)
{
    for (size_t i = 0; i < table->count; i++)
        if (strcmp(table->names[i], value) == 0)
            return i;
    if (table->count == OTHER_SLOT) {
        table->has_other = true;
        return OTHER_SLOT;
    }
    snprintf(table->names[table->count], sizeof table->names[0], "%s", value);
    return table->count++;
}

size_t weir_metrics_slot(weir_metrics *metrics, weir_metric metric, const char *label_value)
{
    weir_check(weir_metric_is_slotted(metric));
    char value[WEIR_METRIC_TEXT_MAX];
    snprintf(value, sizeof value, "%s", label_value);
    pthread_mutex_lock(&metrics->slots.lock);
    size_t slot = find_or_make(&metrics->slots.tables[metric - WEIR_METRIC_SLOT_FIRST], value);
    pthread_mutex_unlock(&metrics->slots.lock);
    return slot;
}

/* ---- series ---- */

void weir_metrics_set_series(weir_metrics *metrics, weir_metric metric, const char *const *label_values, double value)
{
    (void)weir_metrics_series_put(&metrics->series, metric, label_values, value);
}

void weir_metrics_clear_series(weir_metrics *metrics, weir_metric metric)
{
    weir_check(weir_metric_is_series(metric));
    weir_metrics_series_remove(&metrics->series, metric, NULL, 0);
}

typedef struct partition_text {
    char bytes[12];
} partition_text;

static partition_text text_of(int32_t partition)
{
    partition_text text;
    snprintf(text.bytes, sizeof text.bytes, "%d", partition);
    return text;
}

void weir_metrics_set_partition(weir_metrics *metrics, weir_metric metric, const char *stage, int32_t partition,
                                double value)
{
    partition_text text = text_of(partition);
    weir_check(weir_metric_label_count(metric) == 2);
    weir_metrics_set_series(metrics, metric, (const char *const[]){stage, text.bytes}, value);
}

/* Removes the series of `metric`, or of any when WEIR_METRIC_COUNT, that are about this partition. */
static void remove_partition(weir_metrics *metrics, weir_metric metric, const char *stage, partition_text partition)
{
    const weir_metrics_label labels[] = {{"stage", stage}, {"partition", partition.bytes}};
    weir_metrics_series_remove(&metrics->series, metric, labels, sizeof labels / sizeof *labels);
}

void weir_metrics_set_partition_state(weir_metrics *metrics, const char *stage, int32_t partition, const char *state)
{
    partition_text text = text_of(partition);
    remove_partition(metrics, WEIR_METRIC_PARTITION_STATE, stage, text);
    weir_metrics_set_series(metrics, WEIR_METRIC_PARTITION_STATE, (const char *const[]){stage, text.bytes, state}, 1);
}

void weir_metrics_drop_partition(weir_metrics *metrics, const char *stage, int32_t partition)
{
    remove_partition(metrics, WEIR_METRIC_COUNT, stage, text_of(partition));
}

/* ---- reading ---- */

uint64_t weir_metrics_slot_total(const weir_metrics *metrics, weir_metric metric, size_t slot)
{
    uint64_t total = 0;
    for (size_t i = 0; i < metrics->shard_count; i++)
        total += weir_metrics_load(&metrics->shards[i].slotted[metric - WEIR_METRIC_SLOT_FIRST][slot]);
    return total;
}

uint64_t weir_metrics_total(weir_metrics *metrics, weir_metric metric)
{
    uint64_t total = 0;
    if (weir_metric_is_slotted(metric)) {
        for (size_t slot = 0; slot < WEIR_METRIC_SLOT_MAX; slot++)
            total += weir_metrics_slot_total(metrics, metric, slot);
        return total;
    }
    weir_check(weir_metric_is_plain(metric));
    for (size_t i = 0; i < metrics->shard_count; i++)
        total += weir_metrics_load(&metrics->shards[i].plain[metric]);
    return total;
}

static double shard_gauge(const weir_metrics *metrics, weir_metric metric)
{
    weir_check(weir_metric_is_shard_gauge(metric));
    bool largest = weir_metric_row_of(metric)->home == WEIR_METRIC_IN_SHARD_MAX;
    double result = 0;
    for (size_t i = 0; i < metrics->shard_count; i++) {
        double part = atomic_load_explicit(&metrics->shards[i].gauges[metric - WEIR_METRIC_GAUGE_FIRST],
                                           memory_order_relaxed);
        result = !largest ? result + part : part > result ? part : result;
    }
    return result;
}

/* A derived gauge is part / (part + rest). */
static const struct {
    weir_metric part, rest;
} RATIOS[] = {
    [WEIR_METRIC_PRECISION - WEIR_METRIC_DERIVED_FIRST] = {WEIR_METRIC_TRUE_POSITIVES, WEIR_METRIC_FALSE_POSITIVES},
    [WEIR_METRIC_RECALL - WEIR_METRIC_DERIVED_FIRST] = {WEIR_METRIC_TRUE_POSITIVES, WEIR_METRIC_FALSE_NEGATIVES},
};
_Static_assert(sizeof RATIOS / sizeof *RATIOS == WEIR_METRIC_DERIVED_COUNT, "a ratio for every derived gauge");

/* Each side is read once: what writers do meanwhile cannot make the part larger than its whole. */
static double derived_gauge(const weir_metrics *metrics, weir_metric metric)
{
    double part = shard_gauge(metrics, RATIOS[metric - WEIR_METRIC_DERIVED_FIRST].part);
    double whole = part + shard_gauge(metrics, RATIOS[metric - WEIR_METRIC_DERIVED_FIRST].rest);
    return whole > 0 ? part / whole : NAN;
}

double weir_metrics_gauge(weir_metrics *metrics, weir_metric metric)
{
    return weir_metric_is_derived(metric) ? derived_gauge(metrics, metric) : shard_gauge(metrics, metric);
}

void weir_metrics_histogram(weir_metrics *metrics, weir_metric metric, weir_histogram *histogram_out)
{
    weir_check(weir_metric_is_histogram(metric));
    memset(histogram_out, 0, sizeof *histogram_out);
    for (size_t i = 0; i < metrics->shard_count; i++) {
        const weir_metrics_cells *cells = &metrics->shards[i].histograms[metric - WEIR_METRIC_HISTOGRAM_FIRST];
        for (size_t k = 0; k < WEIR_HISTOGRAM_BUCKET_COUNT; k++) {
            uint64_t count = weir_metrics_load(&cells->counts[k]);
            histogram_out->counts[k] += count;
            histogram_out->count += count;
        }
        histogram_out->sum_us += weir_metrics_load(&cells->sum_us);
    }
}
