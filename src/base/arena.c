#include "weir/base/arena.h"

#include "weir/base/check.h"

enum { ARENA_ALIGNMENT = 16 };

void weir_arena_init(weir_arena *arena, void *memory, size_t size)
{
    weir_check(((uintptr_t)memory & (ARENA_ALIGNMENT - 1)) == 0);
    *arena = (weir_arena){.base = memory, .size = size};
}

void *weir_arena_take(weir_arena *arena, size_t size)
{
    size_t rounded = (size + ARENA_ALIGNMENT - 1) & ~(size_t)(ARENA_ALIGNMENT - 1);
    if (rounded < size || rounded > arena->size - arena->used)
        return NULL;
    void *taken = arena->base + arena->used;
    arena->used += rounded;
    return memset(taken, 0, rounded);
}

char *weir_arena_copy_text(weir_arena *arena, weir_span text)
{
    char *copy = weir_arena_take(arena, text.size + 1);
    if (copy && text.size)
        memcpy(copy, text.data, text.size);
    return copy;
}

void weir_arena_reset(weir_arena *arena)
{
    arena->used = 0;
}
