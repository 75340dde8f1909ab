/* A bump allocator over memory the caller brought: everything in it lives and
 * dies together (a compiled plan, one batch, one call). No heap underneath. */
#ifndef WEIR_BASE_ARENA_H
#define WEIR_BASE_ARENA_H

#include "weir/base/span.h"

typedef struct weir_arena {
    uint8_t *base;
    size_t size;
    size_t used;
} weir_arena;

/* Begins an arena over `size` bytes at `memory`, which stays the caller's. */
void weir_arena_init(weir_arena *arena, void *memory, size_t size);

/* `size` zeroed bytes aligned to 16, or NULL when the arena is full. */
void *weir_arena_take(weir_arena *arena, size_t size);

/* A NUL-terminated copy of `text`, or NULL when the arena is full. */
char *weir_arena_copy_text(weir_arena *arena, weir_span text);

/* Forgets everything taken since init. */
void weir_arena_reset(weir_arena *arena);

#endif
