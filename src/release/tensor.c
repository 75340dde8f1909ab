#include "tensor.h"

#include "weir/core/model.h"

#include <string.h>

#define NAME_OF(proto) ((proto)->name ? (proto)->name : "")

static double read_float(const uint8_t *at)
{
    float number;
    memcpy(&number, at, sizeof number);
    return (double)number;
}

static double read_double(const uint8_t *at)
{
    double number;
    memcpy(&number, at, sizeof number);
    return number;
}

static double read_int32(const uint8_t *at)
{
    int32_t number;
    memcpy(&number, at, sizeof number);
    return (double)number;
}

static double read_int64(const uint8_t *at)
{
    int64_t number;
    memcpy(&number, at, sizeof number);
    return (double)number;
}

/* An element type: its size, how to read one, and where the typed (not raw) encoding keeps them. raw_data is
 * little-endian, as is every machine weir builds for. Source: onnx.proto, TensorProto. */
typedef struct tensor_encoding {
    Onnx__TensorProto__DataType type;
    size_t size;
    double (*read)(const uint8_t *at);
    size_t count_offset, data_offset; /* in Onnx__TensorProto */
} tensor_encoding;

#define TYPED(member) offsetof(Onnx__TensorProto, n_##member), offsetof(Onnx__TensorProto, member)

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "raw tensors are little-endian");

static const tensor_encoding ENCODINGS[] = {
    {ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT, 4, read_float, TYPED(float_data)},
    {ONNX__TENSOR_PROTO__DATA_TYPE__DOUBLE, 8, read_double, TYPED(double_data)},
    {ONNX__TENSOR_PROTO__DATA_TYPE__INT32, 4, read_int32, TYPED(int32_data)},
    {ONNX__TENSOR_PROTO__DATA_TYPE__INT64, 8, read_int64, TYPED(int64_data)},
};

static const tensor_encoding *encoding_of(int32_t type)
{
    for (size_t i = 0; i < sizeof ENCODINGS / sizeof *ENCODINGS; i++)
        if ((int32_t)ENCODINGS[i].type == type)
            return &ENCODINGS[i];
    return NULL;
}

static weir_status read_shape(const Onnx__TensorProto *proto, weir_tensor *tensor, weir_error *error)
{
    tensor->count = 1;
    tensor->rank = proto->n_dims;
    if (tensor->rank > WEIR_TENSOR_RANK_MAX)
        return weir_error_set(error, WEIR_UNSUPPORTED, "tensor \"%.64s\" has %zu dimensions, more than %d",
                              NAME_OF(proto), tensor->rank, WEIR_TENSOR_RANK_MAX);
    for (size_t i = 0; i < tensor->rank; i++) {
        if (proto->dims[i] < 1 || (size_t)proto->dims[i] > WEIR_TENSOR_COUNT_MAX / tensor->count)
            return weir_error_set(error, WEIR_INVALID, "tensor \"%.64s\": dimension %zu is %lld", NAME_OF(proto), i,
                                  (long long)proto->dims[i]);
        tensor->dims[i] = (size_t)proto->dims[i];
        tensor->count *= tensor->dims[i];
    }
    return WEIR_OK;
}

/* The bytes of `count` elements, from raw_data or from the typed field. */
static weir_status find_bytes(const Onnx__TensorProto *proto, const tensor_encoding *encoding, size_t count,
                              const uint8_t **bytes_out, weir_error *error)
{
    size_t typed_count;
    const uint8_t *typed;
    memcpy(&typed_count, (const uint8_t *)proto + encoding->count_offset, sizeof typed_count);
    memcpy(&typed, (const uint8_t *)proto + encoding->data_offset, sizeof typed);
    size_t size = proto->has_raw_data ? proto->raw_data.len : typed_count * encoding->size;
    if (size != count * encoding->size)
        return weir_error_set(error, WEIR_INVALID, "tensor \"%.64s\" has %zu bytes of data, its shape wants %zu",
                              NAME_OF(proto), size, count * encoding->size);
    *bytes_out = proto->has_raw_data ? proto->raw_data.data : typed;
    return WEIR_OK;
}

weir_status weir_tensor_read(const Onnx__TensorProto *proto, weir_pool *pool, weir_tensor *tensor_out,
                             weir_error *error)
{
    const tensor_encoding *encoding = encoding_of(proto->data_type);
    if (!encoding || proto->data_location == ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL)
        return weir_error_set(error, WEIR_UNSUPPORTED, "tensor \"%.64s\": %s", NAME_OF(proto),
                              encoding ? "its data are in another file"
                                       : "its type is not float, double, int32 or int64");
    weir_tensor tensor = {.single_precision = encoding->type == ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT};
    const uint8_t *bytes = NULL;
    weir_status status = read_shape(proto, &tensor, error);
    if (status == WEIR_OK)
        status = find_bytes(proto, encoding, tensor.count, &bytes, error);
    if (status != WEIR_OK)
        return status;
    double *numbers = weir_pool_take(pool, tensor.count, sizeof *numbers);
    if (!numbers)
        return weir_error_set(error, WEIR_FULL, "tensor \"%.64s\": out of memory", NAME_OF(proto));
    for (size_t i = 0; i < tensor.count; i++) {
        numbers[i] = encoding->read(bytes + i * encoding->size);
        if (weir_model_is_missing(numbers[i]))
            return weir_error_set(error, WEIR_INVALID, "tensor \"%.64s\": element %zu, %g, is not within +-%g",
                                  NAME_OF(proto), i, numbers[i], WEIR_MODEL_MAGNITUDE_MAX);
    }
    tensor.numbers = numbers;
    *tensor_out = tensor;
    return WEIR_OK;
}

const Onnx__AttributeProto *weir_tensor_attribute(const Onnx__NodeProto *node, const char *name)
{
    for (size_t i = 0; i < node->n_attribute; i++)
        if (node->attribute[i]->name && strcmp(node->attribute[i]->name, name) == 0)
            return node->attribute[i];
    return NULL;
}
