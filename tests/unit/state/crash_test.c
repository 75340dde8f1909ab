/* Thousands of random schedules of applying, sweeping, evicting, crashing and replaying, against an oracle.
 *
 * The world: a log of events, each of one card; every third one causes an output. Outputs travel in order; they become
 * durable late, and are acknowledged later still. A crash keeps what the disk committed and the outputs that were
 * durable, and nothing else. The engine recovers as the design says: replay from replay_from, skip what a card has
 * already applied, emit from the mark on, mark = max(committed offset, last durable output + 1).
 *
 * Labels come in a log of their own, each after its event: it marks the event in its card's history. How far they were
 * read is the note, and a process reads on from there.
 *
 * The claim: at the end every card has applied each of its events exactly once and has every label, and every output
 * was made durable with the value the oracle computes, whatever the schedule. Without the barrier it does not hold, nor
 * when the place in the labels is kept anywhere but beside replay_from, and tests show that. */
#include "state/internal.h"

#include "support/fake_store.h"
#include "support/state_events.h"

#include <criterion/criterion.h>
#include <stdlib.h>

enum { LOG_MAX = 400, CARD_COUNT = 9, LABEL_DELAY_US = 7 };

typedef struct output {
    int64_t offset;
    uint32_t value;
} output;

typedef struct world {
    weir_rng rng;
    /* the log and the oracle */
    int64_t log_end;
    uint8_t card_of[LOG_MAX];
    uint32_t rank[LOG_MAX]; /* the event is its card's rank-th: the output's value */
    int64_t label_of[LOG_MAX], label_end; /* the labels' log: offsets of events, ascending */
    /* what survives a crash */
    weir_fake_disk disk;
    int64_t committed;            /* the group's offset */
    uint32_t durable[LOG_MAX];    /* the output's value as first made durable; 0: none */
    int64_t last_durable;         /* offset; -1 */
    int64_t labels_committed;     /* how far labels were read, kept in the wrong place */
    /* the process */
    weir_memory *memory;
    weir_committer *committer;
    weir_state *state;
    int64_t position, mark, now_us;
    output in_flight[LOG_MAX]; /* produced, in order; the first `durable_count` are on the broker */
    size_t in_flight_count, durable_count;
    int64_t label_next;
    bool barrier_off, note_off, wrong;
    uint64_t crashes, evictions;
} world;

static bool causes_output(int64_t offset)
{
    return offset % 3 == 0;
}

static void make_log(world *w)
{
    uint32_t seen[CARD_COUNT] = {0};
    w->log_end = 100 + (int64_t)weir_rng_below(&w->rng, LOG_MAX - 100);
    for (int64_t offset = 0; offset < w->log_end; offset++) {
        unsigned card = (unsigned)weir_rng_below(&w->rng, CARD_COUNT);
        if (weir_rng_below(&w->rng, 3) == 0)
            card = 0; /* one busy card, so that chunk records are part of the story */
        w->card_of[offset] = (uint8_t)card;
        w->rank[offset] = ++seen[card];
        if (weir_rng_below(&w->rng, 5) == 0)
            w->label_of[w->label_end++] = offset;
    }
}

static size_t give_note(void *context, uint8_t *note_out)
{
    const world *w = context;
    memcpy(note_out, &w->label_next, sizeof w->label_next);
    return sizeof w->label_next;
}

/* Where the store says the labels were, or their beginning when it says nothing yet. */
static int64_t noted_label(const world *w)
{
    int64_t next = 0;
    weir_span note = weir_state_note(w->state);
    if (note.size)
        memcpy(&next, note.data, sizeof next);
    return next;
}

static void start(world *w)
{
    cr_assert_eq(weir_memory_open(8 << 20, &w->memory, NULL), WEIR_OK);
    cr_assert(weir_slab_take(weir_memory_slab(w->memory), 7 << 20), "ballast: memory is always tight");
    cr_assert_eq(weir_committer_open(false, &w->committer, NULL), WEIR_OK);
    weir_state_options options = {.identity = weir_test_identity(),
                                  .sweep_interval_us = (int64_t)weir_rng_below(&w->rng, 20),
                                  .step_card_max = 1 + weir_rng_below(&w->rng, 3),
                                  .batch_card_max = 1 + weir_rng_below(&w->rng, 4),
                                  .batch_size_max = 1 << 20,
                                  .note = give_note,
                                  .note_context = w};
    weir_error error = {0};
    int64_t replay_from;
    cr_assert_eq(weir_state_open(weir_fake_store_open(&w->disk), w->memory, w->committer, &options, &w->state,
                                 &replay_from, &error), WEIR_OK, "%s", error.message);
    if (w->barrier_off)
        weir_state_disable_barrier(w->state);
    w->position = replay_from < 0 ? 0 : replay_from;
    w->label_next = w->note_off ? w->labels_committed : noted_label(w);
    w->mark = w->committed > w->last_durable + 1 ? w->committed : w->last_durable + 1;
    w->in_flight_count = w->durable_count = 0;
}

static int64_t acked_below(const world *w)
{
    return w->in_flight_count ? w->in_flight[0].offset : w->position;
}

static weir_entity *touch(world *w, unsigned card)
{
    char text[32];
    weir_span token = weir_test_token(text, card);
    weir_entity *entity;
    cr_assert_eq(weir_state_touch(w->state, token, weir_hash(token), &entity), WEIR_OK);
    return entity;
}

static void process_one(world *w)
{
    if (w->position == w->log_end)
        return;
    int64_t offset = w->position++;
    weir_entity *entity = touch(w, w->card_of[offset]);
    if (offset <= entity->applied_offset)
        return; /* the store is ahead: applied before the crash */
    weir_event event = {.time_us = offset, .amount_minor = offset, .transaction = (uint64_t)offset + 1,
                        .label_delay_us = WEIR_LABEL_NONE};
    cr_assert(weir_history_append(&entity->history, weir_memory_slab(w->memory), &event));
    weir_state_applied(w->state, entity, offset);
    if (causes_output(offset) && offset >= w->mark)
        w->in_flight[w->in_flight_count++] = (output){.offset = offset, .value = entity->history.event_count};
}

static weir_event *find_event(const weir_entity *entity, int64_t offset)
{
    for (weir_chunk *chunk = entity->history.first; chunk; chunk = chunk->next)
        for (unsigned i = chunk->begin; i < chunk->end; i++)
            if (chunk->events[i].time_us == offset) {
                chunk->dirty = true;
                return &chunk->events[i];
            }
    return NULL;
}

/* Reads the next label if its event has come. */
static void label_one(world *w)
{
    if (w->label_next == w->label_end || w->label_of[w->label_next] >= w->position)
        return;
    int64_t offset = w->label_of[w->label_next++];
    weir_entity *entity = touch(w, w->card_of[offset]);
    weir_event *event = find_event(entity, offset);
    w->wrong |= !event;
    if (event && event->label_delay_us == WEIR_LABEL_NONE) {
        event->label_delay_us = LABEL_DELAY_US;
        weir_state_changed(w->state, entity);
    }
    if (weir_rng_below(&w->rng, 2))
        w->labels_committed = w->label_next;
}

static void make_durable(world *w)
{
    if (w->durable_count == w->in_flight_count)
        return;
    const output *out = &w->in_flight[w->durable_count++];
    if (!w->durable[out->offset])
        w->durable[out->offset] = out->value;
    else if (w->durable[out->offset] != out->value)
        w->wrong = true;
    w->last_durable = out->offset;
}

static void acknowledge(world *w)
{
    if (w->durable_count == 0)
        return;
    w->durable_count--;
    w->in_flight_count--;
    memmove(w->in_flight, w->in_flight + 1, w->in_flight_count * sizeof *w->in_flight);
}

static void step(world *w)
{
    w->now_us += (int64_t)weir_rng_below(&w->rng, 10) + (w->disk.commits_to_fail ? WEIR_US_PER_SECOND : 0);
    weir_status status = weir_state_step(w->state, w->position, acked_below(w), w->now_us, INT64_MIN, NULL);
    cr_assert(status == WEIR_OK || status == WEIR_FULL);
}

/* A crash may fall between a commit and the news of it. */
static void crash(world *w)
{
    weir_commit_job *job = &w->state->job;
    if (job->phase == WEIR_JOB_QUEUED && weir_rng_below(&w->rng, 2))
        (void)!job->store->ops->commit(job->store, job->batch, NULL);
    for (uint64_t n = weir_rng_below(&w->rng, 3); n > 0; n--)
        make_durable(w); /* what was on the wire may still arrive */
    weir_state_close(w->state);
    weir_committer_close(w->committer);
    weir_memory_close(w->memory);
    w->crashes++;
}

static void act(world *w)
{
    switch (weir_rng_below(&w->rng, 26)) {
    case 0:
        crash(w);
        start(w);
        break;
    case 1:
        w->disk.commits_to_fail = weir_rng_below(&w->rng, 3);
        break;
    case 2:
    case 3:
        w->evictions += weir_state_evict(w->state, 1 + weir_rng_below(&w->rng, 20));
        break;
    case 4:
        if (acked_below(w) > w->committed)
            w->committed = acked_below(w);
        break;
    case 5:
    case 6:
    case 7:
        make_durable(w);
        break;
    case 8:
    case 9:
        acknowledge(w);
        break;
    case 10 ... 15:
        step(w);
        break;
    case 16:
    case 17:
        label_one(w);
        break;
    default:
        for (uint64_t n = 1 + weir_rng_below(&w->rng, 4); n > 0; n--)
            process_one(w);
    }
}

static void finish(world *w)
{
    w->disk.commits_to_fail = 0;
    while (w->position < w->log_end)
        process_one(w);
    while (w->label_next < w->label_end)
        label_one(w);
    while (w->durable_count < w->in_flight_count)
        make_durable(w);
    while (w->in_flight_count)
        acknowledge(w);
    weir_error error = {0};
    cr_assert_eq(weir_state_flush(w->state, w->position, acked_below(w), &error), WEIR_OK, "%s", error.message);
    crash(w);
    start(w);
    w->wrong |= w->position != w->log_end; /* flushed: nothing is left to replay */
    w->wrong |= w->label_next != w->label_end;
}

static void check_card(world *w, unsigned card)
{
    const weir_entity *entity = touch(w, card);
    weir_history_cursor cursor = weir_history_begin(&entity->history);
    int64_t label = 0; /* the first at or behind offset */
    for (int64_t offset = 0; offset < w->log_end; offset++) {
        while (label < w->label_end && w->label_of[label] < offset)
            label++;
        if (w->card_of[offset] != card)
            continue;
        const weir_event *event = weir_history_next(&cursor);
        bool labelled = label < w->label_end && w->label_of[label] == offset;
        w->wrong |= !event || event->time_us != offset ||
                    event->label_delay_us != (labelled ? LABEL_DELAY_US : WEIR_LABEL_NONE);
    }
    w->wrong |= weir_history_next(&cursor) != NULL;
}

typedef enum guard { GUARDED, NO_BARRIER, NO_NOTE } guard; /* what is left out, to see that it is needed */

/* One schedule; whether everything came out as the oracle says. */
static bool run(uint64_t seed, guard without, uint64_t *crashes, uint64_t *evictions)
{
    world *w = calloc(1, sizeof *w);
    w->rng.state = seed;
    w->barrier_off = without == NO_BARRIER;
    w->note_off = without == NO_NOTE;
    w->last_durable = -1;
    weir_fake_disk_init(&w->disk);
    make_log(w);
    start(w);
    for (uint64_t n = 100 + weir_rng_below(&w->rng, 500); n > 0; n--)
        act(w);
    finish(w);
    for (unsigned card = 0; card < CARD_COUNT; card++)
        check_card(w, card);
    for (int64_t offset = 0; offset < w->log_end; offset++)
        if (causes_output(offset))
            w->wrong |= w->durable[offset] != w->rank[offset];
    crash(w);
    bool right = !w->wrong;
    *crashes += w->crashes;
    *evictions += w->evictions;
    weir_fake_disk_deinit(&w->disk);
    free(w);
    return right;
}

Test(crash, no_schedule_loses_or_doubles_an_event_or_an_output)
{
    uint64_t crashes = 0, evictions = 0;
    for (uint64_t seed = 1; seed <= 3000; seed++)
        cr_assert(run(seed, GUARDED, &crashes, &evictions), "seed %llu", (unsigned long long)seed);
    cr_assert_gt(crashes, 10000, "the schedules crash, %llu times", (unsigned long long)crashes);
    cr_assert_gt(evictions, 3000, "and evict, %llu times", (unsigned long long)evictions);
}

Test(crash, without_the_barrier_schedules_go_wrong)
{
    uint64_t crashes = 0, evictions = 0, wrong = 0;
    for (uint64_t seed = 1; seed <= 500; seed++)
        wrong += !run(seed, NO_BARRIER, &crashes, &evictions);
    cr_log_info("without the barrier %llu of 500 schedules went wrong", (unsigned long long)wrong);
    cr_assert_gt(wrong, 50, "only %llu of 500", (unsigned long long)wrong);
}

Test(crash, without_the_note_beside_replay_from_labels_are_lost)
{
    uint64_t crashes = 0, evictions = 0, wrong = 0;
    for (uint64_t seed = 1; seed <= 500; seed++)
        wrong += !run(seed, NO_NOTE, &crashes, &evictions);
    cr_log_info("without the note %llu of 500 schedules went wrong", (unsigned long long)wrong);
    cr_assert_gt(wrong, 50, "only %llu of 500", (unsigned long long)wrong);
}
