#include "weir/metrics/metrics.h"

#include "metrics/shard.h"

#include <criterion/criterion.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

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
        cr_assert_eq(weir_metric_is_derived(metric), row->home == WEIR_METRIC_DERIVED && labels == 0);
        cr_assert_eq(weir_metric_is_series(metric), row->type == WEIR_METRIC_GAUGE && labels > 0);
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
        weir_metrics_set_partition(metrics, WEIR_METRIC_LAG_RECORDS, "card", p, p * 10);
        weir_metrics_set_partition_state(metrics, "card", p, "recovering");
    }
    weir_metrics_set_partition_state(metrics, "card", 3, "live");
    weir_metrics_set_partition(metrics, WEIR_METRIC_LAG_RECORDS, "card", 3, 4);
    expect_line(metrics, "weir_lag_records{stage=\"card\",partition=\"3\"} 4");
    expect_line(metrics, "weir_lag_records{stage=\"card\",partition=\"9\"} 90\n"
                         "weir_lag_records{stage=\"card\",partition=\"10\"} 100");
    expect_line(metrics, "weir_partition_state{stage=\"card\",partition=\"3\",state=\"live\"} 1");
    expect_no(metrics, "partition=\"3\",state=\"recovering\"");
    weir_metrics_drop_partition(metrics, "card", 3);
    expect_no(metrics, "partition=\"3\"");
    expect_line(metrics, "weir_lag_records{stage=\"card\",partition=\"11\"} 110");
    weir_metrics_close(metrics);
}

Test(metrics, stages_share_numbers_of_partitions_and_nothing_else)
{
    weir_metrics *metrics = opened(1);
    const char *const stages[] = {"terminal", "card"};
    for (size_t i = 0; i < 2; i++) {
        weir_metrics_set_partition(metrics, WEIR_METRIC_LAG_RECORDS, stages[i], 3, (double)i + 1);
        weir_metrics_set_partition_state(metrics, stages[i], 3, "recovering");
    }
    weir_metrics_set_partition_state(metrics, "card", 3, "live");
    expect_line(metrics, "weir_lag_records{stage=\"card\",partition=\"3\"} 2\n"
                         "weir_lag_records{stage=\"terminal\",partition=\"3\"} 1");
    expect_line(metrics, "weir_partition_state{stage=\"card\",partition=\"3\",state=\"live\"} 1\n"
                         "weir_partition_state{stage=\"terminal\",partition=\"3\",state=\"recovering\"} 1");
    weir_metrics_drop_partition(metrics, "card", 3);
    expect_no(metrics, "stage=\"card\"");
    expect_line(metrics, "weir_lag_records{stage=\"terminal\",partition=\"3\"} 1");
    expect_line(metrics, "weir_partition_state{stage=\"terminal\",partition=\"3\",state=\"recovering\"} 1");
    weir_metrics_close(metrics);
}

Test(metrics, labels_are_removed_as_they_were_cut)
{
    weir_metrics *metrics = opened(1);
    char stage[2 * WEIR_METRIC_TEXT_MAX];
    memset(stage, 's', sizeof stage - 1);
    stage[sizeof stage - 1] = 0;
    weir_metrics_set_partition_state(metrics, stage, 1, "recovering");
    weir_metrics_set_partition_state(metrics, stage, 1, "live");
    expect_no(metrics, "state=\"recovering\"");
    weir_metrics_drop_partition(metrics, stage, 1);
    expect_no(metrics, "weir_partition_state{");
    weir_metrics_close(metrics);
}

Test(metrics, gauges_are_adjusted_on_any_thread_and_add_up)
{
    weir_metrics *metrics = opened(2);
    weir_metrics_set(weir_metrics_shard_at(metrics, 0), WEIR_METRIC_LANES_HELD, 2);
    weir_metrics_adjust(weir_metrics_shard_at(metrics, 0), WEIR_METRIC_LANES_HELD, 3);
    weir_metrics_adjust(weir_metrics_shard_at(metrics, 1), WEIR_METRIC_LANES_HELD, -1);
    weir_metrics_adjust(weir_metrics_shard_at(metrics, 1), WEIR_METRIC_TRUE_NEGATIVES, 1);
    cr_expect_eq(weir_metrics_gauge(metrics, WEIR_METRIC_LANES_HELD), 4);
    expect_line(metrics, "weir_partitions_held 4");
    expect_line(metrics, "weir_labelled_true_negatives 1");
    weir_metrics_close(metrics);
}

Test(metrics, ratios_are_worked_out_over_all_threads)
{
    weir_metrics *metrics = opened(2);
    weir_metrics_shard *one = weir_metrics_shard_at(metrics, 0), *other = weir_metrics_shard_at(metrics, 1);
    weir_metrics_adjust(one, WEIR_METRIC_TRUE_POSITIVES, 1);
    weir_metrics_adjust(other, WEIR_METRIC_TRUE_POSITIVES, 2);
    weir_metrics_adjust(other, WEIR_METRIC_FALSE_POSITIVES, 9);
    weir_metrics_adjust(one, WEIR_METRIC_FALSE_NEGATIVES, 1);
    weir_metrics_adjust(one, WEIR_METRIC_TRUE_NEGATIVES, 1000);
    cr_expect_eq(weir_metrics_gauge(metrics, WEIR_METRIC_PRECISION), 0.25);
    cr_expect_eq(weir_metrics_gauge(metrics, WEIR_METRIC_RECALL), 0.75);
    expect_line(metrics, "weir_model_precision_ratio 0.25");
    expect_line(metrics, "weir_model_recall_ratio 0.75");
    weir_metrics_close(metrics);
}

Test(metrics, a_ratio_of_nothing_is_not_a_number)
{
    weir_metrics *metrics = opened(1);
    weir_metrics_shard *shard = weir_metrics_shard_at(metrics, 0);
    weir_metrics_adjust(shard, WEIR_METRIC_TRUE_NEGATIVES, 5);
    cr_expect(isnan(weir_metrics_gauge(metrics, WEIR_METRIC_PRECISION)));
    cr_expect(isnan(weir_metrics_gauge(metrics, WEIR_METRIC_RECALL)));
    expect_line(metrics, "weir_model_precision_ratio NaN");
    expect_line(metrics, "weir_model_recall_ratio NaN");
    weir_metrics_adjust(shard, WEIR_METRIC_FALSE_POSITIVES, 5);
    expect_line(metrics, "weir_model_precision_ratio 0");
    expect_line(metrics, "weir_model_recall_ratio NaN");
    weir_metrics_close(metrics);
}

/* One more metric put in the wrong run of the enum would land on a neighbour's cell. */
Test(metrics, no_two_metrics_share_a_cell)
{
    weir_metrics *metrics = opened(1);
    weir_metrics_shard *shard = weir_metrics_shard_at(metrics, 0);
    for (int i = 0; i < WEIR_METRIC_COUNT; i++) {
        weir_metric metric = (weir_metric)i;
        if (weir_metric_is_plain(metric))
            weir_metrics_add(shard, metric, (uint64_t)i + 1);
        else if (weir_metric_is_slotted(metric))
            weir_metrics_add_slot(shard, metric, WEIR_METRIC_SLOT_MAX - 1, (uint64_t)i + 1);
        else if (weir_metric_is_shard_gauge(metric))
            weir_metrics_adjust(shard, metric, i + 1);
    }
    for (int i = 0; i < WEIR_METRIC_COUNT; i++) {
        weir_metric metric = (weir_metric)i;
        if (weir_metric_is_plain(metric) || weir_metric_is_slotted(metric))
            cr_expect_eq(weir_metrics_total(metrics, metric), (uint64_t)i + 1);
        else if (weir_metric_is_shard_gauge(metric))
            cr_expect_eq(weir_metrics_gauge(metrics, metric), i + 1);
    }
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
        weir_metrics_set_partition(metrics, WEIR_METRIC_LAG_RECORDS, "card", i, i);
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

static void set_everything(weir_metrics *metrics)
{
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
}

/* "Silent" is the claim: promtool prints what it would have otherwise, and calls some of it no failure. */
static void expect_promtool_is_silent(weir_metrics *metrics)
{
    char path[] = "/tmp/weir-metrics-XXXXXX", command[128], said[1024];
    int file = mkstemp(path);
    char *text = text_of(metrics);
    cr_assert_eq(write(file, text, strlen(text)), (ssize_t)strlen(text));
    snprintf(command, sizeof command, "promtool check metrics < %s 2>&1", path);
    FILE *promtool = popen(command, "r");
    said[fread(said, 1, sizeof said - 1, promtool)] = 0;
    cr_expect_eq(pclose(promtool), 0);
    cr_expect_str_eq(said, "", "promtool says:\n%s\nabout:\n%s", said, text);
    close(file);
    unlink(path);
    free(text);
}

/* Nothing set (ratios of nothing), then everything: printed, and handed to the linter of those who will read it. */
Test(metrics, promtool_has_no_complaints)
{
    if (system("command -v promtool > /dev/null 2>&1") != 0)
        cr_skip_test("promtool is not installed");
    weir_metrics *metrics = opened(2);
    expect_promtool_is_silent(metrics);
    set_everything(metrics);
    expect_promtool_is_silent(metrics);
    weir_metrics_close(metrics);
}
