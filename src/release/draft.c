#include "draft.h"

#include "weir/base/check.h"

#include <math.h>
#include <stdlib.h>

/* Room for compiling the features: a plan of WEIR_PLAN_FEATURE_MAX long names takes a few MiB. */
enum { PLAN_MEMORY_SIZE = 32 << 20 };

/* How closely a sample must reproduce when the file does not say. */
#define TOLERANCE_DOUBLE 1e-9
#define TOLERANCE_SINGLE 1e-6

weir_status weir_draft_is_full(weir_error *error)
{
    return weir_error_set(error, WEIR_FULL, "out of memory (a model may take %d MiB)", WEIR_RELEASE_MEMORY_MAX >> 20);
}

weir_draft *weir_draft_open(void)
{
    weir_pool pool;
    weir_pool_init(&pool, WEIR_RELEASE_MEMORY_MAX);
    weir_draft *draft = weir_pool_take(&pool, 1, sizeof *draft);
    if (!draft)
        return NULL;
    draft->pool = pool;
    draft->release.model.clip_high = 1;
    draft->release.training.rows = draft->release.training.positives = -1;
    return draft;
}

void weir_draft_close(weir_draft *draft)
{
    if (!draft)
        return;
    weir_pool pool = draft->pool; /* the draft is in it */
    weir_pool_deinit(&pool);
}

weir_status weir_draft_set_feature_count(weir_draft *draft, size_t count, weir_error *error)
{
    if (count == 0 || count > WEIR_PLAN_FEATURE_MAX)
        return weir_error_set(error, WEIR_INVALID, "%zu features: expected 1 to %d", count, WEIR_PLAN_FEATURE_MAX);
    draft->names = weir_pool_take(&draft->pool, count, sizeof *draft->names);
    draft->weights = weir_pool_take(&draft->pool, count, sizeof(double));
    draft->means = weir_pool_take(&draft->pool, count, sizeof(double));
    draft->imputes = weir_pool_take(&draft->pool, count, sizeof(double));
    draft->stds = weir_pool_take(&draft->pool, count, sizeof(double));
    draft->imputed = weir_pool_take(&draft->pool, count, sizeof(bool));
    if (!draft->names || !draft->weights || !draft->means || !draft->imputes || !draft->stds || !draft->imputed)
        return weir_draft_is_full(error);
    for (size_t i = 0; i < count; i++)
        draft->stds[i] = NAN;
    weir_model *model = &draft->release.model;
    model->feature_count = count;
    model->feature_names = draft->names;
    model->weights = draft->weights;
    model->means = draft->means;
    model->imputes = draft->imputes;
    draft->release.stds = draft->stds;
    return WEIR_OK;
}

/* --- checks -------------------------------------------------------------------------------------------------- */

static weir_status check_numbers(const weir_model *model, weir_error *error)
{
    const struct {
        const char *what;
        const double *numbers;
    } arrays[] = {{"weight", model->weights}, {"mean", model->means}, {"impute value", model->imputes}};
    for (size_t i = 0; i < 3 * model->feature_count; i++) {
        size_t feature = i / 3;
        double number = arrays[i % 3].numbers[feature];
        if (weir_model_is_missing(number))
            return weir_error_set(error, WEIR_INVALID, "feature %zu (%.80s): its %s, %g, is not within +-%g", feature,
                                  model->feature_names[feature], arrays[i % 3].what, number, WEIR_MODEL_MAGNITUDE_MAX);
    }
    if (weir_model_is_missing(model->bias))
        return weir_error_set(error, WEIR_INVALID, "the bias, %g, is not within +-%g", model->bias,
                              WEIR_MODEL_MAGNITUDE_MAX);
    if (!(model->clip_low >= 0 && model->clip_low < model->clip_high && model->clip_high <= 1))
        return weir_error_set(error, WEIR_INVALID, "scores are clipped to [%g, %g]: not a range within [0, 1]",
                              model->clip_low, model->clip_high);
    return WEIR_OK;
}

static weir_status check_thresholds(const weir_model *model, weir_error *error)
{
    double previous = 0;
    for (size_t i = 0; i < model->threshold_count; i++) {
        const weir_threshold *threshold = &model->thresholds[i];
        if (!(threshold->score > previous && threshold->score <= 1))
            return weir_error_set(error, WEIR_INVALID,
                                  "threshold %zu (%s): its score %g is not in (%g, 1]; thresholds ascend", i,
                                  threshold->name, threshold->score, previous);
        for (size_t j = 0; j < i; j++)
            if (strcmp(model->thresholds[j].name, threshold->name) == 0)
                return weir_error_set(error, WEIR_INVALID, "two thresholds are named \"%s\"", threshold->name);
        previous = threshold->score;
    }
    return WEIR_OK;
}

/* One feature under two spellings would be two rows of one thing, and reasons would name it twice. */
static weir_status check_distinct(const weir_model *model, const weir_plan *plan, weir_error *error)
{
    size_t *first = calloc(weir_plan_feature_count(plan) + 1, sizeof *first); /* 1 + the feature seen in a column */
    if (!first)
        return weir_draft_is_full(error);
    weir_status status = WEIR_OK;
    for (size_t i = 0; i < model->feature_count && status == WEIR_OK; i++) {
        size_t column = weir_plan_feature_index(plan, model->feature_names[i]);
        weir_check(column < weir_plan_feature_count(plan));
        if (first[column])
            status = weir_error_set(error, WEIR_INVALID, "features %zu and %zu are the same: %.160s", first[column] - 1,
                                    i, model->feature_names[i]);
        first[column] = i + 1;
    }
    free(first);
    return status;
}

static const weir_entity_kind EVERY_ENTITY[WEIR_ENTITY_COUNT] = {WEIR_ENTITY_CARD, WEIR_ENTITY_TERMINAL,
                                                                 WEIR_ENTITY_MERCHANT, WEIR_ENTITY_DEVICE};
static const weir_plan_options EVERY_STAGE = {.stages = EVERY_ENTITY, .stage_count = WEIR_ENTITY_COUNT, .serial = 1};

static weir_status check_features(const weir_model *model, const weir_plan_options *options, weir_error *error)
{
    void *memory = malloc(PLAN_MEMORY_SIZE);
    if (!memory)
        return weir_draft_is_full(error);
    weir_arena arena;
    weir_arena_init(&arena, memory, PLAN_MEMORY_SIZE);
    const weir_plan *plan = NULL;
    weir_status status = weir_plan_compile(model->feature_names, model->feature_count,
                                           options ? options : &EVERY_STAGE, &arena, &plan, error);
    if (status == WEIR_OK)
        status = check_distinct(model, plan, error);
    free(memory);
    return status;
}

static weir_status check_samples(weir_draft *draft, weir_error *error)
{
    weir_release *release = &draft->release;
    double usual = draft->single_precision ? TOLERANCE_SINGLE : TOLERANCE_DOUBLE;
    release->sample_tolerance = draft->tolerance > 0 ? draft->tolerance : usual;
    for (size_t i = 0; i < release->sample_count; i++) {
        const weir_release_sample *sample = &release->samples[i];
        double score = weir_model_score(&release->model, weir_model_logit(&release->model, sample->values));
        double difference = fabs(score - sample->score);
        if (!(difference <= release->sample_tolerance))
            return weir_error_set(error, WEIR_REFUSED,
                                  "sample %zu does not reproduce: the file says %.12g, weir scores %.12g, allowed is a "
                                  "difference of %g; are the features in the order the model was trained with?",
                                  i, sample->score, score, release->sample_tolerance);
        if (difference > release->sample_error_max)
            release->sample_error_max = difference;
    }
    return WEIR_OK;
}

weir_status weir_draft_finish(weir_draft *draft, const weir_plan_options *plan_options, weir_error *error)
{
    const weir_model *model = &draft->release.model;
    weir_check(model->name && model->version && model->feature_count > 0);
    weir_check(model->threshold_count > 0 && draft->release.sample_count > 0);
    weir_status status = check_numbers(model, error);
    if (status == WEIR_OK)
        status = check_thresholds(model, error);
    if (status == WEIR_OK)
        status = check_features(model, plan_options, error);
    return status == WEIR_OK ? check_samples(draft, error) : status;
}
