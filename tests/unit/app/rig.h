/* What the tests of app/ share: the simulator's model, transactions as bytes, a clock that stands still until it is
 * moved, and a worker over a fake port and fake disks. */
#ifndef WEIR_TESTS_UNIT_APP_RIG_H
#define WEIR_TESTS_UNIT_APP_RIG_H

#include "support/fake_port.h"
#include "support/fake_store.h"

#include "weir/app/rules.h"
#include "weir/app/worker.h"
#include "weir/base/units.h"
#include "weir/codec/label.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { RIG_PARTITIONS = 4, RIG_PAYLOAD_MAX = 256 };

#define RIG_NOW_US (INT64_C(1800000000) * WEIR_US_PER_SECOND)
#define RIG_START_US (INT64_C(1700000000) * WEIR_US_PER_SECOND)

/* The simulator's model, of cards alone. */
static inline void rig_open_rules(weir_rules *rules)
{
    weir_error error = {0};
    cr_assert_eq(weir_rules_open(WEIR_SOURCE_DIR "/tests/sim/model.json", NULL, 0, rules, &error), WEIR_OK, "%s",
                 error.message);
}

/* A model of a chain of `stage_count` stages: card, terminal, merchant. */
static inline void rig_open_chain(weir_rules *rules, size_t stage_count)
{
    static const char *const PATHS[] = {NULL, WEIR_SOURCE_DIR "/tests/sim/model.json",
                                        WEIR_SOURCE_DIR "/tests/unit/app/fixtures/two_stages.json",
                                        WEIR_SOURCE_DIR "/tests/unit/app/fixtures/three_stages.json"};
    weir_chain chain = {.stages = {WEIR_ENTITY_CARD, WEIR_ENTITY_TERMINAL, WEIR_ENTITY_MERCHANT},
                        .count = stage_count};
    weir_error error = {0};
    cr_assert_eq(weir_rules_open(PATHS[stage_count], &chain, 0, rules, &error), WEIR_OK, "%s", error.message);
}

/* A transaction as the tests name it: the texts are made from the numbers. */
typedef struct rig_fields {
    uint64_t number, card, merchant, terminal; /* no merchant, no terminal at 0 */
    int64_t event_time_us, amount_minor;
} rig_fields;

static inline weir_span rig_encode(uint8_t bytes_out[RIG_PAYLOAD_MAX], const rig_fields *it)
{
    char id[32], token[32], merchant[32] = "", terminal[32] = "";
    snprintf(id, sizeof id, "t-%" PRIu64, it->number);
    snprintf(token, sizeof token, "card-%" PRIu64, it->card);
    if (it->merchant)
        snprintf(merchant, sizeof merchant, "m-%" PRIu64, it->merchant);
    if (it->terminal)
        snprintf(terminal, sizeof terminal, "terminal-%" PRIu64, it->terminal);
    weir_transaction_fields fields = {
        .transaction_id = weir_span_text(id),
        .card_token = weir_span_text(token),
        .currency = weir_span_text("EUR"),
        .merchant_id = weir_span_text(merchant),
        .terminal_id = weir_span_text(terminal),
        .event_time_us = it->event_time_us,
        .amount_minor = it->amount_minor,
    };
    weir_writer writer = weir_writer_of(bytes_out, RIG_PAYLOAD_MAX);
    weir_transaction_encode(&fields, &writer);
    cr_assert_not(writer.failed);
    return weir_span_of(bytes_out, writer.used);
}

/* When the transaction of that number happens. */
static inline int64_t rig_time_us(uint64_t number)
{
    return RIG_START_US + (int64_t)number * 60 * WEIR_US_PER_SECOND;
}

/* The bytes of one transaction; an amount of 1,000.00 and more is an alert under the simulator's model. */
static inline weir_span rig_transaction(uint8_t bytes_out[RIG_PAYLOAD_MAX], uint64_t number, uint64_t card,
                                        int64_t amount_minor)
{
    rig_fields fields = {.number = number,
                         .card = card,
                         .merchant = number % 7 + 1,
                         .event_time_us = rig_time_us(number),
                         .amount_minor = amount_minor};
    return rig_encode(bytes_out, &fields);
}

/* The bytes of a label of transaction `number` of `card`. event_time_us INT64_MIN: the sender does not say. */
static inline weir_span rig_label(uint8_t bytes_out[RIG_PAYLOAD_MAX], uint64_t number, uint64_t card,
                                  int64_t event_time_us, int64_t label_time_us, weir_label_verdict verdict)
{
    char id[32], token[32];
    snprintf(id, sizeof id, "t-%" PRIu64, number);
    snprintf(token, sizeof token, "card-%" PRIu64, card);
    weir_label label = {.transaction_id = weir_span_text(id),
                        .card_token = weir_span_text(token),
                        .event_time_us = event_time_us,
                        .label_time_us = label_time_us,
                        .verdict = verdict};
    weir_writer writer = weir_writer_of(bytes_out, RIG_PAYLOAD_MAX);
    weir_label_encode(&label, &writer);
    cr_assert_not(writer.failed);
    return weir_span_of(bytes_out, writer.used);
}

#endif
