/* The bench model (bench/models/bench32.json) compiled and ready to score, with its windows as they are or scaled. */
#ifndef BENCH_SUPPORT_RULES_H
#define BENCH_SUPPORT_RULES_H

#include "weir/core/engine.h"
#include "weir/release/release.h"

typedef struct bench_rules {
    weir_release *release;
    weir_model model; /* the release's, with the names that were compiled */
    weir_arena arena; /* those names, the plan and the ruleset */
    weir_engine *engine;
    const weir_plan *plan;
    const weir_ruleset *ruleset;
} bench_rules;

/* Loads and compiles the model; ends the process when it cannot.
 *
 * horizon_us:      how long events are retained at least; 0 = the default.
 * longest_us:      0 leaves the windows alone. Otherwise the model's n distinct windows become, from the longest
 *                  down, longest_us, longest_us / 2, longest_us / 4 ...; it must divide by 2^(n-1) whole milliseconds.
 */
void bench_rules_open(bench_rules *rules, const char *model_path, int64_t horizon_us, int64_t longest_us);
void bench_rules_close(bench_rules *rules);

/* The model's path: the program's first argument, or the repository's bench/models/bench32.json. */
const char *bench_rules_path(int argc, char **argv);

#endif
