/* Whether a text field is text: well-formed UTF-8 without NUL, ASCII checked eight bytes at a time. */
#ifndef WEIR_CODEC_UTF8_H
#define WEIR_CODEC_UTF8_H

#include "weir/base/span.h"

/* The rest of weir_utf8_is_text, for text that is not plain ASCII. */
bool weir_utf8_is_text_slow(weir_span text);

/* Nonzero when one of the eight bytes is NUL or not ASCII. Source: Mycroft's zero-byte test; a byte that
 * is flagged falsely is one the exact check below clears. */
static inline uint64_t weir_utf8_suspects(const uint8_t *at)
{
    uint64_t word;
    memcpy(&word, at, sizeof word);
    return (word | (word - 0x0101010101010101)) & 0x8080808080808080;
}

/* Whether every byte belongs to a well-formed character and none is NUL. Empty text is text. */
static inline bool weir_utf8_is_text(weir_span text)
{
    uint64_t suspects = 0;
    if (text.size >= 8) {
        suspects = weir_utf8_suspects(text.data + text.size - 8);
        for (size_t at = 0; at + 8 < text.size; at += 8)
            suspects |= weir_utf8_suspects(text.data + at);
    } else {
        for (size_t at = 0; at < text.size; at++)
            suspects |= (text.data[at] | (text.data[at] - 1u)) & 0x80;
    }
    return suspects == 0 || weir_utf8_is_text_slow(text);
}

#endif
