/* The group and port faces against the embedded cluster. What it cannot prove (fencing, transactions, read_committed)
 * is in tests/kafka. */
#include "rig.h"

#include "weir/broker/embedded.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

enum { PRODUCE = 0, NOT_ENOUGH_REPLICAS = 19 };

static weir_embedded *embedded;

static void open_cluster(void)
{
    weir_error error = {0};
    cr_assert_eq(weir_embedded_open(3, &embedded, &error), WEIR_OK, "%s", error.message);
    const char *topics[] = {"transactions", "alerts", "transactions.dlq"};
    for (size_t i = 0; i < 3; i++)
        cr_assert_eq(weir_embedded_topic(embedded, topics[i], 8, &error), WEIR_OK, "%s", error.message);
}

static void close_cluster(void)
{
    weir_embedded_close(embedded);
}

TestSuite(broker, .init = open_cluster, .fini = close_cluster, .timeout = 90);

static weir_kafka_options options(size_t worker_count)
{
    return (weir_kafka_options){
        .bootstrap_servers = weir_embedded_bootstrap(embedded),
        .group_id = "weir",
        .input_topic = "transactions",
        .output_topics = {[WEIR_OUTPUT_ALERTS] = "alerts", [WEIR_OUTPUT_DEAD_LETTERS] = "transactions.dlq"},
        .stage_count = 1,
        .worker_count = worker_count,
        .fetch_queue_bytes_max = 64 << 20,
        .session_timeout_us = 6000000,
    };
}

Test(broker, records_arrive_once_in_order_on_their_worker)
{
    rig_fill(weir_embedded_bootstrap(embedded), "transactions", 50);
    rig_member rig;
    rig_open(&rig, options(2));
    RIG_UNTIL(rig_seen(&rig) >= 400, &rig);
    cr_assert_eq(rig_owned(&rig), 8);
    cr_assert_eq(rig_seen(&rig), 400);
    cr_assert_not(rig.disordered);
    cr_assert_eq(rig.errors, 0, "%s", rig.error.message);
    rig_close(&rig);
}

Test(broker, record_carries_key_payload_time_and_headers)
{
    rig_member rig;
    rig_open(&rig, options(1));
    RIG_UNTIL(rig_owned(&rig) == 8, &rig);
    weir_sender *sender;
    weir_error error = {0};
    cr_assert_eq(weir_sender_open(weir_embedded_bootstrap(embedded), "transactions", 0, NULL, 0, &sender, &error),
                 WEIR_OK);
    cr_assert_eq(weir_sender_send(sender, 3, weir_span_text("k"), weir_span_text("v"), INT64_C(1700000000123000)),
                 WEIR_OK);
    weir_port *port = rig.group->ops->port(rig.group, 0);
    weir_record record;
    size_t count = 0;
    for (int i = 0; i < 100 && count == 0; i++)
        count = port->ops->poll(port, &record, 1, 100000);
    cr_assert_eq(count, 1);
    cr_assert_eq(record.partition, 3);
    cr_assert_eq(record.offset, 0);
    cr_assert_eq(record.timestamp_us, INT64_C(1700000000123000));
    cr_assert(weir_span_is(record.key, "k") && weir_span_is(record.payload, "v"));
    cr_assert_eq(port->ops->header(port, &record, "absent").size, 0);
    port->ops->release(port);
    weir_sender_close(sender);
    rig_close(&rig);
}

Test(broker, empty_poll_waits_as_long_as_it_was_told)
{
    rig_member rig;
    rig_open(&rig, options(1));
    RIG_UNTIL(rig_owned(&rig) == 8, &rig);
    weir_port *port = rig.group->ops->port(rig.group, 0);
    weir_record record;
    int64_t begun_us = rig_now_us();
    cr_assert_eq(port->ops->poll(port, &record, 1, 0), 0);
    cr_assert_lt(rig_now_us() - begun_us, 50000);
    begun_us = rig_now_us();
    cr_assert_eq(port->ops->poll(port, &record, 1, 200000), 0);
    cr_assert_geq(rig_now_us() - begun_us, 190000);
    port->ops->release(port);
    rig_close(&rig);
}

Test(broker, acknowledgement_names_output_partition_and_source)
{
    rig_member rig;
    rig_open(&rig, options(2));
    RIG_UNTIL(rig_owned(&rig) == 8, &rig);
    weir_port *port = rig.group->ops->port(rig.group, 1);
    rig_acks acks = {0};
    cr_assert_eq(rig_produce(port, WEIR_OUTPUT_DEAD_LETTERS, 5, INT64_C(1) << 40, "letter"), WEIR_OK);
    rig_await_acks(port, &acks, 1);
    cr_assert(acks.last.delivered);
    cr_assert_eq(acks.last.output, WEIR_OUTPUT_DEAD_LETTERS);
    cr_assert_eq(acks.last.partition, 5);
    cr_assert_eq(acks.last.marker, INT64_C(1) << 40);
    rig_close(&rig);
}

Test(broker, outgoing_headers_reach_the_reader)
{
    rig_member rig;
    rig_open(&rig, options(1));
    RIG_UNTIL(rig_owned(&rig) == 8, &rig);
    weir_port *port = rig.group->ops->port(rig.group, 0);
    weir_header headers[] = {{"__connect.errors.topic", weir_span_text("transactions")}, {"empty", {0}}};
    weir_outgoing outgoing = {.output = WEIR_OUTPUT_DEAD_LETTERS, .partition = 2, .lane = 2, .marker = 1,
                              .payload = weir_span_text("original"), .headers = headers, .header_count = 2};
    rig_acks acks = {0};
    cr_assert_eq(port->ops->produce(port, &outgoing), WEIR_OK);
    rig_await_acks(port, &acks, 1);
    weir_tail *tail;
    weir_record record;
    weir_error error = {0};
    cr_assert_eq(weir_tail_open(weir_embedded_bootstrap(embedded), "transactions.dlq", -2, NULL, 0, &tail, &error),
                 WEIR_OK, "%s", error.message);
    bool found = false;
    for (int i = 0; i < 100 && !found; i++)
        found = weir_tail_next(tail, 100000, &record, NULL);
    cr_assert(found);
    cr_assert_eq(record.partition, 2);
    cr_assert(weir_span_is(record.payload, "original"));
    cr_assert_null(record.key.data);
    cr_assert(weir_span_is(weir_tail_header(tail, "__connect.errors.topic"), "transactions"));
    weir_tail_close(tail);
    rig_close(&rig);
}

Test(broker, bounds_tell_log_ends_and_commit)
{
    rig_fill(weir_embedded_bootstrap(embedded), "transactions", 7);
    rig_member rig;
    rig_open(&rig, options(1));
    RIG_UNTIL(rig_owned(&rig) == 8, &rig);
    int32_t partitions[] = {6, 0, 3};
    weir_lane_commit commits[] = {{.lane = 6, .next_offset = 4}, {.lane = 0, .next_offset = 7},
                                  {.lane = 3, .next_offset = 1}};
    weir_lane_bounds bounds[3];
    weir_error error = {0};
    cr_assert_eq(rig.group->ops->bounds(rig.group, partitions, 3, bounds, &error), WEIR_OK, "%s", error.message);
    cr_assert_eq(bounds[0].committed, WEIR_OFFSET_NONE);
    cr_assert_eq(rig.group->ops->commit(rig.group, commits, 3, true, &error), WEIR_OK, "%s", error.message);
    cr_assert_eq(rig.group->ops->bounds(rig.group, partitions, 3, bounds, &error), WEIR_OK, "%s", error.message);
    for (size_t i = 0; i < 3; i++) {
        cr_assert_eq(bounds[i].log_start, 0);
        cr_assert_eq(bounds[i].log_end, 7);
        cr_assert_eq(bounds[i].committed, commits[i].next_offset);
    }
    rig_close(&rig);
}

Test(broker, bounds_of_a_hundred_partitions_take_few_round_trips)
{
    weir_error error = {0};
    cr_assert_eq(weir_embedded_topic(embedded, "wide", 100, &error), WEIR_OK);
    for (int32_t id = 1; id <= 3; id++)
        weir_embedded_delay(embedded, id, 20);
    weir_kafka_options wide = options(1);
    wide.input_topic = "wide";
    wide.output_topics[WEIR_OUTPUT_ALERTS] = wide.output_topics[WEIR_OUTPUT_DEAD_LETTERS] = NULL;
    rig_member rig;
    rig_open(&rig, wide);
    int32_t partitions[100];
    weir_lane_bounds bounds[100];
    for (int32_t i = 0; i < 100; i++)
        partitions[i] = i;
    RIG_UNTIL(rig_owned(&rig) == 100, &rig);
    int64_t begun_us = rig_now_us();
    cr_assert_eq(rig.group->ops->bounds(rig.group, partitions, 100, bounds, &error), WEIR_OK, "%s", error.message);
    cr_assert_lt(rig_now_us() - begun_us, 1000000, "one partition a call would take 100 x 20 ms at least");
    rig_close(&rig);
}

Test(broker, later_member_resumes_at_the_commit)
{
    rig_fill(weir_embedded_bootstrap(embedded), "transactions", 20);
    rig_member first, second;
    rig_open(&first, options(1));
    RIG_UNTIL(rig_seen(&first) == 160, &first);
    for (int32_t p = 0; p < 8; p++) {
        weir_error error = {0};
        cr_assert_eq(rig_commit_lane(&first, p, 15, &error), WEIR_OK, "%s", error.message);
    }
    rig_close(&first);
    rig_open(&second, options(1));
    RIG_UNTIL(rig_seen(&second) == 40, &second);
    for (int32_t p = 0; p < 8; p++)
        cr_assert_eq(second.seen[p], 5);
    rig_close(&second);
}

Test(broker, last_output_is_the_newest_record_or_nothing)
{
    rig_member rig;
    rig_open(&rig, options(1));
    RIG_UNTIL(rig_owned(&rig) == 8, &rig);
    weir_port *port = rig.group->ops->port(rig.group, 0);
    char text[64];
    rig_last(&rig, WEIR_OUTPUT_ALERTS, 4, NULL, text);
    cr_assert_str_eq(text, "none");
    rig_acks acks = {0};
    for (int i = 0; i < 100; i++) {
        char payload[16];
        snprintf(payload, sizeof payload, "alert %d", i);
        cr_assert_eq(rig_produce(port, WEIR_OUTPUT_ALERTS, 4, i, payload), WEIR_OK);
    }
    rig_await_acks(port, &acks, 100);
    for (int again = 0; again < 3; again++) {
        int64_t begun_us = rig_now_us();
        rig_last(&rig, WEIR_OUTPUT_ALERTS, 4, NULL, text);
        cr_assert_str_eq(text, "alert 99");
        cr_assert_lt(rig_now_us() - begun_us, 3000000);
    }
    rig_close(&rig);
}

Test(broker, last_dead_letter_is_found_by_its_header_even_without_payload)
{
    rig_member rig;
    rig_open(&rig, options(1));
    RIG_UNTIL(rig_owned(&rig) == 8, &rig);
    weir_port *port = rig.group->ops->port(rig.group, 0);
    weir_header header = {"offset", weir_span_text("41")};
    weir_outgoing tombstone = {.output = WEIR_OUTPUT_DEAD_LETTERS, .partition = 1, .lane = 1, .marker = 41,
                               .headers = &header, .header_count = 1};
    rig_acks acks = {0};
    cr_assert_eq(port->ops->produce(port, &tombstone), WEIR_OK);
    rig_await_acks(port, &acks, 1);
    char text[64];
    rig_last(&rig, WEIR_OUTPUT_DEAD_LETTERS, 1, "offset", text);
    cr_assert_str_eq(text, "|41");
    rig_last(&rig, WEIR_OUTPUT_DEAD_LETTERS, 1, "other", text);
    cr_assert_str_eq(text, "");
    rig_close(&rig);
}

Test(broker, lag_is_what_the_broker_last_told)
{
    rig_member rig;
    rig_open(&rig, options(1));
    RIG_UNTIL(rig_owned(&rig) == 8, &rig);
    rig_fill(weir_embedded_bootstrap(embedded), "transactions", 20);
    RIG_UNTIL(rig_seen(&rig) == 160, &rig);
    cr_assert_eq(rig.group->ops->lag(rig.group, 3, 5), 15);
    cr_assert_eq(rig.group->ops->lag(rig.group, 3, 20), 0);
    rig_close(&rig);
}

Test(broker, second_member_takes_half_and_the_rest_stays_put)
{
    rig_fill(weir_embedded_bootstrap(embedded), "transactions", 10);
    rig_member first, second;
    rig_open(&first, options(2));
    first.commit_on_revoke = true;
    RIG_UNTIL(rig_seen(&first) == 80, &first);
    rig_commit(&first);
    rig_open(&second, options(2));
    RIG_UNTIL(rig_owned(&first) == 4 && rig_owned(&second) == 4, &first, &second);
    cr_assert_eq(first.revokes, 1, "cooperative: one revocation, of the moving half only");
    cr_assert_eq(first.losts, 0);
    for (int32_t p = 0; p < 8; p++)
        cr_assert_neq(first.owned[p], second.owned[p]);
    rig_fill(weir_embedded_bootstrap(embedded), "transactions", 5);
    RIG_UNTIL(rig_seen(&first) + rig_seen(&second) >= 120, &first, &second);
    cr_assert_eq(rig_seen(&second), 20, "the second began where the first had committed");
    cr_assert_not(first.disordered || second.disordered);
    rig_close(&second);
    RIG_UNTIL(rig_owned(&first) == 8, &first);
    rig_close(&first);
}

/* One batch in flight a partition: the embedded cluster takes a batch whose predecessor it has just refused, which
 * loses the predecessor; Kafka refuses it out of sequence (tests/kafka, stream_survives_a_killed_broker). */
Test(broker, refused_produces_are_retried_in_order)
{
    rig_member rig;
    rig_open(&rig, options(1));
    RIG_UNTIL(rig_owned(&rig) == 8, &rig);
    weir_port *port = rig.group->ops->port(rig.group, 0);
    rig_acks acks = {0};
    char payload[16];
    for (int i = 0; i < 200; i++) {
        if (i % 40 == 0)
            weir_embedded_fail(embedded, PRODUCE, 2, NOT_ENOUGH_REPLICAS);
        snprintf(payload, sizeof payload, "%d", i);
        cr_assert_eq(rig_produce(port, WEIR_OUTPUT_ALERTS, i % 8, i, payload), WEIR_OK);
        if (i % 8 == 7)
            rig_await_acks(port, &acks, (size_t)i + 1);
    }
    cr_assert_eq(acks.delivered, 200);
    weir_tail *tail;
    weir_record record;
    weir_error error = {0};
    cr_assert_eq(weir_tail_open(weir_embedded_bootstrap(embedded), "alerts", -2, NULL, 0, &tail, &error), WEIR_OK);
    int last[8] = {-1, -1, -1, -1, -1, -1, -1, -1}, count = 0;
    for (bool ended = false; !ended;) {
        if (!weir_tail_next(tail, 1000000, &record, &ended))
            continue;
        snprintf(payload, sizeof payload, "%.*s", WEIR_SPAN_ARGS(record.payload));
        cr_assert_gt(atoi(payload), last[record.partition]);
        last[record.partition] = atoi(payload);
        count++;
    }
    cr_assert_eq(count, 200, "each once, not %d", count);
    weir_tail_close(tail);
    rig_close(&rig);
}

Test(broker, delivery_is_given_up_after_its_time)
{
    weir_kafka_options impatient = options(1);
    impatient.delivery_timeout_us = 1500000;
    rig_member rig;
    rig_open(&rig, impatient);
    RIG_UNTIL(rig_owned(&rig) == 8, &rig);
    weir_port *port = rig.group->ops->port(rig.group, 0);
    for (int32_t id = 1; id <= 3; id++)
        weir_embedded_broker(embedded, id, 0);
    rig_acks acks = {0};
    cr_assert_eq(rig_produce(port, WEIR_OUTPUT_ALERTS, 0, 77, "never"), WEIR_OK);
    rig_await_acks(port, &acks, 1);
    cr_assert_eq(acks.delivered, 0);
    cr_assert_eq(acks.last.marker, 77);
    rig_close(&rig);
}

Test(broker, stream_survives_a_broker_and_a_leader_move)
{
    rig_member rig;
    rig_open(&rig, options(2));
    rig_fill(weir_embedded_bootstrap(embedded), "transactions", 10);
    RIG_UNTIL(rig_seen(&rig) == 80, &rig);
    for (int32_t p = 0; p < 8; p++)
        weir_embedded_leader(embedded, "transactions", p, 1 + p % 2);
    rig_fill(weir_embedded_bootstrap(embedded), "transactions", 10);
    RIG_UNTIL(rig_seen(&rig) == 160, &rig);
    weir_embedded_broker(embedded, 2, 0);
    usleep(300000);
    weir_embedded_broker(embedded, 2, 1);
    rig_fill(weir_embedded_bootstrap(embedded), "transactions", 10);
    RIG_UNTIL(rig_seen(&rig) == 240, &rig);
    cr_assert_not(rig.disordered);
    rig_close(&rig);
}

Test(broker, offset_beyond_the_log_is_an_error_that_names_the_lane)
{
    rig_fill(weir_embedded_bootstrap(embedded), "transactions", 3);
    rig_member rig;
    rig_open(&rig, options(1));
    rig.start_offset = 1000;
    RIG_UNTIL(rig.error.status == WEIR_REFUSED, &rig);
    cr_assert_geq(rig.error_lane, 0);
    cr_assert(strstr(rig.error.message, "transactions ["), "%s", rig.error.message);
    cr_assert_eq(rig_seen(&rig), 0, "an error is not a record");
    rig_close(&rig);
}

Test(broker, held_lane_is_silent_and_loses_nothing)
{
    rig_member rig;
    rig_open(&rig, options(1));
    RIG_UNTIL(rig_owned(&rig) == 8, &rig);
    weir_port *port = rig.group->ops->port(rig.group, 0);
    port->ops->hold(port, 2, true);
    rig_fill(weir_embedded_bootstrap(embedded), "transactions", 10);
    RIG_UNTIL(rig_seen(&rig) == 70, &rig);
    for (int i = 0; i < 100; i++)
        rig_turn(&rig);
    cr_assert_eq(rig.seen[2], 0);
    port->ops->hold(port, 2, false);
    RIG_UNTIL(rig.seen[2] == 10, &rig);
    cr_assert_not(rig.disordered);
    rig_close(&rig);
}

Test(broker, queue_that_is_full_says_so_and_recovers)
{
    rig_member rig;
    rig_open(&rig, options(1));
    RIG_UNTIL(rig_owned(&rig) == 8, &rig);
    weir_port *port = rig.group->ops->port(rig.group, 0);
    for (int32_t id = 1; id <= 3; id++)
        weir_embedded_broker(embedded, id, 0);
    weir_status status = WEIR_OK;
    size_t accepted = 0;
    while (status == WEIR_OK && accepted <= 200000)
        if ((status = rig_produce(port, WEIR_OUTPUT_ALERTS, 0, (int64_t)accepted, "x")) == WEIR_OK)
            accepted++;
    cr_assert_eq(status, WEIR_FULL);
    for (int32_t id = 1; id <= 3; id++)
        weir_embedded_broker(embedded, id, 1);
    rig_acks acks = {0};
    rig_await_acks(port, &acks, accepted);
    cr_assert_eq(acks.delivered, accepted);
    cr_assert_eq(rig_produce(port, WEIR_OUTPUT_ALERTS, 0, 1, "x"), WEIR_OK);
    rig_close(&rig);
}

Test(broker, backlog_counts_what_waits)
{
    rig_member rig;
    rig_open(&rig, options(1));
    RIG_UNTIL(rig_owned(&rig) == 8, &rig);
    rig_fill(weir_embedded_bootstrap(embedded), "transactions", 100);
    uint64_t records = 0, bytes = 0;
    for (int i = 0; i < 3000 && records < 800; i++) {
        usleep(10000);
        rig.group->ops->backlog(rig.group, &records, &bytes);
    }
    /* Librdkafka counts what it has to say about a partition's fetching along with the records: one each at most. */
    cr_assert_geq(records, 800);
    cr_assert_leq(records, 808);
    cr_assert_geq(bytes, 800 * 300);
    rig_close(&rig);
}

Test(broker, closing_with_borrowed_records_and_unsent_alerts_does_not_hang)
{
    rig_fill(weir_embedded_bootstrap(embedded), "transactions", 10);
    rig_member rig;
    rig_open(&rig, options(2));
    RIG_UNTIL(rig_owned(&rig) == 8, &rig);
    weir_port *port = rig.group->ops->port(rig.group, 0);
    weir_record records[16];
    port->ops->release(port);
    port->ops->poll(port, records, 16, 1000000);
    for (int32_t id = 1; id <= 3; id++)
        weir_embedded_broker(embedded, id, 0);
    cr_assert_eq(rig_produce(port, WEIR_OUTPUT_ALERTS, 0, 1, "unsent"), WEIR_OK);
    int64_t begun_us = rig_now_us();
    rig.group->ops->close(rig.group, 1000000);
    cr_assert_lt(rig_now_us() - begun_us, 10000000);
}

Test(broker, closing_within_a_rebalance_does_not_hang)
{
    rig_member rig;
    rig_open(&rig, options(1));
    weir_group_event event = {0};
    for (int i = 0; i < 1000 && event.kind != WEIR_GROUP_ASSIGN; i++)
        cr_assert_eq(rig.group->ops->poll(rig.group, 100000, &event), WEIR_OK);
    cr_assert_eq(event.kind, WEIR_GROUP_ASSIGN);
    weir_error error = {0};
    cr_assert_eq(rig.group->ops->start(rig.group, event.lanes[0], 0, 0, &error), WEIR_OK);
    int64_t begun_us = rig_now_us();
    rig.group->ops->close(rig.group, 2000000);
    cr_assert_lt(rig_now_us() - begun_us, 10000000);
}

Test(broker, cluster_is_described)
{
    rig_member rig;
    rig_open(&rig, options(1));
    RIG_UNTIL(rig_owned(&rig) == 8, &rig);
    cr_assert_gt(strlen(rig.shape.cluster_id), 0);
    cr_assert_eq(rig.shape.partition_count, 8);
    cr_assert_eq(rig.shape.stage_count, 1);
    cr_assert_not(rig.shape.has_labels);
    rig_close(&rig);
}

typedef struct heard { /* lines of librdkafka's that warn of a property's use */
    atomic_int of_ours, of_the_users, ours_told_as_warnings;
} heard;

static void hear_line(void *context, int level, const char *facility, const char *text)
{
    enum { SYSLOG_WARNING = 4 };
    heard *it = context;
    if (strcmp(facility, "CONFWARN") != 0)
        return;
    if (strstr(text, "property enable.gapless.guarantee "))
        atomic_fetch_add(level <= SYSLOG_WARNING ? &it->ours_told_as_warnings : &it->of_ours, 1);
    else if (strstr(text, "socket.blocking.max.ms") && level <= SYSLOG_WARNING)
        atomic_fetch_add(&it->of_the_users, 1);
}

/* What weir sets on purpose is no news; what a user sets is. */
Test(broker, only_properties_of_the_user_are_warned_of)
{
    static heard it;
    const weir_kafka_property deprecated = {"socket.blocking.max.ms", "500"};
    weir_kafka_options telling = options(1);
    telling.log = hear_line;
    telling.log_context = &it;
    telling.producer_properties = &deprecated;
    telling.producer_property_count = 1;
    rig_member rig;
    rig_open(&rig, telling);
    RIG_UNTIL(rig_owned(&rig) == 8, &rig);
    rig_close(&rig);
    cr_expect_gt(atomic_load(&it.of_ours), 0);
    cr_expect_gt(atomic_load(&it.of_the_users), 0);
    cr_expect_eq(atomic_load(&it.ours_told_as_warnings), 0);
}

Test(broker, output_with_other_partition_count_is_refused)
{
    weir_error error = {0};
    weir_group *group = NULL;
    cr_assert_eq(weir_embedded_topic(embedded, "narrow", 2, &error), WEIR_OK);
    weir_kafka_options wrong = options(1);
    wrong.output_topics[WEIR_OUTPUT_ALERTS] = "narrow";
    cr_assert_eq(weir_kafka_open(&wrong, &group, &error), WEIR_REFUSED);
    cr_assert(strstr(error.message, "narrow has 2 partitions"), "%s", error.message);
    cr_assert_null(group);
}

Test(broker, no_broker_is_temporary)
{
    for (int32_t id = 1; id <= 3; id++)
        weir_embedded_broker(embedded, id, 0);
    weir_kafka_options lonely = options(1);
    weir_group *group = NULL;
    weir_error error = {0};
    cr_assert_eq(weir_kafka_open(&lonely, &group, &error), WEIR_TEMPORARY, "%s", error.message);
    cr_assert_null(group);
}
