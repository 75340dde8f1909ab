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
    return bench_cards_time(&(bench_cards_case){.model_path = model_path,
                                                .card_count = RETAINED_TOTAL / retained_count,
                                                .event_count = EVENT_COUNT,
                                                .horizon_us = HORIZON_US,
                                                .step_us = HORIZON_US / RETAINED_TOTAL});
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
