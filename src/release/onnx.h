/* The reader of ONNX files: the graph is folded (fold.h), the rest comes from metadata_props. */
#ifndef WEIR_RELEASE_ONNX_H
#define WEIR_RELEASE_ONNX_H

#include "draft.h"

/* Fills an empty draft from the bytes of an ONNX file. */
WEIR_MUST_USE weir_status weir_onnx_read(weir_draft *draft, weir_span bytes, weir_error *error);

#endif
