#include "onnx.h"

#include "fields.h"
#include "fold.h"
#include "wire.h"

#include "weir/base/check.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define TEXT_OF(text) ((text) ? (text) : "")

/* Unpacked, a file takes about as much again as its tensors; the rest is headroom for many small nodes. */
enum { UNPACK_HEADROOM_SIZE = 16 << 20 };
#define FOLD_WORK_MAX (UINT64_C(1) << 31)

static const char PREFIX[] = "weir.";

/* --- metadata ------------------------------------------------------------------------------------------------ */

static const char *find_metadata(const Onnx__ModelProto *model, const char *key)
{
    for (size_t i = 0; i < model->n_metadata_props; i++)
        if (strcmp(TEXT_OF(model->metadata_props[i]->key), key) == 0)
            return TEXT_OF(model->metadata_props[i]->value);
    return NULL;
}

static weir_status set_means(void *target, weir_draft *draft, const char *where, const json_t *value, weir_error *error)
{
    (void)target;
    return weir_fields_numbers(value, where, draft->release.model.feature_count, false, draft->means, error);
}

static weir_status set_stds(void *target, weir_draft *draft, const char *where, const json_t *value, weir_error *error)
{
    (void)target;
    size_t count = draft->release.model.feature_count;
    weir_status status = weir_fields_numbers(value, where, count, true, draft->stds, error);
    for (size_t i = 0; i < count && status == WEIR_OK; i++)
        if (draft->stds[i] < 0)
            status = weir_error_set(error, WEIR_INVALID, "%s[%zu]: %g is negative", where, i, draft->stds[i]);
    return status;
}

/* What a missing value counts as, for features without an Imputer node; null elsewhere. */
static weir_status set_imputes(void *target, weir_draft *draft, const char *where, const json_t *value,
                               weir_error *error)
{
    (void)target;
    size_t count = draft->release.model.feature_count;
    double *values = weir_pool_take(&draft->pool, count, sizeof *values);
    if (!values)
        return weir_draft_is_full(error);
    weir_status status = weir_fields_numbers(value, where, count, true, values, error);
    for (size_t i = 0; i < count && status == WEIR_OK; i++) {
        if (isnan(values[i]))
            continue;
        if (draft->imputed[i] && draft->imputes[i] != values[i])
            status = weir_error_set(error, WEIR_INVALID, "%s[%zu]: the graph's Imputer says %g, not %g", where, i,
                                    draft->imputes[i], values[i]);
        draft->imputes[i] = values[i];
    }
    return status;
}

/* A metadata key: a text as it is, or JSON. Read once the graph is folded, in this order. */
typedef struct metadata_row {
    const char *key;
    weir_field_setter set; /* NULL: read earlier, or the writer's own */
    bool is_json, required;
} metadata_row;

static const metadata_row METADATA[] = {
    {"weir.name", weir_fields_set_name, false, true},
    {"weir.version", weir_fields_set_version, false, true},
    {"weir.description", weir_fields_set_description, false, false},
    {"weir.features", NULL, true, false},
    {"weir.class", NULL, false, false},
    {"weir.output", NULL, false, false},
    {"weir.means", set_means, true, true},
    {"weir.stds", set_stds, true, false},
    {"weir.imputes", set_imputes, true, false},
    {"weir.thresholds", weir_fields_set_thresholds, true, true},
    {"weir.training", weir_fields_set_training, true, true},
    {"weir.tolerance", weir_fields_set_tolerance, true, false},
    {"weir.samples", weir_fields_set_samples, true, true},
    {"weir.notes", NULL, false, false},
};
enum { METADATA_COUNT = sizeof METADATA / sizeof *METADATA };

static weir_status check_metadata_key(const Onnx__ModelProto *model, size_t index, weir_error *error)
{
    const char *key = TEXT_OF(model->metadata_props[index]->key);
    if (strncmp(key, PREFIX, sizeof PREFIX - 1) != 0)
        return WEIR_OK;
    for (size_t i = 0; i < index; i++)
        if (strcmp(TEXT_OF(model->metadata_props[i]->key), key) == 0)
            return weir_error_set(error, WEIR_INVALID, "metadata %.64s is there twice", key);
    for (size_t i = 0; i < METADATA_COUNT; i++)
        if (strcmp(METADATA[i].key, key) == 0)
            return WEIR_OK;
    return weir_error_set(error, WEIR_INVALID, "metadata %.64s is not a key weir knows (notes go in weir.notes)", key);
}

static weir_status check_metadata(const Onnx__ModelProto *model, weir_error *error)
{
    enum { PROPERTY_MAX = 256 };
    if (model->n_metadata_props > PROPERTY_MAX)
        return weir_error_set(error, WEIR_INVALID, "%zu metadata properties, more than %d", model->n_metadata_props,
                              PROPERTY_MAX);
    weir_status status = WEIR_OK;
    for (size_t i = 0; i < model->n_metadata_props && status == WEIR_OK; i++)
        status = check_metadata_key(model, i, error);
    return status;
}

static json_t *parse_metadata(const char *key, const char *text, bool is_json, weir_error *error)
{
    json_error_t problem = {0};
    json_t *value = is_json ? json_loads(text, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &problem) : json_string(text);
    if (!value)
        weir_error_set(error, WEIR_INVALID, "metadata %s: line %d, column %d: %s", key, problem.line, problem.column,
                       is_json ? problem.text : "not UTF-8 text");
    return value;
}

static weir_status read_metadata(const Onnx__ModelProto *model, weir_draft *draft, weir_error *error)
{
    weir_status status = WEIR_OK;
    for (size_t i = 0; i < METADATA_COUNT && status == WEIR_OK; i++) {
        const metadata_row *row = &METADATA[i];
        const char *text = find_metadata(model, row->key);
        if (!text && row->required)
            return weir_error_set(error, WEIR_INVALID, "metadata %s is missing (metadata_props; see models/README.md)",
                                  row->key);
        if (!text || !row->set)
            continue;
        json_t *value = parse_metadata(row->key, text, row->is_json, error);
        if (!value)
            return WEIR_INVALID;
        status = row->set(NULL, draft, row->key, value, error);
        json_decref(value);
    }
    return status;
}

/* --- features ------------------------------------------------------------------------------------------------ */

static weir_status set_feature(weir_draft *draft, size_t index, const char *name, weir_error *error)
{
    if (strlen(name) > WEIR_FEATURE_NAME_MAX)
        return weir_error_set(error, WEIR_INVALID, "feature %zu is longer than %d bytes", index, WEIR_FEATURE_NAME_MAX);
    draft->names[index] = weir_pool_copy_text(&draft->pool, name);
    return draft->names[index] ? WEIR_OK : weir_draft_is_full(error);
}

static weir_status set_listed_features(weir_draft *draft, const json_t *list, weir_error *error)
{
    weir_status status = weir_fields_array(list, "weir.features", WEIR_PLAN_FEATURE_MAX, error);
    if (status == WEIR_OK)
        status = weir_draft_set_feature_count(draft, json_array_size(list), error);
    for (size_t i = 0; status == WEIR_OK && i < json_array_size(list); i++) {
        const json_t *name = json_array_get(list, i);
        if (!json_is_string(name))
            return weir_error_set(error, WEIR_INVALID, "weir.features[%zu]: expected a text", i);
        status = set_feature(draft, i, json_string_value(name), error);
    }
    return status;
}

/* A graph with one input a column may name its features by its inputs. */
static weir_status set_input_features(weir_draft *draft, const Onnx__GraphProto *graph, weir_error *error)
{
    size_t count = 0, at = 0;
    for (size_t i = 0; i < graph->n_input; i++) {
        bool is_feature = weir_fold_is_feature_input(graph, graph->input[i]);
        if (is_feature && weir_fold_input_width(graph->input[i]) != 1)
            return weir_error_set(error, WEIR_INVALID,
                                  "metadata weir.features is missing: input \"%.64s\" is not one named column",
                                  TEXT_OF(graph->input[i]->name));
        count += is_feature;
    }
    weir_status status = weir_draft_set_feature_count(draft, count, error);
    for (size_t i = 0; i < graph->n_input && status == WEIR_OK; i++)
        if (weir_fold_is_feature_input(graph, graph->input[i]))
            status = set_feature(draft, at++, TEXT_OF(graph->input[i]->name), error);
    return status;
}

static weir_status read_features(const Onnx__ModelProto *model, weir_draft *draft, weir_error *error)
{
    const char *text = find_metadata(model, "weir.features");
    if (!text)
        return set_input_features(draft, model->graph, error);
    json_t *list = parse_metadata("weir.features", text, true, error);
    if (!list)
        return WEIR_INVALID;
    weir_status status = set_listed_features(draft, list, error);
    json_decref(list);
    return status;
}

/* --- the file ------------------------------------------------------------------------------------------------ */

static weir_status fold_graph(const Onnx__ModelProto *model, weir_draft *draft, weir_error *error)
{
    weir_pool scratch;
    weir_pool_init(&scratch, WEIR_RELEASE_MEMORY_MAX);
    weir_fold fold = {.draft = draft, .pool = &scratch, .graph = model->graph,
                      .wanted_class = find_metadata(model, "weir.class"),
                      .wanted_output = find_metadata(model, "weir.output"),
                      .feature_count = draft->release.model.feature_count, .work_left = FOLD_WORK_MAX};
    weir_status status = weir_fold_graph(&fold, error);
    weir_pool_deinit(&scratch);
    return status;
}

static weir_status read_model(const Onnx__ModelProto *model, weir_draft *draft, weir_error *error)
{
    if (!model->graph || model->graph->n_node == 0)
        return weir_error_set(error, WEIR_INVALID, "not an ONNX model: it has no graph");
    weir_status status = check_metadata(model, error);
    if (status == WEIR_OK)
        status = read_features(model, draft, error);
    if (status == WEIR_OK)
        status = fold_graph(model, draft, error);
    return status == WEIR_OK ? read_metadata(model, draft, error) : status;
}

weir_status weir_onnx_read(weir_draft *draft, weir_span bytes, weir_error *error)
{
    draft->release.format = WEIR_RELEASE_ONNX;
    if (!weir_wire_is_shallow(&onnx__model_proto__descriptor, bytes))
        return weir_error_set(error, WEIR_INVALID, "neither JSON nor an ONNX model (a protobuf message, not too deep)");
    weir_wire_budget budget;
    weir_wire_budget_init(&budget, 2 * bytes.size + UNPACK_HEADROOM_SIZE);
    Onnx__ModelProto *model = onnx__model_proto__unpack(&budget.allocator, bytes.size, bytes.data);
    if (!model)
        return weir_error_set(error, WEIR_INVALID, "not an ONNX model, or one with too many parts");
    weir_status status = read_model(model, draft, error);
    onnx__model_proto__free_unpacked(model, &budget.allocator);
    return status;
}
