#include "weir/codec/transaction.h"

#include <criterion/criterion.h>

static bool is_card_number(const char *text)
{
    return weir_is_card_number(weir_span_text(text));
}

Test(card_number, test_numbers_of_the_schemes_are_recognised)
{
    static const char *const NUMBERS[] = {
        "4111111111111111", "5555555555554444", "378282246310005", "6011111111111117", "30569309025904",
        "3530111333300000", "4222222222222", "6304000000000000", "6759649826438453", "4111 1111 1111 1111",
        "4111-1111-1111-1111", "3782 822463 10005",
    };
    for (size_t i = 0; i < sizeof NUMBERS / sizeof *NUMBERS; i++)
        cr_expect(is_card_number(NUMBERS[i]), "%s", NUMBERS[i]);
}

Test(card_number, every_length_from_13_to_19_counts_and_no_other)
{
    /* Nines and zeros: the last digit is chosen to satisfy Luhn. */
    for (size_t size = 1; size <= 24; size++) {
        int passing = 0;
        for (char last = '0'; last <= '9'; last++) {
            char digits[25];
            memset(digits, '9', size);
            digits[size - 1] = last;
            digits[size] = '\0';
            passing += is_card_number(digits);
        }
        cr_expect_eq(passing, size >= 13 && size <= 19 ? 1 : 0, "%zu digits", size);
    }
}

Test(card_number, tokens_and_near_misses_are_not)
{
    static const char *const TEXTS[] = {
        "", "4111111111111112", "tok_4111111111111111", "4111111111111111x", "4111  1111 1111 1111",
        "-4111111111111111", "4111111111111111-", " 4111111111111111", "4111.1111.1111.1111",
        "41111111111111114111111111111111", "- - - -",
    };
    for (size_t i = 0; i < sizeof TEXTS / sizeof *TEXTS; i++)
        cr_expect_not(is_card_number(TEXTS[i]), "\"%s\"", TEXTS[i]);
}

Test(card_number, one_wrong_digit_is_always_noticed)
{
    const char *number = "5555555555554444";
    for (size_t at = 0; at < 16; at++) {
        for (char digit = '0'; digit <= '9'; digit++) {
            char changed[17];
            strcpy(changed, number);
            changed[at] = digit;
            cr_expect_eq(is_card_number(changed), digit == number[at]);
        }
    }
}
