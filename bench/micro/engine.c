/* The whole engine on one core: payload bytes in, scores and reasons out, in batches of 256.
 *
 *   payloads ──decode──> table ──> history, features, score ──> reasons of what alerts
 *
 * This is app/pipeline.h, as the service's worker runs it; without a broker, and without checkpoints (bench_checkpoint
 * measures those). 100k and 1M cards, uniform and by Zipf's law with s = 1; before the clock starts every
 * case has lived through two horizons, so that cards hold 15 events on average (the busiest card of the Zipf case of a
 * million: about a million) and memory has stopped growing. Prints events a second, each a median of five runs of a
 * million events.
 *
 *     bench_engine [MODEL [CASE]]
 */
#include "../support/bench.h"
#include "../support/rules.h"
#include "../support/stream.h"

#include "weir/app/pipeline.h"
#include "weir/base/check.h"
#include "weir/base/units.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RETAINED_COUNT = 15, EVENT_COUNT = 1000000 };

#define MEMORY_MAX (UINT64_C(16) << 30)

static const int64_t HORIZON_US = 30 * WEIR_US_PER_DAY;

static const struct {
    const char *name;
    size_t card_count;
    double zipf_exponent;
} CASES[] = {
    {"engine_100k_uniform", 100000, 0},
    {"engine_100k_zipf", 100000, 1},
    {"engine_1m_uniform", 1000000, 0},
    {"engine_1m_zipf", 1000000, 1},
};

/* --- one worker -------------------------------------------------------------------------------------------------- */

typedef struct worker {
    bench_rules rules;
    weir_memory *memory;
    weir_committer *committer;
    weir_state *state;
    weir_pipeline *pipeline;
    int64_t offset;
    uint64_t alert_count;
    weir_job jobs[WEIR_BATCH_MAX];
} worker;

static void open_worker(worker *one, const char *model_path)
{
    weir_error error = {0};
    int64_t replay_from = 0;
    weir_decode_limits limits = {.future_us_max = INT64_MAX};
    weir_state_options options = {
        .identity = {.cluster_id = "bench", .topic = "transactions", .entity = "card", .partition_count = 1,
                     .horizon_us = HORIZON_US},
        .sweep_interval_us = 10 * WEIR_US_PER_SECOND,
        .step_card_max = 256,
        .batch_card_max = 20000,
        .batch_size_max = 8 << 20,
    };
    memset(one, 0, sizeof *one);
    bench_rules_open(&one->rules, model_path, HORIZON_US, 0);
    bench_require(weir_memory_open(MEMORY_MAX, &one->memory, &error), "memory", &error);
    bench_require(weir_committer_open(false, &one->committer, &error), "committer", &error);
    bench_require(weir_state_open(weir_store_null(), one->memory, one->committer, &options, &one->state, &replay_from,
                                  &error),
                  "state", &error);
    bench_require(weir_pipeline_open(&limits, &one->pipeline), "pipeline", NULL);
}

static void close_worker(worker *one)
{
    weir_pipeline_close(one->pipeline);
    weir_state_close(one->state);
    weir_committer_close(one->committer);
    weir_memory_close(one->memory);
    bench_rules_close(&one->rules);
}

static void run_batch(worker *one, const bench_feed *feed, size_t begin, size_t count)
{
    weir_error error = {0};
    for (size_t i = 0; i < count; i++)
        one->jobs[i] = (weir_job){.payload = bench_feed_payload(feed, begin + i),
                                  .offset = one->offset + (int64_t)i,
                                  .sequence = one->offset + (int64_t)i,
                                  .state = one->state,
                                  .slab = weir_memory_slab(one->memory)};
    bench_require(weir_pipeline_run(one->pipeline, one->rules.ruleset, 0, one->jobs, count, &error), "pipeline",
                  &error);
    one->offset += (int64_t)count;
}

/* What the worker does for an alert, short of writing it. */
static void judge_batch(worker *one, size_t count)
{
    double values[WEIR_PLAN_FEATURE_MAX];
    weir_verdict verdict;
    for (size_t i = 0; i < count; i++) {
        weir_check(one->jobs[i].fate == WEIR_FATE_SCORED);
        if (one->jobs[i].item->threshold < 0)
            continue;
        weir_pipeline_verdict(one->rules.ruleset, &one->jobs[i], values, &verdict);
        weir_check(verdict.reason_count > 0);
        one->alert_count++;
    }
}

/* Gives nanoseconds for the whole feed. */
static int64_t run_feed(worker *one, const bench_feed *feed)
{
    int64_t began_ns = bench_cpu_ns();
    for (size_t at = 0, count; at < feed->count; at += count) {
        count = feed->count - at < WEIR_BATCH_MAX ? feed->count - at : WEIR_BATCH_MAX;
        run_batch(one, feed, at, count);
        judge_batch(one, count);
    }
    return bench_cpu_ns() - began_ns;
}

/* Two in a hundred events are above the model's line: if anything else alerted, this did not measure scoring. */
static void check_alerts(const worker *one)
{
    double share = (double)one->alert_count / (double)one->offset;
    weir_check(share > 0.018 && share < 0.022);
}

static double time_case(const char *model_path, size_t card_count, double zipf_exponent)
{
    static worker one;
    bench_stream stream;
    bench_feed feed;
    double rates[BENCH_RUN_COUNT];
    open_worker(&one, model_path);
    bench_feed_open(&feed, EVENT_COUNT);
    bench_stream_open(&stream, 1, card_count, zipf_exponent, HORIZON_US / (int64_t)(RETAINED_COUNT * card_count));
    int64_t warm_us = stream.time_us + 2 * HORIZON_US;
    while (stream.time_us < warm_us) {
        bench_feed_fill(&feed, &stream);
        (void)run_feed(&one, &feed);
    }
    for (size_t i = 0; i < BENCH_RUN_COUNT; i++) {
        bench_feed_fill(&feed, &stream);
        rates[i] = (double)feed.count * 1e9 / (double)run_feed(&one, &feed);
    }
    check_alerts(&one);
    bench_stream_close(&stream);
    bench_feed_close(&feed);
    close_worker(&one);
    return bench_median(rates, BENCH_RUN_COUNT);
}

int main(int argc, char **argv)
{
    bench_begin("engine");
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++)
        if (argc < 3 || strcmp(argv[2], CASES[i].name) == 0)
            bench_row(CASES[i].name,
                      time_case(bench_rules_path(argc, argv), CASES[i].card_count, CASES[i].zipf_exponent), "events/s");
    return WEIR_EXIT_OK;
}
