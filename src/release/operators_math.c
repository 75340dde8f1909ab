/* Arithmetic, products and links of ai.onnx. */
#include "operators.h"

#include "weir/base/check.h"

#include <math.h>
#include <string.h>

/* --- element by element -------------------------------------------------------------------------------------- */

/* The four operations on one row each: weights and offset. Returns false when the result is not linear. */
typedef struct arithmetic {
    bool (*rows)(double *out, const double *a, const double *b, size_t stride);
    double (*numbers)(double a, double b);
    double neutral; /* the right-hand side that changes nothing */
    bool commutes;
} arithmetic;

static bool is_number(const double *row, size_t stride)
{
    for (size_t i = 0; i + 1 < stride; i++)
        if (row[i] != 0)
            return false;
    return true;
}

static bool add_rows(double *out, const double *a, const double *b, size_t stride)
{
    for (size_t i = 0; i < stride; i++)
        out[i] = a[i] + b[i];
    return true;
}

static bool sub_rows(double *out, const double *a, const double *b, size_t stride)
{
    for (size_t i = 0; i < stride; i++)
        out[i] = a[i] - b[i];
    return true;
}

static bool mul_rows(double *out, const double *a, const double *b, size_t stride)
{
    if (is_number(a, stride)) {
        const double *kept = a;
        a = b;
        b = kept;
    }
    for (size_t i = 0; i < stride; i++)
        out[i] = a[i] * b[stride - 1];
    return is_number(b, stride);
}

static bool div_rows(double *out, const double *a, const double *b, size_t stride)
{
    double divisor = b[stride - 1];
    for (size_t i = 0; i < stride; i++)
        out[i] = divisor == 0 ? 0 : a[i] / divisor;
    return is_number(b, stride) && divisor != 0;
}

static double add_numbers(double a, double b)
{
    return a + b;
}

static double sub_numbers(double a, double b)
{
    return a - b;
}

static double mul_numbers(double a, double b)
{
    return a * b;
}

static double div_numbers(double a, double b)
{
    return a / b;
}

static const arithmetic ADD = {add_rows, add_numbers, 0, true};
static const arithmetic SUB = {sub_rows, sub_numbers, 0, false};
static const arithmetic MUL = {mul_rows, mul_numbers, 1, true};
static const arithmetic DIV = {div_rows, div_numbers, 1, false};

/* A constant as columns: one number for all, or one a column ([n] or [1, n]). */
static weir_status lift(weir_fold_step *step, const weir_tensor *tensor, weir_fold_value *out)
{
    size_t width = tensor->rank > 0 ? tensor->dims[tensor->rank - 1] : 1;
    if (tensor->count != width)
        return weir_fold_refuse(step, "a constant of %zu numbers is not one number a column", tensor->count);
    weir_status status = weir_operator_new_map(step, width, out);
    size_t stride = weir_operator_stride(step);
    for (size_t i = 0; status == WEIR_OK && i < width; i++)
        out->rows[(i + 1) * stride - 1] = tensor->numbers[i];
    return status;
}

static bool is_all(const weir_fold_step *step, const weir_fold_value *value, double number)
{
    size_t stride = weir_operator_stride(step);
    if (value->link != WEIR_LINK_IDENTITY || value->clipped_by)
        return false;
    for (size_t i = 0; i < value->width; i++) {
        const double *row = value->rows + i * stride;
        if (!is_number(row, stride) || row[stride - 1] != number)
            return false;
    }
    return true;
}

static bool fits(const weir_fold_value *to, const weir_fold_value *other)
{
    return other->width == 1 || other->width == to->width;
}

/* 1 - p: since 1 - sigmoid(z) = sigmoid(-z). */
static weir_status complement(weir_fold_step *step, const weir_fold_value *p, weir_fold_value *out)
{
    weir_status status = weir_operator_new_map(step, p->width, out);
    if (status != WEIR_OK)
        return status;
    out->link = p->link;
    out->flat = p->flat;
    for (size_t i = 0; i < p->width * weir_operator_stride(step); i++)
        out->rows[i] = -p->rows[i];
    return WEIR_OK;
}

/* Arithmetic on a probability, where it is the plumbing a classifier ends in; anything else is not linear. */
static weir_status linked(weir_fold_step *step, const arithmetic *op, const weir_fold_value *a,
                          const weir_fold_value *b, weir_fold_value *out)
{
    if (fits(a, b) && is_all(step, b, op->neutral)) {
        *out = *a;
        return WEIR_OK;
    }
    if (op->commutes && fits(b, a) && is_all(step, a, op->neutral)) {
        *out = *b;
        return WEIR_OK;
    }
    if (op == &SUB && b->link == WEIR_LINK_LOGISTIC && !b->clipped_by && fits(b, a) && is_all(step, a, 1))
        return complement(step, b, out);
    return weir_fold_refuse(step, "it computes with a value that has passed a sigmoid or a clip: not linear in the "
                            "features");
}

static weir_status combine_maps(weir_fold_step *step, const arithmetic *op, const weir_fold_value *a,
                                const weir_fold_value *b, weir_fold_value *out)
{
    if (a->link != WEIR_LINK_IDENTITY || b->link != WEIR_LINK_IDENTITY || a->clipped_by || b->clipped_by)
        return linked(step, op, a, b, out);
    size_t width = a->width > b->width ? a->width : b->width, stride = weir_operator_stride(step);
    bool shapes_fit = a->width == width ? fits(a, b) : fits(b, a);
    if (width > 1 && (a->flat || b->flat))
        shapes_fit = false;
    if (!shapes_fit)
        return weir_fold_refuse(step, "%zu columns do not go with %zu", a->width, b->width);
    if (a->integer || b->integer)
        return weir_fold_refuse(step, "its input is of an integer type: cast it to double first");
    weir_status status = weir_operator_new_map(step, width, out);
    if (status != WEIR_OK)
        return status;
    out->flat = a->flat || b->flat;
    for (size_t i = 0; i < width; i++) {
        const double *left = a->rows + (a->width == 1 ? 0 : i) * stride;
        const double *right = b->rows + (b->width == 1 ? 0 : i) * stride;
        if (!op->rows(out->rows + i * stride, left, right, stride))
            return weir_fold_refuse(step,
                                    "column %zu is a product or quotient of features, or divided by 0: not linear "
                                    "in the features",
                                    i);
    }
    return WEIR_OK;
}

static weir_status combine_tensors(weir_fold_step *step, const arithmetic *op, const weir_tensor *a,
                                   const weir_tensor *b, weir_fold_value *out)
{
    const weir_tensor *larger = a->count >= b->count ? a : b;
    bool same_shape = a->rank == b->rank && memcmp(a->dims, b->dims, sizeof a->dims) == 0;
    if (!same_shape && a->count != 1 && b->count != 1)
        return weir_fold_refuse(step, "constants of %zu and %zu numbers", a->count, b->count);
    double *numbers = weir_pool_take(step->fold->pool, larger->count, sizeof *numbers);
    if (!numbers)
        return weir_draft_is_full(step->error);
    for (size_t i = 0; i < larger->count; i++) {
        numbers[i] = op->numbers(a->numbers[a->count == 1 ? 0 : i], b->numbers[b->count == 1 ? 0 : i]);
        if (weir_model_is_missing(numbers[i]))
            return weir_fold_refuse(step, "its result is not finite");
    }
    *out = (weir_fold_value){.kind = WEIR_FOLD_CONSTANT, .tensor = *larger};
    out->tensor.numbers = numbers;
    return WEIR_OK;
}

static weir_status combine(weir_fold_step *step, const arithmetic *op, weir_fold_value *out)
{
    const weir_fold_value *a = step->inputs[0], *b = step->inputs[1];
    if (a->kind == WEIR_FOLD_CONSTANT && b->kind == WEIR_FOLD_CONSTANT)
        return combine_tensors(step, op, &a->tensor, &b->tensor, out);
    weir_fold_value lifted = {0};
    weir_status status = WEIR_OK;
    if (a->kind == WEIR_FOLD_CONSTANT) {
        status = lift(step, &a->tensor, &lifted);
        a = &lifted;
    } else if (b->kind == WEIR_FOLD_CONSTANT) {
        status = lift(step, &b->tensor, &lifted);
        b = &lifted;
    }
    return status == WEIR_OK ? combine_maps(step, op, a, b, out) : status;
}

weir_status weir_operator_add(weir_fold_step *step, weir_fold_value *out)
{
    return combine(step, &ADD, out);
}

weir_status weir_operator_sub(weir_fold_step *step, weir_fold_value *out)
{
    return combine(step, &SUB, out);
}

weir_status weir_operator_mul(weir_fold_step *step, weir_fold_value *out)
{
    return combine(step, &MUL, out);
}

weir_status weir_operator_div(weir_fold_step *step, weir_fold_value *out)
{
    return combine(step, &DIV, out);
}

weir_status weir_operator_neg(weir_fold_step *step, weir_fold_value *out)
{
    const weir_fold_value *map;
    weir_status status = weir_operator_plain_map(step, 0, &map);
    return status == WEIR_OK ? complement(step, map, out) : status; /* -(w x + b): the same rows, negated */
}

/* --- products ------------------------------------------------------------------------------------------------ */

/* out column k = factor * sum over i of map column i * matrix[i][k], matrix stored by rows or transposed. */
static weir_status multiply(weir_fold_step *step, const weir_fold_value *map, const weir_tensor *matrix,
                            bool transposed, double factor, weir_fold_value *out)
{
    size_t in_count = matrix->dims[transposed ? 1 : 0], out_count = matrix->dims[transposed ? 0 : 1];
    size_t stride = weir_operator_stride(step);
    if (matrix->rank != 2 || in_count != map->width || map->flat)
        return weir_fold_refuse(step, "a matrix of %zu rows does not go with %zu columns", in_count, map->width);
    weir_status status = weir_operator_spend(step, (uint64_t)in_count * out_count * stride);
    if (status == WEIR_OK)
        status = weir_operator_new_map(step, out_count, out);
    for (size_t k = 0; status == WEIR_OK && k < out_count; k++)
        for (size_t i = 0; i < in_count; i++) {
            double weight = factor * matrix->numbers[transposed ? k * in_count + i : i * out_count + k];
            for (size_t f = 0; f < stride; f++)
                out->rows[k * stride + f] += weight * map->rows[i * stride + f];
        }
    return status;
}

weir_status weir_operator_matmul(weir_fold_step *step, weir_fold_value *out)
{
    const weir_fold_value *map;
    const weir_tensor *matrix;
    weir_status status = weir_operator_plain_map(step, 0, &map);
    if (status == WEIR_OK)
        status = weir_operator_tensor(step, 1, &matrix);
    return status == WEIR_OK ? multiply(step, map, matrix, false, 1, out) : status;
}

static double float_attribute(const weir_fold_step *step, const char *name, double otherwise)
{
    const Onnx__AttributeProto *attribute = weir_tensor_attribute(step->node, name);
    return attribute ? (double)attribute->f : otherwise;
}

static weir_status add_scaled(weir_fold_step *step, const weir_tensor *tensor, double factor, weir_fold_value *out)
{
    weir_fold_value offsets = {0};
    size_t stride = weir_operator_stride(step);
    weir_status status = lift(step, tensor, &offsets);
    if (status == WEIR_OK && !fits(out, &offsets))
        return weir_fold_refuse(step, "%zu offsets for %zu columns", offsets.width, out->width);
    for (size_t i = 0; status == WEIR_OK && i < out->width; i++)
        out->rows[(i + 1) * stride - 1] += factor * offsets.rows[((offsets.width == 1 ? 0 : i) + 1) * stride - 1];
    return status;
}

weir_status weir_operator_gemm(weir_fold_step *step, weir_fold_value *out)
{
    const weir_fold_value *map;
    const weir_tensor *matrix, *offsets = NULL;
    double alpha = float_attribute(step, "alpha", 1), beta = float_attribute(step, "beta", 1);
    if (weir_operator_int(step, "transA", 0) != 0 || !isfinite(alpha) || !isfinite(beta))
        return weir_fold_refuse(step, "transA is set, or alpha or beta is not finite");
    weir_status status = weir_operator_plain_map(step, 0, &map);
    if (status == WEIR_OK)
        status = weir_operator_tensor(step, 1, &matrix);
    if (status == WEIR_OK)
        status = multiply(step, map, matrix, weir_operator_int(step, "transB", 0) != 0, alpha, out);
    if (status != WEIR_OK || step->input_count < 3 || !step->inputs[2])
        return status;
    status = weir_operator_tensor(step, 2, &offsets);
    return status == WEIR_OK ? add_scaled(step, offsets, beta, out) : status;
}

/* --- links --------------------------------------------------------------------------------------------------- */

weir_status weir_operator_sigmoid(weir_fold_step *step, weir_fold_value *out)
{
    const weir_fold_value *map;
    weir_status status = weir_operator_plain_map(step, 0, &map);
    if (status != WEIR_OK)
        return status;
    *out = *map;
    out->link = WEIR_LINK_LOGISTIC;
    return WEIR_OK;
}

/* Of two columns: softmax(a, b) = (sigmoid(a - b), sigmoid(b - a)). */
weir_status weir_operator_softmax(weir_fold_step *step, weir_fold_value *out)
{
    const weir_fold_value *map;
    int64_t axis = weir_operator_int(step, "axis", 1);
    size_t stride = weir_operator_stride(step);
    weir_status status = weir_operator_plain_map(step, 0, &map);
    if (status == WEIR_OK && (map->width != 2 || (axis != 1 && axis != -1)))
        return weir_fold_refuse(step, "a softmax over %zu columns: weir scores two classes", map->width);
    if (status == WEIR_OK)
        status = weir_operator_new_map(step, 2, out);
    if (status != WEIR_OK)
        return status;
    sub_rows(out->rows, map->rows, map->rows + stride, stride);
    sub_rows(out->rows + stride, map->rows + stride, map->rows, stride);
    out->link = WEIR_LINK_LOGISTIC;
    out->classes = map->classes;
    return WEIR_OK;
}

/* A bound from an input (opset 11 on) or an attribute (before); infinite when there is none. */
static weir_status read_bound(weir_fold_step *step, size_t index, const char *name, double otherwise,
                              double *bound_out)
{
    *bound_out = float_attribute(step, name, otherwise);
    if (index >= step->input_count || !step->inputs[index])
        return isnan(*bound_out) ? weir_fold_refuse(step, "%s is not a number", name) : WEIR_OK;
    const weir_tensor *tensor = NULL;
    weir_status status = weir_operator_tensor(step, index, &tensor);
    if (status == WEIR_OK && tensor->count != 1)
        return weir_fold_refuse(step, "%s is not one number", name);
    if (status == WEIR_OK)
        *bound_out = tensor->numbers[0];
    return status;
}

weir_status weir_operator_clip(weir_fold_step *step, weir_fold_value *out)
{
    const weir_fold_value *map;
    double low, high;
    weir_status status = weir_operator_map(step, 0, &map);
    if (status == WEIR_OK)
        status = read_bound(step, 1, "min", -INFINITY, &low);
    if (status == WEIR_OK)
        status = read_bound(step, 2, "max", INFINITY, &high);
    if (status != WEIR_OK)
        return status;
    *out = *map;
    out->clip_low = map->clipped_by ? fmax(low, map->clip_low) : low;
    out->clip_high = map->clipped_by ? fmin(high, map->clip_high) : high;
    out->clipped_by = weir_fold_node_name(step->node);
    if (out->clip_low > out->clip_high)
        return weir_fold_refuse(step, "it clips to [%g, %g]", out->clip_low, out->clip_high);
    return WEIR_OK;
}

/* --- the plumbing of p / sum(|p|) ---------------------------------------------------------------------------- */

weir_status weir_operator_abs(weir_fold_step *step, weir_fold_value *out)
{
    const weir_fold_value *map;
    weir_status status = weir_operator_map(step, 0, &map);
    if (status == WEIR_OK && (map->link != WEIR_LINK_LOGISTIC || map->clipped_by))
        return weir_fold_refuse(step, "an absolute value is not linear in the features; write abs(x) in the feature's "
                                "name instead");
    if (status == WEIR_OK)
        *out = *map; /* a probability is its own absolute value */
    return status;
}

static void sum_rows(const weir_fold_value *map, size_t stride, double *out)
{
    for (size_t i = 0; i < map->width; i++)
        for (size_t f = 0; f < stride; f++)
            out[f] += map->rows[i * stride + f];
}

weir_status weir_operator_reduce_sum(weir_fold_step *step, weir_fold_value *out)
{
    const weir_fold_value *map;
    int64_t axis;
    size_t stride = weir_operator_stride(step);
    weir_status status = weir_operator_map(step, 0, &map);
    if (status == WEIR_OK)
        status = weir_operator_axis(step, 1, 0, &axis);
    if (status == WEIR_OK && axis != 1)
        return weir_fold_refuse(step, "it sums over rows too");
    bool is_one = status == WEIR_OK && weir_operator_is_complementary(step, map);
    if (status == WEIR_OK && !is_one)
        status = weir_operator_plain_map(step, 0, &map);
    if (status == WEIR_OK)
        status = weir_operator_new_map(step, 1, out);
    if (status != WEIR_OK)
        return status;
    out->flat = weir_operator_int(step, "keepdims", 1) == 0;
    if (is_one)
        out->rows[stride - 1] = 1; /* p + (1 - p) */
    else
        sum_rows(map, stride, out->rows);
    return WEIR_OK;
}
