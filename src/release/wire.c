#include "wire.h"

#include "weir/base/cursor.h"

#include <stdlib.h>

enum { DEPTH_MAX = 16, WIRE_VARINT = 0, WIRE_FIXED64 = 1, WIRE_BYTES = 2, WIRE_FIXED32 = 5 };

static bool is_message(const ProtobufCMessageDescriptor *descriptor, uint64_t tag,
                       const ProtobufCMessageDescriptor **inner_out)
{
    if (tag >> 3 > UINT32_MAX)
        return false;
    const ProtobufCFieldDescriptor *field =
        protobuf_c_message_descriptor_get_field(descriptor, (unsigned)(tag >> 3));
    if (!field || field->type != PROTOBUF_C_TYPE_MESSAGE)
        return false;
    *inner_out = field->descriptor;
    return true;
}

/* Skips one field's value; a nested message's bytes come out in `inner_out`. */
static bool skip(weir_reader *reader, uint64_t tag, weir_span *inner_out)
{
    *inner_out = (weir_span){0};
    switch (tag & 7) {
    case WIRE_VARINT:
        weir_read_varint(reader);
        return !reader->failed;
    case WIRE_FIXED64:
        weir_read_bytes(reader, 8);
        return !reader->failed;
    case WIRE_FIXED32:
        weir_read_bytes(reader, 4);
        return !reader->failed;
    case WIRE_BYTES:
        *inner_out = weir_read_bytes(reader, weir_read_varint(reader));
        return !reader->failed;
    default: /* groups, which ONNX never had */
        return false;
    }
}

bool weir_wire_is_shallow(const ProtobufCMessageDescriptor *descriptor, weir_span bytes)
{
    struct {
        const ProtobufCMessageDescriptor *descriptor;
        weir_reader reader;
    } stack[DEPTH_MAX] = {{descriptor, weir_reader_of(bytes)}};
    size_t depth = 1;
    while (depth > 0) {
        weir_reader *reader = &stack[depth - 1].reader;
        if (weir_reader_left(reader) == 0) {
            depth--;
            continue;
        }
        uint64_t tag = weir_read_varint(reader);
        weir_span inner;
        if (!skip(reader, tag, &inner))
            return false;
        const ProtobufCMessageDescriptor *inner_descriptor;
        if ((tag & 7) != WIRE_BYTES || !is_message(stack[depth - 1].descriptor, tag, &inner_descriptor))
            continue;
        if (depth == DEPTH_MAX)
            return false;
        stack[depth].descriptor = inner_descriptor;
        stack[depth].reader = weir_reader_of(inner);
        depth++;
    }
    return true;
}

static void *take(void *context, size_t size)
{
    weir_wire_budget *budget = context;
    if (size > budget->left_size)
        return NULL;
    budget->left_size -= size;
    return malloc(size);
}

static void give(void *context, void *memory)
{
    (void)context; /* a budget is for one message: what is freed is not lent again */
    free(memory);
}

void weir_wire_budget_init(weir_wire_budget *budget, size_t size)
{
    *budget = (weir_wire_budget){{take, give, budget}, size};
}
