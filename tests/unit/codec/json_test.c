#include "weir/codec/json.h"

#include "weir/base/rng.h"
#include "weir/codec/transaction.h"
#include "weir/v1/alert.pb-c.h"
#include "weir/v1/label.pb-c.h"
#include "weir/v1/score.pb-c.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { ROOM = 8192 };

static uint8_t message_memory[ROOM], json_memory[ROOM];

static weir_span message_of(weir_message_type type, const char *json)
{
    weir_writer writer = weir_writer_of(message_memory, ROOM);
    weir_error error = {0};
    weir_status status = weir_json_to_message(type, weir_span_text(json), &writer, &error);
    cr_assert_eq(status, WEIR_OK, "%s", error.message);
    return weir_span_of(message_memory, writer.used);
}

static const char *json_of(weir_message_type type, weir_span message)
{
    weir_writer writer = weir_writer_of(json_memory, ROOM - 1);
    weir_error error = {0};
    weir_status status = weir_json_from_message(type, message, &writer, &error);
    cr_assert_eq(status, WEIR_OK, "%s", error.message);
    json_memory[writer.used] = '\0';
    return (const char *)json_memory;
}

static const char *round_trip(weir_message_type type, const char *json)
{
    return json_of(type, message_of(type, json));
}

static void expect_refused(weir_message_type type, const char *json, const char *message)
{
    weir_writer writer = weir_writer_of(message_memory, ROOM);
    weir_error error = {0};
    cr_expect_eq(weir_json_to_message(type, weir_span_text(json), &writer, &error), WEIR_INVALID, "%s", json);
    cr_expect_not_null(strstr(error.message, message), "%s: said \"%s\"", json, error.message);
    cr_expect_eq(writer.used, 0);
}

Test(json, a_transaction_reads_and_writes_as_the_mapping_says)
{
    const char *json = "{\"transaction_id\":\"tx-1\",\"card_token\":\"tok_1\",\"event_time_us\":\"1700000000123456\","
                       "\"amount_minor\":\"-12999\",\"currency\":\"EUR\",\"merchant_id\":\"m\",\"terminal_id\":\"t\","
                       "\"mcc\":5411,\"merchant_country\":\"DE\",\"channel\":\"CHANNEL_POS\","
                       "\"entry_mode\":\"ENTRY_MODE_CREDENTIAL_ON_FILE\",\"location\":{\"latitude\":52.52,"
                       "\"longitude\":13.405},\"device_id\":\"d\",\"outcome\":\"OUTCOME_DECLINED\"}";
    weir_transaction_fields fields;
    cr_assert(weir_transaction_read(message_of(WEIR_MESSAGE_TRANSACTION, json), &fields));
    cr_expect(weir_span_is(fields.transaction_id, "tx-1"));
    cr_expect_eq(fields.event_time_us, INT64_C(1700000000123456));
    cr_expect_eq(fields.amount_minor, -12999);
    cr_expect_eq(fields.mcc, 5411);
    cr_expect_eq(fields.entry_mode, WEIR_ENTRY_CREDENTIAL_ON_FILE);
    cr_expect_eq(fields.outcome, WEIR_OUTCOME_DECLINED);
    cr_expect_eq(fields.latitude, 52.52);
    cr_expect_str_eq(round_trip(WEIR_MESSAGE_TRANSACTION, json), json);
}

Test(json, names_numbers_and_enums_are_taken_in_every_form_the_mapping_allows)
{
    static const char *const FORMS[] = {
        "{\"event_time_us\":\"1700000000000000\",\"mcc\":5411,\"channel\":\"CHANNEL_ECOMMERCE\"}",
        "{\"eventTimeUs\":1700000000000000,\"mcc\":\"5411\",\"channel\":\"ecommerce\"}",
        "{\"mcc\":5411.0,\"channel\":3,\"event_time_us\":1.7e15}",
        "{\"channel\":\"Channel_Ecommerce\",\"_note\":{\"a\":[1]},\"label\":{\"fraud\":true},"
        "\"mcc\":5411,\"event_time_us\":1700000000000000,\"location\":null,\"device_id\":null}",
    };
    for (size_t i = 0; i < sizeof FORMS / sizeof *FORMS; i++)
        cr_expect_str_eq(round_trip(WEIR_MESSAGE_TRANSACTION, FORMS[i]), FORMS[0]);
}

Test(json, an_enum_number_unknown_to_the_contract_survives)
{
    cr_expect_str_eq(round_trip(WEIR_MESSAGE_TRANSACTION, "{\"channel\":77}"), "{\"channel\":77}");
    cr_expect_str_eq(round_trip(WEIR_MESSAGE_TRANSACTION, "{\"channel\":-1}"), "{\"channel\":-1}");
    cr_expect_str_eq(round_trip(WEIR_MESSAGE_TRANSACTION, "{\"channel\":0}"), "{}");
}

Test(json, an_alert_goes_both_ways)
{
    const char *json =
        "{\"alert_id\":\"0123\",\"score\":0.1,\"severity\":\"block\",\"reasons\":[{\"feature\":\"count(1h)\","
        "\"value\":9,\"contribution\":0.30000000000000004},{\"feature\":\"x\"}],\"model_id\":\"AAECA/8=\","
        "\"source\":{\"topic\":\"transactions\",\"partition\":3,\"offset\":\"9007199254740993\"}}";
    weir_span message = message_of(WEIR_MESSAGE_ALERT, json);
    Weir__V1__Alert *alert = weir__v1__alert__unpack(NULL, message.size, message.data);
    cr_assert_not_null(alert);
    cr_expect_eq(alert->n_reasons, 2);
    cr_expect_eq(alert->reasons[0]->contribution, 0.1 + 0.2);
    cr_expect_eq(alert->model_id.len, 5);
    cr_expect(memcmp(alert->model_id.data, "\x00\x01\x02\x03\xff", 5) == 0);
    cr_expect_eq(alert->source->offset, INT64_C(9007199254740993));
    weir__v1__alert__free_unpacked(alert, NULL);
    cr_expect_str_eq(round_trip(WEIR_MESSAGE_ALERT, json), json);
    cr_expect_str_eq(round_trip(WEIR_MESSAGE_ALERT, "{\"modelId\":\"AAECA_8\"}"), "{\"model_id\":\"AAECA/8=\"}");
}

Test(json, a_score_keeps_its_features_missing_ones_included)
{
    const char *json = "{\"score\":0.25,\"features\":[1,null,-0.0,1e+300,\"Infinity\",\"-Infinity\",0.1,null],"
                       "\"missing_count\":4294967295,\"alerted\":true}";
    weir_span message = message_of(WEIR_MESSAGE_SCORE, json);
    Weir__V1__Score *score = weir__v1__score__unpack(NULL, message.size, message.data);
    cr_assert_not_null(score);
    cr_expect_eq(score->n_features, 8);
    cr_expect(isnan(score->features[1]) && isnan(score->features[7]));
    cr_expect(signbit(score->features[2]));
    cr_expect(score->alerted);
    cr_expect_eq(score->missing_count, UINT32_MAX);
    weir__v1__score__free_unpacked(score, NULL);
    cr_expect_str_eq(round_trip(WEIR_MESSAGE_SCORE, json), json);
    cr_expect_str_eq(round_trip(WEIR_MESSAGE_SCORE, "{\"features\":[],\"alerted\":false}"), "{}");
}

Test(json, features_may_come_unpacked_and_in_pieces)
{
    uint8_t bytes[64];
    weir_writer writer = weir_writer_of(bytes, sizeof bytes);
    for (int i = 1; i <= 2; i++) { /* features: one packed run of one, then one by itself */
        double value = i;
        uint64_t bits;
        memcpy(&bits, &value, sizeof bits);
        weir_write_varint(&writer, 6 << 3 | 2);
        weir_write_varint(&writer, 8);
        weir_write_fixed(&writer, bits, 8);
        weir_write_varint(&writer, 6 << 3 | 1);
        weir_write_fixed(&writer, bits, 8);
    }
    cr_expect_str_eq(json_of(WEIR_MESSAGE_SCORE, weir_span_of(bytes, writer.used)), "{\"features\":[1,1,2,2]}");
}

Test(json, a_label_goes_both_ways)
{
    cr_expect_str_eq(round_trip(WEIR_MESSAGE_LABEL,
                                "{\"verdict\":\"fraud\",\"label_time_us\":5,\"source\":\"a \\\"b\\\"\\n\"}"),
                     "{\"label_time_us\":\"5\",\"verdict\":\"VERDICT_FRAUD\",\"source\":\"a \\\"b\\\"\\n\"}");
}

Test(json, text_survives_escapes_and_other_scripts)
{
    cr_expect_str_eq(round_trip(WEIR_MESSAGE_LABEL,
                                "{\"source\":\"\\u00e9\\ud83c\\udf63 \\u0001\\b\\f\\t\\\\\\/\\u007f\"}"),
                     "{\"source\":\"\xc3\xa9\xf0\x9f\x8d\xa3 \\u0001\\b\\f\\t\\\\/\\u007f\"}");
}

Test(json, what_does_not_fit_is_refused_by_name)
{
    static const struct {
        weir_message_type type;
        const char *json, *message;
    } CASES[] = {
        {WEIR_MESSAGE_TRANSACTION, "", "not JSON"},
        {WEIR_MESSAGE_TRANSACTION, "{", "not JSON"},
        {WEIR_MESSAGE_TRANSACTION, "[]", "wanted an object"},
        {WEIR_MESSAGE_TRANSACTION, "{} {}", "not JSON"},
        {WEIR_MESSAGE_TRANSACTION, "{\"pan\":\"1\"}", "\"pan\" is not a field of weir.v1.Transaction"},
        {WEIR_MESSAGE_TRANSACTION, "{\"Card_Token\":\"1\"}", "not a field"},
        {WEIR_MESSAGE_TRANSACTION, "{\"mcc\":1,\"mcc\":1}", "duplicate"},
        {WEIR_MESSAGE_TRANSACTION, "{\"card_token\":\"a\",\"cardToken\":\"a\"}", "card_token is given twice"},
        {WEIR_MESSAGE_TRANSACTION, "{\"card_token\":1}", "card_token: 1 is not text"},
        {WEIR_MESSAGE_TRANSACTION, "{\"card_token\":\"a\\u0000\"}", "not JSON"},
        {WEIR_MESSAGE_TRANSACTION, "{\"card_token\":\"\xff\"}", "not JSON"},
        {WEIR_MESSAGE_TRANSACTION, "{\"card_token\":true}", "card_token: true does not fit"},
        {WEIR_MESSAGE_TRANSACTION, "{\"mcc\":-1}", "mcc: -1 is not an unsigned"},
        {WEIR_MESSAGE_TRANSACTION, "{\"mcc\":4294967296}", "mcc: 4294967296 is not"},
        {WEIR_MESSAGE_TRANSACTION, "{\"mcc\":1.5}", "mcc: 1.5 is not"},
        {WEIR_MESSAGE_TRANSACTION, "{\"mcc\":\"\"}", "mcc: \"\" is not"},
        {WEIR_MESSAGE_TRANSACTION, "{\"mcc\":\" 1\"}", "mcc: \" 1\" is not"},
        {WEIR_MESSAGE_TRANSACTION, "{\"mcc\":{}}", "mcc: an object does not fit"},
        {WEIR_MESSAGE_TRANSACTION, "{\"event_time_us\":\"9223372036854775808\"}", "event_time_us"},
        {WEIR_MESSAGE_TRANSACTION, "{\"event_time_us\":1e300}", "event_time_us"},
        {WEIR_MESSAGE_TRANSACTION, "{\"channel\":\"pigeon\"}", "channel: \"pigeon\" is not a name"},
        {WEIR_MESSAGE_TRANSACTION, "{\"location\":[1,2]}", "location: wanted an object"},
        {WEIR_MESSAGE_TRANSACTION, "{\"location\":{\"latitude\":\"0x1\"}}",
         "location: latitude: \"0x1\" is not a number"},
        {WEIR_MESSAGE_TRANSACTION, "{\"location\":{\"lat\":1}}", "location: \"lat\" is not a field"},
        {WEIR_MESSAGE_ALERT, "{\"model_id\":\"A===\"}", "model_id: \"A===\" is not base64"},
        {WEIR_MESSAGE_ALERT, "{\"model_id\":\"AB==CD\"}", "not base64"},
        {WEIR_MESSAGE_ALERT, "{\"model_id\":\"AB\"}", "not base64"}, /* bits left over */
        {WEIR_MESSAGE_ALERT, "{\"reasons\":{}}", "reasons: wanted an array"},
        {WEIR_MESSAGE_ALERT, "{\"reasons\":[1]}", "reasons: wanted an object, found a number"},
        {WEIR_MESSAGE_SCORE, "{\"features\":[1,\"x\"]}", "features[1]: a string is not a number"},
        {WEIR_MESSAGE_SCORE, "{\"features\":[[]]}", "features[0]: an array is not a number"},
        {WEIR_MESSAGE_SCORE, "{\"alerted\":1}", "alerted: 1 is not true or false"},
        {WEIR_MESSAGE_SCORE, "{\"alerted\":\"true\"}", "alerted: a string does not fit"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++)
        expect_refused(CASES[i].type, CASES[i].json, CASES[i].message);
}

Test(json, bytes_that_are_no_message_are_corrupt)
{
    static const char *const BAD[] = {"\x0a\x7f", "\x08\x01", "\x0b\x0c", "\x0a\x02\xff\xfe",
                                      "\x0a\x01\x01\x62\x01\x09"};
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++) {
        weir_writer writer = weir_writer_of(json_memory, ROOM);
        weir_error error;
        cr_expect_eq(weir_json_from_message(WEIR_MESSAGE_TRANSACTION, weir_span_text(BAD[i]), &writer, &error),
                     WEIR_CORRUPT, "%zu", i);
        cr_expect_eq(writer.used, 0);
    }
}

Test(json, a_full_writer_is_reported_both_ways)
{
    const char *json = "{\"card_token\":\"tok_1\",\"location\":{\"latitude\":1}}";
    weir_span message = message_of(WEIR_MESSAGE_TRANSACTION, json);
    for (size_t size = 0; size < message.size; size++) {
        uint8_t little[64];
        weir_writer writer = weir_writer_of(little, size);
        cr_expect_eq(weir_json_to_message(WEIR_MESSAGE_TRANSACTION, weir_span_text(json), &writer, NULL), WEIR_FULL);
    }
    for (size_t size = 0; size < strlen(json); size++) {
        weir_writer writer = weir_writer_of(json_memory, size);
        cr_expect_eq(weir_json_from_message(WEIR_MESSAGE_TRANSACTION, message, &writer, NULL), WEIR_FULL);
    }
}

static const char *double_text(double value)
{
    weir_writer writer = weir_writer_of(json_memory, ROOM - 1);
    weir_json_write_double(&writer, value);
    json_memory[writer.used] = '\0';
    return (const char *)json_memory;
}

Test(json, doubles_are_short_and_read_back_to_the_same_bits)
{
    cr_expect_str_eq(double_text(0.1), "0.1");
    cr_expect_str_eq(double_text(0.1 + 0.2), "0.30000000000000004");
    cr_expect_str_eq(double_text(100), "100");
    cr_expect_str_eq(double_text(5e-324), "4.94065645841247e-324");
    cr_expect_str_eq(double_text(NAN), "null");
    cr_expect_str_eq(double_text(-INFINITY), "\"-Infinity\"");
    weir_rng rng = {.state = 5};
    for (int i = 0; i < 100000; i++) {
        uint64_t bits = weir_rng_next(&rng);
        double value;
        memcpy(&value, &bits, sizeof value);
        if (!isfinite(value))
            continue;
        double read = strtod(double_text(value), NULL);
        cr_assert(memcmp(&read, &value, sizeof value) == 0, "%a", value);
    }
}

Test(json, text_is_json_whatever_the_bytes)
{
    weir_writer writer = weir_writer_of(json_memory, ROOM - 1);
    weir_json_write_text(&writer, weir_span_of("a\xff\0\"\xe9\xae", 6));
    cr_expect(weir_span_is(weir_span_of(json_memory, writer.used),
                           "\"a\xef\xbf\xbd\\u0000\\\"\xef\xbf\xbd\xef\xbf\xbd\""));
}
