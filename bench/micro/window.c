/* Does an event cost more when the windows are longer? 200 cards, an event every 20 minutes each, 90 days retained
 * in every case; only the six windows change, from (1 h, 30 min, 15 min ...) to (90 d, 45 d, 22.5 d ...), so that the
 * longest holds from 3 to 6,480 events. Prints window_<longest>_ns a case, and window_cost_ratio, dearest over
 * cheapest. */
#include "../support/bench.h"
#include "../support/cards.h"

#include "weir/base/units.h"

#include <stdio.h>

enum { CARD_COUNT = 200, EVENT_COUNT = 200000 };

static const int64_t HORIZON_US = 90 * WEIR_US_PER_DAY;
static const int64_t GAP_US = 20 * WEIR_US_PER_MINUTE;

static const struct {
    const char *name;
    int64_t longest_us;
} CASES[] = {
    {"window_1h_ns", WEIR_US_PER_HOUR},      {"window_6h_ns", 6 * WEIR_US_PER_HOUR},
    {"window_1d_ns", WEIR_US_PER_DAY},       {"window_7d_ns", 7 * WEIR_US_PER_DAY},
    {"window_30d_ns", 30 * WEIR_US_PER_DAY}, {"window_90d_ns", 90 * WEIR_US_PER_DAY},
};

static double time_case(const char *model_path, int64_t longest_us)
{
    return bench_cards_time(&(bench_cards_case){.model_path = model_path,
                                                .card_count = CARD_COUNT,
                                                .event_count = EVENT_COUNT,
                                                .horizon_us = HORIZON_US,
                                                .longest_us = longest_us,
                                                .step_us = GAP_US / CARD_COUNT});
}

int main(int argc, char **argv)
{
    double cheapest_ns = 1e300, dearest_ns = 0;
    bench_begin("window");
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        double ns = time_case(bench_rules_path(argc, argv), CASES[i].longest_us);
        bench_row(CASES[i].name, ns, "ns");
        cheapest_ns = ns < cheapest_ns ? ns : cheapest_ns;
        dearest_ns = ns > dearest_ns ? ns : dearest_ns;
    }
    bench_row("window_cost_ratio", dearest_ns / cheapest_ns, "ratio");
    return WEIR_EXIT_OK;
}
