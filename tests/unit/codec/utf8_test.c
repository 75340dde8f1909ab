#include "codec/utf8.h"

#include <criterion/criterion.h>

/* RFC 3629 by arithmetic: decode, then ask whether the shortest form was used. */
static size_t oracle_character(const uint8_t *bytes, size_t size)
{
    uint32_t first = bytes[0];
    size_t length = first < 0x80 ? 1 : first >> 5 == 6 ? 2 : first >> 4 == 14 ? 3 : first >> 3 == 30 ? 4 : 0;
    if (length == 0 || length > size)
        return 0;
    uint32_t code = length == 1 ? first : first & (0x7fu >> length);
    for (size_t i = 1; i < length; i++) {
        if (bytes[i] >> 6 != 2)
            return 0;
        code = code << 6 | (bytes[i] & 63u);
    }
    static const uint32_t LEAST[] = {0, 1, 0x80, 0x800, 0x10000};
    bool good = code >= LEAST[length] && code <= 0x10ffff && (code < 0xd800 || code > 0xdfff);
    return good ? length : 0;
}

static bool oracle_is_text(const uint8_t *bytes, size_t size)
{
    size_t length = 1;
    for (size_t at = 0; at < size; at += length) {
        length = oracle_character(bytes + at, size - at);
        if (length == 0)
            return false;
    }
    return true;
}

Test(utf8, every_text_of_three_bytes_is_judged_as_the_rfc_does)
{
    for (uint32_t word = 0; word < 1u << 24; word++) {
        uint8_t bytes[3] = {(uint8_t)(word >> 16), (uint8_t)(word >> 8), (uint8_t)word};
        if (weir_utf8_is_text(weir_span_of(bytes, 3)) != oracle_is_text(bytes, 3))
            cr_assert_fail("%06x", word);
    }
}

Test(utf8, four_byte_characters_are_judged_as_the_rfc_does)
{
    for (uint32_t head = 0xf000; head <= 0xffff; head++) {
        uint8_t bytes[] = {'a', 'b', 'c', 'd', 'e', (uint8_t)(head >> 8), (uint8_t)head, 0x80, 0xbf, 'f'};
        if (weir_utf8_is_text(weir_span_of(bytes, sizeof bytes)) != oracle_is_text(bytes, sizeof bytes))
            cr_assert_fail("%04x", head);
    }
}

Test(utf8, a_character_cut_short_is_no_text)
{
    static const char *const TEXTS[] = {"\xc3\xa4", "\xe9\xae\xa8", "\xf0\x9f\x8d\xa3"};
    for (size_t i = 0; i < 3; i++) {
        cr_expect(weir_utf8_is_text(weir_span_text(TEXTS[i])));
        cr_expect_not(weir_utf8_is_text(weir_span_of(TEXTS[i], i + 1)));
    }
    cr_expect(weir_utf8_is_text((weir_span){0}));
}

Test(utf8, one_bad_byte_is_found_wherever_it_is)
{
    static const uint8_t BAD[] = {0x00, 0x80, 0xff};
    for (size_t size = 0; size <= 40; size++) {
        uint8_t text[40];
        memset(text, 'a', sizeof text);
        text[size / 2] = 0x7f; /* fine */
        if (size > 9)
            text[3] = 1; /* fine too */
        cr_expect(weir_utf8_is_text(weir_span_of(text, size)));
        for (size_t at = 0; at < size; at++) {
            for (size_t i = 0; i < sizeof BAD; i++) {
                uint8_t kept = text[at];
                text[at] = BAD[i];
                cr_expect_not(weir_utf8_is_text(weir_span_of(text, size)), "%zu of %zu", at, size);
                text[at] = kept;
            }
        }
    }
}

Test(utf8, other_scripts_are_text)
{
    cr_expect(weir_utf8_is_text(weir_span_text("Gro\xc3\x9f")));
    cr_expect(weir_utf8_is_text(weir_span_text("\xe5\xaf\xbf\xe5\x8f\xb8 caf\xc3\xa9 \xf0\x9f\x8d\xa3 and more")));
}
