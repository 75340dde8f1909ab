/* Blocks of memory in a few size classes, cut from large segments.
 *
 * The histories of millions of cards are made of small blocks that come and
 * go for weeks. A slab hands them out in O(1), takes them back by size (no
 * header per block), and counts what is in use, so that a memory bound can
 * be kept. It knows no heap: segments come from a `grow` callback.
 *
 * Size classes: multiples of 64 bytes up to 1 KiB, then four classes to a
 * doubling. Blocks are aligned to 64 bytes (one cache line).
 * Thread: one at a time per slab.
 */
#ifndef WEIR_BASE_SLAB_H
#define WEIR_BASE_SLAB_H

#include <stddef.h>
#include <stdint.h>

enum { WEIR_SLAB_CLASS_COUNT = 120, WEIR_SLAB_SEGMENT_SIZE = 1 << 20 };

/* Gives `size` bytes aligned to 64 that stay valid until the slab's owner frees them all,
 * or NULL when the system has none left. */
typedef void *(*weir_slab_grow)(void *owner, size_t size);

typedef struct weir_slab {
    weir_slab_grow grow;
    void *owner;
    uint8_t *segment; /* the rest of the segment being cut */
    size_t segment_left;
    size_t reserved_size; /* bytes obtained through grow */
    size_t used_size;     /* bytes in blocks handed out, rounded to their class */
    void *free_heads[WEIR_SLAB_CLASS_COUNT];
} weir_slab;

/* Begins an empty slab. Owns nothing; `grow` is called from the thread that takes. */
void weir_slab_init(weir_slab *slab, weir_slab_grow grow, void *owner);

/* A block of at least `size` bytes (contents undefined); size > 0.
 * Fails: returns NULL when `grow` does. */
void *weir_slab_take(weir_slab *slab, size_t size);

/* Gives a block back; `size` is the one it was taken with. NULL is allowed. */
void weir_slab_give(weir_slab *slab, void *block, size_t size);

/* The bytes a block of `size` really occupies. */
size_t weir_slab_block_size(size_t size);

#endif
