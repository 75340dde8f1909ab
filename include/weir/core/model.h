/* A linear model as the engine uses it: w·x + b over raw features, a link, thresholds.
 *
 * Whatever the file said (scalers, imputers, ONNX nodes) has been folded into weights over the *raw*
 * feature values by release/; the core only multiplies. Immutable once built.
 */
#ifndef WEIR_CORE_MODEL_H
#define WEIR_CORE_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* No weight, bias, mean or impute value is larger than this in magnitude (release/ refuses them), and a feature
 * value that is counts as missing: so every logit is finite. */
#define WEIR_MODEL_MAGNITUDE_MAX 1e100

enum { WEIR_THRESHOLD_MAX = 4, WEIR_REASON_MAX = 4, WEIR_MODEL_ID_SIZE = 32 };

typedef enum weir_link { WEIR_LINK_LOGISTIC, WEIR_LINK_IDENTITY, WEIR_LINK_COUNT } weir_link;

typedef struct weir_threshold {
    char name[24]; /* e.g. "review", "block" */
    double score;  /* an alert is raised at score >= the lowest threshold and named after the highest passed */
} weir_threshold;

typedef struct weir_model {
    const char *name, *version;      /* from the file; the identity is `id` */
    uint8_t id[WEIR_MODEL_ID_SIZE];  /* SHA-256 of the file */
    size_t feature_count;
    const char *const *feature_names; /* each is its own definition (feature language) */
    const double *weights;            /* per raw feature */
    const double *means;              /* reference means, for reasons */
    const double *imputes;            /* what a missing value counts as */
    double bias;
    weir_link link;
    double clip_low, clip_high;       /* on the score after the link; 0 and 1 unless the file clips */
    size_t threshold_count;           /* >= 1, ascending by score */
    weir_threshold thresholds[WEIR_THRESHOLD_MAX];
} weir_model;

/* Whether a feature value counts as missing: NaN, infinite, or beyond WEIR_MODEL_MAGNITUDE_MAX. Inline, because
 * every value of every event is asked. */
static inline bool weir_model_is_missing(double value)
{
    return !(__builtin_fabs(value) <= WEIR_MODEL_MAGNITUDE_MAX); /* written so that NaN is missing too */
}

/* bias + the sum of w_i x_i in the model's order, missing values imputed: the plain definition of a logit, for one
 * row. The engine's BLAS sums in another order, so its last bits differ. `values` has feature_count entries. */
double weir_model_logit(const weir_model *model, const double *values);

/* The score of a logit under a link, clipped: always the same bits for the same logit. */
double weir_model_score(const weir_model *model, double logit);

/* The index of the highest threshold with score >= its own, or -1. */
int32_t weir_model_threshold(const weir_model *model, double score);

typedef struct weir_reason {
    size_t feature;      /* index into the model's features */
    double value;        /* as scored (imputed when it was missing) */
    double contribution; /* w_i (x_i - mean_i), in logits: exact for a linear model */
} weir_reason;

/* The up to WEIR_REASON_MAX largest positive contributions, largest first, ties by feature order.
 * `values` has feature_count entries in the model's order; NaN = missing. Returns how many. */
size_t weir_model_reasons(const weir_model *model, const double *values, weir_reason reasons_out[WEIR_REASON_MAX]);

#endif
