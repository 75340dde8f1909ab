#include "weir/base/check.h"

#include <criterion/criterion.h>
#include <signal.h>

Test(check, a_claim_that_holds_costs_nothing_but_its_evaluation)
{
    int evaluated = 0;
    weir_check(++evaluated == 1);
    cr_expect_eq(evaluated, 1);
}

Test(check, a_claim_that_fails_stops_the_process, .signal = SIGABRT)
{
    weir_check(1 + 1 == 3);
}
