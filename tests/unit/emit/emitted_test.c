#include "weir/emit/emitted.h"

#include "weir/base/rng.h"

#include <criterion/criterion.h>

static void add(weir_emitted *it, weir_output output, int32_t partition, int64_t offset)
{
    cr_assert_eq(weir_emitted_add(it, output, partition, offset), WEIR_OK);
}

Test(emitted, a_zeroed_one_is_empty)
{
    weir_emitted it = {0};
    cr_expect_not(weir_emitted_has(&it, WEIR_OUTPUT_ALERTS, 0, 0));
    weir_emitted_clear(&it);
    cr_expect_not(weir_emitted_has(&it, WEIR_OUTPUT_ALERTS, 0, 0));
}

Test(emitted, output_partition_and_offset_all_count)
{
    weir_emitted it = {0};
    add(&it, WEIR_OUTPUT_SCORES, 3, 7);
    cr_expect(weir_emitted_has(&it, WEIR_OUTPUT_SCORES, 3, 7));
    cr_expect_not(weir_emitted_has(&it, WEIR_OUTPUT_ALERTS, 3, 7));
    cr_expect_not(weir_emitted_has(&it, WEIR_OUTPUT_SCORES, 2, 7));
    cr_expect_not(weir_emitted_has(&it, WEIR_OUTPUT_SCORES, 3, 8));
    weir_emitted_clear(&it);
}

Test(emitted, what_is_noted_twice_is_there_once)
{
    weir_emitted it = {0};
    for (int i = 0; i < 1000; i++)
        add(&it, WEIR_OUTPUT_ALERTS, 0, 0);
    cr_expect_eq(it.count, 1);
    cr_expect_lt(it.size, 1000);
    weir_emitted_clear(&it);
}

/* Offsets one after the other in a few partitions: what is read back in fact. */
Test(emitted, grows_and_keeps_everything)
{
    enum { PARTITIONS = 5, OFFSETS = 20000 };
    weir_emitted it = {0};
    for (int64_t offset = 0; offset < OFFSETS; offset++)
        add(&it, offset % 3 ? WEIR_OUTPUT_SCORES : WEIR_OUTPUT_ALERTS, (int32_t)(offset % PARTITIONS), offset);
    cr_expect_eq(it.count, OFFSETS);
    cr_expect_gt(it.size, it.count, "a search ends at a free place");
    for (int64_t offset = 0; offset < OFFSETS; offset++)
        for (int32_t partition = 0; partition < PARTITIONS; partition++)
            for (int output = 0; output < WEIR_OUTPUT_COUNT; output++)
                cr_assert_eq(weir_emitted_has(&it, (weir_output)output, partition, offset),
                             partition == offset % PARTITIONS &&
                                 output == (offset % 3 ? WEIR_OUTPUT_SCORES : WEIR_OUTPUT_ALERTS));
    weir_emitted_clear(&it);
    cr_expect_eq(it.count, 0);
    cr_expect_null(it.entries);
    cr_expect_not(weir_emitted_has(&it, WEIR_OUTPUT_SCORES, 1, 1));
    add(&it, WEIR_OUTPUT_SCORES, 1, 1);
    cr_expect_eq(it.count, 1, "and it can be used again");
    weir_emitted_clear(&it);
}

/* ---- against a list that is searched from its start ---- */

enum { LIST_MAX = 4000 };

typedef struct place {
    weir_output output;
    int32_t partition;
    int64_t offset;
} place;

static place list[LIST_MAX];
static size_t list_count;

static bool list_has(const place *it)
{
    for (size_t i = 0; i < list_count; i++)
        if (list[i].output == it->output && list[i].partition == it->partition && list[i].offset == it->offset)
            return true;
    return false;
}

static place draw(weir_rng *rng)
{
    static const int64_t FAR[] = {0, INT64_C(1) << 20, INT64_C(1) << 44, INT64_MAX - 100}; /* alike in the low bits */
    return (place){.output = (weir_output)weir_rng_below(rng, 2),
                   .partition = (int32_t)weir_rng_below(rng, 3) * 1000,
                   .offset = FAR[weir_rng_below(rng, 4)] + (int64_t)weir_rng_below(rng, 100)};
}

Test(emitted, answers_as_a_list_does)
{
    for (uint64_t seed = 1; seed < 6; seed++) {
        weir_emitted it = {0};
        weir_rng rng = {.state = seed};
        size_t there = 0, asked = 0;
        list_count = 0;
        while (asked++ < 6000) {
            place at = draw(&rng);
            bool known = list_has(&at);
            cr_assert_eq(weir_emitted_has(&it, at.output, at.partition, at.offset), known);
            there += known;
            if (weir_rng_below(&rng, 3) || list_count == LIST_MAX)
                continue;
            add(&it, at.output, at.partition, at.offset);
            if (!known)
                list[list_count++] = at;
            cr_assert_eq(it.count, list_count);
        }
        cr_expect_gt(there, 1000);
        cr_expect_lt(there, 5000);
        weir_emitted_clear(&it);
    }
}
