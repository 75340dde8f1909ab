/* A model file made ready to score: the release, the plan compiled from it, and the ruleset that joins them, in one
 * block of memory that lives and dies together. */
#ifndef WEIR_APP_RULES_H
#define WEIR_APP_RULES_H

#include "weir/core/engine.h"
#include "weir/release/release.h"

typedef struct weir_rules {
    weir_release *release;
    const weir_plan *plan;
    const weir_ruleset *ruleset;
    void *memory; /* the arena's */
} weir_rules;

/* Loads and compiles the model at `path`. horizon_us_min: retention the configuration asks for (0 = 30 days).
 * Owns: close frees everything. Fails: the reasons of weir_release_load_file and weir_plan_compile. */
WEIR_MUST_USE weir_status weir_rules_open(const char *path, int64_t horizon_us_min, weir_rules *rules_out,
                                          weir_error *error);
void weir_rules_close(weir_rules *rules);

#endif
