#include "state_fixture.h"

Test(sweep, the_barrier_holds_a_batch_until_its_outputs_are_acknowledged)
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
Test(sweep, a_late_checkpoint_says_that_the_barrier_alone_holds_it_up)
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

Test(sweep, a_checkpoint_is_late_at_once_when_memory_is_tight)
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

Test(sweep, a_failing_disk_is_reported_and_loses_nothing)
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

Test(sweep, a_long_failure_keeps_the_memory_of_batches_bounded)
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

static void expect_note(const fixture *f, const char *note)
{
    weir_span stored = weir_state_note(f->state);
    cr_assert(weir_span_is(stored, note), "\"%.*s\", wanted \"%s\"", (int)stored.size, (const char *)stored.data,
              note);
}

Test(sweep, a_note_comes_with_the_first_replay_from_and_survives)
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

Test(sweep, a_note_is_of_the_sweeps_begin_and_not_of_its_end)
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

Test(sweep, a_note_alone_is_written_once_an_interval_and_only_when_it_changed)
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

Test(sweep, a_damaged_note_is_refused_and_a_large_one_is_whole)
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

Test(sweep, a_store_from_before_there_were_notes_opens_with_an_empty_one)
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

Test(sweep, a_label_alone_is_swept_and_moves_no_offset)
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

Test(sweep, a_label_between_events_leaves_the_oldest_dirty_offset_to_the_events)
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

Test(sweep, a_label_lets_no_unacknowledged_event_past_the_barrier)
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

Test(sweep, a_label_of_a_card_that_a_replay_has_not_reached_does_not_hold_the_flush)
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

Test(sweep, labels_do_not_hurry_the_purge)
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

Test(sweep, asking_for_an_unknown_card_leaves_no_trace)
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
