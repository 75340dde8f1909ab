#include "rig.h"

#include "weir/base/hash.h"
#include "weir/base/rng.h"

#include <string.h>

enum { EVENTS = 1500, CARDS = 200 };

typedef struct stream {
    weir_span payloads[EVENTS];
    uint8_t bytes[EVENTS][RIG_PAYLOAD_MAX];
} stream;

typedef struct result {
    weir_fate fate;
    weir_reject reject;
    uint64_t score_bits, logit_bits;
    int32_t threshold;
    uint32_t missing_count;
} result;

typedef struct bench { /* a pipeline over one state */
    weir_rules rules;
    weir_memory *memory;
    weir_committer *committer;
    weir_fake_disk disk;
    weir_state *state;
    weir_pipeline *pipeline;
    weir_job jobs[WEIR_BATCH_MAX];
} bench;

static void open_bench(bench *it)
{
    weir_error error = {0};
    rig_open_rules(&it->rules);
    weir_fake_disk_init(&it->disk);
    cr_assert_eq(weir_memory_open(64 << 20, &it->memory, &error), WEIR_OK, "%s", error.message);
    cr_assert_eq(weir_committer_open(false, &it->committer, &error), WEIR_OK, "%s", error.message);
    weir_state_options options = {.identity = {.topic = "transactions",
                                               .entity = "card",
                                               .partition_count = 1,
                                               .horizon_us = weir_plan_horizon_us(it->rules.plan)}};
    int64_t replay_from;
    cr_assert_eq(weir_state_open(weir_fake_store_open(&it->disk), it->memory, it->committer, &options, &it->state,
                                 &replay_from, &error),
                 WEIR_OK, "%s", error.message);
    weir_decode_limits limits = {.framing = WEIR_FRAMING_RAW};
    cr_assert_eq(weir_pipeline_open(&limits, &it->pipeline), WEIR_OK);
}

static void close_bench(bench *it)
{
    weir_pipeline_close(it->pipeline);
    weir_state_close(it->state);
    weir_committer_close(it->committer);
    weir_memory_close(it->memory);
    weir_fake_disk_deinit(&it->disk);
    weir_rules_close(&it->rules);
}

static weir_job *line_up(bench *it, size_t index, weir_span payload, int64_t offset)
{
    it->jobs[index] = (weir_job){.payload = payload,
                                 .offset = offset,
                                 .sequence = offset,
                                 .now_us = RIG_NOW_US,
                                 .state = it->state,
                                 .slab = weir_memory_slab(it->memory)};
    return &it->jobs[index];
}

static void run(bench *it, size_t count)
{
    weir_error error = {0};
    cr_assert_eq(weir_pipeline_run(it->pipeline, it->rules.ruleset, 0, it->jobs, count, &error), WEIR_OK, "%s",
                 error.message);
}

static result result_of(const weir_job *job)
{
    result it = {.fate = job->fate, .reject = job->reject};
    if (job->fate != WEIR_FATE_SCORED)
        return it;
    memcpy(&it.score_bits, &job->item->score, sizeof it.score_bits);
    memcpy(&it.logit_bits, &job->item->logits[0], sizeof it.logit_bits);
    it.threshold = job->item->threshold;
    it.missing_count = job->item->missing_count;
    return it;
}

/* Late events, redeliveries and garbage in between. */
static stream *make_stream(void)
{
    stream *it = calloc(1, sizeof *it);
    cr_assert_not_null(it);
    weir_rng rng = {.state = 11};
    for (size_t i = 0; i < EVENTS; i++) {
        uint64_t dice = weir_rng_below(&rng, 20);
        uint64_t late = weir_rng_below(&rng, 10) == 0 ? weir_rng_below(&rng, i + 1) : 0;
        it->payloads[i] = rig_transaction(it->bytes[i], i - late + EVENTS * (late != 0), weir_rng_below(&rng, CARDS),
                                          100 + (int64_t)weir_rng_below(&rng, 40000));
        if (dice == 0 && i > 0)
            it->payloads[i] = it->payloads[i - 1 - weir_rng_below(&rng, i < 30 ? i : 30)];
        if (dice == 1)
            it->payloads[i] = weir_span_text("\xff\xff\xff");
    }
    return it;
}

static void take_all(const stream *from, size_t batch_size, result *results)
{
    static bench it;
    open_bench(&it);
    for (size_t at = 0; at < EVENTS;) {
        size_t count = EVENTS - at < batch_size ? EVENTS - at : batch_size;
        for (size_t i = 0; i < count; i++)
            line_up(&it, i, from->payloads[at + i], (int64_t)(at + i));
        run(&it, count);
        for (size_t i = 0; i < count; i++)
            results[at++] = result_of(&it.jobs[i]);
    }
    close_bench(&it);
}

Test(pipeline, results_are_the_same_bits_whatever_the_batches)
{
    static result ones[EVENTS], sevens[EVENTS], full[EVENTS];
    stream *from = make_stream();
    take_all(from, 1, ones);
    take_all(from, 7, sevens);
    take_all(from, WEIR_BATCH_MAX, full);
    size_t fates[WEIR_FATE_COUNT] = {0}, alerts = 0;
    for (size_t i = 0; i < EVENTS; i++) {
        cr_assert_eq(memcmp(&ones[i], &sevens[i], sizeof ones[i]), 0, "event %zu, batches of 1 and 7", i);
        cr_assert_eq(memcmp(&ones[i], &full[i], sizeof ones[i]), 0, "event %zu, batches of 1 and %d", i,
                     WEIR_BATCH_MAX);
        fates[ones[i].fate]++;
        alerts += ones[i].fate == WEIR_FATE_SCORED && ones[i].threshold >= 0;
    }
    cr_expect_gt(fates[WEIR_FATE_REJECTED], 20);
    cr_expect_gt(fates[WEIR_FATE_DUPLICATE], 20);
    cr_expect_gt(fates[WEIR_FATE_SCORED], 1000);
    cr_expect_gt(alerts, 100);
    cr_expect_lt(alerts, fates[WEIR_FATE_SCORED] - 100);
    free(from);
}

Test(pipeline, a_reject_does_not_stall_what_is_around_it)
{
    static bench it;
    open_bench(&it);
    uint8_t first[RIG_PAYLOAD_MAX], last[RIG_PAYLOAD_MAX];
    line_up(&it, 0, rig_transaction(first, 1, 1, 500), 0);
    line_up(&it, 1, weir_span_text("garbage"), 1);
    line_up(&it, 2, (weir_span){0}, 2);
    line_up(&it, 3, rig_transaction(last, 2, 1, 500), 3);
    run(&it, 4);
    cr_expect_eq(it.jobs[0].fate, WEIR_FATE_SCORED);
    cr_expect_eq(it.jobs[1].fate, WEIR_FATE_REJECTED);
    cr_expect_eq(it.jobs[1].reject, WEIR_REJECT_UNDECODABLE);
    cr_expect_eq(it.jobs[2].fate, WEIR_FATE_REJECTED);
    cr_expect_eq(it.jobs[2].reject, WEIR_REJECT_EMPTY);
    cr_expect_null(it.jobs[2].item);
    cr_expect_eq(it.jobs[3].fate, WEIR_FATE_SCORED);
    cr_expect_eq(it.jobs[3].entity->history.event_count, 2);
    cr_expect_eq(it.jobs[3].entity->applied_offset, 3);
    close_bench(&it);
}

Test(pipeline, a_batch_of_rejects_is_fine)
{
    static bench it;
    open_bench(&it);
    for (size_t i = 0; i < 5; i++)
        line_up(&it, i, weir_span_text("garbage"), (int64_t)i);
    run(&it, 5);
    for (size_t i = 0; i < 5; i++)
        cr_expect_eq(it.jobs[i].fate, WEIR_FATE_REJECTED);
    run(&it, 0);
    close_bench(&it);
}

Test(pipeline, a_redelivered_transaction_is_a_duplicate_in_its_batch_and_after)
{
    static bench it;
    open_bench(&it);
    uint8_t bytes[RIG_PAYLOAD_MAX];
    weir_span payload = rig_transaction(bytes, 1, 1, 500);
    line_up(&it, 0, payload, 0);
    line_up(&it, 1, payload, 1);
    run(&it, 2);
    cr_expect_eq(it.jobs[0].fate, WEIR_FATE_SCORED);
    cr_expect_eq(it.jobs[1].fate, WEIR_FATE_DUPLICATE);
    cr_expect_null(it.jobs[1].item);
    line_up(&it, 0, payload, 2);
    run(&it, 1);
    cr_expect_eq(it.jobs[0].fate, WEIR_FATE_DUPLICATE);
    cr_expect_eq(it.jobs[0].entity->history.event_count, 1);
    close_bench(&it);
}

Test(pipeline, an_offset_the_card_already_holds_is_known_and_changes_nothing)
{
    static bench it;
    open_bench(&it);
    uint8_t a[RIG_PAYLOAD_MAX], b[RIG_PAYLOAD_MAX], other[RIG_PAYLOAD_MAX];
    line_up(&it, 0, rig_transaction(a, 1, 1, 500), 4);
    line_up(&it, 1, rig_transaction(b, 2, 1, 600), 9);
    run(&it, 2);
    line_up(&it, 0, rig_transaction(a, 1, 1, 500), 4);
    line_up(&it, 1, rig_transaction(other, 3, 2, 700), 5);
    line_up(&it, 2, rig_transaction(b, 2, 1, 600), 9);
    run(&it, 3);
    cr_expect_eq(it.jobs[0].fate, WEIR_FATE_KNOWN);
    cr_expect_eq(it.jobs[1].fate, WEIR_FATE_SCORED, "another card is as far as its own offsets");
    cr_expect_eq(it.jobs[2].fate, WEIR_FATE_KNOWN);
    cr_expect_eq(it.jobs[0].entity->history.event_count, 2);
    cr_expect_eq(it.jobs[0].entity->applied_offset, 9);
    close_bench(&it);
}

Test(pipeline, far_in_the_future_is_judged_by_the_jobs_own_clock)
{
    static bench it;
    open_bench(&it);
    uint8_t bytes[RIG_PAYLOAD_MAX];
    line_up(&it, 0, rig_transaction(bytes, 1, 1, 500), 0)->now_us = RIG_START_US - 2 * WEIR_US_PER_DAY;
    run(&it, 1);
    cr_expect_eq(it.jobs[0].reject, WEIR_REJECT_FAR_FUTURE);
    line_up(&it, 0, weir_span_of(bytes, it.jobs[0].payload.size), 1)->now_us = RIG_START_US;
    run(&it, 1);
    cr_expect_eq(it.jobs[0].fate, WEIR_FATE_SCORED);
    close_bench(&it);
}

Test(pipeline, the_verdict_has_values_and_reasons_of_the_champion)
{
    static bench it;
    open_bench(&it);
    uint8_t bytes[RIG_PAYLOAD_MAX];
    line_up(&it, 0, rig_transaction(bytes, 1, 1, 250000), 0);
    run(&it, 1);
    double values[WEIR_PLAN_FEATURE_MAX];
    weir_verdict verdict;
    weir_pipeline_verdict(it.rules.ruleset, &it.jobs[0], values, &verdict);
    cr_expect_eq(values[0], 2500.0, "amount, in major units");
    cr_expect_eq(values[1], 1.0, "count(1h), the event itself included");
    cr_expect(values[5] != values[5], "since_last() of a first event is missing");
    cr_expect_eq(verdict.missing_count, 1);
    cr_expect_eq(verdict.score, it.jobs[0].item->score);
    cr_assert_geq(verdict.threshold, 0);
    cr_assert_gt(verdict.reason_count, 0);
    cr_expect_eq(verdict.reasons[0].feature, 0);
    cr_expect_float_eq(verdict.reasons[0].contribution, 0.004 * (2500 - 100), 1e-9);
    close_bench(&it);
}

/* A store whose reads fail: the pipeline says which partition and offset. */
static weir_status broken_get(weir_store *store, weir_span key, void (*visit)(void *, weir_span), void *context)
{
    (void)store, (void)key, (void)visit, (void)context;
    return WEIR_IO;
}

Test(pipeline, a_store_that_cannot_be_read_stops_it_and_names_the_record)
{
    static bench it;
    open_bench(&it);
    weir_store *store = weir_fake_store_open(&it.disk);
    weir_store_ops ops = *store->ops;
    weir_state_close(it.state);
    weir_state_options options = {.identity = {.topic = "transactions",
                                               .entity = "card",
                                               .partition_count = 1,
                                               .horizon_us = weir_plan_horizon_us(it.rules.plan)}};
    int64_t replay_from;
    weir_error error = {0};
    cr_assert_eq(weir_state_open(store, it.memory, it.committer, &options, &it.state, &replay_from, &error), WEIR_OK);
    ops.get = broken_get;
    store->ops = &ops;
    uint8_t bytes[RIG_PAYLOAD_MAX];
    line_up(&it, 0, rig_transaction(bytes, 1, 1, 500), 77)->partition = 3;
    cr_expect_eq(weir_pipeline_run(it.pipeline, it.rules.ruleset, 0, it.jobs, 1, &error), WEIR_IO);
    cr_expect_not_null(strstr(error.message, "partition 3, offset 77"), "%s", error.message);
    close_bench(&it);
}
