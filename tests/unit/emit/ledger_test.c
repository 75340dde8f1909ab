#include "weir/emit/ledger.h"

#include <criterion/criterion.h>
#include <signal.h>

static const int64_t FROM_START[WEIR_OUTPUT_COUNT] = {0};

static void note(weir_ledger *ledger, weir_output output, int64_t offset)
{
    cr_assert_eq(weir_ledger_reserve(ledger, output), WEIR_OK);
    weir_ledger_sent(ledger, output, offset);
}

static void hear(weir_ledger *ledger, weir_output output, int64_t offset, bool delivered)
{
    weir_ack ack = {.output = output, .marker = weir_ledger_marker(offset), .delivered = delivered};
    weir_ledger_heard(ledger, &ack);
}

Test(ledger, everything_is_acknowledged_when_nothing_is_pending)
{
    weir_ledger ledger;
    weir_ledger_init(&ledger, FROM_START);
    cr_expect_eq(weir_ledger_acked_below(&ledger, 0), 0);
    cr_expect_eq(weir_ledger_acked_below(&ledger, 77), 77);
    cr_expect_eq(weir_ledger_pending(&ledger), 0);
    weir_ledger_deinit(&ledger);
}

Test(ledger, the_oldest_pending_of_any_output_is_the_barrier)
{
    weir_ledger ledger;
    weir_ledger_init(&ledger, FROM_START);
    note(&ledger, WEIR_OUTPUT_SCORES, 4);
    note(&ledger, WEIR_OUTPUT_ALERTS, 6);
    note(&ledger, WEIR_OUTPUT_SCORES, 6);
    note(&ledger, WEIR_OUTPUT_DEAD_LETTERS, 9);
    cr_expect_eq(weir_ledger_acked_below(&ledger, 12), 4);
    hear(&ledger, WEIR_OUTPUT_SCORES, 4, true);
    cr_expect_eq(weir_ledger_acked_below(&ledger, 12), 6);
    hear(&ledger, WEIR_OUTPUT_SCORES, 6, true);
    cr_expect_eq(weir_ledger_acked_below(&ledger, 12), 6, "the alert of the same offset is still out");
    hear(&ledger, WEIR_OUTPUT_ALERTS, 6, true);
    cr_expect_eq(weir_ledger_acked_below(&ledger, 12), 9);
    hear(&ledger, WEIR_OUTPUT_DEAD_LETTERS, 9, true);
    cr_expect_eq(weir_ledger_acked_below(&ledger, 12), 12);
    weir_ledger_deinit(&ledger);
}

Test(ledger, marks_are_an_output_each)
{
    const int64_t marks[WEIR_OUTPUT_COUNT] = {
        [WEIR_OUTPUT_ALERTS] = 10, [WEIR_OUTPUT_SCORES] = 20, [WEIR_OUTPUT_DEAD_LETTERS] = 0};
    weir_ledger ledger;
    weir_ledger_init(&ledger, marks);
    cr_expect_not(weir_ledger_may_emit(&ledger, WEIR_OUTPUT_ALERTS, 9));
    cr_expect(weir_ledger_may_emit(&ledger, WEIR_OUTPUT_ALERTS, 10));
    cr_expect_not(weir_ledger_may_emit(&ledger, WEIR_OUTPUT_SCORES, 19));
    cr_expect(weir_ledger_may_emit(&ledger, WEIR_OUTPUT_SCORES, 20));
    cr_expect(weir_ledger_may_emit(&ledger, WEIR_OUTPUT_DEAD_LETTERS, 0));
    weir_ledger_deinit(&ledger);
}

Test(ledger, an_undelivered_output_breaks_it_for_good)
{
    weir_ledger ledger;
    weir_ledger_init(&ledger, FROM_START);
    note(&ledger, WEIR_OUTPUT_ALERTS, 1);
    note(&ledger, WEIR_OUTPUT_ALERTS, 2);
    hear(&ledger, WEIR_OUTPUT_ALERTS, 1, false);
    cr_expect(ledger.broken);
    hear(&ledger, WEIR_OUTPUT_ALERTS, 2, true);
    cr_expect(ledger.broken);
    weir_ledger_deinit(&ledger);
}

Test(ledger, an_acknowledgement_of_an_earlier_life_changes_nothing)
{
    weir_ledger ledger;
    weir_ledger_init(&ledger, FROM_START);
    note(&ledger, WEIR_OUTPUT_ALERTS, 5);
    hear(&ledger, WEIR_OUTPUT_ALERTS, 3, true);
    hear(&ledger, WEIR_OUTPUT_SCORES, 5, true);
    cr_expect_eq(weir_ledger_acked_below(&ledger, 8), 5);
    cr_expect_eq(weir_ledger_pending(&ledger), 1);
    weir_ledger_deinit(&ledger);
}

Test(ledger, one_acknowledged_out_of_order_leaves_the_older_ones)
{
    weir_ledger ledger;
    weir_ledger_init(&ledger, FROM_START);
    for (int64_t offset = 0; offset < 5; offset++)
        note(&ledger, WEIR_OUTPUT_ALERTS, offset);
    hear(&ledger, WEIR_OUTPUT_ALERTS, 3, true);
    cr_expect_eq(weir_ledger_acked_below(&ledger, 5), 0);
    for (int64_t offset = 0; offset < 3; offset++)
        hear(&ledger, WEIR_OUTPUT_ALERTS, offset, true);
    cr_expect_eq(weir_ledger_acked_below(&ledger, 5), 4);
    hear(&ledger, WEIR_OUTPUT_ALERTS, 4, true);
    cr_expect_eq(weir_ledger_acked_below(&ledger, 5), 5);
    weir_ledger_deinit(&ledger);
}

/* The ring grows while its head is anywhere: a plain sliding window is the oracle. */
Test(ledger, grows_wherever_its_head_stands)
{
    weir_ledger ledger;
    weir_ledger_init(&ledger, FROM_START);
    int64_t next = 0, oldest = 0;
    for (int round = 1; round <= 400; round++) {
        for (int i = 0; i < round % 37 + 3; i++)
            note(&ledger, WEIR_OUTPUT_SCORES, next++);
        for (int i = 0; i < round % 29 && oldest < next; i++)
            hear(&ledger, WEIR_OUTPUT_SCORES, oldest++, true);
        cr_assert_eq(weir_ledger_acked_below(&ledger, next), oldest);
        cr_assert_eq(weir_ledger_pending(&ledger), (size_t)(next - oldest));
    }
    cr_expect_gt(next - oldest, 1000, "it grew beyond its first size");
    weir_ledger_deinit(&ledger);
}

Test(ledger, is_full_at_its_bound_and_goes_on_after_an_acknowledgement)
{
    weir_ledger ledger;
    weir_ledger_init(&ledger, FROM_START);
    for (int64_t offset = 0; offset < WEIR_LEDGER_PENDING_MAX; offset++)
        note(&ledger, WEIR_OUTPUT_ALERTS, offset);
    cr_expect_eq(weir_ledger_reserve(&ledger, WEIR_OUTPUT_ALERTS), WEIR_FULL);
    cr_expect_eq(weir_ledger_reserve(&ledger, WEIR_OUTPUT_SCORES), WEIR_OK, "outputs have a bound each");
    hear(&ledger, WEIR_OUTPUT_ALERTS, 0, true);
    note(&ledger, WEIR_OUTPUT_ALERTS, WEIR_LEDGER_PENDING_MAX);
    cr_expect_eq(weir_ledger_acked_below(&ledger, WEIR_LEDGER_PENDING_MAX + 1), 1);
    cr_expect_eq(weir_ledger_pending(&ledger), WEIR_LEDGER_PENDING_MAX);
    weir_ledger_deinit(&ledger);
}

Test(ledger, offsets_that_go_down_are_a_bug, .signal = SIGABRT)
{
    weir_ledger ledger;
    weir_ledger_init(&ledger, FROM_START);
    note(&ledger, WEIR_OUTPUT_ALERTS, 5);
    note(&ledger, WEIR_OUTPUT_ALERTS, 4);
}

Test(ledger, a_record_before_the_mark_is_a_bug, .signal = SIGABRT)
{
    const int64_t marks[WEIR_OUTPUT_COUNT] = {[WEIR_OUTPUT_ALERTS] = 10};
    weir_ledger ledger;
    weir_ledger_init(&ledger, marks);
    note(&ledger, WEIR_OUTPUT_ALERTS, 9);
}

/* Labels go on to the next stage whatever was emitted: they are noted where they came, and hold the barrier there. */
Test(ledger, a_hop_before_the_mark_holds_the_barrier)
{
    const int64_t marks[WEIR_OUTPUT_COUNT] = {10, 10, 10, 10};
    weir_ledger ledger;
    weir_ledger_init(&ledger, marks);
    note(&ledger, WEIR_OUTPUT_HOPS, -1);
    note(&ledger, WEIR_OUTPUT_HOPS, 4);
    cr_expect_eq(weir_ledger_acked_below(&ledger, 12), -1);
    hear(&ledger, WEIR_OUTPUT_HOPS, -1, true);
    cr_expect_eq(weir_ledger_acked_below(&ledger, 12), 4);
    hear(&ledger, WEIR_OUTPUT_HOPS, 4, true);
    cr_expect_eq(weir_ledger_acked_below(&ledger, 12), 12);
    weir_ledger_deinit(&ledger);
}

/* Beyond the first stage a sequence has more bits than an acknowledgement brings back. */
Test(ledger, a_sequence_larger_than_its_marker_is_recognised)
{
    weir_ledger ledger;
    weir_ledger_init(&ledger, FROM_START);
    int64_t large = (WEIR_MARKER_MAX + 1) * 5 + 77;
    note(&ledger, WEIR_OUTPUT_ALERTS, large);
    cr_expect_leq(weir_ledger_marker(large), WEIR_MARKER_MAX);
    hear(&ledger, WEIR_OUTPUT_ALERTS, large + 1, true);
    cr_expect_eq(weir_ledger_acked_below(&ledger, large + 9), large);
    hear(&ledger, WEIR_OUTPUT_ALERTS, large, true);
    cr_expect_eq(weir_ledger_acked_below(&ledger, large + 9), large + 9);
    weir_ledger_deinit(&ledger);
}

/* A lane that was lost and came back produces again from the same offsets, while its former output is under way. */
Test(ledger, an_acknowledgement_of_the_same_offset_in_an_earlier_life_changes_nothing)
{
    weir_ledger before, now;
    weir_ledger_init(&before, FROM_START);
    weir_ledger_init(&now, FROM_START);
    before.life = 6;
    now.life = 7;
    note(&now, WEIR_OUTPUT_ALERTS, 5);
    weir_ack ack = {.output = WEIR_OUTPUT_ALERTS, .marker = weir_ledger_life_marker(&before, 5), .delivered = true};
    cr_expect_leq(ack.marker, WEIR_MARKER_MAX);
    weir_ledger_heard(&now, &ack);
    cr_expect_eq(weir_ledger_acked_below(&now, 8), 5);
    ack.marker = weir_ledger_life_marker(&now, 5);
    weir_ledger_heard(&now, &ack);
    cr_expect_eq(weir_ledger_acked_below(&now, 8), 8);
    weir_ledger_deinit(&now);
}
