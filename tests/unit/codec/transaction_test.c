#include "weir/codec/transaction.h"

#include "support/transaction_oracle.h"
#include "weir/base/rng.h"
#include "weir/base/units.h"

#include <criterion/criterion.h>
#include <math.h>

#define NOW_US INT64_C(1700000000000000)

static const weir_decode_limits DEFAULTS = {0};

static weir_transaction_fields valid_fields(void)
{
    return (weir_transaction_fields){
        .transaction_id = weir_span_text("tx-1"),
        .card_token = weir_span_text("tok_9f86d081884c7d65"),
        .event_time_us = NOW_US,
        .amount_minor = 12999,
        .currency = weir_span_text("EUR"),
        .merchant_id = weir_span_text("m-004711"),
        .terminal_id = weir_span_text("t-00471102"),
        .mcc = 5411,
        .merchant_country = weir_span_text("DE"),
        .channel = WEIR_CHANNEL_POS,
        .entry_mode = WEIR_ENTRY_CONTACTLESS,
        .has_location = true,
        .latitude = 52.52,
        .longitude = 13.405,
        .device_id = weir_span_text("d-77aa01"),
        .outcome = WEIR_OUTCOME_APPROVED,
    };
}

static weir_reject decode_with(const weir_transaction_fields *fields, const weir_decode_limits *limits,
                               weir_transaction *transaction_out)
{
    static uint8_t memory[8192];
    weir_writer writer = weir_writer_of(memory, sizeof memory);
    weir_transaction_encode(fields, &writer);
    cr_assert_not(writer.failed);
    return weir_transaction_decode(weir_span_of(memory, writer.used), limits, NOW_US, transaction_out);
}

static weir_reject decode(const weir_transaction_fields *fields, weir_transaction *transaction_out)
{
    return decode_with(fields, &DEFAULTS, transaction_out);
}

/* Says how the fields are refused, and which field is blamed. */
static void expect(const weir_transaction_fields *fields, weir_reject reject, const char *field)
{
    weir_transaction transaction;
    weir_reject found = decode(fields, &transaction);
    cr_expect_eq(found, reject, "wanted %s, found %s", weir_reject_code(reject), weir_reject_code(found));
    if (field)
        cr_expect_str_eq(transaction.reject_field, field);
    else
        cr_expect_null(transaction.reject_field);
    static const weir_event NONE = {0};
    if (reject != WEIR_ACCEPTED)
        cr_expect(memcmp(&transaction.event, &NONE, sizeof NONE) == 0, "a refused event is never half filled");
}

Test(transaction, a_full_event_arrives_whole)
{
    weir_transaction_fields fields = valid_fields();
    weir_transaction transaction;
    cr_assert_eq(decode(&fields, &transaction), WEIR_ACCEPTED);
    const weir_event *event = &transaction.event;
    cr_expect_eq(event->time_us, NOW_US);
    cr_expect_eq(event->amount_minor, 12999);
    cr_expect_eq(event->mcc, 5411);
    cr_expect_eq(event->currency, weir_code_pack((const uint8_t *)"EUR", 3));
    cr_expect_eq(event->country, weir_code_pack((const uint8_t *)"DE", 2));
    cr_expect_eq(event->channel, WEIR_CHANNEL_POS);
    cr_expect_eq(event->entry, WEIR_ENTRY_CONTACTLESS);
    cr_expect_eq(event->outcome, WEIR_OUTCOME_APPROVED);
    cr_expect_eq(event->label_delay_us, WEIR_LABEL_NONE);
    cr_expect_eq(event->transaction, weir_hash48(fields.transaction_id));
    cr_expect_eq(event->card, weir_hash48(fields.card_token));
    cr_expect_eq(transaction.card_hash, weir_hash(fields.card_token));
    cr_expect_eq(event->merchant, weir_hash48(fields.merchant_id));
    cr_expect_eq(event->terminal, weir_hash48(fields.terminal_id));
    cr_expect_eq(weir_event_device(event), weir_hash48(fields.device_id));
    cr_expect(fabs(weir_latitude_unpack(event->latitude) - 52.52) < 1e-4);
    cr_expect(fabs(weir_longitude_unpack(event->longitude) - 13.405) < 1e-4);
    cr_expect(weir_span_is(transaction.card_token, "tok_9f86d081884c7d65"));
    cr_expect(weir_span_is(transaction.device_id, "d-77aa01"));
}

Test(transaction, optional_fields_may_be_absent)
{
    weir_transaction_fields fields = {.transaction_id = weir_span_text("a"), .card_token = weir_span_text("t"),
                                      .event_time_us = NOW_US, .currency = weir_span_text("USD")};
    weir_transaction transaction;
    cr_assert_eq(decode(&fields, &transaction), WEIR_ACCEPTED);
    cr_expect_not(weir_event_has_location(&transaction.event));
    cr_expect_eq(transaction.event.longitude, 0);
    cr_expect_eq(transaction.event.merchant, 0);
    cr_expect_eq(transaction.event.terminal, 0);
    cr_expect_eq(weir_event_device(&transaction.event), 0);
    cr_expect_eq(transaction.event.country, 0);
    cr_expect_eq(transaction.event.amount_minor, 0);
}

Test(transaction, location_zero_zero_is_a_place)
{
    weir_transaction_fields fields = valid_fields();
    fields.latitude = fields.longitude = 0;
    weir_transaction transaction;
    cr_assert_eq(decode(&fields, &transaction), WEIR_ACCEPTED);
    cr_expect(weir_event_has_location(&transaction.event));
    cr_expect_eq(transaction.event.latitude, 0);
}

Test(transaction, codes_of_a_later_contract_count_as_unspecified)
{
    weir_transaction_fields fields = valid_fields();
    fields.channel = WEIR_CHANNEL_COUNT;
    fields.entry_mode = -1;
    fields.outcome = 15;
    weir_transaction transaction;
    cr_assert_eq(decode(&fields, &transaction), WEIR_ACCEPTED);
    cr_expect_eq(transaction.event.channel, WEIR_CHANNEL_UNSPECIFIED);
    cr_expect_eq(transaction.event.entry, WEIR_ENTRY_UNSPECIFIED);
    cr_expect_eq(transaction.event.outcome, WEIR_OUTCOME_UNSPECIFIED);
}

Test(transaction, payload_is_bounded)
{
    weir_transaction transaction;
    uint8_t bytes[5000] = {0};
    cr_expect_eq(weir_transaction_decode((weir_span){0}, &DEFAULTS, NOW_US, &transaction), WEIR_REJECT_EMPTY);
    cr_expect_eq(weir_transaction_decode(weir_span_of(bytes, 4097), &DEFAULTS, NOW_US, &transaction),
                 WEIR_REJECT_OVERSIZED);
    cr_expect_eq(weir_transaction_decode(weir_span_of(bytes, 4096), &DEFAULTS, NOW_US, &transaction),
                 WEIR_REJECT_UNDECODABLE);
    cr_expect_eq(weir_transaction_decode(weir_span_of(bytes, 3), &DEFAULTS, NOW_US, &transaction),
                 WEIR_REJECT_BAD_FRAME);
    weir_decode_limits limits = {.payload_size_max = 10};
    weir_transaction_fields fields = valid_fields();
    cr_expect_eq(decode_with(&fields, &limits, &transaction), WEIR_REJECT_OVERSIZED);
}

Test(transaction, required_fields_are_named_when_missing)
{
    static const struct {
        const char *name;
        size_t offset;
    } TEXTS[] = {{"transaction_id", offsetof(weir_transaction_fields, transaction_id)},
                 {"card_token", offsetof(weir_transaction_fields, card_token)},
                 {"currency", offsetof(weir_transaction_fields, currency)}};
    for (size_t i = 0; i < sizeof TEXTS / sizeof *TEXTS; i++) {
        weir_transaction_fields fields = valid_fields();
        *(weir_span *)((char *)&fields + TEXTS[i].offset) = (weir_span){0};
        expect(&fields, WEIR_REJECT_MISSING_FIELD, TEXTS[i].name);
    }
    weir_transaction_fields fields = valid_fields();
    fields.event_time_us = 0;
    expect(&fields, WEIR_REJECT_MISSING_FIELD, "event_time_us");
}

Test(transaction, numbers_have_sensible_ranges)
{
    static const struct {
        int64_t amount_minor;
        uint32_t mcc;
        double latitude, longitude;
        const char *blamed;
    } CASES[] = {
        {WEIR_AMOUNT_MINOR_MAX, 9999, 90, 180, NULL},
        {-WEIR_AMOUNT_MINOR_MAX, 0, -90, -180, NULL},
        {WEIR_AMOUNT_MINOR_MAX + 1, 0, 0, 0, "amount_minor"},
        {-WEIR_AMOUNT_MINOR_MAX - 1, 0, 0, 0, "amount_minor"},
        {INT64_MIN, 0, 0, 0, "amount_minor"},
        {1, 10000, 0, 0, "mcc"},
        {1, UINT32_MAX, 0, 0, "mcc"},
        {1, 1, 90.0000001, 0, "location.latitude"},
        {1, 1, NAN, 0, "location.latitude"},
        {1, 1, -INFINITY, 0, "location.latitude"},
        {1, 1, 0, 180.0000001, "location.longitude"},
        {1, 1, 0, NAN, "location.longitude"},
        {1, 1, 0, INFINITY, "location.longitude"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        weir_transaction_fields fields = valid_fields();
        fields.amount_minor = CASES[i].amount_minor;
        fields.mcc = CASES[i].mcc;
        fields.latitude = CASES[i].latitude;
        fields.longitude = CASES[i].longitude;
        expect(&fields, CASES[i].blamed ? WEIR_REJECT_ABSURD_FIELD : WEIR_ACCEPTED, CASES[i].blamed);
    }
}

Test(transaction, codes_are_capital_letters_of_the_right_length)
{
    static const struct {
        const char *currency, *country, *blamed;
    } CASES[] = {
        {"JPY", "", NULL},          {"eur", "DE", "currency"},          {"EU", "DE", "currency"},
        {"EURO", "DE", "currency"}, {"E1R", "DE", "currency"},          {"EUR", "de", "merchant_country"},
        {"EUR", "D", "merchant_country"}, {"EUR", "DEU", "merchant_country"}, {"EUR", "D-", "merchant_country"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        weir_transaction_fields fields = valid_fields();
        fields.currency = weir_span_text(CASES[i].currency);
        fields.merchant_country = weir_span_text(CASES[i].country);
        expect(&fields, CASES[i].blamed ? WEIR_REJECT_ABSURD_FIELD : WEIR_ACCEPTED, CASES[i].blamed);
    }
}

Test(transaction, identifiers_are_at_most_128_bytes)
{
    char text[130];
    memset(text, 'x', sizeof text);
    weir_transaction_fields fields = valid_fields();
    fields.device_id = weir_span_of(text, 128);
    fields.card_token = weir_span_of(text, 128);
    expect(&fields, WEIR_ACCEPTED, NULL);
    fields.device_id = weir_span_of(text, 129);
    expect(&fields, WEIR_REJECT_ABSURD_FIELD, "device_id");
    fields.card_token = weir_span_of(text, 129);
    expect(&fields, WEIR_REJECT_ABSURD_FIELD, "card_token");
}

Test(transaction, time_is_bounded_on_both_sides)
{
    static const int64_t YEAR_1990_US = INT64_C(631152000) * WEIR_US_PER_SECOND;
    static const struct {
        int64_t time_us;
        weir_reject reject;
    } CASES[] = {
        {YEAR_1990_US, WEIR_ACCEPTED},
        {YEAR_1990_US - 1, WEIR_REJECT_ABSURD_FIELD},
        {-1, WEIR_REJECT_ABSURD_FIELD},
        {INT64_MIN, WEIR_REJECT_ABSURD_FIELD},
        {INT64_MAX, WEIR_REJECT_ABSURD_FIELD},
        {NOW_US + WEIR_US_PER_HOUR, WEIR_ACCEPTED},
        {NOW_US + WEIR_US_PER_HOUR + 1, WEIR_REJECT_FAR_FUTURE},
        {NOW_US * 1000, WEIR_REJECT_ABSURD_FIELD}, /* nanoseconds by mistake */
        {NOW_US / 1000, WEIR_REJECT_ABSURD_FIELD}, /* milliseconds by mistake */
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        weir_transaction_fields fields = valid_fields();
        fields.event_time_us = CASES[i].time_us;
        expect(&fields, CASES[i].reject, CASES[i].reject ? "event_time_us" : NULL);
    }
}

Test(transaction, time_bounds_are_options)
{
    weir_transaction transaction;
    weir_transaction_fields fields = valid_fields();
    weir_decode_limits any = {.future_us_max = INT64_MAX};
    weir_decode_limits narrow = {.future_us_max = 5, .event_time_us_min = NOW_US};
    fields.event_time_us = NOW_US + 1000 * WEIR_US_PER_DAY;
    cr_expect_eq(decode_with(&fields, &any, &transaction), WEIR_ACCEPTED);
    fields.event_time_us = NOW_US + 6;
    cr_expect_eq(decode_with(&fields, &narrow, &transaction), WEIR_REJECT_FAR_FUTURE);
    fields.event_time_us = NOW_US + 5;
    cr_expect_eq(decode_with(&fields, &narrow, &transaction), WEIR_ACCEPTED);
    fields.event_time_us = NOW_US - 1;
    cr_expect_eq(decode_with(&fields, &narrow, &transaction), WEIR_REJECT_ABSURD_FIELD);
}

Test(transaction, text_must_be_text)
{
    static const struct {
        const char *bytes;
        size_t size;
    } BAD[] = {{"a\0b", 3}, {"\0", 1}, {"\xff", 1}, {"long enough for words \xc0\xaf", 24}, {"12345678\0", 9}};
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++) {
        weir_transaction_fields fields = valid_fields();
        fields.merchant_id = weir_span_of(BAD[i].bytes, BAD[i].size);
        expect(&fields, WEIR_REJECT_INVALID_UTF8, "merchant_id");
    }
    weir_transaction_fields fields = valid_fields();
    fields.merchant_id = weir_span_text("K\xc3\xa4se \xe9\xae\xa8 \xf0\x9f\x8d\xa3");
    expect(&fields, WEIR_ACCEPTED, NULL);
}

Test(transaction, a_card_number_is_refused_before_anything_else)
{
    weir_transaction_fields fields = {.card_token = weir_span_text("4111111111111111"),
                                      .merchant_id = weir_span_text("\xff")};
    expect(&fields, WEIR_REJECT_CARD_NUMBER, "card_token");
}

Test(transaction, frames_are_stripped)
{
    uint8_t memory[256];
    weir_writer writer = weir_writer_of(memory, sizeof memory);
    weir_frame_write(&writer, 7);
    weir_transaction_fields fields = valid_fields();
    weir_transaction_encode(&fields, &writer);
    weir_span framed = weir_span_of(memory, writer.used);
    weir_transaction transaction;
    weir_decode_limits raw = {.framing = WEIR_FRAMING_RAW};
    weir_decode_limits confluent = {.framing = WEIR_FRAMING_CONFLUENT};
    cr_expect_eq(weir_transaction_decode(framed, &DEFAULTS, NOW_US, &transaction), WEIR_ACCEPTED);
    cr_expect_eq(weir_transaction_decode(framed, &confluent, NOW_US, &transaction), WEIR_ACCEPTED);
    cr_expect_eq(weir_transaction_decode(framed, &raw, NOW_US, &transaction), WEIR_REJECT_UNDECODABLE);
    cr_expect_eq(decode_with(&fields, &confluent, &transaction), WEIR_REJECT_BAD_FRAME);
}

Test(transaction, every_reject_has_a_code_and_a_sentence)
{
    for (int i = 0; i < WEIR_REJECT_COUNT; i++) {
        cr_expect(strlen(weir_reject_code((weir_reject)i)) > 0);
        cr_expect(strchr(weir_reject_text((weir_reject)i), '.') != NULL);
        for (int j = 0; j < i; j++)
            cr_expect_str_neq(weir_reject_code((weir_reject)i), weir_reject_code((weir_reject)j));
    }
}

/* ---- against protobuf-c ---------------------------------------------------------------------------------- */

static weir_span random_text(weir_rng *rng, char *memory)
{
    size_t size = weir_rng_below(rng, 4) ? weir_rng_below(rng, 30) : weir_rng_below(rng, 200);
    for (size_t i = 0; i < size; i++)
        memory[i] = (char)(1 + weir_rng_below(rng, 255));
    return weir_span_of(memory, size);
}

static int64_t random_number(weir_rng *rng)
{
    int64_t number = (int64_t)(weir_rng_next(rng) >> weir_rng_below(rng, 64));
    return weir_rng_below(rng, 3) ? number : -number;
}

static weir_transaction_fields random_fields(weir_rng *rng, char memory[7][256])
{
    return (weir_transaction_fields){
        .transaction_id = random_text(rng, memory[0]),
        .card_token = random_text(rng, memory[1]),
        .currency = weir_rng_below(rng, 3) ? weir_span_text("EUR") : random_text(rng, memory[2]),
        .merchant_id = random_text(rng, memory[3]),
        .terminal_id = random_text(rng, memory[4]),
        .merchant_country = weir_rng_below(rng, 3) ? weir_span_text("DE") : random_text(rng, memory[5]),
        .device_id = random_text(rng, memory[6]),
        .event_time_us = weir_rng_below(rng, 3) ? NOW_US : random_number(rng),
        .amount_minor = random_number(rng),
        .mcc = (uint32_t)random_number(rng),
        .channel = (int)random_number(rng),
        .entry_mode = (int)weir_rng_below(rng, 8),
        .outcome = (int)weir_rng_below(rng, 4),
        .has_location = weir_rng_below(rng, 2),
        .latitude = weir_rng_unit(rng) * 180 - 90,
        .longitude = weir_rng_below(rng, 4) ? weir_rng_unit(rng) * 360 - 180 : 0,
    };
}

static char *copy_text(weir_span text, char *memory)
{
    memcpy(memory, text.size ? (const char *)text.data : "", text.size);
    memory[text.size] = '\0';
    return memory;
}

static size_t pack_with_protobuf_c(const weir_transaction_fields *fields, uint8_t *bytes_out)
{
    char memory[7][256];
    Weir__V1__Transaction__Location location = WEIR__V1__TRANSACTION__LOCATION__INIT;
    location.latitude = fields->latitude;
    location.longitude = fields->longitude;
    Weir__V1__Transaction message = WEIR__V1__TRANSACTION__INIT;
    message.transaction_id = copy_text(fields->transaction_id, memory[0]);
    message.card_token = copy_text(fields->card_token, memory[1]);
    message.event_time_us = fields->event_time_us;
    message.amount_minor = fields->amount_minor;
    message.currency = copy_text(fields->currency, memory[2]);
    message.merchant_id = copy_text(fields->merchant_id, memory[3]);
    message.terminal_id = copy_text(fields->terminal_id, memory[4]);
    message.mcc = fields->mcc;
    message.merchant_country = copy_text(fields->merchant_country, memory[5]);
    message.channel = (Weir__V1__Transaction__Channel)fields->channel;
    message.entry_mode = (Weir__V1__Transaction__EntryMode)fields->entry_mode;
    message.location = fields->has_location ? &location : NULL;
    message.device_id = copy_text(fields->device_id, memory[6]);
    message.outcome = (Weir__V1__Transaction__Outcome)fields->outcome;
    return weir__v1__transaction__pack(&message, bytes_out);
}

Test(transaction, encoding_is_byte_for_byte_protobuf_c)
{
    weir_rng rng = {.state = 11};
    for (int i = 0; i < 20000; i++) {
        char memory[7][256];
        uint8_t ours[4096], theirs[4096];
        weir_transaction_fields fields = random_fields(&rng, memory);
        weir_writer writer = weir_writer_of(ours, sizeof ours);
        weir_transaction_encode(&fields, &writer);
        cr_assert_not(writer.failed);
        cr_assert_eq(writer.used, pack_with_protobuf_c(&fields, theirs));
        cr_assert(memcmp(ours, theirs, writer.used) == 0);
        const char *difference = oracle_disagreement(weir_span_of(ours, writer.used));
        cr_assert(difference == NULL, "message %d: %s", i, difference);
    }
}

Test(transaction, mutated_bytes_mean_the_same_to_protobuf_c)
{
    weir_rng rng = {.state = 12};
    for (int i = 0; i < 100000; i++) {
        char memory[7][256];
        uint8_t bytes[4096];
        weir_transaction_fields fields = random_fields(&rng, memory);
        weir_writer writer = weir_writer_of(bytes, sizeof bytes);
        weir_transaction_encode(&fields, &writer);
        size_t size = writer.used;
        for (uint64_t n = 1 + weir_rng_below(&rng, 4); n > 0 && size > 0; n--)
            bytes[weir_rng_below(&rng, size)] ^= (uint8_t)(1u << weir_rng_below(&rng, 8));
        if (size && weir_rng_below(&rng, 4) == 0)
            size = weir_rng_below(&rng, size);
        const char *difference = oracle_disagreement(weir_span_of(bytes, size));
        cr_assert(difference == NULL, "message %d: %s", i, difference);
    }
}

/* Fields are shuffled, repeated and mixed with unknown ones: the slow path of the decoder. */
Test(transaction, order_and_repetition_mean_the_same_to_protobuf_c)
{
    weir_rng rng = {.state = 13};
    for (int i = 0; i < 20000; i++) {
        uint8_t bytes[8192];
        weir_writer writer = weir_writer_of(bytes, sizeof bytes);
        for (uint64_t n = weir_rng_below(&rng, 8); n > 0; n--) {
            char memory[7][256];
            weir_transaction_fields fields = random_fields(&rng, memory);
            weir_transaction_encode(&fields, &writer);
            weir_write_varint(&writer, (15 + weir_rng_below(&rng, 1000)) << 3);
            weir_write_varint(&writer, weir_rng_next(&rng));
        }
        cr_assert_not(writer.failed);
        const char *difference = oracle_disagreement(weir_span_of(bytes, writer.used));
        cr_assert(difference == NULL, "message %d: %s", i, difference);
    }
}

Test(transaction, encoding_into_too_little_room_fails_and_stays_inside)
{
    weir_transaction_fields fields = valid_fields();
    uint8_t memory[256];
    weir_writer whole = weir_writer_of(memory, sizeof memory);
    weir_transaction_encode(&fields, &whole);
    for (size_t size = 0; size < whole.used; size++) {
        weir_writer writer = weir_writer_of(memory, size);
        weir_transaction_encode(&fields, &writer);
        cr_expect(writer.failed && writer.used <= size);
    }
}
