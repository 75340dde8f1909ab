/* Numbers out of ONNX: tensors, in any of their encodings, and attributes of nodes. */
#ifndef WEIR_RELEASE_TENSOR_H
#define WEIR_RELEASE_TENSOR_H

#include "pool.h"

#include "weir/base/status.h"

#include <onnx/onnx.pb-c.h>

enum { WEIR_TENSOR_RANK_MAX = 4, WEIR_TENSOR_COUNT_MAX = 8 << 20 };

typedef struct weir_tensor {
    size_t rank;
    size_t dims[WEIR_TENSOR_RANK_MAX];
    size_t count; /* product of dims; 1 for a scalar */
    const double *numbers;
    bool single_precision; /* was stored as float */
} weir_tensor;

/* Reads a float, double, int32 or int64 tensor. All numbers are finite.
 * Fails: WEIR_UNSUPPORTED for other types and data outside the file, WEIR_INVALID where lengths disagree. */
WEIR_MUST_USE weir_status weir_tensor_read(const Onnx__TensorProto *proto, weir_pool *pool, weir_tensor *tensor_out,
                                           weir_error *error);

/* A node's attribute by name, or NULL. */
const Onnx__AttributeProto *weir_tensor_attribute(const Onnx__NodeProto *node, const char *name);

#endif
