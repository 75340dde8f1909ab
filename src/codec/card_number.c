#include "weir/codec/transaction.h"

/* ISO/IEC 7812-1: a PAN is at most 19 digits, and 13 is the shortest in use; its last digit is Luhn's. */
enum { DIGITS_MIN = 13, DIGITS_MAX = 19 };

/* The digits of `text` without separators, or 0 when it has anything else in it. */
static size_t collect_digits(weir_span text, uint8_t digits_out[DIGITS_MAX])
{
    size_t count = 0;
    bool after_digit = false;
    for (size_t i = 0; i < text.size; i++) {
        uint8_t byte = text.data[i];
        bool is_digit = byte >= '0' && byte <= '9';
        if (is_digit && count < DIGITS_MAX)
            digits_out[count++] = byte - '0';
        else if (is_digit || !after_digit || (byte != ' ' && byte != '-'))
            return 0;
        after_digit = is_digit;
    }
    return after_digit ? count : 0;
}

/* Source: ISO/IEC 7812-1 annex B: every second digit from the right is doubled, 9 taken off when above 9. */
static bool passes_luhn(const uint8_t *digits, size_t count)
{
    unsigned sum = 0;
    for (size_t i = 0; i < count; i++) {
        unsigned digit = digits[count - 1 - i];
        unsigned weighed = i % 2 ? 2 * digit : digit;
        sum += weighed > 9 ? weighed - 9 : weighed;
    }
    return sum % 10 == 0;
}

bool weir_is_card_number(weir_span text)
{
    uint8_t digits[DIGITS_MAX];
    size_t count = collect_digits(text, digits);
    return count >= DIGITS_MIN && passes_luhn(digits, count);
}
