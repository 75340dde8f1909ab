/* Does an event cost more when its card is busy? A million retained events in every case, so that the cache is as
 * cold: on 100,000 cards of 10 each, down to 10 cards of 100,000 each. Prints busy_<events a card>_ns a case, and
 * busy_card_cost_ratio, the busiest case over the cheapest; and busy_card_spread_ratio, the dearest over the cheapest,
 * which is the cache's doing: few busy cards share lines that many quiet ones do not. */
#include "../support/bench.h"
#include "../support/cards.h"

#include "weir/base/units.h"

#include <stdio.h>

enum { RETAINED_TOTAL = 1000000, EVENT_COUNT = 250000 };

static const int64_t HORIZON_US = 30 * WEIR_US_PER_DAY;

static const size_t RETAINED_COUNTS[] = {10, 100, 1000, 10000, 100000};

static double time_case(const char *model_path, size_t retained_count)
{
    bench_rules rules;
    bench_cards cards;
    bench_feed feed;
    bench_stream stream;
    double runs[BENCH_RUN_COUNT];
    size_t card_count = RETAINED_TOTAL / retained_count;
    bench_rules_open(&rules, model_path, HORIZON_US, 0);
    bench_cards_open(&cards, card_count);
    bench_feed_open(&feed, EVENT_COUNT);
    bench_stream_open(&stream, 1, card_count, 0, HORIZON_US / RETAINED_TOTAL);
    bench_cards_warm(&cards, &rules, &feed, &stream, HORIZON_US);
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

int main(int argc, char **argv)
{
    double cheapest_ns = 1e300, dearest_ns = 0, busiest_ns = 0;
    bench_begin("busy");
    for (size_t i = 0; i < sizeof RETAINED_COUNTS / sizeof RETAINED_COUNTS[0]; i++) {
        char name[32];
        double ns = time_case(bench_rules_path(argc, argv), RETAINED_COUNTS[i]);
        snprintf(name, sizeof name, "busy_%zu_ns", RETAINED_COUNTS[i]);
        bench_row(name, ns, "ns");
        cheapest_ns = ns < cheapest_ns ? ns : cheapest_ns;
        dearest_ns = ns > dearest_ns ? ns : dearest_ns;
        busiest_ns = ns; /* the last case */
    }
    bench_row("busy_card_cost_ratio", busiest_ns / cheapest_ns, "ratio");
    bench_row("busy_card_spread_ratio", dearest_ns / cheapest_ns, "ratio");
    return WEIR_EXIT_OK;
}
