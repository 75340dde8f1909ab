#include "weir/base/slab.h"

#include "weir/base/check.h"

#include <string.h>

/* Classes 0..15 are 64, 128 .. 1024 bytes; above that, class 16 + 4k + j is
 * 1024 * 2^k * (5 + j) / 4: four steps to each doubling, at most 25 % waste. */
enum { LINE = 64, SMALL_CLASS_COUNT = 16, SMALL_MAX = LINE * SMALL_CLASS_COUNT, STEPS = 4 };

static unsigned class_of(size_t size)
{
    if (size <= SMALL_MAX)
        return (unsigned)((size + LINE - 1) / LINE) - 1;
    unsigned doubling = 63 - (unsigned)__builtin_clzll((size - 1) / SMALL_MAX);
    size_t base = (size_t)SMALL_MAX << doubling;
    size_t step = base / STEPS;
    unsigned j = (unsigned)((size - base + step - 1) / step) - 1;
    return SMALL_CLASS_COUNT + STEPS * doubling + j;
}

static size_t class_size(unsigned class)
{
    if (class < SMALL_CLASS_COUNT)
        return (size_t)(class + 1) * LINE;
    unsigned above = class - SMALL_CLASS_COUNT;
    return ((size_t)SMALL_MAX << (above / STEPS)) / STEPS * (STEPS + 1 + above % STEPS);
}

void weir_slab_init(weir_slab *slab, weir_slab_grow grow, void *owner)
{
    *slab = (weir_slab){.grow = grow, .owner = owner};
}

size_t weir_slab_block_size(size_t size)
{
    weir_check(size > 0);
    return class_size(class_of(size));
}

/* The tail of a segment that is too small for the block asked for is cut into free blocks
 * of the largest classes that fit, so nothing is stranded. */
static void recycle_rest(weir_slab *slab)
{
    while (slab->segment_left >= LINE) {
        unsigned class = class_of(slab->segment_left);
        if (class_size(class) > slab->segment_left)
            class--;
        size_t size = class_size(class);
        memcpy(slab->segment, &slab->free_heads[class], sizeof(void *));
        slab->free_heads[class] = slab->segment;
        slab->segment += size;
        slab->segment_left -= size;
    }
}

static void *cut(weir_slab *slab, size_t block)
{
    if (block > slab->segment_left) {
        size_t segment = block > WEIR_SLAB_SEGMENT_SIZE ? block : WEIR_SLAB_SEGMENT_SIZE;
        uint8_t *fresh = slab->grow(slab->owner, segment);
        if (!fresh)
            return NULL;
        weir_check(((uintptr_t)fresh & (LINE - 1)) == 0);
        recycle_rest(slab);
        slab->segment = fresh;
        slab->segment_left = segment;
        slab->reserved_size += segment;
    }
    uint8_t *taken = slab->segment;
    slab->segment += block;
    slab->segment_left -= block;
    return taken;
}

void *weir_slab_take(weir_slab *slab, size_t size)
{
    weir_check(size > 0);
    unsigned class = class_of(size);
    weir_check(class < WEIR_SLAB_CLASS_COUNT);
    void *block = slab->free_heads[class];
    if (block)
        memcpy(&slab->free_heads[class], block, sizeof(void *));
    else if (!(block = cut(slab, class_size(class))))
        return NULL;
    slab->used_size += class_size(class);
    return block;
}

void weir_slab_give(weir_slab *slab, void *block, size_t size)
{
    if (!block)
        return;
    unsigned class = class_of(size);
    weir_check(slab->used_size >= class_size(class));
    memcpy(block, &slab->free_heads[class], sizeof(void *));
    slab->free_heads[class] = block;
    slab->used_size -= class_size(class);
}
