/* Taking a protobuf message apart without trusting it.
 *
 * protobuf-c recurses once per nested message and asks the heap for whatever the bytes describe: a few
 * kilobytes can overflow the stack, and two bytes become a hundred. So the nesting is walked first, in
 * constant stack, and unpacking runs on a memory budget. */
#ifndef WEIR_RELEASE_WIRE_H
#define WEIR_RELEASE_WIRE_H

#include "weir/base/span.h"

#include <protobuf-c/protobuf-c.h>

typedef struct weir_wire_budget {
    ProtobufCAllocator allocator; /* pass it to protobuf-c, for unpacking and for freeing */
    size_t left_size;
} weir_wire_budget;

/* Whether the bytes are well-formed wire format with messages nested at most 16 deep (ONNX models without
 * subgraphs need 8). */
bool weir_wire_is_shallow(const ProtobufCMessageDescriptor *descriptor, weir_span bytes);

/* Begins a budget of `size` bytes. It must not move while it is in use. */
void weir_wire_budget_init(weir_wire_budget *budget, size_t size);

#endif
