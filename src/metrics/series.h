/* Gauges with labels: a value a label set, behind a mutex. A flat array: there are a few dozen to a few thousand, set
 * about once a second each. */
#ifndef WEIR_METRICS_SERIES_H
#define WEIR_METRICS_SERIES_H

#include "weir/metrics/metrics.h"

#include <pthread.h>
#include <stdbool.h>

typedef struct weir_metrics_series {
    weir_metric metric;
    double value;
    char labels[WEIR_METRIC_LABEL_MAX][WEIR_METRIC_TEXT_MAX];
} weir_metrics_series;

typedef struct weir_metrics_series_set {
    pthread_mutex_t lock;
    weir_metrics_series *items; /* sorted by metric, then by labels, as numbers where they are: shown in order */
    size_t count, capacity;
} weir_metrics_series_set;

/* Finds or makes the series and sets its value. False when there is no memory. Takes the lock. */
bool weir_metrics_series_put(weir_metrics_series_set *set, weir_metric metric, const char *const *labels, double value);

typedef struct weir_metrics_label {
    const char *name, *value;
} weir_metrics_label;

/* Removes the series of `metric` (any when WEIR_METRIC_COUNT) that have all the given labels; with none given, all of
 * them. Takes the lock. */
void weir_metrics_series_remove(weir_metrics_series_set *set, weir_metric metric, const weir_metrics_label *labels,
                                size_t label_count);

/* A copy of all series, to be freed by the caller, so that the lock is not held while they are printed. False when
 * there is no memory. Takes the lock. */
bool weir_metrics_series_copy(weir_metrics_series_set *set, weir_metrics_series **items_out, size_t *count_out);

#endif
