#include "metrics/series.h"

#include "metrics/table.h"
#include "weir/base/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int compare_labels(const char *a, const char *b)
{
    char *a_end, *b_end;
    long a_number = strtol(a, &a_end, 10);
    long b_number = strtol(b, &b_end, 10);
    if (*a && *b && !*a_end && !*b_end && a_number != b_number)
        return a_number < b_number ? -1 : 1;
    return strcmp(a, b);
}

static int compare(const weir_metrics_series *a, const weir_metrics_series *b)
{
    if (a->metric != b->metric)
        return a->metric < b->metric ? -1 : 1;
    for (size_t i = 0; i < WEIR_METRIC_LABEL_MAX; i++) {
        int order = compare_labels(a->labels[i], b->labels[i]);
        if (order)
            return order;
    }
    return 0;
}

/* Where the series is, or where it belongs. */
static size_t position(const weir_metrics_series_set *set, const weir_metrics_series *wanted, bool *found_out)
{
    size_t low = 0, high = set->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = compare(&set->items[middle], wanted);
        if (order == 0) {
            *found_out = true;
            return middle;
        }
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *found_out = false;
    return low;
}

static bool make_room(weir_metrics_series_set *set)
{
    if (set->count < set->capacity)
        return true;
    size_t capacity = set->capacity ? 2 * set->capacity : 64;
    weir_metrics_series *items = realloc(set->items, capacity * sizeof *items);
    if (!items)
        return false;
    set->items = items;
    set->capacity = capacity;
    return true;
}

static bool put(weir_metrics_series_set *set, const weir_metrics_series *series)
{
    bool found;
    size_t at = position(set, series, &found);
    if (found) {
        set->items[at].value = series->value;
        return true;
    }
    if (!make_room(set))
        return false;
    memmove(&set->items[at + 1], &set->items[at], (set->count - at) * sizeof *set->items);
    set->items[at] = *series;
    set->count++;
    return true;
}

bool weir_metrics_series_put(weir_metrics_series_set *set, weir_metric metric, const char *const *labels, double value)
{
    weir_check(weir_metric_is_series(metric));
    weir_metrics_series series = {.metric = metric, .value = value};
    for (size_t i = 0; i < weir_metric_label_count(metric); i++)
        snprintf(series.labels[i], sizeof series.labels[i], "%s", labels[i]);
    pthread_mutex_lock(&set->lock);
    bool done = put(set, &series);
    pthread_mutex_unlock(&set->lock);
    return done;
}

/* Compared as stored: cut at WEIR_METRIC_TEXT_MAX - 1 bytes. */
static bool has_label(const weir_metrics_series *series, const weir_metrics_label *label)
{
    for (size_t i = 0; i < weir_metric_label_count(series->metric); i++)
        if (strcmp(weir_metric_row_of(series->metric)->labels[i], label->name) == 0)
            return strncmp(series->labels[i], label->value, WEIR_METRIC_TEXT_MAX - 1) == 0;
    return false;
}

static bool matches(const weir_metrics_series *series, weir_metric metric, const weir_metrics_label *labels,
                    size_t label_count)
{
    bool same = metric == WEIR_METRIC_COUNT || series->metric == metric;
    for (size_t i = 0; same && i < label_count; i++)
        same = has_label(series, &labels[i]);
    return same;
}

void weir_metrics_series_remove(weir_metrics_series_set *set, weir_metric metric, const weir_metrics_label *labels,
                                size_t label_count)
{
    pthread_mutex_lock(&set->lock);
    size_t kept = 0;
    for (size_t i = 0; i < set->count; i++)
        if (!matches(&set->items[i], metric, labels, label_count))
            set->items[kept++] = set->items[i];
    set->count = kept;
    pthread_mutex_unlock(&set->lock);
}

bool weir_metrics_series_copy(weir_metrics_series_set *set, weir_metrics_series **items_out, size_t *count_out)
{
    pthread_mutex_lock(&set->lock);
    size_t count = set->count;
    weir_metrics_series *items = malloc((count + 1) * sizeof *items);
    if (items && count)
        memcpy(items, set->items, count * sizeof *items);
    pthread_mutex_unlock(&set->lock);
    if (!items)
        return false;
    *items_out = items;
    *count_out = count;
    return true;
}
