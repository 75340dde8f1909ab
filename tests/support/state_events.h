/* Events, histories and cards for tests of state/. */
#ifndef WEIR_TESTS_SUPPORT_STATE_EVENTS_H
#define WEIR_TESTS_SUPPORT_STATE_EVENTS_H

#include "weir/base/hash.h"
#include "weir/base/rng.h"
#include "weir/base/units.h"
#include "weir/core/history.h"
#include "weir/state/state.h"

#include <stdio.h>

/* An event as a card has them: its own country and currency mostly, new merchants and terminals, sometimes a device,
 * a place, a fraud label. `transaction` is stored as it is. */
weir_event weir_test_event(weir_rng *rng, uint64_t card, int64_t time_us, uint64_t transaction);

/* Any bits at all in every field (amounts and labels within their widths). */
weir_event weir_test_event_wild(weir_rng *rng, int64_t time_us);

/* Same retained events, same numbers. */
bool weir_test_history_equal(const weir_history *a, const weir_history *b);

/* "card-<number>" in caller's memory. */
weir_span weir_test_token(char text[32], uint64_t number);

/* An identity all tests share: topic transactions, partition 0 of 4, 30 days. */
weir_state_identity weir_test_identity(void);

#endif
