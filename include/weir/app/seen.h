/* What of a source has been seen already, where it comes nearly in order: the highest sequence, and which of those
 * right below it. What is further below than the window counts as seen: a sender never goes further ahead than that
 * of something it still has to send. */
#ifndef WEIR_APP_SEEN_H
#define WEIR_APP_SEEN_H

#include "weir/base/cursor.h"

enum { WEIR_SEEN_WINDOW = 256, WEIR_SEEN_WORDS = WEIR_SEEN_WINDOW / 64 };

typedef struct weir_seen {
    int64_t highest;                /* -1: nothing */
    uint64_t bits[WEIR_SEEN_WORDS]; /* by sequence, modulo the window: those in (highest - window, highest] */
} weir_seen;

/* Nothing seen. */
static inline weir_seen weir_seen_none(void)
{
    return (weir_seen){.highest = -1};
}

/* Notes a sequence (>= 0); true when it is news. */
bool weir_seen_add(weir_seen *seen, int64_t sequence);

/* As bytes, and back. Sticky failures of writer and reader. */
void weir_seen_write(weir_writer *writer, const weir_seen *seen);
void weir_seen_read(weir_reader *reader, weir_seen *seen_out);

#endif
