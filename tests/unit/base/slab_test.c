#include "weir/base/slab.h"

#include "weir/base/rng.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

enum { SEGMENT_MAX = 64 };

/* Grows from the heap up to a limit, and frees it all at the end. */
typedef struct heap {
    void *segments[SEGMENT_MAX];
    size_t count, limit;
} heap;

static void *grow(void *owner, size_t size)
{
    heap *from = owner;
    if (from->count == from->limit)
        return NULL;
    return from->segments[from->count++] = aligned_alloc(64, size);
}

static void release(heap *from)
{
    for (size_t i = 0; i < from->count; i++)
        free(from->segments[i]);
}

Test(slab, a_block_is_as_large_as_asked_and_wastes_at_most_a_quarter)
{
    size_t last = 0;
    for (size_t size = 1; size < 5u << 20; size += size < 70000 ? 1 : 997) {
        size_t block = weir_slab_block_size(size);
        cr_assert(block >= size && block % 64 == 0, "%zu", size);
        cr_assert(block >= last);
        cr_assert(size <= 1024 ? block - size < 64 : 4 * (block - size) < size + 4, "%zu takes %zu", size, block);
        cr_assert_eq(weir_slab_block_size(block), block);
        last = block;
    }
}

typedef struct block {
    uint8_t *bytes;
    size_t size;
    uint8_t mark;
} block;

static void check_marks(const block *taken)
{
    for (size_t i = 0; i < taken->size; i++)
        cr_assert_eq(taken->bytes[i], taken->mark);
}

/* Blocks come and go at random; each is filled with a mark that must still be there when it goes. */
Test(slab, blocks_never_overlap_and_are_counted)
{
    enum { BLOCKS = 300, ROUNDS = 60000 };
    static block blocks[BLOCKS];
    heap from = {.limit = SEGMENT_MAX};
    weir_slab slab;
    weir_slab_init(&slab, grow, &from);
    weir_rng rng = {.state = 6};
    size_t used = 0;
    for (int i = 0; i < ROUNDS; i++) {
        block *at = &blocks[weir_rng_below(&rng, BLOCKS)];
        if (at->bytes) {
            check_marks(at);
            weir_slab_give(&slab, at->bytes, at->size);
            used -= weir_slab_block_size(at->size);
        }
        at->size = 1 + weir_rng_below(&rng, UINT64_C(1) << weir_rng_below(&rng, 17));
        at->mark = (uint8_t)i;
        at->bytes = weir_slab_take(&slab, at->size);
        cr_assert_not_null(at->bytes);
        cr_assert_eq((uintptr_t)at->bytes % 64, 0);
        memset(at->bytes, at->mark, at->size);
        used += weir_slab_block_size(at->size);
        cr_assert_eq(slab.used_size, used);
        cr_assert(slab.used_size <= slab.reserved_size);
    }
    for (size_t i = 0; i < BLOCKS; i++) {
        check_marks(&blocks[i]);
        weir_slab_give(&slab, blocks[i].bytes, blocks[i].size);
    }
    cr_expect_eq(slab.used_size, 0);
    release(&from);
}

Test(slab, a_block_given_back_is_taken_again)
{
    heap from = {.limit = 1};
    weir_slab slab;
    weir_slab_init(&slab, grow, &from);
    void *first = weir_slab_take(&slab, 700);
    weir_slab_give(&slab, first, 700);
    cr_expect_eq(weir_slab_take(&slab, 650), first, "700 and 650 are one class");
    for (int i = 0; i < 100000; i++) {
        void *again = weir_slab_take(&slab, 5000);
        cr_assert_not_null(again);
        weir_slab_give(&slab, again, 5000);
    }
    cr_expect_eq(from.count, 1);
    release(&from);
}

Test(slab, the_rest_of_a_segment_is_not_lost)
{
    heap from = {.limit = 2};
    weir_slab slab;
    weir_slab_init(&slab, grow, &from);
    size_t half = WEIR_SLAB_SEGMENT_SIZE / 2;
    cr_assert_not_null(weir_slab_take(&slab, half + 64));
    cr_assert_not_null(weir_slab_take(&slab, half + 64)); /* does not fit: the second segment */
    cr_assert_eq(from.count, 2);
    size_t taken = 0;
    while (weir_slab_take(&slab, 64))
        taken++;
    /* Both rests are used up, but for what larger classes keep: the first segment's was cut into them. */
    size_t rest = slab.reserved_size - slab.used_size;
    cr_expect(taken * 64 >= half / 2, "%zu bytes were found", taken * 64);
    while (rest >= 64 && weir_slab_take(&slab, rest) == NULL)
        rest -= 64;
    cr_expect_neq(rest, 0);
    release(&from);
}

Test(slab, no_memory_is_an_answer_not_an_accident)
{
    heap from = {.limit = 1};
    weir_slab slab;
    weir_slab_init(&slab, grow, &from);
    size_t count = 0;
    while (weir_slab_take(&slab, 4096))
        count++;
    cr_expect_eq(count, WEIR_SLAB_SEGMENT_SIZE / 4096);
    cr_expect_eq(slab.used_size, count * 4096);
    cr_expect_null(weir_slab_take(&slab, 4096));
    weir_slab_give(&slab, NULL, 4096);
    cr_expect_eq(slab.used_size, count * 4096);
    release(&from);
}

Test(slab, a_block_larger_than_a_segment_gets_its_own)
{
    heap from = {.limit = 2};
    weir_slab slab;
    weir_slab_init(&slab, grow, &from);
    size_t size = 5 * (size_t)WEIR_SLAB_SEGMENT_SIZE;
    uint8_t *large = weir_slab_take(&slab, size);
    cr_assert_not_null(large);
    memset(large, 1, size);
    weir_slab_give(&slab, large, size);
    cr_expect_eq(weir_slab_take(&slab, size), large);
    cr_expect_eq(from.count, 1);
    release(&from);
}
