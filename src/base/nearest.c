#include "weir/base/nearest.h"

#include <limits.h>
#include <string.h>

enum { WORD_MAX = 64, DISTANCE_MAX = 3 };

weir_nearest weir_nearest_of(const char *word)
{
    return (weir_nearest){.word = word, .distance = UINT_MAX};
}

void weir_nearest_offer(weir_nearest *nearest, const char *name)
{
    unsigned distance = weir_nearest_distance(nearest->word, name);
    if (distance >= nearest->distance)
        return;
    nearest->distance = distance;
    nearest->best = name;
}

const char *weir_nearest_found(const weir_nearest *nearest)
{
    if (!nearest->best)
        return NULL;
    size_t allowed = strlen(nearest->best) / 3;
    allowed = allowed < 1 ? 1 : allowed > DISTANCE_MAX ? DISTANCE_MAX : allowed;
    return nearest->distance <= allowed ? nearest->best : NULL;
}

static unsigned least(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

unsigned weir_nearest_distance(const char *a, const char *b)
{
    size_t a_size = strnlen(a, WORD_MAX);
    size_t b_size = strnlen(b, WORD_MAX);
    /* Three rows of the table of distances between prefixes: the one being filled and the two above it. */
    unsigned rows[3][WORD_MAX + 1];
    for (size_t j = 0; j <= b_size; j++)
        rows[0][j] = (unsigned)j;
    for (size_t i = 1; i <= a_size; i++) {
        unsigned *now = rows[i % 3];
        const unsigned *above = rows[(i + 2) % 3];
        const unsigned *above_that = rows[(i + 1) % 3];
        now[0] = (unsigned)i;
        for (size_t j = 1; j <= b_size; j++) {
            now[j] = least(above[j - 1] + (a[i - 1] != b[j - 1]), least(above[j], now[j - 1]) + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                now[j] = least(now[j], above_that[j - 2] + 1);
        }
    }
    return rows[a_size % 3][b_size];
}
