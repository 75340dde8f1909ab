#include "sim/sim_run.h"

#include "state/internal.h"
#include "support/fake_store.h"

#include "weir/app/service.h"
#include "weir/base/check.h"
#include "weir/base/units.h"
#include "weir/log/log.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MEMBERS = 3, WORKERS = 2, STEPS_MAX = 400000 };

static const char *const TOPICS[] = {"transactions", "sim.stage.1", "sim.stage.2"};

/* Longer than any run takes: a partition is waited for, however long nobody has it. */
#define IDLE_US (3600 * WEIR_US_PER_SECOND)

typedef struct member {
    int number;
    struct sim_run *run;
    weir_fake_disk disks[SIM_LANES_MAX];  /* by lane */
    weir_fake_disk copies[SIM_LANES_MAX]; /* of these, as they once were */
    weir_group *group;
    weir_service *service; /* NULL while dead */
    weir_metrics *metrics;
    _Atomic bool stop;
} member;

typedef struct committed { /* by a lane, at some time */
    int64_t offset;
    char note[WEIR_NOTE_SIZE_MAX];
} committed;

typedef struct sim_run {
    const sim_family *family;
    const weir_rules *rules;
    sim_cluster cluster;
    sim_expected expected;
    member members[MEMBERS];
    committed past[SIM_LANES_MAX];
    weir_rng rng;
    sim_tally *tally;
    char who[64]; /* in messages */
} sim_run;

static bool one_in(sim_run *run, uint64_t n)
{
    return weir_rng_below(&run->rng, n) == 0;
}

static int32_t lane_count(const sim_run *run)
{
    return weir_shape_staged_count(&run->cluster.shape);
}

/* ---- the clock ---- */

static int64_t wall_us(const weir_clock *clock)
{
    (void)clock;
    return sim_wall_us();
}

static int64_t monotonic_us(const weir_clock *clock)
{
    (void)clock;
    return sim_now_us;
}

static const weir_clock CLOCK = {.wall_us = wall_us, .monotonic_us = monotonic_us};

/* ---- disks ---- */

static uint8_t *copy_of(const uint8_t *bytes, size_t size)
{
    uint8_t *copy = malloc(size + 1);
    weir_check(copy);
    memcpy(copy, bytes, size);
    return copy;
}

static void wipe(weir_fake_disk *disk)
{
    weir_fake_disk_deinit(disk);
    weir_fake_disk_init(disk);
}

static void copy_disk(const weir_fake_disk *from, weir_fake_disk *to)
{
    wipe(to);
    to->records = calloc(from->count + 1, sizeof *to->records);
    weir_check(to->records);
    to->count = from->count;
    to->size = from->count + 1;
    for (size_t i = 0; i < from->count; i++) {
        const weir_fake_record *record = &from->records[i];
        to->records[i] = (weir_fake_record){.key = copy_of(record->key, record->key_size),
                                            .key_size = record->key_size,
                                            .value = copy_of(record->value, record->value_size),
                                            .value_size = record->value_size};
    }
}

/* Disks outlive a process, but not always: they are lost, or an old copy is put in their place. */
static void tamper(sim_run *run, member *it)
{
    uint64_t dice = weir_rng_below(&run->rng, 8);
    for (int lane = 0; lane < SIM_LANES_MAX; lane++)
        if (dice < 2)
            wipe(&it->disks[lane]);
        else if (dice < 4)
            copy_disk(&it->copies[lane], &it->disks[lane]);
        else if (dice == 4)
            copy_disk(&it->disks[lane], &it->copies[lane]);
    run->tally->old_disks += dice == 2 || dice == 3;
}

static weir_status open_disk(void *context, const char *topic, int32_t partition, weir_store **store_out,
                             weir_error *error)
{
    (void)error;
    member *it = context;
    int stage = 0;
    while (strcmp(TOPICS[stage], topic) != 0)
        stage++;
    *store_out = weir_fake_store_open(&it->disks[stage * SIM_PARTITIONS + partition]);
    return WEIR_OK;
}

/* ---- members ---- */

static weir_worker_options worker_options(const sim_run *run, member *it)
{
    return (weir_worker_options){
        .stage_topics = TOPICS,
        .batch_events_max = 64,
        .limits = {.framing = WEIR_FRAMING_RAW},
        .brake_window = 1000,
        .brake_share_max = 1,
        .memory_bytes_max = 64 << 20,
        .state = {.identity = {.horizon_us = weir_plan_horizon_us(run->rules->plan)},
                  .sweep_interval_us = 40 * WEIR_US_PER_MS,
                  .step_card_max = 3,
                  .batch_card_max = 7,
                  .batch_size_max = 1 << 20},
        .open_store = open_disk,
        .open_store_context = it,
        .emitter = {.input_topic = TOPICS[0],
                    .group_id = "sim",
                    .enabled = {true, true, true},
                    .score_features = !run->family->bare_scores,
                    .framing = WEIR_FRAMING_RAW},
        .clock = &CLOCK,
        .drift_us_max = run->family->harm == SIM_WITHOUT_BOUND ? INT64_MAX / 4 : run->family->drift_us_max,
        .idle_us = IDLE_US,
    };
}

static void start_member(sim_run *run, member *it)
{
    weir_error error = {0};
    weir_check(weir_metrics_open(WORKERS + 1, &it->metrics, &error) == WEIR_OK);
    it->group = sim_group_open(&run->cluster, it->number, WORKERS);
    weir_service_options options = {
        .group = it->group,
        .rules = run->rules,
        .worker = worker_options(run, it),
        .worker_count = WORKERS,
        .threadless = true,
        .state_dir = "disk",
        .commit_interval_us = 15 * WEIR_US_PER_MS,
        .drain_timeout_us = WEIR_US_PER_SECOND,
        .metrics = it->metrics,
        .stop = &it->stop,
    };
    weir_check(weir_service_open(&options, &it->service, &error) == WEIR_OK);
    weir_check(weir_service_begin(it->service, &error) == WEIR_OK);
}

static void end_member(member *it)
{
    sim_group_crash(it->group);
    weir_service_close(it->service);
    weir_metrics_close(it->metrics);
    it->service = NULL;
}

/* ---- harm ---- */

static void harm_lane(sim_harm harm, const weir_partition *partition)
{
    if (harm == SIM_WITHOUT_BARRIER)
        weir_state_disable_barrier(partition->state);
    for (uint32_t i = 0; harm == SIM_WITHOUT_SOURCES && i < partition->source_count; i++) {
        partition->sources[i] = -1;
        partition->label_sources[i] = weir_seen_none();
    }
    const weir_emitted *emitted = &partition->ledger.emitted;
    if (harm == SIM_WITHOUT_EMITTED && emitted->count > 0)
        memset(emitted->entries, 0, emitted->size * sizeof *emitted->entries);
}

static void do_harm(const sim_run *run, const member *it)
{
    for (size_t worker = 0; run->family->harm && worker < WORKERS; worker++)
        for (int32_t lane = 0; lane < lane_count(run); lane++) {
            const weir_partition *partition = weir_worker_partition(weir_service_worker(it->service, worker), lane);
            if (partition)
                harm_lane(run->family->harm, partition);
        }
}

/* ---- trouble ---- */

/* Hands lanes out anew among the living. */
static void rebalance(sim_run *run)
{
    int alive[MEMBERS], count = 0;
    for (int m = 0; m < MEMBERS; m++)
        if (run->members[m].service)
            alive[count++] = m;
    for (int32_t lane = 0; lane < lane_count(run) && count > 0; lane++)
        run->cluster.lanes[lane].wanted = alive[weir_rng_below(&run->rng, (uint64_t)count)];
    run->tally->moves++;
}

/* The group's offset of a lane nobody has is set back, and states ahead of it are moved away. */
static void rewind_lane(sim_run *run, int32_t lane)
{
    sim_lane *it = &run->cluster.lanes[lane];
    const committed *past = &run->past[lane];
    if (it->owner >= 0 || past->offset < 0)
        return;
    it->committed = past->offset;
    memcpy(it->note, past->note, sizeof it->note);
    for (int m = 0; m < MEMBERS; m++) {
        wipe(&run->members[m].disks[lane]);
        wipe(&run->members[m].copies[lane]);
    }
    run->tally->rewinds++;
}

static void remember(sim_run *run)
{
    int32_t lane = (int32_t)weir_rng_below(&run->rng, (uint64_t)lane_count(run));
    if (run->family->deep_rewinds && run->past[lane].offset >= 0)
        return;
    run->past[lane].offset = run->cluster.lanes[lane].committed;
    memcpy(run->past[lane].note, run->cluster.lanes[lane].note, sizeof run->past[lane].note);
}

static void kill_it(sim_run *run, member *it)
{
    end_member(it);
    run->tally->kills++;
    if (one_in(run, 4))
        rewind_lane(run, (int32_t)weir_rng_below(&run->rng, (uint64_t)lane_count(run)));
    rebalance(run);
}

static void move_lanes(sim_run *run, member *it)
{
    (void)it;
    rebalance(run);
}

static void lose_lanes(sim_run *run, member *it)
{
    sim_group_lose(it->group);
    run->tally->losses++;
    if (one_in(run, 2)) /* else it has them again at once */
        rebalance(run);
}

static void fail_disk(sim_run *run, member *it)
{
    weir_fake_disk *disk = &it->disks[weir_rng_below(&run->rng, (uint64_t)lane_count(run))];
    disk->commits_to_fail = 1 + weir_rng_below(&run->rng, 3);
    disk->failure = WEIR_FULL;
    run->tally->disk_failures++;
}

static void stall_lane(sim_run *run, member *it)
{
    (void)it;
    uint64_t lanes = (uint64_t)weir_shape_lane_count(&run->cluster.shape);
    run->cluster.lanes[weir_rng_below(&run->rng, lanes)].stalled = (unsigned)weir_rng_below(&run->rng, 400);
}

static const struct {
    unsigned share; /* in a hundred */
    void (*cause)(sim_run *run, member *it);
} TROUBLES[] = {{35, kill_it}, {20, move_lanes}, {15, lose_lanes}, {20, fail_disk}, {10, stall_lane}};

static void make_trouble(sim_run *run)
{
    member *it = &run->members[weir_rng_below(&run->rng, MEMBERS)];
    remember(run);
    if (!it->service) {
        tamper(run, it);
        start_member(run, it);
        rebalance(run);
        return;
    }
    uint64_t dice = weir_rng_below(&run->rng, 100);
    size_t row = 0;
    for (; dice >= TROUBLES[row].share; row++)
        dice -= TROUBLES[row].share;
    TROUBLES[row].cause(run, it);
}

/* ---- a run ---- */

static bool step_member(sim_run *run, member *it)
{
    weir_error error = {0};
    weir_status status = weir_service_step(it->service, 0, &error);
    if (status == WEIR_FULL) { /* a disk full when a lane is opened ends the process; it is started anew */
        end_member(it);
        rebalance(run);
        return true;
    }
    if (status != WEIR_OK) {
        printf("%s: a member stopped: %s\n", run->who, error.message);
        return false;
    }
    do_harm(run, it);
    for (uint64_t turns = weir_rng_below(&run->rng, 4); turns > 0; turns--)
        weir_worker_turn(weir_service_worker(it->service, weir_rng_below(&run->rng, WORKERS)));
    return true;
}

static bool all_committed(const sim_run *run)
{
    for (int32_t lane = 0; lane < lane_count(run); lane++) {
        const sim_lane *it = &run->cluster.lanes[lane];
        if (it->log.count > 0 && it->committed < (int64_t)it->log.count)
            return false;
    }
    return true;
}

/* How far each lane is, for a run that does not end. */
static void print_lanes(const sim_run *run)
{
    for (int32_t lane = 0; lane < lane_count(run); lane++) {
        const sim_lane *it = &run->cluster.lanes[lane];
        printf("    lane %" PRId32 ": committed %" PRId64 " of %zu, member %d\n", lane, it->committed, it->log.count,
               it->owner);
        for (int m = 0; m < MEMBERS; m++)
            for (size_t w = 0; run->members[m].service && w < WORKERS; w++) {
                const weir_partition *partition =
                    weir_worker_partition(weir_service_worker(run->members[m].service, w), lane);
                if (partition)
                    printf("        member %d, worker %zu: %s at %" PRId64 ", pace %d, clock %" PRId64
                           ", held %d, waiting %" PRId64 ", %zu under way\n",
                           m, w, weir_phase_name((weir_phase)partition->phase), partition->position, partition->pace,
                           partition->clock_us, partition->held, partition->waiting_us,
                           weir_ledger_pending(&partition->ledger));
            }
    }
}

static bool drive(sim_run *run)
{
    int step = 0;
    for (; step < STEPS_MAX && !all_committed(run); step++) {
        sim_now_us += (int64_t)weir_rng_below(&run->rng, 2 * WEIR_US_PER_MS);
        if (one_in(run, run->family->calm_steps))
            make_trouble(run);
        member *it = &run->members[weir_rng_below(&run->rng, MEMBERS)];
        if (it->service && !step_member(run, it))
            return false;
    }
    if (step == STEPS_MAX) {
        printf("%s: the stream was not finished\n", run->who);
        print_lanes(run);
        run->tally->unfinished++;
    }
    return step < STEPS_MAX;
}

static void open_run(sim_run *run, uint64_t seed)
{
    const sim_family *family = run->family;
    sim_stream stream = family->stream;
    snprintf(run->who, sizeof run->who, "seed %" PRIu64 " of %s", seed, family->name);
    run->rng.state = seed;
    sim_now_us = 1;
    sim_cluster_init(&run->cluster, weir_rng_next(&run->rng), weir_plan_stage_count(run->rules->plan), family->labels);
    if (run->cluster.shape.stage_count > 1)
        stream.quirk = (sim_quirk)weir_rng_below(&run->rng, SIM_QUIRK_COUNT);
    sim_stream_fill(&stream, run->rules, !family->bare_scores, &run->rng, &run->cluster, &run->expected);
    for (int lane = 0; lane < SIM_LANES_MAX; lane++)
        run->past[lane].offset = WEIR_OFFSET_NONE;
    for (int m = 0; m < MEMBERS; m++) {
        member *it = &run->members[m];
        it->number = m;
        it->run = run;
        for (int lane = 0; lane < SIM_LANES_MAX; lane++) {
            weir_fake_disk_init(&it->disks[lane]);
            weir_fake_disk_init(&it->copies[lane]);
        }
    }
}

static void close_run(sim_run *run)
{
    for (int m = 0; m < MEMBERS; m++) {
        member *it = &run->members[m];
        if (it->service)
            end_member(it);
        for (int lane = 0; lane < SIM_LANES_MAX; lane++) {
            weir_fake_disk_deinit(&it->disks[lane]);
            weir_fake_disk_deinit(&it->copies[lane]);
        }
    }
    run->tally->zombie_writes += run->cluster.zombie_writes;
    sim_expected_deinit(&run->expected);
    sim_cluster_deinit(&run->cluster);
}

static bool run_seed(const sim_family *family, const weir_rules *rules, uint64_t seed, sim_tally *tally)
{
    static sim_run run;
    memset(&run, 0, sizeof run);
    run.family = family;
    run.rules = rules;
    run.tally = tally;
    open_run(&run, seed);
    start_member(&run, &run.members[0]);
    bool good = drive(&run) && sim_expected_met(&run.expected, &run.cluster, run.who);
    close_run(&run);
    return good;
}

void sim_run_seeds(const sim_family *family, uint64_t first, uint64_t count, sim_tally *tally)
{
    weir_log_options log = {.file = STDERR_FILENO, .level = WEIR_LOG_ERROR, .format = WEIR_LOG_TEXT};
    weir_chain chain;
    weir_rules rules;
    weir_error error = {0};
    weir_log_setup(&log);
    weir_check(weir_chain_parse_list(family->chain, &chain, &error) == WEIR_OK);
    if (weir_rules_open(family->model, &chain, family->horizon_us_min, &rules, &error) != WEIR_OK) {
        printf("%s: %s\n", family->name, error.message);
        tally->failed += count;
        return;
    }
    for (uint64_t seed = first; seed < first + count; seed++)
        tally->failed += !run_seed(family, &rules, seed, tally);
    weir_rules_close(&rules);
}

static uint64_t setting(const char *name, uint64_t fallback)
{
    const char *text = getenv(name);
    return text && *text ? strtoull(text, NULL, 10) : fallback;
}

void sim_run_family(const sim_family *family, uint64_t count, sim_tally *tally_out)
{
    count = setting("WEIR_SIM_COUNT", count);
    *tally_out = (sim_tally){0};
    sim_run_seeds(family, setting("WEIR_SIM_FIRST", 1), count, tally_out);
    printf("# %" PRIu64 " seeds: %" PRIu64 " kills, %" PRIu64 " rebalances, %" PRIu64 " lost assignments, %" PRIu64
           " disk failures; %" PRIu64 " runs went wrong\n",
           count, tally_out->kills, tally_out->moves, tally_out->losses, tally_out->disk_failures, tally_out->failed);
    printf("# %s: %" PRIu64 " offsets set back, %" PRIu64 " old disks, %" PRIu64 " hops of zombies\n", family->name,
           tally_out->rewinds, tally_out->old_disks, tally_out->zombie_writes);
}
