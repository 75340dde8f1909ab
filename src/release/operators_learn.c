/* The operators of ai.onnx.ml that linear pipelines are made of. Source: onnx/docs/Operators-ml.md; where it is
 * silent, what onnxruntime does (tests/release compares with it). */
#include "operators.h"

#include "weir/base/check.h"

#include <math.h>
#include <string.h>

/* (x - offset) * scale, one number for all columns or one a column. */
weir_status weir_operator_scaler(weir_fold_step *step, weir_fold_value *out)
{
    const weir_fold_value *map;
    const double *offsets, *scales;
    size_t offset_count, scale_count, stride = weir_operator_stride(step);
    weir_status status = weir_operator_linear_map(step, 0, &map); /* integers are computed with as floats */
    if (status == WEIR_OK)
        status = weir_operator_floats(step, "offset", &offsets, &offset_count);
    if (status == WEIR_OK)
        status = weir_operator_floats(step, "scale", &scales, &scale_count);
    if (status != WEIR_OK)
        return status;
    bool offsets_fit = offset_count <= 1 || offset_count == map->width;
    bool scales_fit = scale_count <= 1 || scale_count == map->width;
    if (!offsets_fit || !scales_fit)
        return weir_fold_refuse(step, "%zu offsets and %zu scales for %zu columns", offset_count, scale_count,
                                map->width);
    status = weir_operator_new_map(step, map->width, out);
    for (size_t i = 0; status == WEIR_OK && i < map->width; i++) {
        double offset = offset_count == 0 ? 0 : offsets[offset_count == 1 ? 0 : i];
        double scale = scale_count == 0 ? 1 : scales[scale_count == 1 ? 0 : i];
        const double *from = map->rows + i * stride;
        double *to = out->rows + i * stride;
        for (size_t f = 0; f < stride; f++)
            to[f] = from[f] * scale;
        to[stride - 1] = (from[stride - 1] - offset) * scale;
    }
    return status;
}

/* --- Imputer ------------------------------------------------------------------------------------------------- */

/* The feature a column is a rescaling of, or SIZE_MAX when it mixes several. */
static size_t only_feature(const double *row, size_t feature_count)
{
    size_t only = SIZE_MAX;
    for (size_t i = 0; i < feature_count; i++) {
        if (row[i] == 0)
            continue;
        if (only != SIZE_MAX)
            return SIZE_MAX;
        only = i;
    }
    return only;
}

/* The column is a x + b, and becomes `value` where x is missing: so x counts as (value - b) / a. */
static weir_status impute(weir_fold_step *step, const double *row, double value)
{
    weir_draft *draft = step->fold->draft;
    size_t feature_count = step->fold->feature_count, feature = only_feature(row, feature_count);
    if (feature == SIZE_MAX)
        return weir_fold_refuse(step, "it imputes a column that is not one feature");
    double raw = (value - row[feature_count]) / row[feature];
    if (draft->imputed[feature] && draft->imputes[feature] != raw)
        return weir_fold_refuse(step, "feature %zu is imputed twice, as %g and %g", feature, draft->imputes[feature],
                                raw);
    draft->imputes[feature] = raw;
    draft->imputed[feature] = true;
    return WEIR_OK;
}

weir_status weir_operator_imputer(weir_fold_step *step, weir_fold_value *out)
{
    const weir_fold_value *map;
    const double *values;
    size_t count, stride = weir_operator_stride(step);
    const Onnx__AttributeProto *replaced = weir_tensor_attribute(step->node, "replaced_value_float");
    weir_status status = weir_operator_plain_map(step, 0, &map);
    if (status == WEIR_OK)
        status = weir_operator_floats(step, "imputed_value_floats", &values, &count);
    if (status != WEIR_OK)
        return status;
    if (!replaced || !isnan(replaced->f))
        return weir_fold_refuse(step,
                                "it replaces %g: weir's missing value is NaN, and replacing a number is not linear",
                                replaced ? (double)replaced->f : 0);
    if (count != 1 && count != map->width)
        return weir_fold_refuse(step, "%zu values for %zu columns", count, map->width);
    for (size_t i = 0; i < map->width && status == WEIR_OK; i++)
        status = impute(step, map->rows + i * stride, values[count == 1 ? 0 : i]);
    *out = *map;
    return status;
}

/* --- FeatureVectorizer --------------------------------------------------------------------------------------- */

weir_status weir_operator_feature_vectorizer(weir_fold_step *step, weir_fold_value *out)
{
    const Onnx__AttributeProto *dims = weir_tensor_attribute(step->node, "inputdimensions");
    if (dims && dims->n_ints != step->input_count)
        return weir_fold_refuse(step, "%zu dimensions for %zu inputs", dims->n_ints, step->input_count);
    for (size_t i = 0; dims && i < step->input_count; i++) {
        const weir_fold_value *map;
        weir_status status = weir_operator_map(step, i, &map);
        if (status != WEIR_OK)
            return status;
        if (dims->ints[i] != (int64_t)map->width)
            return weir_fold_refuse(step, "its input %zu has %zu columns where %lld are stated", i, map->width,
                                    (long long)dims->ints[i]);
    }
    weir_status status = weir_operator_concat(step, out);
    step->fold->draft->single_precision = true; /* its output is float whatever its inputs are */
    out->integer = false;
    return status;
}

/* --- LinearClassifier, LinearRegressor ----------------------------------------------------------------------- */

/* rows[k] = coefficients[k] · columns + intercepts[k], coefficients stored row after row. */
static weir_status apply_coefficients(weir_fold_step *step, size_t row_count_max, weir_fold_value *out)
{
    const weir_fold_value *map;
    const double *coefficients, *intercepts;
    size_t coefficient_count, intercept_count, stride = weir_operator_stride(step);
    weir_status status = weir_operator_linear_map(step, 0, &map); /* integers are computed with as floats */
    if (status == WEIR_OK)
        status = weir_operator_floats(step, "coefficients", &coefficients, &coefficient_count);
    if (status == WEIR_OK)
        status = weir_operator_floats(step, "intercepts", &intercepts, &intercept_count);
    if (status != WEIR_OK)
        return status;
    size_t row_count = coefficient_count / map->width;
    if (row_count * map->width != coefficient_count || row_count == 0 || map->flat)
        return weir_fold_refuse(step, "%zu coefficients for %zu columns", coefficient_count, map->width);
    if (row_count > row_count_max || (intercept_count != 0 && intercept_count != row_count))
        return weir_fold_refuse(step, "%zu classes or targets and %zu intercepts: weir scores fraud or not", row_count,
                                intercept_count);
    status = weir_operator_new_map(step, row_count, out);
    for (size_t k = 0; status == WEIR_OK && k < row_count; k++) {
        double *row = out->rows + k * stride;
        row[stride - 1] = intercept_count ? intercepts[k] : 0;
        for (size_t i = 0; i < map->width; i++)
            for (size_t f = 0; f < stride; f++)
                row[f] += coefficients[k * map->width + i] * map->rows[i * stride + f];
    }
    return status;
}

static bool is_text(const ProtobufCBinaryData *data, const char *text)
{
    return data->len == strlen(text) && (data->len == 0 || memcmp(data->data, text, data->len) == 0);
}

static bool is_post_transform(const weir_fold_step *step, const char *name)
{
    const Onnx__AttributeProto *attribute = weir_tensor_attribute(step->node, "post_transform");
    return attribute ? is_text(&attribute->s, name) : strcmp(name, "NONE") == 0;
}

static const char *copy_label(weir_pool *pool, const ProtobufCBinaryData *data)
{
    char *text = weir_pool_take(pool, data->len + 1, 1);
    if (text && data->len)
        memcpy(text, data->data, data->len);
    return text;
}

/* The labels of two classes from an attribute of numbers or one of texts; NULL when it has neither. */
static weir_status read_classes(weir_fold_step *step, const char *numbers_name, const char *texts_name,
                                const weir_fold_classes **classes_out)
{
    const Onnx__AttributeProto *numbers = weir_tensor_attribute(step->node, numbers_name);
    const Onnx__AttributeProto *texts = weir_tensor_attribute(step->node, texts_name);
    size_t number_count = numbers ? numbers->n_ints : 0, text_count = texts ? texts->n_strings : 0;
    if (number_count + text_count == 0)
        return WEIR_OK;
    if (number_count + text_count != 2 || (number_count && text_count))
        return weir_fold_refuse(step, "%zu class labels: weir scores two classes, fraud or not",
                                number_count + text_count);
    weir_fold_classes *classes = weir_pool_take(step->fold->pool, 1, sizeof *classes);
    for (size_t i = 0; classes && i < 2; i++) {
        classes->numbers[i] = number_count ? numbers->ints[i] : 0;
        classes->texts[i] = text_count ? copy_label(step->fold->pool, &texts->strings[i]) : NULL;
        if (text_count && !classes->texts[i])
            classes = NULL;
    }
    *classes_out = classes;
    return classes ? WEIR_OK : weir_draft_is_full(step->error);
}

/* One row for two classes is the second one's; the first is its complement, -z. */
static weir_status add_first_class(weir_fold_step *step, weir_fold_value *out)
{
    weir_fold_value both;
    size_t stride = weir_operator_stride(step);
    weir_status status = weir_operator_new_map(step, 2, &both);
    for (size_t f = 0; status == WEIR_OK && f < stride; f++) {
        both.rows[f] = -out->rows[f];
        both.rows[stride + f] = out->rows[f];
    }
    if (status == WEIR_OK)
        *out = both;
    return status;
}

weir_status weir_operator_linear_classifier(weir_fold_step *step, weir_fold_value *out)
{
    const weir_fold_classes *classes = NULL;
    bool is_logistic = is_post_transform(step, "LOGISTIC"), is_softmax = is_post_transform(step, "SOFTMAX");
    if (!is_logistic && !is_softmax && !is_post_transform(step, "NONE"))
        return weir_fold_refuse(step, "its post_transform is not NONE, LOGISTIC or SOFTMAX");
    weir_status status = read_classes(step, "classlabels_ints", "classlabels_strings", &classes);
    if (status == WEIR_OK)
        status = apply_coefficients(step, 2, out);
    if (status == WEIR_OK && out->width == 1 && !is_logistic)
        return weir_fold_refuse(step, "one row of coefficients, and no LOGISTIC post_transform");
    if (status == WEIR_OK && out->width == 1)
        status = add_first_class(step, out);
    if (status != WEIR_OK)
        return status;
    if (is_softmax)
        for (size_t f = 0, stride = weir_operator_stride(step); f < stride; f++) {
            double difference = out->rows[stride + f] - out->rows[f];
            out->rows[f] = -difference;
            out->rows[stride + f] = difference;
        }
    out->link = is_logistic || is_softmax ? WEIR_LINK_LOGISTIC : WEIR_LINK_IDENTITY;
    out->classes = classes;
    return WEIR_OK;
}

weir_status weir_operator_linear_regressor(weir_fold_step *step, weir_fold_value *out)
{
    bool is_logistic = is_post_transform(step, "LOGISTIC");
    if (!is_logistic && !is_post_transform(step, "NONE"))
        return weir_fold_refuse(step, "its post_transform is not NONE or LOGISTIC");
    if (weir_operator_int(step, "targets", 1) != 1)
        return weir_fold_refuse(step, "it has several targets");
    weir_status status = apply_coefficients(step, 1, out);
    out->link = is_logistic ? WEIR_LINK_LOGISTIC : WEIR_LINK_IDENTITY;
    return status;
}

/* --- plumbing ------------------------------------------------------------------------------------------------ */

/* p and 1 - p divided by their sum are themselves. */
weir_status weir_operator_normalizer(weir_fold_step *step, weir_fold_value *out)
{
    const weir_fold_value *map;
    const Onnx__AttributeProto *norm = weir_tensor_attribute(step->node, "norm");
    weir_status status = weir_operator_map(step, 0, &map);
    if (status != WEIR_OK)
        return status;
    if (!norm || !is_text(&norm->s, "L1") || !weir_operator_is_complementary(step, map))
        return weir_fold_refuse(step, "scaling a row by its own norm is not linear in the features");
    *out = *map;
    return WEIR_OK;
}

weir_status weir_operator_zip_map(weir_fold_step *step, weir_fold_value *out)
{
    const weir_fold_value *map;
    const weir_fold_classes *classes = NULL;
    weir_status status = weir_operator_map(step, 0, &map);
    if (status == WEIR_OK)
        status = read_classes(step, "classlabels_int64s", "classlabels_strings", &classes);
    if (status != WEIR_OK)
        return status;
    *out = *map;
    if (classes)
        out->classes = classes;
    return WEIR_OK;
}
