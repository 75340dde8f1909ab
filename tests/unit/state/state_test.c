#include "state/internal.h"

#include "support/fake_store.h"
#include "support/state_events.h"

#include <criterion/criterion.h>
#include <stdlib.h>

/* A state over a fake disk with an unthreaded committer: every step is at hand. */
typedef struct fixture {
    weir_fake_disk *disk; /* shared by the fixtures that are copies of each other */
    weir_state_options options;
    uint64_t memory_max;
    weir_memory *memory;
    weir_committer *committer;
    weir_state *state;
    int64_t replay_from, position, now_us;
    weir_rng rng;
    weir_error error;
} fixture;

static weir_status try_open(fixture *f)
{
    cr_assert_eq(weir_memory_open(f->memory_max, &f->memory, NULL), WEIR_OK);
    cr_assert_eq(weir_committer_open(false, &f->committer, NULL), WEIR_OK);
    weir_store *store = weir_fake_store_open(f->disk);
    f->error = (weir_error){0};
    weir_status status = weir_state_open(store, f->memory, f->committer, &f->options, &f->state, &f->replay_from,
                                         &f->error);
    if (status) {
        f->state = NULL;
        store->ops->close(store);
    }
    return status;
}

static void open_state(fixture *f)
{
    cr_assert_eq(try_open(f), WEIR_OK, "%s", f->error.message);
}

static void close_state(fixture *f)
{
    weir_state_close(f->state);
    weir_committer_close(f->committer);
    weir_memory_close(f->memory);
}

static fixture *setup(void)
{
    fixture *f = calloc(1, sizeof *f);
    f->disk = malloc(sizeof *f->disk);
    weir_fake_disk_init(f->disk);
    f->options = (weir_state_options){.identity = weir_test_identity(), .sweep_interval_us = WEIR_US_PER_SECOND};
    f->memory_max = 256 << 20;
    f->rng.state = 11;
    open_state(f);
    return f;
}

static void teardown(fixture *f)
{
    close_state(f);
    weir_fake_disk_deinit(f->disk);
    free(f->disk);
    free(f);
}

static weir_entity *touch(fixture *f, uint64_t card)
{
    char text[32];
    weir_span token = weir_test_token(text, card);
    weir_entity *entity = NULL;
    cr_assert_eq(weir_state_touch(f->state, token, weir_hash(token), &entity), WEIR_OK);
    return entity;
}

static weir_entity *apply(fixture *f, uint64_t card, int64_t time_us)
{
    weir_entity *entity = touch(f, card);
    weir_event event = weir_test_event(&f->rng, card, time_us, weir_rng_next(&f->rng) >> 16);
    cr_assert(weir_history_append(&entity->history, weir_memory_slab(f->memory), &event));
    weir_state_applied(f->state, entity, f->position++);
    return entity;
}

static weir_status step(fixture *f, int64_t acked_below, int64_t clock_us)
{
    f->now_us += 100 * WEIR_US_PER_MS;
    return weir_state_step(f->state, f->position, acked_below, f->now_us, clock_us, &f->error);
}

static void flush(fixture *f)
{
    cr_assert_eq(weir_state_flush(f->state, f->position, f->position, &f->error), WEIR_OK, "%s", f->error.message);
}

/* A sweep with purging, which flush leaves out. */
static void sweep(fixture *f, int64_t clock_us)
{
    weir_state_stats before, after;
    weir_state_stats_read(f->state, &before);
    for (int i = 0; i < 10000; i++) {
        cr_assert_eq(step(f, f->position, clock_us), WEIR_OK);
        weir_state_stats_read(f->state, &after);
        if (after.sweeps > before.sweeps)
            return;
    }
    cr_assert_fail("the sweep did not end");
}

static weir_state_stats stats(const fixture *f)
{
    weir_state_stats out;
    weir_state_stats_read(f->state, &out);
    return out;
}

Test(state, an_empty_store_says_so_and_learns_where_it_begins)
{
    fixture *f = setup();
    cr_assert_eq(f->replay_from, -1);
    f->position = 1000;
    cr_assert_eq(step(f, 1000, INT64_MIN), WEIR_OK); /* the first step begins and hands over */
    cr_assert_eq(step(f, 1000, INT64_MIN), WEIR_OK); /* the second sees it committed */
    close_state(f);
    open_state(f);
    cr_assert_eq(f->replay_from, 1000);
    teardown(f);
}

Test(state, a_flushed_card_comes_back_with_every_event_and_its_offset)
{
    fixture *f = setup();
    for (int i = 0; i < 2000; i++)
        apply(f, weir_rng_below(&f->rng, 50), i * WEIR_US_PER_MINUTE);
    apply(f, 1000, 0);
    flush(f);
    cr_assert_eq(stats(f).cards_dirty, 0);
    cr_assert_eq(stats(f).replay_from, 2001);
    fixture g = *f;
    open_state(&g); /* beside the first one, over the same disk */
    cr_assert_eq(g.replay_from, 2001);
    for (uint64_t card = 0; card < 50; card++) {
        weir_entity *before = touch(f, card), *after = touch(&g, card);
        cr_assert_eq(before->applied_offset, after->applied_offset);
        cr_assert(weir_test_history_equal(&before->history, &after->history));
    }
    cr_assert_eq(touch(&g, 1000)->applied_offset, 2000);
    cr_assert_eq(touch(&g, 1001)->applied_offset, -1);
    cr_assert_eq(stats(&g).loads, 51);
    cr_assert_eq(stats(&g).load_misses, 1);
    cr_assert_eq(stats(&g).events_retained, 2001);
    close_state(&g);
    teardown(f);
}

static void expect_refusal(fixture *f, const char *word)
{
    close_state(f);
    cr_assert_eq(try_open(f), WEIR_REFUSED, "%s", word);
    cr_assert(strstr(f->error.message, word), "%s", f->error.message);
    f->options.identity = weir_test_identity();
    close_state(f);
    open_state(f);
}

Test(state, refuses_a_store_of_something_else_and_names_the_way_out)
{
    fixture *f = setup();
    strcpy(f->options.identity.cluster_id, "another");
    expect_refusal(f, "test-cluster");
    strcpy(f->options.identity.topic, "payments");
    expect_refusal(f, "payments");
    strcpy(f->options.identity.entity, "terminal");
    expect_refusal(f, "entity");
    f->options.identity.partition = 1;
    expect_refusal(f, "partition");
    f->options.identity.partition_count = 8;
    expect_refusal(f, "move the state directory away");
    f->options.identity.horizon_us = 31 * WEIR_US_PER_DAY;
    expect_refusal(f, "30d");
    f->options.identity.horizon_us = 10 * WEIR_US_PER_DAY; /* shorter is fine, and from then on what it holds */
    close_state(f);
    open_state(f);
    f->options.identity.horizon_us = 11 * WEIR_US_PER_DAY;
    close_state(f);
    cr_assert_eq(try_open(f), WEIR_REFUSED);
    teardown(f);
}

Test(state, refuses_a_damaged_meta_record_and_a_damaged_card)
{
    fixture *f = setup();
    apply(f, 1, 0);
    flush(f);
    close_state(f);
    cr_assert_eq(f->disk->count, 2);
    f->disk->records[1].value[9] ^= 1; /* the card */
    open_state(f);
    char text[32];
    weir_span token = weir_test_token(text, 1);
    weir_entity *entity = NULL;
    uint64_t used = weir_memory_used(f->memory);
    cr_assert_eq(weir_state_touch(f->state, token, weir_hash(token), &entity), WEIR_CORRUPT);
    cr_assert_null(entity);
    cr_assert_eq(weir_memory_used(f->memory), used);
    close_state(f);
    f->disk->records[0].value[20] ^= 1; /* the meta record */
    cr_assert_eq(try_open(f), WEIR_CORRUPT);
    cr_assert(strstr(f->error.message, "checksum"));
    teardown(f);
}

Test(state, the_barrier_holds_a_batch_until_its_outputs_are_acknowledged)
{
    fixture *f = setup();
    flush(f);
    apply(f, 1, 0);
    apply(f, 2, 0);
    uint64_t commits = f->disk->commit_count;
    for (int i = 0; i < 50; i++)
        cr_assert_eq(step(f, 1, INT64_MIN), WEIR_OK); /* the output of offset 1 is not acknowledged */
    cr_assert_eq(f->disk->commit_count, commits);
    cr_assert_eq(stats(f).replay_from, 0);
    cr_assert_eq(step(f, 2, INT64_MIN), WEIR_OK);
    cr_assert_eq(step(f, 2, INT64_MIN), WEIR_OK);
    cr_assert_eq(f->disk->commit_count, commits + 1);
    cr_assert_eq(stats(f).replay_from, 2);
    teardown(f);
}

Test(state, clean_cold_cards_are_evicted_and_dirty_ones_are_not)
{
    fixture *f = setup();
    close_state(f);
    f->memory_max = 16 << 20;
    open_state(f);
    weir_history *kept = calloc(30000, sizeof *kept);
    weir_memory *shadow;
    cr_assert_eq(weir_memory_open(1 << 30, &shadow, NULL), WEIR_OK);
    uint64_t used_max = 0;
    for (int i = 0; i < 100000; i++) {
        uint64_t card = weir_rng_below(&f->rng, 30000);
        weir_entity *entity = apply(f, card, i * WEIR_US_PER_SECOND);
        cr_assert(weir_history_append(&kept[card], weir_memory_slab(shadow),
                                      &entity->history.last->events[entity->history.last->end - 1]));
        if (i % 64)
            continue;
        cr_assert_eq(step(f, f->position, INT64_MIN), WEIR_OK);
        weir_state_evict(f->state, 1000);
        if (weir_memory_used(f->memory) > used_max)
            used_max = weir_memory_used(f->memory);
    }
    cr_assert_gt(stats(f).evictions, 10000);
    cr_assert_gt(stats(f).loads, 10000);
    cr_assert_lt(used_max, 16 << 20);
    flush(f);
    for (uint64_t card = 0; card < 30000; card++) {
        cr_assert(weir_test_history_equal(&touch(f, card)->history, &kept[card]), "card %d", (int)card);
        weir_state_evict(f->state, 100);
    }
    for (uint64_t card = 0; card < 30000; card++)
        weir_history_clear(&kept[card], weir_memory_slab(shadow));
    weir_memory_close(shadow);
    free(kept);
    teardown(f);
}

Test(state, nothing_dirty_is_evicted_however_tight)
{
    fixture *f = setup();
    close_state(f);
    f->memory_max = 8 << 20;
    open_state(f);
    for (uint64_t card = 0; card < 11500; card++)
        apply(f, card, 0);
    cr_assert(weir_memory_tight(f->memory));
    cr_assert_eq(weir_state_evict(f->state, 100000), 0);
    flush(f);
    cr_assert_gt(weir_state_evict(f->state, 100000), 0);
    cr_assert_not(weir_memory_tight(f->memory));
    teardown(f);
}

Test(state, a_busy_card_rewrites_what_changed_and_not_its_history)
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

Test(state, a_card_with_a_million_events_checkpoints_leaves_and_returns)
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

Test(state, chunk_records_that_are_no_longer_listed_are_deleted)
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

Test(state, idle_cards_leave_the_store_only_when_no_replay_can_ask_for_them)
{
    fixture *f = setup();
    const int64_t day = WEIR_US_PER_DAY;
    for (uint64_t card = 0; card < 500; card++)
        apply(f, card, 0);
    for (int i = 0; i < 100; i++)
        apply(f, 500, 0); /* an idle card with chunk records */
    apply(f, 501, 20 * day);
    sweep(f, 20 * day); /* replay_from 601 */
    size_t stored = f->disk->count;
    apply(f, 502, 31 * day);
    sweep(f, 31 * day); /* everything idle, but the previous replay_from is still the first */
    cr_assert_eq(f->disk->count, stored + 1);
    apply(f, 502, 31 * day);
    sweep(f, 29 * day); /* nothing is outside the horizon by this clock */
    cr_assert_eq(f->disk->count, stored + 1);
    apply(f, 502, 31 * day);
    sweep(f, 31 * day);
    cr_assert_eq(f->disk->count, 3, "meta, 501 and 502 remain");
    cr_assert_eq(stats(f).cards_resident, 2, "and the idle ones left RAM with their records");
    cr_assert_eq(touch(f, 3)->applied_offset, -1);
    cr_assert_eq(touch(f, 501)->history.event_count, 1);
    teardown(f);
}

Test(state, purging_goes_round_a_large_store_in_slices)
{
    fixture *f = setup();
    for (uint64_t card = 0; card < 20000; card++)
        apply(f, card, 0);
    for (int i = 0; i < 2; i++) {
        apply(f, 20000, 31 * WEIR_US_PER_DAY);
        sweep(f, INT64_MIN);
    }
    size_t before = f->disk->count, sweeps = 0;
    for (; f->disk->count > 2 && sweeps < 20; sweeps++) {
        apply(f, 20000, 31 * WEIR_US_PER_DAY);
        sweep(f, 31 * WEIR_US_PER_DAY);
        cr_assert_leq(before - f->disk->count, 8192);
        before = f->disk->count;
    }
    cr_assert_eq(f->disk->count, 2);
    cr_assert_gt(sweeps, 3);
    teardown(f);
}

Test(state, a_card_that_returns_while_its_delete_is_under_way_is_whole_again)
{
    fixture *f = setup();
    for (int i = 0; i < 100; i++)
        apply(f, 1, i);
    sweep(f, 0);
    apply(f, 2, 31 * WEIR_US_PER_DAY);
    sweep(f, 0);
    apply(f, 2, 31 * WEIR_US_PER_DAY);
    const int64_t clock_us = 31 * WEIR_US_PER_DAY;
    while (f->state->purging_count == 0) /* its delete is in a batch, and goes no further */
        cr_assert_eq(step(f, 0, clock_us), WEIR_OK);
    cr_assert_eq(touch(f, 1)->history.event_count, 100);
    apply(f, 1, 200); /* a late event of its own time */
    sweep(f, INT64_MIN); /* the delete goes through ... */
    sweep(f, INT64_MIN); /* ... and then the card, in whole */
    fixture g = *f;
    open_state(&g);
    cr_assert(weir_test_history_equal(&touch(&g, 1)->history, &touch(f, 1)->history));
    cr_assert_eq(touch(&g, 1)->history.event_count, 101);
    close_state(&g);
    teardown(f);
}

Test(state, a_failing_disk_is_reported_and_loses_nothing)
{
    fixture *f = setup();
    flush(f);
    for (uint64_t card = 0; card < 100; card++)
        apply(f, card, 0);
    f->disk->commits_to_fail = 5;
    int reports = 0;
    for (int i = 0; i < 400; i++) {
        weir_status status = step(f, f->position, INT64_MIN);
        cr_assert(status == WEIR_OK || status == WEIR_FULL);
        reports += status == WEIR_FULL;
        if (status == WEIR_FULL) {
            cr_assert(strstr(f->error.message, "fake disk"));
            cr_assert_eq(stats(f).replay_from, 0);
            cr_assert_eq(stats(f).oldest_dirty_offset, 0);
        }
    }
    cr_assert_gt(reports, 10);
    cr_assert_eq(stats(f).commit_failures, 5);
    cr_assert_eq(stats(f).replay_from, 100);
    cr_assert_eq(stats(f).oldest_dirty_offset, -1);
    f->disk->commits_to_fail = 1;
    apply(f, 7, 1);
    cr_assert_eq(weir_state_flush(f->state, f->position, f->position, &f->error), WEIR_FULL);
    flush(f);
    fixture g = *f;
    open_state(&g);
    cr_assert_eq(g.replay_from, 101);
    cr_assert_eq(touch(&g, 7)->applied_offset, 100);
    close_state(&g);
    teardown(f);
}

Test(state, a_long_failure_keeps_the_memory_of_batches_bounded)
{
    fixture *f = setup();
    close_state(f);
    f->options.batch_card_max = 100;
    open_state(f);
    flush(f);
    f->disk->commits_to_fail = 1000;
    for (int i = 0; i < 20000; i++) {
        apply(f, weir_rng_below(&f->rng, 5000), 0);
        if (i % 10 == 0)
            (void)!step(f, f->position, INT64_MIN);
    }
    cr_assert_leq(f->state->pending[0].card_count, 100);
    cr_assert_leq(f->state->pending[1].card_count, 100);
    f->disk->commits_to_fail = 0;
    flush(f);
    cr_assert_eq(stats(f).cards_dirty, 0);
    teardown(f);
}

Test(state, reads_offline_what_a_state_wrote)
{
    fixture *f = setup();
    for (int i = 0; i < 300; i++)
        apply(f, 4, i);
    flush(f);
    weir_store *store = weir_fake_store_open(f->disk);
    weir_slab *slab = weir_memory_slab(f->memory);
    weir_history history;
    int64_t applied_offset;
    cr_assert_eq(weir_state_read(store, weir_span_text("card-4"), slab, &history, &applied_offset, &f->error), WEIR_OK);
    cr_assert_eq(applied_offset, 299);
    cr_assert(weir_test_history_equal(&history, &touch(f, 4)->history));
    weir_history_clear(&history, slab);
    cr_assert_eq(weir_state_read(store, weir_span_text("card-5"), slab, &history, &applied_offset, &f->error),
                 WEIR_NOT_FOUND);
    cr_assert(strstr(f->error.message, "card-5"));
    weir_state_identity identity;
    int64_t replay_from;
    cr_assert_eq(weir_state_read_identity(store, &identity, &replay_from, &f->error), WEIR_OK);
    cr_assert_str_eq(identity.topic, "transactions");
    cr_assert_eq(replay_from, 300);
    store->ops->close(store);
    teardown(f);
}

Test(state, refuses_a_key_that_does_not_fit_a_record)
{
    fixture *f = setup();
    uint8_t token[WEIR_STORE_KEY_MAX] = {0};
    weir_entity *entity;
    cr_assert_eq(weir_state_touch(f->state, weir_span_of(token, WEIR_RECORD_TOKEN_MAX + 1), 1, &entity), WEIR_INVALID);
    cr_assert_eq(weir_state_touch(f->state, weir_span_of(token, WEIR_RECORD_TOKEN_MAX), 1, &entity), WEIR_OK);
    cr_assert_eq(weir_state_touch(f->state, (weir_span){0}, 2, &entity), WEIR_OK, "an empty key is a key");
    teardown(f);
}
