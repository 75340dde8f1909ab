#include "support/test_slab.h"

#include <stdlib.h>

static void *grow(void *owner, size_t size)
{
    test_slab *slab = owner;
    size_t limit = slab->segment_max ? slab->segment_max : sizeof slab->segments / sizeof *slab->segments;
    if (slab->segment_count >= limit)
        return NULL;
    void *segment = aligned_alloc(64, (size + 63) / 64 * 64);
    if (segment)
        slab->segments[slab->segment_count++] = segment;
    return segment;
}

void test_slab_init(test_slab *slab, size_t segment_max)
{
    slab->segment_count = 0;
    slab->segment_max = segment_max;
    weir_slab_init(&slab->slab, grow, slab);
}

void test_slab_free(test_slab *slab)
{
    for (size_t i = 0; i < slab->segment_count; i++)
        free(slab->segments[i]);
    slab->segment_count = 0;
}
