#include "weir/emit/emitter.h"

#include "support/fake_port.h"

#include <criterion/criterion.h>

static const int64_t FROM_START[WEIR_OUTPUT_COUNT] = {0};
static const double VALUES[] = {12.5, 3};

static const char *const NAMES[] = {"amount", "count(1h)"};
static const double WEIGHTS[] = {0.1, 0.2}, MEANS[] = {1, 1}, IMPUTES[] = {0, 0};
static const weir_model MODEL = {
    .name = "m", .version = "1", .feature_count = 2, .feature_names = NAMES, .weights = WEIGHTS, .means = MEANS,
    .imputes = IMPUTES, .clip_high = 1, .threshold_count = 1, .thresholds = {{.name = "review", .score = 0.5}}};
static const weir_verdict VERDICT = {.model = &MODEL,
                                     .score = 0.75,
                                     .values = VALUES,
                                     .reason_count = 1,
                                     .reasons = {{.feature = 0, .value = 12.5, .contribution = 1.15}}};

typedef struct rig {
    weir_fake_port port;
    weir_emitter *emitter;
    weir_ledger ledger;
    weir_transaction transaction;
} rig;

static void open_with(rig *it, weir_emitter_options options, const int64_t marks[WEIR_OUTPUT_COUNT])
{
    options.input_topic = "transactions";
    options.group_id = "weir";
    weir_fake_port_init(&it->port);
    cr_assert_eq(weir_emitter_open(&options, &it->port.base, &it->emitter), WEIR_OK);
    weir_ledger_init(&it->ledger, marks);
    it->transaction = (weir_transaction){.event = {.time_us = 1700000000000000, .amount_minor = 1250},
                                         .transaction_id = weir_span_text("t-1"),
                                         .card_token = weir_span_text("card-1")};
}

static void open_all(rig *it)
{
    open_with(it, (weir_emitter_options){.enabled = {true, true, true}, .score_features = true,
                                         .framing = WEIR_FRAMING_RAW}, FROM_START);
}

static void close_rig(rig *it)
{
    weir_ledger_deinit(&it->ledger);
    weir_emitter_close(it->emitter);
    weir_fake_port_deinit(&it->port);
}

/* Of the first stage, where a lane is a partition and a sequence an offset. Good until asked again. */
static const weir_cause *cause_of(rig *it, int32_t partition, int64_t offset)
{
    static weir_cause cause;
    cause = (weir_cause){&it->ledger, partition, offset, partition, offset};
    return &cause;
}

static weir_record record_at(int64_t offset, const char *key, const char *payload)
{
    return (weir_record){.partition = 3, .offset = offset, .timestamp_us = -1, .key = weir_span_text(key),
                         .payload = weir_span_text(payload)};
}

Test(emitter, an_alert_is_keyed_by_the_card_and_goes_to_the_partition_of_its_source)
{
    rig it;
    open_all(&it);
    bool sent;
    cr_assert_eq(weir_emitter_alert(it.emitter, cause_of(&it, 3, 41), &it.transaction, &VERDICT, &sent), WEIR_OK);
    cr_assert(sent);
    const weir_fake_sent *alert = weir_fake_port_sent(&it.port, WEIR_OUTPUT_ALERTS, 0);
    cr_assert_not_null(alert);
    cr_expect_eq(alert->partition, 3);
    cr_expect_eq(alert->marker, 41);
    cr_expect(weir_span_is(alert->key, "card-1"));
    int32_t partition;
    int64_t offset;
    cr_assert(weir_alert_source(alert->payload, &partition, &offset));
    cr_expect_eq(partition, 3);
    cr_expect_eq(offset, 41);
    cr_expect_eq(weir_ledger_acked_below(&it.ledger, 50), 41);
    close_rig(&it);
}

Test(emitter, a_mark_silences_what_an_earlier_life_sent)
{
    rig it;
    const int64_t marks[WEIR_OUTPUT_COUNT] = {
        [WEIR_OUTPUT_ALERTS] = 10, [WEIR_OUTPUT_SCORES] = 5, [WEIR_OUTPUT_DEAD_LETTERS] = 10};
    open_with(&it, (weir_emitter_options){.enabled = {true, true, true}, .framing = WEIR_FRAMING_RAW}, marks);
    bool sent = true;
    cr_expect_eq(weir_emitter_alert(it.emitter, cause_of(&it, 0, 9), &it.transaction, &VERDICT, &sent), WEIR_OK);
    cr_expect_not(sent);
    cr_expect_eq(weir_emitter_score(it.emitter, cause_of(&it, 0, 9), &it.transaction, &VERDICT, &sent), WEIR_OK);
    cr_expect(sent, "the scores' mark is lower");
    weir_record record = record_at(9, "k", "?");
    cr_expect_eq(weir_emitter_dead_letter(it.emitter, cause_of(&it, record.partition, record.offset), "transactions",
                 &record, WEIR_REJECT_UNDECODABLE, NULL, &sent),
                 WEIR_OK);
    cr_expect_not(sent);
    cr_expect_eq(weir_emitter_alert(it.emitter, cause_of(&it, 0, 10), &it.transaction, &VERDICT, &sent), WEIR_OK);
    cr_expect(sent);
    cr_expect_eq(it.port.sent_count, 2);
    cr_expect_eq(weir_ledger_pending(&it.ledger), 2, "what was not sent is not waited for");
    close_rig(&it);
}

Test(emitter, an_output_that_is_off_sends_nothing)
{
    rig it;
    open_with(&it, (weir_emitter_options){.enabled = {[WEIR_OUTPUT_ALERTS] = true}, .framing = WEIR_FRAMING_RAW},
              FROM_START);
    bool sent = true;
    weir_record record = record_at(1, "k", "?");
    cr_expect_eq(weir_emitter_score(it.emitter, cause_of(&it, 0, 1), &it.transaction, &VERDICT, &sent), WEIR_OK);
    cr_expect_not(sent);
    cr_expect_eq(weir_emitter_dead_letter(it.emitter, cause_of(&it, record.partition, record.offset), "transactions",
                 &record, WEIR_REJECT_EMPTY, NULL, &sent), WEIR_OK);
    cr_expect_not(sent);
    cr_expect(weir_emitter_enabled(it.emitter, WEIR_OUTPUT_ALERTS));
    cr_expect_not(weir_emitter_enabled(it.emitter, WEIR_OUTPUT_SCORES));
    cr_expect_eq(it.port.sent_count, 0);
    cr_expect_eq(weir_ledger_acked_below(&it.ledger, 2), 2);
    close_rig(&it);
}

Test(emitter, confluent_framing_puts_the_outputs_own_schema_id_first)
{
    rig it;
    open_with(&it, (weir_emitter_options){.enabled = {true, true, true},
                                          .framing = WEIR_FRAMING_CONFLUENT,
                                          .schema_ids = {[WEIR_OUTPUT_ALERTS] = 0x01020304, [WEIR_OUTPUT_SCORES] = 7}},
              FROM_START);
    bool sent;
    cr_assert_eq(weir_emitter_alert(it.emitter, cause_of(&it, 0, 0), &it.transaction, &VERDICT, &sent), WEIR_OK);
    cr_assert_eq(weir_emitter_score(it.emitter, cause_of(&it, 0, 0), &it.transaction, &VERDICT, &sent), WEIR_OK);
    weir_span message;
    int64_t id, offset;
    int32_t partition;
    const weir_fake_sent *alert = weir_fake_port_sent(&it.port, WEIR_OUTPUT_ALERTS, 0);
    cr_assert(weir_frame_strip(WEIR_FRAMING_CONFLUENT, alert->payload, &message, &id));
    cr_expect_eq(id, 0x01020304);
    cr_expect(weir_alert_source(message, &partition, &offset));
    const weir_fake_sent *score = weir_fake_port_sent(&it.port, WEIR_OUTPUT_SCORES, 0);
    cr_assert(weir_frame_strip(WEIR_FRAMING_CONFLUENT, score->payload, &message, &id));
    cr_expect_eq(id, 7);
    cr_expect(weir_score_source(message, &partition, &offset));
    close_rig(&it);
}

Test(emitter, scores_carry_features_only_when_asked)
{
    size_t sizes[2];
    for (int with = 0; with < 2; with++) {
        rig it;
        open_with(&it, (weir_emitter_options){.enabled = {true, true, true}, .score_features = with,
                                              .framing = WEIR_FRAMING_RAW}, FROM_START);
        bool sent;
        cr_assert_eq(weir_emitter_score(it.emitter, cause_of(&it, 0, 0), &it.transaction, &VERDICT, &sent), WEIR_OK);
        sizes[with] = weir_fake_port_sent(&it.port, WEIR_OUTPUT_SCORES, 0)->payload.size;
        close_rig(&it);
    }
    cr_expect_geq(sizes[1], sizes[0] + sizeof VALUES);
}

Test(emitter, a_dead_letter_keeps_the_record_whole_and_says_why)
{
    rig it;
    open_all(&it);
    bool sent;
    weir_record record = record_at(41, "card-1", "not protobuf");
    cr_assert_eq(
        weir_emitter_dead_letter(it.emitter, cause_of(&it, record.partition, record.offset), "transactions",
            &record, WEIR_REJECT_ABSURD_FIELD, "amount_minor", &sent),
        WEIR_OK);
    cr_assert(sent);
    const weir_fake_sent *letter = weir_fake_port_sent(&it.port, WEIR_OUTPUT_DEAD_LETTERS, 0);
    cr_expect(weir_span_is(letter->key, "card-1"));
    cr_expect(weir_span_is(letter->payload, "not protobuf"));
    cr_expect_str_eq(weir_fake_sent_header(letter, "__connect.errors.topic"), "transactions");
    cr_expect_str_eq(weir_fake_sent_header(letter, "__connect.errors.partition"), "3");
    cr_expect_str_eq(weir_fake_sent_header(letter, "__connect.errors.offset"), "41");
    cr_expect_not_null(strstr(weir_fake_sent_header(letter, "__connect.errors.exception.message"), "amount_minor"));
    cr_expect_eq(weir_ledger_acked_below(&it.ledger, 50), 41);
    close_rig(&it);
}

Test(emitter, a_card_number_leaves_neither_key_nor_payload)
{
    rig it;
    open_all(&it);
    bool sent;
    weir_record record = record_at(41, "4111111111111111", "4111111111111111");
    cr_assert_eq(
        weir_emitter_dead_letter(it.emitter, cause_of(&it, record.partition, record.offset), "transactions",
            &record, WEIR_REJECT_CARD_NUMBER, "card_token", &sent),
        WEIR_OK);
    const weir_fake_sent *letter = weir_fake_port_sent(&it.port, WEIR_OUTPUT_DEAD_LETTERS, 0);
    cr_expect_null(letter->key.data);
    cr_expect_null(letter->payload.data);
    for (size_t i = 0; i < letter->header_count; i++)
        cr_expect_null(strstr(letter->header_values[i], "4111"), "%s", letter->header_names[i]);
    cr_expect_str_eq(weir_fake_sent_header(letter, "__connect.errors.offset"), "41");
    close_rig(&it);
}

Test(emitter, a_dead_letter_too_large_for_its_topic_goes_without_its_payload)
{
    rig it;
    open_all(&it);
    it.port.payload_size_max = 5;
    bool sent;
    weir_record record = record_at(41, "card-1", "larger than five");
    cr_assert_eq(weir_emitter_dead_letter(it.emitter, cause_of(&it, record.partition, record.offset), "transactions",
                 &record, WEIR_REJECT_OVERSIZED, NULL, &sent),
                 WEIR_OK);
    cr_assert(sent);
    cr_assert_eq(it.port.sent_count, 1);
    cr_expect_null(it.port.sent[0].payload.data);
    cr_expect_str_eq(weir_fake_sent_header(&it.port.sent[0], "__connect.errors.offset"), "41");
    cr_expect_eq(weir_ledger_pending(&it.ledger), 1);
    close_rig(&it);
}

Test(emitter, what_the_producer_refuses_comes_back_and_is_not_in_the_ledger)
{
    static const weir_status REFUSALS[] = {WEIR_FULL, WEIR_FENCED, WEIR_IO};
    for (size_t i = 0; i < sizeof REFUSALS / sizeof *REFUSALS; i++) {
        rig it;
        open_all(&it);
        it.port.failure = REFUSALS[i];
        bool sent = true;
        weir_record record = record_at(1, "k", "?");
        cr_expect_eq(weir_emitter_alert(it.emitter, cause_of(&it, 0, 1),
                     &it.transaction, &VERDICT, &sent), REFUSALS[i]);
        cr_expect_not(sent);
        cr_expect_eq(weir_emitter_score(it.emitter, cause_of(&it, 0, 1),
                     &it.transaction, &VERDICT, &sent), REFUSALS[i]);
        cr_expect_not(sent);
        cr_expect_eq(weir_emitter_dead_letter(it.emitter, cause_of(&it, record.partition, record.offset),
                                              "transactions", &record, WEIR_REJECT_EMPTY, NULL, &sent),
                     REFUSALS[i]);
        cr_expect_not(sent);
        cr_expect_eq(weir_ledger_pending(&it.ledger), 0);
        close_rig(&it);
    }
}

/* A record the producer has and the ledger lacks would be committed over before it is acknowledged. */
Test(emitter, nothing_is_produced_that_the_ledger_has_no_room_for)
{
    rig it;
    open_all(&it);
    for (int64_t offset = 0; offset < WEIR_LEDGER_PENDING_MAX; offset++) {
        cr_assert_eq(weir_ledger_reserve(&it.ledger, WEIR_OUTPUT_ALERTS), WEIR_OK);
        weir_ledger_sent(&it.ledger, WEIR_OUTPUT_ALERTS, offset);
    }
    bool sent = true;
    cr_expect_eq(
        weir_emitter_alert(it.emitter, cause_of(&it, 0, WEIR_LEDGER_PENDING_MAX), &it.transaction, &VERDICT, &sent),
        WEIR_FULL);
    cr_expect_not(sent);
    cr_expect_eq(it.port.sent_count, 0);
    close_rig(&it);
}
