/* The table as Prometheus reads it. Source: Prometheus, "Exposition formats", text format 0.0.4. */
#include "weir/metrics/metrics.h"

#include "metrics/parts.h"
#include "metrics/process.h"
#include "weir/base/check.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What a scrape is made of: read once, so that nothing changes between one metric and the next. */
typedef struct scrape {
    weir_metrics *metrics;
    FILE *out;
    weir_metrics_slot_table slots[WEIR_METRIC_SLOTTED_COUNT];
    weir_metrics_series *series;
    size_t series_count;
    weir_metrics_process process;
    bool has_process;
} scrape;

static void print_label(FILE *out, const char *name, const char *value)
{
    fprintf(out, "%s=\"", name);
    for (; *value; value++) {
        if (*value == '\\' || *value == '"')
            fputc('\\', out);
        if (*value == '\n')
            fputs("\\n", out);
        else
            fputc(*value, out);
    }
    fputc('"', out);
}

static void print_slots(scrape *now, weir_metric metric)
{
    const weir_metric_row *row = weir_metric_row_of(metric);
    const weir_metrics_slot_table *table = &now->slots[metric - WEIR_METRIC_SLOT_FIRST];
    for (size_t slot = 0; slot < WEIR_METRIC_SLOT_MAX; slot++) {
        bool is_other = slot == WEIR_METRIC_SLOT_MAX - 1;
        if (slot >= table->count && !(is_other && table->has_other))
            continue;
        fprintf(now->out, "%s{", row->name);
        print_label(now->out, row->labels[0], is_other ? "other" : table->names[slot]);
        fprintf(now->out, "} %" PRIu64 "\n", weir_metrics_slot_total(now->metrics, metric, slot));
    }
}

static void print_plain(scrape *now, weir_metric metric)
{
    fprintf(now->out, "%s %" PRIu64 "\n", weir_metric_row_of(metric)->name, weir_metrics_total(now->metrics, metric));
}

/* printf may well say "-nan", which nobody can read. */
static void print_value(FILE *out, double value)
{
    if (isnan(value))
        fputs(" NaN\n", out);
    else
        fprintf(out, " %.17g\n", value);
}

static void print_gauge(scrape *now, weir_metric metric)
{
    fputs(weir_metric_row_of(metric)->name, now->out);
    print_value(now->out, weir_metrics_gauge(now->metrics, metric));
}

static void print_histogram(scrape *now, weir_metric metric)
{
    const char *name = weir_metric_row_of(metric)->name;
    uint64_t counts[WEIR_METRICS_BOUND_COUNT + 1] = {0}, sum_us = 0, seen = 0;
    for (size_t i = 0; i < now->metrics->shard_count; i++) {
        const weir_metrics_cells *cells = &now->metrics->shards[i].histograms[metric - WEIR_METRIC_HISTOGRAM_FIRST];
        for (size_t k = 0; k <= WEIR_METRICS_BOUND_COUNT; k++)
            counts[k] += weir_metrics_load(&cells->bounded[k]);
        sum_us += weir_metrics_load(&cells->sum_us);
    }
    for (size_t k = 0; k < WEIR_METRICS_BOUND_COUNT; k++) {
        seen += counts[k];
        fprintf(now->out, "%s_bucket{le=\"%.10g\"} %" PRIu64 "\n", name, (double)WEIR_METRICS_BOUNDS_US[k] / 1e6, seen);
    }
    seen += counts[WEIR_METRICS_BOUND_COUNT];
    fprintf(now->out, "%s_bucket{le=\"+Inf\"} %" PRIu64 "\n", name, seen);
    fprintf(now->out, "%s_sum %.17g\n%s_count %" PRIu64 "\n", name, (double)sum_us / 1e6, name, seen);
}

static void print_series(scrape *now, weir_metric metric)
{
    const weir_metric_row *row = weir_metric_row_of(metric);
    for (size_t i = 0; i < now->series_count; i++) {
        const weir_metrics_series *series = &now->series[i];
        if (series->metric != metric)
            continue;
        fprintf(now->out, "%s{", row->name);
        for (size_t k = 0; k < weir_metric_label_count(metric); k++) {
            fputs(k ? "," : "", now->out);
            print_label(now->out, row->labels[k], series->labels[k]);
        }
        fputc('}', now->out);
        print_value(now->out, series->value);
    }
}

static void print_process(scrape *now, weir_metric metric)
{
    const weir_metrics_process *process = &now->process;
    const double values[] = {
        [WEIR_METRIC_PROCESS_CPU_SECONDS - WEIR_METRIC_PROCESS_CPU_SECONDS] = process->cpu_seconds,
        [WEIR_METRIC_PROCESS_RESIDENT_BYTES - WEIR_METRIC_PROCESS_CPU_SECONDS] = process->resident_bytes,
        [WEIR_METRIC_PROCESS_VIRTUAL_BYTES - WEIR_METRIC_PROCESS_CPU_SECONDS] = process->virtual_bytes,
        [WEIR_METRIC_PROCESS_OPEN_FDS - WEIR_METRIC_PROCESS_CPU_SECONDS] = process->open_fds,
        [WEIR_METRIC_PROCESS_MAX_FDS - WEIR_METRIC_PROCESS_CPU_SECONDS] = process->max_fds,
        [WEIR_METRIC_PROCESS_START_TIME - WEIR_METRIC_PROCESS_CPU_SECONDS] = process->start_time_seconds,
    };
    if (now->has_process)
        fprintf(now->out, "%s %.17g\n", weir_metric_row_of(metric)->name,
                values[metric - WEIR_METRIC_PROCESS_CPU_SECONDS]);
}

/* First match wins: what a metric is, and how that is printed. */
static const struct {
    bool (*is)(weir_metric metric);
    void (*print)(scrape *now, weir_metric metric);
} KINDS[] = {
    {weir_metric_is_plain, print_plain},         {weir_metric_is_slotted, print_slots},
    {weir_metric_is_shard_gauge, print_gauge},   {weir_metric_is_derived, print_gauge},
    {weir_metric_is_histogram, print_histogram}, {weir_metric_is_series, print_series},
    {NULL, print_process},
};

static void print_metric(scrape *now, weir_metric metric)
{
    static const char *const TYPES[] = {"counter", "gauge", "histogram"};
    const weir_metric_row *row = weir_metric_row_of(metric);
    fprintf(now->out, "# HELP %s %s\n# TYPE %s %s\n", row->name, row->help, row->name, TYPES[row->type]);
    size_t kind = 0;
    while (KINDS[kind].is && !KINDS[kind].is(metric))
        kind++;
    KINDS[kind].print(now, metric);
}

static void copy_slots(weir_metrics *metrics, weir_metrics_slot_table *slots_out)
{
    pthread_mutex_lock(&metrics->slots.lock);
    memcpy(slots_out, metrics->slots.tables, sizeof metrics->slots.tables);
    pthread_mutex_unlock(&metrics->slots.lock);
}

weir_status weir_metrics_write(weir_metrics *metrics, char **text_out, size_t *size_out)
{
    scrape now = {.metrics = metrics};
    char *text = NULL;
    size_t size = 0;
    copy_slots(metrics, now.slots);
    now.has_process = weir_metrics_process_read(&now.process);
    if (!weir_metrics_series_copy(&metrics->series, &now.series, &now.series_count))
        return WEIR_FULL;
    now.out = open_memstream(&text, &size);
    if (now.out) {
        for (int metric = 0; metric < WEIR_METRIC_COUNT; metric++)
            print_metric(&now, (weir_metric)metric);
        bool failed = ferror(now.out);
        failed |= fclose(now.out) != 0;
        if (failed) {
            free(text);
            text = NULL;
        }
    }
    free(now.series);
    if (!text)
        return WEIR_FULL;
    *text_out = text;
    *size_out = size;
    return WEIR_OK;
}
