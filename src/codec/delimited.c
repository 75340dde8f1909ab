#include "weir/codec/delimited.h"

weir_delimited weir_delimited_next(weir_reader *reader, weir_span *message_out)
{
    if (reader->at == reader->end)
        return WEIR_DELIMITED_END;
    uint64_t size = 0;
    const uint8_t *at = reader->at;
    for (unsigned shift = 0;; shift += 7) {
        if (at == reader->end)
            return WEIR_DELIMITED_PARTIAL;
        size |= (uint64_t)(*at & 0x7f) << shift;
        if (size > WEIR_DELIMITED_SIZE_MAX || shift > 21)
            return WEIR_DELIMITED_CORRUPT;
        if (*at++ < 0x80)
            break;
    }
    if (size > (size_t)(reader->end - at))
        return WEIR_DELIMITED_PARTIAL;
    *message_out = weir_span_of(at, size);
    reader->at = at + size;
    return WEIR_DELIMITED_MESSAGE;
}

void weir_delimited_write(weir_writer *writer, weir_span message)
{
    weir_write_varint(writer, message.size);
    weir_write_bytes(writer, message.data, message.size);
}
