#include "weir/app/partition.h"

#include "weir/base/rng.h"

#include <criterion/criterion.h>
#include <signal.h>

static weir_brake brake;

Test(brake, waits_for_a_tenth_of_the_window)
{
    weir_brake_init(&brake, 100, 0.5);
    for (int i = 0; i < 9; i++)
        cr_expect_not(weir_brake_note(&brake, true), "after %d", i + 1);
    cr_expect(weir_brake_note(&brake, true));
}

Test(brake, trips_above_the_share_and_not_at_it)
{
    weir_brake_init(&brake, 10, 0.5);
    for (int i = 0; i < 10; i++)
        weir_brake_note(&brake, i % 2 == 0);
    cr_expect_not(weir_brake_note(&brake, true), "five of ten: one rejected left the window as one came");
    cr_expect(weir_brake_note(&brake, true), "six of ten");
}

Test(brake, never_trips_at_a_share_of_one)
{
    weir_brake_init(&brake, 10, 1);
    for (int i = 0; i < 1000; i++)
        cr_assert_not(weir_brake_note(&brake, true));
}

Test(brake, trips_at_the_first_dead_letter_at_a_share_of_zero)
{
    weir_brake_init(&brake, 10, 0);
    cr_expect_not(weir_brake_note(&brake, false));
    cr_expect(weir_brake_note(&brake, true));
}

Test(brake, forgets_what_it_saw_when_reset)
{
    weir_brake_init(&brake, 20, 0.5);
    for (int i = 0; i < 20; i++)
        weir_brake_note(&brake, true);
    weir_brake_reset(&brake);
    cr_expect_not(weir_brake_note(&brake, true));
    cr_expect(weir_brake_note(&brake, true), "window and share are still the same: two of two, a tenth of twenty");
}

/* Against the plain definition: the last `window` notes, counted. */
Test(brake, agrees_with_counting_the_window)
{
    enum { NOTES = 5000, WINDOW = 37 };
    static bool notes[NOTES];
    weir_rng rng = {.state = 5};
    weir_brake_init(&brake, WINDOW, 0.3);
    int tripped = 0;
    for (int at = 0; at < NOTES; at++) {
        notes[at] = weir_rng_below(&rng, 100) < (at / 500 % 2 ? 50u : 10u);
        int seen = at + 1 < WINDOW ? at + 1 : WINDOW, rejected = 0;
        for (int back = 0; back < seen; back++)
            rejected += notes[at - back];
        bool wanted = seen * 10 >= WINDOW && rejected > 0.3 * seen;
        cr_assert_eq(weir_brake_note(&brake, notes[at]), wanted, "at %d", at);
        tripped += wanted;
    }
    cr_expect_gt(tripped, 500);
    cr_expect_lt(tripped, NOTES - 500);
}

Test(brake, a_window_beyond_its_ring_is_a_bug, .signal = SIGABRT)
{
    weir_brake_init(&brake, WEIR_BRAKE_WINDOW_MAX + 1, 0.5);
}

Test(partition, every_phase_has_a_name_of_its_own)
{
    for (int a = 0; a < WEIR_PHASE_COUNT; a++)
        for (int b = 0; b < a; b++)
            cr_expect_str_neq(weir_phase_name((weir_phase)a), weir_phase_name((weir_phase)b));
    cr_expect_str_eq(weir_phase_name(WEIR_PHASE_REPLAYING), "replaying");
}
