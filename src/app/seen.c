#include "weir/app/seen.h"

static uint64_t *word_of(weir_seen *seen, int64_t sequence)
{
    return &seen->bits[(uint64_t)sequence % WEIR_SEEN_WINDOW / 64];
}

static uint64_t bit_of(int64_t sequence)
{
    return UINT64_C(1) << ((uint64_t)sequence % 64);
}

bool weir_seen_add(weir_seen *seen, int64_t sequence)
{
    if (sequence <= seen->highest - WEIR_SEEN_WINDOW)
        return false;
    if (sequence <= seen->highest && (*word_of(seen, sequence) & bit_of(sequence)))
        return false;
    int64_t ahead = sequence - seen->highest;
    for (int64_t i = 1; i <= ahead && i <= WEIR_SEEN_WINDOW; i++) /* places that change their meaning */
        *word_of(seen, sequence - ahead + i) &= ~bit_of(sequence - ahead + i);
    if (ahead > WEIR_SEEN_WINDOW)
        *seen = weir_seen_none();
    *word_of(seen, sequence) |= bit_of(sequence);
    seen->highest = sequence > seen->highest ? sequence : seen->highest;
    return true;
}

void weir_seen_write(weir_writer *writer, const weir_seen *seen)
{
    weir_write_varint(writer, (uint64_t)(seen->highest + 1));
    for (size_t i = 0; i < WEIR_SEEN_WORDS && seen->highest >= 0; i++)
        weir_write_fixed(writer, seen->bits[i], 8);
}

void weir_seen_read(weir_reader *reader, weir_seen *seen_out)
{
    *seen_out = weir_seen_none();
    seen_out->highest = (int64_t)weir_read_varint(reader) - 1;
    for (size_t i = 0; i < WEIR_SEEN_WORDS && seen_out->highest >= 0; i++)
        seen_out->bits[i] = weir_read_fixed(reader, 8);
}
