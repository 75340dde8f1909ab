#include "weir/app/seen.h"

#include "weir/base/rng.h"

#include <criterion/criterion.h>
#include <inttypes.h>

enum { SEQUENCES = 6000 };

Test(seen, in_order_everything_is_news_once)
{
    weir_seen it = weir_seen_none();
    for (int64_t sequence = 0; sequence < 1000; sequence++) {
        cr_assert(weir_seen_add(&it, sequence));
        cr_assert_not(weir_seen_add(&it, sequence));
        cr_assert_eq(it.highest, sequence);
    }
    for (int64_t sequence = 0; sequence < 1000; sequence++)
        cr_assert_not(weir_seen_add(&it, sequence), "%" PRId64, sequence);
}

Test(seen, what_was_overtaken_is_news_as_far_as_the_window)
{
    weir_seen it = weir_seen_none();
    cr_expect(weir_seen_add(&it, 1000));
    cr_expect(weir_seen_add(&it, 1000 - WEIR_SEEN_WINDOW + 1));
    cr_expect_not(weir_seen_add(&it, 1000 - WEIR_SEEN_WINDOW), "who is that far behind counts as seen");
    cr_expect(weir_seen_add(&it, 999));
    cr_expect_not(weir_seen_add(&it, 999));
    cr_expect_eq(it.highest, 1000);
}

Test(seen, a_leap_forgets_what_is_below_the_window_and_nothing_else)
{
    for (int64_t leap = 1; leap < 3 * WEIR_SEEN_WINDOW; leap++) {
        weir_seen it = weir_seen_none();
        for (int64_t sequence = 500; sequence < 800; sequence += 2)
            cr_assert(weir_seen_add(&it, sequence));
        int64_t top = 798 + leap;
        cr_assert(weir_seen_add(&it, top));
        for (int64_t sequence = 500; sequence <= top; sequence++) {
            bool was_seen = sequence == top || (sequence <= 798 && sequence % 2 == 0);
            weir_seen copy = it;
            cr_assert_eq(weir_seen_add(&copy, sequence), !was_seen && sequence > top - WEIR_SEEN_WINDOW,
                         "%" PRId64 " after a leap to %" PRId64, sequence, top);
        }
    }
}

/* A sender that runs ahead by less than the window, with redeliveries: against one flag a sequence. */
Test(seen, answers_as_flags_do)
{
    for (uint64_t seed = 1; seed < 6; seed++) {
        static bool flags[SEQUENCES];
        memset(flags, 0, sizeof flags);
        weir_seen it = weir_seen_none();
        weir_rng rng = {.state = seed};
        int64_t oldest = 0; /* not yet sent */
        size_t news = 0, again = 0;
        while (oldest < SEQUENCES - WEIR_SEEN_WINDOW) {
            int64_t sequence = oldest + (int64_t)weir_rng_below(&rng, weir_rng_below(&rng, 4) ? 3 : WEIR_SEEN_WINDOW);
            if (weir_rng_below(&rng, 5) == 0 && oldest > 0)
                sequence = (int64_t)weir_rng_below(&rng, (uint64_t)oldest);
            cr_assert_eq(weir_seen_add(&it, sequence), !flags[sequence], "%" PRId64, sequence);
            news += !flags[sequence];
            again += flags[sequence];
            flags[sequence] = true;
            while (flags[oldest])
                oldest++;
        }
        cr_expect_gt(news, 4000);
        cr_expect_gt(again, 500);
    }
}

Test(seen, comes_back_from_its_bytes)
{
    uint8_t memory[128];
    weir_rng rng = {.state = 3};
    weir_seen it = weir_seen_none();
    for (int round = 0; round < 300; round++) {
        weir_seen back;
        weir_writer writer = weir_writer_of(memory, sizeof memory);
        weir_seen_write(&writer, &it);
        cr_assert_not(writer.failed);
        weir_reader reader = weir_reader_of(weir_span_of(memory, writer.used));
        weir_seen_read(&reader, &back);
        cr_assert(!reader.failed && weir_reader_left(&reader) == 0);
        cr_assert_eq(memcmp(&it, &back, sizeof it), 0);
        for (size_t size = 0; size < writer.used; size++) {
            reader = weir_reader_of(weir_span_of(memory, size));
            weir_seen_read(&reader, &back);
            cr_assert(reader.failed, "%zu of %zu bytes", size, writer.used);
        }
        weir_seen_add(&it, it.highest + 1 - (int64_t)weir_rng_below(&rng, 100) + (int64_t)weir_rng_below(&rng, 200));
    }
    weir_writer writer = weir_writer_of(memory, sizeof memory);
    it = weir_seen_none();
    weir_seen_write(&writer, &it);
    cr_expect_eq(writer.used, 1, "of nothing it takes a byte");
}
