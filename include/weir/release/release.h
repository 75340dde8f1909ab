/* A model release: a model file, read, checked and folded into a core model that is ready to score.
 *
 *   bytes ──sniff──> linear.c (weir.linear/v1 JSON)  ┐
 *              └───> onnx.c + fold.c (ONNX graph)    ┴──> draft ──check──> weir_release
 *
 * Two formats, told apart by content, one outcome: w·x + b over raw features, a link, thresholds,
 * what a missing value counts as, reference means, the training window, and golden samples. A file is
 * taken whole or refused whole. Refused is what is not linear in the features (naming the node and the
 * reason), what does not compile as features, numbers that are not finite, and a file whose own samples
 * do not reproduce: the exporter computed them with its library, so a model that was folded wrongly,
 * or exported with its features in another order, does not get past this file.
 *
 * Read next: models/README.md (the formats as their writer sees them), src/release/README.md (how it works).
 */
#ifndef WEIR_RELEASE_RELEASE_H
#define WEIR_RELEASE_RELEASE_H

#include "weir/base/span.h"
#include "weir/base/status.h"
#include "weir/core/model.h"
#include "weir/core/plan.h"

#include <stdio.h>

enum {
    WEIR_RELEASE_FILE_SIZE_MAX = 64 << 20, /* bytes of a model file */
    WEIR_RELEASE_SAMPLE_MAX = 1000,
    WEIR_RELEASE_ID_TEXT_SIZE = 2 * WEIR_MODEL_ID_SIZE + 1,
};

typedef enum weir_release_format {
    WEIR_RELEASE_LINEAR_V1,
    WEIR_RELEASE_ONNX,
    WEIR_RELEASE_FORMAT_COUNT
} weir_release_format;

/* "weir.linear/v1", "onnx". */
const char *weir_release_format_name(weir_release_format format);

/* What the model was trained on, as the file says. Texts are NULL and numbers -1 where it does not. */
typedef struct weir_release_training {
    const char *from, *to; /* RFC 3339 date or UTC time, as written: [from, to) */
    int64_t from_us, to_us; /* the same in microseconds since 1970 UTC */
    int64_t rows, positives;
    const char *source; /* where the rows came from, e.g. a table and snapshot */
} weir_release_training;

/* A golden sample: raw feature values (NaN = missing) and the score the exporter's library gave them. */
typedef struct weir_release_sample {
    const double *values; /* feature_count */
    double score;
} weir_release_sample;

/* What became of one node of an ONNX graph. */
typedef struct weir_release_node {
    const char *name; /* as in the graph, may be empty */
    const char *op;   /* e.g. "ai.onnx.ml.Scaler", "MatMul" */
    bool folded;      /* false: the score does not depend on it (the predicted label's branch) */
} weir_release_node;

typedef struct weir_release {
    weir_model model; /* its strings and arrays belong to the release */
    weir_release_format format;
    const char *description; /* one line from the file, NULL when it has none */
    weir_release_training training;
    const double *stds; /* reference standard deviations per feature, NaN = not given */
    size_t sample_count; /* >= 1 */
    const weir_release_sample *samples;
    double sample_tolerance; /* largest difference allowed between a sample's score and weir's */
    double sample_error_max; /* largest difference found */
    size_t node_count;       /* 0 for weir.linear/v1 */
    const weir_release_node *nodes;
} weir_release;

/* Reads a model file's bytes.
 *
 * Expects: `plan_options` says which entities have a stage, as for weir_plan_compile; NULL allows every entity.
 * Owns:    *release_out is the caller's, until weir_release_close; `bytes` are not kept.
 * Fails:   WEIR_INVALID for what is malformed, WEIR_UNSUPPORTED for what does not fold into a linear model,
 *          WEIR_REFUSED when the golden samples do not reproduce or an entity has no stage, WEIR_FULL when
 *          folding needs too much memory. The message names the place, what was found and what was wanted.
 * Thread:  any; the release is immutable once made and may be shared.
 * Cost:    linear in the file but for a product of matrices in the graph, whose work is bounded.
 */
WEIR_MUST_USE weir_status weir_release_load(weir_span bytes, const weir_plan_options *plan_options,
                                            weir_release **release_out, weir_error *error);

/* The same from a file. Fails also with WEIR_NOT_FOUND and WEIR_IO; messages begin with the path. */
WEIR_MUST_USE weir_status weir_release_load_file(const char *path, const weir_plan_options *plan_options,
                                                 weir_release **release_out, weir_error *error);

/* Frees a release and everything it points to. NULL is allowed. */
void weir_release_close(weir_release *release);

/* The identity of a release, SHA-256 of the file, in lower-case hexadecimal. */
void weir_release_id_text(const weir_release *release, char text_out[WEIR_RELEASE_ID_TEXT_SIZE]);

/* Writes what the release is for a person: identity, training window, thresholds, samples, features with
 * weight and standardised effect (weight times standard deviation: the logits one deviation is worth),
 * and for ONNX what became of each node. Errors of `out` are the caller's to look at. */
void weir_release_describe_text(const weir_release *release, FILE *out);

/* The same as one JSON object and a newline.
 * Fails: WEIR_FULL when memory runs out; nothing is written then. */
WEIR_MUST_USE weir_status weir_release_describe_json(const weir_release *release, FILE *out);

#endif
