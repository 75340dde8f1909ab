/* weir.linear/v1: what is read, what is refused and in which words. */
#include "weir/release/release.h"

#include <criterion/criterion.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char GOOD[] =
    "{ 'format': 'weir.linear/v1', 'name': 'card-fraud', 'version': '2026-11-01',"
    "  'description': 'two features',"
    "  'features': ["
    "    {'name': 'amount', 'weight': 0.5, 'mean': 40, 'std': 20, 'offset': 40, 'scale': 20, 'impute': 40},"
    "    {'name': 'count(1h)', 'weight': 2, 'mean': 1, 'notes': {'owner': 'risk'}}],"
    "  'bias': -3, 'link': 'logistic',"
    "  'thresholds': [{'name': 'review', 'score': 0.5}, {'name': 'block', 'score': 0.9}],"
    "  'training': {'from': '2026-01-01', 'to': '2026-06-30T12:00:00.5Z', 'rows': 1000, 'positives': 10,"
    "               'source': 'dwh.card_features'},"
    "  'samples': ["
    "    {'values': [40, 1], 'score': 0.268941421369995},"
    "    {'values': [80, 1], 'score': 0.5},"
    "    {'values': [null, null], 'score': 0.047425873177566774}],"
    "  'notes': {'anything': [1, 2]}, 'metadata': 7 }";

/* The text with ' for ", and the first `from` replaced by `to` (which must be there); the caller's to free. */
static char *text_with(const char *from, const char *to)
{
    const char *at = from ? strstr(GOOD, from) : GOOD;
    cr_assert_not_null(at, "\"%s\" is not in the file", from);
    size_t head = (size_t)(at - GOOD), gone = from ? strlen(from) : 0;
    char *text = calloc(1, sizeof GOOD + strlen(to));
    cr_assert_not_null(text);
    memcpy(text, GOOD, head);
    strcpy(text + head, to);
    strcat(text, at + gone);
    for (char *quote = text; (quote = strchr(quote, '\''));)
        *quote = '"';
    return text;
}

static weir_status load_with(const char *from, const char *to, const weir_plan_options *options,
                             weir_release **release_out, weir_error *error)
{
    char *text = text_with(from, to);
    weir_status status = weir_release_load(weir_span_text(text), options, release_out, error);
    free(text);
    return status;
}

static weir_release *load_good(const char *from, const char *to)
{
    weir_release *release = NULL;
    weir_error error = {0};
    cr_assert_eq(load_with(from, to, NULL, &release, &error), WEIR_OK, "%s", error.message);
    return release;
}

Test(linear, every_field_arrives)
{
    weir_release *release = load_good(NULL, "");
    const weir_model *model = &release->model;
    cr_assert_str_eq(model->name, "card-fraud");
    cr_assert_str_eq(model->version, "2026-11-01");
    cr_assert_str_eq(release->description, "two features");
    cr_assert_eq(release->format, WEIR_RELEASE_LINEAR_V1);
    cr_assert_eq(model->feature_count, 2);
    cr_assert_str_eq(model->feature_names[1], "count(1h)");
    cr_assert_eq(model->weights[0], 0.025, "weight / scale");
    cr_assert_eq(model->weights[1], 2);
    cr_assert_eq(model->bias, -4, "bias - weight / scale * offset");
    cr_assert_eq(model->means[0], 40);
    cr_assert_eq(model->imputes[0], 40);
    cr_assert_eq(model->imputes[1], 0, "the default");
    cr_assert_eq(release->stds[0], 20);
    cr_assert(isnan(release->stds[1]));
    cr_assert_eq(model->link, WEIR_LINK_LOGISTIC);
    cr_assert_eq(model->clip_low, 0);
    cr_assert_eq(model->clip_high, 1);
    cr_assert_eq(model->threshold_count, 2);
    cr_assert_str_eq(model->thresholds[1].name, "block");
    cr_assert_eq(model->thresholds[1].score, 0.9);
    cr_assert_str_eq(release->training.from, "2026-01-01");
    cr_assert_eq(release->training.from_us, 1767225600000000);
    cr_assert_eq(release->training.to_us, 1782820800500000);
    cr_assert_eq(release->training.rows, 1000);
    cr_assert_eq(release->training.positives, 10);
    cr_assert_str_eq(release->training.source, "dwh.card_features");
    cr_assert_eq(release->sample_count, 3);
    cr_assert_eq(release->sample_tolerance, 1e-9);
    cr_assert_eq(release->node_count, 0);
    weir_release_close(release);
}

Test(linear, the_identity_is_the_sha_256_of_the_bytes)
{
    char *text = text_with(NULL, "");
    weir_release *release = NULL;
    cr_assert_eq(weir_release_load(weir_span_text(text), NULL, &release, NULL), WEIR_OK);
    char path[] = "/tmp/weir_linear_test_XXXXXX", command[128], expected[65] = "";
    int fd = mkstemp(path);
    cr_assert_geq(fd, 0);
    cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
    snprintf(command, sizeof command, "sha256sum %s", path);
    FILE *pipe = popen(command, "r");
    cr_assert_eq(fread(expected, 1, 64, pipe), 64);
    pclose(pipe);
    char id[WEIR_RELEASE_ID_TEXT_SIZE];
    weir_release_id_text(release, id);
    cr_assert_str_eq(id, expected);
    weir_release_close(release);

    release = NULL;
    weir_error error = {0};
    cr_assert_eq(weir_release_load_file(path, NULL, &release, &error), WEIR_OK, "%s", error.message);
    weir_release_close(release);
    unlink(path);
    free(text);
}

/* One feature, the identity link, a clip: scores are the plain sum, held within the clip. */
Test(linear, links_and_clips_are_kept)
{
    static const char TEXT[] =
        "{\"format\": \"weir.linear/v1\", \"name\": \"m\", \"version\": \"1\", \"bias\": 0.1, \"link\": \"identity\","
        " \"clip\": [0.25, 0.75], \"features\": [{\"name\": \"amount\", \"weight\": 0.1, \"mean\": 0}],"
        " \"thresholds\": [{\"name\": \"review\", \"score\": 0.5}],"
        " \"training\": {\"from\": \"2026-01-01\", \"to\": \"2026-02-01\"},"
        " \"samples\": [{\"values\": [3], \"score\": 0.4}, {\"values\": [0], \"score\": 0.25},"
        "               {\"values\": [99], \"score\": 0.75}]}";
    weir_release *release = NULL;
    weir_error error = {0};
    cr_assert_eq(weir_release_load(weir_span_text(TEXT), NULL, &release, &error), WEIR_OK, "%s", error.message);
    cr_assert_eq(release->model.link, WEIR_LINK_IDENTITY);
    cr_assert_eq(release->model.clip_low, 0.25);
    cr_assert_eq(release->model.clip_high, 0.75);
    cr_assert_eq(release->training.rows, -1, "not stated");
    weir_release_close(release);
}

typedef struct refusal {
    const char *from, *to; /* an edit of the good file */
    weir_status status;
    const char *says;
} refusal;

static const refusal REFUSALS[] = {
    /* shape */
    {"'weir.linear/v1'", "'weir.linear/v2'", WEIR_UNSUPPORTED, "weir.linear/v2"},
    {"'bias': -3", "'bais': -3", WEIR_INVALID, "\"bais\" is not a known field"},
    {"'bias': -3,", "", WEIR_INVALID, "\"bias\" is missing"},
    {"'bias': -3", "'bias': -3, 'bias': 4", WEIR_INVALID, "duplicate"},
    {"'mean': 1,", "'mena': 1,", WEIR_INVALID, "features[1].mena"},
    {"'mean': 1,", "", WEIR_INVALID, "\"features[1].mean\" is missing"},
    {"'metadata': 7 }", "'metadata': 7", WEIR_INVALID, "line 1"},
    {"'metadata': 7 }", "'metadata': 7 } x", WEIR_INVALID, "line 1"},
    {"'rows': 1000", "'rwos': 1000", WEIR_INVALID, "training.rwos"},
    {"'score': 0.9}", "'score': 0.9, 'colour': 1}", WEIR_INVALID, "thresholds[1].colour"},
    /* names */
    {"'card-fraud'", "'card fraud'", WEIR_INVALID, "name: \"card fraud\""},
    {"'card-fraud'", "''", WEIR_INVALID, "name"},
    {"'card-fraud'", "7", WEIR_INVALID, "name: expected a text"},
    {"'2026-11-01'", "'v1\\u0000x'", WEIR_INVALID, "u0000"},
    {"'two features'", "'two\\u001b[2J features'", WEIR_INVALID, "control"},
    /* features */
    {"'amount'", "'amuont'", WEIR_INVALID, "amuont"},
    {"'amount'", "'count(1h)'", WEIR_INVALID, "features 0 and 1 are the same"},
    {"'amount'", "' count( 60m )'", WEIR_INVALID, "are the same"},
    {"'amount'", "['amount']", WEIR_INVALID, "features[0].name"},
    {"'weight': 2", "'weight': '2'", WEIR_INVALID, "features[1].weight: expected a number"},
    {"'weight': 2", "'weight': 1e101", WEIR_INVALID, "features[1].weight"},
    {"'weight': 2", "'weight': 1e999", WEIR_INVALID, "overflow"},
    {"'scale': 20", "'scale': 0", WEIR_INVALID, "features[0].scale"},
    {"'scale': 20", "'scale': 2", WEIR_REFUSED, "does not reproduce"},
    {"'weight': 0.5", "'weight': 1e90", WEIR_REFUSED, "does not reproduce"},
    {"'scale': 20", "'scale': 1e-99", WEIR_INVALID, "bias"},
    {"'std': 20", "'std': -1", WEIR_INVALID, "features[0].std"},
    /* link */
    {"'logistic'", "'probit'", WEIR_INVALID, "link"},
    {"'logistic'", "'identity'", WEIR_REFUSED, "sample 0"},
    {"'bias': -3", "'bias': -3, 'clip': [0.9, 0.1]", WEIR_INVALID, "[0.9, 0.1]"},
    {"'bias': -3", "'bias': -3, 'clip': [0, 1.5]", WEIR_INVALID, "[0, 1.5]"},
    {"'bias': -3", "'bias': -3, 'clip': [0]", WEIR_INVALID, "clip"},
    /* thresholds */
    {"'score': 0.9}", "'score': 0.5}", WEIR_INVALID, "threshold 1 (block)"},
    {"'score': 0.9}", "'score': 0.3}", WEIR_INVALID, "ascend"},
    {"'score': 0.9}", "'score': 1.1}", WEIR_INVALID, "threshold 1"},
    {"'name': 'review', 'score': 0.5", "'name': 'review', 'score': 0", WEIR_INVALID, "threshold 0"},
    {"'name': 'block'", "'name': 'review'", WEIR_INVALID, "two thresholds"},
    {"'name': 'block'", "'name': 'abcdefghijklmnopqrstuvwxyz'", WEIR_INVALID, "thresholds[1].name"},
    {"{'name': 'review', 'score': 0.5}, {'name': 'block', 'score': 0.9}", "", WEIR_INVALID, "thresholds"},
    /* training window */
    {"'2026-01-01'", "'2026-02-30'", WEIR_INVALID, "training.from"},
    {"'2026-01-01'", "'2026-01-01T00:00:00'", WEIR_INVALID, "training.from"},
    {"'2026-01-01'", "'2026-07-01'", WEIR_INVALID, "is not before"},
    {"'rows': 1000", "'rows': 5", WEIR_INVALID, "more positives"},
    {"'rows': 1000", "'rows': 10.5", WEIR_INVALID, "training.rows"},
    /* samples */
    {"'score': 0.5},    {", "'score': 0.500000002},    {", WEIR_REFUSED,
     "sample 1 does not reproduce: the file says 0.500000002, weir scores 0.5"},
    {"[80, 1]", "[80, 1, 2]", WEIR_INVALID, "samples[1].values: expected an array of 2"},
    {"[80, 1]", "[80, '1']", WEIR_INVALID, "samples[1].values[1]"},
    {"[null, null], 'score': 0.047425873177566774", "[null, null], 'score': 1.047", WEIR_INVALID, "samples[2].score"},
    {"'bias': -3", "'bias': -3, 'tolerance': 0.01", WEIR_INVALID, "tolerance"},
    {"'bias': -3", "'bias': -3, 'tolerance': 0", WEIR_INVALID, "tolerance"},
};

Test(linear, refusals_name_the_place_and_what_was_found)
{
    for (size_t i = 0; i < sizeof REFUSALS / sizeof *REFUSALS; i++) {
        const refusal *r = &REFUSALS[i];
        weir_release *release = NULL;
        weir_error error = {0};
        weir_status status = load_with(r->from, r->to, NULL, &release, &error);
        cr_assert_eq(status, r->status, "%s: %s: %s", r->to, weir_status_name(status), error.message);
        cr_assert_not_null(strstr(error.message, r->says), "%s: wanted \"%s\" in \"%s\"", r->to, r->says,
                           error.message);
        cr_assert_null(release);
    }
}

Test(linear, a_stated_tolerance_lets_a_looser_sample_pass)
{
    weir_release *release = NULL;
    weir_error error = {0};
    char *text = text_with("'bias': -3", "'tolerance': 1e-3, 'bias': -3.0001");
    cr_assert_eq(weir_release_load(weir_span_text(text), NULL, &release, &error), WEIR_OK, "%s", error.message);
    cr_assert(release->sample_error_max > 1e-6 && release->sample_error_max < 1e-4);
    weir_release_close(release);
    free(text);
}

Test(linear, an_entity_without_a_stage_is_refused)
{
    static const weir_entity_kind STAGES[] = {WEIR_ENTITY_CARD, WEIR_ENTITY_TERMINAL};
    weir_plan_options card = {.stages = STAGES, .stage_count = 1, .serial = 1};
    weir_plan_options both = {.stages = STAGES, .stage_count = 2, .serial = 1};
    weir_release *release = NULL;
    weir_error error = {0};
    cr_assert_eq(load_with("'count(1h)'", "'terminal.count(1h)'", &card, &release, &error), WEIR_REFUSED);
    cr_assert_not_null(strstr(error.message, "terminal"), "%s", error.message);
    cr_assert_null(release);
    cr_assert_eq(load_with("'count(1h)'", "'terminal.count(1h)'", &both, &release, &error), WEIR_OK);
    weir_release_close(release);
}

Test(linear, files_that_are_not_there_or_not_files_are_told_apart)
{
    weir_release *release = NULL;
    weir_error error = {0};
    cr_assert_eq(weir_release_load_file("/nonexistent/model.json", NULL, &release, &error), WEIR_NOT_FOUND);
    cr_assert_not_null(strstr(error.message, "/nonexistent/model.json: cannot open"), "%s", error.message);
    cr_assert_eq(weir_release_load_file("/", NULL, &release, &error), WEIR_INVALID);
    cr_assert_not_null(strstr(error.message, "not a regular file"), "%s", error.message);
    cr_assert_eq(weir_release_load_file("/dev/null", NULL, &release, &error), WEIR_INVALID);
    cr_assert_eq(weir_release_load(weir_span_text(""), NULL, &release, &error), WEIR_INVALID);
    cr_assert_null(release);
}

Test(linear, no_prefix_of_a_file_is_taken)
{
    char *text = text_with(NULL, "");
    for (size_t cut = 0; cut < strlen(text); cut++) {
        char *prefix = malloc(cut + 1);
        memcpy(prefix, text, cut);
        weir_release *release = NULL;
        cr_assert_neq(weir_release_load(weir_span_of(prefix, cut), NULL, &release, NULL), WEIR_OK, "%zu bytes", cut);
        free(prefix);
    }
    free(text);
}

/* --- describe ------------------------------------------------------------------------------------------------ */

static char *described(const weir_release *release, bool as_json)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (as_json)
        cr_assert_eq(weir_release_describe_json(release, out), WEIR_OK);
    else
        weir_release_describe_text(release, out);
    fclose(out);
    return text;
}

Test(describe, text_says_what_a_person_decides_on)
{
    weir_release *release = load_good(NULL, "");
    char *text = described(release, false);
    static const char *const SAYS[] = {"card-fraud 2026-11-01", "2026-01-01 to", "1000 rows", "review at 0.5",
                                       "block at 0.9", "3 reproduce", "count(1h)", "logistic of 2 features"};
    for (size_t i = 0; i < sizeof SAYS / sizeof *SAYS; i++)
        cr_assert_not_null(strstr(text, SAYS[i]), "wanted \"%s\" in\n%s", SAYS[i], text);
    free(text);
    weir_release_close(release);
}

Test(describe, json_carries_the_numbers_exactly)
{
    weir_release *release = load_good(NULL, "");
    char *text = described(release, true);
    json_t *json = json_loads(text, 0, NULL);
    cr_assert_not_null(json, "%s", text);
    const json_t *features = json_object_get(json, "features");
    cr_assert_eq(json_array_size(features), 2);
    const json_t *amount = json_array_get(features, 0), *count = json_array_get(features, 1);
    cr_assert_eq(json_number_value(json_object_get(amount, "weight")), release->model.weights[0]);
    cr_assert_eq(json_number_value(json_object_get(amount, "effect")), 0.5, "weight * std");
    cr_assert(json_is_null(json_object_get(count, "effect")));
    cr_assert_eq(json_number_value(json_object_get(json, "bias")), -4);
    cr_assert_eq(json_integer_value(json_object_get(json_object_get(json, "training"), "rows")), 1000);
    cr_assert_eq(json_array_size(json_object_get(json, "nodes")), 0);
    json_decref(json);
    free(text);
    weir_release_close(release);
}
