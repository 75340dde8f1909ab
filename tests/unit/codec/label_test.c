#include "weir/codec/label.h"

#include "support/label_oracle.h"
#include "weir/base/rng.h"
#include "weir/base/units.h"

#include <criterion/criterion.h>

#define NOW_US INT64_C(1700000000000000)
#define YEAR_1990_US (INT64_C(631152000) * WEIR_US_PER_SECOND)

static const weir_decode_limits DEFAULTS = {0};

static weir_label valid_label(void)
{
    return (weir_label){
        .transaction_id = weir_span_text("tx-1"),
        .card_token = weir_span_text("tok_9f86d081884c7d65"),
        .label_time_us = NOW_US,
        .event_time_us = NOW_US - 3 * WEIR_US_PER_DAY,
        .verdict = WEIR_LABEL_FRAUD,
        .source = weir_span_text("chargeback 10.4"),
    };
}

static weir_reject decode_with(const weir_label *label, const weir_decode_limits *limits, weir_label *label_out)
{
    static uint8_t memory[8192];
    weir_writer writer = weir_writer_of(memory, sizeof memory);
    weir_label_encode(label, &writer);
    cr_assert_not(writer.failed);
    return weir_label_decode(weir_span_of(memory, writer.used), limits, NOW_US, label_out);
}

/* Says how the label is refused, and which field is blamed. */
static void expect(const weir_label *label, weir_reject reject, const char *field)
{
    weir_label decoded;
    weir_reject found = decode_with(label, &DEFAULTS, &decoded);
    cr_expect_eq(found, reject, "wanted %s, found %s", weir_reject_code(reject), weir_reject_code(found));
    if (field)
        cr_expect_str_eq(decoded.reject_field, field);
    else
        cr_expect_null(decoded.reject_field);
    if (reject != WEIR_ACCEPTED)
        cr_expect(decoded.card_hash == 0 && decoded.transaction == 0, "a refused label is never half filled");
}

Test(label, a_full_label_arrives_whole)
{
    weir_label sent = valid_label(), label;
    cr_assert_eq(decode_with(&sent, &DEFAULTS, &label), WEIR_ACCEPTED);
    cr_expect(weir_span_is(label.transaction_id, "tx-1"));
    cr_expect(weir_span_is(label.card_token, "tok_9f86d081884c7d65"));
    cr_expect(weir_span_is(label.source, "chargeback 10.4"));
    cr_expect_eq(label.transaction, weir_hash48(sent.transaction_id));
    cr_expect_eq(label.card_hash, weir_hash(sent.card_token));
    cr_expect_eq(label.label_time_us, NOW_US);
    cr_expect_eq(label.event_time_us, sent.event_time_us);
    cr_expect_eq(label.verdict, WEIR_LABEL_FRAUD);
}

Test(label, event_time_and_source_may_be_absent)
{
    weir_label sent = valid_label(), label;
    sent.event_time_us = INT64_MIN;
    sent.source = (weir_span){0};
    sent.verdict = WEIR_LABEL_CLEARED;
    cr_assert_eq(decode_with(&sent, &DEFAULTS, &label), WEIR_ACCEPTED);
    cr_expect_eq(label.event_time_us, INT64_MIN);
    cr_expect_eq(label.source.size, 0);
    cr_expect_eq(label.verdict, WEIR_LABEL_CLEARED);
}

Test(label, required_fields_are_named_when_missing)
{
    weir_label label = valid_label();
    label.transaction_id = (weir_span){0};
    expect(&label, WEIR_REJECT_MISSING_FIELD, "transaction_id");
    label = valid_label();
    label.card_token = (weir_span){0};
    expect(&label, WEIR_REJECT_MISSING_FIELD, "card_token");
    label = valid_label();
    label.label_time_us = 0;
    expect(&label, WEIR_REJECT_MISSING_FIELD, "label_time_us");
    label = valid_label();
    label.verdict = WEIR_LABEL_UNSPECIFIED;
    expect(&label, WEIR_REJECT_MISSING_FIELD, "verdict");
}

Test(label, times_make_sense_or_are_named)
{
    static const struct {
        int64_t label_time_us, event_time_us;
        weir_reject reject;
        const char *blamed;
    } CASES[] = {
        {NOW_US, NOW_US, WEIR_ACCEPTED, NULL},
        {NOW_US, NOW_US + 1, WEIR_REJECT_ABSURD_FIELD, "label_time_us"}, /* known before it happened */
        {YEAR_1990_US, INT64_MIN, WEIR_ACCEPTED, NULL},
        {YEAR_1990_US - 1, INT64_MIN, WEIR_REJECT_ABSURD_FIELD, "label_time_us"},
        {-1, INT64_MIN, WEIR_REJECT_ABSURD_FIELD, "label_time_us"},
        {INT64_MAX, INT64_MIN, WEIR_REJECT_ABSURD_FIELD, "label_time_us"},
        {INT64_MIN, INT64_MIN, WEIR_REJECT_ABSURD_FIELD, "label_time_us"},
        {NOW_US / 1000, INT64_MIN, WEIR_REJECT_ABSURD_FIELD, "label_time_us"}, /* milliseconds by mistake */
        {NOW_US, NOW_US / 1000, WEIR_REJECT_ABSURD_FIELD, "event_time_us"},
        {NOW_US, INT64_MAX, WEIR_REJECT_ABSURD_FIELD, "event_time_us"},
        {NOW_US, -1, WEIR_REJECT_ABSURD_FIELD, "event_time_us"},
        {NOW_US + WEIR_US_PER_HOUR, INT64_MIN, WEIR_ACCEPTED, NULL},
        {NOW_US + WEIR_US_PER_HOUR + 1, INT64_MIN, WEIR_REJECT_FAR_FUTURE, "label_time_us"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        weir_label label = valid_label();
        label.label_time_us = CASES[i].label_time_us;
        label.event_time_us = CASES[i].event_time_us;
        expect(&label, CASES[i].reject, CASES[i].blamed);
    }
}

Test(label, limits_are_the_callers)
{
    weir_label label = valid_label(), decoded;
    weir_decode_limits any = {.future_us_max = INT64_MAX}, narrow = {.event_time_us_min = NOW_US};
    weir_decode_limits small = {.payload_size_max = 10};
    cr_expect_eq(decode_with(&label, &narrow, &decoded), WEIR_REJECT_ABSURD_FIELD);
    cr_expect_eq(decode_with(&label, &small, &decoded), WEIR_REJECT_OVERSIZED);
    label.label_time_us = NOW_US + 1000 * WEIR_US_PER_DAY;
    cr_expect_eq(decode_with(&label, &any, &decoded), WEIR_ACCEPTED);
    cr_expect_eq(decode_with(&label, &DEFAULTS, &decoded), WEIR_REJECT_FAR_FUTURE);
}

Test(label, a_verdict_of_a_later_contract_is_absurd)
{
    weir_label label = valid_label();
    label.verdict = WEIR_LABEL_VERDICT_COUNT;
    expect(&label, WEIR_REJECT_ABSURD_FIELD, "verdict");
    label.verdict = (weir_label_verdict)-1;
    expect(&label, WEIR_REJECT_ABSURD_FIELD, "verdict");
}

Test(label, identifiers_are_at_most_128_bytes_and_the_source_is_as_long_as_it_fits)
{
    char text[3000];
    memset(text, 'x', sizeof text);
    weir_label label = valid_label();
    label.transaction_id = label.card_token = weir_span_of(text, 128);
    label.source = weir_span_of(text, sizeof text);
    expect(&label, WEIR_ACCEPTED, NULL);
    label.card_token = weir_span_of(text, 129);
    expect(&label, WEIR_REJECT_ABSURD_FIELD, "card_token");
    label.transaction_id = weir_span_of(text, 129);
    expect(&label, WEIR_REJECT_ABSURD_FIELD, "transaction_id");
}

Test(label, text_must_be_text)
{
    weir_label label = valid_label();
    label.source = weir_span_of("a\0b", 3);
    expect(&label, WEIR_REJECT_INVALID_UTF8, "source");
    label.source = weir_span_text("\xff");
    expect(&label, WEIR_REJECT_INVALID_UTF8, "source");
    label.source = weir_span_text("r\xc3\xbc" "ckruf");
    expect(&label, WEIR_ACCEPTED, NULL);
}

Test(label, a_card_number_is_refused_before_anything_else)
{
    weir_label label = {.card_token = weir_span_text("4111 1111 1111 1111"), .source = weir_span_text("\xff")};
    expect(&label, WEIR_REJECT_CARD_NUMBER, "card_token");
}

Test(label, payloads_and_frames_are_taken_as_a_transactions_are)
{
    uint8_t memory[256];
    weir_label sent = valid_label(), label;
    weir_writer writer = weir_writer_of(memory, sizeof memory);
    weir_frame_write(&writer, 7);
    weir_label_encode(&sent, &writer);
    weir_span framed = weir_span_of(memory, writer.used);
    weir_decode_limits raw = {.framing = WEIR_FRAMING_RAW}, confluent = {.framing = WEIR_FRAMING_CONFLUENT};
    cr_expect_eq(weir_label_decode(framed, &DEFAULTS, NOW_US, &label), WEIR_ACCEPTED);
    cr_expect_eq(weir_label_decode(framed, &confluent, NOW_US, &label), WEIR_ACCEPTED);
    cr_expect_eq(weir_label_decode(framed, &raw, NOW_US, &label), WEIR_REJECT_UNDECODABLE);
    cr_expect_eq(decode_with(&sent, &confluent, &label), WEIR_REJECT_BAD_FRAME);
    cr_expect_eq(weir_label_decode((weir_span){0}, &DEFAULTS, NOW_US, &label), WEIR_REJECT_EMPTY);
    cr_expect_eq(label.event_time_us, INT64_MIN);
}

Test(label, verdicts_have_names)
{
    cr_expect_str_eq(weir_label_verdict_name(WEIR_LABEL_UNSPECIFIED), "unspecified");
    cr_expect_str_eq(weir_label_verdict_name(WEIR_LABEL_FRAUD), "fraud");
    cr_expect_str_eq(weir_label_verdict_name(WEIR_LABEL_CLEARED), "cleared");
}

/* ---- against protobuf-c ---------------------------------------------------------------------------------- */

typedef char text_memory[3][256];

/* Mostly plain, so that a good share is accepted. */
static weir_span random_text(weir_rng *rng, char *memory)
{
    bool plain = weir_rng_below(rng, 8) > 0;
    size_t size = weir_rng_below(rng, 8) ? weir_rng_below(rng, 30) : weir_rng_below(rng, 200);
    for (size_t i = 0; i < size; i++)
        memory[i] = (char)(plain ? 'a' + weir_rng_below(rng, 26) : 1 + weir_rng_below(rng, 255));
    memory[size] = '\0';
    return weir_span_of(memory, size);
}

static int64_t random_time(weir_rng *rng)
{
    if (weir_rng_below(rng, 4))
        return NOW_US - (int64_t)weir_rng_below(rng, 1000);
    int64_t number = (int64_t)(weir_rng_next(rng) >> weir_rng_below(rng, 64));
    return weir_rng_below(rng, 3) ? number : -number;
}

static weir_label random_label(weir_rng *rng, text_memory memory)
{
    return (weir_label){
        .transaction_id = random_text(rng, memory[0]),
        .card_token = random_text(rng, memory[1]),
        .source = random_text(rng, memory[2]),
        .label_time_us = random_time(rng),
        .event_time_us = weir_rng_below(rng, 2) ? INT64_MIN : random_time(rng),
        .verdict = (weir_label_verdict)(int)(weir_rng_below(rng, 16) ? weir_rng_below(rng, 4) : weir_rng_next(rng)),
    };
}

static size_t pack_with_protobuf_c(const weir_label *label, text_memory memory, uint8_t *bytes_out)
{
    Weir__V1__Label message = WEIR__V1__LABEL__INIT;
    message.transaction_id = memory[0];
    message.card_token = memory[1];
    message.source = memory[2];
    message.label_time_us = label->label_time_us;
    message.event_time_us = label->event_time_us == INT64_MIN ? 0 : label->event_time_us;
    message.verdict = (Weir__V1__Label__Verdict)label->verdict;
    return weir__v1__label__pack(&message, bytes_out);
}

Test(label, encoding_is_byte_for_byte_protobuf_c)
{
    weir_rng rng = {.state = 21};
    int accepted = 0;
    for (int i = 0; i < 20000; i++) {
        text_memory memory;
        uint8_t ours[4096], theirs[4096];
        weir_label label = random_label(&rng, memory), decoded;
        weir_writer writer = weir_writer_of(ours, sizeof ours);
        weir_label_encode(&label, &writer);
        cr_assert_not(writer.failed);
        cr_assert_eq(writer.used, pack_with_protobuf_c(&label, memory, theirs));
        cr_assert(memcmp(ours, theirs, writer.used) == 0);
        weir_span bytes = weir_span_of(ours, writer.used);
        const char *difference = oracle_label_disagreement(bytes);
        cr_assert(difference == NULL, "message %d: %s", i, difference);
        accepted += weir_label_decode(bytes, &DEFAULTS, NOW_US, &decoded) == WEIR_ACCEPTED;
    }
    cr_expect_gt(accepted, 2000, "only %d of 20000 were labels", accepted);
}

Test(label, mutated_bytes_mean_the_same_to_protobuf_c)
{
    weir_rng rng = {.state = 22};
    for (int i = 0; i < 100000; i++) {
        text_memory memory;
        uint8_t bytes[4096];
        weir_label label = random_label(&rng, memory);
        weir_writer writer = weir_writer_of(bytes, sizeof bytes);
        weir_label_encode(&label, &writer);
        size_t size = writer.used;
        for (uint64_t n = 1 + weir_rng_below(&rng, 4); n > 0 && size > 0; n--)
            bytes[weir_rng_below(&rng, size)] ^= (uint8_t)(1u << weir_rng_below(&rng, 8));
        if (size && weir_rng_below(&rng, 4) == 0)
            size = weir_rng_below(&rng, size);
        const char *difference = oracle_label_disagreement(weir_span_of(bytes, size));
        cr_assert(difference == NULL, "message %d: %s", i, difference);
    }
}

/* Labels end to end and unknown fields between: the last of each field wins. */
Test(label, repetition_means_the_same_to_protobuf_c)
{
    weir_rng rng = {.state = 23};
    for (int i = 0; i < 20000; i++) {
        uint8_t bytes[8192];
        weir_writer writer = weir_writer_of(bytes, sizeof bytes);
        for (uint64_t n = weir_rng_below(&rng, 8); n > 0; n--) {
            text_memory memory;
            weir_label label = random_label(&rng, memory);
            weir_label_encode(&label, &writer);
            weir_write_varint(&writer, (7 + weir_rng_below(&rng, 1000)) << 3);
            weir_write_varint(&writer, weir_rng_next(&rng));
        }
        cr_assert_not(writer.failed);
        const char *difference = oracle_label_disagreement(weir_span_of(bytes, writer.used));
        cr_assert(difference == NULL, "message %d: %s", i, difference);
    }
}

Test(label, encoding_into_too_little_room_fails_and_stays_inside)
{
    weir_label label = valid_label();
    uint8_t memory[256];
    weir_writer whole = weir_writer_of(memory, sizeof memory);
    weir_label_encode(&label, &whole);
    for (size_t size = 0; size < whole.used; size++) {
        weir_writer writer = weir_writer_of(memory, size);
        weir_label_encode(&label, &writer);
        cr_expect(writer.failed && writer.used <= size);
    }
}
