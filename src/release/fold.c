#include "fold.h"

#include "weir/base/check.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_OF(text) ((text) ? (text) : "")

const char *weir_fold_node_name(const Onnx__NodeProto *node)
{
    if (*TEXT_OF(node->name) || node->n_output == 0)
        return TEXT_OF(node->name);
    return TEXT_OF(node->output[0]);
}

weir_status weir_fold_refuse(const weir_fold_step *step, const char *format, ...)
{
    char reason[300];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(reason, sizeof reason, format, arguments);
    va_end(arguments);
    return weir_error_set(step->error, WEIR_UNSUPPORTED, "node \"%.64s\" (%.64s): %s", weir_fold_node_name(step->node),
                          TEXT_OF(step->node->op_type), reason);
}

/* --- values by name ------------------------------------------------------------------------------------------ */

static const weir_fold_value *find_defined(const weir_fold *fold, const char *name)
{
    for (size_t i = fold->value_count; i > 0; i--)
        if (strcmp(fold->values[i - 1].name, name) == 0)
            return &fold->values[i - 1];
    return NULL;
}

static weir_status define(weir_fold *fold, const char *name, weir_fold_value value, const weir_fold_value **value_out,
                          weir_error *error)
{
    if (find_defined(fold, name))
        return weir_error_set(error, WEIR_INVALID, "two values are named \"%.64s\"", name);
    weir_check(fold->value_count < fold->value_max);
    value.name = name;
    fold->values[fold->value_count] = value;
    if (value_out)
        *value_out = &fold->values[fold->value_count];
    fold->value_count++;
    return WEIR_OK;
}

static const Onnx__TensorProto *find_initializer(const Onnx__GraphProto *graph, const char *name)
{
    for (size_t i = 0; i < graph->n_initializer; i++)
        if (strcmp(TEXT_OF(graph->initializer[i]->name), name) == 0)
            return graph->initializer[i];
    return NULL;
}

/* A value by name; an initializer is read when it is first asked for, so that those only the predicted label
 * needs (the class names, often texts) are not. */
static weir_status find(weir_fold *fold, const char *name, const weir_fold_value **value_out, weir_error *error)
{
    *value_out = find_defined(fold, name);
    if (*value_out)
        return WEIR_OK;
    const Onnx__TensorProto *initializer = find_initializer(fold->graph, name);
    if (!initializer)
        return weir_error_set(error, WEIR_UNSUPPORTED,
                              "value \"%.64s\" is not an input, a constant or the numeric output of an earlier node "
                              "(a score may not depend on the predicted label)",
                              name);
    weir_fold_value value = {.kind = WEIR_FOLD_CONSTANT};
    weir_status status = weir_tensor_read(initializer, fold->pool, &value.tensor, error);
    if (status != WEIR_OK)
        return status;
    fold->draft->single_precision |= value.tensor.single_precision;
    return define(fold, name, value, value_out, error);
}

/* --- inputs -------------------------------------------------------------------------------------------------- */

bool weir_fold_is_feature_input(const Onnx__GraphProto *graph, const Onnx__ValueInfoProto *input)
{
    return !find_initializer(graph, TEXT_OF(input->name));
}

static const Onnx__TypeProto__Tensor *tensor_type(const Onnx__ValueInfoProto *value)
{
    bool is_tensor = value->type && value->type->value_case == ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE;
    return is_tensor ? value->type->tensor_type : NULL;
}

size_t weir_fold_input_width(const Onnx__ValueInfoProto *input)
{
    const Onnx__TypeProto__Tensor *type = tensor_type(input);
    if (!type || !type->shape || type->shape->n_dim != 2)
        return 0;
    const Onnx__TensorShapeProto__Dimension *columns = type->shape->dim[1];
    bool is_known = columns->value_case == ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE &&
                    columns->dim_value > 0 && columns->dim_value <= WEIR_FOLD_WIDTH_MAX;
    return is_known ? (size_t)columns->dim_value : 0;
}

static bool is_integer_type(int32_t type)
{
    return type == ONNX__TENSOR_PROTO__DATA_TYPE__INT64 || type == ONNX__TENSOR_PROTO__DATA_TYPE__INT32;
}

static bool is_real_type(int32_t type)
{
    return type == ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT || type == ONNX__TENSOR_PROTO__DATA_TYPE__DOUBLE;
}

/* An input's columns are the features `first`, `first + 1`, ... themselves. */
static weir_status define_input(weir_fold *fold, const Onnx__ValueInfoProto *input, size_t first, size_t width,
                                weir_error *error)
{
    const Onnx__TypeProto__Tensor *type = tensor_type(input);
    int32_t element = type && type->has_elem_type ? type->elem_type : ONNX__TENSOR_PROTO__DATA_TYPE__UNDEFINED;
    if (!is_real_type(element) && !is_integer_type(element))
        return weir_error_set(error, WEIR_UNSUPPORTED, "input \"%.64s\" is not a tensor of float, double or integers",
                              TEXT_OF(input->name));
    size_t stride = fold->feature_count + 1;
    double *rows = weir_pool_take(fold->pool, width * stride, sizeof *rows);
    if (!rows)
        return weir_draft_is_full(error);
    for (size_t i = 0; i < width; i++)
        rows[i * stride + first + i] = 1;
    fold->draft->single_precision |= element == ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT;
    weir_fold_value value = {.kind = WEIR_FOLD_MAP, .width = width, .rows = rows, .link = WEIR_LINK_IDENTITY,
                             .integer = is_integer_type(element)};
    return define(fold, TEXT_OF(input->name), value, NULL, error);
}

static weir_status define_inputs(weir_fold *fold, weir_error *error)
{
    size_t first = 0, input_count = 0;
    weir_status status = WEIR_OK;
    for (size_t i = 0; i < fold->graph->n_input; i++)
        input_count += weir_fold_is_feature_input(fold->graph, fold->graph->input[i]);
    for (size_t i = 0; i < fold->graph->n_input && status == WEIR_OK; i++) {
        const Onnx__ValueInfoProto *input = fold->graph->input[i];
        if (!weir_fold_is_feature_input(fold->graph, input))
            continue;
        size_t width = weir_fold_input_width(input);
        if (width == 0 && input_count == 1)
            width = fold->feature_count;
        if (width == 0 || width > fold->feature_count - first)
            return weir_error_set(error, WEIR_INVALID,
                                  "input \"%.64s\" has %zu columns where %zu of the %zu features are left",
                                  TEXT_OF(input->name), width, fold->feature_count - first, fold->feature_count);
        status = define_input(fold, input, first, width, error);
        first += width;
    }
    if (status == WEIR_OK && first != fold->feature_count)
        return weir_error_set(error, WEIR_INVALID, "the graph's inputs have %zu columns, weir.features has %zu", first,
                              fold->feature_count);
    return status;
}

/* --- nodes --------------------------------------------------------------------------------------------------- */

static const char *domain_of(const Onnx__NodeProto *node)
{
    const char *domain = TEXT_OF(node->domain);
    return strcmp(domain, "ai.onnx") == 0 ? "" : domain;
}

static weir_status refuse_operator(const weir_fold_step *step)
{
    return weir_fold_refuse(step, "weir does not fold %s%s%.64s: a model must be linear in the features",
                            domain_of(step->node), *domain_of(step->node) ? "." : "", TEXT_OF(step->node->op_type));
}

static bool lists(const char *names, const char *name)
{
    size_t size = strlen(name);
    if (size == 0)
        return false;
    for (const char *at = names; (at = strstr(at, name)); at += size)
        if ((at == names || at[-1] == ' ') && (at[size] == ' ' || at[size] == '\0'))
            return true;
    return false;
}

static weir_status check_attributes(const weir_fold_step *step, const weir_operator *operator)
{
    for (size_t i = 0; i < step->node->n_attribute; i++) {
        const char *name = TEXT_OF(step->node->attribute[i]->name);
        if (!lists(operator->attributes, name))
            return weir_fold_refuse(step, "its attribute \"%.64s\" is not one weir knows", name);
    }
    return WEIR_OK;
}

static weir_status find_inputs(weir_fold_step *step, const weir_operator *operator)
{
    const Onnx__NodeProto *node = step->node;
    if (node->n_input < operator->input_count_min || node->n_input > operator->input_count_max)
        return weir_fold_refuse(step, "%zu inputs", node->n_input);
    step->inputs = weir_pool_take(step->fold->pool, node->n_input, sizeof *step->inputs);
    if (!step->inputs)
        return weir_draft_is_full(step->error);
    step->input_count = node->n_input;
    for (size_t i = 0; i < node->n_input; i++) {
        if (*TEXT_OF(node->input[i]) == '\0' && i >= operator->input_count_min)
            continue;
        weir_status status = find(step->fold, TEXT_OF(node->input[i]), &step->inputs[i], step->error);
        if (status != WEIR_OK) {
            weir_error_wrap(step->error, "node \"%.64s\" (%.40s)", weir_fold_node_name(node), TEXT_OF(node->op_type));
            return status;
        }
    }
    return WEIR_OK;
}

static weir_status fold_node(weir_fold *fold, const Onnx__NodeProto *node, weir_error *error)
{
    weir_fold_step step = {.fold = fold, .node = node, .error = error};
    const weir_operator *operator = weir_operator_find(domain_of(node), TEXT_OF(node->op_type));
    if (!operator)
        return refuse_operator(&step);
    if (operator->output >= node->n_output)
        return weir_fold_refuse(&step, "it lacks output %zu", operator->output);
    weir_status status = check_attributes(&step, operator);
    if (status == WEIR_OK)
        status = find_inputs(&step, operator);
    weir_fold_value value = {0};
    if (status == WEIR_OK)
        status = operator->fold(&step, &value);
    return status == WEIR_OK ? define(fold, TEXT_OF(node->output[operator->output]), value, NULL, error) : status;
}

static bool uses(const Onnx__NodeProto *node, const char *name)
{
    for (size_t i = 0; i < node->n_input; i++)
        if (strcmp(TEXT_OF(node->input[i]), name) == 0)
            return true;
    return false;
}

/* Whether the score depends on node `index`; those after it are already marked. */
static bool is_needed(const Onnx__GraphProto *graph, const weir_release_node *marks, size_t index, const char *goal)
{
    const Onnx__NodeProto *node = graph->node[index];
    for (size_t o = 0; o < node->n_output; o++) {
        const char *name = TEXT_OF(node->output[o]);
        if (strcmp(name, goal) == 0)
            return true;
        for (size_t i = index + 1; i < graph->n_node; i++)
            if (marks[i].folded && uses(graph->node[i], name))
                return true;
    }
    return false;
}

/* A graph's names are anyone's bytes; these are printed, and put in JSON. */
static char *printable_copy(const char *text, weir_pool *pool)
{
    char *copy = weir_pool_copy_text(pool, text);
    for (char *at = copy; at && *at; at++)
        if (*at < ' ' || *at > '~')
            *at = '?';
    return copy;
}

static char *operator_text(const Onnx__NodeProto *node, weir_pool *pool)
{
    char text[160];
    const char *domain = domain_of(node);
    snprintf(text, sizeof text, "%.64s%s%.64s", domain, *domain ? "." : "", TEXT_OF(node->op_type));
    return printable_copy(text, pool);
}

/* Lists the nodes in the release, marking those the goal depends on. */
static weir_status mark_nodes(weir_fold *fold, const char *goal, weir_error *error)
{
    const Onnx__GraphProto *graph = fold->graph;
    weir_pool *pool = &fold->draft->pool;
    weir_release_node *marks = weir_pool_take(pool, graph->n_node, sizeof *marks);
    if (!marks)
        return weir_draft_is_full(error);
    for (size_t i = graph->n_node; i > 0; i--) {
        const Onnx__NodeProto *node = graph->node[i - 1];
        weir_release_node *mark = &marks[i - 1];
        mark->name = printable_copy(weir_fold_node_name(node), pool);
        mark->op = operator_text(node, pool);
        if (!mark->name || !mark->op)
            return weir_draft_is_full(error);
        mark->folded = is_needed(graph, marks, i - 1, goal);
    }
    fold->draft->release.nodes = marks;
    fold->draft->release.node_count = graph->n_node;
    return WEIR_OK;
}

/* --- the score ----------------------------------------------------------------------------------------------- */

/* A score is numbers per row: not the predicted label, which is whole numbers or texts. */
static bool may_be_score(const Onnx__ValueInfoProto *output)
{
    const Onnx__TypeProto__Tensor *type = tensor_type(output);
    return !type || is_real_type(type->elem_type);
}

static weir_status choose_output(const weir_fold *fold, const char **name_out, weir_error *error)
{
    const Onnx__GraphProto *graph = fold->graph;
    const char *chosen = NULL;
    size_t count = 0;
    for (size_t i = 0; i < graph->n_output; i++) {
        const char *name = TEXT_OF(graph->output[i]->name);
        bool fits = fold->wanted_output ? strcmp(name, fold->wanted_output) == 0 : may_be_score(graph->output[i]);
        chosen = fits && !chosen ? name : chosen;
        count += fits;
    }
    if (count == 1) {
        *name_out = chosen;
        return WEIR_OK;
    }
    if (fold->wanted_output)
        return weir_error_set(error, WEIR_INVALID, "weir.output is \"%.64s\", which is not an output of the graph",
                              fold->wanted_output);
    return weir_error_set(error, WEIR_INVALID,
                          "%zu outputs of the graph could be the score: name one in the metadata weir.output", count);
}

static bool is_class(const weir_fold_classes *classes, size_t index, const char *wanted)
{
    if (classes->texts[0])
        return strcmp(classes->texts[index], wanted) == 0;
    char text[24];
    snprintf(text, sizeof text, "%lld", (long long)classes->numbers[index]);
    return strcmp(text, wanted) == 0;
}

/* The column that is the probability of fraud: the class named by weir.class, else the one named as fraud
 * usually is, else (no labels in the graph) the second, as scikit-learn orders 0 and 1. */
static weir_status choose_column(const weir_fold *fold, const weir_fold_value *value, size_t *column_out,
                                 weir_error *error)
{
    static const char *const USUAL[] = {"1", "fraud", "true", "True"};
    *column_out = value->width - 1;
    if (value->width == 1 || (!value->classes && !fold->wanted_class))
        return WEIR_OK;
    if (!value->classes)
        return weir_error_set(error, WEIR_INVALID, "weir.class is \"%.64s\", but the graph does not label its columns",
                              fold->wanted_class);
    const char *const *wanted = fold->wanted_class ? &fold->wanted_class : USUAL;
    size_t wanted_count = fold->wanted_class ? 1 : sizeof USUAL / sizeof *USUAL;
    for (size_t i = 0; i < 2 * wanted_count; i++)
        if (is_class(value->classes, i % 2, wanted[i / 2])) {
            *column_out = i % 2;
            return WEIR_OK;
        }
    return weir_error_set(error, WEIR_INVALID,
                          "no class is called %s: name the one that is fraud in the metadata weir.class",
                          fold->wanted_class ? fold->wanted_class : "1, fraud or true");
}

static weir_status check_score(const weir_fold_value *value, weir_error *error)
{
    if (value->kind != WEIR_FOLD_MAP)
        return weir_error_set(error, WEIR_UNSUPPORTED, "output \"%.64s\" is the same for every event", value->name);
    if (value->width > 2)
        return weir_error_set(error, WEIR_UNSUPPORTED, "output \"%.64s\" has %zu columns: weir scores two classes",
                              value->name, value->width);
    if (value->width == 2 && value->link == WEIR_LINK_IDENTITY)
        return weir_error_set(error, WEIR_UNSUPPORTED,
                              "output \"%.64s\" is two raw scores: export probabilities (raw_scores=False)",
                              value->name);
    return WEIR_OK;
}

/* What a classifier computes for class 0 is minus what it computes for class 1, to rounding; the row chosen is
 * taken as it is. */
static void keep_row(weir_fold *fold, const weir_fold_value *value, size_t column)
{
    weir_draft *draft = fold->draft;
    const double *row = value->rows + column * (fold->feature_count + 1);
    memcpy(draft->weights, row, fold->feature_count * sizeof *row);
    weir_model *model = &draft->release.model;
    model->bias = row[fold->feature_count];
    model->link = value->link;
    if (value->clipped_by) {
        model->clip_low = fmax(0, value->clip_low);
        model->clip_high = fmin(1, value->clip_high);
    }
}

static weir_status check_graph(const Onnx__GraphProto *graph, weir_error *error)
{
    size_t edge_count = graph->n_initializer + graph->n_input;
    for (size_t i = 0; i < graph->n_node; i++)
        edge_count += graph->node[i]->n_input + graph->node[i]->n_output;
    if (graph->n_node > WEIR_FOLD_NODE_MAX || edge_count > WEIR_FOLD_EDGE_MAX)
        return weir_error_set(error, WEIR_UNSUPPORTED, "the graph has %zu nodes and %zu values, more than %d and %d",
                              graph->n_node, edge_count, WEIR_FOLD_NODE_MAX, WEIR_FOLD_EDGE_MAX);
    if (graph->n_sparse_initializer > 0)
        return weir_error_set(error, WEIR_UNSUPPORTED, "the graph has sparse initializers");
    return WEIR_OK;
}

static weir_status fold_nodes(weir_fold *fold, weir_error *error)
{
    weir_status status = WEIR_OK;
    for (size_t i = 0; i < fold->graph->n_node && status == WEIR_OK; i++)
        if (fold->draft->release.nodes[i].folded)
            status = fold_node(fold, fold->graph->node[i], error);
    return status;
}

weir_status weir_fold_graph(weir_fold *fold, weir_error *error)
{
    weir_status status = check_graph(fold->graph, error);
    if (status != WEIR_OK)
        return status;
    fold->value_max = WEIR_FOLD_EDGE_MAX;
    fold->values = weir_pool_take(fold->pool, fold->value_max, sizeof *fold->values);
    if (!fold->values)
        return weir_draft_is_full(error);
    const char *goal = NULL;
    status = choose_output(fold, &goal, error);
    if (status == WEIR_OK)
        status = mark_nodes(fold, goal, error);
    if (status == WEIR_OK)
        status = define_inputs(fold, error);
    if (status == WEIR_OK)
        status = fold_nodes(fold, error);
    const weir_fold_value *score = NULL;
    if (status == WEIR_OK)
        status = find(fold, goal, &score, error);
    if (status == WEIR_OK)
        status = check_score(score, error);
    size_t column = 0;
    if (status == WEIR_OK)
        status = choose_column(fold, score, &column, error);
    if (status == WEIR_OK)
        keep_row(fold, score, column);
    return status;
}
