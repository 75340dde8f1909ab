#include "weir/codec/dead_letter.h"

#include <criterion/criterion.h>

static uint8_t memory[WEIR_DEAD_LETTER_MEMORY_SIZE] __attribute__((aligned(16)));

static weir_dead_letter_cause cause_of(weir_reject reject)
{
    return (weir_dead_letter_cause){
        .source = {.topic = "transactions", .partition = 3, .offset = INT64_C(9007199254740993)},
        .key = weir_span_text("tok_1"),
        .payload = weir_span_text("payload"),
        .group = "weir",
        .task = 1,
        .reject = reject,
    };
}

static weir_dead_letter format(const weir_dead_letter_cause *cause)
{
    weir_arena arena;
    weir_arena_init(&arena, memory, sizeof memory);
    weir_dead_letter letter;
    cr_assert_eq(weir_dead_letter_format(cause, &arena, &letter), WEIR_OK);
    return letter;
}

Test(dead_letter, headers_are_those_of_kafka_connect)
{
    static const weir_dead_letter_header WANTED[WEIR_DEAD_LETTER_HEADER_COUNT] = {
        {"__connect.errors.topic", "transactions"},
        {"__connect.errors.partition", "3"},
        {"__connect.errors.offset", "9007199254740993"},
        {"__connect.errors.connector.name", "weir"},
        {"__connect.errors.task.id", "1"},
        {"__connect.errors.stage", "VALUE_CONVERTER"},
        {"__connect.errors.class.name", "weir.v1.Transaction"},
        {"__connect.errors.exception.class.name", "weir.reject.absurd_field"},
        {"__connect.errors.exception.message", "mcc: A field is out of any sensible range."},
    };
    weir_dead_letter_cause cause = cause_of(WEIR_REJECT_ABSURD_FIELD);
    cause.reject_field = "mcc";
    weir_dead_letter letter = format(&cause);
    for (size_t i = 0; i < WEIR_DEAD_LETTER_HEADER_COUNT; i++) {
        cr_expect_str_eq(letter.headers[i].name, WANTED[i].name);
        cr_expect_str_eq(letter.headers[i].value, WANTED[i].value);
    }
    cr_expect(weir_span_is(letter.key, "tok_1"));
    cr_expect(weir_span_is(letter.payload, "payload"));
}

Test(dead_letter, a_card_number_is_never_kept)
{
    weir_dead_letter_cause cause = cause_of(WEIR_REJECT_CARD_NUMBER);
    cause.key = cause.payload = weir_span_text("4111111111111111");
    cause.reject_field = "card_token";
    weir_dead_letter letter = format(&cause);
    cr_expect_null(letter.key.data);
    cr_expect_null(letter.payload.data);
    for (size_t i = 0; i < WEIR_DEAD_LETTER_HEADER_COUNT; i++)
        cr_expect_null(strstr(letter.headers[i].value, "4111"));
}

Test(dead_letter, a_key_that_is_a_card_number_is_withheld_whatever_the_reason)
{
    weir_dead_letter_cause cause = cause_of(WEIR_REJECT_UNDECODABLE);
    cause.key = weir_span_text("4111111111111111");
    weir_dead_letter letter = format(&cause);
    cr_expect_null(letter.key.data);
    cr_expect(weir_span_is(letter.payload, "payload"));
}

Test(dead_letter, every_reason_fits_with_kafkas_longest_names)
{
    char name[250];
    memset(name, 'x', 249);
    name[249] = '\0';
    for (int reject = WEIR_ACCEPTED + 1; reject < WEIR_REJECT_COUNT; reject++) {
        weir_dead_letter_cause cause = cause_of((weir_reject)reject);
        cause.source = (weir_source){.topic = name, .partition = INT32_MIN, .offset = INT64_MIN};
        cause.group = name;
        cause.task = INT32_MIN;
        cause.reject_field = "location.longitude";
        weir_dead_letter letter = format(&cause);
        cr_expect_str_eq(letter.headers[0].value, name);
        cr_expect_str_eq(letter.headers[3].value, name);
    }
}

Test(dead_letter, a_full_arena_is_reported)
{
    weir_dead_letter_cause cause = cause_of(WEIR_REJECT_EMPTY);
    for (size_t size = 0; size < 128; size += 16) {
        weir_arena arena;
        weir_arena_init(&arena, memory, size);
        weir_dead_letter letter;
        cr_expect_eq(weir_dead_letter_format(&cause, &arena, &letter), WEIR_FULL);
    }
}
