/* ONNX files made by scikit-learn and skl2onnx (tests/release/make_fixtures.py): weir folds them to the scores
 * onnxruntime computes, or refuses them for the right reason. WEIR_RELEASE_FIXTURES names another directory. */
#include "weir/release/release.h"

#include <criterion/criterion.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *directory(void)
{
    const char *other = getenv("WEIR_RELEASE_FIXTURES");
    return other ? other : WEIR_SOURCE_DIR "/tests/unit/release/fixtures";
}

static json_t *open_manifest(void)
{
    char path[512];
    snprintf(path, sizeof path, "%s/manifest.json", directory());
    json_error_t problem;
    json_t *manifest = json_load_file(path, 0, &problem);
    cr_assert_not_null(manifest, "%s: %s", path, problem.text);
    return manifest;
}

static weir_status load(const char *file, weir_release **release_out, weir_error *error)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", directory(), file);
    return weir_release_load_file(path, NULL, release_out, error);
}

static void read_values(const json_t *list, double *values_out, size_t count)
{
    cr_assert_eq(json_array_size(list), count);
    for (size_t i = 0; i < count; i++) {
        const json_t *value = json_array_get(list, i);
        values_out[i] = json_is_null(value) ? NAN : json_number_value(value);
    }
}

static void check_rows(const weir_release *release, const json_t *rows, const char *file)
{
    double values[WEIR_PLAN_FEATURE_MAX];
    size_t index;
    json_t *row;
    json_array_foreach(rows, index, row)
    {
        read_values(json_object_get(row, "values"), values, release->model.feature_count);
        double expected = json_number_value(json_object_get(row, "score"));
        double score = weir_model_score(&release->model, weir_model_logit(&release->model, values));
        cr_assert_float_eq(score, expected, release->sample_tolerance, "%s, row %zu: onnxruntime %.12g, weir %.12g",
                           file, index, expected, score);
    }
    cr_assert_gt(index, 0);
}

Test(onnx, folds_to_the_scores_of_onnxruntime)
{
    json_t *manifest = open_manifest(), *entry;
    size_t index;
    json_array_foreach(json_object_get(manifest, "accepted"), index, entry)
    {
        const char *file = json_string_value(json_object_get(entry, "file"));
        weir_release *release = NULL;
        weir_error error = {0};
        cr_assert_eq(load(file, &release, &error), WEIR_OK, "%s", error.message);
        cr_assert_eq(release->format, WEIR_RELEASE_ONNX);
        cr_assert_gt(release->node_count, 0);
        check_rows(release, json_object_get(entry, "rows"), file);
        weir_release_close(release);
    }
    cr_assert_geq(index, 30);
    json_decref(manifest);
}

Test(onnx, refuses_what_is_not_linear_and_says_where)
{
    json_t *manifest = open_manifest(), *entry, *text;
    size_t index, t;
    json_array_foreach(json_object_get(manifest, "refused"), index, entry)
    {
        const char *file = json_string_value(json_object_get(entry, "file"));
        weir_release *release = NULL;
        weir_error error = {0};
        weir_status status = load(file, &release, &error);
        cr_assert_neq(status, WEIR_OK, "%s was taken", file);
        cr_assert_eq(error.status, status, "%s", file);
        cr_assert_null(release);
        json_array_foreach(json_object_get(entry, "says"), t, text)
        {
            cr_assert_not_null(strstr(error.message, json_string_value(text)), "%s: wanted \"%s\" in \"%s\"", file,
                               json_string_value(text), error.message);
        }
    }
    cr_assert_geq(index, 25);
    json_decref(manifest);
}

static weir_release *load_good(const char *file)
{
    weir_release *release = NULL;
    weir_error error = {0};
    cr_assert_eq(load(file, &release, &error), WEIR_OK, "%s", error.message);
    return release;
}

Test(onnx, double_graphs_reproduce_more_closely_than_float_ones)
{
    static const struct {
        const char *file;
        double tolerance;
    } CASES[] = {{"logistic_double.onnx", 1e-9}, {"logistic_float.onnx", 1e-6}, {"logistic_bare.onnx", 1e-5}};
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        weir_release *release = load_good(CASES[i].file);
        cr_assert_eq(release->sample_tolerance, CASES[i].tolerance, "%s", CASES[i].file);
        cr_assert_leq(release->sample_error_max, release->sample_tolerance);
        weir_release_close(release);
    }
}

Test(onnx, an_imputer_becomes_what_a_missing_value_counts_as)
{
    weir_release *release = load_good("scaled_then_imputed.onnx");
    /* (x - 1) * scale is 0.25 where x is missing */
    static const double SCALES[] = {0.5, 1, 0.01, 0.1, 1, 0.001};
    for (size_t i = 0; i < 6; i++)
        cr_assert_float_eq(release->model.imputes[i], 0.25 / SCALES[i] + 1, 1e-4 / SCALES[i]);
    cr_assert_eq(release->model.link, WEIR_LINK_IDENTITY);
    weir_release_close(release);
}

Test(onnx, a_clip_after_the_sigmoid_clips_the_score)
{
    weir_release *release = load_good("clipped_probability.onnx");
    cr_assert_eq(release->model.clip_low, 0.2);
    cr_assert_eq(release->model.clip_high, 0.8);
    cr_assert_eq(weir_model_score(&release->model, -50), 0.2);
    weir_release_close(release);
}

Test(onnx, nodes_of_the_predicted_label_are_listed_as_unused)
{
    weir_release *release = load_good("logistic_double.onnx");
    size_t unused = 0;
    for (size_t i = 0; i < release->node_count; i++) {
        bool is_label = strcmp(release->nodes[i].op, "ArgMax") == 0 ||
                        strcmp(release->nodes[i].op, "ai.onnx.ml.ArrayFeatureExtractor") == 0;
        cr_assert(!is_label || !release->nodes[i].folded, "%s", release->nodes[i].op);
        unused += !release->nodes[i].folded;
    }
    cr_assert_eq(unused, 6);
    weir_release_close(release);
}

/* --- files ill meant ----------------------------------------------------------------------------------------- */

static uint8_t *read_file(const char *file, size_t *size_out)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", directory(), file);
    FILE *in = fopen(path, "rb");
    cr_assert_not_null(in, "%s", path);
    uint8_t *bytes = malloc(1 << 20);
    *size_out = fread(bytes, 1, 1 << 20, in);
    fclose(in);
    return bytes;
}

Test(onnx, no_prefix_of_a_file_is_taken)
{
    size_t size;
    uint8_t *bytes = read_file("logistic_float.onnx", &size);
    for (size_t cut = 0; cut < size; cut++) {
        uint8_t *prefix = malloc(cut + 1); /* its own block, so that the sanitizer sees an overrun */
        memcpy(prefix, bytes, cut);
        weir_release *release = NULL;
        cr_assert_neq(weir_release_load(weir_span_of(prefix, cut), NULL, &release, NULL), WEIR_OK, "%zu bytes", cut);
        free(prefix);
    }
    free(bytes);
}

/* graph { node { attribute { g { node { ... } } } } }, 100,000 deep: unpacked naively it overflows the stack. */
Test(onnx, deep_nesting_is_refused)
{
    enum { CAPACITY = 4 << 20 };
    static const uint8_t TAGS[] = {7 << 3 | 2, 1 << 3 | 2, 5 << 3 | 2, 6 << 3 | 2};
    uint8_t *bytes = malloc(CAPACITY);
    size_t at = CAPACITY;
    for (int depth = 0; depth < 100000; depth++) {
        size_t length = CAPACITY - at, digits = 1;
        for (size_t rest = length >> 7; rest; rest >>= 7)
            digits++;
        at -= digits;
        for (size_t i = 0; i < digits; i++)
            bytes[at + i] = (uint8_t)(length >> (7 * i) & 0x7f) | (i + 1 < digits ? 0x80 : 0);
        bytes[--at] = depth == 99999 ? TAGS[0] : TAGS[1 + (99998 - depth) % 3];
    }
    weir_release *release = NULL;
    weir_error error = {0};
    cr_assert_eq(weir_release_load(weir_span_of(bytes + at, CAPACITY - at), NULL, &release, &error), WEIR_INVALID);
    cr_assert_not_null(strstr(error.message, "too deep"), "%s", error.message);
    free(bytes);
}

/* Millions of empty nodes: two bytes each in the file, a hundred and more in memory. */
Test(onnx, many_empty_parts_are_refused)
{
    enum { NODE_COUNT = 2 << 20 };
    uint8_t *bytes = malloc(5 + 2 * NODE_COUNT);
    size_t length = 2 * (size_t)NODE_COUNT, at = 0;
    bytes[at++] = 7 << 3 | 2;
    for (; length >= 0x80; length >>= 7)
        bytes[at++] = (uint8_t)(length | 0x80);
    bytes[at++] = (uint8_t)length;
    for (size_t i = 0; i < NODE_COUNT; i++) {
        bytes[at++] = 1 << 3 | 2;
        bytes[at++] = 0;
    }
    weir_release *release = NULL;
    weir_error error = {0};
    cr_assert_eq(weir_release_load(weir_span_of(bytes, at), NULL, &release, &error), WEIR_INVALID);
    cr_assert_not_null(strstr(error.message, "too many parts"), "%s", error.message);
    free(bytes);
}
