/* The broker module against Apache Kafka: what the embedded cluster cannot prove. Run by broker_kafka_test.sh, which
 * starts a node and sets WEIR_TEST_BOOTSTRAP, WEIR_TEST_KAFKA_SH and WEIR_TEST_KAFKA_DIR. Every test has its own
 * topics. */
#include "unit/broker/rig.h"

#include <librdkafka/rdkafka.h>
#include <stdlib.h>
#include <unistd.h>

static char input[64], alerts[64], letters[64], stage[64], labels[64], clock_topic[64], group_id[64];
static rd_kafka_t *raw; /* a plain producer handle, for administration */

static const char *bootstrap(void)
{
    const char *address = getenv("WEIR_TEST_BOOTSTRAP");
    cr_assert(address, "run this through broker_kafka_test.sh");
    return address;
}

static rd_kafka_t *raw_producer(const char *transactional_id)
{
    char text[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "bootstrap.servers", bootstrap(), text, sizeof text);
    rd_kafka_conf_set(conf, "linger.ms", "0", text, sizeof text);
    if (transactional_id)
        rd_kafka_conf_set(conf, "transactional.id", transactional_id, text, sizeof text);
    rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof text);
    cr_assert(rk, "%s", text);
    return rk;
}

static void make_topic_with(const char *topic, int partition_count, const char *setting, const char *value)
{
    char text[256];
    rd_kafka_NewTopic_t *wanted = rd_kafka_NewTopic_new(topic, partition_count, 1, text, sizeof text);
    if (setting)
        rd_kafka_NewTopic_set_config(wanted, setting, value);
    rd_kafka_queue_t *queue = rd_kafka_queue_new(raw);
    rd_kafka_CreateTopics(raw, &wanted, 1, NULL, queue);
    rd_kafka_event_t *event = rd_kafka_queue_poll(queue, 20000);
    cr_assert(event && !rd_kafka_event_error(event), "creating %s", topic);
    rd_kafka_event_destroy(event);
    rd_kafka_queue_destroy(queue);
    rd_kafka_NewTopic_destroy(wanted);
    usleep(200000);
}

static void make_topic(const char *topic, int partition_count)
{
    make_topic_with(topic, partition_count, NULL, NULL);
}

/* Deletes a partition's records below `offset`, as retention does. */
static void delete_below(const char *topic, int32_t partition, int64_t offset)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, topic, partition)->offset = offset;
    rd_kafka_DeleteRecords_t *wanted = rd_kafka_DeleteRecords_new(list);
    rd_kafka_queue_t *queue = rd_kafka_queue_new(raw);
    rd_kafka_DeleteRecords(raw, &wanted, 1, NULL, queue);
    rd_kafka_event_t *event = rd_kafka_queue_poll(queue, 20000);
    cr_assert(event && !rd_kafka_event_error(event), "deleting records of %s", topic);
    rd_kafka_event_destroy(event);
    rd_kafka_queue_destroy(queue);
    rd_kafka_DeleteRecords_destroy(wanted);
    rd_kafka_topic_partition_list_destroy(list);
}

static void name_topics(void)
{
    long id = (long)getpid();
    snprintf(input, sizeof input, "transactions-%ld", id);
    snprintf(alerts, sizeof alerts, "alerts-%ld", id);
    snprintf(letters, sizeof letters, "dlq-%ld", id);
    snprintf(stage, sizeof stage, "stage-%ld", id);
    snprintf(labels, sizeof labels, "labels-%ld", id);
    snprintf(clock_topic, sizeof clock_topic, "clock-%ld", id);
    snprintf(group_id, sizeof group_id, "group-%ld", id);
    raw = raw_producer(NULL);
    make_topic(input, 4);
}

static void forget_topics(void)
{
    rd_kafka_destroy(raw);
}

TestSuite(kafka, .init = name_topics, .fini = forget_topics, .timeout = 120);

static weir_kafka_options options(size_t worker_count)
{
    return (weir_kafka_options){
        .bootstrap_servers = bootstrap(),
        .group_id = group_id,
        .input_topic = input,
        .output_topics = {[WEIR_OUTPUT_ALERTS] = alerts, [WEIR_OUTPUT_DEAD_LETTERS] = letters},
        .stage_count = 1,
        .worker_count = worker_count,
        .create_topics = true,
        .replication_factor = 1,
        .fetch_queue_bytes_max = 64 << 20,
        .session_timeout_us = 3000000,
    };
}

/* Two stages and labels. */
static weir_kafka_options staged(size_t worker_count)
{
    weir_kafka_options two = options(worker_count);
    two.stage_count = 2;
    two.stage_topics[1] = stage;
    two.stage_retention_us = INT64_C(30) * 24 * 3600 * 1000000;
    two.labels_topic = labels;
    two.clock_topic = clock_topic;
    return two;
}

static void run_script(const char *command)
{
    char line[512];
    snprintf(line, sizeof line, "%s %s %s >/dev/null", getenv("WEIR_TEST_KAFKA_SH"), command,
             getenv("WEIR_TEST_KAFKA_DIR"));
    cr_assert_eq(system(line), 0, "%s", line);
}

/* Writes `count` records to a partition in one transaction, then commits or aborts it. */
static void transact(rd_kafka_t *producer, const char *topic, int32_t partition, const char *payload, int count,
                     bool commit)
{
    cr_assert_null(rd_kafka_begin_transaction(producer));
    for (int i = 0; i < count; i++)
        cr_assert_eq(rd_kafka_producev(producer, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_PARTITION(partition),
                                       RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
                                       RD_KAFKA_V_VALUE((void *)(uintptr_t)payload, strlen(payload)), RD_KAFKA_V_END),
                     RD_KAFKA_RESP_ERR_NO_ERROR);
    rd_kafka_flush(producer, 10000);
    rd_kafka_error_t *error =
        commit ? rd_kafka_commit_transaction(producer, 20000) : rd_kafka_abort_transaction(producer, 20000);
    cr_assert_null(error, "%s", rd_kafka_error_string(error));
}

Test(kafka, missing_input_and_outputs_are_refused_or_made)
{
    weir_group *group = NULL;
    weir_error error = {0};
    weir_kafka_options strict = options(1);
    strict.create_topics = false;
    cr_assert_eq(weir_kafka_open(&strict, &group, &error), WEIR_NOT_FOUND);
    cr_assert(strstr(error.message, alerts) && strstr(error.message, "4 partitions"), "%s", error.message);
    strict.input_topic = "no-such-topic";
    cr_assert_eq(weir_kafka_open(&strict, &group, &error), WEIR_NOT_FOUND);
    cr_assert(strstr(error.message, "no-such-topic"), "%s", error.message);
    weir_kafka_options making = options(1);
    cr_assert_eq(weir_kafka_open(&making, &group, &error), WEIR_OK, "%s", error.message);
    group->ops->close(group, 1000000);
    strict = options(1);
    strict.create_topics = false;
    cr_assert_eq(weir_kafka_open(&strict, &group, &error), WEIR_OK, "the outputs now exist: %s", error.message);
    weir_shape shape;
    cr_assert_eq(group->ops->describe(group, &shape, &error), WEIR_OK);
    cr_assert_eq(shape.partition_count, 4);
    cr_assert_gt(strlen(shape.cluster_id), 0);
    group->ops->close(group, 1000000);
}

Test(kafka, records_flow_alerts_are_acknowledged_and_a_successor_resumes)
{
    rig_fill(bootstrap(), input, 1000);
    rig_member rig, successor;
    rig_open(&rig, options(2));
    rig.commit_on_revoke = true;
    RIG_UNTIL(rig_seen(&rig) == 4000, &rig);
    cr_assert_not(rig.disordered);
    weir_port *port = rig.group->ops->port(rig.group, 0);
    rig_acks acks = {0};
    for (int i = 0; i < 500; i++)
        cr_assert_eq(rig_produce(port, WEIR_OUTPUT_ALERTS, i % 4, i, i < 499 ? "alert" : "the last"), WEIR_OK);
    rig_await_acks(port, &acks, 500);
    cr_assert_eq(acks.delivered, 500);
    char text[64];
    weir_error error = {0};
    int64_t begun_us = rig_now_us();
    rig_last(&rig, WEIR_OUTPUT_ALERTS, 3, NULL, text);
    cr_assert_str_eq(text, "the last");
    cr_assert_lt(rig_now_us() - begun_us, 2000000);
    weir_lane_commit commits[] = {{.lane = 0, .next_offset = 1000}, {.lane = 1, .next_offset = 1000},
                                  {.lane = 2, .next_offset = 990}, {.lane = 3, .next_offset = 1000}};
    cr_assert_eq(rig.group->ops->commit(rig.group, commits, 4, false, &error), WEIR_OK);
    rig_turn(&rig);
    cr_assert_eq(rig.group->ops->commit(rig.group, commits, 4, true, &error), WEIR_OK, "%s", error.message);
    rig_close(&rig);
    rig_open(&successor, options(1));
    RIG_UNTIL(rig_seen(&successor) == 10, &successor);
    cr_assert_eq(successor.seen[2], 10);
    rig_close(&successor);
}

/* Left to itself librdkafka sleeps for up to a second once all its queues are full, however soon they are emptied. */
Test(kafka, full_queues_are_filled_again_at_once)
{
    enum { EACH = 50000, PARTITIONS = 4, BUSY_EACH = 20000, VAIN_MAX = 2 };
    rig_fill(bootstrap(), input, EACH);
    weir_kafka_options small = options(1);
    small.fetch_queue_bytes_max = 1 << 20; /* a thousand records a lane */
    rig_member rig;
    rig_open(&rig, small);
    RIG_UNTIL(rig_seen(&rig) > 0, &rig);
    int vain = 0;
    uint64_t busy_at = 0;
    for (uint64_t seen; (seen = rig_seen(&rig)) < PARTITIONS * EACH && vain <= VAIN_MAX;) {
        if (seen >= busy_at) { /* time for the queues to become full */
            usleep(200000);
            busy_at = seen + BUSY_EACH;
        }
        rig_take(&rig, 0, 200000);
        vain += rig_seen(&rig) == seen;
    }
    cr_assert_leq(vain, VAIN_MAX, "%d times nothing came for 0.2 s; %d of %d records came", vain, (int)rig_seen(&rig),
                  PARTITIONS * EACH);
    rig_close(&rig);
}

Test(kafka, closing_leaves_the_group_at_once)
{
    weir_kafka_options patient = options(2);
    patient.session_timeout_us = 40000000;
    for (int round = 0; round < 3; round++) {
        rig_member leaver, heir;
        rig_open(&leaver, patient);
        RIG_UNTIL(rig_owned(&leaver) == 4, &leaver);
        rig_open(&heir, patient);
        if (round == 1)
            RIG_UNTIL(rig_owned(&leaver) == 2 && rig_owned(&heir) == 2, &leaver, &heir);
        if (round == 2)
            rig_fill(bootstrap(), input, 100);
        int64_t begun_us = rig_now_us();
        rig_close(&leaver);
        cr_assert_lt(rig_now_us() - begun_us, 2000000);
        RIG_UNTIL(rig_owned(&heir) == 4, &heir);
        cr_assert_lt(rig_now_us() - begun_us, 10000000, "the heir waited for a session to time out");
        rig_close(&heir);
    }
}

Test(kafka, three_members_share_and_survive_departures)
{
    rig_fill(bootstrap(), input, 100);
    rig_member a, b, c;
    rig_open(&a, options(1));
    a.commit_on_revoke = true;
    RIG_UNTIL(rig_seen(&a) == 400, &a);
    rig_open(&b, options(1));
    b.commit_on_revoke = true;
    RIG_UNTIL(rig_owned(&a) == 2 && rig_owned(&b) == 2, &a, &b);
    rig_open(&c, options(1));
    RIG_UNTIL(rig_owned(&a) + rig_owned(&b) == 3 && rig_owned(&c) == 1, &a, &b, &c);
    cr_assert_leq(a.revokes, 2);
    rig_fill(bootstrap(), input, 10);
    RIG_UNTIL(rig_seen(&a) + rig_seen(&b) + rig_seen(&c) == 440, &a, &b, &c);
    rig_close(&b);
    RIG_UNTIL(rig_owned(&a) + rig_owned(&c) == 4, &a, &c);
    rig_close(&c);
    RIG_UNTIL(rig_owned(&a) == 4, &a);
    cr_assert_eq(a.losts, 0);
    cr_assert_not(a.disordered);
    rig_close(&a);
}

Test(kafka, bounds_of_a_hundred_partitions_take_few_round_trips)
{
    char wide[80];
    snprintf(wide, sizeof wide, "%s-wide", input);
    make_topic(wide, 100);
    rig_fill(bootstrap(), wide, 3);
    weir_kafka_options one = options(1);
    one.input_topic = wide;
    one.output_topics[WEIR_OUTPUT_ALERTS] = one.output_topics[WEIR_OUTPUT_DEAD_LETTERS] = NULL;
    rig_member rig;
    rig_open(&rig, one);
    int32_t partitions[100];
    weir_lane_bounds bounds[100];
    for (int32_t i = 0; i < 100; i++)
        partitions[i] = i;
    weir_error error = {0};
    RIG_UNTIL(rig_seen(&rig) == 300, &rig);
    int64_t begun_us = rig_now_us();
    cr_assert_eq(rig.group->ops->bounds(rig.group, partitions, 100, bounds, &error), WEIR_OK, "%s", error.message);
    int64_t took_us = rig_now_us() - begun_us;
    cr_log_info("bounds of 100 partitions: %lld us", (long long)took_us);
    cr_assert_lt(took_us, 1000000);
    for (int32_t i = 0; i < 100; i++)
        cr_assert(bounds[i].log_start == 0 && bounds[i].log_end == 3 && bounds[i].committed == WEIR_OFFSET_NONE);
    rig_close(&rig);
}

Test(kafka, aborted_records_are_never_seen)
{
    rd_kafka_t *producer = raw_producer(group_id);
    cr_assert_null(rd_kafka_init_transactions(producer, 20000));
    transact(producer, input, 1, "committed", 5, true);
    transact(producer, input, 1, "aborted", 7, false);
    transact(producer, input, 1, "committed", 3, true);
    rig_member rig;
    rig_open(&rig, options(1));
    RIG_UNTIL(rig_seen(&rig) == 8, &rig);
    for (int i = 0; i < 200; i++)
        rig_turn(&rig);
    cr_assert_eq(rig_seen(&rig), 8);
    cr_assert_eq(rig.next[1], 17, "offsets have gaps: 5 + marker + 7 + marker + 3");
    rig_close(&rig);
    rd_kafka_destroy(producer);
}

Test(kafka, last_output_steps_back_over_markers_and_aborted_records)
{
    rig_member rig;
    rig_open(&rig, options(1));
    rd_kafka_t *producer = raw_producer(group_id);
    cr_assert_null(rd_kafka_init_transactions(producer, 20000));
    transact(producer, alerts, 2, "first", 1, true);
    transact(producer, alerts, 2, "kept", 1, true);
    for (int i = 0; i < 20; i++)
        transact(producer, alerts, 2, "aborted", 2, false);
    char text[64];
    rig_last(&rig, WEIR_OUTPUT_ALERTS, 2, NULL, text);
    cr_assert_str_eq(text, "kept");
    transact(producer, alerts, 0, "aborted", 2, false);
    rig_last(&rig, WEIR_OUTPUT_ALERTS, 0, NULL, text);
    cr_assert_str_eq(text, "none", "only aborted records: nothing was emitted");
    rd_kafka_destroy(producer);
    rig_close(&rig);
}

Test(kafka, retention_past_the_start_is_refused_by_name)
{
    rig_fill(bootstrap(), input, 20);
    delete_below(input, 3, 12);
    rig_member rig;
    rig_open(&rig, options(1));
    rig.start_offset = 5;
    RIG_UNTIL(rig.error.status == WEIR_REFUSED, &rig);
    cr_assert_eq(rig.error_lane, 3);
    int32_t partition = 3;
    weir_lane_bounds bounds;
    weir_error error = {0};
    cr_assert_eq(rig.group->ops->bounds(rig.group, &partition, 1, &bounds, &error), WEIR_OK);
    cr_assert_eq(bounds.log_start, 12);
    RIG_UNTIL(rig_seen(&rig) == 45, &rig);
    cr_assert_eq(rig.seen[3], 0, "no jump to either end");
    rig_close(&rig);
}

Test(kafka, member_that_stops_polling_loses_its_partitions)
{
    weir_kafka_property interval = {"max.poll.interval.ms", "4000"};
    weir_kafka_options slow = options(1);
    slow.consumer_properties = &interval;
    slow.consumer_property_count = 1;
    rig_member rig;
    rig_open(&rig, slow);
    RIG_UNTIL(rig_owned(&rig) == 4, &rig);
    sleep(7);
    RIG_UNTIL(rig.losts == 1, &rig);
    cr_assert_eq(rig.revokes, 0);
    RIG_UNTIL(rig_owned(&rig) == 4, &rig);
    rig_close(&rig);
}

Test(kafka, workers_polls_alone_keep_the_member_alive)
{
    weir_kafka_property interval = {"max.poll.interval.ms", "4000"};
    weir_kafka_options slow = options(2);
    slow.consumer_properties = &interval;
    slow.consumer_property_count = 1;
    rig_member rig;
    rig_open(&rig, slow);
    RIG_UNTIL(rig_owned(&rig) == 4, &rig);
    for (int64_t until_us = rig_now_us() + 7000000; rig_now_us() < until_us;)
        rig_take(&rig, 0, 10000);
    for (int i = 0; i < 100; i++)
        rig_turn(&rig);
    cr_assert_eq(rig.losts + rig.revokes, 0);
    rig_close(&rig);
}

Test(kafka, second_holder_of_an_instance_id_fences_the_first)
{
    weir_kafka_options fixed = options(1);
    fixed.group_instance_id = "instance-1";
    rig_member first, second;
    rig_open(&first, fixed);
    RIG_UNTIL(rig_owned(&first) == 4, &first);
    rig_open(&second, fixed);
    RIG_UNTIL(first.error.status == WEIR_FENCED && rig_owned(&second) == 4, &first, &second);
    rig_close(&second);
    rig_close(&first);
}

Test(kafka, stream_survives_a_killed_broker)
{
    rig_member rig;
    rig_open(&rig, options(2));
    rig_fill(bootstrap(), input, 500);
    RIG_UNTIL(rig_seen(&rig) == 2000, &rig);
    weir_port *port = rig.group->ops->port(rig.group, 0);
    rig_acks acks = {0};
    for (int i = 0; i < 100; i++)
        cr_assert_eq(rig_produce(port, WEIR_OUTPUT_ALERTS, i % 4, i, "before"), WEIR_OK);
    run_script("crash");
    for (int i = 100; i < 200; i++)
        cr_assert_eq(rig_produce(port, WEIR_OUTPUT_ALERTS, i % 4, i, "during"), WEIR_OK);
    run_script("restart");
    rig_await_acks(port, &acks, 200);
    cr_assert_eq(acks.delivered, 200);
    rig_fill(bootstrap(), input, 500);
    RIG_UNTIL(rig_seen(&rig) >= 4000, &rig);
    cr_assert_not(rig.disordered);
    weir_tail *tail;
    weir_record record;
    weir_error error = {0};
    cr_assert_eq(weir_tail_open(bootstrap(), alerts, -2, NULL, 0, &tail, &error), WEIR_OK);
    int count = 0;
    for (bool ended = false; !ended;)
        count += weir_tail_next(tail, 1000000, &record, &ended);
    cr_assert_eq(count, 200, "idempotent: each alert once, retries included");
    weir_tail_close(tail);
    rig_close(&rig);
}

static void expect_refusal(const weir_kafka_options *wrong, weir_status status, const char *text)
{
    weir_group *group = NULL;
    weir_error error = {0};
    weir_status found = weir_kafka_open(wrong, &group, &error);
    cr_assert_eq(found, status, "%s: %s, wanted: %s", weir_status_name(found), error.message, text);
    cr_assert(strstr(error.message, text), "%s", error.message);
}

Test(kafka, internal_topics_are_made_without_asking_and_labels_are_not)
{
    weir_kafka_options two = staged(1);
    two.create_topics = false;
    two.output_topics[WEIR_OUTPUT_ALERTS] = two.output_topics[WEIR_OUTPUT_DEAD_LETTERS] = NULL;
    expect_refusal(&two, WEIR_NOT_FOUND, "does not exist: create it with 4 partitions");
    make_topic(labels, 4);
    weir_group *group = NULL;
    weir_error error = {0};
    for (int again = 0; again < 2; again++) { /* made, then found as it was made */
        cr_assert_eq(weir_kafka_open(&two, &group, &error), WEIR_OK, "%s", error.message);
        group->ops->close(group, 1000000);
    }
    two.stage_retention_us = INT64_C(37) * 24 * 3600 * 1000000;
    cr_assert_eq(weir_kafka_open(&two, &group, &error), WEIR_OK, "a week more than asked for: %s", error.message);
    group->ops->close(group, 1000000);
    two.stage_retention_us += 1000;
    expect_refusal(&two, WEIR_REFUSED, "has retention.ms=3196800000 and the horizon needs 3196800001");
    char forever[80];
    snprintf(forever, sizeof forever, "%s-forever", stage);
    two.stage_topics[1] = forever;
    two.stage_retention_us = INT64_MAX;
    for (int again = 0; again < 2; again++) {
        cr_assert_eq(weir_kafka_open(&two, &group, &error), WEIR_OK, "%s", error.message);
        group->ops->close(group, 1000000);
    }
}

Test(kafka, stage_topics_that_would_lose_events_are_refused)
{
    static const struct {
        const char *setting, *value, *text;
    } CASES[] = {
        {"cleanup.policy", "compact", "has cleanup.policy=compact and needs delete"},
        {"cleanup.policy", "compact,delete", "and needs delete"},
        {"retention.ms", "86400000", "has retention.ms=86400000 and the horizon needs 172800000"},
        {"retention.bytes", "1000000", "has retention.bytes=1000000 and needs -1"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        char topic[80];
        snprintf(topic, sizeof topic, "%s-%zu", stage, i);
        make_topic_with(topic, 4, CASES[i].setting, CASES[i].value);
        weir_kafka_options two = staged(1);
        two.stage_topics[1] = topic;
        two.stage_retention_us = INT64_C(2) * 24 * 3600 * 1000000;
        expect_refusal(&two, WEIR_REFUSED, CASES[i].text);
    }
    make_topic(stage, 3);
    weir_kafka_options two = staged(1);
    expect_refusal(&two, WEIR_REFUSED, "has 3 partitions and input topic");
}

Test(kafka, two_stages_and_labels_flow_and_notes_reach_the_next_owner)
{
    rig_member rig, heir;
    rig_fill(bootstrap(), input, 500);
    rig_open(&rig, staged(2));
    rig_fill(bootstrap(), stage, 300);
    rig_fill(bootstrap(), labels, 100);
    RIG_UNTIL(rig_seen(&rig) == 4 * 900, &rig);
    cr_assert_not(rig.disordered);
    weir_lane_commit commits[] = {{0, 500, "alerts=17"}, {5, 300, "scores=4"}, {7, 299, NULL}};
    weir_error error = {0};
    cr_assert_eq(rig.group->ops->commit(rig.group, commits, 3, true, &error), WEIR_OK, "%s", error.message);
    rig_close(&rig);
    rig_open(&heir, staged(1));
    int32_t lanes[] = {7, 5, 9, 0};
    weir_lane_bounds bounds[4];
    cr_assert_eq(heir.group->ops->bounds(heir.group, lanes, 4, bounds, &error), WEIR_OK, "%s", error.message);
    cr_assert(bounds[0].committed == 299 && strcmp(bounds[0].note, "") == 0);
    cr_assert(bounds[1].committed == 300 && strcmp(bounds[1].note, "scores=4") == 0);
    cr_assert(bounds[2].committed == WEIR_OFFSET_NONE && bounds[2].log_end == 100);
    cr_assert(bounds[3].committed == 500 && strcmp(bounds[3].note, "alerts=17") == 0);
    RIG_UNTIL(rig_owned(&heir) == 12, &heir);
    rig_close(&heir);
}

static void count_output(void *context, int64_t offset, weir_span payload)
{
    int64_t *found = context; /* records, and the last offset */
    cr_assert(weir_span_is(payload, "kept"));
    found[0]++;
    found[1] = offset;
}

Test(kafka, output_is_read_over_markers_and_aborted_records)
{
    rig_member rig;
    rig_open(&rig, options(1));
    rd_kafka_t *producer = raw_producer(group_id);
    cr_assert_null(rd_kafka_init_transactions(producer, 20000));
    transact(producer, alerts, 2, "kept", 10, true);     /* 0..9, marker 10 */
    transact(producer, alerts, 2, "aborted", 5, false);  /* 11..15, marker 16 */
    transact(producer, alerts, 2, "kept", 10, true);     /* 17..26, marker 27 */
    transact(producer, alerts, 2, "aborted", 5, false);  /* 28..32, marker 33 */
    int64_t ends[4], found[2] = {0, -1};
    weir_error error = {0};
    /* The coordinator answers before its last marker is in the log. */
    for (int64_t until_us = rig_now_us() + 10 * 1000 * 1000; rig_now_us() < until_us; usleep(10 * 1000)) {
        cr_assert_eq(rig.group->ops->output_ends(rig.group, WEIR_OUTPUT_ALERTS, ends, &error), WEIR_OK, "%s",
                     error.message);
        if (ends[2] >= 34)
            break;
    }
    cr_assert(ends[2] == 34 && ends[0] == 0, "they end at %lld and %lld", (long long)ends[2], (long long)ends[0]);
    cr_assert_eq(rig.group->ops->read_output(rig.group, WEIR_OUTPUT_ALERTS, 2, 5, count_output, found, &error), WEIR_OK,
                 "%s", error.message);
    cr_assert(found[0] == 15 && found[1] == 26, "%lld records, the last at %lld", (long long)found[0],
              (long long)found[1]);
    delete_below(alerts, 2, 20);
    found[0] = 0;
    cr_assert_eq(rig.group->ops->read_output(rig.group, WEIR_OUTPUT_ALERTS, 2, 0, count_output, found, &error), WEIR_OK,
                 "%s", error.message);
    cr_assert_eq(found[0], 7, "begins at the log's start");
    rd_kafka_destroy(producer);
    RIG_UNTIL(rig_owned(&rig) == 4, &rig);
    rig_close(&rig);
}

static void hear_time(void *context, weir_span payload)
{
    int64_t said_us;
    memcpy(&said_us, payload.data, sizeof said_us);
    *(int64_t *)context = rig_now_us() - said_us;
}

Test(kafka, gossip_is_heard_within_milliseconds)
{
    weir_group *speaker, *listener;
    weir_error error = {0};
    weir_kafka_options two = staged(1);
    cr_assert_eq(weir_kafka_open(&two, &speaker, &error), WEIR_OK, "%s", error.message);
    cr_assert_eq(weir_kafka_open(&two, &listener, &error), WEIR_OK, "%s", error.message);
    int64_t took_us[101];
    for (int i = 0; i < 101; i++) {
        int64_t now_us = rig_now_us();
        took_us[i] = -1;
        cr_assert_eq(speaker->ops->say(speaker, weir_span_of(&now_us, sizeof now_us), &error), WEIR_OK);
        while (took_us[i] < 0 && rig_now_us() - now_us < 10000000) {
            listener->ops->hear(listener, hear_time, &took_us[i]);
            usleep(200);
        }
        cr_assert_geq(took_us[i], 0, "never heard");
        usleep(5000);
    }
    for (int i = 1; i < 101; i++) /* sorted by insertion */
        for (int j = i; j > 0 && took_us[j] < took_us[j - 1]; j--) {
            int64_t other = took_us[j];
            took_us[j] = took_us[j - 1];
            took_us[j - 1] = other;
        }
    cr_log_info("gossip: p50 %lld us, p99 %lld us", (long long)took_us[50], (long long)took_us[99]);
    cr_assert_lt(took_us[50], 50000);
    speaker->ops->close(speaker, 1000000);
    listener->ops->close(listener, 1000000);
}
