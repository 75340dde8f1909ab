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
    char note[64]; /* what tests with notes say at the moment */
    unsigned notes_taken;
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

static bool is_held_up(const fixture *f, int64_t acked_below, int64_t reachable_below)
{
    return weir_state_is_held_up(f->state, acked_below, reachable_below, f->now_us);
}

/* Asking for the barrier to be moved costs a request: only for a checkpoint that is late and would get on by it. */
Test(state, a_late_checkpoint_says_that_the_barrier_alone_holds_it_up)
{
    fixture *f = setup();
    flush(f);
    cr_expect_not(is_held_up(f, 0, 0), "none is under way");
    apply(f, 1, 0);
    apply(f, 2, 0);
    for (int64_t begun_us = f->now_us; f->now_us - begun_us < WEIR_US_PER_SECOND;) {
        cr_assert_eq(step(f, 1, INT64_MIN), WEIR_OK);
        cr_expect_not(is_held_up(f, 1, 2), "it is not late");
    }
    for (int i = 0; i < 12; i++)
        cr_assert_eq(step(f, 1, INT64_MIN), WEIR_OK);
    cr_expect(is_held_up(f, 1, 2));
    cr_expect_not(is_held_up(f, 1, 1), "that would not help");
    cr_expect_not(is_held_up(f, 2, 2), "it is there already");
    cr_assert_eq(step(f, 2, INT64_MIN), WEIR_OK);
    cr_expect_not(is_held_up(f, 1, 2), "it is with the disk");
    cr_assert_eq(step(f, 2, INT64_MIN), WEIR_OK);
    cr_expect_not(is_held_up(f, 2, 2));
    cr_assert_eq(stats(f).replay_from, 2);
    teardown(f);
}

Test(state, a_checkpoint_is_late_at_once_when_memory_is_tight)
{
    fixture *f = setup();
    close_state(f);
    f->memory_max = 8 << 20;
    f->options.batch_card_max = 100;
    open_state(f);
    for (uint64_t card = 0; card < 200; card++)
        apply(f, card, 0);
    cr_assert_eq(step(f, 0, INT64_MIN), WEIR_OK);
    cr_assert_not(weir_memory_tight(f->memory));
    cr_expect_not(is_held_up(f, 0, f->position));
    for (uint64_t card = 200; card < 11500; card++)
        apply(f, card, 0);
    cr_assert_eq(step(f, 0, INT64_MIN), WEIR_OK);
    cr_assert(weir_memory_tight(f->memory));
    cr_expect(is_held_up(f, 0, f->position));
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

/* ---- the note ---- */

static size_t give_note(void *context, uint8_t *note_out)
{
    fixture *f = context;
    f->notes_taken++;
    size_t size = strlen(f->note);
    memcpy(note_out, f->note, size);
    return size;
}

/* A fixture whose options ask for notes. */
static fixture *setup_noted(const char *note)
{
    fixture *f = setup();
    close_state(f);
    f->options.note = give_note;
    f->options.note_context = f;
    strcpy(f->note, note);
    open_state(f);
    return f;
}

static void reopen(fixture *f)
{
    close_state(f);
    open_state(f);
}

static void expect_note(const fixture *f, const char *note)
{
    weir_span stored = weir_state_note(f->state);
    cr_assert(weir_span_is(stored, note), "\"%.*s\", wanted \"%s\"", (int)stored.size, (const char *)stored.data,
              note);
}

Test(state, a_note_comes_with_the_first_replay_from_and_survives)
{
    fixture *f = setup_noted("labels 7");
    expect_note(f, "");
    cr_assert_eq(f->notes_taken, 0, "opening asks for no note: nobody may be ready to give one");
    weir_error error;
    cr_assert_eq(weir_state_flush(f->state, 5, 5, &error), WEIR_OK);
    strcpy(f->note, "labels 9");
    reopen(f);
    cr_assert_eq(f->replay_from, 5);
    expect_note(f, "labels 7");
    f->options.identity.horizon_us /= 2; /* rewrites the meta record at once */
    reopen(f);
    reopen(f);
    expect_note(f, "labels 7");
    teardown(f);
}

Test(state, a_note_is_of_the_sweeps_begin_and_not_of_its_end)
{
    fixture *f = setup_noted("at 0");
    flush(f);
    cr_assert_eq(step(f, 0, INT64_MIN), WEIR_OK); /* the interval counts from the first step */
    apply(f, 1, 0);
    strcpy(f->note, "at 1");
    f->now_us += WEIR_US_PER_SECOND;
    cr_assert_eq(step(f, 0, INT64_MIN), WEIR_OK); /* begins; nothing is acknowledged yet */
    apply(f, 2, 0);
    strcpy(f->note, "at 2");
    fixture g = *f;
    open_state(&g); /* a crash here: the former note with the former position */
    cr_assert_eq(g.replay_from, 0);
    expect_note(&g, "at 0");
    close_state(&g);
    cr_assert_eq(step(f, 2, INT64_MIN), WEIR_OK);
    cr_assert_eq(step(f, 2, INT64_MIN), WEIR_OK);
    expect_note(f, "at 1");
    open_state(&g);
    cr_assert_eq(g.replay_from, 1);
    expect_note(&g, "at 1");
    close_state(&g);
    teardown(f);
}

Test(state, a_note_alone_is_written_once_an_interval_and_only_when_it_changed)
{
    fixture *f = setup_noted("labels 1");
    flush(f);
    uint64_t commits = f->disk->commit_count;
    for (int i = 0; i < 100; i++) /* ten intervals of nothing */
        cr_assert_eq(step(f, f->position, INT64_MIN), WEIR_OK);
    cr_assert_eq(f->disk->commit_count, commits);
    cr_assert_leq(f->notes_taken, 12);
    for (int i = 0; i < 100; i++) { /* labels of events nobody has */
        snprintf(f->note, sizeof f->note, "labels %d", i);
        cr_assert_eq(step(f, f->position, INT64_MIN), WEIR_OK);
    }
    cr_assert_geq(f->disk->commit_count, commits + 8);
    cr_assert_leq(f->disk->commit_count, commits + 11);
    strcpy(f->note, "labels 100");
    flush(f);
    reopen(f);
    expect_note(f, "labels 100");
    teardown(f);
}

static size_t give_large_note(void *context, uint8_t *note_out)
{
    (void)context;
    memset(note_out, 0xa5, WEIR_STATE_NOTE_MAX);
    return WEIR_STATE_NOTE_MAX;
}

Test(state, a_damaged_note_is_refused_and_a_large_one_is_whole)
{
    fixture *f = setup_noted("");
    f->options.note = give_large_note;
    reopen(f);
    flush(f);
    reopen(f);
    weir_span note = weir_state_note(f->state);
    cr_assert_eq(note.size, WEIR_STATE_NOTE_MAX);
    for (size_t i = 0; i < note.size; i++)
        cr_assert_eq(note.data[i], 0xa5);
    close_state(f);
    weir_fake_record *meta = &f->disk->records[0];
    meta->value[meta->value_size - 1] ^= 1;
    cr_assert_eq(try_open(f), WEIR_CORRUPT);
    close_state(f);
    meta->value[meta->value_size - 1] ^= 1;
    meta->value_size /= 2;
    cr_assert_eq(try_open(f), WEIR_CORRUPT, "torn");
    teardown(f);
}

/* The meta record as weir wrote it before there were notes, byte for byte. */
static const uint8_t META_WITHOUT_NOTE[] = {
    0x7b, 0xa9, 0x89, 0x81, 0x01, 0x01, 0x0c, 0x74, 0x65, 0x73, 0x74, 0x2d, 0x63, 0x6c, 0x75, 0x73, 0x74, 0x65,
    0x72, 0x0c, 0x74, 0x72, 0x61, 0x6e, 0x73, 0x61, 0x63, 0x74, 0x69, 0x6f, 0x6e, 0x73, 0x04, 0x63, 0x61, 0x72,
    0x64, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x04, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x40, 0x3d, 0x7f, 0x5b, 0x02, 0x00, 0x00, 0x4d, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x46, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x03, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
};

Test(state, a_store_from_before_there_were_notes_opens_with_an_empty_one)
{
    fixture *f = setup_noted("new");
    close_state(f);
    weir_fake_record *meta = &f->disk->records[0];
    free(meta->value);
    meta->value = malloc(sizeof META_WITHOUT_NOTE);
    memcpy(meta->value, META_WITHOUT_NOTE, sizeof META_WITHOUT_NOTE);
    meta->value_size = sizeof META_WITHOUT_NOTE;
    open_state(f);
    cr_assert_eq(f->replay_from, 77);
    expect_note(f, "");
    f->position = 78;
    flush(f);
    reopen(f);
    expect_note(f, "new");
    teardown(f);
}

/* ---- changes that are no events ---- */

/* Marks a card's newest event as fraud, as a label does. */
static void label(fixture *f, uint64_t card, uint64_t delay_us)
{
    weir_entity *entity = touch(f, card);
    weir_chunk *chunk = entity->history.last;
    chunk->events[chunk->end - 1].label_delay_us = delay_us;
    chunk->dirty = true;
    weir_state_changed(f->state, entity);
}

static uint64_t newest_label(fixture *f, uint64_t card)
{
    const weir_chunk *chunk = touch(f, card)->history.last;
    return chunk->events[chunk->end - 1].label_delay_us;
}

Test(state, a_label_alone_is_swept_and_moves_no_offset)
{
    fixture *f = setup();
    apply(f, 1, 0);
    apply(f, 2, 0);
    flush(f);
    uint64_t commits = f->disk->commit_count;
    label(f, 1, 1234);
    label(f, 1, 1235);
    cr_assert_eq(stats(f).cards_dirty, 1);
    cr_assert_eq(stats(f).oldest_dirty_offset, -1, "no event waits");
    for (int i = 0; i < 30; i++)
        cr_assert_eq(step(f, f->position, INT64_MIN), WEIR_OK);
    cr_assert_eq(f->disk->commit_count, commits + 1, "once, and then nothing more");
    cr_assert_eq(stats(f).cards_dirty, 0);
    reopen(f);
    cr_assert_eq(f->replay_from, 2);
    cr_assert_eq(newest_label(f, 1), 1235);
    cr_assert_eq(touch(f, 1)->applied_offset, 0);
    teardown(f);
}

Test(state, a_label_between_events_leaves_the_oldest_dirty_offset_to_the_events)
{
    fixture *f = setup();
    apply(f, 1, 0);
    flush(f);
    label(f, 1, 5);
    f->position = 10;
    apply(f, 1, 1); /* the same card, dirty already */
    apply(f, 2, 1);
    cr_assert_eq(stats(f).oldest_dirty_offset, 10);
    label(f, 2, 5);
    cr_assert_eq(stats(f).oldest_dirty_offset, 10);
    flush(f);
    cr_assert_eq(stats(f).oldest_dirty_offset, -1);
    reopen(f);
    cr_assert_eq(newest_label(f, 2), 5);
    cr_assert_eq(touch(f, 2)->applied_offset, 11);
    teardown(f);
}

Test(state, a_label_lets_no_unacknowledged_event_past_the_barrier)
{
    fixture *f = setup();
    apply(f, 1, 0);
    flush(f);
    apply(f, 1, 1); /* offset 1, its output under way */
    label(f, 1, 5);
    uint64_t commits = f->disk->commit_count;
    for (int i = 0; i < 50; i++)
        cr_assert_eq(step(f, 1, INT64_MIN), WEIR_OK);
    cr_assert_eq(f->disk->commit_count, commits);
    cr_assert_eq(step(f, 2, INT64_MIN), WEIR_OK);
    cr_assert_eq(step(f, 2, INT64_MIN), WEIR_OK);
    cr_assert_eq(f->disk->commit_count, commits + 1);
    teardown(f);
}

Test(state, a_label_of_a_card_that_a_replay_has_not_reached_does_not_hold_the_flush)
{
    fixture *f = setup();
    for (int i = 0; i < 5; i++)
        apply(f, 1, i);
    flush(f);
    reopen(f);
    f->position = 2; /* replaying: the card is stored as of offset 4 */
    label(f, 1, 5);
    flush(f);
    reopen(f);
    cr_assert_eq(newest_label(f, 1), 5);
    cr_assert_eq(touch(f, 1)->applied_offset, 4);
    teardown(f);
}

Test(state, labels_do_not_hurry_the_purge)
{
    fixture *f = setup();
    apply(f, 1, 0);
    sweep(f, 0); /* replay_from 1 */
    apply(f, 2, 31 * WEIR_US_PER_DAY);
    sweep(f, 0); /* 2, and 1 before */
    for (int i = 0; i < 5; i++) { /* sweeps that stay where they are: 1 is still what came before */
        label(f, 2, 100 + (uint64_t)i);
        sweep(f, INT64_MIN);
    }
    cr_assert_eq(f->state->meta.replay_from, 2);
    cr_assert_eq(f->state->meta.replay_from_previous, 1);
    teardown(f);
}

Test(state, asking_for_an_unknown_card_leaves_no_trace)
{
    fixture *f = setup();
    apply(f, 1, 0);
    flush(f);
    uint64_t used = weir_memory_used(f->memory);
    weir_state_untouch(f->state, touch(f, 99));
    cr_assert_eq(weir_memory_used(f->memory), used);
    cr_assert_eq(stats(f).cards_resident, 1);
    weir_state_untouch(f->state, touch(f, 1)); /* one that is known stays, in RAM and on disk */
    cr_assert_eq(stats(f).cards_resident, 1);
    cr_assert_eq(touch(f, 1)->history.event_count, 1);
    apply(f, 2, 0); /* and so does one whose only event is not stored yet */
    weir_state_untouch(f->state, touch(f, 2));
    cr_assert_eq(stats(f).cards_dirty, 1);
    flush(f);
    reopen(f);
    cr_assert_eq(touch(f, 2)->history.event_count, 1);
    teardown(f);
}

/* ---- entities other than the card, and the census ---- */

Test(state, an_entity_is_found_by_the_hash_its_events_carry)
{
    fixture *f = setup();
    uint64_t hash48 = weir_hash48(weir_span_text("T-17"));
    uint8_t key[WEIR_ENTITY_KEY_SIZE];
    uint64_t hash = weir_entity_key(hash48, key);
    for (size_t i = 0; i < sizeof key; i++)
        cr_assert_eq(key[i], (hash48 >> 8 * i) & 0xff);
    cr_assert_eq(hash, weir_hash(weir_span_of(key, sizeof key)));
    weir_entity *entity;
    cr_assert_eq(weir_state_touch(f->state, weir_span_of(key, sizeof key), hash, &entity), WEIR_OK);
    weir_event event = weir_test_event(&f->rng, 1, 0, 1);
    cr_assert(weir_history_append(&entity->history, weir_memory_slab(f->memory), &event));
    weir_state_applied(f->state, entity, f->position++);
    flush(f);
    reopen(f);
    cr_assert_eq(weir_state_touch(f->state, weir_span_of(key, sizeof key), hash, &entity), WEIR_OK);
    cr_assert_eq(entity->history.event_count, 1);
    teardown(f);
}

Test(state, the_census_counts_events_and_refuses_damage)
{
    fixture *f = setup();
    for (int i = 0; i < 300; i++)
        apply(f, 4, i);
    for (int i = 0; i < 20; i++)
        apply(f, 5, i);
    flush(f);
    weir_store *store = weir_fake_store_open(f->disk);
    weir_state_census census;
    cr_assert_eq(weir_state_take_census(store, &census, &f->error), WEIR_OK);
    cr_assert_eq(census.card_count, 2);
    cr_assert_eq(census.event_count, 320);
    cr_assert_eq(census.chunk_count, 38 - WEIR_RECORD_TAIL_CHUNK_MAX);
    cr_assert_eq(census.record_bytes, store->ops->size(store));
    f->disk->records[1].value[12] ^= 1;
    cr_assert_eq(weir_state_take_census(store, &census, &f->error), WEIR_CORRUPT);
    store->ops->close(store);
    teardown(f);
}
