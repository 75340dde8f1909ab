#include "rig.h"

#include "weir/base/hash.h"
#include "weir/base/rng.h"

#include <math.h>
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

/* ---- labels, at the card's stage and beyond ---- */

typedef struct chain { /* two stages over a state each */
    weir_rules rules;
    weir_memory *memory;
    weir_committer *committer;
    weir_fake_disk disks[2];
    weir_state *states[2];
    weir_pipeline *pipeline;
} chain;

static void open_chain(chain *it)
{
    weir_error error = {0};
    rig_open_chain(&it->rules, 2);
    cr_assert_eq(weir_memory_open(64 << 20, &it->memory, &error), WEIR_OK, "%s", error.message);
    cr_assert_eq(weir_committer_open(false, &it->committer, &error), WEIR_OK, "%s", error.message);
    for (size_t stage = 0; stage < 2; stage++) {
        weir_state_options options = {.identity = {.partition_count = 1,
                                                   .horizon_us = weir_plan_horizon_us(it->rules.plan)}};
        int64_t replay_from;
        weir_fake_disk_init(&it->disks[stage]);
        cr_assert_eq(weir_state_open(weir_fake_store_open(&it->disks[stage]), it->memory, it->committer, &options,
                                     &it->states[stage], &replay_from, &error), WEIR_OK, "%s", error.message);
    }
    weir_decode_limits limits = {.framing = WEIR_FRAMING_RAW};
    cr_assert_eq(weir_pipeline_open(&limits, &it->pipeline), WEIR_OK);
}

static void close_chain(chain *it)
{
    weir_pipeline_close(it->pipeline);
    for (size_t stage = 0; stage < 2; stage++) {
        weir_state_close(it->states[stage]);
        weir_fake_disk_deinit(&it->disks[stage]);
    }
    weir_committer_close(it->committer);
    weir_memory_close(it->memory);
    weir_rules_close(&it->rules);
}

/* One transaction through both stages. */
static weir_job pass_payload(chain *it, int64_t sequence, weir_span payload)
{
    static double registers[256];
    weir_job job = {.payload = payload, .offset = sequence, .sequence = sequence, .now_us = RIG_NOW_US,
                    .slab = weir_memory_slab(it->memory)};
    weir_error error = {0};
    for (size_t stage = 0; stage < 2; stage++) {
        job.state = it->states[stage];
        cr_assert_eq(weir_pipeline_run(it->pipeline, it->rules.ruleset, stage, &job, 1, &error), WEIR_OK, "%s",
                     error.message);
        cr_assert_eq(job.fate, WEIR_FATE_SCORED);
        memcpy(registers, job.item->registers,
               weir_engine_inherited(it->rules.ruleset, 1) * sizeof *registers);
        job.inherited = registers;
    }
    return job;
}

static weir_job pass(chain *it, uint64_t number, uint64_t card, uint64_t terminal, int64_t amount_minor)
{
    static uint8_t bytes[RIG_PAYLOAD_MAX];
    rig_fields fields = {.number = number, .card = card, .merchant = 1, .terminal = terminal,
                         .event_time_us = rig_time_us(number), .amount_minor = amount_minor};
    return pass_payload(it, (int64_t)number, rig_encode(bytes, &fields));
}

static weir_labelling label_card(chain *it, uint64_t number, uint64_t card, int64_t event_time_us,
                                 int64_t label_time_us, weir_label_verdict verdict, weir_event *event_out,
                                 weir_hop_label *onward_out)
{
    static uint8_t bytes[RIG_PAYLOAD_MAX];
    static const weir_decode_limits limits = {.framing = WEIR_FRAMING_RAW};
    weir_label label;
    weir_labelling labelling;
    weir_error error = {0};
    cr_assert_eq(weir_label_decode(rig_label(bytes, number, card, event_time_us, label_time_us, verdict), &limits,
                                   RIG_NOW_US, &label), WEIR_ACCEPTED);
    cr_assert_eq(weir_pipeline_label(it->rules.ruleset, it->states[0], weir_memory_slab(it->memory), &label, &labelling,
                                     event_out, onward_out, &error), WEIR_OK, "%s", error.message);
    return labelling;
}

static weir_labelling label_onward(chain *it, const weir_hop_label *label, weir_event *event_out)
{
    weir_labelling labelling;
    weir_error error = {0};
    cr_assert_eq(weir_pipeline_label_onward(it->rules.ruleset, 1, it->states[1], weir_memory_slab(it->memory), label,
                                            &labelling, event_out, &error), WEIR_OK, "%s", error.message);
    return labelling;
}

Test(pipeline_label, marks_the_event_and_says_what_goes_on)
{
    static chain it;
    weir_event event;
    weir_hop_label onward;
    open_chain(&it);
    weir_job job = pass(&it, 3, 1, 5, 90000000);
    cr_assert_geq(job.item->threshold, 0);
    weir_event sent = job.transaction.event;
    cr_expect_eq(label_card(&it, 3, 1, rig_time_us(3), rig_time_us(9), WEIR_LABEL_FRAUD, &event, &onward),
                 WEIR_LABELLING_FIRST);
    cr_expect_eq(event.transaction, sent.transaction);
    cr_expect_eq(event.time_us + (int64_t)event.label_delay_us, rig_time_us(9));
    cr_expect_eq(event.flags & WEIR_EVENT_ALERTED, 0, "the card's stage does not score");
    cr_expect_eq(onward.transaction, sent.transaction);
    cr_expect_eq(onward.event_time_us, rig_time_us(3));
    cr_expect_eq(onward.label_time_us, rig_time_us(9));
    cr_expect_eq(onward.known_us, rig_time_us(9));
    for (int kind = 0; kind < WEIR_ENTITY_COUNT; kind++)
        cr_expect_eq(onward.entities[kind], weir_event_entity(&sent, (weir_entity_kind)kind));
    cr_expect_eq(label_onward(&it, &onward, &event), WEIR_LABELLING_FIRST);
    cr_expect_eq(event.transaction, sent.transaction);
    cr_expect_neq(event.flags & WEIR_EVENT_ALERTED, 0, "the last one does");
    cr_expect_eq(label_onward(&it, &onward, &event), WEIR_LABELLING_REPEATED, "as after a redelivery");
    job = pass(&it, 20, 2, 5, 500);
    double values[WEIR_PLAN_FEATURE_MAX];
    weir_engine_values(it.rules.ruleset, job.item, values);
    cr_expect_eq(values[6], 0.5, "terminal.rate(fraud, 7d): one of two");
    cr_expect_eq(values[3], 0.0, "rate(fraud, 7d) of another card");
    close_chain(&it);
}

Test(pipeline_label, what_is_cleared_is_cleared_from_the_beginning_of_time)
{
    static chain it;
    weir_event event;
    weir_hop_label onward;
    open_chain(&it);
    pass(&it, 3, 1, 5, 500);
    cr_expect_eq(label_card(&it, 3, 1, rig_time_us(3), rig_time_us(9), WEIR_LABEL_CLEARED, &event, &onward),
                 WEIR_LABELLING_FIRST);
    cr_expect_eq(onward.label_time_us, INT64_MAX);
    cr_expect_eq(onward.known_us, rig_time_us(9));
    cr_expect_eq(event.label_delay_us, WEIR_LABEL_NONE);
    cr_expect_eq(label_onward(&it, &onward, &event), WEIR_LABELLING_FIRST);
    cr_expect_eq(event.label_delay_us, WEIR_LABEL_NONE);
    cr_expect_eq(label_card(&it, 3, 1, rig_time_us(3), rig_time_us(10), WEIR_LABEL_FRAUD, &event, &onward),
                 WEIR_LABELLING_CONTRARY);
    cr_expect_eq(label_onward(&it, &onward, &event), WEIR_LABELLING_CONTRARY);
    close_chain(&it);
}

Test(pipeline_label, without_the_events_time_it_finds_it_all_the_same)
{
    static chain it;
    weir_event event;
    weir_hop_label onward;
    open_chain(&it);
    for (uint64_t number = 0; number < 200; number++)
        pass(&it, number, 1, 5, 500);
    cr_expect_eq(label_card(&it, 50, 1, INT64_MIN, rig_time_us(300), WEIR_LABEL_FRAUD, &event, &onward),
                 WEIR_LABELLING_FIRST);
    cr_expect_eq(onward.event_time_us, rig_time_us(50), "and the next stage is told");
    cr_expect_eq(label_onward(&it, &onward, &event), WEIR_LABELLING_FIRST);
    close_chain(&it);
}

Test(pipeline_label, of_an_unknown_card_it_leaves_no_trace)
{
    static chain it;
    weir_event event;
    weir_hop_label onward = {0};
    weir_state_stats stats;
    open_chain(&it);
    pass(&it, 3, 1, 5, 500);
    cr_expect_eq(label_card(&it, 3, 77, INT64_MIN, rig_time_us(9), WEIR_LABEL_FRAUD, &event, &onward),
                 WEIR_LABELLING_UNKNOWN);
    cr_expect_eq(label_card(&it, 4, 1, INT64_MIN, rig_time_us(9), WEIR_LABEL_FRAUD, &event, &onward),
                 WEIR_LABELLING_UNKNOWN, "a known card, and not that event of it");
    weir_state_stats_read(it.states[0], &stats);
    cr_expect_eq(stats.cards_resident, 1);
    weir_hop_label stray = {.transaction = 5, .entities = {1, 2, 3, 4}, .event_time_us = 6, .label_time_us = 7};
    cr_expect_eq(label_onward(&it, &stray, &event), WEIR_LABELLING_UNKNOWN);
    weir_state_stats_read(it.states[1], &stats);
    cr_expect_eq(stats.cards_resident, 1);
    close_chain(&it);
}

/* An event without a terminal is kept aside in the terminal's stage, where it was judged: a label finds it there. */
Test(pipeline_label, finds_an_event_that_has_no_such_entity)
{
    static chain it;
    weir_event event;
    weir_hop_label onward;
    open_chain(&it);
    weir_job job = pass(&it, 3, 1, 0, 90000000);
    cr_assert_geq(job.item->threshold, 0);
    double values[WEIR_PLAN_FEATURE_MAX];
    weir_engine_values(it.rules.ruleset, job.item, values);
    cr_expect(isnan(values[4]), "what is asked about the terminal is missing");
    cr_expect_eq(label_card(&it, 3, 1, INT64_MIN, rig_time_us(9), WEIR_LABEL_FRAUD, &event, &onward),
                 WEIR_LABELLING_FIRST);
    cr_expect_eq(label_onward(&it, &onward, &event), WEIR_LABELLING_FIRST);
    cr_expect_neq(event.flags & WEIR_EVENT_ALERTED, 0);
    job = pass(&it, 10, 1, 0, 500);
    weir_engine_values(it.rules.ruleset, job.item, values);
    cr_expect(isnan(values[6]), "and no feature looks there");
    close_chain(&it);
}

/* A terminal may be named as a card is. */
Test(pipeline, what_is_kept_aside_is_not_mistaken_for_an_entity)
{
    static chain it;
    open_chain(&it);
    pass(&it, 1, 1, 0, 500);
    pass(&it, 2, 1, 0, 500);
    uint8_t bytes[RIG_PAYLOAD_MAX];
    weir_transaction_fields fields = {.transaction_id = weir_span_text("t-3"), .card_token = weir_span_text("card-2"),
                                      .currency = weir_span_text("EUR"), .merchant_id = weir_span_text("m-1"),
                                      .terminal_id = weir_span_text("card-1"), .event_time_us = rig_time_us(3),
                                      .amount_minor = 500};
    weir_writer writer = weir_writer_of(bytes, sizeof bytes);
    weir_transaction_encode(&fields, &writer);
    weir_job job = pass_payload(&it, 3, weir_span_of(bytes, writer.used));
    double values[WEIR_PLAN_FEATURE_MAX];
    weir_engine_values(it.rules.ruleset, job.item, values);
    cr_expect_eq(values[4], 1.0, "terminal.count(1h) is of this one alone");
    weir_state_stats stats;
    weir_state_stats_read(it.states[1], &stats);
    cr_expect_eq(stats.cards_resident, 2);
    close_chain(&it);
}

Test(pipeline_label, comes_before_the_jobs_of_its_time)
{
    static bench it;
    open_bench(&it);
    uint8_t bytes[6][RIG_PAYLOAD_MAX];
    for (size_t i = 0; i < 6; i++)
        line_up(&it, i, i == 2 ? weir_span_text("garbage") : rig_transaction(bytes[i], i, 1, 500), (int64_t)i);
    weir_pipeline_decode(it.pipeline, it.rules.ruleset, it.jobs, 6);
    cr_expect_eq(weir_pipeline_jobs_before(it.jobs, 6, rig_time_us(0)), 0);
    cr_expect_eq(weir_pipeline_jobs_before(it.jobs, 6, rig_time_us(0) + 1), 1);
    cr_expect_eq(weir_pipeline_jobs_before(it.jobs, 6, rig_time_us(2)), 3, "a reject goes with those before it");
    cr_expect_eq(weir_pipeline_jobs_before(it.jobs, 6, rig_time_us(5)), 5);
    cr_expect_eq(weir_pipeline_jobs_before(it.jobs, 6, INT64_MAX), 6);
    cr_expect_eq(weir_pipeline_jobs_before(it.jobs + 2, 1, INT64_MIN), 1);
    cr_expect_eq(weir_pipeline_jobs_before(it.jobs, 0, INT64_MAX), 0);
    close_bench(&it);
}
