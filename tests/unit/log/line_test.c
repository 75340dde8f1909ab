#include "log/line.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

static weir_log_line line;

static const char *formatted(bool text, weir_log_entry entry)
{
    entry.time_us = INT64_C(1700000000123456);
    entry.level = entry.level ? entry.level : "warn";
    entry.event = entry.event ? entry.event : "partition_refused";
    entry.file = "/home/me/src/weir/src/app/worker.c";
    entry.line = 12;
    weir_log_format_line(&entry, text, &line);
    cr_assert_eq(line.bytes[line.size - 1], '\n');
    line.bytes[line.size - 1] = 0;
    return line.bytes;
}

#define FIELDS(...) ((const weir_log_field[]){__VA_ARGS__, weir_log_end})

Test(line, json_has_time_level_event_place_and_fields)
{
    weir_log_entry entry = {.fields = FIELDS(weir_log_int("partition", -3), weir_log_text("reason", "a \"b\"\n"),
                                             weir_log_bool("again", true), weir_log_real("share", 0.1))};
    cr_expect_str_eq(formatted(false, entry),
                     "{\"ts\":\"2023-11-14T22:13:20.123456Z\",\"level\":\"warn\",\"event\":\"partition_refused\","
                     "\"where\":\"app/worker.c:12\",\"partition\":-3,\"reason\":\"a \\\"b\\\"\\n\",\"again\":true,"
                     "\"share\":0.1}");
}

Test(line, text_quotes_only_what_needs_it)
{
    weir_log_entry entry = {.fields = FIELDS(weir_log_text("topic", "alerts"), weir_log_text("reason", "two words"),
                                             weir_log_text("empty", NULL), weir_log_bool("again", false))};
    cr_expect_str_eq(formatted(true, entry), "2023-11-14T22:13:20.123456Z warn  partition_refused topic=alerts "
                                             "reason=\"two words\" empty=\"\" again=false");
}

Test(line, numbers_json_cannot_say_are_null)
{
    weir_log_entry entry = {.fields = FIELDS(weir_log_real("a", NAN), weir_log_real("b", INFINITY),
                                             weir_log_real("c", 1e300), weir_log_real("d", 1.0 / 3))};
    const char *text = formatted(false, entry);
    cr_expect_not_null(strstr(text, "\"a\":null,\"b\":null,\"c\":1e+300,\"d\":0.3333333333333333"), "%s", text);
}

Test(line, an_error_without_words_shows_its_status)
{
    weir_error silent = {.status = WEIR_IO}, spoken = {.status = WEIR_IO, .message = "disk gone"};
    weir_log_entry entry = {.fields = FIELDS(weir_log_error(&silent))};
    cr_expect_not_null(strstr(formatted(false, entry), "\"error\":\"io\""));
    entry.fields = FIELDS(weir_log_error(&spoken));
    cr_expect_not_null(strstr(formatted(false, entry), "\"error\":\"disk gone\""));
}

Test(line, says_what_was_kept_back_and_lost)
{
    weir_log_entry entry = {.suppressed = 7, .dropped = 2, .fields = FIELDS(weir_log_int("a", 1))};
    cr_expect_not_null(strstr(formatted(false, entry), "\"suppressed\":7,\"dropped\":2,\"a\":1}"));
    entry.suppressed = entry.dropped = 0;
    cr_expect_null(strstr(formatted(false, entry), "suppressed"));
}

/* Every length around the limit, with characters of one to four bytes: the line stays one JSON object. */
Test(line, long_text_is_cut_at_a_character_and_says_so)
{
    static char text[3 * WEIR_LOG_LINE_MAX];
    static const char *const CHARACTERS[] = {"x", "\"", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x92\xb3", "\x01"};
    for (size_t c = 0; c < sizeof CHARACTERS / sizeof *CHARACTERS; c++) {
        size_t width = strlen(CHARACTERS[c]), size = 0;
        for (; size < WEIR_LOG_LINE_MAX + 64; size += width)
            memcpy(text + size, CHARACTERS[c], width);
        for (size_t take = 3900 / width * width; take < size; take += width) {
            weir_log_entry entry = {
                .fields = FIELDS(weir_log_span("text", weir_span_of(text, take)), weir_log_int("after", 1))};
            const char *json = formatted(false, entry);
            size_t json_size = strlen(json);
            bool whole = strstr(json, "\",\"after\":1}") != NULL;
            bool cut = strcmp(json + json_size - 18, ",\"truncated\":true}") == 0;
            cr_assert(whole != cut, "%zu of %zu: %s", take, c, json + json_size - 40);
            cr_assert(!cut || json[json_size - 19] == '"');
        }
    }
}

Test(line, a_number_that_does_not_fit_is_left_out_with_its_name)
{
    static char text[WEIR_LOG_LINE_MAX];
    memset(text, 'x', sizeof text);
    for (size_t take = 3900; take < 4000; take++) {
        weir_log_entry entry = {.fields = FIELDS(weir_log_span("text", weir_span_of(text, take)),
                                                 weir_log_int("number", INT64_MIN), weir_log_int("last", 5))};
        const char *json = formatted(false, entry);
        bool has_number = strstr(json, "\"number\"") != NULL;
        cr_assert_eq(has_number, strstr(json, "\"number\":-9223372036854775808") != NULL);
        bool has_last = strstr(json, "\"last\":5}") != NULL;
        cr_assert(has_last || strstr(json, ",\"truncated\":true}"), "%s", json + 3800);
    }
}
