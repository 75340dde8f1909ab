/* What becomes known of generated transactions: when, in which order, and how often it is wrong. */
#include "weir/app/generate.h"

#include "weir/base/hash.h"
#include "weir/base/units.h"

#include <criterion/criterion.h>

enum { SLOT_COUNT = 1 << 20, MESSAGE_SIZE_MAX = 512 };

/* What was given of a transaction, and what has been heard of it since. */
typedef struct story {
    uint64_t transaction; /* 0 = free */
    int64_t event_time_us, heard_us;
    weir_generated_label announced;
    int heard_count;
    weir_label_verdict last_verdict;
} story;

static story stories[SLOT_COUNT];

static story *story_of(weir_span transaction_id)
{
    uint64_t hash = weir_hash(transaction_id) | 1;
    size_t at = hash >> 20 & (SLOT_COUNT - 1);
    while (stories[at].transaction != 0 && stories[at].transaction != hash)
        at = (at + 1) % SLOT_COUNT;
    return &stories[at];
}

static weir_generator *open_generator(uint64_t seed)
{
    weir_generator_config config = {.seed = seed, .card_count = 2000, .duration_us = 60 * WEIR_US_PER_DAY};
    weir_generator *generator = NULL;
    weir_error error = {0};
    cr_assert_eq(weir_generator_open(&config, &generator, &error), WEIR_OK, "%s", error.message);
    return generator;
}

static void hear(const weir_label *label)
{
    story *of = story_of(label->transaction_id);
    cr_assert_neq(of->transaction, 0, "a label of a transaction never given");
    cr_assert_eq(of->event_time_us, label->event_time_us);
    cr_assert_gt(label->label_time_us, label->event_time_us);
    if (of->heard_count == 0)
        cr_assert(label->verdict == of->announced.verdict && label->label_time_us == of->announced.label_time_us);
    else
        cr_assert(of->heard_count == 1 && of->last_verdict == WEIR_LABEL_FRAUD &&
                      label->verdict == WEIR_LABEL_CLEARED && label->label_time_us > of->heard_us,
                  "only what was called fraud is spoken of again, once, and cleared");
    of->heard_count++;
    of->heard_us = label->label_time_us;
    of->last_verdict = label->verdict;
}

/* The whole stream, labels taken as they become due. Returns when it ended. */
static int64_t live_through(weir_generator *generator)
{
    weir_transaction_fields fields;
    weir_generated_label announced;
    weir_label label;
    int64_t now_us = 0, known_us = 0;
    while (weir_generator_next(generator, &fields, &announced)) {
        now_us = fields.event_time_us;
        story *of = story_of(fields.transaction_id);
        *of = (story){.transaction = weir_hash(fields.transaction_id) | 1,
                      .event_time_us = now_us,
                      .announced = announced};
        while (weir_generator_next_label(generator, &label)) {
            cr_assert(label.label_time_us <= now_us && label.label_time_us >= known_us);
            known_us = label.label_time_us;
            hear(&label);
        }
    }
    for (; weir_generator_next_label(generator, &label); hear(&label)) {
        cr_assert(label.label_time_us >= known_us);
        known_us = label.label_time_us;
    }
    return now_us;
}

Test(generate_label, all_fraud_is_learned_of_and_some_that_was_none)
{
    weir_generator *generator = open_generator(11);
    live_through(generator);
    double honest = 0, fraud = 0, cleared = 0, disputed = 0;
    for (size_t i = 0; i < SLOT_COUNT; i++) {
        const story *of = &stories[i];
        if (of->transaction == 0)
            continue;
        cr_assert_eq(of->heard_count > 0, of->announced.verdict != WEIR_LABEL_UNSPECIFIED);
        bool is_fraud = of->announced.pattern != WEIR_FRAUD_NONE;
        if (of->heard_count > 0)
            cr_assert_eq(of->last_verdict, is_fraud ? WEIR_LABEL_FRAUD : WEIR_LABEL_CLEARED,
                         "in the end the truth is known");
        honest += !is_fraud;
        fraud += is_fraud;
        cleared += !is_fraud && of->heard_count > 0;
        disputed += !is_fraud && of->heard_count == 2;
    }
    cr_expect(cleared / honest > 0.002 && cleared / honest < 0.02, "%g of the honest ones looked into",
              cleared / honest);
    cr_expect(disputed / fraud > 0.02 && disputed / fraud < 0.2, "%g disputed ones to a fraud", disputed / fraud);
    weir_generator_close(generator);
}

Test(generate_label, places_are_found_out_within_days)
{
    weir_generator *generator = open_generator(12);
    live_through(generator);
    double days[WEIR_FRAUD_COUNT] = {0}, count[WEIR_FRAUD_COUNT] = {0};
    for (size_t i = 0; i < SLOT_COUNT; i++) {
        const story *of = &stories[i];
        double delay = (double)(of->announced.label_time_us - of->event_time_us) / WEIR_US_PER_DAY;
        if (of->announced.pattern == WEIR_FRAUD_COMPROMISED_TERMINAL)
            cr_assert(delay >= 1 && delay <= 10, "%g days", delay);
        if (of->announced.pattern == WEIR_FRAUD_COMPROMISED_MERCHANT)
            cr_assert(delay >= 1 && delay <= 14, "%g days", delay);
        days[of->announced.pattern] += delay;
        count[of->announced.pattern]++;
    }
    for (int i = WEIR_FRAUD_NONE + 1; i < WEIR_FRAUD_COUNT; i++)
        cr_expect(days[i] / count[i] > 2 && days[i] / count[i] < 8, "%s: %g days on average",
                  weir_fraud_pattern_name((weir_fraud_pattern)i), days[i] / count[i]);
    weir_generator_close(generator);
}

Test(generate_label, labels_are_accepted_as_they_are)
{
    weir_generator *generator = open_generator(13);
    weir_transaction_fields fields;
    weir_generated_label announced;
    weir_label label, decoded;
    weir_decode_limits limits = {0};
    size_t count = 0;
    while (weir_generator_next(generator, &fields, &announced))
        for (; weir_generator_next_label(generator, &label); count++) {
            uint8_t bytes[MESSAGE_SIZE_MAX];
            weir_writer writer = weir_writer_of(bytes, sizeof bytes);
            weir_label_encode(&label, &writer);
            cr_assert_not(writer.failed);
            weir_reject reject =
                weir_label_decode(weir_span_of(bytes, writer.used), &limits, fields.event_time_us, &decoded);
            cr_assert_eq(reject, WEIR_ACCEPTED, "%s", weir_reject_code(reject));
            cr_assert(decoded.transaction == label.transaction && decoded.card_hash == label.card_hash);
            cr_assert(decoded.event_time_us == label.event_time_us && decoded.verdict == label.verdict);
        }
    cr_expect_gt(count, 1000);
    weir_generator_close(generator);
}
