#include "operators.h"

#include "weir/base/check.h"

#include <math.h>
#include <string.h>

static const weir_operator OPERATORS[] = {
    /* domain, type, attributes, inputs, output, function */
    {"", "Abs", "", 1, 1, 0, weir_operator_abs},
    {"", "Add", "", 2, 2, 0, weir_operator_add},
    {"", "Cast", "to saturate round_mode", 1, 1, 0, weir_operator_cast},
    {"", "CastLike", "saturate round_mode", 2, 2, 0, weir_operator_identity},
    {"", "Clip", "min max", 1, 3, 0, weir_operator_clip},
    {"", "Concat", "axis", 1, WEIR_FOLD_WIDTH_MAX, 0, weir_operator_concat},
    {"", "Constant", "value value_float value_floats value_int value_ints", 0, 0, 0, weir_operator_constant},
    {"", "Div", "", 2, 2, 0, weir_operator_div},
    {"", "Gather", "axis", 2, 2, 0, weir_operator_gather},
    {"", "Gemm", "alpha beta transA transB", 2, 3, 0, weir_operator_gemm},
    {"", "Identity", "", 1, 1, 0, weir_operator_identity},
    {"", "MatMul", "", 2, 2, 0, weir_operator_matmul},
    {"", "Mul", "", 2, 2, 0, weir_operator_mul},
    {"", "Neg", "", 1, 1, 0, weir_operator_neg},
    {"", "ReduceSum", "axes keepdims noop_with_empty_axes", 1, 2, 0, weir_operator_reduce_sum},
    {"", "Reshape", "allowzero", 2, 2, 0, weir_operator_reshape},
    {"", "Sigmoid", "", 1, 1, 0, weir_operator_sigmoid},
    {"", "Slice", "starts ends axes", 1, 5, 0, weir_operator_slice},
    {"", "Softmax", "axis", 1, 1, 0, weir_operator_softmax},
    {"", "Squeeze", "axes", 1, 2, 0, weir_operator_squeeze},
    {"", "Sub", "", 2, 2, 0, weir_operator_sub},
    {"", "Unsqueeze", "axes", 1, 2, 0, weir_operator_unsqueeze},
    {"ai.onnx.ml", "ArrayFeatureExtractor", "", 2, 2, 0, weir_operator_array_feature_extractor},
    {"ai.onnx.ml", "FeatureVectorizer", "inputdimensions", 1, WEIR_FOLD_WIDTH_MAX, 0,
     weir_operator_feature_vectorizer},
    {"ai.onnx.ml", "Imputer", "imputed_value_floats replaced_value_float", 1, 1, 0, weir_operator_imputer},
    {"ai.onnx.ml", "LinearClassifier",
     "coefficients intercepts classlabels_ints classlabels_strings multi_class post_transform", 1, 1, 1,
     weir_operator_linear_classifier},
    {"ai.onnx.ml", "LinearRegressor", "coefficients intercepts targets post_transform", 1, 1, 0,
     weir_operator_linear_regressor},
    {"ai.onnx.ml", "Normalizer", "norm", 1, 1, 0, weir_operator_normalizer},
    {"ai.onnx.ml", "Scaler", "offset scale", 1, 1, 0, weir_operator_scaler},
    {"ai.onnx.ml", "ZipMap", "classlabels_int64s classlabels_strings", 1, 1, 0, weir_operator_zip_map},
};

const weir_operator *weir_operator_find(const char *domain, const char *type)
{
    for (size_t i = 0; i < sizeof OPERATORS / sizeof *OPERATORS; i++)
        if (strcmp(OPERATORS[i].domain, domain) == 0 && strcmp(OPERATORS[i].type, type) == 0)
            return &OPERATORS[i];
    return NULL;
}

weir_status weir_operator_map(const weir_fold_step *step, size_t index, const weir_fold_value **map_out)
{
    const weir_fold_value *value = index < step->input_count ? step->inputs[index] : NULL;
    if (!value || value->kind != WEIR_FOLD_MAP)
        return weir_fold_refuse(step, "its input %zu does not depend on the features", index);
    *map_out = value;
    return WEIR_OK;
}

weir_status weir_operator_linear_map(const weir_fold_step *step, size_t index, const weir_fold_value **map_out)
{
    weir_status status = weir_operator_map(step, index, map_out);
    if (status != WEIR_OK)
        return status;
    const weir_fold_value *map = *map_out;
    if (map->clipped_by)
        return weir_fold_refuse(step,
                                "its input was clipped by node \"%.64s\", which is not linear in the features; write "
                                "clip(x, low, high) in the feature's name instead",
                                map->clipped_by);
    if (map->link != WEIR_LINK_IDENTITY)
        return weir_fold_refuse(step,
                                "its input is a probability: what follows a sigmoid is not linear in the features");
    return WEIR_OK;
}

weir_status weir_operator_plain_map(const weir_fold_step *step, size_t index, const weir_fold_value **map_out)
{
    weir_status status = weir_operator_linear_map(step, index, map_out);
    if (status == WEIR_OK && (*map_out)->integer)
        return weir_fold_refuse(step, "its input is of an integer type: cast it to double first");
    return status;
}

weir_status weir_operator_tensor(const weir_fold_step *step, size_t index, const weir_tensor **tensor_out)
{
    const weir_fold_value *value = index < step->input_count ? step->inputs[index] : NULL;
    if (!value || value->kind != WEIR_FOLD_CONSTANT)
        return weir_fold_refuse(step, "its input %zu is not constant: the model is not linear in the features", index);
    *tensor_out = &value->tensor;
    return WEIR_OK;
}

weir_status weir_operator_new_map(weir_fold_step *step, size_t width, weir_fold_value *out)
{
    if (width == 0 || width > WEIR_FOLD_WIDTH_MAX)
        return weir_fold_refuse(step, "%zu columns, more than %d", width, WEIR_FOLD_WIDTH_MAX);
    *out = (weir_fold_value){.kind = WEIR_FOLD_MAP, .width = width, .link = WEIR_LINK_IDENTITY};
    out->rows = weir_pool_take(step->fold->pool, width * weir_operator_stride(step), sizeof *out->rows);
    return out->rows ? WEIR_OK : weir_draft_is_full(step->error);
}

weir_status weir_operator_pick(weir_fold_step *step, const weir_fold_value *map, const size_t *columns, size_t count,
                               weir_fold_value *out)
{
    size_t stride = weir_operator_stride(step);
    weir_status status = weir_operator_new_map(step, count, out);
    if (status != WEIR_OK)
        return status;
    double *rows = out->rows;
    *out = *map;
    out->rows = rows;
    out->width = count;
    out->classes = NULL;
    for (size_t i = 0; i < count; i++) {
        if (columns[i] >= map->width)
            return weir_fold_refuse(step, "it takes column %zu of %zu", columns[i], map->width);
        memcpy(rows + i * stride, map->rows + columns[i] * stride, stride * sizeof *rows);
    }
    return WEIR_OK;
}

weir_status weir_operator_spend(const weir_fold_step *step, uint64_t work)
{
    if (work > step->fold->work_left)
        return weir_fold_refuse(step, "folding the graph takes too much work");
    step->fold->work_left -= work;
    return WEIR_OK;
}

int64_t weir_operator_int(const weir_fold_step *step, const char *name, int64_t otherwise)
{
    const Onnx__AttributeProto *attribute = weir_tensor_attribute(step->node, name);
    return attribute ? attribute->i : otherwise;
}

weir_status weir_operator_floats(const weir_fold_step *step, const char *name, const double **numbers_out,
                                 size_t *count_out)
{
    const Onnx__AttributeProto *attribute = weir_tensor_attribute(step->node, name);
    size_t count = attribute ? attribute->n_floats : 0;
    double *numbers = weir_pool_take(step->fold->pool, count, sizeof *numbers);
    if (!numbers)
        return weir_draft_is_full(step->error);
    for (size_t i = 0; i < count; i++) {
        numbers[i] = (double)attribute->floats[i];
        if (weir_model_is_missing(numbers[i]))
            return weir_fold_refuse(step, "%s[%zu] is not finite", name, i);
    }
    step->fold->draft->single_precision = true;
    *numbers_out = numbers;
    *count_out = count;
    return WEIR_OK;
}

weir_status weir_operator_axis(const weir_fold_step *step, size_t index, int64_t otherwise, int64_t *axis_out)
{
    const Onnx__AttributeProto *attribute = weir_tensor_attribute(step->node, "axes");
    bool has_input = index < step->input_count && step->inputs[index];
    *axis_out = otherwise;
    if (!attribute && !has_input)
        return WEIR_OK;
    size_t count = attribute ? attribute->n_ints : 0;
    double axis = count > 0 ? (double)attribute->ints[0] : 0;
    if (has_input) {
        const weir_tensor *tensor = NULL;
        weir_status status = weir_operator_tensor(step, index, &tensor);
        if (status != WEIR_OK)
            return status;
        count = tensor->count;
        axis = tensor->numbers[0];
    }
    if (count != 1 || (axis != 1 && axis != -1))
        return weir_fold_refuse(step, "it works along another axis than the columns");
    *axis_out = 1;
    return WEIR_OK;
}

bool weir_operator_is_complementary(const weir_fold_step *step, const weir_fold_value *map)
{
    size_t stride = weir_operator_stride(step);
    if (map->link != WEIR_LINK_LOGISTIC || map->width != 2 || map->clipped_by)
        return false;
    for (size_t i = 0; i < stride; i++) {
        double a = map->rows[i], b = map->rows[stride + i];
        if (fabs(a + b) > 1e-9 * fmax(fabs(a), fabs(b)))
            return false;
    }
    return true;
}
