/* A model file made ready to score: the release, the plan compiled from it, and the ruleset that joins them, in one
 * block of memory that lives and dies together. */
#ifndef WEIR_APP_RULES_H
#define WEIR_APP_RULES_H

#include "weir/core/engine.h"
#include "weir/release/release.h"

/* The chain of stages: whose histories are kept, in the order of the hops. */
typedef struct weir_chain {
    weir_entity_kind stages[WEIR_ENTITY_COUNT];
    size_t count;
    int64_t drift_us; /* how far sources may be apart in event time beyond the first stage; 0: offline, not at all */
} weir_chain;

/* From names ("card", "terminal" ...). Fails: WEIR_INVALID for a name that is none, one named twice, or a chain that
 * does not begin with the card, by whom transactions and labels are keyed. */
WEIR_MUST_USE weir_status weir_chain_parse(const char *const *names, size_t count, weir_chain *chain_out,
                                           weir_error *error);
/* The same from one text with commas between. */
WEIR_MUST_USE weir_status weir_chain_parse_list(const char *list, weir_chain *chain_out, weir_error *error);

typedef struct weir_rules {
    weir_release *release;
    const weir_plan *plan;
    const weir_ruleset *ruleset;
    void *memory; /* the arena's */
} weir_rules;

/* Loads and compiles the model at `path` for a chain (NULL: the card alone). horizon_us_min: retention the
 * configuration asks for (0 = 30 days).
 * Owns: close frees everything. Fails: the reasons of weir_release_load_file and weir_plan_compile. */
WEIR_MUST_USE weir_status weir_rules_open(const char *path, const weir_chain *chain, int64_t horizon_us_min,
                                          weir_rules *rules_out, weir_error *error);
void weir_rules_close(weir_rules *rules);

#endif
