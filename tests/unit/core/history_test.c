#include "core/history_edit.h"

#include "support/test_slab.h"
#include "weir/base/rng.h"
#include "weir/core/history.h"

#include <criterion/criterion.h>
#include <string.h>

static weir_event event_at(int64_t time_us, uint64_t transaction)
{
    return (weir_event){.time_us = time_us, .transaction = transaction, .amount_minor = time_us % 1000,
                        .label_delay_us = WEIR_LABEL_NONE};
}

static void append(weir_history *history, test_slab *slab, int64_t time_us)
{
    weir_event event = event_at(time_us, (uint64_t)time_us + 1);
    cr_assert(weir_history_append(history, &slab->slab, &event));
}

Test(history, an_empty_one_is_zeroed_and_has_no_events)
{
    weir_history history = {0};
    weir_history_cursor cursor = weir_history_begin(&history);
    cr_assert_null(cursor.chunk);
    cr_assert_null(weir_history_next(&cursor));
}

Test(history, appended_events_come_back_in_order)
{
    test_slab slab;
    test_slab_init(&slab, 0);
    weir_history history = {0};
    for (int64_t i = 0; i < 1000; i++)
        append(&history, &slab, i / 2);
    cr_assert_eq(history.event_count, 1000);
    cr_assert_eq(history.newest_time_us, 499);
    weir_history_cursor cursor = weir_history_begin(&history);
    for (int64_t i = 0; i < 1000; i++)
        cr_assert_eq(weir_history_next(&cursor)->time_us, i / 2);
    cr_assert_null(weir_history_next(&cursor));
    cr_assert_null(weir_history_next(&cursor));
    weir_history_clear(&history, &slab.slab);
    cr_assert_eq(slab.slab.used_size, 0);
    test_slab_free(&slab);
}

Test(history, chunks_are_named_once_and_marked_when_they_change)
{
    test_slab slab;
    test_slab_init(&slab, 0);
    weir_history history = {0};
    for (int64_t i = 0; i < 40; i++)
        append(&history, &slab, i);
    uint32_t id = 0;
    for (weir_chunk *chunk = history.first; chunk; chunk = chunk->next) {
        cr_assert_eq(chunk->id, id++);
        cr_assert(chunk->dirty && !chunk->stored);
        chunk->dirty = false;
    }
    append(&history, &slab, 40);
    cr_assert(history.last->dirty && !history.last->previous->dirty);
    weir_history_drop_oldest(&history, &slab.slab, 3);
    cr_assert(history.first->dirty);
    cr_assert_eq(history.first->begin, 3);
    weir_history_drop_oldest(&history, &slab.slab, 5);
    cr_assert_eq(history.first->id, 1);
    cr_assert(!history.first->dirty);
    cr_assert_eq(history.next_chunk_id, 6);
    weir_history_clear(&history, &slab.slab);
    test_slab_free(&slab);
}

/* Each labelled event comes exactly once, beside others of its chunk; and each chunk that is marked is on the list. */
static void check_labelled(const weir_history *history, const weir_event *expected, size_t count)
{
    size_t marked = 0, listed = 0, labelled = 0, found = 0;
    for (const weir_chunk *chunk = history->first; chunk; chunk = chunk->next)
        marked += chunk->labelled;
    const weir_chunk *before = NULL;
    for (const weir_chunk *chunk = history->labelled; chunk; before = chunk, chunk = chunk->labelled_next, listed++)
        cr_assert(chunk->labelled && chunk->labelled_previous == before);
    cr_assert_eq(marked, listed);
    for (size_t i = 0; i < count; i++)
        labelled += expected[i].label_delay_us != WEIR_LABEL_NONE;
    weir_history_cursor cursor = weir_history_begin_labelled(history);
    for (const weir_event *event; (event = weir_history_next_labelled(&cursor));)
        found += event->label_delay_us != WEIR_LABEL_NONE;
    cr_assert_eq(found, labelled);
    cr_assert_null(weir_history_next_labelled(&cursor));
}

/* A plain array beside it; every insertion place and every split. */
Test(history, insertions_anywhere_keep_order_and_lose_nothing)
{
    enum { COUNT = 400 };
    for (uint64_t seed = 0; seed < 20; seed++) {
        weir_rng rng = {.state = seed};
        test_slab slab;
        test_slab_init(&slab, 0);
        weir_history history = {0};
        weir_event expected[COUNT];
        size_t count = 0;
        for (uint64_t i = 0; i < COUNT; i++) {
            weir_event event = event_at((int64_t)weir_rng_below(&rng, 200), i + 1);
            if (weir_rng_below(&rng, 20) == 0)
                event.label_delay_us = weir_rng_below(&rng, 100);
            size_t at = count++;
            for (; at > 0 && expected[at - 1].time_us > event.time_us; at--)
                expected[at] = expected[at - 1];
            expected[at] = event;
            weir_history_cursor place = weir_history_begin(&history);
            for (size_t skip = 0; skip < at; skip++)
                weir_history_next(&place);
            weir_history_settle(&place);
            weir_history_insertion insertion;
            cr_assert(weir_history_insert(&history, &slab.slab, place, &event, &insertion));
            cr_assert_eq(insertion.place.chunk->events[insertion.place.index].transaction, i + 1);
            cr_assert(insertion.place.chunk->dirty);
            if (weir_rng_below(&rng, 4) == 0) {
                uint32_t dropped = (uint32_t)weir_rng_below(&rng, 3);
                dropped = dropped > count ? (uint32_t)count : dropped;
                weir_history_drop_oldest(&history, &slab.slab, dropped);
                count -= dropped;
                memmove(expected, expected + dropped, count * sizeof *expected);
            }
            weir_history_cursor cursor = weir_history_begin(&history);
            for (size_t k = 0; k < count; k++)
                cr_assert_eq(weir_history_next(&cursor)->transaction, expected[k].transaction);
            cr_assert_null(weir_history_next(&cursor));
            cr_assert_eq(history.event_count, count);
            check_labelled(&history, expected, count);
        }
        weir_history_cursor back = {.chunk = history.last, .index = history.last->end};
        for (size_t k = count; k-- > 0;)
            cr_assert_eq(weir_history_back(&back)->transaction, expected[k].transaction);
        cr_assert_null(weir_history_back(&back));
        weir_history_clear(&history, &slab.slab);
        cr_assert_eq(slab.slab.used_size, 0);
        test_slab_free(&slab);
    }
}

Test(history, a_full_slab_leaves_it_unchanged)
{
    test_slab slab;
    test_slab_init(&slab, 1);
    weir_history history = {0};
    int64_t time_us = 0;
    weir_event event = event_at(0, 1);
    while (weir_history_append(&history, &slab.slab, &event))
        event = event_at(++time_us, 1);
    cr_assert_eq(history.event_count, time_us);
    cr_assert_eq(history.newest_time_us, time_us - 1);
    weir_history_cursor cursor = weir_history_begin(&history);
    for (int64_t i = 0; i < time_us; i++)
        cr_assert_eq(weir_history_next(&cursor)->time_us, i);
    weir_history_clear(&history, &slab.slab);
    test_slab_free(&slab);
}
