#include "weir/codec/json.h"

#include "weir/base/rng.h"
#include "weir/codec/label.h"

#include <criterion/criterion.h>
#include <stdio.h>

enum { ROOM = 8192 };

static uint8_t message_memory[ROOM];

static weir_csv *open_csv_of(weir_message_type type, const char *header)
{
    weir_csv *csv = NULL;
    weir_error error = {0};
    cr_assert_eq(weir_csv_open(type, weir_span_text(header), &csv, &error), WEIR_OK, "%s", error.message);
    return csv;
}

static weir_csv *open_csv(const char *header)
{
    return open_csv_of(WEIR_MESSAGE_TRANSACTION, header);
}

static weir_transaction_fields row_of(weir_csv *csv, const char *line)
{
    weir_writer writer = weir_writer_of(message_memory, ROOM);
    weir_error error = {0};
    weir_transaction_fields fields = {0};
    cr_assert_eq(weir_csv_row(csv, weir_span_text(line), &writer, &error), WEIR_OK, "%s", error.message);
    cr_assert(weir_transaction_read(weir_span_of(message_memory, writer.used), &fields));
    return fields;
}

static void expect_row_refused(weir_csv *csv, const char *line, const char *message)
{
    weir_writer writer = weir_writer_of(message_memory, ROOM);
    weir_error error = {0};
    cr_expect_eq(weir_csv_row(csv, weir_span_text(line), &writer, &error), WEIR_INVALID, "%s", line);
    cr_expect_not_null(strstr(error.message, message), "%s: said \"%s\"", line, error.message);
    cr_expect_eq(writer.used, 0);
}

Test(csv, columns_go_by_name_in_any_order)
{
    weir_csv *csv = open_csv("longitude,cardToken,_fraud,latitude,amount_minor,channel,event_time_us\r\n");
    weir_transaction_fields fields = row_of(csv, "-2.5,tok_1,yes,0,-7,atm,1700000000000000\r\n");
    cr_expect(weir_span_is(fields.card_token, "tok_1"));
    cr_expect(fields.has_location && fields.latitude == 0 && fields.longitude == -2.5);
    cr_expect_eq(fields.amount_minor, -7);
    cr_expect_eq(fields.channel, WEIR_CHANNEL_ATM);
    cr_expect_eq(fields.event_time_us, INT64_C(1700000000000000));
    weir_csv_close(csv);
}

Test(csv, empty_cells_are_absent_fields)
{
    weir_csv *csv = open_csv("card_token,mcc,latitude,longitude,channel");
    weir_transaction_fields fields = row_of(csv, ",,,,");
    cr_expect_eq(fields.card_token.size, 0);
    cr_expect_not(fields.has_location);
    weir_csv_close(csv);
}

Test(csv, quotes_follow_the_rfc)
{
    weir_csv *csv = open_csv("\"card_token\",merchant_id,device_id");
    weir_transaction_fields fields = row_of(csv, "\"a,\"\"b\"\"\",\"\",c\"d");
    cr_expect(weir_span_is(fields.card_token, "a,\"b\""));
    cr_expect_eq(fields.merchant_id.size, 0);
    cr_expect(weir_span_is(fields.device_id, "c\"d"));
    expect_row_refused(csv, "\"a,b,c", "column 1: quotes do not match");
    expect_row_refused(csv, "a,\"b\"x,c", "column 2: quotes do not match");
    weir_csv_close(csv);
}

Test(csv, rows_that_do_not_fit_the_header_are_refused_by_name)
{
    weir_csv *csv = open_csv("card_token,mcc,latitude,longitude,channel");
    expect_row_refused(csv, "tok", "fewer cells than the header has columns (5)");
    expect_row_refused(csv, "", "fewer cells");
    expect_row_refused(csv, "tok,1,,,,", "more cells");
    expect_row_refused(csv, "tok,x,,,", "mcc: \"x\" is not an unsigned 32-bit integer");
    expect_row_refused(csv, "tok,1,5,,", "location: only some of its columns");
    expect_row_refused(csv, "tok,1,5,inf,", "longitude: \"inf\" is not a number");
    expect_row_refused(csv, "tok,1,,,pigeon", "channel: \"pigeon\"");
    expect_row_refused(csv, "\xff,1,,,", "card_token");
    weir_csv_close(csv);
}

Test(csv, headers_that_make_no_sense_are_refused)
{
    static const struct {
        const char *header, *message;
    } CASES[] = {{"card_token,pan", "column 2: \"pan\" is not a field"},
                 {"", "column 1: \"\" is not a field"},
                 {"mcc,mcc", "mcc is given twice"},
                 {"card_token,cardToken", "card_token is given twice"},
                 {"location", "\"location\" is not a field"},
                 {"\"mcc", "quotes do not match"}};
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        weir_csv *csv = NULL;
        weir_error error = {0};
        cr_expect_eq(weir_csv_open(WEIR_MESSAGE_TRANSACTION, weir_span_text(CASES[i].header), &csv, &error),
                     WEIR_INVALID);
        cr_expect_not_null(strstr(error.message, CASES[i].message), "said \"%s\"", error.message);
        cr_expect_null(csv);
    }
}

Test(csv, what_is_written_reads_back_to_the_same_bytes)
{
    uint8_t header_bytes[1024], row_bytes[ROOM], bytes[ROOM];
    weir_writer header = weir_writer_of(header_bytes, sizeof header_bytes - 1);
    weir_csv_write_header(WEIR_MESSAGE_TRANSACTION, &header);
    header_bytes[header.used] = '\0';
    cr_expect_str_eq((const char *)header_bytes,
                     "transaction_id,card_token,event_time_us,amount_minor,currency,merchant_id,terminal_id,mcc,"
                     "merchant_country,channel,entry_mode,latitude,longitude,device_id,outcome");
    weir_csv *csv = open_csv((const char *)header_bytes);
    weir_rng rng = {.state = 3};
    for (int i = 0; i < 5000; i++) {
        static const char *const TEXTS[] = {"", "a", "with \"quotes\"", "with,comma", "caf\xc3\xa9", "\"", "x y"};
        weir_transaction_fields fields = {
            .transaction_id = weir_span_text(TEXTS[weir_rng_below(&rng, 7)]),
            .card_token = weir_span_text(TEXTS[weir_rng_below(&rng, 7)]),
            .event_time_us = (int64_t)weir_rng_next(&rng),
            .amount_minor = (int64_t)weir_rng_below(&rng, 3) - 1,
            .merchant_id = weir_span_text(TEXTS[weir_rng_below(&rng, 7)]),
            .mcc = (uint32_t)weir_rng_next(&rng),
            .channel = (int)weir_rng_below(&rng, 9),
            .entry_mode = -(int)weir_rng_below(&rng, 2),
            .has_location = weir_rng_below(&rng, 2),
            .latitude = weir_rng_unit(&rng),
            .longitude = weir_rng_below(&rng, 2) ? 0 : -weir_rng_unit(&rng),
            .outcome = (int)weir_rng_below(&rng, 3),
        };
        weir_writer message = weir_writer_of(bytes, sizeof bytes), row = weir_writer_of(row_bytes, sizeof row_bytes);
        weir_writer again = weir_writer_of(message_memory, ROOM);
        weir_transaction_encode(&fields, &message);
        cr_assert_eq(weir_csv_write_row(WEIR_MESSAGE_TRANSACTION, weir_span_of(bytes, message.used), &row, NULL),
                     WEIR_OK);
        cr_assert_eq(weir_csv_row(csv, weir_span_of(row_bytes, row.used), &again, NULL), WEIR_OK);
        cr_assert(weir_span_equal(weir_span_of(bytes, message.used), weir_span_of(message_memory, again.used)),
                  "%.*s", (int)row.used, row_bytes);
    }
    weir_csv_close(csv);
}

Test(csv, no_room_and_no_message_are_reported)
{
    weir_csv *csv = open_csv("card_token");
    uint8_t little[4];
    weir_writer writer = weir_writer_of(little, sizeof little);
    cr_expect_eq(weir_csv_row(csv, weir_span_text("a long token"), &writer, NULL), WEIR_FULL);
    weir_csv_close(csv);
    writer = weir_writer_of(message_memory, ROOM);
    cr_expect_eq(weir_csv_write_row(WEIR_MESSAGE_TRANSACTION, weir_span_text("\x0a\x7f"), &writer, NULL), WEIR_CORRUPT);
    writer = weir_writer_of(little, sizeof little);
    cr_expect_eq(weir_csv_write_row(WEIR_MESSAGE_TRANSACTION, weir_span_text("\x0a\x02hi"), &writer, NULL), WEIR_FULL);
}

Test(csv, labels_have_their_own_columns)
{
    uint8_t header_bytes[1024], row_bytes[ROOM], bytes[ROOM];
    weir_writer header = weir_writer_of(header_bytes, sizeof header_bytes - 1), row = weir_writer_of(row_bytes, ROOM);
    weir_csv_write_header(WEIR_MESSAGE_LABEL, &header);
    header_bytes[header.used] = '\0';
    cr_expect_str_eq((const char *)header_bytes,
                     "transaction_id,card_token,label_time_us,verdict,event_time_us,source");
    weir_csv *csv = open_csv_of(WEIR_MESSAGE_LABEL, (const char *)header_bytes);
    weir_writer message = weir_writer_of(message_memory, ROOM), wanted = weir_writer_of(bytes, sizeof bytes);
    weir_label label = {.transaction_id = weir_span_text("tx-1"),
                        .card_token = weir_span_text("tok"),
                        .label_time_us = INT64_C(1700000000000000),
                        .event_time_us = INT64_MIN,
                        .verdict = WEIR_LABEL_FRAUD,
                        .source = weir_span_text("chargeback, 10.4")};
    weir_label_encode(&label, &wanted);
    const char *line = "tx-1,tok,1700000000000000,fraud,,\"chargeback, 10.4\"";
    cr_assert_eq(weir_csv_row(csv, weir_span_text(line), &message, NULL), WEIR_OK);
    weir_span written = weir_span_of(message_memory, message.used);
    cr_expect(weir_span_equal(written, weir_span_of(bytes, wanted.used)));
    cr_assert_eq(weir_csv_write_row(WEIR_MESSAGE_LABEL, written, &row, NULL), WEIR_OK);
    cr_expect_eq(row.used, strlen(line) + strlen("VERDICT_"), "%.*s", (int)row.used, row_bytes);
    expect_row_refused(csv, "tx-1,tok,1,maybe,,", "verdict: \"maybe\"");
    weir_csv_close(csv);
    weir_error error = {0};
    cr_expect_eq(weir_csv_open(WEIR_MESSAGE_LABEL, weir_span_text("verdict,mcc"), &csv, &error), WEIR_INVALID);
    cr_expect_not_null(strstr(error.message, "column 2: \"mcc\" is not a field of weir.v1.Label"), "%s", error.message);
}
