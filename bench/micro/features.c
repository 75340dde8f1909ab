/* History, features and score with everything in the cache: 1,000 cards of about 15 retained events, six windows,
 * 32 features. Prints features_ns (fold the event into its history and compute the features), step_ns (the same and
 * the score, as the engine does it in batches) and score_ns (the difference). */
#include "../support/bench.h"
#include "../support/cards.h"

#include "weir/base/check.h"
#include "weir/base/units.h"

#include <stdlib.h>

enum { CARD_COUNT = 1000, RETAINED_COUNT = 15, EVENT_COUNT = 200000 };

static const int64_t HORIZON_US = 30 * WEIR_US_PER_DAY;

static double time_features(bench_cards *cards, const bench_rules *rules, const bench_feed *feed, double *registers,
                            double *values)
{
    int64_t began_ns = bench_cpu_ns();
    for (size_t i = 0; i < feed->count; i++) {
        weir_arrival arrival;
        bench_require(weir_plan_gather(rules->plan, 0, &cards->histories[feed->cards[i]],
                                       weir_memory_slab(cards->memory), &feed->events[i], registers, &arrival),
                      "gather", NULL);
        weir_check(arrival == WEIR_ARRIVAL_APPENDED);
        weir_plan_finish(rules->plan, &feed->events[i], registers, values);
    }
    return (double)(bench_cpu_ns() - began_ns) / (double)feed->count;
}

int main(int argc, char **argv)
{
    bench_rules rules;
    bench_cards cards;
    bench_feed feed;
    bench_stream stream;
    double features_ns[BENCH_RUN_COUNT], step_ns[BENCH_RUN_COUNT];
    bench_begin("features");
    bench_rules_open(&rules, bench_rules_path(argc, argv), HORIZON_US, 0);
    bench_cards_open(&cards, CARD_COUNT);
    bench_feed_open(&feed, EVENT_COUNT);
    bench_stream_open(&stream, 1, CARD_COUNT, 0, HORIZON_US / (RETAINED_COUNT * CARD_COUNT));
    double *registers = bench_take(weir_plan_register_count(rules.plan) * sizeof(double));
    double *values = bench_take(weir_plan_feature_count(rules.plan) * sizeof(double));
    bench_cards_warm(&cards, &rules, &feed, &stream, HORIZON_US);
    for (size_t i = 0; i < BENCH_RUN_COUNT; i++) {
        bench_feed_fill(&feed, &stream);
        features_ns[i] = time_features(&cards, &rules, &feed, registers, values);
        bench_feed_fill(&feed, &stream);
        step_ns[i] = bench_cards_score(&cards, &rules, &feed);
    }
    double features_median = bench_median(features_ns, BENCH_RUN_COUNT);
    double step_median = bench_median(step_ns, BENCH_RUN_COUNT);
    bench_row("features_ns", features_median, "ns");
    bench_row("step_ns", step_median, "ns");
    bench_row("score_ns", step_median - features_median, "ns");
    free(registers);
    free(values);
    bench_stream_close(&stream);
    bench_feed_close(&feed);
    bench_cards_close(&cards);
    bench_rules_close(&rules);
    return WEIR_EXIT_OK;
}
