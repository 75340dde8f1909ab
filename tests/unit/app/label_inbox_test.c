#include "weir/app/label_inbox.h"

#include "weir/base/rng.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>

static weir_label_inbox it;

/* Its text lives in memory that the next call overwrites, as a payload's does. */
static const weir_label *label_of(int64_t number)
{
    static char id[128], token[128];
    static weir_label label;
    snprintf(id, sizeof id, "t-%" PRId64, number);
    snprintf(token, sizeof token, "card-%" PRId64, number);
    label = (weir_label){.transaction_id = weir_span_text(id),
                         .card_token = weir_span_text(token),
                         .source = weir_span_text("bank"),
                         .transaction = (uint64_t)number + 1,
                         .label_time_us = 1000 + number,
                         .event_time_us = number,
                         .verdict = WEIR_LABEL_FRAUD};
    return &label;
}

static void put(int64_t offset)
{
    cr_assert_eq(weir_label_inbox_put(&it, label_of(offset), offset), WEIR_OK);
}

static void expect_at(uint32_t place, int64_t wanted)
{
    int64_t offset;
    const weir_label *label = weir_label_inbox_at(&it, place, &offset);
    cr_assert_not_null(label);
    cr_assert_eq(offset, wanted);
    const weir_label *same = label_of(wanted);
    cr_assert(weir_span_equal(label->transaction_id, same->transaction_id));
    cr_assert(weir_span_equal(label->card_token, same->card_token));
    cr_assert_eq(label->transaction, same->transaction);
    cr_assert_eq(label->label_time_us, same->label_time_us);
    cr_assert_eq(label->event_time_us, same->event_time_us);
}

static void expect_head(int64_t wanted)
{
    expect_at(0, wanted);
}

static void drop_head(void)
{
    weir_label_inbox_done(&it, 0);
    weir_label_inbox_drop(&it);
}

Test(label_inbox, an_empty_one_is_where_it_began)
{
    weir_label_inbox_init(&it, 40);
    cr_expect_eq(it.applied_next, 40);
    cr_expect_eq(it.fetched_next, 40);
    weir_label_inbox_drop(&it);
    cr_expect_eq(it.applied_next, 40);
    cr_expect_eq(it.count, 0);
    cr_expect_null(it.slots, "it takes memory with the first label");
    weir_label_inbox_deinit(&it);
}

Test(label_inbox, first_in_is_first_out_and_text_is_its_own)
{
    weir_label_inbox_init(&it, 10);
    put(10);
    put(13); /* logs have gaps */
    put(14);
    cr_expect_eq(it.fetched_next, 15);
    cr_expect_eq(it.applied_next, 10, "none of them is applied");
    expect_head(10);
    expect_head(10);
    drop_head();
    cr_expect_eq(it.applied_next, 11);
    expect_head(13);
    drop_head();
    cr_expect_eq(it.applied_next, 14);
    expect_head(14);
    drop_head();
    cr_expect_eq(it.applied_next, 15);
    cr_expect_eq(it.count, 0);
    weir_label_inbox_deinit(&it);
}

Test(label_inbox, what_is_passed_over_is_done_with_once_all_before_it_is)
{
    weir_label_inbox_init(&it, 0);
    weir_label_inbox_pass(&it, 0);
    cr_expect_eq(it.applied_next, 1, "nothing is before it");
    put(1);
    weir_label_inbox_pass(&it, 2);
    weir_label_inbox_pass(&it, 3);
    cr_expect_eq(it.fetched_next, 4);
    cr_expect_eq(it.applied_next, 1);
    drop_head();
    cr_expect_eq(it.applied_next, 4);
    weir_label_inbox_deinit(&it);
}

Test(label_inbox, identifiers_of_the_greatest_length_fit)
{
    static uint8_t text[128];
    memset(text, 'x', sizeof text);
    weir_label label = *label_of(0);
    label.transaction_id = label.card_token = weir_span_of(text, sizeof text);
    weir_label_inbox_init(&it, 0);
    cr_assert_eq(weir_label_inbox_put(&it, &label, 0), WEIR_OK);
    put(1);
    memset(text, 'y', sizeof text);
    int64_t offset;
    const weir_label *head = weir_label_inbox_at(&it, 0, &offset);
    cr_assert_eq(head->card_token.size, sizeof text);
    for (size_t i = 0; i < sizeof text; i++)
        cr_assert(head->card_token.data[i] == 'x' && head->transaction_id.data[i] == 'x');
    drop_head();
    expect_head(1);
    weir_label_inbox_deinit(&it);
}

Test(label_inbox, what_is_done_out_of_order_leaves_with_what_is_before_it)
{
    int64_t offset;
    weir_label_inbox_init(&it, 0);
    for (int64_t at = 0; at < 5; at++)
        put(at);
    weir_label_inbox_done(&it, 3);
    weir_label_inbox_done(&it, 1);
    weir_label_inbox_drop(&it);
    cr_expect_eq(it.count, 5);
    cr_expect_eq(it.applied_next, 0, "the oldest is not done");
    cr_expect_null(weir_label_inbox_at(&it, 1, &offset));
    cr_expect_eq(offset, 1);
    cr_expect_null(weir_label_inbox_at(&it, 3, &offset));
    expect_at(0, 0);
    expect_at(2, 2);
    weir_label_inbox_done(&it, 0);
    weir_label_inbox_drop(&it);
    cr_expect_eq(it.applied_next, 2);
    expect_at(0, 2);
    expect_at(2, 4);
    put(5);
    expect_at(3, 5);
    weir_label_inbox_done(&it, 0);
    weir_label_inbox_done(&it, 2);
    weir_label_inbox_done(&it, 3);
    weir_label_inbox_drop(&it);
    cr_expect_eq(it.count, 0);
    cr_expect_eq(it.applied_next, 6);
    put(6); /* a slot that was done before */
    expect_head(6);
    weir_label_inbox_deinit(&it);
}

/* Round and round the ring, to its last place; the offsets are consecutive here, so two numbers are the oracle. */
Test(label_inbox, goes_round_its_ring)
{
    weir_label_inbox_init(&it, 0);
    weir_rng rng = {.state = 4};
    int64_t oldest = 0, next = 0, fullest = 0;
    while (next < 20 * WEIR_LABEL_INBOX_SIZE) {
        for (uint64_t in = weir_rng_below(&rng, 700); in > 0 && next - oldest < WEIR_LABEL_INBOX_SIZE; in--)
            put(next++);
        fullest = next - oldest > fullest ? next - oldest : fullest;
        for (uint64_t out = weir_rng_below(&rng, 700); out > 0 && oldest < next; out--) {
            expect_head(oldest++);
            drop_head();
        }
        cr_assert_eq(it.count, (uint32_t)(next - oldest));
        cr_assert_eq(it.applied_next, oldest);
        cr_assert_eq(it.fetched_next, next);
    }
    cr_expect_eq(fullest, WEIR_LABEL_INBOX_SIZE);
    weir_label_inbox_deinit(&it);
}

Test(label_inbox, one_too_many_is_a_bug, .signal = SIGABRT)
{
    weir_label_inbox_init(&it, 0);
    for (int64_t offset = 0; offset <= WEIR_LABEL_INBOX_SIZE; offset++)
        (void)!weir_label_inbox_put(&it, label_of(offset), offset);
}

Test(label_inbox, going_back_is_a_bug, .signal = SIGABRT)
{
    weir_label_inbox_init(&it, 5);
    (void)!weir_label_inbox_put(&it, label_of(4), 4);
}
