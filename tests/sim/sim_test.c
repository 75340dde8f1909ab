/* Thousands of crashes, rebalances, losses and disk failures, a seed each, on the service's own code.
 *
 * Every run feeds the same kind of stream (late events, redeliveries, records nobody can decode) to up to three
 * members of a group that are killed, restarted with or without their disk, robbed of partitions, and denied
 * disk writes, and compares what ends up in the output topics with what the offline engine makes of the same log: each
 * alert and each dead letter once, in order, byte for byte.
 */
#include "sim/sim_broker.h"
#include "support/fake_store.h"

#include "weir/app/offline.h"
#include "weir/app/service.h"
#include "weir/base/check.h"
#include "weir/base/hash.h"
#include "weir/base/units.h"
#include "weir/log/log.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CARDS = 40, STREAM_EVENTS = 2500, STEPS_MAX = 400000, WORKERS = 2, PAYLOAD_MAX = 512 };

static const char TOPIC[] = "transactions";

/* ---- the clock ---- */

static int64_t sim_now_us = 1;

static int64_t sim_wall_us(const weir_clock *clock)
{
    (void)clock;
    return INT64_C(1800000000) * WEIR_US_PER_SECOND + sim_now_us;
}

static int64_t sim_monotonic_us(const weir_clock *clock)
{
    (void)clock;
    return sim_now_us;
}

static const weir_clock SIM_CLOCK = {.wall_us = sim_wall_us, .monotonic_us = sim_monotonic_us};

/* ---- the stream ---- */

static size_t make_transaction(weir_rng *rng, uint64_t number, int64_t base_us, uint8_t *payload_out)
{
    char id[32], token[32], merchant[32];
    snprintf(id, sizeof id, "t-%" PRIu64, number);
    snprintf(token, sizeof token, "card-%" PRIu64, weir_rng_below(rng, CARDS));
    snprintf(merchant, sizeof merchant, "m-%" PRIu64, weir_rng_below(rng, 9));
    int64_t late_us = weir_rng_below(rng, 10) == 0 ? (int64_t)weir_rng_below(rng, 3 * WEIR_US_PER_DAY) : 0;
    weir_transaction_fields fields = {
        .transaction_id = weir_span_text(id),
        .card_token = weir_span_text(token),
        .currency = weir_span_text("EUR"),
        .merchant_id = weir_span_text(merchant),
        .event_time_us = base_us + (int64_t)number * 60 * WEIR_US_PER_SECOND - late_us,
        .amount_minor = 100 + (int64_t)weir_rng_below(rng, 40000),
    };
    weir_writer writer = weir_writer_of(payload_out, PAYLOAD_MAX);
    weir_transaction_encode(&fields, &writer);
    weir_check(!writer.failed);
    return writer.used;
}

/* Fills the input logs as a producer would; redeliveries and garbage included. Garbage goes to partition 0, as the
 * offline engine deals it. */
static void fill(sim_cluster *cluster, weir_rng *rng, weir_offline *offline)
{
    static uint8_t payload[PAYLOAD_MAX];
    static struct {
        uint8_t bytes[PAYLOAD_MAX];
        size_t size;
    } recent[16];
    int64_t base_us = INT64_C(1700000000) * WEIR_US_PER_SECOND;
    weir_error error;
    for (uint64_t number = 0; number < STREAM_EVENTS; number++) {
        size_t size = make_transaction(rng, number, base_us, payload);
        if (weir_rng_below(rng, 20) == 0 && recent[number % 16].size > 0) {
            size = recent[number % 16].size;
            memcpy(payload, recent[number % 16].bytes, size);
        }
        memcpy(recent[number % 16].bytes, payload, size);
        recent[number % 16].size = size;
        int32_t partition = 0;
        if (weir_rng_below(rng, 50) == 0) {
            size = 1 + weir_rng_below(rng, 30);
            memset(payload, 0xff, size);
        } else {
            weir_transaction transaction;
            weir_decode_limits limits = {.framing = WEIR_FRAMING_RAW};
            weir_check(weir_transaction_decode(weir_span_of(payload, size), &limits, sim_wall_us(NULL), &transaction) ==
                       WEIR_ACCEPTED);
            partition = weir_hash_partition(transaction.card_token, SIM_PARTITIONS);
        }
        sim_log_add(&cluster->input[partition], weir_span_of(payload, size), -1, "");
        weir_check(weir_offline_push(offline, weir_span_of(payload, size), number, sim_wall_us(NULL), &error) ==
                   WEIR_OK);
    }
    weir_check(weir_offline_flush(offline, &error) == WEIR_OK);
}

/* ---- what should come out ---- */

typedef struct expected {
    sim_log outputs[WEIR_OUTPUT_COUNT][SIM_PARTITIONS];
    const weir_rules *rules;
} expected;

static weir_status expect(void *context, const weir_job *job, const weir_source *source, uint64_t number)
{
    (void)number;
    expected *wanted = context;
    if (job->fate == WEIR_FATE_REJECTED)
        sim_log_add(&wanted->outputs[WEIR_OUTPUT_DEAD_LETTERS][source->partition], job->payload, source->offset, "");
    if (job->fate != WEIR_FATE_SCORED)
        return WEIR_OK;
    double values[WEIR_PLAN_FEATURE_MAX];
    uint8_t message[4096];
    weir_verdict verdict;
    weir_pipeline_verdict(wanted->rules->ruleset, job, values, &verdict);
    if (job->item->threshold >= 0) {
        weir_writer alert = weir_writer_of(message, sizeof message);
        weir_alert_encode(&job->transaction, &verdict, source, &alert);
        sim_log_add(&wanted->outputs[WEIR_OUTPUT_ALERTS][source->partition], weir_span_of(message, alert.used),
                    source->offset, "");
    }
    weir_writer score = weir_writer_of(message, sizeof message);
    weir_score_encode(&job->transaction, &verdict, source, true, &score);
    sim_log_add(&wanted->outputs[WEIR_OUTPUT_SCORES][source->partition], weir_span_of(message, score.used),
                source->offset, "");
    return WEIR_OK;
}

/* Says what differs first; true when nothing does. */
static bool same_logs(const expected *wanted, const sim_cluster *cluster, uint64_t seed)
{
    static const char *const NAMES[WEIR_OUTPUT_COUNT] = {"alerts", "scores", "dead letters"};
    for (int output = 0; output < WEIR_OUTPUT_COUNT; output++)
        for (int p = 0; p < SIM_PARTITIONS; p++) {
            const sim_log *want = &wanted->outputs[output][p], *have = &cluster->outputs[output][p];
            for (size_t i = 0; i < want->count || i < have->count; i++) {
                const sim_message *w = i < want->count ? &want->messages[i] : NULL;
                const sim_message *h = i < have->count ? &have->messages[i] : NULL;
                if (w && h && w->size == h->size && memcmp(w->payload, h->payload, w->size) == 0 &&
                    w->source_offset == h->source_offset)
                    continue;
                printf("seed %" PRIu64 ": %s[%d] differ at %zu: wanted offset %" PRId64 " (of %zu), found %" PRId64
                       " (of %zu)\n",
                       seed, NAMES[output], p, i, w ? w->source_offset : -1, want->count, h ? h->source_offset : -1,
                       have->count);
                return false;
            }
        }
    return true;
}

/* ---- members ---- */

typedef struct member {
    int number;
    sim_cluster *cluster;
    weir_fake_disk disks[SIM_PARTITIONS];
    weir_group *group;
    weir_service *service; /* NULL while dead */
    weir_metrics *metrics;
    _Atomic bool stop;
} member;

static weir_status open_disk(void *context, int32_t partition, weir_store **store_out, weir_error *error)
{
    (void)error;
    member *it = context;
    *store_out = weir_fake_store_open(&it->disks[partition]);
    return WEIR_OK;
}

static void start_member(member *it, const weir_rules *rules)
{
    weir_error error = {0};
    weir_check(weir_metrics_open(WORKERS + 1, &it->metrics, &error) == WEIR_OK);
    it->group = sim_group_open(it->cluster, it->number, WORKERS);
    weir_service_options options = {
        .group = it->group,
        .rules = rules,
        .worker = {.batch_events_max = 64,
                   .limits = {.framing = WEIR_FRAMING_RAW},
                   .brake_window = 1000,
                   .brake_share_max = 1,
                   .memory_bytes_max = 64 << 20,
                   .state = {.identity = {.topic = "transactions",
                                          .entity = "card",
                                          .horizon_us = weir_plan_horizon_us(rules->plan)},
                             .sweep_interval_us = 40 * WEIR_US_PER_MS,
                             .step_card_max = 3,
                             .batch_card_max = 7,
                             .batch_size_max = 1 << 20},
                   .open_store = open_disk,
                   .open_store_context = it,
                   .emitter = {.input_topic = TOPIC,
                               .group_id = "sim",
                               .enabled = {true, true, true},
                               .score_features = true,
                               .framing = WEIR_FRAMING_RAW},
                   .clock = &SIM_CLOCK},
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

static void kill_member(member *it)
{
    sim_group_crash(it->group);
    weir_service_close(it->service);
    weir_metrics_close(it->metrics);
    it->service = NULL;
}

static void lose_disks(member *it)
{
    for (int p = 0; p < SIM_PARTITIONS; p++) {
        weir_fake_disk_deinit(&it->disks[p]);
        weir_fake_disk_init(&it->disks[p]);
    }
}

/* ---- a run ---- */

typedef struct sim_run {
    sim_cluster cluster;
    member members[SIM_MEMBERS_MAX];
    const weir_rules *rules;
    weir_rng *rng;
    uint64_t kills, moves, losses, disk_failures;
} sim_run;

/* Hands partitions out anew among the living. */
static void rebalance(sim_run *run)
{
    int alive[SIM_MEMBERS_MAX], count = 0;
    for (int m = 0; m < SIM_MEMBERS_MAX; m++)
        if (run->members[m].service)
            alive[count++] = m;
    for (int p = 0; p < SIM_PARTITIONS && count > 0; p++)
        run->cluster.wanted[p] = alive[weir_rng_below(run->rng, (uint64_t)count)];
    run->moves++;
}

static void make_trouble(sim_run *run)
{
    member *it = &run->members[weir_rng_below(run->rng, SIM_MEMBERS_MAX)];
    uint64_t dice = weir_rng_below(run->rng, 100);
    if (!it->service) {
        if (weir_rng_below(run->rng, 4) == 0)
            lose_disks(it);
        start_member(it, run->rules);
        rebalance(run);
    } else if (dice < 40) {
        kill_member(it);
        run->kills++;
        rebalance(run);
    } else if (dice < 60) {
        rebalance(run);
    } else if (dice < 75) {
        sim_group_lose(it->group);
        run->losses++;
        rebalance(run);
    } else {
        weir_fake_disk *disk = &it->disks[weir_rng_below(run->rng, SIM_PARTITIONS)];
        disk->commits_to_fail = 1 + weir_rng_below(run->rng, 3);
        disk->failure = WEIR_FULL;
        run->disk_failures++;
    }
}

static bool step_member(sim_run *run, member *it, uint64_t seed)
{
    weir_error error = {0};
    weir_status status = weir_service_step(it->service, 0, &error);
    if (status == WEIR_FULL) { /* a disk full when a partition is opened ends the process; it is started anew */
        kill_member(it);
        rebalance(run);
        return true;
    }
    if (status != WEIR_OK) {
        printf("seed %" PRIu64 ": a member stopped: %s\n", seed, error.message);
        return false;
    }
    for (uint64_t turns = weir_rng_below(run->rng, 4); turns > 0; turns--)
        weir_worker_turn(weir_service_worker(it->service, weir_rng_below(run->rng, WORKERS)));
    return true;
}

static bool all_committed(const sim_run *run)
{
    for (int p = 0; p < SIM_PARTITIONS; p++)
        if (run->cluster.committed[p] < (int64_t)run->cluster.input[p].count)
            return false;
    return true;
}

static bool drive(sim_run *run, uint64_t seed)
{
    for (int step = 0; step < STEPS_MAX && !all_committed(run); step++) {
        sim_now_us += (int64_t)weir_rng_below(run->rng, 2 * WEIR_US_PER_MS);
        if (weir_rng_below(run->rng, 30) == 0)
            make_trouble(run);
        member *it = &run->members[weir_rng_below(run->rng, SIM_MEMBERS_MAX)];
        if (it->service && !step_member(run, it, seed))
            return false;
    }
    if (!all_committed(run))
        printf("seed %" PRIu64 ": the stream was not finished\n", seed);
    return all_committed(run);
}

static bool simulate(uint64_t seed, const weir_rules *rules, sim_run *run)
{
    weir_rng rng = {.state = seed};
    expected wanted = {.rules = rules};
    weir_error error = {0};
    memset(run, 0, sizeof *run);
    run->rules = rules;
    run->rng = &rng;
    sim_cluster_init(&run->cluster, weir_rng_next(&rng));
    weir_offline *offline;
    weir_offline_options options = {.rules = rules,
                                    .topic = TOPIC,
                                    .partition_count = SIM_PARTITIONS,
                                    .limits = {.framing = WEIR_FRAMING_RAW},
                                    .visit = expect,
                                    .context = &wanted};
    weir_check(weir_offline_open(&options, &offline, &error) == WEIR_OK);
    fill(&run->cluster, &rng, offline);
    for (int m = 0; m < SIM_MEMBERS_MAX; m++) {
        run->members[m].number = m;
        run->members[m].cluster = &run->cluster;
        for (int p = 0; p < SIM_PARTITIONS; p++)
            weir_fake_disk_init(&run->members[m].disks[p]);
    }
    start_member(&run->members[0], rules);
    bool good = drive(run, seed) && same_logs(&wanted, &run->cluster, seed);
    for (int m = 0; m < SIM_MEMBERS_MAX; m++) {
        if (run->members[m].service)
            kill_member(&run->members[m]);
        for (int p = 0; p < SIM_PARTITIONS; p++)
            weir_fake_disk_deinit(&run->members[m].disks[p]);
    }
    weir_offline_close(offline);
    sim_cluster_deinit(&run->cluster);
    sim_cluster wanted_logs = {0};
    memcpy(wanted_logs.outputs, wanted.outputs, sizeof wanted.outputs);
    sim_cluster_deinit(&wanted_logs);
    return good;
}

static uint64_t setting(const char *name, uint64_t fallback)
{
    const char *text = getenv(name);
    return text && *text ? strtoull(text, NULL, 10) : fallback;
}

/* WEIR_SIM_FIRST and WEIR_SIM_COUNT choose the seeds; tests/soak.sh runs thousands. */
Test(sim, every_alert_once_whatever_crashes)
{
    uint64_t first = setting("WEIR_SIM_FIRST", 1), count = setting("WEIR_SIM_COUNT", 60);
    weir_log_options log = {.file = STDERR_FILENO, .level = WEIR_LOG_ERROR, .format = WEIR_LOG_TEXT};
    weir_log_setup(&log);
    weir_rules rules;
    weir_error error = {0};
    cr_assert_eq(weir_rules_open(WEIR_SOURCE_DIR "/tests/sim/model.json", 0, &rules, &error), WEIR_OK, "%s",
                 error.message);
    static sim_run run;
    uint64_t failed = 0, kills = 0, moves = 0, losses = 0, disk_failures = 0;
    for (uint64_t seed = first; seed < first + count; seed++) {
        failed += !simulate(seed, &rules, &run);
        kills += run.kills, moves += run.moves, losses += run.losses, disk_failures += run.disk_failures;
    }
    weir_rules_close(&rules);
    printf("# %" PRIu64 " seeds: %" PRIu64 " kills, %" PRIu64 " rebalances, %" PRIu64 " lost assignments, %" PRIu64
           " disk failures; %" PRIu64 " runs went wrong\n",
           count, kills, moves, losses, disk_failures, failed);
    cr_assert_eq(failed, 0);
    cr_assert_gt(kills, count);
}
