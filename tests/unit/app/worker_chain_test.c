/* A worker with lanes of more than one stage: what the first hands on, what the last makes of it, what comes twice or
 * is not ours, and how lanes wait for each other. */
#include "worker_rig.h"

#include "weir/app/alignment.h"
#include "weir/app/offline.h"
#include "weir/base/hash.h"
#include "weir/base/rng.h"

#include <math.h>

enum { HOME = 2, EVENT_COUNT = 600, CARD_COUNT = 40, TERMINAL_COUNT = 9, MERCHANT_COUNT = 4 };

static worker_rig it;

/* All lanes of all stages, from their starts. */
static void start(size_t stage_count)
{
    rig_prepare_chain(&it, stage_count, false);
    rig_start(&it);
    for (int32_t lane = 0; lane < (int32_t)stage_count * RIG_PARTITIONS; lane++)
        rig_begin(&it, lane, 0, 0, 0);
}

static uint64_t total(weir_metric metric)
{
    return weir_metrics_total(it.metrics, metric);
}

static int32_t terminal_lane(uint64_t terminal)
{
    char text[32];
    snprintf(text, sizeof text, "terminal-%" PRIu64, terminal);
    return RIG_PARTITIONS + weir_stage_partition(weir_hash48(weir_span_text(text)), RIG_PARTITIONS);
}

static void add_event(int32_t lane, int64_t offset, uint64_t card, uint64_t terminal, int64_t amount_minor)
{
    uint8_t bytes[RIG_PAYLOAD_MAX];
    uint64_t number = (uint64_t)offset;
    rig_fields fields = {.number = number + 100000 * (uint64_t)lane, .card = card, .merchant = 1, .terminal = terminal,
                         .event_time_us = rig_time_us(number), .amount_minor = amount_minor};
    weir_fake_port_add(&it.port, lane, offset, weir_span_text("key"), rig_encode(bytes, &fields));
}

/* ---- handing on ---- */

Test(worker_chain, the_first_stage_hands_on_by_the_next_entity_and_scores_nothing)
{
    start(2);
    for (int64_t offset = 10; offset < 40; offset++)
        add_event(HOME, offset, (uint64_t)offset % 5, 1 + (uint64_t)offset % 7, 500000);
    rig_add_garbage(&it, HOME, 40);
    rig_turn(&it, 1);
    cr_expect_eq(weir_fake_port_count(&it.port, WEIR_OUTPUT_ALERTS), 0);
    cr_expect_eq(weir_fake_port_count(&it.port, WEIR_OUTPUT_SCORES), 0);
    cr_expect_eq(weir_fake_port_count(&it.port, WEIR_OUTPUT_DEAD_LETTERS), 1, "what cannot be read ends here");
    size_t records = weir_fake_port_count(&it.port, WEIR_OUTPUT_HOPS), entries = 0;
    cr_assert_gt(records, 0);
    cr_assert_leq(records, RIG_PARTITIONS, "a record a partition");
    bool seen[41] = {0};
    for (size_t i = 0; i < records; i++) {
        const weir_fake_sent *sent = weir_fake_port_sent(&it.port, WEIR_OUTPUT_HOPS, i);
        weir_reader reader;
        weir_hop_head head;
        weir_hop_entry entry;
        double registers[64];
        weir_transaction transaction, sent_in;
        weir_decode_limits limits = {.framing = WEIR_FRAMING_RAW};
        cr_assert(weir_hop_open(sent->payload, &reader, &head));
        cr_expect_eq(sent->stage, 1);
        cr_expect_eq(sent->lane, HOME);
        cr_expect_eq(head.source_partition, HOME);
        cr_expect_eq(head.layout, weir_plan_layout(it.rules.plan));
        cr_assert_eq(head.register_count, weir_engine_inherited(it.rules.ruleset, 1));
        for (int64_t before = -1; weir_hop_next(&reader, &head, registers, &transaction, &entry); entries++) {
            cr_assert_eq(entry.kind, WEIR_HOP_EVENT);
            cr_assert_gt(entry.sequence, before);
            before = entry.sequence;
            cr_assert_eq(entry.event.origin_partition, HOME);
            cr_assert_eq(entry.event.origin_offset, entry.sequence);
            cr_assert_not(seen[entry.sequence]);
            seen[entry.sequence] = true;
            cr_assert_eq(terminal_lane(1 + (uint64_t)entry.sequence % 7), RIG_PARTITIONS + sent->partition);
            cr_assert_eq(weir_transaction_decode(it.port.inbox[entry.sequence - 10].payload, &limits, RIG_NOW_US,
                                                 &sent_in), WEIR_ACCEPTED);
            cr_assert_eq(memcmp(&transaction.event, &sent_in.event, sizeof sent_in.event), 0);
            cr_assert(weir_span_equal(transaction.transaction_id, sent_in.transaction_id));
            cr_assert(weir_span_equal(transaction.terminal_id, sent_in.terminal_id));
        }
        cr_assert_not(reader.failed);
    }
    cr_expect_eq(entries, 30);
    cr_expect_eq(total(WEIR_METRIC_HOP_EVENTS), 30);
    cr_expect_eq(total(WEIR_METRIC_HOP_RECORDS), records);
    cr_expect_eq(total(WEIR_METRIC_EVENTS), 31);
    cr_expect_eq(total(WEIR_METRIC_EVENTS_SCORED), 0);
    cr_expect_eq(rig_acked_below(&it, HOME), 41);
    rig_stop(&it);
}

Test(worker_chain, nothing_of_a_batch_is_acknowledged_before_its_hops_are)
{
    start(2);
    it.port.hold_acks = true;
    for (int64_t offset = 0; offset < 6; offset++)
        add_event(0, offset, 1, (uint64_t)offset, 500);
    rig_turn(&it, 2);
    cr_expect_eq(rig_acked_below(&it, 0), 0);
    it.port.hold_acks = false;
    rig_turn(&it, 1);
    cr_expect_eq(rig_acked_below(&it, 0), 6);
    rig_stop(&it);
}

Test(worker_chain, a_full_producer_holds_up_a_hop_and_nothing_is_lost_or_doubled)
{
    start(2);
    it.port.flight_max = 1;
    for (int64_t offset = 0; offset < 200; offset++)
        add_event((int32_t)(offset % 4), offset, (uint64_t)offset % 20, (uint64_t)offset % 11, 500);
    rig_settle(&it);
    cr_expect_gt(it.port.refused_count, 5);
    cr_assert_eq(weir_fake_port_count(&it.port, WEIR_OUTPUT_SCORES), 200);
    bool seen[200] = {0};
    for (size_t i = 0; i < 200; i++) {
        int32_t partition;
        int64_t offset;
        const weir_fake_sent *sent = weir_fake_port_sent(&it.port, WEIR_OUTPUT_SCORES, i);
        cr_assert(weir_score_source(sent->payload, &partition, &offset));
        cr_assert_eq(partition, offset % 4);
        cr_assert_eq(sent->partition, partition);
        cr_assert_not(seen[offset]);
        seen[offset] = true;
    }
    cr_expect_eq(total(WEIR_METRIC_HOP_REDELIVERED), 0);
    rig_stop(&it);
}

Test(worker_chain, a_replay_hands_on_nothing_before_the_mark)
{
    rig_prepare_chain(&it, 2, false);
    rig_start(&it);
    rig_begin(&it, 0, 0, 3, 3);
    for (int64_t offset = 0; offset < 5; offset++)
        add_event(0, offset, 1, 1, 500);
    rig_turn(&it, 1);
    cr_assert_eq(it.port.sent_count, 1);
    weir_reader reader;
    weir_hop_head head;
    weir_hop_entry entry;
    double registers[64];
    weir_transaction transaction;
    cr_assert(weir_hop_open(it.port.sent[0].payload, &reader, &head));
    for (int64_t offset = 3; offset < 5; offset++) {
        cr_assert(weir_hop_next(&reader, &head, registers, &transaction, &entry));
        cr_expect_eq(entry.sequence, offset);
        cr_expect_eq(registers[0], (double)(offset + 1), "the replayed ones are counted all the same");
    }
    cr_expect_not(weir_hop_next(&reader, &head, registers, &transaction, &entry));
    rig_stop(&it);
}

/* ---- the last stage ---- */

Test(worker_chain, an_alert_is_of_the_transaction_wherever_it_was_scored)
{
    start(2);
    add_event(HOME, 77, 5, 3, 900000);
    rig_settle(&it);
    cr_assert_eq(weir_fake_port_count(&it.port, WEIR_OUTPUT_ALERTS), 1);
    const weir_fake_sent *alert = weir_fake_port_sent(&it.port, WEIR_OUTPUT_ALERTS, 0);
    cr_expect_eq(alert->partition, HOME);
    cr_expect_eq(alert->lane, terminal_lane(3));
    cr_expect(weir_span_is(alert->key, "card-5"));
    int32_t partition;
    int64_t offset;
    cr_assert(weir_alert_source(alert->payload, &partition, &offset));
    cr_expect_eq(partition, HOME);
    cr_expect_eq(offset, 77);
    char id[WEIR_ALERT_ID_SIZE];
    weir_alert_id(&(weir_source){"transactions", HOME, 77}, id);
    cr_expect_not_null(memmem(alert->payload.data, alert->payload.size, id, sizeof id));
    cr_expect_eq(total(WEIR_METRIC_ALERTS), 1);
    rig_stop(&it);
}

/* ---- against one process that does everything ---- */

typedef struct said { /* what offline says of each transaction, as bytes */
    size_t sizes[EVENT_COUNT];
    uint8_t payloads[EVENT_COUNT][2048];
    size_t count, alerts;
} said;

static weir_status say_score(void *context, const weir_job *job, const weir_source *source, uint64_t number)
{
    said *into = context;
    double values[WEIR_PLAN_FEATURE_MAX];
    weir_verdict verdict;
    cr_assert_eq(job->fate, WEIR_FATE_SCORED);
    weir_pipeline_verdict(it.rules.ruleset, job, values, &verdict);
    weir_writer writer = weir_writer_of(into->payloads[number], sizeof into->payloads[number]);
    weir_score_encode(&job->transaction, &verdict, source, true, &writer);
    cr_assert_not(writer.failed);
    into->sizes[number] = writer.used;
    into->count++;
    into->alerts += job->item->threshold >= 0;
    return WEIR_OK;
}

static rig_fields draw(weir_rng *rng, uint64_t number, int64_t *now_us)
{
    *now_us += (int64_t)weir_rng_below(rng, (uint64_t)(10 * WEIR_US_PER_MINUTE));
    int64_t late_us = weir_rng_below(rng, 6) ? 0 : (int64_t)weir_rng_below(rng, (uint64_t)WEIR_US_PER_DAY);
    return (rig_fields){.number = number,
                        .card = weir_rng_below(rng, CARD_COUNT),
                        .merchant = weir_rng_below(rng, MERCHANT_COUNT + 1),
                        .terminal = weir_rng_below(rng, TERMINAL_COUNT + 1), /* 0: it has none */
                        .event_time_us = *now_us - late_us,
                        .amount_minor = (int64_t)weir_rng_below(rng, 90000)};
}

/* Every event goes through the whole chain before the next, so that all logs are in one order, as offline's is. */
static void equals_offline(size_t stage_count)
{
    static said wanted;
    start(stage_count);
    weir_offline_options options = {.rules = &it.rules, .topic = "transactions", .partition_count = RIG_PARTITIONS,
                                    .limits = {.framing = WEIR_FRAMING_RAW}, .visit = say_score, .context = &wanted};
    weir_offline *offline;
    weir_error error = {0};
    cr_assert_eq(weir_offline_open(&options, &offline, &error), WEIR_OK, "%s", error.message);
    weir_rng rng = {.state = 17 + stage_count};
    int64_t now_us = RIG_START_US, ends[RIG_PARTITIONS] = {0};
    for (uint64_t number = 0; number < EVENT_COUNT; number++) {
        uint8_t bytes[RIG_PAYLOAD_MAX];
        char token[32];
        rig_fields fields = draw(&rng, number, &now_us);
        weir_span message = rig_encode(bytes, &fields);
        snprintf(token, sizeof token, "card-%" PRIu64, fields.card);
        int32_t lane = weir_hash_partition(weir_span_text(token), RIG_PARTITIONS);
        weir_fake_port_add(&it.port, lane, ends[lane]++, weir_span_text(token), message);
        rig_settle(&it);
        cr_assert_eq(weir_offline_push(offline, message, number, RIG_NOW_US, &error), WEIR_OK, "%s", error.message);
    }
    cr_assert_eq(weir_offline_flush(offline, &error), WEIR_OK, "%s", error.message);
    cr_assert_eq(wanted.count, EVENT_COUNT);
    cr_assert_eq(weir_fake_port_count(&it.port, WEIR_OUTPUT_SCORES), EVENT_COUNT);
    for (size_t number = 0; number < EVENT_COUNT; number++) {
        const weir_fake_sent *sent = weir_fake_port_sent(&it.port, WEIR_OUTPUT_SCORES, number);
        cr_assert(weir_span_equal(sent->payload, weir_span_of(wanted.payloads[number], wanted.sizes[number])),
                  "event %zu", number);
    }
    cr_expect_eq(weir_fake_port_count(&it.port, WEIR_OUTPUT_ALERTS), wanted.alerts);
    cr_expect_gt(wanted.alerts, 20);
    cr_expect_lt(wanted.alerts, EVENT_COUNT - 20);
    weir_offline_close(offline);
    rig_stop(&it);
}

Test(worker_chain, two_stages_say_what_offline_says)
{
    equals_offline(2);
}

Test(worker_chain, three_stages_say_what_offline_says)
{
    equals_offline(3);
}

/* ---- what comes over a hop ---- */

/* A hop's record of one event of partition HOME, as a sender with that layout writes it. */
static weir_span hop_of(uint8_t memory[1024], uint64_t layout, uint32_t register_count, int64_t sequence)
{
    uint8_t bytes[RIG_PAYLOAD_MAX];
    double registers[64];
    for (int i = 0; i < 64; i++)
        registers[i] = 1;
    rig_fields fields = {.number = (uint64_t)sequence, .card = 1, .merchant = 1, .terminal = 1,
                         .event_time_us = rig_time_us((uint64_t)sequence), .amount_minor = 500};
    weir_hop_head head = {.layout = layout, .source_partition = HOME, .register_count = register_count};
    weir_decode_limits limits = {.framing = WEIR_FRAMING_RAW};
    weir_transaction transaction;
    cr_assert_eq(weir_transaction_decode(rig_encode(bytes, &fields), &limits, RIG_NOW_US, &transaction),
                 WEIR_ACCEPTED);
    weir_hop_rebase(&head, 0, &transaction.event);
    weir_hop_entry entry = {.kind = WEIR_HOP_EVENT,
                            .sequence = sequence,
                            .event = {.origin_partition = HOME, .origin_offset = sequence, .registers = registers,
                                      .transaction = &transaction}};
    weir_writer writer = weir_writer_of(memory, 1024);
    weir_hop_begin(&writer, &head);
    weir_hop_write(&writer, &head, &entry);
    cr_assert_not(writer.failed);
    return weir_span_of(memory, writer.used);
}

static weir_span our_hop(uint8_t memory[1024], int64_t sequence)
{
    return hop_of(memory, weir_plan_layout(it.rules.plan), (uint32_t)weir_engine_inherited(it.rules.ruleset, 1),
                  sequence);
}

static void add_record(int64_t offset, weir_span payload)
{
    weir_fake_port_add(&it.port, RIG_PARTITIONS, offset, (weir_span){0}, payload);
}

Test(worker_chain, what_was_applied_is_dropped_when_it_comes_again)
{
    uint8_t memory[1024];
    start(2);
    for (int64_t sequence = 5; sequence < 8; sequence++)
        add_record(sequence - 5, our_hop(memory, sequence));
    rig_turn(&it, 1);
    cr_expect_eq(total(WEIR_METRIC_EVENTS_SCORED), 3);
    for (int64_t sequence = 4; sequence < 8; sequence++) /* a sender's second life, or a late writer */
        add_record(sequence - 1, our_hop(memory, sequence));
    add_record(7, our_hop(memory, 8));
    rig_turn(&it, 1);
    cr_expect_eq(total(WEIR_METRIC_HOP_REDELIVERED), 4);
    cr_expect_eq(total(WEIR_METRIC_EVENTS_SCORED), 4);
    cr_expect_eq(total(WEIR_METRIC_DUPLICATES), 0);
    cr_expect_eq(weir_fake_port_count(&it.port, WEIR_OUTPUT_SCORES), 4);
    cr_expect_eq(atomic_load(&weir_worker_partition(it.worker, RIG_PARTITIONS)->published_position), 8);
    rig_stop(&it);
}

Test(worker_chain, what_another_models_instance_gathered_counts_as_missing)
{
    uint8_t memory[1024];
    start(2);
    uint32_t inherited = (uint32_t)weir_engine_inherited(it.rules.ruleset, 1);
    add_record(0, our_hop(memory, 0));
    rig_turn(&it, 1);
    cr_expect_eq(total(WEIR_METRIC_MISSING_FEATURES), 0);
    add_record(1, hop_of(memory, 4242, inherited, 1));
    rig_turn(&it, 1);
    cr_expect_eq(total(WEIR_METRIC_HOP_STRANGERS), 1);
    cr_expect_eq(total(WEIR_METRIC_MISSING_FEATURES), 4, "three of the card's, and the one that asks both");
    add_record(2, hop_of(memory, 4242, inherited + 7, 2));
    add_record(3, hop_of(memory, weir_plan_layout(it.rules.plan), 0, 3));
    rig_turn(&it, 1);
    cr_expect_eq(total(WEIR_METRIC_HOP_STRANGERS), 3);
    cr_expect_eq(total(WEIR_METRIC_MISSING_FEATURES), 12);
    cr_expect_eq(total(WEIR_METRIC_EVENTS_SCORED), 4, "and all are scored");
    cr_expect_eq(total(WEIR_METRIC_HOP_REFUSED), 0);
    rig_stop(&it);
}

Test(worker_chain, a_record_that_is_not_ours_is_refused_and_holds_up_nothing)
{
    uint8_t memory[1024];
    start(2);
    add_record(0, weir_span_text("something else"));
    add_record(1, (weir_span){0});
    weir_span good = our_hop(memory, 0);
    memory[0] = 2; /* of a newer weir */
    add_record(2, good);
    memory[0] = 1;
    add_record(3, weir_span_of(memory, good.size - 5));
    add_record(4, our_hop(memory, 1));
    weir_writer writer = weir_writer_of(memory, sizeof memory);
    weir_hop_begin(&writer, &(weir_hop_head){.source_partition = RIG_PARTITIONS});
    add_record(5, weir_span_of(memory, writer.used));
    rig_turn(&it, 1);
    weir_error error;
    cr_expect_not(rig_has_failed(&it, &error));
    cr_expect_eq(total(WEIR_METRIC_HOP_REFUSED), 5);
    cr_expect_eq(total(WEIR_METRIC_EVENTS_SCORED), 1);
    cr_expect_eq(atomic_load(&weir_worker_partition(it.worker, RIG_PARTITIONS)->published_position), 6);
    cr_expect_eq(weir_sequence_offset(1, rig_acked_below(&it, RIG_PARTITIONS)), 6);
    rig_stop(&it);
}

/* ---- checkpoints and notes ---- */

Test(worker_chain, a_checkpoint_remembers_what_each_source_has_sent)
{
    uint8_t memory[1024];
    start(2);
    for (int64_t sequence = 0; sequence < 6; sequence++)
        add_record(sequence, our_hop(memory, sequence));
    rig_turn(&it, 1);
    weir_worker_committed(it.worker, RIG_PARTITIONS, 6);
    weir_error error = {0};
    int64_t replay_from;
    cr_assert_eq(weir_worker_close_partition(it.worker, RIG_PARTITIONS, true, 6, &error), WEIR_OK, "%s", error.message);
    cr_assert_eq(rig_open(&it, RIG_PARTITIONS, &replay_from, &error), WEIR_OK, "%s", error.message);
    cr_expect_eq(weir_sequence_offset(1, replay_from), 6);
    const int64_t ends[2 * RIG_PARTITIONS] = {0};
    weir_beginning beginning = {.position = 6, .marks = {6, 6, 6, 6}, .committed = 6, .ends = ends};
    weir_worker_begin_partition(it.worker, RIG_PARTITIONS, &beginning);
    for (int64_t sequence = 3; sequence < 8; sequence++) /* what its sender says again after a crash */
        add_record(sequence + 3, our_hop(memory, sequence));
    rig_turn(&it, 1);
    cr_expect_eq(total(WEIR_METRIC_HOP_REDELIVERED), 3);
    cr_expect_eq(total(WEIR_METRIC_EVENTS_SCORED), 8);
    cr_expect_eq(weir_fake_port_count(&it.port, WEIR_OUTPUT_SCORES), 8);
    rig_stop(&it);
}

/* One commit interval is enough for a milestone, two for its being passed. */
static void let_time_pass(void)
{
    for (int i = 0; i < 3; i++) {
        rig_monotonic_now_us += 2 * WEIR_US_PER_SECOND;
        rig_turn(&it, 1);
    }
}

Test(worker_chain, the_note_says_how_far_the_outputs_were)
{
    uint8_t memory[1024];
    char note[WEIR_NOTE_SIZE_MAX];
    int64_t ends[2 * (RIG_PARTITIONS + 1)];
    start(2);
    cr_expect_eq(weir_worker_note(it.worker, 0, note), 0);
    cr_expect_str_empty(note, "the first stage needs none");
    cr_expect_eq(weir_worker_note(it.worker, RIG_PARTITIONS, note), 0);
    cr_assert(weir_note_parse(note, RIG_PARTITIONS, ends));
    for (int i = 0; i < 2 * RIG_PARTITIONS; i++)
        cr_expect_eq(ends[i], 0);
    for (int64_t sequence = 0; sequence < 5; sequence++)
        add_record(sequence, our_hop(memory, sequence));
    rig_turn(&it, 1);
    weir_worker_note(it.worker, RIG_PARTITIONS, note);
    cr_assert(weir_note_parse(note, RIG_PARTITIONS, ends));
    cr_expect_leq(ends[RIG_PARTITIONS + HOME], 5);
    let_time_pass();
    cr_expect_eq(weir_worker_note(it.worker, RIG_PARTITIONS, note), 5);
    cr_assert(weir_note_parse(note, RIG_PARTITIONS, ends));
    for (int32_t p = 0; p < RIG_PARTITIONS; p++) {
        cr_expect_eq(ends[p], it.port.ends[WEIR_OUTPUT_ALERTS][p]);
        cr_expect_eq(ends[RIG_PARTITIONS + p], it.port.ends[WEIR_OUTPUT_SCORES][p]);
    }
    cr_expect_eq(ends[RIG_PARTITIONS + HOME], 5);
    cr_expect_not(weir_note_parse(note, RIG_PARTITIONS + 1, ends), "of another number of partitions");
    cr_expect_not(weir_note_parse("", RIG_PARTITIONS, ends));
    cr_expect_not(weir_note_parse("not a note", RIG_PARTITIONS, ends));
    rig_stop(&it);
}

/* A note must never be ahead of what its offset has had acknowledged: what lies behind it would be sent twice. */
Test(worker_chain, the_note_waits_for_acknowledgements)
{
    uint8_t memory[1024];
    char note[WEIR_NOTE_SIZE_MAX];
    int64_t ends[2 * RIG_PARTITIONS];
    start(2);
    add_record(0, our_hop(memory, 0));
    rig_turn(&it, 1);
    it.port.hold_acks = true;
    add_record(1, our_hop(memory, 1));
    rig_turn(&it, 1);
    let_time_pass();
    cr_expect_eq(weir_worker_note(it.worker, RIG_PARTITIONS, note), 1);
    cr_assert(weir_note_parse(note, RIG_PARTITIONS, ends));
    cr_expect_leq(ends[RIG_PARTITIONS + HOME], 1);
    rig_stop(&it);
}

Test(worker_chain, what_an_earlier_life_emitted_is_not_said_again)
{
    uint8_t memory[1024];
    weir_emitted emitted = {0};
    rig_prepare_chain(&it, 2, false);
    rig_start(&it);
    cr_assert_eq(weir_emitted_add(&emitted, WEIR_OUTPUT_SCORES, HOME, 1), WEIR_OK);
    cr_assert_eq(weir_emitted_add(&emitted, WEIR_OUTPUT_SCORES, HOME, 3), WEIR_OK);
    cr_assert_eq(weir_emitted_add(&emitted, WEIR_OUTPUT_SCORES, HOME + 1, 2), WEIR_OK);
    rig_begin_as(&it, RIG_PARTITIONS, (weir_beginning){.emitted = &emitted, .log_end = 4});
    for (int64_t sequence = 0; sequence < 4; sequence++)
        add_record(sequence, our_hop(memory, sequence));
    rig_turn(&it, 1);
    cr_assert_eq(weir_fake_port_count(&it.port, WEIR_OUTPUT_SCORES), 2);
    for (size_t i = 0; i < 2; i++) {
        int32_t partition;
        int64_t offset;
        const weir_fake_sent *sent = weir_fake_port_sent(&it.port, WEIR_OUTPUT_SCORES, i);
        cr_assert(weir_score_source(sent->payload, &partition, &offset));
        cr_expect_eq(offset, 2 * (int64_t)i);
    }
    cr_expect_eq(weir_worker_partition(it.worker, RIG_PARTITIONS)->ledger.emitted.count, 0,
                 "behind the log's end as it was then there is nothing to remember");
    rig_stop(&it);
}

/* A crash before the log's end of then: the next life has to look as far back as this one did. */
Test(worker_chain, until_an_earlier_life_is_behind_it_a_note_leads_back_to_that)
{
    uint8_t memory[1024];
    char note[WEIR_NOTE_SIZE_MAX];
    int64_t starts[2 * RIG_PARTITIONS], ends[2 * RIG_PARTITIONS];
    for (int i = 0; i < 2 * RIG_PARTITIONS; i++)
        starts[i] = 0;
    rig_prepare_chain(&it, 2, false);
    rig_start(&it);
    for (int32_t p = 0; p < RIG_PARTITIONS; p++)
        it.port.ends[WEIR_OUTPUT_SCORES][p] = 50;
    rig_begin_as(&it, RIG_PARTITIONS, (weir_beginning){.log_end = 3, .starts = starts});
    for (int64_t sequence = 0; sequence < 2; sequence++)
        add_record(sequence, our_hop(memory, sequence));
    rig_turn(&it, 1);
    let_time_pass();
    weir_worker_note(it.worker, RIG_PARTITIONS, note);
    cr_assert(weir_note_parse(note, RIG_PARTITIONS, ends));
    cr_expect_eq(memcmp(ends, starts, sizeof ends), 0);
    add_record(2, our_hop(memory, 2));
    rig_turn(&it, 1);
    let_time_pass();
    weir_worker_note(it.worker, RIG_PARTITIONS, note);
    cr_assert(weir_note_parse(note, RIG_PARTITIONS, ends));
    cr_expect_eq(ends[RIG_PARTITIONS + HOME], 53);
    rig_stop(&it);
}

/* ---- alignment ---- */

static void start_aligned(int64_t limit_us)
{
    rig_prepare_chain(&it, 2, false);
    it.options.limit_us = &it.limit_us;
    atomic_store(&it.limit_us, limit_us);
    rig_start(&it);
    for (int32_t lane = 0; lane < 2 * RIG_PARTITIONS; lane++)
        rig_begin(&it, lane, 0, 0, 0);
}

static weir_pace pace(int32_t lane)
{
    return (weir_pace)atomic_load(&weir_worker_partition(it.worker, lane)->pace);
}

Test(worker_chain, an_event_beyond_the_limit_holds_its_lane_and_goes_when_the_limit_moves)
{
    start_aligned(rig_time_us(3));
    for (int64_t offset = 0; offset < 10; offset++)
        add_event(0, offset, 1, 1, 500);
    for (int64_t offset = 0; offset < 3; offset++)
        add_event(1, offset, 2, 2, 500);
    rig_turn(&it, 2);
    cr_expect_eq(total(WEIR_METRIC_EVENTS), 4 + 3, "up to the limit, and the other lane all the way");
    cr_expect_eq(it.port.unread_count, 6, "the rest was given back");
    cr_expect(it.port.held[0]);
    cr_expect_not(it.port.held[1]);
    cr_expect_eq(pace(0), WEIR_PACE_HELD);
    cr_expect_eq(pace(1), WEIR_PACE_CURRENT);
    cr_expect_eq(weir_metrics_gauge(it.metrics, WEIR_METRIC_LANES_HELD), 1);
    rig_turn(&it, 5);
    cr_expect_eq(total(WEIR_METRIC_EVENTS), 7);
    cr_expect_eq(atomic_load(&weir_worker_partition(it.worker, 0)->clock_us), rig_time_us(4),
                 "nothing of it is under way, so its clock is at the event it waits with");
    atomic_store(&it.limit_us, rig_time_us(7));
    rig_turn(&it, 2);
    cr_expect_eq(total(WEIR_METRIC_EVENTS), 11);
    atomic_store(&it.limit_us, INT64_MAX);
    rig_settle(&it);
    cr_expect_eq(total(WEIR_METRIC_EVENTS), 13, "each once");
    cr_expect_eq(total(WEIR_METRIC_DUPLICATES), 0);
    cr_expect_eq(weir_fake_port_count(&it.port, WEIR_OUTPUT_SCORES), 13);
    cr_expect_not(it.port.held[0]);
    cr_expect_eq(pace(0), WEIR_PACE_CURRENT);
    cr_expect_eq(weir_metrics_gauge(it.metrics, WEIR_METRIC_LANES_HELD), 0);
    rig_stop(&it);
}

/* Another worker's lane, which is further back. */
enum { ELSEWHERE = 3 };

static weir_nearby nearby;

static void start_nearby(void)
{
    rig_prepare_chain(&it, 2, false);
    cr_assert_eq(weir_nearby_init(&nearby, RIG_PARTITIONS, rig_time_us(2) - rig_time_us(0)), WEIR_OK);
    it.options.limit_us = &it.limit_us;
    it.options.nearby = &nearby;
    atomic_store(&it.limit_us, INT64_MAX);
    rig_start(&it);
    for (int32_t lane = 0; lane < 2 * RIG_PARTITIONS; lane++)
        if (lane != ELSEWHERE)
            rig_begin(&it, lane, 0, 0, 0);
}

Test(worker_chain, a_lane_keeps_near_those_of_other_workers)
{
    start_nearby();
    weir_nearby_note(&nearby, ELSEWHERE, rig_time_us(1));
    for (int64_t offset = 0; offset < 10; offset++)
        add_event(0, offset, 1, 1, 500);
    rig_turn(&it, 5);
    cr_expect_eq(total(WEIR_METRIC_EVENTS), 4, "two steps beyond the other one");
    cr_expect_eq(pace(0), WEIR_PACE_HELD);
    weir_nearby_note(&nearby, ELSEWHERE, rig_time_us(4));
    rig_turn(&it, 5);
    cr_expect_eq(total(WEIR_METRIC_EVENTS), 7);
    weir_nearby_note(&nearby, ELSEWHERE, INT64_MAX);
    rig_settle(&it);
    cr_expect_eq(total(WEIR_METRIC_EVENTS), 10);
    cr_expect_eq(weir_fake_port_count(&it.port, WEIR_OUTPUT_SCORES), 10, "each once");
    rig_stop(&it);
    cr_expect_eq(weir_nearby_limit(&nearby), INT64_MAX, "a lane that was given back is not waited for");
    weir_nearby_deinit(&nearby);
}

Test(worker_chain, the_slowest_lane_goes_on_however_long_the_gap_before_its_next_event)
{
    start_nearby();
    add_event(0, 0, 1, 1, 500);
    add_event(0, 1000, 1, 1, 500);
    add_event(1, 5000, 2, 2, 500);
    rig_settle(&it);
    cr_expect_eq(total(WEIR_METRIC_EVENTS), 3);
    rig_stop(&it);
    weir_nearby_deinit(&nearby);
}

Test(worker_chain, no_limit_yet_lets_none_go)
{
    start_aligned(INT64_MIN);
    add_event(0, 0, 1, 1, 500);
    rig_turn(&it, 3);
    cr_expect_eq(total(WEIR_METRIC_EVENTS), 0);
    cr_expect_eq(rig_acked_below(&it, 0), 0);
    cr_expect_eq(pace(0), WEIR_PACE_HELD);
    rig_stop(&it);
}

Test(worker_chain, an_event_of_the_present_waits_for_nobody)
{
    start_aligned(rig_time_us(0));
    uint8_t bytes[RIG_PAYLOAD_MAX];
    rig_fields fields = {.number = 1, .card = 1, .merchant = 1, .terminal = 1,
                         .event_time_us = RIG_NOW_US - it.options.drift_us_max / 2, .amount_minor = 500};
    weir_fake_port_add(&it.port, 0, 0, weir_span_text("key"), rig_encode(bytes, &fields));
    it.port.lags[0] = 1000;
    rig_turn(&it, 2);
    cr_expect_eq(total(WEIR_METRIC_EVENTS), 1);
    cr_expect_eq(pace(0), WEIR_PACE_CURRENT, "however long its backlog is");
    rig_stop(&it);
}

Test(worker_chain, a_lane_with_a_backlog_is_behind)
{
    start_aligned(INT64_MAX);
    it.port.lags[0] = 1000;
    add_event(0, 0, 1, 1, 500);
    rig_turn(&it, 2);
    cr_expect_eq(pace(0), WEIR_PACE_BEHIND);
    it.port.lags[0] = 0;
    rig_turn(&it, 1);
    cr_expect_eq(pace(0), WEIR_PACE_CURRENT);
    rig_stop(&it);
}

/* Until all that came before is acknowledged, what another process does may come before it in a log. */
Test(worker_chain, a_lanes_clock_waits_for_acknowledgements)
{
    start_aligned(INT64_MAX);
    add_event(0, 0, 1, 1, 500);
    rig_turn(&it, 1);
    const weir_partition *partition = weir_worker_partition(it.worker, 0);
    cr_expect_eq(atomic_load(&partition->clock_us), rig_time_us(0));
    it.port.hold_acks = true;
    add_event(0, 1, 1, 1, 500);
    rig_turn(&it, 3);
    cr_expect_eq(atomic_load(&partition->clock_us), rig_time_us(0));
    it.port.hold_acks = false;
    rig_turn(&it, 1);
    cr_expect_eq(atomic_load(&partition->clock_us), rig_time_us(1));
    rig_stop(&it);
}
