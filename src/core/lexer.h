/* The words of a feature's name. */
#ifndef WEIR_SRC_CORE_LEXER_H
#define WEIR_SRC_CORE_LEXER_H

#include "weir/base/span.h"

typedef enum weir_token_kind {
    WEIR_TOKEN_END,
    WEIR_TOKEN_WORD,     /* amount, US */
    WEIR_TOKEN_NUMBER,   /* 12, 0.5, 1e-3 */
    WEIR_TOKEN_DURATION, /* 24h */
    WEIR_TOKEN_SYMBOL,   /* ( ) , . : + - * / < <= > >= == != */
    WEIR_TOKEN_UNKNOWN   /* one byte of anything else */
} weir_token_kind;

typedef struct weir_token {
    weir_token_kind kind;
    weir_span text;
    size_t column; /* from 1, in bytes */
} weir_token;

typedef struct weir_lexer {
    weir_span text;
    size_t at;
} weir_lexer;

/* The next word; at the end WEIR_TOKEN_END again and again. */
weir_token weir_lexer_next(weir_lexer *lexer);

#endif
