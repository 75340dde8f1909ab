/* Several input topics at once: two stages, labels and gossip against the embedded cluster, and what a worker's poll
 * promises of its lanes. */
#include "rig.h"

#include "weir/broker/embedded.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

enum { P = 4, STAGE = P, LABELS = 2 * P }; /* partitions of a topic, and where the lanes of the others begin */

static weir_embedded *embedded;

static void open_cluster(void)
{
    weir_error error = {0};
    cr_assert_eq(weir_embedded_open(1, &embedded, &error), WEIR_OK, "%s", error.message);
    static const struct {
        const char *name;
        int32_t partition_count;
    } TOPICS[] = {{"transactions", P}, {"terminals", P}, {"labels", P}, {"alerts", P}, {"clock", 1}};
    for (size_t i = 0; i < sizeof TOPICS / sizeof *TOPICS; i++)
        cr_assert_eq(weir_embedded_topic(embedded, TOPICS[i].name, TOPICS[i].partition_count, &error), WEIR_OK, "%s",
                     error.message);
}

static void close_cluster(void)
{
    weir_embedded_close(embedded);
}

TestSuite(lanes, .init = open_cluster, .fini = close_cluster, .timeout = 90);

static const char *bootstrap(void)
{
    return weir_embedded_bootstrap(embedded);
}

static weir_kafka_options options(size_t worker_count)
{
    return (weir_kafka_options){
        .bootstrap_servers = bootstrap(),
        .group_id = "weir",
        .input_topic = "transactions",
        .stage_topics = {NULL, "terminals"},
        .stage_count = 2,
        .labels_topic = "labels",
        .clock_topic = "clock",
        .output_topics = {[WEIR_OUTPUT_ALERTS] = "alerts"},
        .worker_count = worker_count,
        .fetch_queue_bytes_max = 64 << 20,
        .session_timeout_us = 6000000,
    };
}

static weir_kafka_options one_stage(void)
{
    weir_kafka_options one = options(1);
    one.stage_count = 1;
    one.labels_topic = one.clock_topic = NULL;
    return one;
}

static uint64_t seen_of(const rig_member *rig, int32_t first)
{
    uint64_t count = 0;
    for (int32_t i = first; i < first + P; i++)
        count += rig->seen[i];
    return count;
}

Test(lanes, group_of_two_stages_gets_the_lanes_of_both_topics_and_their_labels)
{
    rig_fill(bootstrap(), "transactions", 30);
    rig_fill(bootstrap(), "terminals", 20);
    rig_fill(bootstrap(), "labels", 10);
    rig_member rig;
    rig_open(&rig, options(2));
    cr_assert_eq(weir_shape_lane_count(&rig.shape), 3 * P);
    RIG_UNTIL(rig_seen(&rig) >= 60 * P, &rig);
    cr_assert_eq(rig_owned(&rig), 3 * P);
    cr_assert_eq(seen_of(&rig, 0), 30 * P);
    cr_assert_eq(seen_of(&rig, STAGE), 20 * P);
    cr_assert_eq(seen_of(&rig, LABELS), 10 * P);
    cr_assert_not(rig.disordered);
    cr_assert_eq(rig.errors, 0, "%s", rig.error.message);
    rig_close(&rig);
}

/* Only lanes of the first stage take their labels along when they go. */
Test(lanes, labels_follow_their_lane_from_member_to_member)
{
    rig_member first, second;
    rig_open(&first, options(1));
    RIG_UNTIL(rig_owned(&first) == 3 * P, &first);
    rig_open(&second, options(1));
    RIG_UNTIL(rig_owned(&first) + rig_owned(&second) == 3 * P && second.assigns > 0 && first.revokes > 0, &first,
              &second);
    for (int32_t p = 0; p < P; p++) {
        cr_assert_eq(first.owned[p], first.owned[LABELS + p]);
        cr_assert_eq(second.owned[p], second.owned[LABELS + p]);
    }
    rig_fill(bootstrap(), "labels", 5);
    RIG_UNTIL(seen_of(&first, LABELS) + seen_of(&second, LABELS) == 5 * P, &first, &second);
    for (int32_t p = 0; p < P; p++)
        cr_assert_eq((first.owned[p] ? &first : &second)->seen[LABELS + p], 5);
    rig_close(&second);
    RIG_UNTIL(rig_owned(&first) == 3 * P, &first);
    rig_close(&first);
}

Test(lanes, bounds_bring_back_offsets_and_notes_of_both_stages_and_none_of_labels)
{
    rig_fill(bootstrap(), "transactions", 9);
    rig_fill(bootstrap(), "labels", 2);
    rig_member rig;
    rig_open(&rig, options(1));
    RIG_UNTIL(rig_owned(&rig) == 3 * P, &rig);
    char long_note[WEIR_NOTE_SIZE_MAX];
    memset(long_note, 'x', sizeof long_note - 1);
    long_note[sizeof long_note - 1] = 0;
    weir_lane_commit commits[] = {{1, 7, "alerts 12, scores 3"}, {STAGE + 1, 0, long_note}, {2, 9, NULL}};
    weir_error error = {0};
    cr_assert_eq(rig.group->ops->commit(rig.group, commits, 3, true, &error), WEIR_OK, "%s", error.message);
    int32_t lanes[] = {LABELS + 1, STAGE + 1, 2, 1, 3};
    weir_lane_bounds bounds[5];
    cr_assert_eq(rig.group->ops->bounds(rig.group, lanes, 5, bounds, &error), WEIR_OK, "%s", error.message);
    cr_assert(bounds[0].committed == WEIR_OFFSET_NONE && bounds[0].log_end == 2);
    cr_assert_str_eq(bounds[0].note, "");
    cr_assert(bounds[1].committed == 0 && bounds[1].log_end == 0);
    cr_assert_str_eq(bounds[1].note, long_note);
    cr_assert_eq(bounds[2].committed, 9);
    cr_assert_str_eq(bounds[2].note, "");
    cr_assert(bounds[3].committed == 7 && bounds[3].log_end == 9);
    cr_assert_str_eq(bounds[3].note, "alerts 12, scores 3");
    cr_assert_eq(bounds[4].committed, WEIR_OFFSET_NONE);
    cr_assert_str_eq(bounds[4].note, "");
    rig_close(&rig);
}

Test(lanes, hop_goes_to_its_stage_and_is_acknowledged_with_lane_marker_and_offset)
{
    rig_member rig;
    rig_open(&rig, options(1));
    RIG_UNTIL(rig_owned(&rig) == 3 * P, &rig);
    weir_port *port = rig.group->ops->port(rig.group, 0);
    static const struct {
        int32_t lane;
        int64_t marker;
    } CAUSES[] = {{0, 0}, {LABELS + 3, -1}, {WEIR_LANE_MAX - 1, WEIR_MARKER_MAX}, {3, INT64_C(1) << 40}};
    for (int64_t i = 0; i < 4; i++) {
        weir_outgoing hop = {.output = WEIR_OUTPUT_HOPS, .stage = 1, .partition = 2, .lane = CAUSES[i].lane,
                             .marker = CAUSES[i].marker, .payload = weir_span_text("hop")};
        rig_acks acks = {0};
        cr_assert_eq(port->ops->produce(port, &hop), WEIR_OK);
        rig_await_acks(port, &acks, 1);
        cr_assert(acks.last.delivered && acks.last.output == WEIR_OUTPUT_HOPS);
        cr_assert_eq(acks.last.lane, CAUSES[i].lane);
        cr_assert_eq(acks.last.marker, CAUSES[i].marker);
        cr_assert_eq(acks.last.partition, 2);
        cr_assert_eq(acks.last.offset, i);
    }
    RIG_UNTIL(rig.seen[STAGE + 2] == 4, &rig);
    cr_assert_eq(rig_seen(&rig), 4);
    rig_close(&rig);
}

/* Takes up to `count` records. */
static uint64_t drain(weir_port *port, uint64_t count)
{
    weir_record records[64];
    uint64_t taken = 0;
    for (int64_t until_us = rig_now_us() + 10000000; taken < count && rig_now_us() < until_us;) {
        taken += port->ops->poll(port, records, 64, 1000);
        port->ops->release(port);
    }
    return taken;
}

Test(lanes, held_lane_keeps_what_was_fetched_in_order)
{
    rig_member rig;
    rig_open(&rig, one_stage());
    RIG_UNTIL(rig_owned(&rig) == P, &rig);
    weir_port *port = rig.group->ops->port(rig.group, 0);
    uint64_t records = 0, bytes;
    rig_fill(bootstrap(), "transactions", 50);
    for (int i = 0; i < 1000 && records < 50 * P; i++) {
        usleep(10000);
        rig.group->ops->backlog(rig.group, &records, &bytes);
    }
    port->ops->hold(port, 1, true);
    RIG_UNTIL(rig_seen(&rig) == 50 * (P - 1), &rig);
    rig_take(&rig, 0, 50000);
    cr_assert_eq(rig.seen[1], 0, "held, though its records are here");
    port->ops->hold(port, 1, false);
    rig_take(&rig, 0, 0);
    cr_assert_eq(rig.seen[1], 50, "all at once, from memory, without waiting");
    cr_assert_not(rig.disordered);
    rig_close(&rig);
}

Test(lanes, lane_to_begin_with_goes_round)
{
    rig_member rig;
    rig_open(&rig, one_stage());
    RIG_UNTIL(rig_owned(&rig) == P, &rig);
    weir_port *port = rig.group->ops->port(rig.group, 0);
    uint64_t records = 0, bytes;
    rig_fill(bootstrap(), "transactions", 50);
    for (int i = 0; i < 1000 && records < 50 * P; i++) {
        usleep(10000);
        rig.group->ops->backlog(rig.group, &records, &bytes);
    }
    bool begun_with[P] = {false};
    for (int i = 0; i < P; i++) {
        weir_record batch[10];
        cr_assert_eq(port->ops->poll(port, batch, 10, 0), 10);
        cr_assert_not(begun_with[batch[0].lane]);
        begun_with[batch[0].lane] = true;
        for (int j = 0; j < 10; j++)
            cr_assert(batch[j].lane == batch[0].lane && batch[j].offset == j);
        port->ops->release(port);
    }
    cr_assert_eq(drain(port, 40 * P), 40 * P, "a lane left half-way is taken up again");
    rig_close(&rig);
}

typedef struct late_record {
    weir_sender *sender;
    atomic_int_fast64_t sent_us;
} late_record;

static void *send_late(void *context)
{
    late_record *late = context;
    usleep(300000);
    atomic_store(&late->sent_us, rig_now_us());
    (void)!weir_sender_send(late->sender, 2, weir_span_text("k"), weir_span_text("x"), -1);
    weir_sender_flush(late->sender, 5000000);
    return NULL;
}

/* The embedded cluster answers a fetch with nothing only after its whole wait, so what is measured includes that. */
Test(lanes, waiting_poll_wakes_at_once_when_a_record_comes)
{
    weir_kafka_property brisk = {"fetch.wait.max.ms", "5"};
    weir_kafka_options one = one_stage();
    one.consumer_properties = &brisk;
    one.consumer_property_count = 1;
    rig_member rig;
    rig_open(&rig, one);
    RIG_UNTIL(rig_owned(&rig) == P, &rig);
    weir_port *port = rig.group->ops->port(rig.group, 0);
    late_record late = {0};
    weir_error error = {0};
    cr_assert_eq(weir_sender_open(bootstrap(), "transactions", 0, NULL, 0, &late.sender, &error), WEIR_OK);
    for (int round = 0; round < 5; round++) {
        pthread_t thread;
        cr_assert_eq(pthread_create(&thread, NULL, send_late, &late), 0);
        weir_record record;
        cr_assert_eq(port->ops->poll(port, &record, 1, 10000000), 1);
        int64_t took_us = rig_now_us() - atomic_load(&late.sent_us);
        cr_assert(took_us > 0 && took_us < 100000, "%lld us", (long long)took_us);
        cr_assert_eq(record.lane, 2);
        port->ops->release(port);
        pthread_join(thread, NULL);
    }
    weir_sender_close(late.sender);
    rig_close(&rig);
}

/* A worker polls without pause while lanes come and go under it: for the thread sanitizer as much as for us. */
static void *poll_on(void *context)
{
    weir_port *port = context;
    weir_record records[16];
    for (int i = 0; i < 400; i++) {
        port->ops->poll(port, records, 16, i % 3 ? 0 : 2000);
        port->ops->hold(port, i % P, i % 5 == 0);
        port->ops->release(port);
    }
    return NULL;
}

Test(lanes, lanes_come_and_go_while_a_worker_polls)
{
    rig_fill(bootstrap(), "transactions", 100);
    rig_fill(bootstrap(), "labels", 20);
    rig_member rig;
    rig_open(&rig, options(1));
    weir_port *port = rig.group->ops->port(rig.group, 0);
    for (int round = 0; round < 3; round++) {
        rig_member other;
        pthread_t thread;
        cr_assert_eq(pthread_create(&thread, NULL, poll_on, port), 0);
        rig_open(&other, options(1));
        for (int64_t until_us = rig_now_us() + 20000000;
             (rig_owned(&other) == 0 || rig_owned(&rig) == 0) && rig_now_us() < until_us;) {
            weir_group_event event;
            rig_turn(&other);
            cr_assert_eq(rig.group->ops->poll(rig.group, 1000, &event), WEIR_OK);
            if (event.kind == WEIR_GROUP_ASSIGN)
                rig_assign(&rig, &event);
            else if (event.kind == WEIR_GROUP_REVOKE || event.kind == WEIR_GROUP_LOST)
                rig_give_up(&rig, &event);
        }
        cr_assert(rig_owned(&other) > 0 && rig_owned(&rig) > 0);
        pthread_join(thread, NULL);
        rig_close(&other);
    }
    rig_close(&rig);
}

Test(lanes, label_offset_beyond_the_log_is_an_error_that_names_the_lane)
{
    rig_member rig;
    rig_open(&rig, options(1));
    rig.start_offset = 0;
    weir_group_event event = {0};
    for (int i = 0; i < 1000 && event.kind != WEIR_GROUP_ASSIGN; i++)
        cr_assert_eq(rig.group->ops->poll(rig.group, 100000, &event), WEIR_OK);
    weir_error error = {0};
    for (size_t i = 0; i < event.lane_count; i++)
        cr_assert_eq(rig.group->ops->start(rig.group, event.lanes[i], 0, 0, &error), WEIR_OK);
    cr_assert_eq(rig.group->ops->start(rig.group, LABELS + 3, 1000, 0, &error), WEIR_OK);
    cr_assert_eq(rig.group->ops->settle(rig.group, &error), WEIR_OK, "%s", error.message);
    RIG_UNTIL(rig.error.status == WEIR_REFUSED, &rig);
    cr_assert_eq(rig.error_lane, LABELS + 3);
    cr_assert(strstr(rig.error.message, "labels [3]"), "%s", rig.error.message);
    rig_close(&rig);
}

/* At a lane's end, which an idle fetch tells, the lag is 0 whatever the position: here none ends in time to tell. */
Test(lanes, lag_counts_from_the_end_bounds_found_before_anything_was_fetched)
{
    weir_kafka_property patient = {"fetch.wait.max.ms", "1000"};
    weir_kafka_options slow = options(1);
    slow.consumer_properties = &patient;
    slow.consumer_property_count = 1;
    rig_fill(bootstrap(), "labels", 12);
    rig_member rig;
    rig_open(&rig, slow);
    weir_port *port = rig.group->ops->port(rig.group, 0);
    cr_assert_eq(port->ops->lag(port, LABELS + 1, 0), -1, "nobody has told yet");
    int32_t lane = LABELS + 1;
    weir_lane_bounds bounds;
    weir_error error = {0};
    cr_assert_eq(rig.group->ops->bounds(rig.group, &lane, 1, &bounds, &error), WEIR_OK, "%s", error.message);
    cr_assert_eq(port->ops->lag(port, lane, 5), 7);
    cr_assert_eq(rig.group->ops->lag(rig.group, lane, 12), 0);
    RIG_UNTIL(seen_of(&rig, LABELS) == 12 * P, &rig);
    rig_fill(bootstrap(), "labels", 3);
    RIG_UNTIL(seen_of(&rig, LABELS) == 15 * P, &rig);
    cr_assert_eq(port->ops->lag(port, lane, 12), 3, "a later end comes with what is fetched");
    rig_close(&rig);
}

typedef struct text_list {
    int count;
    int64_t offsets[200];
    char texts[200][16];
} text_list;

static void keep_output(void *context, int64_t offset, weir_span payload)
{
    text_list *list = context;
    list->offsets[list->count] = offset;
    snprintf(list->texts[list->count++], 16, "%.*s", WEIR_SPAN_ARGS(payload));
}

Test(lanes, output_is_read_from_an_offset_to_its_end)
{
    rig_member rig;
    rig_open(&rig, one_stage());
    RIG_UNTIL(rig_owned(&rig) == P, &rig);
    weir_port *port = rig.group->ops->port(rig.group, 0);
    rig_acks acks = {0};
    for (int i = 0; i < 150; i++) {
        char text[16];
        snprintf(text, sizeof text, "alert %d", i);
        cr_assert_eq(rig_produce(port, WEIR_OUTPUT_ALERTS, 3, i, text), WEIR_OK);
    }
    rig_await_acks(port, &acks, 150);
    cr_assert_eq(acks.last.offset, 149);
    int64_t ends[P];
    weir_error error = {0};
    cr_assert_eq(rig.group->ops->output_ends(rig.group, WEIR_OUTPUT_ALERTS, ends, &error), WEIR_OK, "%s",
                 error.message);
    cr_assert(ends[0] == 0 && ends[1] == 0 && ends[2] == 0 && ends[3] == 150);
    static const struct {
        int64_t from;
        int32_t partition;
        int count;
    } CASES[] = {{100, 3, 50}, {0, 3, 150}, {-1, 3, 150}, {150, 3, 0}, {1000, 3, 0}, {0, 1, 0}};
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        text_list list = {0};
        cr_assert_eq(rig.group->ops->read_output(rig.group, WEIR_OUTPUT_ALERTS, CASES[i].partition, CASES[i].from,
                                                 keep_output, &list, &error),
                     WEIR_OK, "%s", error.message);
        cr_assert_eq(list.count, CASES[i].count);
        if (list.count)
            cr_assert(list.offsets[list.count - 1] == 149 && strcmp(list.texts[list.count - 1], "alert 149") == 0);
    }
    rig_close(&rig);
}

static void keep_gossip(void *context, weir_span payload)
{
    text_list *list = context;
    snprintf(list->texts[list->count++], 16, "%.*s", WEIR_SPAN_ARGS(payload));
}

static void await_gossip(weir_group *group, text_list *list, int count)
{
    for (int64_t until_us = rig_now_us() + 10000000; list->count < count && rig_now_us() < until_us; usleep(1000))
        group->ops->hear(group, keep_gossip, list);
    cr_assert_eq(list->count, count);
}

Test(lanes, every_member_hears_what_is_said_from_its_coming_on)
{
    weir_group *first, *second;
    weir_error error = {0};
    weir_kafka_options both = options(1);
    text_list heard = {0}, heard_too = {0};
    cr_assert_eq(weir_kafka_open(&both, &first, &error), WEIR_OK, "%s", error.message);
    cr_assert_eq(first->ops->say(first, weir_span_text("one"), &error), WEIR_OK, "%s", error.message);
    await_gossip(first, &heard, 1);
    cr_assert_eq(weir_kafka_open(&both, &second, &error), WEIR_OK, "%s", error.message);
    cr_assert_eq(first->ops->say(first, weir_span_text("two"), &error), WEIR_OK);
    cr_assert_eq(second->ops->say(second, weir_span_text("three"), &error), WEIR_OK);
    await_gossip(first, &heard, 3);
    await_gossip(second, &heard_too, 2);
    cr_assert_str_eq(heard.texts[0], "one");
    for (int i = 0; i < 2; i++)
        cr_assert_str_eq(heard.texts[i + 1], heard_too.texts[i], "in one order");
    first->ops->close(first, 1000000);
    second->ops->close(second, 1000000);
}

Test(lanes, gossip_of_one_stage_is_silence)
{
    weir_group *group;
    weir_error error = {0};
    weir_kafka_options one = one_stage();
    text_list heard = {0};
    cr_assert_eq(weir_kafka_open(&one, &group, &error), WEIR_OK, "%s", error.message);
    cr_assert_eq(group->ops->say(group, weir_span_text("one"), &error), WEIR_OK);
    group->ops->hear(group, keep_gossip, &heard);
    cr_assert_eq(heard.count, 0);
    group->ops->close(group, 1000000);
}

/* After the delivery timeout nothing of what was under way reaches the topic, not even what had time left. */
Test(lanes, giving_up_one_record_gives_up_all_behind_it)
{
    weir_kafka_options impatient = one_stage();
    impatient.delivery_timeout_us = 1500000;
    rig_member rig;
    rig_open(&rig, impatient);
    RIG_UNTIL(rig_owned(&rig) == P, &rig);
    weir_port *port = rig.group->ops->port(rig.group, 0);
    rig_acks acks = {0};
    weir_embedded_broker(embedded, 1, 0);
    cr_assert_eq(rig_produce(port, WEIR_OUTPUT_ALERTS, 0, 1, "old"), WEIR_OK);
    usleep(1400000);
    for (int i = 0; i < 10; i++)
        cr_assert_eq(rig_produce(port, WEIR_OUTPUT_ALERTS, 0, 2 + i, "young"), WEIR_OK);
    rig_await_acks(port, &acks, 11);
    cr_assert_eq(acks.delivered, 0);
    cr_assert_eq(acks.last.offset, WEIR_OFFSET_NONE);
    weir_embedded_broker(embedded, 1, 1);
    cr_assert_eq(rig_produce(port, WEIR_OUTPUT_ALERTS, 0, 1, "again"), WEIR_OK);
    rig_await_acks(port, &acks, 12);
    cr_assert(acks.last.delivered);
    cr_assert_eq(acks.last.offset, 0);
    rig_close(&rig);
}

/* What is wrong with a topic, in the words a person reads. Missing topics and settings are in tests/kafka: the embedded
 * cluster makes what it is asked about (with four partitions), and has no settings. */
static void expect_refusal(const weir_kafka_options *wrong, weir_status status, const char *text)
{
    weir_group *group = NULL;
    weir_error error = {0};
    weir_status found = weir_kafka_open(wrong, &group, &error);
    cr_assert_eq(found, status, "%s: %s, wanted: %s", weir_status_name(found), error.message, text);
    cr_assert(strstr(error.message, text), "%s", error.message);
    cr_assert_null(group);
}

Test(lanes, topics_of_other_shapes_are_refused_by_name)
{
    weir_error error = {0};
    cr_assert_eq(weir_embedded_topic(embedded, "narrow", P - 1, &error), WEIR_OK);
    weir_kafka_options wrong = options(1);
    wrong.stage_topics[1] = "narrow";
    expect_refusal(&wrong, WEIR_REFUSED, "stage topic narrow has 3 partitions and input topic transactions has 4");
    wrong = options(1);
    wrong.labels_topic = "narrow";
    expect_refusal(&wrong, WEIR_REFUSED, "labels topic narrow has 3 partitions and input topic transactions has 4");
    wrong = options(1);
    wrong.clock_topic = "narrow";
    expect_refusal(&wrong, WEIR_REFUSED, "clock topic narrow has 3 partitions and needs 1");
}
