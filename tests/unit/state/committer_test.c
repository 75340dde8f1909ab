/* The committer's thread against several states at once; run it under ThreadSanitizer. */
#include "state/internal.h"

#include "support/fake_store.h"
#include "support/state_events.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <unistd.h>

enum { STATES = 3, CARDS = 500, EVENTS = 30000 };

typedef struct partition {
    weir_fake_disk disk;
    weir_state *state;
    int64_t position;
    uint32_t applied[CARDS];
} partition;

static void open_partition(partition *p, weir_memory *memory, weir_committer *committer)
{
    const weir_state_options options = {
        .identity = weir_test_identity(), .sweep_interval_us = 10, .step_card_max = 20, .batch_card_max = 60};
    cr_assert_eq(weir_state_open(weir_fake_store_open(&p->disk), memory, committer, &options, &p->state, &p->position,
                                 NULL),
                 WEIR_OK);
    if (p->position < 0)
        p->position = 0;
}

static weir_entity *touch(partition *p, uint64_t card)
{
    char text[32];
    weir_span token = weir_test_token(text, card);
    weir_entity *entity;
    cr_assert_eq(weir_state_touch(p->state, token, weir_hash(token), &entity), WEIR_OK);
    return entity;
}

Test(committer, serves_several_states_while_they_apply_and_evict)
{
    weir_memory *memory;
    weir_committer *committer;
    cr_assert_eq(weir_memory_open(64 << 20, &memory, NULL), WEIR_OK);
    void *ballast = weir_slab_take(weir_memory_slab(memory), 57 << 20); /* always tight: eviction is at work */
    cr_assert_eq(weir_committer_open(true, &committer, NULL), WEIR_OK);
    partition *p = calloc(STATES, sizeof *p);
    for (int i = 0; i < STATES; i++) {
        weir_fake_disk_init(&p[i].disk);
        open_partition(&p[i], memory, committer);
    }
    weir_rng rng = {.state = 3};
    for (int64_t now_us = 0; now_us < EVENTS; now_us++) {
        partition *at = &p[weir_rng_below(&rng, STATES)];
        uint64_t card = weir_rng_below(&rng, CARDS);
        weir_entity *entity = touch(at, card);
        weir_event event = weir_test_event(&rng, card, now_us, (uint64_t)now_us);
        cr_assert(weir_history_append(&entity->history, weir_memory_slab(memory), &event));
        weir_state_applied(at->state, entity, at->position++);
        at->applied[card]++;
        if (now_us % 5000 == 0)
            at->disk.commits_to_fail = 0;
        if (now_us % 7 == 0)
            cr_assert_eq(weir_state_step(at->state, at->position, at->position, now_us, 0, NULL), WEIR_OK);
        if (now_us % 50 == 0)
            weir_state_evict(at->state, 100);
    }
    uint64_t evictions = 0;
    for (int i = 0; i < STATES; i++) {
        cr_assert_eq(weir_state_flush(p[i].state, p[i].position, p[i].position, NULL), WEIR_OK);
        weir_state_stats stats;
        weir_state_stats_read(p[i].state, &stats);
        evictions += stats.evictions;
        for (uint64_t card = 0; card < CARDS; card++)
            cr_assert_eq(touch(&p[i], card)->history.event_count, p[i].applied[card]);
        weir_state_close(p[i].state);
        weir_fake_disk_deinit(&p[i].disk);
    }
    cr_assert_gt(evictions, 100);
    weir_committer_close(committer);
    weir_slab_give(weir_memory_slab(memory), ballast, 57 << 20);
    weir_memory_close(memory);
    free(p);
}

/* Closing in the middle of a sweep, with a batch between handed over and durable, is a crash like any other. */
Test(committer, a_state_may_close_with_a_commit_under_way)
{
    weir_memory *memory;
    weir_committer *committer;
    cr_assert_eq(weir_memory_open(64 << 20, &memory, NULL), WEIR_OK);
    cr_assert_eq(weir_committer_open(true, &committer, NULL), WEIR_OK);
    partition *p = calloc(1, sizeof *p);
    weir_fake_disk_init(&p->disk);
    weir_rng rng = {.state = 4};
    int under_way = 0;
    for (int round = 0; round < 300; round++) {
        open_partition(p, memory, committer);
        for (uint64_t i = 0, end = 1 + weir_rng_below(&rng, 200); i < end; i++) {
            weir_entity *entity = touch(p, weir_rng_below(&rng, CARDS));
            int64_t offset = p->position++;
            if (offset <= entity->applied_offset)
                continue;
            weir_event event = {.time_us = offset, .transaction = (uint64_t)offset};
            cr_assert(weir_history_append(&entity->history, weir_memory_slab(memory), &event));
            weir_state_applied(p->state, entity, offset);
            cr_assert_eq(weir_state_step(p->state, p->position, p->position, 100 * round + (int64_t)i, 0, NULL),
                         WEIR_OK);
        }
        under_way += p->state->job.phase != WEIR_JOB_IDLE;
        weir_state_close(p->state);
    }
    cr_assert_gt(under_way, 20);
    weir_committer_close(committer);
    weir_memory_close(memory);
    weir_fake_disk_deinit(&p->disk);
    free(p);
}
