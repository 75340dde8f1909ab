#include "weir/codec/frame.h"

#include "weir/base/check.h"

enum { MAGIC = 0, SCHEMA_ID_SIZE = 4 };

static const char *const NAMES[WEIR_FRAMING_COUNT] = {
    [WEIR_FRAMING_AUTO] = "auto",
    [WEIR_FRAMING_CONFLUENT] = "confluent",
    [WEIR_FRAMING_RAW] = "raw",
};

bool weir_framing_parse(const char *name, weir_framing *framing_out)
{
    for (int i = 0; i < WEIR_FRAMING_COUNT; i++) {
        if (strcmp(name, NAMES[i]) == 0) {
            *framing_out = (weir_framing)i;
            return true;
        }
    }
    return false;
}

/* The message indexes, zigzag varints, count first: only the path to the schema's first message is
 * ours. It is written `00` (a count of 0 stands for it) or in full as `02 00`. */
static bool read_first_message(weir_reader *reader)
{
    uint64_t count = weir_read_varint(reader);
    if (count == 0)
        return !reader->failed;
    return weir_zigzag_decode(count) == 1 && weir_read_varint(reader) == 0 && !reader->failed;
}

bool weir_frame_strip(weir_framing framing, weir_span payload, weir_span *message_out, int64_t *schema_id_out)
{
    weir_check(framing >= 0 && framing < WEIR_FRAMING_COUNT);
    bool framed = payload.size > 0 && payload.data[0] == MAGIC;
    if (framing == WEIR_FRAMING_RAW || (framing == WEIR_FRAMING_AUTO && !framed)) {
        *message_out = payload;
        *schema_id_out = -1;
        return true;
    }
    if (!framed)
        return false;
    weir_reader reader = weir_reader_of(payload);
    (void)weir_read_bytes(&reader, 1);
    weir_span id = weir_read_bytes(&reader, SCHEMA_ID_SIZE);
    if (reader.failed || !read_first_message(&reader))
        return false;
    *schema_id_out = (int64_t)id.data[0] << 24 | (int64_t)id.data[1] << 16 | (int64_t)id.data[2] << 8 | id.data[3];
    *message_out = weir_span_of(reader.at, weir_reader_left(&reader));
    return true;
}

void weir_frame_write(weir_writer *writer, uint32_t schema_id)
{
    const uint8_t head[WEIR_FRAME_SIZE] = {
        MAGIC, (uint8_t)(schema_id >> 24), (uint8_t)(schema_id >> 16), (uint8_t)(schema_id >> 8), (uint8_t)schema_id, 0,
    };
    weir_write_bytes(writer, head, sizeof head);
}
