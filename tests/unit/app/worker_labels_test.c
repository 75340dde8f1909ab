/* Labels at a worker: when they are applied, what is counted of them, how they travel, and how events wait for them. */
#include "worker_rig.h"

#include "weir/app/offline.h"
#include "weir/base/hash.h"
#include "weir/base/rng.h"

#include <math.h>

enum { EVENT_COUNT = 500, LABEL_COUNT = EVENT_COUNT / 3, ALERT = 500000, NO_ALERT = 500 };

static worker_rig it;

static void prepare(size_t stage_count)
{
    rig_prepare_chain(&it, stage_count, true);
}

static void begin(void)
{
    rig_start(&it);
    for (int32_t lane = 0; lane < (int32_t)it.options.shape.stage_count * RIG_PARTITIONS; lane++)
        rig_begin(&it, lane, 0, 0, 0);
}

/* One stage that scores at once; no label is taken before its time. */
static void start(void)
{
    prepare(1);
    it.options.drift_us_max = 0;
    begin();
    it.port.lags[0] = 1; /* there is more to come: the present is not the place to judge labels by */
}

static uint64_t total(weir_metric metric)
{
    return weir_metrics_total(it.metrics, metric);
}

static double gauge(weir_metric metric)
{
    return weir_metrics_gauge(it.metrics, metric);
}

/* weir_labels_total of an outcome, as the metrics show it. */
static uint64_t outcome(const char *name)
{
    char wanted[96], *text;
    size_t size;
    cr_assert_eq(weir_metrics_write(it.metrics, &text, &size), WEIR_OK);
    snprintf(wanted, sizeof wanted, "weir_labels_total{outcome=\"%s\"} ", name);
    const char *at = strstr(text, wanted);
    uint64_t count = at ? strtoull(at + strlen(wanted), NULL, 10) : 0;
    free(text);
    return count;
}

/* Exactly these labels have been counted. */
static void expect_outcomes(uint64_t first, uint64_t repeated, uint64_t contrary, uint64_t unknown, uint64_t orphaned,
                            uint64_t rejected)
{
    cr_expect_eq(outcome("first"), first, "%" PRIu64 " first", outcome("first"));
    cr_expect_eq(outcome("repeated"), repeated, "%" PRIu64 " repeated", outcome("repeated"));
    cr_expect_eq(outcome("contrary"), contrary, "%" PRIu64 " contrary", outcome("contrary"));
    cr_expect_eq(outcome("unknown"), unknown, "%" PRIu64 " unknown", outcome("unknown"));
    cr_expect_eq(outcome("orphaned"), orphaned, "%" PRIu64 " orphaned", outcome("orphaned"));
    cr_expect_eq(outcome("rejected"), rejected, "%" PRIu64 " rejected", outcome("rejected"));
    cr_expect_eq(total(WEIR_METRIC_LABELS), first + repeated + contrary + unknown + orphaned + rejected);
}

/* Judged events: alerted and fraud, alerted and not, not alerted and fraud, neither. */
static void expect_judged(double true_positives, double false_positives, double false_negatives, double true_negatives)
{
    cr_expect_eq(gauge(WEIR_METRIC_TRUE_POSITIVES), true_positives);
    cr_expect_eq(gauge(WEIR_METRIC_FALSE_POSITIVES), false_positives);
    cr_expect_eq(gauge(WEIR_METRIC_FALSE_NEGATIVES), false_negatives);
    cr_expect_eq(gauge(WEIR_METRIC_TRUE_NEGATIVES), true_negatives);
}

static int32_t label_lane(int32_t lane)
{
    return weir_shape_label_lane(&it.options.shape, lane);
}

/* Transaction `number` of one card at its minute; offsets are numbers. */
static void add_event(uint64_t number, int64_t amount_minor)
{
    uint8_t bytes[RIG_PAYLOAD_MAX];
    rig_fields fields = {.number = number, .card = 1, .merchant = 1, .terminal = 1 + number % 3,
                         .event_time_us = rig_time_us(number), .amount_minor = amount_minor};
    weir_fake_port_add(&it.port, 0, (int64_t)number, weir_span_text("key"), rig_encode(bytes, &fields));
}

/* A label of it that became known at the minute of `at_number`. */
static void add_label(int64_t offset, uint64_t number, uint64_t at_number, weir_label_verdict verdict)
{
    uint8_t bytes[RIG_PAYLOAD_MAX];
    weir_fake_port_add(&it.port, label_lane(0), offset, weir_span_text("key"),
                       rig_label(bytes, number, 1, rig_time_us(number), rig_time_us(at_number), verdict));
}

/* Long enough that what waits is tried again. */
static void turn_later(void)
{
    rig_monotonic_now_us += 20 * WEIR_US_PER_MS;
    rig_turn(&it, 2);
}

static const weir_partition *lane(int32_t number)
{
    return weir_worker_partition(it.worker, number);
}

/* ---- when ---- */

Test(worker_labels, one_is_applied_when_the_stream_comes_to_its_time)
{
    start();
    add_event(0, ALERT);
    add_label(0, 0, 10, WEIR_LABEL_FRAUD);
    rig_turn(&it, 3);
    turn_later();
    expect_outcomes(0, 0, 0, 0, 0, 0);
    cr_expect_eq(lane(0)->labels.count, 1);
    add_event(9, NO_ALERT);
    rig_turn(&it, 3);
    turn_later();
    expect_outcomes(0, 0, 0, 0, 0, 0);
    add_event(10, NO_ALERT);
    rig_turn(&it, 3);
    expect_outcomes(1, 0, 0, 0, 0, 0);
    cr_expect_eq(total(WEIR_METRIC_LATE_LABELS), 0);
    cr_expect_eq(lane(0)->labels.applied_next, 1);
    rig_stop(&it);
}

/* The features of the event at the label's own time know of it, those of the one before do not: rate(fraud, 7d). */
Test(worker_labels, it_is_known_from_its_time_on_within_a_batch)
{
    prepare(2);
    it.options.drift_us_max = 0;
    begin();
    it.port.lags[0] = 1;
    for (uint64_t number = 0; number < 6; number++)
        add_event(number, NO_ALERT);
    add_label(0, 0, 4, WEIR_LABEL_CLEARED); /* applied at its time, and not before */
    add_label(1, 1, 4, WEIR_LABEL_FRAUD);
    rig_turn(&it, 3);
    expect_outcomes(2, 0, 0, 0, 0, 0);
    double rates[6];
    size_t events = 0;
    for (size_t i = 0; i < it.port.sent_count; i++) {
        weir_reader reader;
        weir_hop_head head;
        weir_hop_entry entry;
        double registers[64];
        weir_transaction transaction;
        if (it.port.sent[i].output != WEIR_OUTPUT_HOPS)
            continue;
        cr_assert(weir_hop_open(it.port.sent[i].payload, &reader, &head));
        while (weir_hop_next(&reader, &head, registers, &transaction, &entry))
            if (entry.kind == WEIR_HOP_EVENT) {
                rates[entry.sequence] = 0;
                for (uint32_t k = 0; k < head.register_count; k++) /* the one value that is neither whole nor money */
                    rates[entry.sequence] = registers[k] > 0 && registers[k] < 1 ? registers[k] : rates[entry.sequence];
                events++;
            }
    }
    cr_assert_eq(events, 6);
    for (int i = 0; i < 4; i++)
        cr_expect_eq(rates[i], 0, "event %d", i);
    cr_expect_float_eq(rates[4], 1.0 / 5, 1e-12);
    cr_expect_float_eq(rates[5], 1.0 / 6, 1e-12);
    rig_stop(&it);
}

Test(worker_labels, fraud_is_marked_ahead_of_its_time_and_cleared_is_not)
{
    prepare(1);
    begin();
    it.port.lags[0] = 1;
    add_event(0, NO_ALERT);
    add_event(1, NO_ALERT);
    add_label(0, 0, 30, WEIR_LABEL_FRAUD);
    add_label(1, 1, 30, WEIR_LABEL_CLEARED);
    rig_turn(&it, 3);
    turn_later();
    expect_outcomes(1, 0, 0, 0, 0, 0);
    add_event(31, NO_ALERT);
    rig_turn(&it, 3);
    expect_outcomes(2, 0, 0, 0, 0, 0);
    rig_stop(&it);
}

Test(worker_labels, none_runs_further_ahead_than_it_may)
{
    prepare(1); /* an hour */
    begin();
    it.port.lags[0] = 1;
    add_event(0, NO_ALERT);
    add_label(0, 0, 61, WEIR_LABEL_FRAUD);
    rig_turn(&it, 3);
    turn_later();
    expect_outcomes(0, 0, 0, 0, 0, 0);
    add_event(1, NO_ALERT);
    rig_turn(&it, 3);
    turn_later();
    expect_outcomes(1, 0, 0, 0, 0, 0);
    rig_stop(&it);
}

Test(worker_labels, a_lane_read_to_its_end_is_judged_by_the_present)
{
    start();
    add_event(0, ALERT);
    add_label(0, 0, 500, WEIR_LABEL_CLEARED);
    rig_turn(&it, 3);
    turn_later();
    expect_outcomes(0, 0, 0, 0, 0, 0);
    it.port.lags[0] = 0;
    turn_later();
    expect_outcomes(1, 0, 0, 0, 0, 0);
    rig_stop(&it);
}

/* ---- what is counted ---- */

Test(worker_labels, one_whose_event_is_not_there_waits_until_its_time_is_past)
{
    start();
    add_event(0, NO_ALERT);
    add_label(0, 7, 20, WEIR_LABEL_FRAUD);
    rig_turn(&it, 3);
    turn_later();
    expect_outcomes(0, 0, 0, 0, 0, 0);
    add_event(7, ALERT);
    add_event(20, NO_ALERT);
    rig_turn(&it, 3);
    expect_outcomes(1, 0, 0, 0, 0, 0);
    expect_judged(1, 0, 0, 0);
    add_label(1, 8, 25, WEIR_LABEL_FRAUD);
    add_event(24, NO_ALERT);
    rig_turn(&it, 3);
    turn_later();
    expect_outcomes(1, 0, 0, 0, 0, 0);
    add_event(25, NO_ALERT);
    rig_turn(&it, 3);
    expect_outcomes(1, 0, 0, 1, 0, 0);
    cr_expect_eq(lane(0)->labels.applied_next, 2);
    rig_stop(&it);
}

/* The log is in the order of label times, and so one that waits for a late event may stand before many others. */
Test(worker_labels, one_that_waits_does_not_hold_up_those_behind_it)
{
    prepare(2);
    begin();
    it.port.lags[0] = 1;
    add_event(0, NO_ALERT);
    add_event(1, NO_ALERT);
    add_label(0, 9, 30, WEIR_LABEL_FRAUD);
    add_label(1, 0, 31, WEIR_LABEL_FRAUD);
    add_label(2, 1, 32, WEIR_LABEL_FRAUD);
    rig_settle(&it);
    turn_later();
    rig_settle(&it);
    expect_outcomes(2, 0, 0, 0, 0, 0);
    expect_judged(0, 0, 2, 0);
    cr_expect_eq(lane(0)->labels.applied_next, 0, "the next life begins with the one that waits");
    add_event(9, NO_ALERT);
    rig_settle(&it);
    turn_later();
    rig_settle(&it);
    expect_outcomes(3, 0, 0, 0, 0, 0);
    expect_judged(0, 0, 3, 0);
    cr_expect_eq(lane(0)->labels.applied_next, 3);
    cr_expect_eq(total(WEIR_METRIC_HOP_REDELIVERED), 0, "though it was overtaken on its way");
    rig_stop(&it);
}

Test(worker_labels, one_of_a_forgotten_event_is_orphaned)
{
    start();
    uint64_t month = (uint64_t)(weir_plan_horizon_us(it.rules.plan) / WEIR_US_PER_MINUTE);
    add_event(0, NO_ALERT);
    add_event(month + 5, NO_ALERT);
    rig_turn(&it, 3);
    add_label(0, 0, month + 1, WEIR_LABEL_FRAUD);
    add_label(1, 6, month + 1, WEIR_LABEL_FRAUD); /* this one was never there */
    rig_turn(&it, 3);
    turn_later();
    expect_outcomes(0, 0, 0, 1, 1, 0);
    rig_stop(&it);
}

Test(worker_labels, one_from_before_what_was_scored_is_late)
{
    start();
    add_event(0, NO_ALERT);
    add_event(50, NO_ALERT);
    rig_turn(&it, 3);
    add_label(0, 0, 20, WEIR_LABEL_FRAUD);
    rig_turn(&it, 3);
    turn_later();
    expect_outcomes(1, 0, 0, 0, 0, 0);
    cr_expect_eq(total(WEIR_METRIC_LATE_LABELS), 1);
    rig_stop(&it);
}

Test(worker_labels, what_is_no_label_is_counted_and_passed_over)
{
    start();
    add_event(0, ALERT);
    weir_fake_port_add(&it.port, label_lane(0), 0, weir_span_text("key"), weir_span_text("garbage"));
    add_label(1, 0, 1, WEIR_LABEL_FRAUD);
    weir_fake_port_add(&it.port, label_lane(0), 2, weir_span_text("key"), (weir_span){0});
    add_event(2, NO_ALERT);
    rig_turn(&it, 3);
    expect_outcomes(1, 0, 0, 0, 0, 2);
    cr_expect_eq(lane(0)->labels.applied_next, 3);
    cr_expect_eq(weir_fake_port_count(&it.port, WEIR_OUTPUT_DEAD_LETTERS), 0);
    rig_stop(&it);
}

Test(worker_labels, the_tally_says_how_good_the_model_was)
{
    start();
    cr_expect(isnan(gauge(WEIR_METRIC_PRECISION)));
    cr_expect(isnan(gauge(WEIR_METRIC_RECALL)));
    static const struct {
        int64_t amount_minor;
        weir_label_verdict verdict;
    } ROWS[] = {{ALERT, WEIR_LABEL_FRAUD},      {ALERT, WEIR_LABEL_FRAUD},      {ALERT, WEIR_LABEL_FRAUD},
                {ALERT, WEIR_LABEL_CLEARED},    {NO_ALERT, WEIR_LABEL_FRAUD},   {NO_ALERT, WEIR_LABEL_FRAUD},
                {NO_ALERT, WEIR_LABEL_CLEARED}, {NO_ALERT, WEIR_LABEL_CLEARED}, {NO_ALERT, WEIR_LABEL_CLEARED}};
    enum { COUNT = sizeof ROWS / sizeof *ROWS, FAR = 60 * 24 * 8 }; /* apart, so that one alert is not the next one's */
    for (uint64_t i = 0; i < COUNT; i++) {
        add_event(i * FAR, ROWS[i].amount_minor);
        add_label((int64_t)i, i * FAR, i * FAR + 1, ROWS[i].verdict);
        add_event(i * FAR + 2, NO_ALERT);
        rig_turn(&it, 3);
    }
    turn_later();
    cr_assert_eq(outcome("first"), COUNT);
    expect_judged(3, 1, 2, 3);
    cr_expect_float_eq(gauge(WEIR_METRIC_PRECISION), 3.0 / 4, 1e-12);
    cr_expect_float_eq(gauge(WEIR_METRIC_RECALL), 3.0 / 5, 1e-12);
    rig_stop(&it);
}

Test(worker_labels, the_last_word_replaces_the_one_before)
{
    start();
    add_event(0, ALERT);
    add_label(0, 0, 1, WEIR_LABEL_FRAUD);
    add_event(2, NO_ALERT);
    rig_turn(&it, 3);
    expect_judged(1, 0, 0, 0);
    add_label(1, 0, 2, WEIR_LABEL_FRAUD);
    add_event(3, NO_ALERT);
    rig_turn(&it, 3);
    expect_outcomes(1, 1, 0, 0, 0, 0);
    expect_judged(1, 0, 0, 0);
    add_label(2, 0, 4, WEIR_LABEL_CLEARED);
    add_event(5, NO_ALERT);
    rig_turn(&it, 3);
    expect_outcomes(1, 1, 1, 0, 0, 0);
    expect_judged(0, 1, 0, 0);
    add_label(3, 0, 6, WEIR_LABEL_FRAUD);
    add_event(7, NO_ALERT);
    rig_turn(&it, 3);
    expect_outcomes(1, 1, 2, 0, 0, 0);
    expect_judged(1, 0, 0, 0);
    rig_stop(&it);
}

/* What another process has counted is not this one's to take back. */
Test(worker_labels, the_tally_is_of_this_process)
{
    start();
    add_event(0, ALERT);
    add_event(1, ALERT);
    add_label(0, 1, 2, WEIR_LABEL_FRAUD);
    add_event(3, NO_ALERT);
    rig_turn(&it, 3);
    expect_judged(1, 0, 0, 0);
    weir_error error = {0};
    cr_assert_eq(weir_worker_close_partition(it.worker, 0, true, 4, &error), WEIR_OK, "%s", error.message);
    weir_worker_close(it.worker);
    weir_metrics_close(it.metrics);
    cr_assert_eq(weir_metrics_open(2, &it.metrics, &error), WEIR_OK, "%s", error.message);
    it.options.metrics = it.metrics;
    rig_start(&it);
    rig_begin_as(&it, 0, (weir_beginning){.position = 4, .marks = {4, 4, 4, 4}, .committed = 4, .labels_from = 1});
    add_label(1, 0, 4, WEIR_LABEL_FRAUD);
    add_label(2, 0, 5, WEIR_LABEL_CLEARED);
    add_label(3, 1, 6, WEIR_LABEL_CLEARED);
    add_event(9, NO_ALERT);
    rig_turn(&it, 3);
    expect_outcomes(1, 0, 2, 0, 0, 0);
    expect_judged(0, 2, 0, 0);
    rig_stop(&it);
}

Test(worker_labels, a_replay_counts_none)
{
    prepare(1);
    it.options.drift_us_max = 0;
    rig_start(&it);
    rig_begin(&it, 0, 0, 100, 100);
    it.port.lags[0] = 1;
    add_event(0, ALERT);
    add_label(0, 0, 1, WEIR_LABEL_FRAUD);
    add_event(2, NO_ALERT);
    rig_turn(&it, 3);
    cr_expect_eq(lane(0)->labels.applied_next, 1, "it is applied");
    expect_outcomes(0, 0, 0, 0, 0, 0);
    expect_judged(0, 0, 0, 0);
    rig_stop(&it);
}

/* ---- waiting for labels ---- */

Test(worker_labels, events_wait_for_the_label_log)
{
    start();
    it.port.lags[label_lane(0)] = 3; /* there are labels, and none has come */
    add_event(0, NO_ALERT);
    add_event(1, NO_ALERT);
    rig_turn(&it, 3);
    cr_expect_eq(total(WEIR_METRIC_EVENTS), 0);
    cr_expect(it.port.held[0]);
    add_label(0, 0, 50, WEIR_LABEL_FRAUD);
    rig_turn(&it, 2);
    cr_expect_eq(total(WEIR_METRIC_EVENTS), 2, "now it is known what is not to come before minute 50");
    cr_expect_not(it.port.held[0]);
    cr_expect_eq(total(WEIR_METRIC_DUPLICATES), 0);
    rig_stop(&it);
}

Test(worker_labels, events_wait_for_it_no_longer_than_they_are_told)
{
    start();
    it.port.lags[label_lane(0)] = -1; /* the broker has said nothing at all */
    add_event(0, NO_ALERT);
    rig_turn(&it, 3);
    cr_expect_eq(total(WEIR_METRIC_EVENTS), 0);
    rig_monotonic_now_us += it.options.idle_us / 2;
    rig_turn(&it, 2);
    cr_expect_eq(total(WEIR_METRIC_EVENTS), 0);
    rig_monotonic_now_us += it.options.idle_us;
    rig_turn(&it, 3);
    cr_expect_eq(total(WEIR_METRIC_EVENTS), 1);
    rig_stop(&it);
}

Test(worker_labels, a_full_inbox_holds_the_label_lane_until_there_is_room)
{
    start();
    enum { COUNT = WEIR_LABEL_INBOX_SIZE + 1000 };
    for (int64_t offset = 0; offset < COUNT; offset++)
        add_label(offset, (uint64_t)offset, (uint64_t)offset + 1, WEIR_LABEL_FRAUD);
    rig_turn(&it, 100);
    cr_expect(it.port.held[label_lane(0)]);
    cr_expect_gt(lane(0)->labels.count, WEIR_LABEL_INBOX_FULL);
    cr_expect_lt(lane(0)->labels.count, WEIR_LABEL_INBOX_SIZE);
    for (uint64_t number = 0; number < COUNT; number++)
        add_event(number, NO_ALERT);
    add_event(COUNT + 1, NO_ALERT);
    rig_settle(&it);
    turn_later();
    expect_outcomes(COUNT, 0, 0, 0, 0, 0);
    cr_expect_not(it.port.held[label_lane(0)]);
    rig_stop(&it);
}

/* ---- beyond the first stage ---- */

Test(worker_labels, one_goes_on_to_where_its_event_went_and_is_judged_there)
{
    prepare(3);
    it.options.drift_us_max = 0;
    begin();
    it.port.lags[0] = 1;
    add_event(0, 900000);
    rig_settle(&it);
    cr_assert_eq(weir_fake_port_count(&it.port, WEIR_OUTPUT_ALERTS), 1);
    add_label(0, 0, 1, WEIR_LABEL_FRAUD);
    add_event(2, NO_ALERT);
    rig_settle(&it);
    expect_outcomes(1, 0, 0, 0, 0, 0);
    expect_judged(1, 0, 0, 0);
    add_label(1, 0, 3, WEIR_LABEL_CLEARED);
    add_event(4, NO_ALERT);
    rig_settle(&it);
    expect_outcomes(1, 0, 1, 0, 0, 0);
    expect_judged(0, 1, 0, 0);
    rig_stop(&it);
}

Test(worker_labels, its_hop_keeps_the_checkpoint_back_until_it_is_acknowledged)
{
    prepare(2);
    it.options.drift_us_max = 0;
    begin();
    it.port.lags[0] = 1;
    add_event(0, NO_ALERT);
    add_event(1, NO_ALERT);
    rig_turn(&it, 3);
    cr_assert_eq(rig_acked_below(&it, 0), 2);
    it.port.hold_acks = true;
    add_label(0, 0, 1, WEIR_LABEL_FRAUD);
    rig_turn(&it, 3);
    turn_later();
    expect_outcomes(1, 0, 0, 0, 0, 0);
    cr_expect_lt(rig_acked_below(&it, 0), 2, "a checkpoint at 2 would have the label behind it");
    weir_error error = {0};
    cr_expect_eq(weir_worker_drain_partition(it.worker, 0, 10000, &error), WEIR_TEMPORARY);
    it.port.hold_acks = false;
    cr_expect_eq(weir_worker_drain_partition(it.worker, 0, 10000, &error), WEIR_OK);
    cr_expect_eq(rig_acked_below(&it, 0), 2);
    rig_stop(&it);
}

Test(worker_labels, one_handed_on_twice_is_applied_once)
{
    prepare(2);
    it.options.drift_us_max = 0;
    begin();
    it.port.lags[0] = 1;
    add_event(0, 900000);
    add_label(0, 0, 1, WEIR_LABEL_FRAUD);
    add_event(2, NO_ALERT);
    rig_settle(&it);
    expect_judged(1, 0, 0, 0);
    it.carried = 0; /* everything once more, as a sender that did not hear of it would say it */
    rig_settle(&it);
    expect_judged(1, 0, 0, 0);
    cr_expect_eq(total(WEIR_METRIC_HOP_REDELIVERED), 3);
    cr_expect_eq(weir_fake_port_count(&it.port, WEIR_OUTPUT_SCORES), 2);
    rig_stop(&it);
}

Test(worker_labels, a_checkpoint_remembers_the_place_in_the_label_log)
{
    start();
    add_event(0, ALERT);
    add_event(1, NO_ALERT);
    for (int64_t offset = 0; offset < 3; offset++)
        add_label(offset, (uint64_t)(offset < 2 ? offset : 40), offset < 2 ? 5 : 90, WEIR_LABEL_FRAUD);
    add_event(6, NO_ALERT);
    rig_turn(&it, 2);
    expect_outcomes(2, 0, 0, 0, 0, 0);
    weir_error error = {0};
    cr_assert_eq(weir_worker_close_partition(it.worker, 0, true, 7, &error), WEIR_OK, "%s", error.message);
    int64_t replay_from, labels_from;
    cr_assert_eq(weir_worker_open_partition(it.worker, 0, &replay_from, &labels_from, &error), WEIR_OK, "%s",
                 error.message);
    cr_expect_eq(replay_from, 7);
    cr_expect_eq(labels_from, 2, "the third was still waiting");
    weir_beginning beginning = {.position = 7, .marks = {7, 7, 7, 7}, .committed = 7, .labels_from = 1};
    weir_worker_begin_partition(it.worker, 0, &beginning);
    add_label(1, 1, 5, WEIR_LABEL_FRAUD);
    add_event(7, NO_ALERT);
    rig_turn(&it, 3);
    expect_outcomes(2, 1, 0, 0, 0, 0);
    rig_stop(&it);
}

Test(worker_labels, without_a_checkpoint_there_is_no_place)
{
    prepare(1);
    rig_start(&it);
    int64_t replay_from, labels_from = 5;
    weir_error error = {0};
    cr_assert_eq(weir_worker_open_partition(it.worker, 0, &replay_from, &labels_from, &error), WEIR_OK);
    cr_expect_eq(labels_from, -1);
    rig_stop(&it);
}

/* ---- against one process that does everything ---- */

typedef struct said { /* what offline says of each transaction, as bytes */
    size_t sizes[EVENT_COUNT];
    uint8_t payloads[EVENT_COUNT][2048];
} said;

static weir_status say_score(void *context, const weir_job *job, const weir_source *source, uint64_t number)
{
    said *into = context;
    double values[WEIR_PLAN_FEATURE_MAX];
    weir_verdict verdict;
    weir_pipeline_verdict(it.rules.ruleset, job, values, &verdict);
    weir_writer writer = weir_writer_of(into->payloads[number], sizeof into->payloads[number]);
    weir_score_encode(&job->transaction, &verdict, source, true, &writer);
    into->sizes[number] = writer.used;
    return WEIR_OK;
}

typedef struct planned { /* a label that will come, and where */
    uint64_t number, card;
    int64_t event_time_us, label_time_us;
} planned;

typedef struct plans {
    planned items[LABEL_COUNT];
    size_t count, next;
} plans;

static int by_time(const void *a, const void *b)
{
    const planned *x = a, *y = b;
    return (x->label_time_us > y->label_time_us) - (x->label_time_us < y->label_time_us);
}

static bool next_label(void *context, weir_label *label_out)
{
    static uint8_t bytes[RIG_PAYLOAD_MAX];
    plans *from = context;
    if (from->next == from->count)
        return false;
    const planned *at = &from->items[from->next++];
    weir_span text =
        rig_label(bytes, at->number, at->card, at->event_time_us, at->label_time_us, WEIR_LABEL_FRAUD);
    weir_decode_limits limits = {.framing = WEIR_FRAMING_RAW};
    cr_assert_eq(weir_label_decode(text, &limits, RIG_NOW_US, label_out), WEIR_ACCEPTED);
    return true;
}

static int32_t home_of(uint64_t card)
{
    char token[32];
    snprintf(token, sizeof token, "card-%" PRIu64, card);
    return weir_hash_partition(weir_span_text(token), RIG_PARTITIONS);
}

/* All labels are in the label log from the start, some of them days before their events: fraud is marked as soon as
 * its event is there, and still no score knows of it before the label's own time. */
static void equals_offline(size_t stage_count)
{
    static said wanted;
    static plans labels;
    static rig_fields events[EVENT_COUNT];
    weir_rng rng = {.state = 5 + stage_count};
    int64_t now_us = RIG_START_US, ends[RIG_PARTITIONS] = {0}, label_ends[RIG_PARTITIONS] = {0};
    prepare(stage_count);
    it.options.drift_us_max = 400 * WEIR_US_PER_DAY;
    begin();
    for (uint64_t number = 0; number < EVENT_COUNT; number++) {
        now_us += (int64_t)weir_rng_below(&rng, (uint64_t)(40 * WEIR_US_PER_MINUTE));
        int64_t late_us = weir_rng_below(&rng, 6) ? 0 : (int64_t)weir_rng_below(&rng, (uint64_t)WEIR_US_PER_DAY);
        events[number] = (rig_fields){.number = number, .card = weir_rng_below(&rng, 30), .merchant = 1 + number % 3,
                                      .terminal = weir_rng_below(&rng, 7), .event_time_us = now_us - late_us,
                                      .amount_minor = (int64_t)weir_rng_below(&rng, 60000)};
        if (number % 3 == 0 && labels.count < LABEL_COUNT)
            labels.items[labels.count++] =
                (planned){number, events[number].card, events[number].event_time_us,
                          now_us + 1 + (int64_t)weir_rng_below(&rng, (uint64_t)(3 * WEIR_US_PER_DAY))};
    }
    qsort(labels.items, labels.count, sizeof *labels.items, by_time);
    for (size_t i = 0; i < labels.count; i++) {
        uint8_t bytes[RIG_PAYLOAD_MAX];
        const planned *at = &labels.items[i];
        int32_t home = home_of(at->card);
        it.port.lags[home] = 1;
        weir_fake_port_add(&it.port, label_lane(home), label_ends[home]++, weir_span_text("key"),
                           rig_label(bytes, at->number, at->card, at->event_time_us, at->label_time_us,
                                     WEIR_LABEL_FRAUD));
    }
    weir_offline_options options = {.rules = &it.rules, .topic = "transactions", .partition_count = RIG_PARTITIONS,
                                    .limits = {.framing = WEIR_FRAMING_RAW}, .visit = say_score, .context = &wanted,
                                    .labels = next_label, .labels_context = &labels};
    weir_offline *offline;
    weir_error error = {0};
    cr_assert_eq(weir_offline_open(&options, &offline, &error), WEIR_OK, "%s", error.message);
    for (uint64_t number = 0; number < EVENT_COUNT; number++) {
        uint8_t bytes[RIG_PAYLOAD_MAX];
        weir_span message = rig_encode(bytes, &events[number]);
        int32_t home = home_of(events[number].card);
        weir_fake_port_add(&it.port, home, ends[home]++, weir_span_text("key"), message);
        rig_settle(&it);
        turn_later();
        rig_settle(&it);
        cr_assert_eq(weir_offline_push(offline, message, number, RIG_NOW_US, &error), WEIR_OK, "%s", error.message);
    }
    cr_assert_eq(weir_offline_flush(offline, &error), WEIR_OK, "%s", error.message);
    uint64_t counts[WEIR_LABELLING_COUNT];
    weir_offline_labellings(offline, counts);
    cr_expect_gt(counts[WEIR_LABELLING_FIRST], LABEL_COUNT / 2);
    cr_expect_eq(counts[WEIR_LABELLING_UNKNOWN], 0);
    expect_outcomes(labels.count, 0, 0, 0, 0, 0);
    cr_assert_eq(weir_fake_port_count(&it.port, WEIR_OUTPUT_SCORES), EVENT_COUNT);
    for (size_t number = 0; number < EVENT_COUNT; number++) {
        const weir_fake_sent *sent = weir_fake_port_sent(&it.port, WEIR_OUTPUT_SCORES, number);
        cr_assert(weir_span_equal(sent->payload, weir_span_of(wanted.payloads[number], wanted.sizes[number])),
                  "event %zu", number);
    }
    weir_offline_close(offline);
    rig_stop(&it);
}

Test(worker_labels, two_stages_say_what_offline_says)
{
    equals_offline(2);
}

Test(worker_labels, three_stages_say_what_offline_says)
{
    equals_offline(3);
}
