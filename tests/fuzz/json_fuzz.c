/* Any bytes as JSON, as CSV and as each message: what is accepted comes back the same, and protobuf-c accepts it. */
#include "weir/base/check.h"
#include "weir/codec/json.h"
#include "weir/v1/alert.pb-c.h"
#include "weir/v1/label.pb-c.h"
#include "weir/v1/score.pb-c.h"
#include "weir/v1/transaction.pb-c.h"

#include <stdlib.h>

enum { ROOM = 1 << 20 };

static const ProtobufCMessageDescriptor *const DESCRIPTORS[WEIR_MESSAGE_COUNT] = {
    [WEIR_MESSAGE_TRANSACTION] = &weir__v1__transaction__descriptor,
    [WEIR_MESSAGE_ALERT] = &weir__v1__alert__descriptor,
    [WEIR_MESSAGE_SCORE] = &weir__v1__score__descriptor,
    [WEIR_MESSAGE_LABEL] = &weir__v1__label__descriptor,
};

static weir_span written(const weir_writer *writer)
{
    return weir_span_of(writer->base, writer->used);
}

static bool protobuf_c_accepts(weir_message_type type, weir_span message)
{
    ProtobufCMessage *unpacked = protobuf_c_message_unpack(DESCRIPTORS[type], NULL, message.size, message.data);
    if (unpacked)
        protobuf_c_message_free_unpacked(unpacked, NULL);
    return unpacked != NULL;
}

/* message -> JSON -> message -> JSON: the second time nothing changes any more. */
static void go_round(weir_message_type type, weir_span message, bool is_canonical)
{
    static uint8_t memory[3][ROOM];
    weir_writer first = weir_writer_of(memory[0], ROOM), again = weir_writer_of(memory[1], ROOM);
    weir_writer second = weir_writer_of(memory[2], ROOM);
    weir_status status = weir_json_from_message(type, message, &first, NULL);
    if (status != WEIR_OK) {
        weir_check(!is_canonical && first.used == 0);
        return;
    }
    weir_check(protobuf_c_accepts(type, message));
    weir_check(weir_json_to_message(type, written(&first), &again, NULL) == WEIR_OK);
    weir_check(!is_canonical || weir_span_equal(message, written(&again)));
    weir_check(weir_json_from_message(type, written(&again), &second, NULL) == WEIR_OK);
    weir_check(weir_span_equal(written(&first), written(&second)));
}

static void try_csv(weir_message_type type, weir_span text)
{
    static uint8_t memory[2][ROOM], header_memory[4096];
    const uint8_t *line_end = text.size ? memchr(text.data, '\n', text.size) : NULL;
    weir_csv *csv, *round;
    if (!line_end ||
        weir_csv_open(type, weir_span_of(text.data, (size_t)(line_end - text.data)), &csv, NULL) != WEIR_OK)
        return;
    weir_writer header = weir_writer_of(header_memory, sizeof header_memory);
    weir_csv_write_header(type, &header);
    weir_check(weir_csv_open(type, written(&header), &round, NULL) == WEIR_OK);
    weir_writer message = weir_writer_of(memory[0], ROOM);
    line_end++;
    weir_span line = weir_span_of(line_end, (size_t)(text.data + text.size - line_end));
    weir_status status = weir_csv_row(csv, line, &message, NULL);
    if (status == WEIR_OK) {
        weir_check(protobuf_c_accepts(type, written(&message)));
        go_round(type, written(&message), true);
        weir_writer row = weir_writer_of(memory[1], ROOM);
        weir_check(weir_csv_write_row(type, written(&message), &row, NULL) == WEIR_OK);
    } else {
        weir_check(message.used == 0);
    }
    weir_csv_close(round);
    weir_csv_close(csv);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t memory[ROOM];
    weir_span input = weir_span_of(data, size);
    for (int type = 0; type < WEIR_MESSAGE_COUNT; type++) {
        weir_writer message = weir_writer_of(memory, ROOM);
        weir_error error = {0};
        if (weir_json_to_message((weir_message_type)type, input, &message, &error) == WEIR_OK)
            go_round((weir_message_type)type, written(&message), true);
        else
            weir_check(message.used == 0 && error.message[0] != '\0');
        go_round((weir_message_type)type, input, false);
    }
    try_csv(WEIR_MESSAGE_TRANSACTION, input);
    try_csv(WEIR_MESSAGE_LABEL, input);
    weir_writer text = weir_writer_of(memory, ROOM);
    weir_json_write_text(&text, input);
    weir_check(text.failed || (text.used >= 2 && memory[0] == '"' && memory[text.used - 1] == '"'));
    return 0;
}
