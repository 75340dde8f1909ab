/* What an event costs to keep: bytes in records, in the file and in RAM for each event retained, in a stage of cards
 * and in one of terminals fed with the same stream, and in both together.
 *
 *   bench_retained [CARDS [TERMINALS [DIRECTORY]]]     default 100000 cards and 13333 terminals, under $TMPDIR
 *
 * Every card has 40 events on average, in the order of time over 30 days, most of them at a score of terminals near
 * its home; a terminal has one place, merchant and category. The state is swept SWEEPS times on the way, so that the
 * file is what checkpoints leave and not what a bulk load would. RAM is without a plan's running state. */
#include "../support/bench.h"

#include "weir/base/check.h"
#include "weir/base/hash.h"
#include "weir/base/rng.h"
#include "weir/base/units.h"
#include "weir/state/state.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { EVENTS_A_CARD = 40, SWEEPS = 10, NEAR_COUNT = 20, DEVICE_SHARE = 4, LABEL_SHARE = 500 };

typedef struct stage {
    const char *entity;
    weir_memory *memory;
    weir_store *store;
    weir_state *state;
} stage;

/* In weir's own layout, so that `weir state stats --state-dir DIRECTORY` can be asked about what a run leaves. */
static void open_stage(stage *s, const char *entity, const char *topic, const char *parent, weir_committer *committer)
{
    char directory[512];
    weir_error error;
    int64_t replay_from;
    weir_state_options options = {.identity = {.partition_count = 1, .horizon_us = 60 * WEIR_US_PER_DAY},
                                  .step_card_max = 64, /* these three as src/app/launch.c has them */
                                  .batch_card_max = 4096,
                                  .batch_size_max = 16 << 20};
    *s = (stage){.entity = entity};
    snprintf(directory, sizeof directory, "%s/%s/0", parent, topic);
    snprintf(options.identity.entity, sizeof options.identity.entity, "%s", entity);
    snprintf(options.identity.topic, sizeof options.identity.topic, "%s", topic);
    bench_require(weir_memory_open(UINT64_C(8) << 30, &s->memory, &error), "memory", &error);
    bench_require(weir_store_open_lmdb(directory, false, &s->store, &error), "store", &error);
    bench_require(weir_state_open(s->store, s->memory, committer, &options, &s->state, &replay_from, &error), "state",
                  &error);
}

static uint64_t mix(uint64_t number)
{
    weir_rng rng = {.state = number};
    return weir_rng_next(&rng);
}

static weir_event event_of(weir_rng *rng, uint64_t card, uint64_t terminal, int64_t time_us)
{
    uint64_t place = mix(terminal * 3 + 1), merchant = mix(terminal / 2 * 3 + 2);
    weir_event event = {.time_us = time_us,
                        .amount_minor = (int64_t)(100 + weir_rng_below(rng, 20000)),
                        .mcc = 5000 + merchant % 900,
                        .transaction = weir_rng_next(rng) >> 16,
                        .country = place % 20 ? 0x2b3 : 0x1c4,
                        .card = mix(card * 3) >> 16,
                        .currency = 0x1234,
                        .merchant = merchant >> 16,
                        .channel = 1 + weir_rng_below(rng, 3),
                        .entry = 1 + weir_rng_below(rng, 3),
                        .outcome = weir_rng_below(rng, 20) ? WEIR_OUTCOME_APPROVED : WEIR_OUTCOME_DECLINED,
                        .terminal = mix(terminal * 3) >> 16,
                        .label_delay_us = weir_rng_below(rng, LABEL_SHARE) ? WEIR_LABEL_NONE : WEIR_US_PER_DAY,
                        .latitude = (int32_t)(place >> 40 & 0x3fffff),
                        .longitude = (int32_t)(place >> 18 & 0x3fffff)};
    if (weir_rng_below(rng, DEVICE_SHARE) == 0)
        weir_event_set_device(&event, mix(card * 5) >> 16);
    return event;
}

static void apply(stage *s, weir_span key, uint64_t hash, const weir_event *event, int64_t offset)
{
    weir_entity *entity;
    bench_require(weir_state_touch(s->state, key, hash, &entity), "touch", NULL);
    weir_check(weir_history_append(&entity->history, weir_memory_slab(s->memory), event));
    entity->history.newest_time_us = event->time_us;
    weir_state_applied(s->state, entity, offset);
}

/* Bytes an event of the stream costs: what is in the records, in the file, and in RAM. */
typedef struct cost {
    double record, file, ram;
} cost;

static cost cost_of(stage *s)
{
    weir_error error;
    weir_state_census census;
    weir_state_stats stats;
    weir_state_stats_read(s->state, &stats);
    bench_require(weir_state_take_census(s->store, &census, &error), "census", &error);
    fprintf(stderr, "%s: %llu histories, %llu events, %llu chunk records\n", s->entity,
            (unsigned long long)census.card_count, (unsigned long long)census.event_count,
            (unsigned long long)census.chunk_count);
    double event_count = (double)census.event_count;
    return (cost){.record = (double)census.record_bytes / event_count,
                  .file = (double)stats.store_size / event_count,
                  .ram = (double)stats.memory_used / event_count};
}

static void print_cost(const char *prefix, const char *record_name, cost it)
{
    const struct {
        const char *what;
        double size;
    } figures[] = {{record_name, it.record}, {"file_", it.file}, {"ram_", it.ram}};
    for (size_t i = 0; i < sizeof figures / sizeof *figures; i++) {
        char name[64];
        snprintf(name, sizeof name, "%s_%sbytes_per_event", prefix, figures[i].what);
        bench_row(name, figures[i].size, "B");
    }
}

/* Every event is kept once by its card and once by its terminal: what it costs is the sum. */
static void report(stage *cards, stage *terminals)
{
    cost card = cost_of(cards), terminal = cost_of(terminals);
    print_cost("state_card", "record_", card);
    print_cost("state_terminal", "record_", terminal);
    print_cost("state", "", (cost){.record = card.record + terminal.record,
                                   .file = card.file + terminal.file,
                                   .ram = card.ram + terminal.ram});
}

typedef struct world {
    uint64_t card_count, terminal_count;
    weir_rng rng;
    stage cards, terminals;
} world;

static uint64_t some_terminal(world *w, uint64_t card)
{
    if (weir_rng_below(&w->rng, 5) == 0)
        return weir_rng_below(&w->rng, w->terminal_count);
    return (mix(card) + weir_rng_below(&w->rng, NEAR_COUNT)) % w->terminal_count;
}

static void feed(world *w, int64_t offset, int64_t time_us)
{
    uint64_t card = weir_rng_below(&w->rng, w->card_count);
    weir_event event = event_of(&w->rng, card, some_terminal(w, card), time_us);
    char text[32];
    uint8_t key[WEIR_ENTITY_KEY_SIZE];
    weir_span token = weir_span_of(text, (size_t)snprintf(text, 32, "tok_%012llu", (unsigned long long)card));
    apply(&w->cards, token, weir_hash(token), &event, offset);
    uint64_t hash = weir_entity_key(event.terminal, key);
    apply(&w->terminals, weir_span_of(key, sizeof key), hash, &event, offset);
}

static void sweep(stage *s, int64_t position)
{
    weir_error error;
    bench_require(weir_state_flush(s->state, position, position, &error), "flush", &error);
}

static void live_a_month(world *w)
{
    int64_t event_count = (int64_t)w->card_count * EVENTS_A_CARD, gap_us = 30 * WEIR_US_PER_DAY / event_count;
    for (int64_t offset = 0; offset < event_count; offset++) {
        feed(w, offset, offset * gap_us + (int64_t)weir_rng_below(&w->rng, 100));
        if ((offset + 1) % (event_count / SWEEPS))
            continue;
        sweep(&w->cards, offset + 1);
        sweep(&w->terminals, offset + 1);
    }
}

static void close_stage(stage *s)
{
    weir_state_close(s->state);
    weir_memory_close(s->memory);
}

int main(int argc, char **argv)
{
    world w = {.card_count = argc > 1 ? strtoull(argv[1], NULL, 10) : 100000,
               .terminal_count = argc > 2 ? strtoull(argv[2], NULL, 10) : 13333,
               .rng = {.state = 1}};
    char temporary[256], command[512];
    const char *directory = argc > 3 ? argv[3] : temporary, *parent = getenv("TMPDIR");
    snprintf(temporary, sizeof temporary, "%s/weir-retained-%ld", parent ? parent : "/tmp", (long)getpid());
    bench_begin("retained");
    weir_error error;
    weir_committer *committer;
    bench_require(weir_committer_open(false, &committer, &error), "committer", &error);
    open_stage(&w.cards, "card", "transactions", directory, committer);
    open_stage(&w.terminals, "terminal", "bench.stage.terminal", directory, committer);
    live_a_month(&w);
    report(&w.cards, &w.terminals);
    close_stage(&w.cards);
    close_stage(&w.terminals);
    weir_committer_close(committer);
    if (argc > 3)
        return WEIR_EXIT_OK;
    snprintf(command, sizeof command, "rm -rf '%s'", directory);
    return system(command) ? WEIR_EXIT_FAILED : WEIR_EXIT_OK;
}
