#include "pool.h"

#include <stdlib.h>

enum { ALIGNMENT = 16, BLOCK_SIZE_MIN = 16 << 10 };

typedef struct weir_pool_block {
    struct weir_pool_block *older;
    size_t size, used; /* of `bytes` */
    _Alignas(ALIGNMENT) uint8_t bytes[];
} weir_pool_block;

void weir_pool_init(weir_pool *pool, size_t limit_size)
{
    *pool = (weir_pool){.left_size = limit_size};
}

static weir_pool_block *grow(weir_pool *pool, size_t wanted)
{
    size_t size = wanted > BLOCK_SIZE_MIN ? wanted : BLOCK_SIZE_MIN;
    if (size > pool->left_size)
        return NULL;
    weir_pool_block *block = calloc(1, sizeof *block + size);
    if (!block)
        return NULL;
    block->size = size;
    block->older = pool->newest;
    pool->newest = block;
    pool->left_size -= size;
    return block;
}

void *weir_pool_take(weir_pool *pool, size_t count, size_t size)
{
    size_t wanted;
    if (__builtin_mul_overflow(count, size, &wanted) || wanted > pool->left_size + BLOCK_SIZE_MIN)
        return NULL;
    wanted = (wanted + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    weir_pool_block *block = pool->newest;
    if (!block || wanted > block->size - block->used)
        block = grow(pool, wanted);
    if (!block)
        return NULL;
    void *taken = block->bytes + block->used;
    block->used += wanted;
    return taken;
}

char *weir_pool_copy_text(weir_pool *pool, const char *text)
{
    size_t size = strlen(text) + 1;
    char *copy = weir_pool_take(pool, size, 1);
    return copy ? memcpy(copy, text, size) : NULL;
}

void weir_pool_deinit(weir_pool *pool)
{
    for (weir_pool_block *block = pool->newest; block;) {
        weir_pool_block *older = block->older;
        free(block);
        block = older;
    }
    *pool = (weir_pool){0};
}
