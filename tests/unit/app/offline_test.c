#include "rig.h"

#include "weir/app/offline.h"
#include "weir/base/hash.h"
#include "weir/base/rng.h"

#include <string.h>

enum { PARTITIONS = 8, EVENTS = 700 };

typedef struct seen {
    int32_t partition;
    int64_t offset;
    uint64_t number;
    weir_fate fate;
    double score;
    char topic[32];
} seen;

typedef struct visits {
    seen items[EVENTS];
    size_t count;
    size_t fail_at; /* the visit that answers WEIR_IO; 0 = none */
} visits;

static weir_status note(void *context, const weir_job *job, const weir_source *source, uint64_t number)
{
    visits *it = context;
    if (it->fail_at && it->count + 1 == it->fail_at)
        return WEIR_IO;
    seen *item = &it->items[it->count++];
    *item = (seen){.partition = source->partition, .offset = source->offset, .number = number, .fate = job->fate};
    snprintf(item->topic, sizeof item->topic, "%s", source->topic);
    if (job->fate == WEIR_FATE_SCORED)
        item->score = job->item->score;
    return WEIR_OK;
}

static weir_offline *open_offline(const weir_rules *rules, int32_t partition_count, visits *into)
{
    weir_offline_options options = {.rules = rules,
                                    .topic = "transactions",
                                    .partition_count = partition_count,
                                    .limits = {.framing = WEIR_FRAMING_RAW},
                                    .visit = note,
                                    .context = into};
    weir_offline *offline;
    weir_error error = {0};
    cr_assert_eq(weir_offline_open(&options, &offline, &error), WEIR_OK, "%s", error.message);
    return offline;
}

static void push(weir_offline *offline, weir_span message, uint64_t number)
{
    weir_error error = {0};
    cr_assert_eq(weir_offline_push(offline, message, number, RIG_NOW_US, &error), WEIR_OK, "%s", error.message);
}

static void flush(weir_offline *offline)
{
    weir_error error = {0};
    cr_assert_eq(weir_offline_flush(offline, &error), WEIR_OK, "%s", error.message);
}

Test(offline, deals_partitions_as_a_kafka_producer_and_numbers_each)
{
    static visits got;
    weir_rules rules;
    rig_open_rules(&rules);
    weir_offline *offline = open_offline(&rules, PARTITIONS, &got);
    int32_t wanted[EVENTS];
    for (uint64_t i = 0; i < EVENTS; i++) {
        uint8_t bytes[RIG_PAYLOAD_MAX];
        char token[32];
        snprintf(token, sizeof token, "card-%" PRIu64, i % 90);
        wanted[i] = weir_hash_partition(weir_span_text(token), PARTITIONS);
        push(offline, rig_transaction(bytes, i, i % 90, 500), 1000 + i);
    }
    flush(offline);
    cr_assert_eq(got.count, EVENTS);
    int64_t next[PARTITIONS] = {0};
    for (size_t i = 0; i < EVENTS; i++) {
        cr_assert_eq(got.items[i].number, 1000 + i, "in the order of push");
        cr_assert_eq(got.items[i].partition, wanted[i]);
        cr_assert_eq(got.items[i].offset, next[wanted[i]]++);
        cr_assert_eq(got.items[i].fate, WEIR_FATE_SCORED);
        cr_assert_str_eq(got.items[i].topic, "transactions");
    }
    for (int p = 0; p < PARTITIONS; p++)
        cr_expect_gt(next[p], 0, "partition %d has some", p);
    weir_offline_close(offline);
    weir_rules_close(&rules);
}

Test(offline, scores_do_not_depend_on_the_partition_count)
{
    static visits one, many;
    weir_rules rules;
    rig_open_rules(&rules);
    weir_offline *a = open_offline(&rules, 1, &one), *b = open_offline(&rules, PARTITIONS, &many);
    weir_rng rng = {.state = 3};
    for (uint64_t i = 0; i < EVENTS; i++) {
        uint8_t bytes[RIG_PAYLOAD_MAX];
        weir_span message = rig_transaction(bytes, i, weir_rng_below(&rng, 40), (int64_t)weir_rng_below(&rng, 90000));
        push(a, message, i);
        push(b, message, i);
    }
    flush(a);
    flush(b);
    for (size_t i = 0; i < EVENTS; i++)
        cr_assert_eq(memcmp(&one.items[i].score, &many.items[i].score, sizeof(double)), 0, "event %zu", i);
    cr_expect_eq(one.items[EVENTS - 1].offset, EVENTS - 1);
    weir_offline_close(a);
    weir_offline_close(b);
    weir_rules_close(&rules);
}

Test(offline, what_cannot_be_decoded_stands_in_partition_0)
{
    static visits got;
    weir_rules rules;
    rig_open_rules(&rules);
    weir_offline *offline = open_offline(&rules, PARTITIONS, &got);
    push(offline, weir_span_text("garbage"), 1);
    push(offline, (weir_span){0}, 2);
    flush(offline);
    cr_assert_eq(got.count, 2);
    for (int i = 0; i < 2; i++) {
        cr_expect_eq(got.items[i].fate, WEIR_FATE_REJECTED);
        cr_expect_eq(got.items[i].partition, 0);
        cr_expect_eq(got.items[i].offset, i);
    }
    weir_offline_close(offline);
    weir_rules_close(&rules);
}

Test(offline, a_huge_message_is_oversized_and_stops_nothing)
{
    static uint8_t huge[200 * 1024];
    static visits got;
    weir_rules rules;
    rig_open_rules(&rules);
    weir_offline *offline = open_offline(&rules, 1, &got);
    uint8_t bytes[RIG_PAYLOAD_MAX];
    for (uint64_t i = 0; i < 300; i++) /* more of them in a batch than their sizes would fit in */
        push(offline, weir_span_of(huge, sizeof huge), i);
    push(offline, rig_transaction(bytes, 1, 1, 500), 300);
    flush(offline);
    cr_assert_eq(got.count, 301);
    cr_expect_eq(got.items[299].fate, WEIR_FATE_REJECTED);
    cr_expect_eq(got.items[300].fate, WEIR_FATE_SCORED);
    weir_offline_close(offline);
    weir_rules_close(&rules);
}

Test(offline, a_visit_that_fails_ends_the_run)
{
    static visits got = {.fail_at = 3};
    weir_rules rules;
    rig_open_rules(&rules);
    weir_offline *offline = open_offline(&rules, 1, &got);
    for (uint64_t i = 0; i < 5; i++) {
        uint8_t bytes[RIG_PAYLOAD_MAX];
        push(offline, rig_transaction(bytes, i, 1, 500), i);
    }
    weir_error error = {0};
    cr_expect_eq(weir_offline_flush(offline, &error), WEIR_IO);
    cr_expect_str_not_empty(error.message);
    cr_expect_eq(got.count, 2);
    weir_offline_close(offline);
    weir_rules_close(&rules);
}

Test(offline, an_empty_run_is_a_run)
{
    static visits got;
    weir_rules rules;
    rig_open_rules(&rules);
    weir_offline *offline = open_offline(&rules, 3, &got);
    flush(offline);
    cr_expect_eq(got.count, 0);
    weir_offline_close(offline);
    weir_offline_close(NULL);
    weir_rules_close(&rules);
}
