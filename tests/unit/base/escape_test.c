#include "weir/base/escape.h"

#include <criterion/criterion.h>

static const char *escaped(const char *text, size_t size, size_t capacity, bool fits)
{
    static char buffer[256];
    weir_writer writer = weir_writer_of(buffer, capacity);
    cr_expect_eq(weir_escape_json(&writer, weir_span_of(text, size)), fits);
    cr_expect(!writer.failed);
    buffer[writer.used] = 0;
    return buffer;
}

Test(escape, leaves_plain_text_alone)
{
    cr_expect_str_eq(escaped("caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x92\xb3", 14, 200, true),
                     "caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x92\xb3");
    cr_expect_str_eq(escaped("", 0, 200, true), "");
}

Test(escape, escapes_what_json_demands)
{
    cr_expect_str_eq(escaped("a\"b\\c\n\r\t\b\f\x01\x7f", 12, 200, true),
                     "a\\\"b\\\\c\\n\\r\\t\\b\\f\\u0001\\u007f");
    cr_expect_str_eq(escaped("\0", 1, 200, true), "\\u0000");
}

Test(escape, replaces_what_is_not_utf8)
{
    static const char *const BAD[] = {"\x80", "\xff", "\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe2\x82"};
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++)
        cr_expect_eq(weir_escape_utf8_size(weir_span_text(BAD[i])), 0);
    cr_expect_str_eq(escaped("a\xff"
                             "b",
                             3, 200, true),
                     "a\xef\xbf\xbd"
                     "b");
}

Test(escape, stops_at_a_whole_character_when_full)
{
    cr_expect_str_eq(escaped("ab\n", 3, 3, false), "ab");
    cr_expect_str_eq(escaped("a\xe2\x82\xac", 4, 3, false), "a");
}
