/* One member of the group, step by step: what it refuses, what it tells, how it ends. */
#include "sim/sim_broker.h"
#include "support/fake_store.h"

#include "weir/app/service.h"
#include "weir/base/units.h"
#include "weir/log/log.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { STREAM_EVENTS = 200, PAYLOAD_MAX = 256 };

static const char *const TOPICS[] = {"transactions"};

static int64_t now_us = 1;

static int64_t wall_us(const weir_clock *clock)
{
    (void)clock;
    return INT64_C(1800000000) * WEIR_US_PER_SECOND + now_us;
}

static int64_t monotonic_us(const weir_clock *clock)
{
    (void)clock;
    return now_us;
}

static const weir_clock CLOCK = {.wall_us = wall_us, .monotonic_us = monotonic_us};

typedef struct member {
    sim_cluster cluster;
    weir_fake_disk disks[SIM_PARTITIONS];
    weir_rules rules;
    weir_group *group;
    weir_metrics *metrics;
    weir_service *service;
    _Atomic bool stop;
} member;

static member it;

static weir_status open_disk(void *context, const char *topic, int32_t partition, weir_store **store_out,
                             weir_error *error)
{
    (void)context, (void)topic, (void)error;
    *store_out = weir_fake_store_open(&it.disks[partition]);
    return WEIR_OK;
}

static void add_event(int32_t partition, uint64_t number)
{
    char id[32], token[32];
    snprintf(id, sizeof id, "t-%" PRIu64, number);
    snprintf(token, sizeof token, "card-%" PRIu64, number % 13);
    weir_transaction_fields fields = {
        .transaction_id = weir_span_text(id),
        .card_token = weir_span_text(token),
        .currency = weir_span_text("EUR"),
        .event_time_us = (INT64_C(1700000000) + (int64_t)number) * WEIR_US_PER_SECOND,
        .amount_minor = 500 + (int64_t)(number % 5) * 50000,
    };
    uint8_t bytes[PAYLOAD_MAX];
    weir_writer writer = weir_writer_of(bytes, sizeof bytes);
    weir_transaction_encode(&fields, &writer);
    cr_assert_not(writer.failed);
    sim_log_add(&it.cluster.lanes[partition].log, weir_span_of(bytes, writer.used), "");
}

static void open_member(void)
{
    weir_error error = {0};
    weir_log_options log = {.file = open("/dev/null", O_WRONLY), .level = WEIR_LOG_ERROR, .format = WEIR_LOG_TEXT};
    weir_log_setup(&log);
    cr_assert_eq(weir_rules_open(WEIR_SOURCE_DIR "/tests/sim/model.json", NULL, 0, &it.rules, &error), WEIR_OK);
    sim_cluster_init(&it.cluster, 7, 1, false);
    for (int p = 0; p < SIM_PARTITIONS; p++)
        weir_fake_disk_init(&it.disks[p]);
}

static void open_service_of(int64_t commit_interval_us)
{
    weir_error error = {0};
    cr_assert_eq(weir_metrics_open(2, &it.metrics, &error), WEIR_OK);
    it.group = sim_group_open(&it.cluster, 0, 1);
    weir_service_options options = {
        .group = it.group,
        .rules = &it.rules,
        .worker = {.stage_topics = TOPICS,
                   .batch_events_max = 64,
                   .limits = {.framing = WEIR_FRAMING_RAW},
                   .brake_window = 20,
                   .brake_share_max = 0.5,
                   .memory_bytes_max = 64 << 20,
                   .state = {.identity = {.horizon_us = weir_plan_horizon_us(it.rules.plan)},
                             .sweep_interval_us = WEIR_US_PER_SECOND},
                   .open_store = open_disk,
                   .emitter = {.input_topic = "transactions", .group_id = "sim", .enabled = {true, true, true},
                               .framing = WEIR_FRAMING_RAW},
                   .clock = &CLOCK},
        .worker_count = 1,
        .threadless = true,
        .state_dir = "disk",
        .commit_interval_us = commit_interval_us,
        .drain_timeout_us = WEIR_US_PER_SECOND,
        .metrics = it.metrics,
        .stop = &it.stop,
    };
    cr_assert_eq(weir_service_open(&options, &it.service, &error), WEIR_OK, "%s", error.message);
}

static void open_service(void)
{
    open_service_of(10 * WEIR_US_PER_MS);
}

static void close_service(void)
{
    weir_service_close(it.service);
    weir_metrics_close(it.metrics);
}

static void close_member(void)
{
    sim_cluster_deinit(&it.cluster);
    for (int p = 0; p < SIM_PARTITIONS; p++)
        weir_fake_disk_deinit(&it.disks[p]);
    weir_rules_close(&it.rules);
}

/* Steps and turns; the first status that is not WEIR_OK ends it. */
static weir_status go_on(int steps, weir_error *error)
{
    weir_status status = WEIR_OK;
    for (int i = 0; i < steps && status == WEIR_OK; i++) {
        now_us += 5 * WEIR_US_PER_MS;
        status = weir_service_step(it.service, 0, error);
        weir_worker_turn(weir_service_worker(it.service, 0));
    }
    return status;
}

static void begin(void)
{
    weir_error error = {0};
    cr_assert_eq(weir_service_begin(it.service, &error), WEIR_OK, "%s", error.message);
}

static bool is_ready(char reasons[1024])
{
    return weir_service_ready(it.service, reasons, 1024);
}

Test(service, is_ready_once_it_is_in_the_group_and_says_why_not_before)
{
    open_member();
    open_service();
    char reasons[1024];
    cr_expect_not(is_ready(reasons));
    cr_expect_str_eq(reasons, "[\"not yet in the consumer group\"]");
    begin();
    cr_expect_not(is_ready(reasons));
    weir_error error = {0};
    cr_assert_eq(go_on(400, &error), WEIR_OK, "%s", error.message);
    cr_expect(is_ready(reasons));
    cr_expect_str_eq(reasons, "[]");
    cr_expect(weir_service_alive(it.service));
    close_service();
    close_member();
}

Test(service, works_the_stream_off_and_commits_it)
{
    open_member();
    for (uint64_t i = 0; i < STREAM_EVENTS; i++)
        add_event((int32_t)(i % SIM_PARTITIONS), i);
    open_service();
    begin();
    weir_error error = {0};
    cr_assert_eq(go_on(1000, &error), WEIR_OK, "%s", error.message);
    for (int p = 0; p < SIM_PARTITIONS; p++) {
        cr_expect_eq(it.cluster.lanes[p].committed, STREAM_EVENTS / SIM_PARTITIONS);
        cr_expect_eq(it.cluster.outputs[WEIR_OUTPUT_SCORES][p].count, STREAM_EVENTS / SIM_PARTITIONS);
    }
    close_service();
    close_member();
}

/* What a checkpoint may hold is committed first: one that is late does not wait for the interval's end, one that is not
 * does. */
Test(service, a_late_checkpoint_commits_ahead_of_the_interval)
{
    open_member();
    for (uint64_t i = 0; i < STREAM_EVENTS; i++)
        add_event((int32_t)(i % SIM_PARTITIONS), i);
    open_service_of(WEIR_US_PER_HOUR);
    begin();
    weir_error error = {0};
    int64_t begun_us = now_us;
    while (now_us - begun_us < WEIR_US_PER_SECOND - 100 * WEIR_US_PER_MS)
        cr_assert_eq(go_on(1, &error), WEIR_OK, "%s", error.message);
    for (int p = 0; p < SIM_PARTITIONS; p++) {
        cr_expect_eq(it.cluster.outputs[WEIR_OUTPUT_SCORES][p].count, STREAM_EVENTS / SIM_PARTITIONS);
        cr_expect_lt(it.cluster.lanes[p].committed, STREAM_EVENTS / SIM_PARTITIONS, "no checkpoint is late");
    }
    while (now_us - begun_us < 4 * WEIR_US_PER_SECOND)
        cr_assert_eq(go_on(1, &error), WEIR_OK, "%s", error.message);
    uint64_t writes[SIM_PARTITIONS];
    for (int p = 0; p < SIM_PARTITIONS; p++) {
        cr_expect_eq(it.cluster.lanes[p].committed, STREAM_EVENTS / SIM_PARTITIONS);
        weir_state_stats stats;
        weir_state_stats_read(weir_worker_partition(weir_service_worker(it.service, 0), p)->state, &stats);
        cr_expect_eq(stats.replay_from, STREAM_EVENTS / SIM_PARTITIONS, "and the checkpoint is durable");
        writes[p] = it.disks[p].commit_count;
    }
    cr_assert_eq(go_on(1000, &error), WEIR_OK, "%s", error.message);
    for (int p = 0; p < SIM_PARTITIONS; p++)
        cr_expect_eq(it.disks[p].commit_count, writes[p], "and then there is quiet");
    close_service();
    close_member();
}

Test(service, a_braked_partition_makes_it_unready_until_an_operator_resumes_it)
{
    open_member();
    for (int i = 0; i < 20; i++)
        sim_log_add(&it.cluster.lanes[1].log, weir_span_text("garbage"), "");
    open_service();
    begin();
    weir_error error = {0};
    cr_assert_eq(go_on(1000, &error), WEIR_OK, "%s", error.message);
    char reasons[1024];
    cr_expect_not(is_ready(reasons));
    cr_expect_not_null(strstr(reasons, "partition 1 is paused"), "%s", reasons);
    cr_expect_not_null(strstr(reasons, "POST /admin/resume"), "%s", reasons);
    cr_expect(weir_service_alive(it.service), "it is not dead: a restart would not help");
    for (uint64_t i = 0; i < 50; i++)
        add_event(1, i);
    for (int i = 0; i < 20 && !is_ready(reasons); i++) { /* each time a few more of the twenty are worked off */
        weir_service_resume(it.service);
        cr_assert_eq(go_on(400, &error), WEIR_OK, "%s", error.message);
    }
    cr_expect(is_ready(reasons), "%s", reasons);
    cr_expect_eq(it.cluster.outputs[WEIR_OUTPUT_SCORES][1].count, 50);
    close_service();
    close_member();
}

Test(service, a_disk_that_cannot_be_written_makes_it_unready_and_it_goes_on)
{
    open_member();
    open_service();
    begin();
    weir_error error = {0};
    cr_assert_eq(go_on(300, &error), WEIR_OK, "%s", error.message);
    it.disks[2].commits_to_fail = 1000000;
    for (uint64_t i = 0; i < 50; i++)
        add_event(2, i);
    cr_assert_eq(go_on(1000, &error), WEIR_OK, "%s", error.message);
    char reasons[1024];
    cr_expect_not(is_ready(reasons));
    cr_expect_not_null(strstr(reasons, "partition 2: checkpoints cannot be written"), "%s", reasons);
    cr_expect_eq(it.cluster.outputs[WEIR_OUTPUT_SCORES][2].count, 50);
    it.disks[2].commits_to_fail = 0;
    cr_assert_eq(go_on(4000, &error), WEIR_OK, "%s", error.message);
    cr_expect(is_ready(reasons), "%s", reasons);
    close_service();
    close_member();
}

Test(service, a_topic_recreated_under_its_group_is_refused)
{
    open_member();
    it.cluster.lanes[3].committed = 10; /* and the log is empty */
    open_service();
    begin();
    weir_error error = {0};
    cr_expect_eq(go_on(5, &error), WEIR_REFUSED);
    cr_expect_not_null(strstr(error.message, "transactions partition 3"), "%s", error.message);
    close_service();
    close_member();
}

Test(service, an_output_topic_that_others_write_to_is_refused)
{
    open_member();
    sim_log_add(&it.cluster.outputs[WEIR_OUTPUT_ALERTS][0], weir_span_text("{\"hello\": 1}"), "");
    open_service();
    begin();
    weir_error error = {0};
    cr_expect_eq(go_on(5, &error), WEIR_REFUSED);
    cr_expect_not_null(strstr(error.message, "the alerts topic, partition 0"), "%s", error.message);
    cr_expect_not_null(strstr(error.message, "an output topic of its own"), "%s", error.message);
    close_service();
    close_member();
}

Test(service, a_dead_letter_without_its_offset_is_refused_too)
{
    static const char *const NOT_OFFSETS[] = {"", "12x", "-3", "99999999999999999999999999"};
    for (size_t i = 0; i < sizeof NOT_OFFSETS / sizeof *NOT_OFFSETS; i++) {
        open_member();
        sim_log_add(&it.cluster.outputs[WEIR_OUTPUT_DEAD_LETTERS][0], weir_span_text("?"), NOT_OFFSETS[i]);
        open_service();
        begin();
        weir_error error = {0};
        cr_expect_eq(go_on(5, &error), WEIR_REFUSED, "\"%s\"", NOT_OFFSETS[i]);
        close_service();
        close_member();
    }
}

Test(service, a_drain_leaves_nothing_to_replay)
{
    open_member();
    for (uint64_t i = 0; i < STREAM_EVENTS; i++)
        add_event((int32_t)(i % SIM_PARTITIONS), i);
    open_service();
    begin();
    weir_error error = {0};
    cr_assert_eq(go_on(1000, &error), WEIR_OK, "%s", error.message);
    /* The simulated coordinator refuses one commit in ten; a drain that meets that only leaves more to replay. */
    weir_service_drain(it.service);
    close_service();
    for (int p = 0; p < SIM_PARTITIONS; p++)
        it.cluster.lanes[p].owner = -1;
    open_service();
    begin();
    cr_assert_eq(go_on(200, &error), WEIR_OK, "%s", error.message);
    cr_expect_eq(weir_metrics_total(it.metrics, WEIR_METRIC_REPLAYED_EVENTS), 0);
    cr_expect_eq(weir_metrics_total(it.metrics, WEIR_METRIC_EVENTS), 0);
    close_service();
    close_member();
}

static weir_status refuse(weir_port *port, const weir_outgoing *outgoing)
{
    (void)port, (void)outgoing;
    return WEIR_FENCED;
}

Test(service, a_worker_that_fails_ends_it_with_the_reason)
{
    open_member();
    for (uint64_t i = 0; i < 10; i++)
        add_event(0, i);
    open_service();
    begin();
    weir_error error = {0};
    cr_assert_eq(weir_service_step(it.service, 0, &error), WEIR_OK);
    weir_port *port = it.group->ops->port(it.group, 0);
    weir_port_ops ops = *port->ops;
    ops.produce = refuse;
    port->ops = &ops;
    cr_expect_eq(go_on(100, &error), WEIR_FENCED);
    cr_expect_not_null(strstr(error.message, "partition 0, offset 0"), "%s", error.message);
    cr_expect_leq(it.cluster.lanes[0].committed, 0, "the record whose output was refused is not committed");
    close_service();
    close_member();
}
