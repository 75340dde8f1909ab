#include "weir/codec/frame.h"

#include <criterion/criterion.h>

#define BYTES(...) weir_span_of((const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

static weir_span message;
static int64_t schema_id;

static bool strip(weir_framing framing, weir_span payload)
{
    return weir_frame_strip(framing, payload, &message, &schema_id);
}

Test(frame, auto_tells_frames_from_messages_by_the_first_byte)
{
    weir_span framed = BYTES(0, 1, 2, 3, 4, 0, 0x0a, 0x00), raw = BYTES(0x0a, 0x00);
    cr_assert(strip(WEIR_FRAMING_AUTO, framed));
    cr_expect_eq(schema_id, 0x01020304);
    cr_expect(weir_span_equal(message, raw));
    cr_assert(strip(WEIR_FRAMING_AUTO, raw));
    cr_expect_eq(schema_id, -1);
    cr_expect_eq(message.size, 2);
}

Test(frame, the_first_message_may_be_named_in_full)
{
    cr_assert(strip(WEIR_FRAMING_CONFLUENT, BYTES(0, 0xff, 0xff, 0xff, 0xff, 2, 0, 0x0a, 0x00)));
    cr_expect_eq(schema_id, UINT32_MAX);
    cr_expect_eq(message.size, 2);
}

Test(frame, other_messages_are_refused)
{
    cr_expect_not(strip(WEIR_FRAMING_AUTO, BYTES(0, 0, 0, 0, 1, 2, 2, 0x0a)));
    cr_expect_not(strip(WEIR_FRAMING_AUTO, BYTES(0, 0, 0, 0, 1, 4, 0, 0, 0x0a)));
    cr_expect_not(strip(WEIR_FRAMING_AUTO, BYTES(0, 0, 0, 0, 1, 1, 0x0a)));
    cr_expect_not(strip(WEIR_FRAMING_AUTO,
                        BYTES(0, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1)));
}

Test(frame, a_frame_cut_short_anywhere_is_refused)
{
    weir_span whole = BYTES(0, 0, 0, 0, 7, 2, 0);
    for (size_t size = 1; size < whole.size; size++)
        cr_expect_not(strip(WEIR_FRAMING_AUTO, weir_span_of(whole.data, size)));
    cr_expect(strip(WEIR_FRAMING_AUTO, whole));
    cr_expect_eq(message.size, 0);
}

Test(frame, confluent_wants_a_frame_and_raw_does_not_look)
{
    cr_expect_not(strip(WEIR_FRAMING_CONFLUENT, BYTES(0x0a, 0x00)));
    cr_expect_not(strip(WEIR_FRAMING_CONFLUENT, (weir_span){0}));
    cr_expect(strip(WEIR_FRAMING_RAW, BYTES(0, 0, 0, 0, 7, 0)));
    cr_expect_eq(message.size, 6);
    cr_expect_eq(schema_id, -1);
}

Test(frame, what_is_written_is_read)
{
    uint8_t bytes[WEIR_FRAME_SIZE];
    weir_writer writer = weir_writer_of(bytes, sizeof bytes);
    weir_frame_write(&writer, 0xdeadbeef);
    cr_assert(!writer.failed && writer.used == WEIR_FRAME_SIZE);
    cr_assert(strip(WEIR_FRAMING_CONFLUENT, weir_span_of(bytes, sizeof bytes)));
    cr_expect_eq(schema_id, 0xdeadbeef);
    weir_frame_write(&writer, 1);
    cr_expect(writer.failed);
}

Test(frame, framings_have_names)
{
    weir_framing framing;
    cr_assert(weir_framing_parse("auto", &framing) && framing == WEIR_FRAMING_AUTO);
    cr_assert(weir_framing_parse("confluent", &framing) && framing == WEIR_FRAMING_CONFLUENT);
    cr_assert(weir_framing_parse("raw", &framing) && framing == WEIR_FRAMING_RAW);
    cr_expect_not(weir_framing_parse("Auto", &framing));
    cr_expect_not(weir_framing_parse("", &framing));
    cr_expect_eq(framing, WEIR_FRAMING_RAW);
}
