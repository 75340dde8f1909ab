/* What the tests of state/ share: a state over a fake disk with an unthreaded committer, so that every step is at
 * hand. */
#ifndef WEIR_TESTS_UNIT_STATE_STATE_FIXTURE_H
#define WEIR_TESTS_UNIT_STATE_STATE_FIXTURE_H

#include "state/internal.h"

#include "support/fake_store.h"
#include "support/state_events.h"

#include <criterion/criterion.h>
#include <stdlib.h>

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

static inline weir_status try_open(fixture *f)
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

static inline void open_state(fixture *f)
{
    cr_assert_eq(try_open(f), WEIR_OK, "%s", f->error.message);
}

static inline void close_state(fixture *f)
{
    weir_state_close(f->state);
    weir_committer_close(f->committer);
    weir_memory_close(f->memory);
}

static inline void reopen(fixture *f)
{
    close_state(f);
    open_state(f);
}

static inline fixture *setup(void)
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

static inline void teardown(fixture *f)
{
    close_state(f);
    weir_fake_disk_deinit(f->disk);
    free(f->disk);
    free(f);
}

static inline weir_entity *touch(fixture *f, uint64_t card)
{
    char text[32];
    weir_span token = weir_test_token(text, card);
    weir_entity *entity = NULL;
    cr_assert_eq(weir_state_touch(f->state, token, weir_hash(token), &entity), WEIR_OK);
    return entity;
}

static inline weir_entity *apply(fixture *f, uint64_t card, int64_t time_us)
{
    weir_entity *entity = touch(f, card);
    weir_event event = weir_test_event(&f->rng, card, time_us, weir_rng_next(&f->rng) >> 16);
    cr_assert(weir_history_append(&entity->history, weir_memory_slab(f->memory), &event));
    weir_state_applied(f->state, entity, f->position++);
    return entity;
}

static inline weir_status step(fixture *f, int64_t acked_below, int64_t clock_us)
{
    f->now_us += 100 * WEIR_US_PER_MS;
    return weir_state_step(f->state, f->position, acked_below, f->now_us, clock_us, &f->error);
}

static inline void flush(fixture *f)
{
    cr_assert_eq(weir_state_flush(f->state, f->position, f->position, &f->error), WEIR_OK, "%s", f->error.message);
}

/* A sweep with purging, which flush leaves out. */
static inline void sweep(fixture *f, int64_t clock_us)
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

static inline weir_state_stats stats(const fixture *f)
{
    weir_state_stats out;
    weir_state_stats_read(f->state, &out);
    return out;
}

#endif
