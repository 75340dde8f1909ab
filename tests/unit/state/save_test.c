#include "state_fixture.h"

Test(save, a_busy_card_rewrites_what_changed_and_not_its_history)
{
    enum { EVENTS = 100000, ROUNDS = 50, PER_ROUND = 20 };
    fixture *f = setup();
    weir_history shadow = {0};
    weir_slab *slab = weir_memory_slab(f->memory);
    int64_t time_us = 0;
    for (int i = 0; i < EVENTS; i++) {
        weir_entity *entity = apply(f, 1, time_us += WEIR_US_PER_SECOND);
        cr_assert(weir_history_append(&shadow, slab, &entity->history.last->events[entity->history.last->end - 1]));
    }
    flush(f);
    uint64_t written_max = 0;
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < PER_ROUND; i++) {
            weir_entity *entity = apply(f, 1, time_us += WEIR_US_PER_SECOND);
            cr_assert(weir_history_append(&shadow, slab, &entity->history.last->events[entity->history.last->end - 1]));
        }
        if (round % 10 == 9)
            touch(f, 1)->history.first->next->dirty = true; /* a label on an old event */
        uint64_t before = f->disk->bytes_written;
        flush(f);
        if (f->disk->bytes_written - before > written_max)
            written_max = f->disk->bytes_written - before;
    }
    cr_log_info("100k events, 20 new ones a sweep: at most %d bytes a sweep", (int)written_max);
    cr_assert_lt(written_max, 4096);
    fixture g = *f;
    open_state(&g);
    weir_entity *entity = touch(&g, 1);
    cr_assert(weir_test_history_equal(&entity->history, &shadow));
    /* And what was loaded goes on being written in parts. */
    uint64_t before = f->disk->bytes_written;
    apply(&g, 1, time_us + 1);
    flush(&g);
    cr_assert_lt(f->disk->bytes_written - before, 4096);
    close_state(&g);
    weir_history_clear(&shadow, slab);
    teardown(f);
}

Test(save, a_card_with_a_million_events_checkpoints_leaves_and_returns)
{
    enum { EVENTS = 1000000 };
    fixture *f = setup();
    for (int i = 0; i < EVENTS; i++)
        apply(f, 1, i * WEIR_US_PER_SECOND);
    flush(f);
    apply(f, 1, EVENTS * WEIR_US_PER_SECOND);
    uint64_t before = f->disk->bytes_written;
    flush(f);
    cr_assert_lt(f->disk->bytes_written - before, 2048);
    weir_event newest = touch(f, 1)->history.last->events[touch(f, 1)->history.last->end - 1];
    void *ballast = weir_slab_take(weir_memory_slab(f->memory), 180 << 20);
    cr_assert(weir_memory_tight(f->memory));
    cr_assert_eq(weir_state_evict(f->state, 10), 1);
    cr_assert_eq(stats(f).cards_resident, 0);
    weir_slab_give(weir_memory_slab(f->memory), ballast, 180 << 20);
    const weir_history *history = &touch(f, 1)->history;
    cr_assert_eq(history->event_count, EVENTS + 1);
    cr_assert_eq(memcmp(&history->last->events[history->last->end - 1], &newest, sizeof newest), 0);
    weir_history_cursor cursor = weir_history_begin(history);
    for (int i = 0; i <= EVENTS; i++)
        cr_assert_eq(weir_history_next(&cursor)->time_us, i * WEIR_US_PER_SECOND);
    teardown(f);
}

/* Drops the oldest events the way the core does: from the front, whole chunks given back. */
static void drop_oldest(fixture *f, weir_history *history, uint32_t count)
{
    for (; count > 0 && history->first; count--, history->event_count--) {
        weir_chunk *first = history->first;
        first->dirty = true;
        if (++first->begin < first->end)
            continue;
        history->first = first->next;
        *(first->next ? &first->next->previous : &history->last) = NULL;
        weir_slab_give(weir_memory_slab(f->memory), first, sizeof *first);
    }
}

Test(save, chunk_records_that_are_no_longer_listed_are_deleted)
{
    fixture *f = setup();
    for (int i = 0; i < 200; i++)
        apply(f, 1, i);
    flush(f);
    cr_assert_eq(f->disk->count, 2 + 25 - 3); /* meta, card, and the chunks that are not inline */
    drop_oldest(f, &touch(f, 1)->history, 83);
    apply(f, 1, 1000);
    flush(f);
    cr_assert_eq(f->disk->count, 2 + 26 - 10 - 3);
    drop_oldest(f, &touch(f, 1)->history, 100); /* a quiet card again */
    apply(f, 1, 1001);
    flush(f);
    cr_assert_eq(f->disk->count, 2);
    weir_history expected = touch(f, 1)->history;
    fixture g = *f;
    open_state(&g);
    cr_assert(weir_test_history_equal(&touch(&g, 1)->history, &expected));
    for (int i = 0; i < 60; i++) /* and busy once more */
        apply(&g, 1, 2000 + i);
    flush(&g);
    cr_assert_gt(f->disk->count, 5);
    close_state(&g);
    teardown(f);
}
