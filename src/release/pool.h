/* Heap memory that lives and dies together: everything one release owns, or everything folding one needs.
 * Like an arena, but it grows, up to a limit: a small file may describe a very large product. */
#ifndef WEIR_RELEASE_POOL_H
#define WEIR_RELEASE_POOL_H

#include "weir/base/span.h"

typedef struct weir_pool {
    struct weir_pool_block *newest;
    size_t left_size; /* bytes that may still be asked of the heap */
} weir_pool;

/* Begins an empty pool that will not hold more than `limit_size` bytes. */
void weir_pool_init(weir_pool *pool, size_t limit_size);

/* Zeroed memory for `count` elements of `size` bytes, aligned to 16; a count of 0 gives a valid pointer too.
 * Fails: returns NULL at the limit or when the heap is out. */
void *weir_pool_take(weir_pool *pool, size_t count, size_t size);

/* A NUL-terminated copy, or NULL. */
char *weir_pool_copy_text(weir_pool *pool, const char *text);

/* Frees everything. The pool is then empty and may be used again. */
void weir_pool_deinit(weir_pool *pool);

#endif
