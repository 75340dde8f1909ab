#include "weir/base/arena.h"

#include <criterion/criterion.h>

static uint8_t memory[1024] __attribute__((aligned(16)));

Test(arena, what_is_taken_is_aligned_zeroed_and_apart)
{
    memset(memory, 0xff, sizeof memory);
    weir_arena arena;
    weir_arena_init(&arena, memory, sizeof memory);
    uint8_t *last_end = memory;
    for (size_t size = 1; size < 30; size++) {
        uint8_t *taken = weir_arena_take(&arena, size);
        cr_assert_not_null(taken);
        cr_expect_eq((uintptr_t)taken % 16, 0);
        cr_expect(taken >= last_end);
        for (size_t i = 0; i < size; i++)
            cr_expect_eq(taken[i], 0);
        memset(taken, 0xee, size);
        last_end = taken + size;
    }
}

Test(arena, a_full_arena_gives_nothing_and_stays_usable)
{
    weir_arena arena;
    weir_arena_init(&arena, memory, 64);
    cr_expect_null(weir_arena_take(&arena, 65));
    cr_expect_null(weir_arena_take(&arena, SIZE_MAX));
    cr_expect_null(weir_arena_take(&arena, SIZE_MAX - 15));
    cr_expect_not_null(weir_arena_take(&arena, 64));
    cr_expect_null(weir_arena_take(&arena, 1));
    weir_arena_reset(&arena);
    cr_expect_eq(weir_arena_take(&arena, 1), memory);
}

Test(arena, copied_text_ends_in_nul)
{
    weir_arena arena;
    weir_arena_init(&arena, memory, 32);
    memset(memory, 'x', sizeof memory);
    char *copy = weir_arena_copy_text(&arena, weir_span_of("abcdef", 3));
    cr_assert_not_null(copy);
    cr_expect_str_eq(copy, "abc");
    cr_expect_str_eq(weir_arena_copy_text(&arena, (weir_span){0}), "");
    cr_expect_null(weir_arena_copy_text(&arena, weir_span_text("no room left")));
}
