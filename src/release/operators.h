/* The operators weir folds, by family; the table that names them is in operators.c. */
#ifndef WEIR_RELEASE_OPERATORS_H
#define WEIR_RELEASE_OPERATORS_H

#include "fold.h"

/* operators_math.c: ai.onnx arithmetic, products and links. */
weir_status weir_operator_add(weir_fold_step *step, weir_fold_value *out);
weir_status weir_operator_sub(weir_fold_step *step, weir_fold_value *out);
weir_status weir_operator_mul(weir_fold_step *step, weir_fold_value *out);
weir_status weir_operator_div(weir_fold_step *step, weir_fold_value *out);
weir_status weir_operator_neg(weir_fold_step *step, weir_fold_value *out);
weir_status weir_operator_matmul(weir_fold_step *step, weir_fold_value *out);
weir_status weir_operator_gemm(weir_fold_step *step, weir_fold_value *out);
weir_status weir_operator_sigmoid(weir_fold_step *step, weir_fold_value *out);
weir_status weir_operator_softmax(weir_fold_step *step, weir_fold_value *out);
weir_status weir_operator_clip(weir_fold_step *step, weir_fold_value *out);
weir_status weir_operator_abs(weir_fold_step *step, weir_fold_value *out);
weir_status weir_operator_reduce_sum(weir_fold_step *step, weir_fold_value *out);

/* operators_shape.c: what moves columns about and leaves their values alone. */
weir_status weir_operator_cast(weir_fold_step *step, weir_fold_value *out);
weir_status weir_operator_identity(weir_fold_step *step, weir_fold_value *out);
weir_status weir_operator_constant(weir_fold_step *step, weir_fold_value *out);
weir_status weir_operator_concat(weir_fold_step *step, weir_fold_value *out);
weir_status weir_operator_reshape(weir_fold_step *step, weir_fold_value *out);
weir_status weir_operator_squeeze(weir_fold_step *step, weir_fold_value *out);
weir_status weir_operator_unsqueeze(weir_fold_step *step, weir_fold_value *out);
weir_status weir_operator_slice(weir_fold_step *step, weir_fold_value *out);
weir_status weir_operator_gather(weir_fold_step *step, weir_fold_value *out);

/* operators_learn.c: ai.onnx.ml. */
weir_status weir_operator_scaler(weir_fold_step *step, weir_fold_value *out);
weir_status weir_operator_imputer(weir_fold_step *step, weir_fold_value *out);
weir_status weir_operator_feature_vectorizer(weir_fold_step *step, weir_fold_value *out);
weir_status weir_operator_linear_classifier(weir_fold_step *step, weir_fold_value *out);
weir_status weir_operator_linear_regressor(weir_fold_step *step, weir_fold_value *out);
weir_status weir_operator_normalizer(weir_fold_step *step, weir_fold_value *out);
weir_status weir_operator_zip_map(weir_fold_step *step, weir_fold_value *out);
weir_status weir_operator_array_feature_extractor(weir_fold_step *step, weir_fold_value *out);

/* Shared by the families. */

static inline size_t weir_operator_stride(const weir_fold_step *step)
{
    return step->fold->feature_count + 1;
}

/* The input, when it is a map. Refuses constants. */
weir_status weir_operator_map(const weir_fold_step *step, size_t index, const weir_fold_value **map_out);
/* The input, when it is a map that is still linear: no link, no clip. */
weir_status weir_operator_linear_map(const weir_fold_step *step, size_t index, const weir_fold_value **map_out);
/* The same, and not of an integer type, whose arithmetic rounds. */
weir_status weir_operator_plain_map(const weir_fold_step *step, size_t index, const weir_fold_value **map_out);
/* The input, when it is constant. */
weir_status weir_operator_tensor(const weir_fold_step *step, size_t index, const weir_tensor **tensor_out);
/* Begins `out` as an unlinked map of `width` zero columns. */
weir_status weir_operator_new_map(weir_fold_step *step, size_t width, weir_fold_value *out);
/* `out` becomes the chosen columns of `map`, in that order. */
weir_status weir_operator_pick(weir_fold_step *step, const weir_fold_value *map, const size_t *columns, size_t count,
                               weir_fold_value *out);
/* Accounts for multiplications to be made; refuses a graph that asks for too many. */
weir_status weir_operator_spend(const weir_fold_step *step, uint64_t work);
/* An integer attribute, or what it is when left out. */
int64_t weir_operator_int(const weir_fold_step *step, const char *name, int64_t otherwise);
/* A list of floats as numbers, each finite. count_out is 0 when it is left out. */
weir_status weir_operator_floats(const weir_fold_step *step, const char *name, const double **numbers_out,
                                 size_t *count_out);
/* Axes given as attribute (older opsets) or as input `index` (newer): the one axis they name, or -1 for the last,
 * 1 among them. Refuses everything else; a step without axes gives `otherwise`. */
weir_status weir_operator_axis(const weir_fold_step *step, size_t index, int64_t otherwise, int64_t *axis_out);
/* Whether two columns of a logistic map are p and 1 - p. */
bool weir_operator_is_complementary(const weir_fold_step *step, const weir_fold_value *map);

#endif
