#include "core/multiset.h"

#include "core/extreme.h"
#include "support/test_slab.h"
#include "weir/base/rng.h"

#include <criterion/criterion.h>

/* Counts in a plain array stand beside the set through growth, removal and return to empty. */
static void compare_with_array(uint64_t seed, uint64_t key_count, uint64_t key_stride)
{
    enum { KEY_MAX = 600 };
    weir_rng rng = {.state = seed};
    uint32_t counts[KEY_MAX] = {0}, distinct = 0;
    test_slab slab;
    test_slab_init(&slab, 0);
    weir_multiset set = {0};
    for (int i = 0; i < 20000; i++) {
        uint64_t k = weir_rng_below(&rng, key_count), key = k * key_stride + 1;
        bool adding = weir_rng_below(&rng, 100) < (i / 2500 % 2 ? 30u : 70u);
        if (adding) {
            cr_assert(weir_multiset_add(&set, &slab.slab, key));
            distinct += counts[k]++ == 0;
        } else if (counts[k] > 0) {
            weir_multiset_remove(&set, key);
            distinct -= --counts[k] == 0;
        }
        cr_assert_eq(set.distinct_count, distinct);
        uint64_t other = weir_rng_below(&rng, key_count);
        cr_assert_eq(weir_multiset_count(&set, other * key_stride + 1), counts[other]);
    }
    for (uint64_t k = 0; k < key_count; k++)
        cr_assert_eq(weir_multiset_count(&set, k * key_stride + 1), counts[k]);
    weir_multiset_clear(&set, &slab.slab);
    cr_assert_eq(slab.slab.used_size, 0);
    test_slab_free(&slab);
}

Test(multiset, equals_an_array_of_counts)
{
    compare_with_array(1, 3, 1);
    compare_with_array(2, 5, 1);
    compare_with_array(3, 40, 1);
    compare_with_array(4, 600, 1);
    compare_with_array(5, 600, UINT64_C(0x100000000)); /* keys alike in their low bits */
}

Test(multiset, a_reserved_place_needs_no_memory)
{
    test_slab slab;
    test_slab_init(&slab, 1);
    weir_multiset set = {0};
    uint64_t key = 1;
    while (weir_multiset_reserve(&set, &slab.slab)) {
        size_t used = slab.slab.used_size;
        cr_assert(weir_multiset_add(&set, &slab.slab, key++));
        cr_assert_eq(slab.slab.used_size, used);
    }
    cr_assert(!weir_multiset_add(&set, &slab.slab, key), "the table is at its load and cannot grow");
    cr_assert_eq(set.distinct_count, key - 1);
    for (uint64_t k = 1; k < key; k++)
        cr_assert_eq(weir_multiset_count(&set, k), 1);
    test_slab_free(&slab);
}

/* The candidates against a scan of everything pushed. */
Test(extreme, answers_like_a_scan_with_late_candidates)
{
    enum { COUNT = 3000, WINDOW = 100 };
    static weir_candidate all[COUNT];
    for (uint64_t seed = 0; seed < 6; seed++) {
        weir_rng rng = {.state = seed};
        test_slab slab;
        test_slab_init(&slab, 0);
        weir_extreme extreme = {0};
        int64_t now = 0;
        for (int i = 0; i < COUNT; i++) {
            bool late = weir_rng_below(&rng, 3) == 0;
            now += late ? 0 : (int64_t)weir_rng_below(&rng, 5);
            all[i] = (weir_candidate){.time_us = now - (late ? (int64_t)weir_rng_below(&rng, WINDOW - 1) : 0),
                                      .rank = (int64_t)weir_rng_below(&rng, 50) - (seed % 2 ? i : 0)};
            cr_assert(weir_extreme_reserve(&extreme, &slab.slab));
            if (late)
                weir_extreme_insert(&extreme, all[i]);
            else
                weir_extreme_push(&extreme, all[i]);
            weir_extreme_expire(&extreme, now - WINDOW);
            int64_t greatest = INT64_MIN;
            for (int k = 0; k <= i; k++)
                if (all[k].time_us > now - WINDOW && all[k].rank > greatest)
                    greatest = all[k].rank;
            cr_assert_gt(extreme.count, 0);
            cr_assert_eq(weir_extreme_rank(&extreme), greatest);
        }
        weir_extreme_clear(&extreme, &slab.slab);
        cr_assert_eq(slab.slab.used_size, 0);
        test_slab_free(&slab);
    }
}
