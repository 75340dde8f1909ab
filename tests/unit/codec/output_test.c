#include "weir/codec/output.h"

#include "weir/base/rng.h"
#include "weir/v1/alert.pb-c.h"
#include "weir/v1/score.pb-c.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>

enum { FEATURE_COUNT = 5, ROOM = 4096 };

static const char LONG_NAME[] = "count(28d, where fraud and amount <= 220 and same(merchant, 30d) > 3, delay 7d) / "
                                "max(1, count(28d, where amount <= 220, delay 7d))  /* more than 127 bytes */";
static const char *const FEATURES[FEATURE_COUNT] = {"amount", "count(1h)", LONG_NAME, "new(country)", "x"};

static weir_model model_of(void)
{
    weir_model model = {
        .name = "card-fraud",
        .version = "2024-03-01",
        .feature_count = FEATURE_COUNT,
        .feature_names = FEATURES,
        .threshold_count = 2,
        .thresholds = {{"review", 0.5}, {"block", 0.9}},
    };
    for (size_t i = 0; i < WEIR_MODEL_ID_SIZE; i++)
        model.id[i] = (uint8_t)(i * 9);
    return model;
}

static weir_transaction transaction_of(void)
{
    weir_transaction transaction = {
        .transaction_id = weir_span_text("tx-1"),
        .card_token = weir_span_text("tok_1"),
        .merchant_id = weir_span_text("m-1"),
        .terminal_id = weir_span_text("t-1"),
    };
    transaction.event.time_us = INT64_C(1700000000123456);
    transaction.event.amount_minor = -12999;
    transaction.event.currency = weir_code_pack((const uint8_t *)"EUR", 3);
    return transaction;
}

static double random_value(weir_rng *rng)
{
    switch (weir_rng_below(rng, 5)) {
    case 0:
        return 0;
    case 1:
        return NAN;
    case 2:
        return -0.0;
    default:
        return weir_rng_unit(rng) * 1000 - 500;
    }
}

static weir_verdict random_verdict(weir_rng *rng, const weir_model *model, double values[FEATURE_COUNT])
{
    weir_verdict verdict = {.model = model, .values = values};
    verdict.score = weir_rng_below(rng, 4) ? weir_rng_unit(rng) : 0;
    verdict.threshold = (int32_t)weir_rng_below(rng, 2);
    verdict.missing_count = (uint32_t)weir_rng_below(rng, 300);
    verdict.reason_count = weir_rng_below(rng, WEIR_REASON_MAX + 1);
    for (size_t i = 0; i < FEATURE_COUNT; i++)
        values[i] = random_value(rng);
    for (size_t i = 0; i < verdict.reason_count; i++)
        verdict.reasons[i] = (weir_reason){weir_rng_below(rng, FEATURE_COUNT), random_value(rng), random_value(rng)};
    return verdict;
}

static weir_source random_source(weir_rng *rng)
{
    return (weir_source){.topic = "transactions",
                         .partition = (int32_t)(weir_rng_below(rng, 3) * 100),
                         .offset = (int64_t)(weir_rng_next(rng) >> (1 + weir_rng_below(rng, 63)))};
}

/* The same alert through protobuf-c. */
static size_t pack_alert(const weir_verdict *verdict, const weir_source *source, uint8_t *bytes_out)
{
    const weir_model *model = verdict->model;
    char id[WEIR_ALERT_ID_SIZE + 1] = {0};
    weir_alert_id(source, id);
    Weir__V1__Alert__Reason reasons[WEIR_REASON_MAX], *pointers[WEIR_REASON_MAX];
    for (size_t i = 0; i < verdict->reason_count; i++) {
        reasons[i] = (Weir__V1__Alert__Reason)WEIR__V1__ALERT__REASON__INIT;
        reasons[i].feature = (char *)model->feature_names[verdict->reasons[i].feature];
        reasons[i].value = verdict->reasons[i].value;
        reasons[i].contribution = verdict->reasons[i].contribution;
        pointers[i] = &reasons[i];
    }
    Weir__V1__Alert__Source from = WEIR__V1__ALERT__SOURCE__INIT;
    from.topic = (char *)source->topic;
    from.partition = source->partition;
    from.offset = source->offset;
    Weir__V1__Alert alert = WEIR__V1__ALERT__INIT;
    alert.alert_id = id;
    alert.transaction_id = "tx-1";
    alert.card_token = "tok_1";
    alert.event_time_us = INT64_C(1700000000123456);
    alert.amount_minor = -12999;
    alert.currency = "EUR";
    alert.merchant_id = "m-1";
    alert.terminal_id = "t-1";
    alert.score = verdict->score;
    alert.threshold = model->thresholds[verdict->threshold].score;
    alert.severity = (char *)model->thresholds[verdict->threshold].name;
    alert.n_reasons = verdict->reason_count;
    alert.reasons = pointers;
    alert.model_name = (char *)model->name;
    alert.model_version = (char *)model->version;
    alert.model_id = (ProtobufCBinaryData){.len = sizeof model->id, .data = (uint8_t *)model->id};
    alert.source = &from;
    return weir__v1__alert__pack(&alert, bytes_out);
}

static size_t pack_score(const weir_verdict *verdict, const weir_source *source, bool with_features,
                         uint8_t *bytes_out)
{
    Weir__V1__Score score = WEIR__V1__SCORE__INIT;
    score.transaction_id = "tx-1";
    score.card_token = "tok_1";
    score.event_time_us = INT64_C(1700000000123456);
    score.score = verdict->score;
    score.model_id = (ProtobufCBinaryData){.len = WEIR_MODEL_ID_SIZE, .data = (uint8_t *)verdict->model->id};
    score.n_features = with_features ? FEATURE_COUNT : 0;
    score.features = (double *)verdict->values;
    score.missing_count = verdict->missing_count;
    score.source_topic = (char *)source->topic;
    score.source_partition = source->partition;
    score.source_offset = source->offset;
    score.alerted = verdict->threshold >= 0;
    return weir__v1__score__pack(&score, bytes_out);
}

Test(output, alerts_are_byte_for_byte_protobuf_c)
{
    weir_rng rng = {.state = 1};
    weir_model model = model_of();
    weir_transaction transaction = transaction_of();
    for (int i = 0; i < 20000; i++) {
        double values[FEATURE_COUNT];
        uint8_t ours[ROOM], theirs[ROOM];
        weir_verdict verdict = random_verdict(&rng, &model, values);
        weir_source source = random_source(&rng);
        weir_writer writer = weir_writer_of(ours, sizeof ours);
        weir_alert_encode(&transaction, &verdict, &source, &writer);
        cr_assert_not(writer.failed);
        cr_assert_eq(writer.used, pack_alert(&verdict, &source, theirs));
        cr_assert(memcmp(ours, theirs, writer.used) == 0, "alert %d", i);
        int32_t partition;
        int64_t offset;
        cr_assert(weir_alert_source(weir_span_of(ours, writer.used), &partition, &offset));
        cr_assert(partition == source.partition && offset == source.offset);
    }
}

Test(output, scores_are_byte_for_byte_protobuf_c)
{
    weir_rng rng = {.state = 2};
    weir_model model = model_of();
    weir_transaction transaction = transaction_of();
    for (int i = 0; i < 20000; i++) {
        double values[FEATURE_COUNT];
        uint8_t ours[ROOM], theirs[ROOM];
        weir_verdict verdict = random_verdict(&rng, &model, values);
        weir_source source = random_source(&rng);
        bool with_features = weir_rng_below(&rng, 2);
        verdict.threshold -= (int32_t)weir_rng_below(&rng, 2);
        weir_writer writer = weir_writer_of(ours, sizeof ours);
        weir_score_encode(&transaction, &verdict, &source, with_features, &writer);
        cr_assert_not(writer.failed);
        cr_assert_eq(writer.used, pack_score(&verdict, &source, with_features, theirs));
        cr_assert(memcmp(ours, theirs, writer.used) == 0, "score %d", i);
        int32_t partition;
        int64_t offset;
        cr_assert(weir_score_source(weir_span_of(ours, writer.used), &partition, &offset));
        cr_assert(partition == source.partition && offset == source.offset);
    }
}

Test(output, an_alert_cut_anywhere_never_overruns)
{
    weir_rng rng = {.state = 3};
    weir_model model = model_of();
    weir_transaction transaction = transaction_of();
    double values[FEATURE_COUNT];
    weir_verdict verdict = random_verdict(&rng, &model, values);
    verdict.reason_count = 2;
    verdict.reasons[0] = verdict.reasons[1] = (weir_reason){2, 1, 1};
    weir_source source = random_source(&rng);
    uint8_t bytes[ROOM];
    weir_writer whole = weir_writer_of(bytes, sizeof bytes);
    weir_alert_encode(&transaction, &verdict, &source, &whole);
    for (size_t size = 0; size < whole.used; size++) {
        weir_writer writer = weir_writer_of(bytes, size);
        weir_alert_encode(&transaction, &verdict, &source, &writer);
        cr_assert(writer.failed && writer.used <= size);
    }
}

/* Consumers keep ids: these may never change. Checked with Python's xxhash 3.4:
 * xxh3_128_hexdigest(topic + b"\0" + struct.pack("<iq", partition, offset)). */
Test(output, alert_ids_are_fixed_for_ever)
{
    static const struct {
        weir_source source;
        const char *id;
    } CASES[] = {
        {{"transactions", 0, 0}, "71823f9cd049e0f3cc0f30c20ef9570f"},
        {{"transactions", 7, INT64_C(123456789012)}, "9c1ee1ce11bde1a3d47aa0999aa7cb79"},
        {{"t", INT32_MAX, INT64_MAX}, "d38c26585900a9ed0a89c694dad0b86d"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        char id[WEIR_ALERT_ID_SIZE + 1] = {0};
        weir_alert_id(&CASES[i].source, id);
        cr_expect_str_eq(id, CASES[i].id);
    }
}

Test(output, a_message_without_a_source_has_none)
{
    int32_t partition = -7;
    int64_t offset = -7;
    uint8_t bytes[ROOM];
    Weir__V1__Alert alert = WEIR__V1__ALERT__INIT;
    alert.alert_id = "x";
    size_t size = weir__v1__alert__pack(&alert, bytes);
    cr_expect_not(weir_alert_source(weir_span_of(bytes, size), &partition, &offset));
    cr_expect_not(weir_alert_source((weir_span){0}, &partition, &offset));
    cr_expect_not(weir_score_source((weir_span){0}, &partition, &offset));
    cr_expect_not(weir_score_source(weir_span_text("not a message"), &partition, &offset));
    Weir__V1__Alert__Source negative = WEIR__V1__ALERT__SOURCE__INIT;
    negative.topic = "t";
    negative.offset = -1;
    alert.source = &negative;
    size = weir__v1__alert__pack(&alert, bytes);
    cr_expect_not(weir_alert_source(weir_span_of(bytes, size), &partition, &offset));
    cr_expect(partition == -7 && offset == -7);
}
