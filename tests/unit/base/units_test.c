#include "weir/base/units.h"

#include "weir/base/rng.h"

#include <criterion/criterion.h>

Test(units, durations_are_read_in_every_unit)
{
    static const struct {
        const char *text;
        int64_t us;
    } CASES[] = {
        {"0s", 0},
        {"250us", 250},
        {"5ms", 5 * WEIR_US_PER_MS},
        {"30s", 30 * WEIR_US_PER_SECOND},
        {"15m", 15 * WEIR_US_PER_MINUTE},
        {"24h", WEIR_US_PER_DAY},
        {"7d", 7 * WEIR_US_PER_DAY},
        {"2w", 14 * WEIR_US_PER_DAY},
        {"007d", 7 * WEIR_US_PER_DAY},
        {"4611686018427387904us", INT64_C(1) << 62},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        int64_t us = -1;
        cr_expect_eq(weir_units_parse_duration(weir_span_text(CASES[i].text), &us), WEIR_OK, "%s", CASES[i].text);
        cr_expect_eq(us, CASES[i].us, "%s", CASES[i].text);
    }
}

Test(units, durations_that_make_no_sense_are_refused)
{
    static const char *const TEXTS[] = {
        "", "5", "s", "-5s", "+5s", "5 s", " 5s", "5s ", "1.5h", "5S", "5min", "1h30m", "0x5s", "5KiB",
        "4611686018427387905us", "99999999999999999999s", "15250285w", "1000000000000000000w",
    };
    for (size_t i = 0; i < sizeof TEXTS / sizeof *TEXTS; i++) {
        int64_t us = -7;
        cr_expect_eq(weir_units_parse_duration(weir_span_text(TEXTS[i]), &us), WEIR_INVALID, "%s", TEXTS[i]);
        cr_expect_eq(us, -7);
    }
}

Test(units, sizes_are_read_in_binary_and_decimal)
{
    static const struct {
        const char *text;
        uint64_t bytes;
    } CASES[] = {
        {"4096", 4096},          {"4096B", 4096},           {"64KiB", 64 << 10},         {"512MiB", 512u << 20},
        {"2GiB", UINT64_C(2) << 30}, {"1TiB", UINT64_C(1) << 40}, {"10MB", 10000000},     {"3kB", 3000},
        {"1GB", 1000000000},     {"2TB", UINT64_C(2000000000000)},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        uint64_t bytes = 0;
        cr_expect_eq(weir_units_parse_size(weir_span_text(CASES[i].text), &bytes), WEIR_OK, "%s", CASES[i].text);
        cr_expect_eq(bytes, CASES[i].bytes, "%s", CASES[i].text);
    }
    static const char *const BAD[] = {"", "B", "KiB", "1 KiB", "1kib", "1K", "-1", "1.5GiB", "5000000TiB", "1s"};
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++) {
        uint64_t bytes = 7;
        cr_expect_eq(weir_units_parse_size(weir_span_text(BAD[i]), &bytes), WEIR_INVALID, "%s", BAD[i]);
        cr_expect_eq(bytes, 7);
    }
}

static const char *duration_text(int64_t us)
{
    static char text[32];
    cr_assert(weir_units_format_duration(us, text, sizeof text) < sizeof text);
    return text;
}

static const char *size_text(uint64_t bytes)
{
    static char text[32];
    cr_assert(weir_units_format_size(bytes, text, sizeof text) < sizeof text);
    return text;
}

Test(units, text_is_in_the_largest_unit_that_divides)
{
    cr_expect_str_eq(duration_text(0), "0s");
    cr_expect_str_eq(duration_text(WEIR_US_PER_DAY), "1d");
    cr_expect_str_eq(duration_text(14 * WEIR_US_PER_DAY), "2w");
    cr_expect_str_eq(duration_text(90 * WEIR_US_PER_MINUTE), "90m");
    cr_expect_str_eq(duration_text(1500), "1500us");
    cr_expect_str_eq(size_text(0), "0B");
    cr_expect_str_eq(size_text(512u << 20), "512MiB");
    cr_expect_str_eq(size_text(1536), "1536B");
    cr_expect_str_eq(size_text(UINT64_C(3) << 40), "3TiB");
}

Test(units, what_is_printed_reads_back)
{
    weir_rng rng = {.state = 9};
    for (int i = 0; i < 10000; i++) {
        int64_t us = (int64_t)(weir_rng_next(&rng) >> (2 + weir_rng_below(&rng, 62))), us_read;
        uint64_t bytes = weir_rng_next(&rng) >> (2 + weir_rng_below(&rng, 62)), bytes_read;
        cr_assert_eq(weir_units_parse_duration(weir_span_text(duration_text(us)), &us_read), WEIR_OK);
        cr_assert_eq(us_read, us);
        cr_assert_eq(weir_units_parse_size(weir_span_text(size_text(bytes)), &bytes_read), WEIR_OK);
        cr_assert_eq(bytes_read, bytes);
    }
}
