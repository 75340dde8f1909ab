/* kill -9 against the real thing: LMDB on a real disk, commits on the checkpointer thread. A child applies a known
 * stream and sweeps in a loop; it is killed at random moments; whatever is on disk then must be whole cards, each with
 * exactly its events up to its applied_offset, and a replay_from that misses none. */
#include "weir/state/state.h"

#include "support/state_events.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CARD_COUNT = 3000, KILLS = 20, EVENTS_MAX = 2000000 };

static unsigned card_of(int64_t offset)
{
    weir_rng rng = {.state = (uint64_t)offset};
    uint64_t random = weir_rng_next(&rng);
    return random % 4 == 0 ? 0 : (unsigned)(random >> 8) % CARD_COUNT; /* card 0 is busy */
}

static weir_event event_of(int64_t offset)
{
    weir_rng rng = {.state = (uint64_t)offset * 7919};
    return weir_test_event(&rng, card_of(offset), offset, (uint64_t)offset + 1);
}

typedef struct process {
    weir_memory *memory;
    weir_committer *committer;
    weir_state *state;
    int64_t replay_from;
} process;

static bool start(process *p, const char *directory)
{
    const weir_state_options options = {.identity = weir_test_identity(), .sweep_interval_us = 1,
                                        .batch_card_max = 500};
    weir_store *store;
    return !weir_memory_open(2048u << 20, &p->memory, NULL) && !weir_committer_open(true, &p->committer, NULL) &&
           !weir_store_open_lmdb(directory, false, &store, NULL) &&
           !weir_state_open(store, p->memory, p->committer, &options, &p->state, &p->replay_from, NULL);
}

static void stop(process *p)
{
    weir_state_close(p->state);
    weir_committer_close(p->committer);
    weir_memory_close(p->memory);
}

static weir_entity *touch(process *p, unsigned card)
{
    char text[32];
    weir_span token = weir_test_token(text, card);
    weir_entity *entity;
    return weir_state_touch(p->state, token, weir_hash(token), &entity) ? NULL : entity;
}

/* Never returns; leaves by being killed, or with a code that says what went wrong. */
static void live(const char *directory)
{
    process p;
    if (!start(&p, directory))
        _exit(1);
    int64_t offset = p.replay_from < 0 ? 0 : p.replay_from;
    if (p.replay_from < 0 && weir_state_flush(p.state, 0, 0, NULL))
        _exit(2);
    for (int64_t now_us = 0;; now_us += 1000) {
        for (int i = 0; i < 64 && offset < EVENTS_MAX; i++, offset++) {
            weir_entity *entity = touch(&p, card_of(offset));
            if (!entity)
                _exit(3);
            if (offset <= entity->applied_offset)
                continue;
            weir_event event = event_of(offset);
            if (!weir_history_append(&entity->history, weir_memory_slab(p.memory), &event))
                _exit(4);
            weir_state_applied(p.state, entity, offset);
        }
        if (weir_state_step(p.state, offset, offset, now_us, INT64_MIN, NULL))
            _exit(5);
        usleep(20);
    }
}

static void check_card(process *p, unsigned card, const int64_t *offsets, size_t count)
{
    weir_entity *entity = touch(p, card);
    cr_assert(entity, "card %u cannot be read", card);
    weir_history_cursor cursor = weir_history_begin(&entity->history);
    size_t applied = 0;
    for (const weir_event *event; (event = weir_history_next(&cursor)); applied++) {
        cr_assert_lt(applied, count, "card %u has too many events", card);
        weir_event expected = event_of(offsets[applied]);
        cr_assert_eq(memcmp(event, &expected, sizeof expected), 0, "card %u, event %zu", card, applied);
    }
    cr_assert_eq(entity->applied_offset, applied ? offsets[applied - 1] : -1, "card %u", card);
    cr_assert(applied == count || offsets[applied] >= p->replay_from, "card %u misses offset %lld, replay from %lld",
              card,
              (long long)offsets[applied], (long long)p->replay_from);
}

/* What is on disk against the stream. Returns replay_from. */
static int64_t check(const char *directory)
{
    static int64_t *offsets[CARD_COUNT];
    static size_t counts[CARD_COUNT];
    for (int64_t offset = 0; !offsets[0] && offset < EVENTS_MAX; offset++)
        counts[card_of(offset)]++;
    if (!offsets[0]) {
        for (unsigned card = 0; card < CARD_COUNT; card++)
            offsets[card] = malloc((counts[card] + 1) * sizeof **offsets);
        memset(counts, 0, sizeof counts);
        for (int64_t offset = 0; offset < EVENTS_MAX; offset++)
            offsets[card_of(offset)][counts[card_of(offset)]++] = offset;
    }
    process p;
    cr_assert(start(&p, directory));
    for (unsigned card = 0; card < CARD_COUNT; card++)
        check_card(&p, card, offsets[card], counts[card]);
    stop(&p);
    return p.replay_from;
}

Test(kill, what_is_on_disk_is_whole_after_kill_9, .timeout = 120)
{
    char root[] = "/tmp/weir-kill-XXXXXX", directory[64], command[64];
    cr_assert(mkdtemp(root));
    snprintf(directory, sizeof directory, "%s/transactions/0", root);
    weir_rng rng = {.state = 5};
    int64_t replay_from = -1, advanced = 0;
    for (int i = 0; i < KILLS; i++) {
        pid_t child = fork();
        if (child == 0)
            live(directory);
        usleep((useconds_t)(5000 + weir_rng_below(&rng, 120000)));
        kill(child, SIGKILL);
        int status;
        cr_assert_eq(waitpid(child, &status, 0), child);
        cr_assert(WIFSIGNALED(status), "the child ended by itself, exit %d", WEXITSTATUS(status));
        int64_t now = check(directory);
        cr_assert_geq(now, replay_from, "replay_from never goes back");
        advanced += now > replay_from;
        replay_from = now;
    }
    cr_log_info("%d kills, %lld times further on, replay_from %lld", KILLS, (long long)advanced,
                (long long)replay_from);
    cr_assert_gt(advanced, KILLS / 2);
    snprintf(command, sizeof command, "rm -rf '%s'", root);
    cr_assert_eq(system(command), 0);
}
