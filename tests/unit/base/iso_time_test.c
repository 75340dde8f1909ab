#include "weir/base/iso_time.h"

#include "weir/base/rng.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <time.h>

static int64_t parsed(const char *text)
{
    int64_t time_us = INT64_MIN;
    weir_status status = weir_iso_time_parse(weir_span_text(text), &time_us);
    cr_assert_eq(status, WEIR_OK, "%s", text);
    return time_us;
}

Test(iso_time, reads_the_forms_people_write)
{
    cr_expect_eq(parsed("1970-01-01T00:00:00Z"), 0);
    cr_expect_eq(parsed("1970-01-01"), 0);
    cr_expect_eq(parsed("1970-01-01 00:00:01.5z"), 1500000);
    cr_expect_eq(parsed("1970-01-01t00:00:00.000001Z"), 1);
    cr_expect_eq(parsed("1970-01-01T01:00:00+01:00"), 0);
    cr_expect_eq(parsed("1969-12-31T19:00:00-05:00"), 0);
    cr_expect_eq(parsed("2024-02-29T12:00:00Z"), INT64_C(1709208000000000));
    cr_expect_eq(parsed("2016-12-31T23:59:60Z"), parsed("2017-01-01T00:00:00Z"));
}

Test(iso_time, refuses_what_is_not_a_moment)
{
    static const char *const BAD[] = {"",
                                      "now",
                                      "2023-02-29",
                                      "1900-02-29",
                                      "2024-13-01",
                                      "2024-00-01",
                                      "2024-04-31",
                                      "2024-1-1",
                                      "2024-01-01T",
                                      "2024-01-01T00:00Z",
                                      "2024-01-01T00:00:00",
                                      "2024-01-01T24:00:00Z",
                                      "2024-01-01T00:60:00Z",
                                      "2024-01-01T00:00:61Z",
                                      "2024-01-01T00:00:00.Z",
                                      "2024-01-01T00:00:00.1234567Z",
                                      "2024-01-01T00:00:00+0100",
                                      "2024-01-01T00:00:00Z ",
                                      " 2024-01-01"};
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++) {
        int64_t time_us = 42;
        cr_expect_eq(weir_iso_time_parse(weir_span_text(BAD[i]), &time_us), WEIR_INVALID, "%s", BAD[i]);
        cr_expect_eq(time_us, 42);
    }
}

Test(iso_time, agrees_with_gmtime_and_reads_back)
{
    weir_rng rng = {.state = 7};
    for (int i = 0; i < 20000; i++) {
        int64_t us = (int64_t)weir_rng_below(&rng, UINT64_C(310000000000000000)) - INT64_C(60000000000000000);
        char text[WEIR_ISO_TIME_SIZE], wanted[64], date[32];
        weir_iso_time_format(us, text);
        int64_t rest = us % 1000000;
        time_t seconds = (time_t)((us - (rest < 0 ? rest + 1000000 : rest)) / 1000000);
        struct tm tm;
        gmtime_r(&seconds, &tm);
        snprintf(date, sizeof date, "%04d-%02d-%02dT%02d:%02d:%02d", (tm.tm_year + 1900) % 10000, tm.tm_mon + 1,
                 tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
        snprintf(wanted, sizeof wanted, "%s.%06dZ", date, (int)(us - seconds * 1000000));
        cr_assert_str_eq(text, wanted);
        cr_assert_eq(parsed(text), us);
    }
}

Test(iso_time, clamps_what_four_digits_cannot_say)
{
    char text[WEIR_ISO_TIME_SIZE];
    weir_iso_time_format(INT64_MAX, text);
    cr_expect_str_eq(text, "9999-12-31T23:59:59.999999Z");
    weir_iso_time_format(INT64_MIN, text);
    cr_expect_str_eq(text, "0000-01-01T00:00:00.000000Z");
}
