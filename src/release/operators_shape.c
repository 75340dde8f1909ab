/* Operators that move columns about and leave their values alone. */
#include "operators.h"

#include "weir/base/check.h"

#include <math.h>
#include <string.h>

static bool is_real(int64_t type)
{
    return type == ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT || type == ONNX__TENSOR_PROTO__DATA_TYPE__DOUBLE;
}

static weir_status cast_tensor(weir_fold_step *step, const weir_fold_value *value, int64_t type, weir_fold_value *out)
{
    double *numbers = weir_pool_take(step->fold->pool, value->tensor.count, sizeof *numbers);
    if (!numbers)
        return weir_draft_is_full(step->error);
    for (size_t i = 0; i < value->tensor.count; i++) {
        double number = value->tensor.numbers[i];
        bool is_single = type == ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT;
        numbers[i] = is_single ? (double)(float)number : is_real(type) ? number : trunc(number);
        if (weir_model_is_missing(numbers[i]))
            return weir_fold_refuse(step, "a constant does not fit in a float");
    }
    *out = *value;
    out->tensor.numbers = numbers;
    return WEIR_OK;
}

weir_status weir_operator_cast(weir_fold_step *step, weir_fold_value *out)
{
    int64_t type = weir_operator_int(step, "to", ONNX__TENSOR_PROTO__DATA_TYPE__UNDEFINED);
    const weir_fold_value *value = step->inputs[0];
    bool to_integer = type == ONNX__TENSOR_PROTO__DATA_TYPE__INT64 || type == ONNX__TENSOR_PROTO__DATA_TYPE__INT32;
    if (value->kind == WEIR_FOLD_CONSTANT && (is_real(type) || to_integer))
        return cast_tensor(step, value, type, out);
    if (!is_real(type))
        return weir_fold_refuse(step, "it casts to a type that is not float or double: rounding is not linear");
    *out = *value;
    out->integer = false;
    step->fold->draft->single_precision |= type == ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT;
    return WEIR_OK;
}

/* Identity, and CastLike among values that are all numbers here. */
weir_status weir_operator_identity(weir_fold_step *step, weir_fold_value *out)
{
    if (step->input_count == 2 && step->inputs[1]->kind == WEIR_FOLD_MAP && step->inputs[1]->integer)
        return weir_fold_refuse(step, "it casts to an integer type: rounding is not linear");
    *out = *step->inputs[0];
    if (step->input_count == 2)
        out->integer = false;
    return WEIR_OK;
}

static weir_status constant_of(weir_fold_step *step, const Onnx__TensorProto *proto, weir_fold_value *out)
{
    weir_status status = weir_tensor_read(proto, step->fold->pool, &out->tensor, step->error);
    step->fold->draft->single_precision |= out->tensor.single_precision;
    return status;
}

/* The forms a Constant's value takes; each is made a tensor proto and read like any other. */
weir_status weir_operator_constant(weir_fold_step *step, weir_fold_value *out)
{
    *out = (weir_fold_value){.kind = WEIR_FOLD_CONSTANT};
    if (step->node->n_attribute != 1)
        return weir_fold_refuse(step, "%zu values", step->node->n_attribute);
    Onnx__AttributeProto *attribute = step->node->attribute[0];
    if (attribute->t)
        return constant_of(step, attribute->t, out);
    bool is_list = attribute->n_floats + attribute->n_ints > 0, is_float = attribute->has_f || attribute->n_floats > 0;
    int64_t dim = is_list ? (int64_t)(attribute->n_floats + attribute->n_ints) : 1;
    Onnx__TensorProto proto = ONNX__TENSOR_PROTO__INIT;
    proto.n_dims = is_list;
    proto.dims = &dim;
    proto.data_type = is_float ? ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT : ONNX__TENSOR_PROTO__DATA_TYPE__INT64;
    proto.n_float_data = is_float ? (size_t)dim : 0;
    proto.float_data = is_list ? attribute->floats : &attribute->f;
    proto.n_int64_data = is_float ? 0 : (size_t)dim;
    proto.int64_data = is_list ? attribute->ints : &attribute->i;
    return constant_of(step, &proto, out);
}

static bool is_column_axis(int64_t axis)
{
    return axis == 1 || axis == -1;
}

static bool is_same_kind(const weir_fold_value *a, const weir_fold_value *b)
{
    bool same_clip = !a->clipped_by == !b->clipped_by &&
                     (!a->clipped_by || (a->clip_low == b->clip_low && a->clip_high == b->clip_high));
    return a->link == b->link && same_clip;
}

/* Side by side: the columns of every input, in order. Also FeatureVectorizer, once its widths are checked. */
weir_status weir_operator_concat(weir_fold_step *step, weir_fold_value *out)
{
    if (*step->node->op_type == 'C' && !is_column_axis(weir_operator_int(step, "axis", 1)))
        return weir_fold_refuse(step, "it works along another axis than the columns");
    size_t width = 0, stride = weir_operator_stride(step), at = 0;
    const weir_fold_value *first, *map;
    weir_status status = weir_operator_map(step, 0, &first);
    for (size_t i = 0; i < step->input_count && status == WEIR_OK; i++) {
        status = weir_operator_map(step, i, &map);
        if (status == WEIR_OK && (map->flat || !is_same_kind(first, map)))
            return weir_fold_refuse(step, "its inputs 0 and %zu are of different kinds", i);
        width += status == WEIR_OK ? map->width : 0;
    }
    if (status == WEIR_OK)
        status = weir_operator_new_map(step, width, out);
    if (status != WEIR_OK)
        return status;
    double *rows = out->rows;
    *out = *first;
    out->rows = rows;
    out->width = width;
    out->classes = NULL;
    for (size_t i = 0; i < step->input_count; at += step->inputs[i++]->width) {
        memcpy(rows + at * stride, step->inputs[i]->rows, step->inputs[i]->width * stride * sizeof *rows);
        out->integer |= step->inputs[i]->integer;
    }
    return WEIR_OK;
}

/* Only shapes that keep one event a row: [-1], [-1, n], [0, n], [0, -1]. */
weir_status weir_operator_reshape(weir_fold_step *step, weir_fold_value *out)
{
    const weir_fold_value *map;
    const weir_tensor *shape;
    weir_status status = weir_operator_map(step, 0, &map);
    if (status == WEIR_OK)
        status = weir_operator_tensor(step, 1, &shape);
    if (status != WEIR_OK)
        return status;
    const double *dims = shape->numbers;
    double width = (double)map->width;
    bool to_flat = shape->count == 1 && dims[0] == -1 && map->width == 1;
    bool to_columns = shape->count == 2 && ((dims[0] == -1 && dims[1] == width) ||
                                            (dims[0] == 0 && (dims[1] == -1 || dims[1] == width)));
    if (shape->rank > 1 || !(to_flat || to_columns))
        return weir_fold_refuse(step, "it does not keep one row an event");
    *out = *map;
    out->flat = to_flat;
    return WEIR_OK;
}

static weir_status set_flat(weir_fold_step *step, bool flat, weir_fold_value *out)
{
    const weir_fold_value *map;
    int64_t axis;
    weir_status status = weir_operator_map(step, 0, &map);
    if (status == WEIR_OK)
        status = weir_operator_axis(step, 1, 1, &axis);
    if (status == WEIR_OK && (map->width != 1 || map->flat == flat))
        return weir_fold_refuse(step, "it does not keep one row an event");
    if (status == WEIR_OK)
        *out = *map;
    out->flat = flat;
    return status;
}

weir_status weir_operator_squeeze(weir_fold_step *step, weir_fold_value *out)
{
    return set_flat(step, true, out);
}

weir_status weir_operator_unsqueeze(weir_fold_step *step, weir_fold_value *out)
{
    return set_flat(step, false, out);
}

/* A bound of a slice: the attribute's (opset 9 and before) or the input's single number. */
static weir_status slice_bound(weir_fold_step *step, size_t index, const char *name, double *bound_out)
{
    const Onnx__AttributeProto *attribute = weir_tensor_attribute(step->node, name);
    if (attribute && attribute->n_ints == 1) {
        *bound_out = (double)attribute->ints[0];
        return WEIR_OK;
    }
    const weir_tensor *tensor = NULL;
    weir_status status = weir_operator_tensor(step, index, &tensor);
    if (status == WEIR_OK && tensor->count != 1)
        return weir_fold_refuse(step, "%s has %zu entries", name, tensor->count);
    if (status == WEIR_OK)
        *bound_out = tensor->numbers[0];
    return status;
}

static size_t clamp_bound(double bound, size_t width)
{
    double from_start = bound < 0 ? bound + (double)width : bound;
    return (size_t)fmin(fmax(from_start, 0), (double)width);
}

static weir_status pick_range(weir_fold_step *step, const weir_fold_value *map, size_t begin, size_t end,
                              weir_fold_value *out)
{
    size_t columns[WEIR_FOLD_WIDTH_MAX];
    if (begin >= end)
        return weir_fold_refuse(step, "it takes no columns");
    for (size_t i = begin; i < end; i++)
        columns[i - begin] = i;
    return weir_operator_pick(step, map, columns, end - begin, out);
}

weir_status weir_operator_slice(weir_fold_step *step, weir_fold_value *out)
{
    const weir_fold_value *map;
    double begin = 0, end = 0, stride = 1;
    int64_t axis;
    weir_status status = weir_operator_map(step, 0, &map);
    if (status == WEIR_OK)
        status = slice_bound(step, 1, "starts", &begin);
    if (status == WEIR_OK)
        status = slice_bound(step, 2, "ends", &end);
    if (status == WEIR_OK)
        status = weir_operator_axis(step, 3, 0, &axis);
    if (status == WEIR_OK && step->input_count > 4)
        status = slice_bound(step, 4, "steps", &stride);
    if (status != WEIR_OK)
        return status;
    if (axis != 1 || stride != 1 || map->flat)
        return weir_fold_refuse(step, "it does not take neighbouring columns");
    return pick_range(step, map, clamp_bound(begin, map->width), clamp_bound(end, map->width), out);
}

static weir_status pick_indices(weir_fold_step *step, weir_fold_value *out)
{
    const weir_fold_value *map;
    const weir_tensor *indices;
    size_t columns[WEIR_FOLD_WIDTH_MAX];
    weir_status status = weir_operator_map(step, 0, &map);
    if (status == WEIR_OK)
        status = weir_operator_tensor(step, 1, &indices);
    if (status != WEIR_OK)
        return status;
    if (map->flat || indices->count > WEIR_FOLD_WIDTH_MAX)
        return weir_fold_refuse(step, "it takes %zu columns of one", indices->count);
    for (size_t i = 0; i < indices->count; i++) {
        double index = indices->numbers[i] < 0 ? indices->numbers[i] + (double)map->width : indices->numbers[i];
        if (!(index >= 0 && index < (double)map->width))
            return weir_fold_refuse(step, "it takes column %g of %zu", indices->numbers[i], map->width);
        columns[i] = (size_t)index;
    }
    return weir_operator_pick(step, map, columns, indices->count, out);
}

weir_status weir_operator_gather(weir_fold_step *step, weir_fold_value *out)
{
    if (!is_column_axis(weir_operator_int(step, "axis", 0)))
        return weir_fold_refuse(step, "it works along another axis than the columns");
    weir_status status = pick_indices(step, out);
    if (status == WEIR_OK && step->inputs[1]->tensor.rank > 1)
        return weir_fold_refuse(step, "its indices are not a list");
    if (status == WEIR_OK)
        out->flat = step->inputs[1]->tensor.rank == 0;
    return status;
}

weir_status weir_operator_array_feature_extractor(weir_fold_step *step, weir_fold_value *out)
{
    return pick_indices(step, out);
}
