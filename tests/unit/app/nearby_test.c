#include "weir/app/nearby.h"

#include <criterion/criterion.h>

enum { LANES = 4, REACH_US = 100 };

static weir_nearby open_nearby(void)
{
    weir_nearby it;
    cr_assert_eq(weir_nearby_init(&it, LANES, REACH_US), WEIR_OK);
    return it;
}

Test(nearby, where_nobody_is_noted_all_may_go)
{
    weir_nearby it = open_nearby();
    cr_expect_eq(weir_nearby_limit(&it), INT64_MAX);
    weir_nearby_deinit(&it);
}

Test(nearby, the_slowest_sets_the_limit)
{
    weir_nearby it = open_nearby();
    weir_nearby_note(&it, 0, 5000);
    weir_nearby_note(&it, 2, 4000);
    weir_nearby_note(&it, 3, 4500);
    cr_expect_eq(weir_nearby_limit(&it), 4000 + REACH_US);
    weir_nearby_note(&it, 2, 6000);
    cr_expect_eq(weir_nearby_limit(&it), 4500 + REACH_US);
    weir_nearby_deinit(&it);
}

Test(nearby, one_that_is_not_to_be_waited_for_holds_nobody)
{
    weir_nearby it = open_nearby();
    weir_nearby_note(&it, 0, 5000);
    weir_nearby_note(&it, 2, 4000);
    weir_nearby_note(&it, 2, INT64_MAX);
    cr_expect_eq(weir_nearby_limit(&it), 5000 + REACH_US);
    weir_nearby_deinit(&it);
}

Test(nearby, one_that_has_seen_nothing_yet_holds_nobody)
{
    weir_nearby it = open_nearby();
    weir_nearby_note(&it, 1, INT64_MIN);
    weir_nearby_note(&it, 0, 5000);
    cr_expect_eq(weir_nearby_limit(&it), 5000 + REACH_US);
    weir_nearby_deinit(&it);
}

Test(nearby, the_end_of_time_is_no_limit)
{
    weir_nearby it = open_nearby();
    weir_nearby_note(&it, 0, INT64_MAX - 1);
    cr_expect_eq(weir_nearby_limit(&it), INT64_MAX);
    weir_nearby_deinit(&it);
}
