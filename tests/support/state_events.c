#include "state_events.h"

static uint64_t some_hash(weir_rng *rng)
{
    return weir_rng_next(rng) >> 16;
}

weir_event weir_test_event(weir_rng *rng, uint64_t card, int64_t time_us, uint64_t transaction)
{
    weir_event event = {.time_us = time_us,
                        .amount_minor = (int64_t)weir_rng_below(rng, 20000),
                        .mcc = 5000 + weir_rng_below(rng, 900),
                        .transaction = transaction,
                        .country = weir_rng_below(rng, 10) ? 0x2b3 : 0x1c4,
                        .card = card,
                        .currency = 0x1234,
                        .merchant = some_hash(rng),
                        .channel = weir_rng_below(rng, WEIR_CHANNEL_COUNT),
                        .entry = weir_rng_below(rng, WEIR_ENTRY_COUNT),
                        .outcome = WEIR_OUTCOME_APPROVED,
                        .terminal = weir_rng_below(rng, 2) ? some_hash(rng) : 0,
                        .label_delay_us = weir_rng_below(rng, 50) ? WEIR_LABEL_NONE : WEIR_US_PER_DAY,
                        .latitude = WEIR_LATITUDE_NONE};
    if (weir_rng_below(rng, 2)) {
        event.latitude = (int32_t)weir_rng_below(rng, 1 << 22);
        event.longitude = -(int32_t)weir_rng_below(rng, 1 << 22);
    }
    if (weir_rng_below(rng, 4) == 0)
        weir_event_set_device(&event, card ^ 0x5555);
    return event;
}

weir_event weir_test_event_wild(weir_rng *rng, int64_t time_us)
{
    weir_event event;
    uint64_t *words = (uint64_t *)&event;
    for (size_t i = 0; i < sizeof event / sizeof *words; i++)
        words[i] = weir_rng_below(rng, 8) ? weir_rng_next(rng) : weir_rng_below(rng, 2) ? 0 : UINT64_MAX;
    event.time_us = time_us;
    return event;
}

bool weir_test_history_equal(const weir_history *a, const weir_history *b)
{
    if (a->event_count != b->event_count || a->newest_time_us != b->newest_time_us)
        return false;
    weir_history_cursor left = weir_history_begin(a), right = weir_history_begin(b);
    for (;;) {
        const weir_event *one = weir_history_next(&left), *other = weir_history_next(&right);
        if (!one || !other)
            return one == other;
        if (memcmp(one, other, sizeof *one))
            return false;
    }
}

weir_span weir_test_token(char text[32], uint64_t number)
{
    int size = snprintf(text, 32, "card-%llu", (unsigned long long)number);
    return weir_span_of(text, (size_t)size);
}

weir_state_identity weir_test_identity(void)
{
    return (weir_state_identity){.cluster_id = "test-cluster",
                                 .topic = "transactions",
                                 .entity = "card",
                                 .partition = 0,
                                 .partition_count = 4,
                                 .horizon_us = 30 * WEIR_US_PER_DAY};
}
