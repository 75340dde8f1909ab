/* What weir counts and shows: one table of metrics, a shard of it a thread, summed when somebody asks.
 *
 *   worker 0 ──> shard 0 ─┐
 *   worker 1 ──> shard 1 ─┼── sum ──> text (Prometheus), quantiles and totals (demo, bench)
 *   service  ──> shard 2 ─┘
 *   any thread ──> series (a value a label set: lag of a partition, the model in force) ──┘
 *
 * A shard has one writer, so that counting is a plain load, add and store of a 64-bit word nobody else writes
 * (relaxed atomics; a scrape may be a few events behind, never wrong by more). Series are rarer than once a batch
 * and stand behind a mutex.
 *
 * The rows are in src/metrics/table.c, where the help text, labels and unit of each are.
 */
#ifndef WEIR_METRICS_METRICS_H
#define WEIR_METRICS_METRICS_H

#include "weir/base/status.h"
#include "weir/metrics/histogram.h"

#include <stddef.h>
#include <stdint.h>

typedef enum weir_metric {
    /* counters, in shards */
    WEIR_METRIC_EVENTS,                /* records taken from the input, whatever became of them */
    WEIR_METRIC_EVENTS_SCORED,
    WEIR_METRIC_REPLAYED_EVENTS,       /* applied silently, to rebuild state */
    WEIR_METRIC_DUPLICATES,
    WEIR_METRIC_LATE_EVENTS,
    WEIR_METRIC_MISSING_FEATURES,
    WEIR_METRIC_SCORES,                /* records sent to the scores topic */
    WEIR_METRIC_EVICTIONS,
    WEIR_METRIC_MEMORY_WAITS,          /* turns without a poll: memory is full of what is not durable yet */
    WEIR_METRIC_CARD_LOADS,            /* entities read back from the store */
    WEIR_METRIC_COMMIT_FAILURES,       /* offset commits and checkpoints that failed */
    WEIR_METRIC_REBALANCES,
    WEIR_METRIC_LOG_LINES_DROPPED,
    WEIR_METRIC_HOP_RECORDS,           /* records handed to the producer for the next stage */
    WEIR_METRIC_HOP_EVENTS,            /* events in them, labels left out */
    WEIR_METRIC_HOP_REDELIVERED,       /* entries of a hop applied before, and dropped */
    WEIR_METRIC_HOP_REFUSED,           /* records of an internal topic that are not weir's */
    WEIR_METRIC_HOP_STRANGERS,         /* events from an instance with another model: its values count as missing */
    WEIR_METRIC_LATE_LABELS,           /* came after events at or past their label time had been scored */
    /* counters with one label, in shards; see weir_metrics_slot */
    WEIR_METRIC_DEAD_LETTERS,          /* reason */
    WEIR_METRIC_ALERTS,                /* severity */
    WEIR_METRIC_LABELS,                /* outcome: first, repeated, contrary, unknown, orphaned, rejected */
    WEIR_METRIC_SLOT_LAST = WEIR_METRIC_LABELS,
    /* gauges, in shards: summed over the shards, or the largest (ages), as the row says */
    WEIR_METRIC_CARDS_RESIDENT,        /* entities of every stage, cards or not */
    WEIR_METRIC_STATE_MEMORY_BYTES,
    WEIR_METRIC_STATE_MEMORY_LIMIT_BYTES,
    WEIR_METRIC_STORE_BYTES,
    WEIR_METRIC_CHECKPOINT_AGE_SECONDS,
    WEIR_METRIC_FETCH_QUEUE_RECORDS,
    WEIR_METRIC_FETCH_QUEUE_BYTES,
    WEIR_METRIC_WORKERS,
    WEIR_METRIC_TRUE_POSITIVES,        /* labelled events by what the model had said of them */
    WEIR_METRIC_FALSE_POSITIVES,
    WEIR_METRIC_FALSE_NEGATIVES,
    WEIR_METRIC_TRUE_NEGATIVES,
    WEIR_METRIC_LANES_HELD,            /* source partitions waiting for slower ones */
    /* histograms of microseconds, in shards; shown in seconds */
    WEIR_METRIC_PROCESSING_SECONDS,    /* record received -> its outputs handed to the producer */
    WEIR_METRIC_EVENT_AGE_SECONDS,     /* event time -> scored */
    WEIR_METRIC_CHECKPOINT_DURATION_SECONDS,
    WEIR_METRIC_BATCH_SECONDS,         /* one batch: decode to produce */
    /* gauges with labels: series */
    WEIR_METRIC_LAG_RECORDS,           /* stage, partition */
    WEIR_METRIC_PARTITION_STATE,       /* stage, partition, state */
    WEIR_METRIC_MODEL_INFO,            /* name, version, id */
    WEIR_METRIC_BUILD_INFO,            /* version */
    /* gauges worked out from other gauges when asked for; NaN while there is nothing to divide by */
    WEIR_METRIC_PRECISION,
    WEIR_METRIC_RECALL,
    /* the process, read from /proc when asked for */
    WEIR_METRIC_PROCESS_CPU_SECONDS,
    WEIR_METRIC_PROCESS_RESIDENT_BYTES,
    WEIR_METRIC_PROCESS_VIRTUAL_BYTES,
    WEIR_METRIC_PROCESS_OPEN_FDS,
    WEIR_METRIC_PROCESS_MAX_FDS,
    WEIR_METRIC_PROCESS_START_TIME,
    WEIR_METRIC_COUNT
} weir_metric;

typedef enum weir_metric_type { WEIR_METRIC_COUNTER, WEIR_METRIC_GAUGE, WEIR_METRIC_HISTOGRAM } weir_metric_type;

/* WEIR_METRIC_SLOT_MAX: distinct values of a counter's label, the last of which is "other". */
enum { WEIR_METRIC_LABEL_MAX = 3, WEIR_METRIC_SLOT_MAX = 24, WEIR_METRIC_TEXT_MAX = 128 };

typedef struct weir_metric_row {
    const char *name; /* as shown: weir_events_total */
    weir_metric_type type;
    enum {
        WEIR_METRIC_IN_SHARD_SUM,
        WEIR_METRIC_IN_SHARD_MAX,
        WEIR_METRIC_IN_SERIES,
        WEIR_METRIC_DERIVED,
        WEIR_METRIC_OF_PROCESS
    } home;
    const char *labels[WEIR_METRIC_LABEL_MAX]; /* NULL after the last */
    const char *help;
} weir_metric_row;

const weir_metric_row *weir_metric_row_of(weir_metric metric);

typedef struct weir_metrics weir_metrics;
typedef struct weir_metrics_shard weir_metrics_shard;

/* Makes `shard_count` (>= 1) shards, all zero; weir_build_info is set. The start time of the process is read here.
 * Owns: close frees everything, shards included. Fails: WEIR_FULL when there is no memory. */
WEIR_MUST_USE weir_status weir_metrics_open(size_t shard_count, weir_metrics **metrics_out, weir_error *error);
void weir_metrics_close(weir_metrics *metrics);

/* The shard of one writer thread; index < shard_count. */
weir_metrics_shard *weir_metrics_shard_at(weir_metrics *metrics, size_t index);

/* ---- the writer thread of a shard; each a few nanoseconds, no lock, no allocation ---- */

/* Counts `count` more. The metric is a counter without a label. */
void weir_metrics_add(weir_metrics_shard *shard, weir_metric metric, uint64_t count);

/* Counts `count` more under a label value; slot comes from weir_metrics_slot. */
void weir_metrics_add_slot(weir_metrics_shard *shard, weir_metric metric, size_t slot, uint64_t count);

/* Sets this thread's part of a gauge without labels. */
void weir_metrics_set(weir_metrics_shard *shard, weir_metric metric, double value);

/* Adds `change`, which may be negative, to this thread's part of a gauge without labels: for what is counted up and
 * down. A part alone may be below zero (begun on one thread, ended on another); the sum is what counts. */
void weir_metrics_adjust(weir_metrics_shard *shard, weir_metric metric, double change);

/* Counts one duration. */
void weir_metrics_record(weir_metrics_shard *shard, weir_metric metric, int64_t us);

/* ---- any thread; a mutex and a search, so not once an event ---- */

/* The slot of a label's value in a counter with one label, made on first use. When WEIR_METRIC_SLOT_MAX - 1 values
 * are known already, the slot of "other". Values are shown from the first call on, with a count of 0. */
size_t weir_metrics_slot(weir_metrics *metrics, weir_metric metric, const char *label_value);

/* Sets a labelled gauge; label_values has as many entries as the row has labels, and they are copied (cut at
 * WEIR_METRIC_TEXT_MAX - 1 bytes). Fails: silently keeps the old picture when there is no memory. */
void weir_metrics_set_series(weir_metrics *metrics, weir_metric metric, const char *const *label_values, double value);

/* Forgets every label set of a metric (before the next model's is set). */
void weir_metrics_clear_series(weir_metrics *metrics, weir_metric metric);

/* Gauges of a stage's partition: one value, or the state it is in (one series with value 1, the former state
 * forgotten). drop forgets all there is about that partition of that stage, when it is given away. */
void weir_metrics_set_partition(weir_metrics *metrics, weir_metric metric, const char *stage, int32_t partition,
                                double value);
void weir_metrics_set_partition_state(weir_metrics *metrics, const char *stage, int32_t partition, const char *state);
void weir_metrics_drop_partition(weir_metrics *metrics, const char *stage, int32_t partition);

/* ---- reading; any thread ---- */

/* Sum over the shards of a counter (all its slots). */
uint64_t weir_metrics_total(weir_metrics *metrics, weir_metric metric);

/* Sum (or maximum) over the shards of a gauge, or what a derived one comes to: NaN while there is nothing to divide
 * by. */
double weir_metrics_gauge(weir_metrics *metrics, weir_metric metric);

/* Everything a histogram metric has counted, over all shards; quantiles and differences by histogram.h. */
void weir_metrics_histogram(weir_metrics *metrics, weir_metric metric, weir_histogram *histogram_out);

/* The whole table in the Prometheus text exposition format 0.0.4 (WEIR_METRICS_CONTENT_TYPE).
 * Owns: *text_out is the caller's to free(); it ends with a NUL beyond *size_out.
 * Fails: WEIR_FULL when there is no memory. Cost: about a millisecond. */
WEIR_MUST_USE weir_status weir_metrics_write(weir_metrics *metrics, char **text_out, size_t *size_out);

#define WEIR_METRICS_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

#endif
