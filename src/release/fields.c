#include "fields.h"

#include "weir/base/check.h"
#include "weir/base/iso_time.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>

#define COUNT_OF(array) (sizeof(array) / sizeof *(array))

/* "where.key", or "key" at the top. */
static void join(char *text_out, size_t capacity, const char *where, const char *key)
{
    snprintf(text_out, capacity, "%s%s%.60s", where, *where ? "." : "", key);
}

static const weir_field *find(const weir_field *fields, size_t count, const char *key)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(fields[i].key, key) == 0)
            return &fields[i];
    return NULL;
}

static weir_status refuse_unknown(const weir_field *fields, size_t field_count, const json_t *object,
                                  const char *where, weir_error *error)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)object, key, value)
    {
        if (find(fields, field_count, key))
            continue;
        char place[128];
        join(place, sizeof place, where, key);
        return weir_error_set(error, WEIR_INVALID,
                              "\"%s\" is not a known field (what weir should not read goes under \"notes\")",
                              place);
    }
    return WEIR_OK;
}

weir_status weir_fields_read(const weir_field *fields, size_t field_count, const json_t *object, const char *where,
                             void *target, weir_draft *draft, weir_error *error)
{
    if (!json_is_object(object))
        return weir_error_set(error, WEIR_INVALID, "%s: expected an object {...}", *where ? where : "the file");
    weir_status status = refuse_unknown(fields, field_count, object, where, error);
    for (size_t i = 0; i < field_count && status == WEIR_OK; i++) {
        char place[128];
        join(place, sizeof place, where, fields[i].key);
        const json_t *value = json_object_get(object, fields[i].key);
        if (!value && fields[i].required)
            status = weir_error_set(error, WEIR_INVALID, "\"%s\" is missing", place);
        else if (value && fields[i].set)
            status = fields[i].set(target, draft, place, value, error);
    }
    return status;
}

weir_status weir_fields_number(const json_t *value, const char *where, double *number_out, weir_error *error)
{
    if (!json_is_number(value))
        return weir_error_set(error, WEIR_INVALID, "%s: expected a number", where);
    double number = json_number_value(value);
    if (weir_model_is_missing(number))
        return weir_error_set(error, WEIR_INVALID, "%s: %g is not within +-%g", where, number,
                              WEIR_MODEL_MAGNITUDE_MAX);
    *number_out = number;
    return WEIR_OK;
}

/* These texts are printed on terminals. */
static bool has_controls(const char *text)
{
    while (*text && (uint8_t)*text >= ' ' && *text != 0x7f)
        text++;
    return *text != '\0';
}

weir_status weir_fields_text(const json_t *value, const char *where, weir_draft *draft, const char **text_out,
                             weir_error *error)
{
    if (!json_is_string(value))
        return weir_error_set(error, WEIR_INVALID, "%s: expected a text", where);
    size_t size = json_string_length(value);
    if (size == 0 || size > WEIR_FIELD_TEXT_MAX || strlen(json_string_value(value)) != size)
        return weir_error_set(error, WEIR_INVALID, "%s: expected 1 to %d bytes of text, found %zu", where,
                              WEIR_FIELD_TEXT_MAX, size);
    if (has_controls(json_string_value(value)))
        return weir_error_set(error, WEIR_INVALID, "%s: has control characters", where);
    char *copy = weir_pool_copy_text(&draft->pool, json_string_value(value));
    if (!copy)
        return weir_draft_is_full(error);
    *text_out = copy;
    return WEIR_OK;
}

weir_status weir_fields_array(const json_t *value, const char *where, size_t count_max, weir_error *error)
{
    if (!json_is_array(value))
        return weir_error_set(error, WEIR_INVALID, "%s: expected an array [...]", where);
    size_t count = json_array_size(value);
    if (count == 0 || count > count_max)
        return weir_error_set(error, WEIR_INVALID, "%s: expected 1 to %zu entries, found %zu", where, count_max,
                              count);
    return WEIR_OK;
}

weir_status weir_fields_numbers(const json_t *value, const char *where, size_t count, bool null_allowed,
                                double *numbers_out, weir_error *error)
{
    if (!json_is_array(value) || json_array_size(value) != count)
        return weir_error_set(error, WEIR_INVALID, "%s: expected an array of %zu numbers, one a feature, found %zu",
                              where, count, json_array_size(value));
    for (size_t i = 0; i < count; i++) {
        const json_t *entry = json_array_get(value, i);
        if (null_allowed && json_is_null(entry)) {
            numbers_out[i] = NAN;
            continue;
        }
        char place[160];
        snprintf(place, sizeof place, "%s[%zu]", where, i);
        weir_status status = weir_fields_number(entry, place, &numbers_out[i], error);
        if (status != WEIR_OK)
            return status;
    }
    return WEIR_OK;
}

/* --- name, version, description ------------------------------------------------------------------------------ */

/* Names and versions become metric labels, file names and header values. */
static bool is_identifier(const char *text)
{
    static const char ALLOWED[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._+:-";
    return strspn(text, ALLOWED) == strlen(text) && strlen(text) <= 64;
}

static weir_status set_identifier(weir_draft *draft, const char *where, const json_t *value, const char **text_out,
                                  weir_error *error)
{
    const char *text = NULL;
    weir_status status = weir_fields_text(value, where, draft, &text, error);
    if (status != WEIR_OK)
        return status;
    if (!is_identifier(text))
        return weir_error_set(error, WEIR_INVALID, "%s: \"%.80s\" has other characters than letters, digits and "
                              "._+:-, or more than 64", where, text);
    *text_out = text;
    return WEIR_OK;
}

weir_status weir_fields_set_name(void *target, weir_draft *draft, const char *where, const json_t *value,
                                 weir_error *error)
{
    (void)target;
    return set_identifier(draft, where, value, &draft->release.model.name, error);
}

weir_status weir_fields_set_version(void *target, weir_draft *draft, const char *where, const json_t *value,
                                    weir_error *error)
{
    (void)target;
    return set_identifier(draft, where, value, &draft->release.model.version, error);
}

weir_status weir_fields_set_description(void *target, weir_draft *draft, const char *where, const json_t *value,
                                        weir_error *error)
{
    (void)target;
    return weir_fields_text(value, where, draft, &draft->release.description, error);
}

weir_status weir_fields_set_tolerance(void *target, weir_draft *draft, const char *where, const json_t *value,
                                      weir_error *error)
{
    (void)target;
    double tolerance = 0;
    weir_status status = weir_fields_number(value, where, &tolerance, error);
    if (status != WEIR_OK)
        return status;
    if (!(tolerance > 0 && tolerance <= 1e-3))
        return weir_error_set(error, WEIR_INVALID, "%s: %g is not in (0, 0.001]", where, tolerance);
    draft->tolerance = tolerance;
    return WEIR_OK;
}

/* --- thresholds ---------------------------------------------------------------------------------------------- */

static weir_status set_threshold_name(void *target, weir_draft *draft, const char *where, const json_t *value,
                                      weir_error *error)
{
    weir_threshold *threshold = target;
    const char *name = NULL;
    weir_status status = set_identifier(draft, where, value, &name, error);
    if (status != WEIR_OK)
        return status;
    if (strlen(name) >= sizeof threshold->name)
        return weir_error_set(error, WEIR_INVALID, "%s: \"%.64s\" is longer than %zu characters", where, name,
                              sizeof threshold->name - 1);
    strcpy(threshold->name, name);
    return WEIR_OK;
}

static weir_status set_threshold_score(void *target, weir_draft *draft, const char *where, const json_t *value,
                                       weir_error *error)
{
    (void)draft;
    weir_threshold *threshold = target;
    return weir_fields_number(value, where, &threshold->score, error);
}

static const weir_field THRESHOLD_FIELDS[] = {
    {"name", set_threshold_name, true},
    {"score", set_threshold_score, true},
};

weir_status weir_fields_set_thresholds(void *target, weir_draft *draft, const char *where, const json_t *value,
                                       weir_error *error)
{
    (void)target;
    weir_model *model = &draft->release.model;
    weir_status status = weir_fields_array(value, where, WEIR_THRESHOLD_MAX, error);
    for (size_t i = 0; status == WEIR_OK && i < json_array_size(value); i++) {
        char place[160];
        snprintf(place, sizeof place, "%s[%zu]", where, i);
        status = weir_fields_read(THRESHOLD_FIELDS, COUNT_OF(THRESHOLD_FIELDS), json_array_get(value, i), place,
                                  &model->thresholds[i], draft, error);
        model->threshold_count = i + 1;
    }
    return status;
}

/* --- training window ----------------------------------------------------------------------------------------- */

static weir_status set_time(weir_draft *draft, const char *where, const json_t *value, const char **text_out,
                            int64_t *time_us_out, weir_error *error)
{
    weir_status status = weir_fields_text(value, where, draft, text_out, error);
    if (status != WEIR_OK)
        return status;
    if (weir_iso_time_parse(weir_span_text(*text_out), time_us_out) != WEIR_OK)
        return weir_error_set(error, WEIR_INVALID,
                              "%s: \"%.64s\" is neither a date (2026-01-31) nor a UTC time (2026-01-31T00:00:00Z)",
                              where, *text_out);
    return WEIR_OK;
}

static weir_status set_from(void *target, weir_draft *draft, const char *where, const json_t *value, weir_error *error)
{
    weir_release_training *training = target;
    return set_time(draft, where, value, &training->from, &training->from_us, error);
}

static weir_status set_to(void *target, weir_draft *draft, const char *where, const json_t *value, weir_error *error)
{
    weir_release_training *training = target;
    return set_time(draft, where, value, &training->to, &training->to_us, error);
}

static weir_status set_count(const char *where, const json_t *value, int64_t *count_out, weir_error *error)
{
    if (!json_is_integer(value) || json_integer_value(value) < 0)
        return weir_error_set(error, WEIR_INVALID, "%s: expected a whole number, 0 or more", where);
    *count_out = json_integer_value(value);
    return WEIR_OK;
}

static weir_status set_rows(void *target, weir_draft *draft, const char *where, const json_t *value, weir_error *error)
{
    (void)draft;
    return set_count(where, value, &((weir_release_training *)target)->rows, error);
}

static weir_status set_positives(void *target, weir_draft *draft, const char *where, const json_t *value,
                                 weir_error *error)
{
    (void)draft;
    return set_count(where, value, &((weir_release_training *)target)->positives, error);
}

static weir_status set_source(void *target, weir_draft *draft, const char *where, const json_t *value,
                              weir_error *error)
{
    return weir_fields_text(value, where, draft, &((weir_release_training *)target)->source, error);
}

static const weir_field TRAINING_FIELDS[] = {
    {"from", set_from, true},           {"to", set_to, true},         {"rows", set_rows, false},
    {"positives", set_positives, false}, {"source", set_source, false}, {"notes", NULL, false},
};

weir_status weir_fields_set_training(void *target, weir_draft *draft, const char *where, const json_t *value,
                                     weir_error *error)
{
    (void)target;
    weir_release_training *training = &draft->release.training;
    weir_status status =
        weir_fields_read(TRAINING_FIELDS, COUNT_OF(TRAINING_FIELDS), value, where, training, draft, error);
    if (status != WEIR_OK)
        return status;
    if (training->from_us >= training->to_us)
        return weir_error_set(error, WEIR_INVALID, "%s: \"from\" (%s) is not before \"to\" (%s)", where,
                              training->from, training->to);
    if (training->rows >= 0 && training->positives > training->rows)
        return weir_error_set(error, WEIR_INVALID, "%s: more positives (%lld) than rows (%lld)", where,
                              (long long)training->positives, (long long)training->rows);
    return WEIR_OK;
}

/* --- golden samples ------------------------------------------------------------------------------------------ */

static weir_status set_sample_values(void *target, weir_draft *draft, const char *where, const json_t *value,
                                     weir_error *error)
{
    weir_release_sample *sample = target;
    size_t count = draft->release.model.feature_count;
    double *values = weir_pool_take(&draft->pool, count, sizeof *values);
    if (!values)
        return weir_draft_is_full(error);
    sample->values = values;
    return weir_fields_numbers(value, where, count, true, values, error);
}

static weir_status set_sample_score(void *target, weir_draft *draft, const char *where, const json_t *value,
                                    weir_error *error)
{
    (void)draft;
    weir_release_sample *sample = target;
    weir_status status = weir_fields_number(value, where, &sample->score, error);
    if (status == WEIR_OK && !(sample->score >= 0 && sample->score <= 1))
        return weir_error_set(error, WEIR_INVALID, "%s: %g is not in [0, 1], where scores are", where, sample->score);
    return status;
}

static const weir_field SAMPLE_FIELDS[] = {
    {"values", set_sample_values, true},
    {"score", set_sample_score, true},
};

weir_status weir_fields_set_samples(void *target, weir_draft *draft, const char *where, const json_t *value,
                                    weir_error *error)
{
    (void)target;
    weir_check(draft->release.model.feature_count > 0);
    weir_status status = weir_fields_array(value, where, WEIR_RELEASE_SAMPLE_MAX, error);
    if (status != WEIR_OK)
        return status;
    size_t count = json_array_size(value);
    weir_release_sample *samples = weir_pool_take(&draft->pool, count, sizeof *samples);
    if (!samples)
        return weir_draft_is_full(error);
    for (size_t i = 0; i < count && status == WEIR_OK; i++) {
        char place[160];
        snprintf(place, sizeof place, "%s[%zu]", where, i);
        status = weir_fields_read(SAMPLE_FIELDS, COUNT_OF(SAMPLE_FIELDS), json_array_get(value, i), place,
                                  &samples[i], draft, error);
    }
    draft->release.samples = samples;
    draft->release.sample_count = count;
    return status;
}
