#include "weir/base/status.h"

#include <criterion/criterion.h>
#include <string.h>

Test(status, every_status_has_a_name_of_its_own)
{
    for (int i = 0; i < WEIR_STATUS_COUNT; i++) {
        cr_expect(strlen(weir_status_name((weir_status)i)) > 1);
        for (int j = 0; j < i; j++)
            cr_expect_str_neq(weir_status_name((weir_status)i), weir_status_name((weir_status)j));
    }
}

Test(status, only_what_may_pass_is_worth_another_try)
{
    for (int i = 0; i < WEIR_STATUS_COUNT; i++) {
        int wanted = i == WEIR_OK                               ? WEIR_EXIT_OK
                     : i == WEIR_TEMPORARY || i == WEIR_FENCED ? WEIR_EXIT_TEMPORARY
                                                                : WEIR_EXIT_FAILED;
        cr_expect_eq(weir_status_exit_code((weir_status)i), wanted, "%s", weir_status_name((weir_status)i));
    }
}

Test(status, an_error_carries_its_message_and_its_context)
{
    weir_error error = {0};
    cr_expect_eq(weir_error_set(&error, WEIR_CORRUPT, "line %d", 7), WEIR_CORRUPT);
    cr_expect_str_eq(error.message, "line 7");
    cr_expect_eq(weir_error_wrap(&error, "%s", "model.json"), WEIR_CORRUPT);
    cr_expect_str_eq(error.message, "model.json: line 7");
    cr_expect_eq(error.status, WEIR_CORRUPT);
}

Test(status, an_error_is_optional)
{
    cr_expect_eq(weir_error_set(NULL, WEIR_IO, "nobody reads this"), WEIR_IO);
}

Test(status, a_long_message_is_cut_and_ended)
{
    char text[2000];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    weir_error error;
    cr_expect_eq(weir_error_set(&error, WEIR_IO, "%s", text), WEIR_IO);
    cr_expect_eq(strlen(error.message), sizeof error.message - 1);
    cr_expect_eq(weir_error_wrap(&error, "%s", text), WEIR_IO);
    cr_expect_lt(strlen(error.message), sizeof error.message);
    cr_expect_not_null(strstr(error.message, ": xxx"));
}
