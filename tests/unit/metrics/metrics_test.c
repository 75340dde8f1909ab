#include "weir/metrics/metrics.h"

#include "metrics/shard.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static weir_metrics *opened(size_t shard_count)
{
    weir_metrics *metrics = NULL;
    weir_status status = weir_metrics_open(shard_count, &metrics, NULL);
    cr_assert_eq(status, WEIR_OK);
    return metrics;
}

static char *text_of(weir_metrics *metrics)
{
    char *text = NULL;
    size_t size = 0;
    weir_status status = weir_metrics_write(metrics, &text, &size);
    cr_assert_eq(status, WEIR_OK);
    cr_assert_eq(strlen(text), size);
    return text;
}

static void expect_line(weir_metrics *metrics, const char *line)
{
    char *text = text_of(metrics);
    char wanted[256];
    snprintf(wanted, sizeof wanted, "\n%s\n", line);
    cr_expect_not_null(strstr(text, wanted), "no line %s in:\n%s", line, text);
    free(text);
}

static void expect_no(weir_metrics *metrics, const char *part)
{
    char *text = text_of(metrics);
    cr_expect_null(strstr(text, part), "%s", part);
    free(text);
}

Test(metrics, every_metric_has_a_row_and_a_name_of_its_own)
{
    for (int i = 0; i < WEIR_METRIC_COUNT; i++) {
        const weir_metric_row *row = weir_metric_row_of((weir_metric)i);
        cr_assert(row->name && row->help && row->help[strlen(row->help) - 1] == '.', "%d", i);
        for (int k = 0; k < i; k++)
            cr_assert_str_neq(row->name, weir_metric_row_of((weir_metric)k)->name);
        size_t size = strlen(row->name);
        bool ends_in_total = size > 6 && strcmp(row->name + size - 6, "_total") == 0;
        cr_assert_eq(ends_in_total, row->type == WEIR_METRIC_COUNTER, "%s", row->name);
    }
}

/* The order of the enum says where a metric lives; the rows say what it is. */
Test(metrics, the_runs_of_the_enum_agree_with_the_rows)
{
    for (int i = 0; i < WEIR_METRIC_COUNT; i++) {
        weir_metric metric = (weir_metric)i;
        const weir_metric_row *row = weir_metric_row_of(metric);
        bool in_shard = row->home == WEIR_METRIC_IN_SHARD_SUM || row->home == WEIR_METRIC_IN_SHARD_MAX;
        size_t labels = weir_metric_label_count(metric);
        cr_assert_eq(weir_metric_is_plain(metric), in_shard && row->type == WEIR_METRIC_COUNTER && labels == 0);
        cr_assert_eq(weir_metric_is_slotted(metric), in_shard && row->type == WEIR_METRIC_COUNTER && labels == 1);
        cr_assert_eq(weir_metric_is_shard_gauge(metric), in_shard && row->type == WEIR_METRIC_GAUGE && labels == 0);
        cr_assert_eq(weir_metric_is_histogram(metric), in_shard && row->type == WEIR_METRIC_HISTOGRAM && labels == 0);
        cr_assert_eq(weir_metric_is_series(metric), !in_shard && row->home != WEIR_METRIC_OF_PROCESS);
    }
}

Test(metrics, shards_are_summed)
{
    weir_metrics *metrics = opened(3);
    for (size_t i = 0; i < 3; i++) {
        weir_metrics_add(weir_metrics_shard_at(metrics, i), WEIR_METRIC_EVENTS, 10 + i);
        weir_metrics_set(weir_metrics_shard_at(metrics, i), WEIR_METRIC_CARDS_RESIDENT, (double)i);
        weir_metrics_set(weir_metrics_shard_at(metrics, i), WEIR_METRIC_CHECKPOINT_AGE_SECONDS, 1.5 * (double)(3 - i));
    }
    weir_metrics_set(weir_metrics_shard_at(metrics, 1), WEIR_METRIC_CARDS_RESIDENT, 7);
    cr_expect_eq(weir_metrics_total(metrics, WEIR_METRIC_EVENTS), 33);
    expect_line(metrics, "weir_events_total 33");
    expect_line(metrics, "weir_cards_resident 9");
    expect_line(metrics, "weir_checkpoint_age_seconds 4.5");
    weir_metrics_close(metrics);
}

Test(metrics, slots_are_made_once_and_shown_from_then_on)
{
    weir_metrics *metrics = opened(2);
    size_t bad_frame = weir_metrics_slot(metrics, WEIR_METRIC_DEAD_LETTERS, "bad_frame");
    size_t oversized = weir_metrics_slot(metrics, WEIR_METRIC_DEAD_LETTERS, "oversized");
    cr_expect_neq(bad_frame, oversized);
    cr_expect_eq(weir_metrics_slot(metrics, WEIR_METRIC_DEAD_LETTERS, "bad_frame"), bad_frame);
    weir_metrics_add_slot(weir_metrics_shard_at(metrics, 0), WEIR_METRIC_DEAD_LETTERS, oversized, 2);
    weir_metrics_add_slot(weir_metrics_shard_at(metrics, 1), WEIR_METRIC_DEAD_LETTERS, oversized, 3);
    expect_line(metrics, "weir_dead_letters_total{reason=\"bad_frame\"} 0");
    expect_line(metrics, "weir_dead_letters_total{reason=\"oversized\"} 5");
    expect_no(metrics, "weir_alerts_total{");
    cr_expect_eq(weir_metrics_total(metrics, WEIR_METRIC_DEAD_LETTERS), 5);
    weir_metrics_close(metrics);
}

Test(metrics, label_values_beyond_the_bound_are_other)
{
    weir_metrics *metrics = opened(1);
    size_t last = 0;
    for (int i = 0; i < 100; i++) {
        char name[16];
        snprintf(name, sizeof name, "severity%d", i);
        last = weir_metrics_slot(metrics, WEIR_METRIC_ALERTS, name);
        cr_assert_lt(last, WEIR_METRIC_SLOT_MAX);
        weir_metrics_add_slot(weir_metrics_shard_at(metrics, 0), WEIR_METRIC_ALERTS, last, 1);
    }
    expect_line(metrics, "weir_alerts_total{severity=\"severity22\"} 1");
    expect_line(metrics, "weir_alerts_total{severity=\"other\"} 77");
    cr_expect_eq(weir_metrics_total(metrics, WEIR_METRIC_ALERTS), 100);
    weir_metrics_close(metrics);
}

Test(metrics, histogram_buckets_are_exact_and_cumulative)
{
    weir_metrics *metrics = opened(2);
    const int64_t values[] = {0, 50, 51, 999, 1000, 1001, 2500000, INT64_C(3600000000), INT64_C(3600000001)};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        weir_metrics_record(weir_metrics_shard_at(metrics, i % 2), WEIR_METRIC_PROCESSING_SECONDS, values[i]);
    weir_metrics_record(weir_metrics_shard_at(metrics, 0), WEIR_METRIC_PROCESSING_SECONDS, -3);
    expect_line(metrics, "weir_processing_seconds_bucket{le=\"5e-05\"} 3");
    expect_line(metrics, "weir_processing_seconds_bucket{le=\"0.0001\"} 4");
    expect_line(metrics, "weir_processing_seconds_bucket{le=\"0.001\"} 6");
    expect_line(metrics, "weir_processing_seconds_bucket{le=\"0.0025\"} 7");
    expect_line(metrics, "weir_processing_seconds_bucket{le=\"2.5\"} 8");
    expect_line(metrics, "weir_processing_seconds_bucket{le=\"3600\"} 9");
    expect_line(metrics, "weir_processing_seconds_bucket{le=\"+Inf\"} 10");
    expect_line(metrics, "weir_processing_seconds_count 10");
    weir_histogram histogram;
    weir_metrics_histogram(metrics, WEIR_METRIC_PROCESSING_SECONDS, &histogram);
    cr_expect_eq(histogram.count, 10);
    cr_expect_eq(weir_histogram_quantile(&histogram, 0.1), 0);
    weir_metrics_close(metrics);
}

Test(metrics, bounds_are_found_exactly)
{
    for (size_t i = 0; i < WEIR_METRICS_BOUND_COUNT; i++) {
        cr_assert(i == 0 || WEIR_METRICS_BOUNDS_US[i - 1] < WEIR_METRICS_BOUNDS_US[i]);
        cr_assert_eq(weir_metrics_bound_of(WEIR_METRICS_BOUNDS_US[i]), i);
        cr_assert_eq(weir_metrics_bound_of(WEIR_METRICS_BOUNDS_US[i] + 1), i + 1);
    }
    cr_assert_eq(weir_metrics_bound_of(0), 0);
    cr_assert_eq(weir_metrics_bound_of(INT64_MAX), WEIR_METRICS_BOUND_COUNT);
}

Test(metrics, partitions_come_and_go)
{
    weir_metrics *metrics = opened(1);
    for (int32_t p = 0; p < 12; p++) {
        weir_metrics_set_partition(metrics, WEIR_METRIC_LAG_RECORDS, p, p * 10);
        weir_metrics_set_partition_state(metrics, p, "recovering");
    }
    weir_metrics_set_partition_state(metrics, 3, "live");
    weir_metrics_set_partition(metrics, WEIR_METRIC_LAG_RECORDS, 3, 4);
    expect_line(metrics, "weir_lag_records{partition=\"3\"} 4");
    expect_line(metrics, "weir_lag_records{partition=\"9\"} 90\nweir_lag_records{partition=\"10\"} 100");
    expect_line(metrics, "weir_partition_state{partition=\"3\",state=\"live\"} 1");
    expect_no(metrics, "partition=\"3\",state=\"recovering\"");
    weir_metrics_drop_partition(metrics, 3);
    expect_no(metrics, "partition=\"3\"");
    expect_line(metrics, "weir_lag_records{partition=\"11\"} 110");
    weir_metrics_close(metrics);
}

Test(metrics, the_model_in_force_replaces_the_last_one)
{
    weir_metrics *metrics = opened(1);
    weir_metrics_set_series(metrics, WEIR_METRIC_MODEL_INFO, (const char *const[]){"fraud", "1", "aa"}, 1);
    weir_metrics_clear_series(metrics, WEIR_METRIC_MODEL_INFO);
    weir_metrics_set_series(metrics, WEIR_METRIC_MODEL_INFO, (const char *const[]){"a \"b\"\\\n", "2", "bb"}, 1);
    expect_line(metrics, "weir_model_info{name=\"a \\\"b\\\"\\\\\\n\",version=\"2\",id=\"bb\"} 1");
    expect_no(metrics, "id=\"aa\"");
    weir_metrics_close(metrics);
}

static double value_of(const char *text, const char *name)
{
    char key[128];
    snprintf(key, sizeof key, "\n%s ", name);
    const char *at = strstr(text, key);
    cr_assert_not_null(at, "%s", name);
    return strtod(at + strlen(key), NULL);
}

Test(metrics, the_process_is_described)
{
    weir_metrics *metrics = opened(1);
    char *text = text_of(metrics);
    double start = value_of(text, "process_start_time_seconds"), now = (double)time(NULL);
    cr_expect(start > now - 600 && start < now + 2, "%f at %f", start, now);
    cr_expect_gt(value_of(text, "process_resident_memory_bytes"), 100000);
    cr_expect_geq(value_of(text, "process_virtual_memory_bytes"), value_of(text, "process_resident_memory_bytes"));
    double fds = value_of(text, "process_open_fds");
    cr_expect_geq(fds, 1);
    FILE *one_more = fopen("/dev/null", "r");
    char *later = text_of(metrics);
    cr_expect_eq(value_of(later, "process_open_fds"), fds + 1);
    fclose(one_more);
    free(text);
    free(later);
    expect_line(metrics, "weir_build_info{version=\"" WEIR_VERSION "\"} 1");
    weir_metrics_close(metrics);
}

enum { THREAD_EVENTS = 200000 };

static void *count(void *shard)
{
    for (int i = 0; i < THREAD_EVENTS; i++) {
        weir_metrics_add(shard, WEIR_METRIC_EVENTS, 1);
        weir_metrics_record(shard, WEIR_METRIC_PROCESSING_SECONDS, i);
    }
    return NULL;
}

Test(metrics, scrapes_beside_writers_lose_nothing_and_never_go_back)
{
    weir_metrics *metrics = opened(2);
    pthread_t threads[2];
    for (size_t i = 0; i < 2; i++)
        pthread_create(&threads[i], NULL, count, weir_metrics_shard_at(metrics, i));
    double last = 0;
    for (int i = 0; i < 50; i++) {
        weir_metrics_set_partition(metrics, WEIR_METRIC_LAG_RECORDS, i, i);
        char *text = text_of(metrics);
        double now = value_of(text, "weir_events_total");
        cr_assert_geq(now, last);
        last = now;
        free(text);
    }
    for (size_t i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    weir_histogram histogram;
    weir_metrics_histogram(metrics, WEIR_METRIC_PROCESSING_SECONDS, &histogram);
    cr_expect_eq(weir_metrics_total(metrics, WEIR_METRIC_EVENTS), 2 * THREAD_EVENTS);
    cr_expect_eq(histogram.count, 2 * THREAD_EVENTS);
    weir_metrics_close(metrics);
}

/* Everything set, printed, and handed to the linter of those who will read it. */
Test(metrics, promtool_has_no_complaints)
{
    if (system("command -v promtool > /dev/null 2>&1") != 0)
        cr_skip_test("promtool is not installed");
    weir_metrics *metrics = opened(2);
    weir_metrics_shard *shard = weir_metrics_shard_at(metrics, 0);
    for (int i = 0; i < WEIR_METRIC_COUNT; i++) {
        weir_metric metric = (weir_metric)i;
        if (weir_metric_is_plain(metric))
            weir_metrics_add(shard, metric, 5);
        else if (weir_metric_is_slotted(metric))
            weir_metrics_add_slot(shard, metric, weir_metrics_slot(metrics, metric, "some value"), 5);
        else if (weir_metric_is_shard_gauge(metric))
            weir_metrics_set(shard, metric, 0.25);
        else if (weir_metric_is_histogram(metric))
            weir_metrics_record(shard, metric, 12345);
        else if (weir_metric_is_series(metric))
            weir_metrics_set_series(metrics, metric, (const char *const[]){"1", "two", "three"}, 1);
    }
    FILE *promtool = popen("promtool check metrics > /dev/null 2>&1", "w");
    char *text = text_of(metrics);
    cr_assert_eq(fwrite(text, 1, strlen(text), promtool), strlen(text));
    cr_expect_eq(pclose(promtool), 0, "promtool complains about:\n%s", text);
    free(text);
    weir_metrics_close(metrics);
}
