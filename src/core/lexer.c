#include "core/lexer.h"

/* Not <ctype.h>, which depends on the locale. */
static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static uint8_t at(const weir_lexer *lexer, size_t ahead)
{
    return lexer->at + ahead < lexer->text.size ? lexer->text.data[lexer->at + ahead] : 0;
}

static void skip_digits(weir_lexer *lexer)
{
    while (is_digit(at(lexer, 0)))
        lexer->at++;
}

/* digits [. digits] [e [+-] digits], or digits letters: a duration such as 24h. */
static weir_token_kind scan_number(weir_lexer *lexer)
{
    skip_digits(lexer);
    if (at(lexer, 0) == '.' && is_digit(at(lexer, 1))) {
        lexer->at++;
        skip_digits(lexer);
    }
    if (at(lexer, 0) == 'e' || at(lexer, 0) == 'E') {
        size_t sign = at(lexer, 1) == '+' || at(lexer, 1) == '-';
        if (is_digit(at(lexer, 1 + sign))) {
            lexer->at += 1 + sign;
            skip_digits(lexer);
        }
    }
    if (!is_letter(at(lexer, 0)))
        return WEIR_TOKEN_NUMBER;
    while (is_letter(at(lexer, 0)) || is_digit(at(lexer, 0)))
        lexer->at++;
    return WEIR_TOKEN_DURATION;
}

static weir_token_kind scan_symbol(weir_lexer *lexer)
{
    static const char *const SYMBOLS[] = {"<=", ">=", "==", "!=", "<", ">", "(", ")",
                                          ",",  ".",  ":",  "+",  "-", "*", "/"};
    for (size_t i = 0; i < sizeof SYMBOLS / sizeof *SYMBOLS; i++) {
        size_t size = strlen(SYMBOLS[i]);
        if (lexer->text.size - lexer->at >= size && memcmp(lexer->text.data + lexer->at, SYMBOLS[i], size) == 0) {
            lexer->at += size;
            return WEIR_TOKEN_SYMBOL;
        }
    }
    lexer->at++;
    return WEIR_TOKEN_UNKNOWN;
}

static weir_token_kind scan(weir_lexer *lexer)
{
    if (lexer->at == lexer->text.size)
        return WEIR_TOKEN_END;
    if (is_digit(at(lexer, 0)))
        return scan_number(lexer);
    if (!is_letter(at(lexer, 0)))
        return scan_symbol(lexer);
    while (is_letter(at(lexer, 0)) || is_digit(at(lexer, 0)))
        lexer->at++;
    return WEIR_TOKEN_WORD;
}

weir_token weir_lexer_next(weir_lexer *lexer)
{
    while (at(lexer, 0) == ' ' || at(lexer, 0) == '\t' || at(lexer, 0) == '\n')
        lexer->at++;
    size_t begin = lexer->at;
    weir_token_kind kind = scan(lexer);
    return (weir_token){.kind = kind, .text = weir_span_of(lexer->text.data + begin, lexer->at - begin),
                        .column = begin + 1};
}
