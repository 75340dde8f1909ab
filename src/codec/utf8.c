#include "utf8.h"

/* Table 3-7 of the Unicode standard: what may follow a lead byte. */
typedef struct lead {
    uint8_t first, last;             /* lead bytes of this row */
    uint8_t size;                    /* of the whole character */
    uint8_t second_low, second_high; /* the second byte; the others are 80..bf */
} lead;

static const lead LEADS[] = {
    {0x01, 0x7f, 1, 0, 0},       {0xc2, 0xdf, 2, 0x80, 0xbf}, {0xe0, 0xe0, 3, 0xa0, 0xbf}, {0xe1, 0xec, 3, 0x80, 0xbf},
    {0xed, 0xed, 3, 0x80, 0x9f}, {0xee, 0xef, 3, 0x80, 0xbf}, {0xf0, 0xf0, 4, 0x90, 0xbf}, {0xf1, 0xf3, 4, 0x80, 0xbf},
    {0xf4, 0xf4, 4, 0x80, 0x8f},
};

static bool follows(const lead *row, weir_span text)
{
    if (text.size < row->size)
        return false;
    if (row->size > 1 && (text.data[1] < row->second_low || text.data[1] > row->second_high))
        return false;
    for (size_t i = 2; i < row->size; i++)
        if ((text.data[i] & 0xc0) != 0x80)
            return false;
    return true;
}

size_t weir_utf8_character(weir_span text)
{
    for (size_t i = 0; text.size > 0 && i < sizeof LEADS / sizeof *LEADS; i++)
        if (text.data[0] >= LEADS[i].first && text.data[0] <= LEADS[i].last)
            return follows(&LEADS[i], text) ? LEADS[i].size : 0;
    return 0;
}

bool weir_utf8_is_text_slow(weir_span text)
{
    size_t size = 0;
    for (size_t at = 0; at < text.size; at += size) {
        size = weir_utf8_character(weir_span_of(text.data + at, text.size - at));
        if (size == 0)
            return false;
    }
    return true;
}
