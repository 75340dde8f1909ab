#include "linear.h"

#include "fields.h"

#include "weir/base/check.h"

#define COUNT_OF(array) (sizeof(array) / sizeof *(array))

/* One feature as written: weight over (x - offset) / scale. */
typedef struct linear_feature {
    size_t index;
    double weight, offset, scale;
} linear_feature;

static weir_status set_feature_name(void *target, weir_draft *draft, const char *where, const json_t *value,
                                    weir_error *error)
{
    const linear_feature *feature = target;
    if (!json_is_string(value) || json_string_length(value) > WEIR_FEATURE_NAME_MAX)
        return weir_error_set(error, WEIR_INVALID, "%s: expected a feature of at most %d bytes", where,
                              WEIR_FEATURE_NAME_MAX);
    draft->names[feature->index] = weir_pool_copy_text(&draft->pool, json_string_value(value));
    return draft->names[feature->index] ? WEIR_OK : weir_draft_is_full(error);
}

static weir_status set_weight(void *target, weir_draft *draft, const char *where, const json_t *value,
                              weir_error *error)
{
    (void)draft;
    return weir_fields_number(value, where, &((linear_feature *)target)->weight, error);
}

static weir_status set_offset(void *target, weir_draft *draft, const char *where, const json_t *value,
                              weir_error *error)
{
    (void)draft;
    return weir_fields_number(value, where, &((linear_feature *)target)->offset, error);
}

static weir_status set_scale(void *target, weir_draft *draft, const char *where, const json_t *value,
                             weir_error *error)
{
    (void)draft;
    linear_feature *feature = target;
    weir_status status = weir_fields_number(value, where, &feature->scale, error);
    if (status == WEIR_OK && feature->scale == 0)
        return weir_error_set(error, WEIR_INVALID, "%s: 0 cannot be divided by", where);
    return status;
}

static weir_status set_mean(void *target, weir_draft *draft, const char *where, const json_t *value, weir_error *error)
{
    return weir_fields_number(value, where, &draft->means[((linear_feature *)target)->index], error);
}

static weir_status set_impute(void *target, weir_draft *draft, const char *where, const json_t *value,
                              weir_error *error)
{
    return weir_fields_number(value, where, &draft->imputes[((linear_feature *)target)->index], error);
}

static weir_status set_std(void *target, weir_draft *draft, const char *where, const json_t *value, weir_error *error)
{
    double *std = &draft->stds[((linear_feature *)target)->index];
    weir_status status = weir_fields_number(value, where, std, error);
    if (status == WEIR_OK && *std < 0)
        return weir_error_set(error, WEIR_INVALID, "%s: %g is negative", where, *std);
    return status;
}

static const weir_field FEATURE_FIELDS[] = {
    {"name", set_feature_name, true}, {"weight", set_weight, true}, {"mean", set_mean, true},
    {"impute", set_impute, false},    {"std", set_std, false},      {"offset", set_offset, false},
    {"scale", set_scale, false},      {"notes", NULL, false},
};

/* weight * (x - offset) / scale = (weight / scale) * x - weight / scale * offset */
static void fold_feature(weir_draft *draft, const linear_feature *feature)
{
    double weight = feature->weight / feature->scale;
    draft->weights[feature->index] = weight;
    draft->release.model.bias -= weight * feature->offset;
}

static weir_status set_features(void *target, weir_draft *draft, const char *where, const json_t *value,
                                weir_error *error)
{
    (void)target;
    weir_status status = weir_fields_array(value, where, WEIR_PLAN_FEATURE_MAX, error);
    if (status == WEIR_OK)
        status = weir_draft_set_feature_count(draft, json_array_size(value), error);
    for (size_t i = 0; status == WEIR_OK && i < json_array_size(value); i++) {
        char place[160];
        snprintf(place, sizeof place, "%s[%zu]", where, i);
        linear_feature feature = {.index = i, .scale = 1};
        status = weir_fields_read(FEATURE_FIELDS, COUNT_OF(FEATURE_FIELDS), json_array_get(value, i), place, &feature,
                                  draft, error);
        if (status == WEIR_OK)
            fold_feature(draft, &feature);
    }
    return status;
}

static weir_status set_bias(void *target, weir_draft *draft, const char *where, const json_t *value, weir_error *error)
{
    (void)target;
    double bias;
    weir_status status = weir_fields_number(value, where, &bias, error);
    if (status == WEIR_OK)
        draft->release.model.bias += bias;
    return status;
}

static const char *const LINK_NAMES[WEIR_LINK_COUNT] = {"logistic", "identity"};

static weir_status set_link(void *target, weir_draft *draft, const char *where, const json_t *value, weir_error *error)
{
    (void)target;
    for (unsigned i = 0; i < WEIR_LINK_COUNT; i++) {
        if (!json_is_string(value) || strcmp(json_string_value(value), LINK_NAMES[i]) != 0)
            continue;
        draft->release.model.link = (weir_link)i;
        return WEIR_OK;
    }
    return weir_error_set(error, WEIR_INVALID, "%s: expected \"logistic\" or \"identity\"", where);
}

static weir_status set_clip(void *target, weir_draft *draft, const char *where, const json_t *value, weir_error *error)
{
    (void)target;
    double bounds[2];
    if (!json_is_array(value) || json_array_size(value) != 2)
        return weir_error_set(error, WEIR_INVALID, "%s: expected [low, high]", where);
    weir_status status = weir_fields_numbers(value, where, 2, false, bounds, error);
    draft->release.model.clip_low = status == WEIR_OK ? bounds[0] : 0;
    draft->release.model.clip_high = status == WEIR_OK ? bounds[1] : 1;
    return status;
}

static weir_status check_format(void *target, weir_draft *draft, const char *where, const json_t *value,
                                weir_error *error)
{
    (void)target, (void)draft;
    if (json_is_string(value) && strcmp(json_string_value(value), "weir.linear/v1") == 0)
        return WEIR_OK;
    return weir_error_set(error, WEIR_UNSUPPORTED, "%s: expected \"weir.linear/v1\", found \"%.64s\"", where,
                          json_is_string(value) ? json_string_value(value) : "(not a text)");
}

/* In reading order: samples need to know how many features there are. */
static const weir_field FILE_FIELDS[] = {
    {"format", check_format, true},
    {"name", weir_fields_set_name, true},
    {"version", weir_fields_set_version, true},
    {"description", weir_fields_set_description, false},
    {"features", set_features, true},
    {"bias", set_bias, true},
    {"link", set_link, true},
    {"clip", set_clip, false},
    {"thresholds", weir_fields_set_thresholds, true},
    {"training", weir_fields_set_training, true},
    {"tolerance", weir_fields_set_tolerance, false},
    {"samples", weir_fields_set_samples, true},
    {"notes", NULL, false},
    {"metadata", NULL, false},
};

weir_status weir_linear_read(weir_draft *draft, weir_span bytes, weir_error *error)
{
    json_error_t problem;
    json_t *file = json_loadb((const char *)bytes.data, bytes.size, JSON_REJECT_DUPLICATES, &problem);
    if (!file)
        return weir_error_set(error, WEIR_INVALID, "line %d, column %d: %s", problem.line, problem.column,
                              problem.text);
    draft->release.format = WEIR_RELEASE_LINEAR_V1;
    weir_status status = weir_fields_read(FILE_FIELDS, COUNT_OF(FILE_FIELDS), file, "", NULL, draft, error);
    json_decref(file);
    return status;
}
