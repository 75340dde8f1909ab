#include "state_fixture.h"

Test(purge, idle_cards_leave_the_store_only_when_no_replay_can_ask_for_them)
{
    fixture *f = setup();
    const int64_t day = WEIR_US_PER_DAY;
    for (uint64_t card = 0; card < 500; card++)
        apply(f, card, 0);
    for (int i = 0; i < 100; i++)
        apply(f, 500, 0); /* an idle card with chunk records */
    apply(f, 501, 20 * day);
    sweep(f, 20 * day); /* replay_from 601 */
    size_t stored = f->disk->count;
    apply(f, 502, 31 * day);
    sweep(f, 31 * day); /* everything idle, but the previous replay_from is still the first */
    cr_assert_eq(f->disk->count, stored + 1);
    apply(f, 502, 31 * day);
    sweep(f, 29 * day); /* nothing is outside the horizon by this clock */
    cr_assert_eq(f->disk->count, stored + 1);
    apply(f, 502, 31 * day);
    sweep(f, 31 * day);
    cr_assert_eq(f->disk->count, 3, "meta, 501 and 502 remain");
    cr_assert_eq(stats(f).cards_resident, 2, "and the idle ones left RAM with their records");
    cr_assert_eq(touch(f, 3)->applied_offset, -1);
    cr_assert_eq(touch(f, 501)->history.event_count, 1);
    teardown(f);
}

Test(purge, purging_goes_round_a_large_store_in_slices)
{
    fixture *f = setup();
    for (uint64_t card = 0; card < 20000; card++)
        apply(f, card, 0);
    for (int i = 0; i < 2; i++) {
        apply(f, 20000, 31 * WEIR_US_PER_DAY);
        sweep(f, INT64_MIN);
    }
    size_t before = f->disk->count, sweeps = 0;
    for (; f->disk->count > 2 && sweeps < 20; sweeps++) {
        apply(f, 20000, 31 * WEIR_US_PER_DAY);
        sweep(f, 31 * WEIR_US_PER_DAY);
        cr_assert_leq(before - f->disk->count, 8192);
        before = f->disk->count;
    }
    cr_assert_eq(f->disk->count, 2);
    cr_assert_gt(sweeps, 3);
    teardown(f);
}

Test(purge, a_card_that_returns_while_its_delete_is_under_way_is_whole_again)
{
    fixture *f = setup();
    for (int i = 0; i < 100; i++)
        apply(f, 1, i);
    sweep(f, 0);
    apply(f, 2, 31 * WEIR_US_PER_DAY);
    sweep(f, 0);
    apply(f, 2, 31 * WEIR_US_PER_DAY);
    const int64_t clock_us = 31 * WEIR_US_PER_DAY;
    while (f->state->purging_count == 0) /* its delete is in a batch, and goes no further */
        cr_assert_eq(step(f, 0, clock_us), WEIR_OK);
    cr_assert_eq(touch(f, 1)->history.event_count, 100);
    apply(f, 1, 200); /* a late event of its own time */
    sweep(f, INT64_MIN); /* the delete goes through ... */
    sweep(f, INT64_MIN); /* ... and then the card, in whole */
    fixture g = *f;
    open_state(&g);
    cr_assert(weir_test_history_equal(&touch(&g, 1)->history, &touch(f, 1)->history));
    cr_assert_eq(touch(&g, 1)->history.event_count, 101);
    close_state(&g);
    teardown(f);
}
