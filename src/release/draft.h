/* A draft: a release being filled in by a format reader, before it is checked.
 *
 * Both readers end in the same arrays; weir_draft_finish then asks everything that does not depend on the
 * format (finite numbers, compiling features, reproducing samples). */
#ifndef WEIR_RELEASE_DRAFT_H
#define WEIR_RELEASE_DRAFT_H

#include "pool.h"

#include "weir/release/release.h"

enum { WEIR_RELEASE_MEMORY_MAX = 256 << 20 }; /* bytes: of a release, and again of folding one */

typedef struct weir_draft {
    weir_release release; /* first: a release is the draft it was made of */
    weir_pool pool;       /* holds the draft itself and all it points to */
    const char **names;   /* these five are what release.model and release.stds point to */
    double *weights, *means, *imputes, *stds;
    bool *imputed;         /* features whose impute value the file fixed */
    bool single_precision; /* the exporter's arithmetic was float: samples agree less closely */
    double tolerance;      /* as the file states it, 0 = not stated */
} weir_draft;

/* An empty draft with the defaults of every optional field, or NULL when the heap is out. */
weir_draft *weir_draft_open(void);
void weir_draft_close(weir_draft *draft);

/* Makes room for the features: imputes 0, stds NaN, the rest 0. Fails: WEIR_INVALID unless 1..WEIR_PLAN_FEATURE_MAX. */
WEIR_MUST_USE weir_status weir_draft_set_feature_count(weir_draft *draft, size_t count, weir_error *error);

/* Checks everything, reproduces the samples and closes the draft for changes. */
WEIR_MUST_USE weir_status weir_draft_finish(weir_draft *draft, const weir_plan_options *plan_options,
                                            weir_error *error);

/* "out of memory": one sentence for one cause. */
weir_status weir_draft_is_full(weir_error *error);

#endif
