/* The plain sender and reader of the tools. */
#include "rig.h"

#include "weir/base/hash.h"
#include "weir/broker/embedded.h"

static weir_embedded *embedded;

static void open_cluster(void)
{
    weir_error error = {0};
    cr_assert_eq(weir_embedded_open(1, &embedded, &error), WEIR_OK, "%s", error.message);
    cr_assert_eq(weir_embedded_topic(embedded, "topic", 4, &error), WEIR_OK, "%s", error.message);
}

static void close_cluster(void)
{
    weir_embedded_close(embedded);
}

TestSuite(client, .init = open_cluster, .fini = close_cluster, .timeout = 60);

static weir_tail *open_tail(int64_t from)
{
    weir_tail *tail = NULL;
    weir_error error = {0};
    cr_assert_eq(weir_tail_open(weir_embedded_bootstrap(embedded), "topic", from, NULL, 0, &tail, &error), WEIR_OK,
                 "%s", error.message);
    return tail;
}

/* Records until the end the topic had when the tail was opened. */
static int read_all(weir_tail *tail)
{
    int count = 0;
    weir_record record;
    int64_t deadline_us = rig_now_us() + 20000000;
    for (bool ended = false; !ended;) {
        count += weir_tail_next(tail, 100000, &record, &ended);
        cr_assert_lt(rig_now_us(), deadline_us, "never ended");
    }
    return count;
}

Test(client, key_decides_the_partition_as_the_java_client_does)
{
    weir_sender *sender;
    weir_error error = {0};
    cr_assert_eq(weir_sender_open(weir_embedded_bootstrap(embedded), "topic", 0, NULL, 0, &sender, &error), WEIR_OK);
    cr_assert_eq(weir_sender_partition_count(sender), 4);
    cr_assert_eq(weir_sender_send(sender, -1, weir_span_text("card-7"), weir_span_text("x"), -1), WEIR_OK);
    cr_assert_eq(weir_sender_flush(sender, 10000000), 0);
    weir_sender_close(sender);
    weir_tail *tail = open_tail(-2);
    weir_record record;
    while (!weir_tail_next(tail, 1000000, &record, NULL))
        ;
    cr_assert_eq(record.partition, weir_hash_partition(weir_span_text("card-7"), 4));
    weir_tail_close(tail);
}

Test(client, partition_that_does_not_exist_is_refused)
{
    weir_sender *sender;
    weir_error error = {0};
    cr_assert_eq(weir_sender_open(weir_embedded_bootstrap(embedded), "topic", 0, NULL, 0, &sender, &error), WEIR_OK);
    cr_assert_eq(weir_sender_send(sender, 4, weir_span_text("k"), weir_span_text("x"), -1), WEIR_NOT_FOUND);
    weir_sender_close(sender);
}

Test(client, sender_counts_what_was_not_delivered)
{
    weir_sender *sender;
    weir_error error = {0};
    cr_assert_eq(weir_sender_open(weir_embedded_bootstrap(embedded), "topic", 0, NULL, 0, &sender, &error), WEIR_OK);
    weir_embedded_broker(embedded, 1, 0);
    for (int i = 0; i < 3; i++)
        cr_assert_eq(weir_sender_send(sender, 0, weir_span_text("k"), weir_span_text("x"), -1), WEIR_OK);
    cr_assert_eq(weir_sender_flush(sender, 500000), 3);
    weir_sender_close(sender);
}

Test(client, tail_from_the_beginning_ends_at_the_end_it_found)
{
    rig_fill(weir_embedded_bootstrap(embedded), "topic", 25);
    weir_tail *tail = open_tail(-2);
    rig_fill(weir_embedded_bootstrap(embedded), "topic", 0);
    cr_assert_eq(read_all(tail), 100);
    weir_tail_close(tail);
}

Test(client, tail_from_an_offset_begins_there_in_every_partition)
{
    rig_fill(weir_embedded_bootstrap(embedded), "topic", 25);
    weir_tail *tail = open_tail(20);
    cr_assert_eq(read_all(tail), 20);
    weir_tail_close(tail);
    tail = open_tail(1000);
    cr_assert_eq(read_all(tail), 0, "beyond the end is the end");
    weir_tail_close(tail);
}

Test(client, tail_from_the_end_sees_only_what_comes)
{
    rig_fill(weir_embedded_bootstrap(embedded), "topic", 5);
    weir_tail *tail = open_tail(-1);
    weir_record record;
    bool ended = false;
    cr_assert_not(weir_tail_next(tail, 200000, &record, &ended));
    cr_assert(ended);
    rig_fill(weir_embedded_bootstrap(embedded), "topic", 1);
    int count = 0;
    for (int64_t until_us = rig_now_us() + 10000000; count < 4 && rig_now_us() < until_us;)
        count += weir_tail_next(tail, 100000, &record, NULL);
    cr_assert_eq(count, 4);
    cr_assert_eq(record.offset, 5);
    weir_tail_close(tail);
}

Test(client, tail_of_an_empty_topic_ends_at_once)
{
    weir_tail *tail = open_tail(-2);
    cr_assert_eq(read_all(tail), 0);
    weir_tail_close(tail);
}

Test(client, embedded_topic_cannot_be_made_twice)
{
    weir_error error = {0};
    cr_assert_eq(weir_embedded_topic(embedded, "topic", 4, &error), WEIR_EXISTS);
    cr_assert(strstr(error.message, "topic"));
}
