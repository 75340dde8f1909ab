/* Any bytes as a frame, as a delimited file, and as an alert or score whose source is read back. */
#include "support/transaction_oracle.h"
#include "weir/base/check.h"
#include "weir/codec/delimited.h"
#include "weir/codec/output.h"
#include "weir/v1/alert.pb-c.h"
#include "weir/v1/score.pb-c.h"

static bool is_inside(weir_span inner, weir_span outer)
{
    return inner.data >= outer.data && inner.data + inner.size <= outer.data + outer.size;
}

static void strip(weir_span payload)
{
    for (int framing = 0; framing < WEIR_FRAMING_COUNT; framing++) {
        weir_span message;
        int64_t schema_id;
        if (!weir_frame_strip((weir_framing)framing, payload, &message, &schema_id))
            continue;
        weir_check(is_inside(message, payload));
        weir_check(schema_id >= -1 && schema_id <= UINT32_MAX);
        if (schema_id < 0) {
            weir_check(message.size == payload.size);
            continue;
        }
        uint8_t head[WEIR_FRAME_SIZE];
        weir_writer writer = weir_writer_of(head, sizeof head);
        weir_frame_write(&writer, (uint32_t)schema_id);
        weir_check(!writer.failed && writer.used == WEIR_FRAME_SIZE && memcmp(head, payload.data, 5) == 0);
    }
}

static void walk(weir_span file)
{
    weir_reader reader = weir_reader_of(file);
    weir_span message;
    const uint8_t *before = reader.at;
    weir_delimited got;
    while ((got = weir_delimited_next(&reader, &message)) == WEIR_DELIMITED_MESSAGE) {
        weir_check(is_inside(message, file) && reader.at > before && reader.at == message.data + message.size);
        before = reader.at;
    }
    weir_check(reader.at == before && (got == WEIR_DELIMITED_END) == (reader.at == reader.end));
}

/* Where protobuf-c sees one source, so does weir; field 0 is refused by weir alone. */
static void compare_sources(weir_span message)
{
    int32_t partition = -1;
    int64_t offset = -1;
    uint8_t *memory = malloc(message.size + 1);
    ProtobufCMessage *raw = protobuf_c_message_unpack(oracle_no_fields(), NULL, message.size, message.data);
    Weir__V1__Alert *alert = weir__v1__alert__unpack(NULL, message.size, message.data);
    Weir__V1__Score *score = weir__v1__score__unpack(NULL, message.size, message.data);
    size_t size, count = 0;
    bool sound = raw && !oracle_has_field_zero(raw) && oracle_join(raw, 16, memory, &size, &count);
    bool found = weir_alert_source(message, &partition, &offset);
    weir_check(!found || (partition >= 0 && offset >= 0));
    if (sound && count == 1 && alert && alert->source->topic[0] && alert->source->partition >= 0 &&
        alert->source->offset >= 0)
        weir_check(found && partition == alert->source->partition && offset == alert->source->offset);
    found = weir_score_source(message, &partition, &offset);
    weir_check(!found || (partition >= 0 && offset >= 0));
    if (sound && score && score->source_topic[0] && score->source_partition >= 0 && score->source_offset >= 0)
        weir_check(found && partition == score->source_partition && offset == score->source_offset);
    weir__v1__score__free_unpacked(score, NULL);
    weir__v1__alert__free_unpacked(alert, NULL);
    if (raw)
        protobuf_c_message_free_unpacked(raw, NULL);
    free(memory);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    weir_span input = weir_span_of(data, size);
    strip(input);
    walk(input);
    compare_sources(input);
    return 0;
}
