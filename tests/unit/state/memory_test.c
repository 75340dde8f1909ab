#include "weir/state/state.h"

#include <criterion/criterion.h>
#include <sys/mman.h>

enum { MIB = 1 << 20, PAGE_SIZE = 4096, BLOCK_SIZE = MIB };

static bool is_resident(void *block, size_t size)
{
    unsigned char pages[BLOCK_SIZE / PAGE_SIZE + 1];
    uintptr_t first = (uintptr_t)block / PAGE_SIZE * PAGE_SIZE;
    size_t count = ((uintptr_t)block + size - first + PAGE_SIZE - 1) / PAGE_SIZE;
    cr_assert_leq(count, sizeof pages);
    cr_assert_eq(mincore((void *)first, count * PAGE_SIZE, pages), 0);
    for (size_t i = 0; i < count; i++)
        if (!(pages[i] & 1))
            return false;
    return true;
}

Test(memory, what_was_prefaulted_is_there_before_it_is_written_to)
{
    weir_memory *memory;
    weir_error error;
    cr_assert_eq(weir_memory_open(32 * MIB, &memory, &error), WEIR_OK);
    cr_assert_eq(weir_memory_prefault(memory, &error), WEIR_OK, "%s", error.message);
    cr_expect_eq(weir_memory_used(memory), 0, "nothing is in use yet");
    for (int i = 0; i < 24; i++) {
        void *block = weir_slab_take(weir_memory_slab(memory), BLOCK_SIZE);
        cr_assert_not_null(block);
        cr_expect(is_resident(block, BLOCK_SIZE), "block %d", i);
    }
    weir_memory_close(memory);
}

Test(memory, what_was_not_comes_as_it_is_needed)
{
    weir_memory *memory;
    weir_error error;
    cr_assert_eq(weir_memory_open(64 * MIB, &memory, &error), WEIR_OK);
    void *block = weir_slab_take(weir_memory_slab(memory), 4 * MIB);
    cr_expect_not(is_resident((uint8_t *)block + 3 * MIB, BLOCK_SIZE));
    weir_memory_close(memory);
}

Test(memory, goes_on_beyond_what_was_prefaulted_as_far_as_without)
{
    weir_memory *memory;
    weir_error error;
    size_t taken = 0;
    cr_assert_eq(weir_memory_open(16 * MIB, &memory, &error), WEIR_OK);
    cr_assert_eq(weir_memory_prefault(memory, &error), WEIR_OK, "%s", error.message);
    while (weir_slab_take(weir_memory_slab(memory), BLOCK_SIZE))
        taken++;
    cr_expect(weir_memory_full(memory));
    cr_expect_geq(taken, 16);
    cr_expect_leq(taken, 20);
    weir_memory_close(memory);
}

Test(memory, more_than_the_machine_has_is_refused_in_words)
{
    weir_memory *memory;
    weir_error error;
    cr_assert_eq(weir_memory_open(UINT64_C(1) << 52, &memory, &error), WEIR_OK);
    cr_assert_eq(weir_memory_prefault(memory, &error), WEIR_FULL);
    cr_expect_not_null(strstr(error.message, "4503599627370496 bytes"), "%s", error.message);
    weir_memory_close(memory);
}
