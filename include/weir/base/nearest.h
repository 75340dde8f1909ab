/* "Did you mean": the known name closest to a word nobody knows.
 *
 *     weir_nearest nearest = weir_nearest_of("topics.alert");
 *     for each row: weir_nearest_offer(&nearest, row->name);
 *     const char *name = weir_nearest_found(&nearest);   // "topics.alerts", or NULL
 *
 * Names are compared by optimal string alignment: insertions, deletions, substitutions and swaps of neighbours
 * count one each. Source: Damerau, "A technique for computer detection and correction of spelling errors", 1964.
 */
#ifndef WEIR_BASE_NEAREST_H
#define WEIR_BASE_NEAREST_H

#include <stddef.h>

typedef struct weir_nearest {
    const char *word;
    const char *best;  /* borrowed from the offer; NULL before the first */
    unsigned distance; /* of `best` */
} weir_nearest;

/* Begins a search for `word`, which is borrowed. */
weir_nearest weir_nearest_of(const char *word);

/* Considers one name; the first of equals stays. Cost: the product of the two lengths. */
void weir_nearest_offer(weir_nearest *nearest, const char *name);

/* The best name offered if it is near enough to be worth suggesting (a third of its length, at least one and at most
 * three edits), or NULL. */
const char *weir_nearest_found(const weir_nearest *nearest);

/* Edits between two words; only the first 64 bytes of each are looked at. */
unsigned weir_nearest_distance(const char *a, const char *b);

#endif
