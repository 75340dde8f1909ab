/* What the tests of app/ share: the simulator's model, transactions as bytes, a clock that stands still until it is
 * moved, and a worker over a fake port and fake disks. */
#ifndef WEIR_TESTS_UNIT_APP_RIG_H
#define WEIR_TESTS_UNIT_APP_RIG_H

#include "support/fake_port.h"
#include "support/fake_store.h"

#include "weir/app/rules.h"
#include "weir/app/worker.h"
#include "weir/base/units.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { RIG_PARTITIONS = 4, RIG_PAYLOAD_MAX = 256 };

#define RIG_NOW_US (INT64_C(1800000000) * WEIR_US_PER_SECOND)
#define RIG_START_US (INT64_C(1700000000) * WEIR_US_PER_SECOND)

static inline void rig_open_rules(weir_rules *rules)
{
    weir_error error = {0};
    cr_assert_eq(weir_rules_open(WEIR_SOURCE_DIR "/tests/sim/model.json", 0, rules, &error), WEIR_OK, "%s",
                 error.message);
}

/* The bytes of one transaction; an amount of 1,000.00 and more is an alert under the simulator's model. */
static inline weir_span rig_transaction(uint8_t bytes_out[RIG_PAYLOAD_MAX], uint64_t number, uint64_t card,
                                        int64_t amount_minor)
{
    char id[32], token[32], merchant[32];
    snprintf(id, sizeof id, "t-%" PRIu64, number);
    snprintf(token, sizeof token, "card-%" PRIu64, card);
    snprintf(merchant, sizeof merchant, "m-%" PRIu64, number % 7);
    weir_transaction_fields fields = {
        .transaction_id = weir_span_text(id),
        .card_token = weir_span_text(token),
        .currency = weir_span_text("EUR"),
        .merchant_id = weir_span_text(merchant),
        .event_time_us = RIG_START_US + (int64_t)number * 60 * WEIR_US_PER_SECOND,
        .amount_minor = amount_minor,
    };
    weir_writer writer = weir_writer_of(bytes_out, RIG_PAYLOAD_MAX);
    weir_transaction_encode(&fields, &writer);
    cr_assert_not(writer.failed);
    return weir_span_of(bytes_out, writer.used);
}

#endif
