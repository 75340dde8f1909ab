/* What a checkpoint costs: nanoseconds a dirty card, encoding on the worker's thread and committing in the background,
 * and what a worker that applies events all the while notices of it.
 *
 *   bench_checkpoint [CARDS [DIRECTORY]]     default 1000000 cards of 10 events, a temporary directory under $TMPDIR
 *
 * A tenth of the cards is dirtied in random order for each sweep; LMDB is fully synced, as in service, so the disk
 * under DIRECTORY is part of the figure. */
#include "../support/bench.h"

#include "weir/base/check.h"
#include "weir/base/hash.h"
#include "weir/base/rng.h"
#include "weir/base/units.h"
#include "weir/state/state.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { EVENTS_A_CARD = 10, DIRTY_SHARE = 10, SWEEPS = 5, STEP_EVENTS = 256, LOAD_EVENTS = 4000000 };

typedef struct bench {
    uint64_t card_count;
    weir_entity **cards;
    weir_memory *memory;
    weir_committer *committer;
    weir_state *state;
    weir_rng rng;
    int64_t offset;
    int64_t now_us;
    uint64_t cards_seen; /* of stats.cards_written */
    double commit_us;    /* summed over batches */
} bench;

static weir_event event_of(bench *b, uint64_t card, int64_t time_us)
{
    weir_event event = {.time_us = time_us,
                        .amount_minor = (int64_t)weir_rng_below(&b->rng, 20000),
                        .mcc = 5000 + weir_rng_below(&b->rng, 900),
                        .transaction = weir_rng_next(&b->rng) >> 16,
                        .country = 0x2b3,
                        .card = card,
                        .currency = 0x1234,
                        .merchant = weir_rng_next(&b->rng) >> 16,
                        .channel = weir_rng_below(&b->rng, WEIR_CHANNEL_COUNT),
                        .entry = weir_rng_below(&b->rng, WEIR_ENTRY_COUNT),
                        .outcome = WEIR_OUTCOME_APPROVED,
                        .terminal = weir_rng_next(&b->rng) >> 16,
                        .label_delay_us = WEIR_LABEL_NONE,
                        .latitude = WEIR_LATITUDE_NONE};
    return event;
}

static weir_span token_of(uint64_t card, char text[32])
{
    return weir_span_of(text, (size_t)snprintf(text, 32, "tok_%012llu", (unsigned long long)card));
}

static void populate(bench *b)
{
    for (uint64_t card = 0; card < b->card_count; card++) {
        char text[32];
        weir_span token = token_of(card, text);
        bench_require(weir_state_touch(b->state, token, weir_hash(token), &b->cards[card]), "touch", NULL);
    }
    for (int64_t i = 0; i < EVENTS_A_CARD; i++)
        for (uint64_t card = 0; card < b->card_count; card++) {
            weir_event event = event_of(b, card, i * 20 * WEIR_US_PER_HOUR + (int64_t)card);
            weir_check(weir_history_append(&b->cards[card]->history, weir_memory_slab(b->memory), &event));
            weir_state_applied(b->state, b->cards[card], b->offset++);
        }
}

/* Applies what a real event would without growing the history: the newest event's amount changes. */
static void apply(bench *b, weir_entity *entity)
{
    weir_chunk *chunk = entity->history.last;
    chunk->events[chunk->end - 1].amount_minor++;
    chunk->dirty = true;
    weir_state_applied(b->state, entity, b->offset++);
}

static weir_entity *some_card(bench *b)
{
    return b->cards[weir_rng_below(&b->rng, b->card_count)];
}

static void step(bench *b)
{
    weir_error error;
    bench_require(weir_state_step(b->state, b->offset, b->offset, b->now_us, INT64_MIN, &error), "step", &error);
}

/* The calling thread's own time: what the worker pays, whoever else is on the core. */
static int64_t cpu_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

/* A sweep of its own: encode time is the worker's time inside steps that encoded something. */
static void sweep(bench *b, double *encode_ns_out, double *commit_ns_out, double *pause_us_out)
{
    weir_state_stats before, after, now;
    for (uint64_t i = 0; i < b->card_count / DIRTY_SHARE; i++)
        apply(b, some_card(b));
    weir_state_stats_read(b->state, &before);
    b->commit_us = 0;
    double encode_ns = 0, pause_ns = 0;
    uint64_t dirty = before.cards_dirty;
    b->now_us += WEIR_US_PER_HOUR; /* it is due at the first step */
    do {
        int64_t began_ns = cpu_ns();
        step(b);
        double took_ns = (double)(cpu_ns() - began_ns);
        weir_state_stats_read(b->state, &now);
        if (now.cards_dirty != dirty) {
            encode_ns += took_ns;
            pause_ns = took_ns > pause_ns ? took_ns : pause_ns;
        } else {
            usleep(100); /* nothing but waiting for the disk */
        }
        dirty = now.cards_dirty;
        if (now.cards_written != b->cards_seen)
            b->commit_us += (double)now.commit_duration_us;
        b->cards_seen = now.cards_written;
    } while (now.sweeps == before.sweeps);
    weir_state_stats_read(b->state, &after);
    double cards = (double)(after.cards_written - before.cards_written);
    *encode_ns_out = encode_ns / cards;
    *commit_ns_out = 1000 * b->commit_us / cards;
    *pause_us_out = pause_ns / 1000;
}

/* Nanoseconds an event of a worker that applies random events in batches, with or without sweeps going on. */
static double load(bench *b, bool sweeping)
{
    int64_t began_ns = cpu_ns();
    for (int64_t i = 0; i < LOAD_EVENTS; i++) {
        apply(b, some_card(b));
        b->now_us++;
        if (sweeping && i % STEP_EVENTS == 0)
            step(b);
    }
    return (double)(cpu_ns() - began_ns) / LOAD_EVENTS;
}

static void open_bench(bench *b, const char *directory, int64_t interval_us)
{
    weir_error error;
    weir_store *store;
    int64_t replay_from;
    const weir_state_options options = {.identity = {.topic = "transactions", .entity = "card", .partition_count = 1,
                                                     .horizon_us = 30 * WEIR_US_PER_DAY},
                                        .sweep_interval_us = interval_us};
    bench_require(weir_memory_open(UINT64_C(8) << 30, &b->memory, &error), "memory", &error);
    bench_require(weir_store_open_lmdb(directory, false, &store, &error), "store", &error);
    bench_require(weir_state_open(store, b->memory, b->committer, &options, &b->state, &replay_from, &error), "state",
                  &error);
}

int main(int argc, char **argv)
{
    bench b = {.card_count = argc > 1 ? strtoull(argv[1], NULL, 10) : 1000000, .rng = {.state = 1}};
    char temporary[256], command[512];
    const char *directory = argc > 2 ? argv[2] : temporary, *parent = getenv("TMPDIR");
    snprintf(temporary, sizeof temporary, "%s/weir-checkpoint-%ld", parent ? parent : "/tmp", (long)getpid());
    weir_error error;
    bench_require(weir_committer_open(true, &b.committer, &error), "committer", &error); /* before the pinning */
    bench_begin("checkpoint");
    b.cards = bench_take(b.card_count * sizeof *b.cards);
    open_bench(&b, directory, 2 * WEIR_US_PER_SECOND);
    populate(&b);
    bench_require(weir_state_flush(b.state, b.offset, b.offset, &error), "flush", &error);
    step(&b); /* the interval counts from the first step */
    weir_state_stats stats;
    weir_state_stats_read(b.state, &stats);
    b.cards_seen = stats.cards_written;
    bench_row("checkpoint_record_bytes_per_event",
              (double)stats.bytes_written / (double)(b.card_count * EVENTS_A_CARD), "B");
    bench_row("checkpoint_store_bytes_per_card", (double)stats.store_size / (double)b.card_count, "B");
    double encode_ns[SWEEPS], commit_ns[SWEEPS], pause_us[SWEEPS];
    for (int i = 0; i < SWEEPS; i++)
        sweep(&b, &encode_ns[i], &commit_ns[i], &pause_us[i]);
    bench_row("checkpoint_encode_ns_per_card", bench_median(encode_ns, SWEEPS), "ns");
    bench_row("checkpoint_commit_ns_per_card", bench_median(commit_ns, SWEEPS), "ns");
    bench_row("checkpoint_pause_us_max", bench_median(pause_us, SWEEPS), "us");
    double alone = load(&b, false), beside = load(&b, true);
    bench_row("checkpoint_worker_ns_alone", alone, "ns");
    bench_row("checkpoint_worker_ns_sweeping", beside, "ns");
    weir_state_close(b.state);
    weir_committer_close(b.committer);
    weir_memory_close(b.memory);
    free(b.cards);
    if (argc <= 2) {
        snprintf(command, sizeof command, "rm -rf '%s'", directory);
        return system(command) ? WEIR_EXIT_FAILED : WEIR_EXIT_OK;
    }
    return WEIR_EXIT_OK;
}
