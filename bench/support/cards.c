#include "cards.h"

#include "bench.h"
#include "weir/base/check.h"

#include <stdlib.h>

#define MEMORY_MAX (UINT64_C(16) << 30)

void bench_cards_open(bench_cards *cards, size_t count)
{
    weir_error error = {0};
    *cards = (bench_cards){.count = count, .histories = bench_take(count * sizeof(weir_history))};
    bench_require(weir_memory_open(MEMORY_MAX, &cards->memory, &error), "memory", &error);
}

void bench_cards_close(bench_cards *cards)
{
    weir_memory_close(cards->memory);
    free(cards->histories);
    *cards = (bench_cards){0};
}

static size_t fill_batch(bench_cards *cards, const bench_feed *feed, size_t begin, weir_engine_item *items)
{
    size_t count = feed->count - begin < WEIR_BATCH_MAX ? feed->count - begin : WEIR_BATCH_MAX;
    for (size_t i = 0; i < count; i++) {
        items[i].history = &cards->histories[feed->cards[begin + i]];
        items[i].event = feed->events[begin + i];
        items[i].slab = weir_memory_slab(cards->memory);
    }
    return count;
}

double bench_cards_score(bench_cards *cards, const bench_rules *rules, const bench_feed *feed)
{
    static weir_engine_item items[WEIR_BATCH_MAX];
    int64_t began_ns = bench_cpu_ns();
    for (size_t at = 0, count; at < feed->count; at += count) {
        count = fill_batch(cards, feed, at, items);
        size_t done = 0;
        bench_require(weir_engine_step(rules->engine, rules->ruleset, 0, items, count, &done), "engine", NULL);
        weir_check(done == count && items[count - 1].arrival == WEIR_ARRIVAL_APPENDED);
    }
    return (double)(bench_cpu_ns() - began_ns) / (double)feed->count;
}

void bench_cards_warm(bench_cards *cards, const bench_rules *rules, bench_feed *feed, bench_stream *stream,
                      int64_t span_us)
{
    int64_t until_us = stream->time_us + span_us;
    while (stream->time_us < until_us) {
        bench_feed_fill(feed, stream);
        (void)bench_cards_score(cards, rules, feed);
    }
}

double bench_cards_time(const bench_cards_case *one)
{
    bench_rules rules;
    bench_cards cards;
    bench_feed feed;
    bench_stream stream;
    double runs[BENCH_RUN_COUNT];
    bench_rules_open(&rules, one->model_path, one->horizon_us, one->longest_us);
    bench_cards_open(&cards, one->card_count);
    bench_feed_open(&feed, one->event_count);
    bench_stream_open(&stream, 1, one->card_count, 0, one->step_us);
    bench_cards_warm(&cards, &rules, &feed, &stream, one->horizon_us);
    for (size_t i = 0; i < BENCH_RUN_COUNT; i++) {
        bench_feed_fill(&feed, &stream);
        runs[i] = bench_cards_score(&cards, &rules, &feed);
    }
    bench_stream_close(&stream);
    bench_feed_close(&feed);
    bench_cards_close(&cards);
    bench_rules_close(&rules);
    return bench_median(runs, BENCH_RUN_COUNT);
}
