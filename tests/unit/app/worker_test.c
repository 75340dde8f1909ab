#include "worker_rig.h"

#include <string.h>

static worker_rig it;

static void start(void)
{
    rig_prepare(&it);
    rig_start(&it);
}

static uint64_t total(weir_metric metric)
{
    return weir_metrics_total(it.metrics, metric);
}

/* The offset of the transaction that the index-th record of an output is about, as it says itself. */
static int64_t source_of(weir_output output, size_t index)
{
    const weir_fake_sent *sent = weir_fake_port_sent(&it.port, output, index);
    int32_t partition;
    int64_t offset;
    cr_assert_not_null(sent);
    if (output == WEIR_OUTPUT_DEAD_LETTERS)
        return strtoll(weir_fake_sent_header(sent, "__connect.errors.offset"), NULL, 10);
    cr_assert(output == WEIR_OUTPUT_ALERTS ? weir_alert_source(sent->payload, &partition, &offset)
                                           : weir_score_source(sent->payload, &partition, &offset));
    cr_assert_eq(partition, sent->partition);
    return offset;
}

/* ---- opening ---- */

Test(worker, too_little_memory_is_refused_in_words)
{
    rig_prepare(&it);
    it.options.memory_bytes_max = 1 << 20;
    weir_error error = {0};
    cr_expect_eq(weir_worker_open(&it.options, &it.worker, &error), WEIR_INVALID);
    cr_expect_not_null(strstr(error.message, "state.memory"), "%s", error.message);
    rig_stop(&it);
}

Test(worker, a_store_that_does_not_open_leaves_no_partition)
{
    start();
    int64_t replay_from;
    weir_error error = {0};
    it.open_failure = WEIR_REFUSED;
    cr_expect_eq(rig_open(&it, 1, &replay_from, &error), WEIR_REFUSED);
    cr_expect_null(weir_worker_partition(it.worker, 1));
    it.open_failure = WEIR_OK;
    rig_begin(&it, 1, 0, 0, -1);
    cr_expect_eq(rig_phase(&it, 1), WEIR_PHASE_LIVE);
    rig_stop(&it);
}

/* Whatever the topic. */
static weir_status open_the_first_disk(void *context, const char *topic, int32_t partition, weir_store **store_out,
                                       weir_error *error)
{
    (void)topic;
    return rig_open_disk(context, RIG_TOPICS[0], partition, store_out, error);
}

/* The store is the worker's to close then: the leak checker of the asan build watches. */
Test(worker, a_state_of_another_topic_is_refused_and_its_store_closed)
{
    start();
    rig_begin(&it, 1, 0, 0, -1);
    rig_turn(&it, 3);
    weir_error error = {0};
    cr_assert_eq(weir_worker_close_partition(it.worker, 1, false, -1, &error), WEIR_OK);
    weir_worker_close(it.worker);
    static const char *const ANOTHER[] = {"another"};
    it.options.stage_topics = ANOTHER;
    it.options.open_store = open_the_first_disk;
    rig_start(&it);
    int64_t replay_from;
    cr_expect_eq(rig_open(&it, 1, &replay_from, &error), WEIR_REFUSED);
    cr_expect_null(weir_worker_partition(it.worker, 1));
    rig_stop(&it);
}

/* ---- a turn ---- */

Test(worker, a_turn_scores_emits_and_hears)
{
    start();
    rig_begin(&it, 2, 10, 10, 10);
    rig_add(&it, 2, 10, 1, 500);
    rig_add(&it, 2, 11, 2, 500000);
    rig_add_garbage(&it, 2, 12);
    cr_expect_eq(weir_worker_turn(it.worker), 3);
    cr_expect_eq(it.port.borrowed_count, 0, "records are released");
    cr_expect_eq(weir_fake_port_count(&it.port, WEIR_OUTPUT_SCORES), 2);
    cr_expect_eq(weir_fake_port_count(&it.port, WEIR_OUTPUT_ALERTS), 1);
    cr_expect_eq(weir_fake_port_count(&it.port, WEIR_OUTPUT_DEAD_LETTERS), 1);
    cr_expect_eq(source_of(WEIR_OUTPUT_ALERTS, 0), 11);
    cr_expect_eq(source_of(WEIR_OUTPUT_DEAD_LETTERS, 0), 12);
    cr_expect_eq(rig_acked_below(&it, 2), 13);
    cr_expect_eq(total(WEIR_METRIC_EVENTS), 3);
    cr_expect_eq(total(WEIR_METRIC_EVENTS_SCORED), 2);
    cr_expect_eq(total(WEIR_METRIC_ALERTS), 1);
    cr_expect_eq(total(WEIR_METRIC_SCORES), 2);
    cr_expect_eq(total(WEIR_METRIC_DEAD_LETTERS), 1);
    weir_histogram ages;
    weir_metrics_histogram(it.metrics, WEIR_METRIC_EVENT_AGE_SECONDS, &ages);
    cr_expect_gt(weir_histogram_quantile(&ages, 0.5), 0.0);
    rig_stop(&it);
}

Test(worker, nothing_is_acknowledged_before_the_broker_says_so)
{
    start();
    rig_begin(&it, 0, 0, 0, 0);
    it.port.hold_acks = true;
    rig_add(&it, 0, 0, 1, 500);
    rig_add(&it, 0, 1, 1, 500);
    rig_turn(&it, 3);
    cr_expect_eq(rig_acked_below(&it, 0), 0);
    cr_expect_eq(atomic_load(&weir_worker_partition(it.worker, 0)->published_position), 2);
    it.port.hold_acks = false;
    rig_turn(&it, 1);
    cr_expect_eq(rig_acked_below(&it, 0), 2);
    rig_stop(&it);
}

Test(worker, records_below_the_position_are_dropped)
{
    start();
    rig_begin(&it, 0, 5, 5, 5);
    rig_add(&it, 0, 3, 1, 500000);
    rig_add(&it, 0, 4, 1, 500000);
    rig_add(&it, 0, 5, 1, 500);
    rig_add(&it, 0, 7, 1, 500); /* offsets have gaps */
    rig_turn(&it, 1);
    cr_expect_eq(total(WEIR_METRIC_EVENTS), 2);
    cr_expect_eq(rig_acked_below(&it, 0), 8);
    cr_expect_eq(source_of(WEIR_OUTPUT_SCORES, 0), 5);
    rig_stop(&it);
}

Test(worker, records_of_a_partition_it_does_not_hold_are_dropped)
{
    start();
    rig_begin(&it, 0, 0, 0, 0);
    rig_add(&it, 3, 0, 1, 500);
    rig_add(&it, 0, 0, 1, 500);
    cr_expect_eq(weir_worker_turn(it.worker), 2);
    cr_expect_eq(total(WEIR_METRIC_EVENTS), 1);
    rig_stop(&it);
}

Test(worker, a_replay_is_silent_until_the_mark)
{
    start();
    rig_begin(&it, 0, 0, 3, 3);
    cr_expect_eq(rig_phase(&it, 0), WEIR_PHASE_REPLAYING);
    for (int64_t offset = 0; offset < 3; offset++)
        rig_add(&it, 0, offset, 1, 500000);
    rig_turn(&it, 1);
    cr_expect_eq(it.port.sent_count, 0);
    cr_expect_eq(rig_phase(&it, 0), WEIR_PHASE_LIVE);
    cr_expect_eq(total(WEIR_METRIC_REPLAYED_EVENTS), 3);
    rig_add(&it, 0, 3, 1, 500000);
    rig_turn(&it, 1);
    cr_expect_eq(weir_fake_port_count(&it.port, WEIR_OUTPUT_ALERTS), 1);
    cr_expect_eq(source_of(WEIR_OUTPUT_ALERTS, 0), 3);
    rig_stop(&it);
}

/* ---- back-pressure and failure ---- */

Test(worker, a_full_producer_holds_it_up_and_nothing_is_lost_or_doubled)
{
    start();
    rig_begin(&it, 0, 0, 0, 0);
    it.port.flight_max = 4;
    for (int64_t offset = 0; offset < 40; offset++)
        rig_add(&it, 0, offset, 1, 500000);
    rig_turn(&it, 1);
    cr_expect_gt(it.port.refused_count, 5);
    cr_assert_eq(weir_fake_port_count(&it.port, WEIR_OUTPUT_ALERTS), 40);
    cr_assert_eq(weir_fake_port_count(&it.port, WEIR_OUTPUT_SCORES), 40);
    for (size_t i = 0; i < 40; i++)
        cr_assert_eq(source_of(WEIR_OUTPUT_ALERTS, i), (int64_t)i);
    cr_expect_eq(rig_acked_below(&it, 0), 40);
    rig_stop(&it);
}

Test(worker, an_undelivered_output_fails_it_and_nothing_more_is_acknowledged)
{
    start();
    rig_begin(&it, 0, 0, 0, 0);
    it.port.undelivered = 1;
    for (int64_t offset = 0; offset < 4; offset++)
        rig_add(&it, 0, offset, 1, 500);
    rig_turn(&it, 2);
    weir_error error = {0};
    cr_assert(rig_has_failed(&it, &error));
    cr_expect_eq(error.status, WEIR_TEMPORARY);
    cr_expect_not_null(strstr(error.message, "transactions partition 0: "), "%s", error.message);
    cr_expect_leq(rig_acked_below(&it, 0), 1);
    rig_add(&it, 0, 4, 1, 500);
    cr_expect_eq(weir_worker_turn(it.worker), 0, "it takes no more turns");
    cr_expect_neq(weir_worker_drain_partition(it.worker, 0, 1000, &error), WEIR_OK);
    cr_expect_leq(rig_acked_below(&it, 0), 1);
    rig_stop(&it);
}

/* The record whose alert could not be sent must be read again by whoever comes next. */
Test(worker, a_producer_that_refuses_holds_the_position_at_the_record)
{
    start();
    rig_begin(&it, 0, 0, 0, 0);
    it.port.failure = WEIR_FENCED;
    it.port.fail_at = 3;
    for (int64_t offset = 0; offset < 10; offset++)
        rig_add(&it, 0, offset, 1, 500);
    rig_turn(&it, 2);
    weir_error error = {0};
    cr_assert(rig_has_failed(&it, &error));
    cr_expect_eq(error.status, WEIR_FENCED);
    cr_expect_not_null(strstr(error.message, "partition 0, offset 3"), "%s", error.message);
    cr_expect_eq(weir_worker_drain_partition(it.worker, 0, 1000, &error), WEIR_TEMPORARY);
    cr_expect_leq(rig_acked_below(&it, 0), 3);
    size_t commits = it.disks[0].commit_count;
    cr_expect_eq(weir_worker_close_partition(it.worker, 0, true, 3, &error), WEIR_OK);
    cr_expect_eq(it.disks[0].commit_count, commits, "and no final checkpoint is written");
    rig_stop(&it);
}

Test(worker, an_output_given_up_after_its_partition_left_is_the_next_owners)
{
    start();
    rig_begin(&it, 0, 0, 0, 0);
    rig_begin(&it, 1, 0, 0, 0);
    it.port.hold_acks = true;
    it.port.undelivered = 0;
    rig_add(&it, 0, 0, 1, 500);
    rig_turn(&it, 1);
    weir_error error = {0};
    cr_assert_eq(weir_worker_close_partition(it.worker, 0, false, 0, &error), WEIR_OK);
    it.port.hold_acks = false;
    rig_turn(&it, 2);
    cr_expect_not(rig_has_failed(&it, &error));
    rig_stop(&it);
}

Test(worker, what_an_earlier_life_of_a_lane_has_acknowledged_is_not_this_ones)
{
    start();
    rig_begin(&it, 0, 0, 0, 0);
    it.port.hold_acks = true;
    rig_add(&it, 0, 0, 1, 500);
    rig_turn(&it, 1);
    weir_error error = {0};
    cr_assert_eq(weir_worker_close_partition(it.worker, 0, false, 0, &error), WEIR_OK);
    rig_begin(&it, 0, 0, 0, 0);
    rig_add(&it, 0, 0, 1, 500);
    rig_add(&it, 0, 1, 1, 500);
    rig_turn(&it, 1);
    cr_assert_eq(it.port.sent_count, 3);
    for (size_t i = 1; i < 3; i++)
        it.port.sent[i].acknowledged = true; /* so the first is heard of alone */
    it.port.hold_acks = false;
    rig_turn(&it, 1);
    cr_expect_eq(rig_acked_below(&it, 0), 0);
    it.port.sent[1].acknowledged = it.port.sent[2].acknowledged = false;
    rig_turn(&it, 1);
    cr_expect_eq(rig_acked_below(&it, 0), 2);
    rig_stop(&it);
}

Test(worker, waiting_for_the_producer_is_a_sign_of_life)
{
    start();
    rig_begin(&it, 0, 0, 0, 0);
    it.port.flight_max = 1;
    rig_step_us = 1000;
    int64_t before_us = weir_worker_beat_us(it.worker);
    for (int64_t offset = 0; offset < 50; offset++)
        rig_add(&it, 0, offset, 1, 500);
    rig_turn(&it, 1);
    cr_expect_gt(weir_worker_beat_us(it.worker) - before_us, 49 * 1000, "it beat each time it waited");
    rig_stop(&it);
}

/* ---- the brake ---- */

Test(worker, a_braked_partition_pauses_alone_and_resumes_when_told)
{
    start();
    rig_begin(&it, 0, 0, 0, 0);
    rig_begin(&it, 1, 0, 0, 0);
    for (int64_t offset = 0; offset < 10; offset++)
        rig_add_garbage(&it, 0, offset);
    rig_turn(&it, 1);
    cr_expect_eq(rig_phase(&it, 0), WEIR_PHASE_BRAKED);
    cr_expect_eq(weir_fake_port_count(&it.port, WEIR_OUTPUT_DEAD_LETTERS), 10, "what was here already is set aside");
    rig_add_garbage(&it, 0, 10);
    rig_add(&it, 1, 0, 1, 500);
    rig_turn(&it, 3);
    cr_expect(it.port.held[0]);
    cr_expect_not(it.port.held[1]);
    cr_expect_eq(total(WEIR_METRIC_EVENTS), 11, "what comes after is left where it is");
    cr_expect_eq(total(WEIR_METRIC_EVENTS_SCORED), 1, "the other partition goes on");
    cr_expect_eq(it.port.hold_count, 1, "and is told once");
    weir_worker_resume_partition(it.worker, 1);
    cr_expect_eq(rig_phase(&it, 1), WEIR_PHASE_LIVE);
    weir_worker_resume_partition(it.worker, 0);
    cr_expect_eq(rig_phase(&it, 0), WEIR_PHASE_LIVE);
    cr_expect_not(it.port.held[0]);
    rig_turn(&it, 1);
    cr_expect_eq(total(WEIR_METRIC_EVENTS), 12);
    cr_expect_eq(rig_phase(&it, 0), WEIR_PHASE_LIVE, "it counts anew");
    rig_stop(&it);
}

Test(worker, a_brake_leaves_the_rest_of_a_poll_unread)
{
    start();
    rig_begin(&it, 0, 0, 0, 0);
    enum { COUNT = 500 };
    for (int64_t offset = 0; offset < COUNT; offset++)
        rig_add_garbage(&it, 0, offset);
    rig_turn(&it, 5);
    cr_expect_eq(rig_phase(&it, 0), WEIR_PHASE_BRAKED);
    cr_expect_eq(total(WEIR_METRIC_EVENTS), it.options.batch_events_max, "the batch that tripped it, and no more");
    cr_expect_eq(it.port.unread_count, COUNT - it.options.batch_events_max);
    for (int i = 0; i < COUNT && total(WEIR_METRIC_EVENTS) < COUNT; i++) {
        weir_worker_resume_partition(it.worker, 0);
        rig_turn(&it, 1);
    }
    cr_expect_eq(weir_fake_port_count(&it.port, WEIR_OUTPUT_DEAD_LETTERS), COUNT, "each once");
    rig_stop(&it);
}

Test(worker, a_replay_does_not_brake)
{
    start();
    rig_begin(&it, 0, 0, 12, 12);
    for (int64_t offset = 0; offset < 12; offset++)
        rig_add_garbage(&it, 0, offset);
    rig_turn(&it, 1);
    cr_expect_eq(rig_phase(&it, 0), WEIR_PHASE_LIVE);
    cr_expect_eq(it.port.sent_count, 0);
    rig_stop(&it);
}

/* ---- the disk ---- */

Test(worker, a_failing_store_is_told_and_scoring_goes_on)
{
    start();
    rig_begin(&it, 0, 0, 0, 0);
    rig_turn(&it, 3);
    it.disks[0].commits_to_fail = 1000;
    it.disks[0].failure = WEIR_FULL;
    for (int64_t offset = 0; offset < 5; offset++)
        rig_add(&it, 0, offset, 1, 500);
    weir_worker_committed(it.worker, 0, 5);
    rig_turn(&it, 5);
    cr_expect(atomic_load(&weir_worker_partition(it.worker, 0)->store_failing));
    weir_error error = {0};
    cr_expect_not(rig_has_failed(&it, &error));
    cr_expect_eq(total(WEIR_METRIC_COMMIT_FAILURES), 1, "counted when it begins");
    rig_add(&it, 0, 5, 1, 500);
    rig_turn(&it, 1);
    cr_expect_eq(weir_fake_port_count(&it.port, WEIR_OUTPUT_SCORES), 6);
    cr_expect_eq(rig_acked_below(&it, 0), 6);
    it.disks[0].commits_to_fail = 0;
    rig_monotonic_now_us += 30 * WEIR_US_PER_SECOND;
    weir_worker_committed(it.worker, 0, 6);
    rig_turn(&it, 20);
    rig_monotonic_now_us += 2 * WEIR_US_PER_SECOND; /* gauges are shown once a second */
    rig_turn(&it, 1);
    weir_histogram durations;
    weir_metrics_histogram(it.metrics, WEIR_METRIC_CHECKPOINT_DURATION_SECONDS, &durations);
    cr_expect_gt(weir_histogram_quantile(&durations, 1), 0.0, "its checkpoints are timed");
    cr_expect_not(atomic_load(&weir_worker_partition(it.worker, 0)->store_failing), "it recovers by itself");
    rig_stop(&it);
}

Test(worker, checkpoints_hold_nothing_the_group_has_not_committed)
{
    start();
    rig_begin(&it, 0, 0, 0, 0);
    for (int64_t offset = 0; offset < 8; offset++)
        rig_add(&it, 0, offset, 1, 500);
    rig_turn(&it, 30);
    weir_error error = {0};
    int64_t replay_from = -2;
    cr_assert_eq(weir_worker_close_partition(it.worker, 0, false, 0, &error), WEIR_OK);
    cr_assert_eq(rig_open(&it, 0, &replay_from, &error), WEIR_OK);
    cr_expect_leq(replay_from, 0, "acknowledged, but not committed");
    rig_stop(&it);
}

/* ---- draining ---- */

Test(worker, a_drained_partition_is_durable_as_far_as_it_went)
{
    start();
    rig_begin(&it, 0, 0, 0, 0);
    it.port.hold_acks = true;
    for (int64_t offset = 0; offset < 8; offset++)
        rig_add(&it, 0, offset, 1, 500);
    rig_turn(&it, 1);
    it.port.hold_acks = false;
    weir_error error = {0};
    cr_assert_eq(weir_worker_drain_partition(it.worker, 0, WEIR_US_PER_SECOND, &error), WEIR_OK, "%s", error.message);
    cr_expect_eq(rig_acked_below(&it, 0), 8);
    rig_add(&it, 0, 8, 1, 500);
    rig_turn(&it, 1);
    cr_expect_eq(total(WEIR_METRIC_EVENTS), 8, "it takes no more records");
    cr_assert_eq(weir_worker_close_partition(it.worker, 0, true, 8, &error), WEIR_OK, "%s", error.message);
    int64_t replay_from;
    cr_assert_eq(rig_open(&it, 0, &replay_from, &error), WEIR_OK);
    cr_expect_eq(replay_from, 8);
    rig_stop(&it);
}

Test(worker, a_drain_ends_at_its_timeout_with_what_was_acknowledged)
{
    start();
    rig_begin(&it, 0, 0, 0, 0);
    rig_add(&it, 0, 0, 1, 500);
    rig_turn(&it, 1);
    it.port.hold_acks = true;
    rig_add(&it, 0, 1, 1, 500);
    rig_turn(&it, 1);
    weir_error error = {0};
    cr_expect_eq(weir_worker_drain_partition(it.worker, 0, 10000, &error), WEIR_TEMPORARY);
    cr_expect_eq(rig_acked_below(&it, 0), 1);
    cr_expect_not_null(strstr(error.message, "1 outputs were not acknowledged"), "%s", error.message);
    cr_expect_eq(weir_worker_close_partition(it.worker, 0, true, 1, &error), WEIR_OK);
    int64_t replay_from;
    cr_assert_eq(rig_open(&it, 0, &replay_from, &error), WEIR_OK);
    cr_expect_leq(replay_from, 1, "nothing beyond what was acknowledged is durable");
    rig_stop(&it);
}

Test(worker, closing_what_was_never_begun_writes_no_position)
{
    start();
    int64_t replay_from;
    weir_error error = {0};
    cr_assert_eq(rig_open(&it, 0, &replay_from, &error), WEIR_OK);
    rig_turn(&it, 3);
    cr_expect_eq(weir_worker_close_partition(it.worker, 0, true, 100, &error), WEIR_OK);
    cr_assert_eq(rig_open(&it, 0, &replay_from, &error), WEIR_OK);
    cr_expect_eq(replay_from, -1);
    cr_expect_eq(weir_worker_close_partition(it.worker, 3, true, 0, &error), WEIR_OK, "nor is one not held an error");
    rig_stop(&it);
}

Test(worker, what_is_not_held_cannot_be_drained)
{
    start();
    weir_error error = {0};
    cr_expect_eq(weir_worker_drain_partition(it.worker, 2, 0, &error), WEIR_NOT_FOUND);
    rig_stop(&it);
}

/* ---- memory ---- */

Test(worker, a_full_memory_takes_no_records_until_a_checkpoint_makes_room)
{
    rig_prepare(&it);
    it.options.memory_bytes_max = 8 << 20;
    rig_start(&it);
    rig_begin(&it, 0, 0, 0, 0);
    enum { CARDS = 30000 }; /* several times what fits */
    for (int64_t offset = 0; offset < CARDS; offset++)
        rig_add(&it, 0, offset, (uint64_t)offset, 500);
    rig_turn(&it, 500); /* nothing is committed, and so nothing can become durable */
    weir_error error;
    cr_assert_eq(weir_worker_failure(it.worker, &error), WEIR_OK, "%s", error.message);
    uint64_t taken = total(WEIR_METRIC_EVENTS);
    cr_expect_lt(taken, CARDS / 2);
    cr_expect_gt(total(WEIR_METRIC_MEMORY_WAITS), 100);
    rig_turn(&it, 50);
    cr_expect_eq(total(WEIR_METRIC_EVENTS), taken);
    for (int i = 0; i < 20000 && total(WEIR_METRIC_EVENTS) < CARDS; i++) {
        weir_worker_committed(it.worker, 0, rig_acked_below(&it, 0));
        rig_turn(&it, 1);
    }
    cr_assert_eq(weir_worker_failure(it.worker, &error), WEIR_OK, "%s", error.message);
    cr_expect_eq(total(WEIR_METRIC_EVENTS), CARDS);
    cr_expect_eq(weir_fake_port_count(&it.port, WEIR_OUTPUT_SCORES), CARDS, "each once");
    rig_stop(&it);
}

Test(worker, cold_cards_leave_memory_and_come_back_as_they_were)
{
    rig_prepare(&it);
    it.options.memory_bytes_max = 8 << 20;
    rig_start(&it);
    rig_begin(&it, 0, 0, 0, 0);
    enum { CARDS = 20000 };
    for (int64_t offset = 0; offset < CARDS; offset++)
        rig_add(&it, 0, offset, (uint64_t)offset, 500);
    while (weir_worker_turn(it.worker) > 0)
        weir_worker_committed(it.worker, 0, rig_acked_below(&it, 0));
    for (int i = 0; i < 300; i++) {
        weir_worker_committed(it.worker, 0, rig_acked_below(&it, 0));
        rig_turn(&it, 1);
    }
    cr_assert_gt(total(WEIR_METRIC_EVICTIONS), 1000);
    size_t scores = weir_fake_port_count(&it.port, WEIR_OUTPUT_SCORES);
    cr_assert_eq(scores, CARDS);
    rig_monotonic_now_us += 2 * WEIR_US_PER_SECOND; /* gauges are shown once a second */
    for (int64_t card = 0; card < 64; card++)
        rig_add(&it, 0, CARDS + card, (uint64_t)card, 500);
    rig_turn(&it, 2);
    cr_expect_gt(total(WEIR_METRIC_CARD_LOADS), 0);
    cr_expect_eq(total(WEIR_METRIC_MISSING_FEATURES), CARDS, "each card's first event alone lacks since_last()");
    rig_stop(&it);
}
