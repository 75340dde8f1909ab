#include "weir/emit/hops.h"

#include "support/fake_port.h"
#include "weir/base/rng.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <signal.h>

enum { PARTITIONS = 4, REGISTERS = 2, TEXT_SIZE_MAX = 128, LANE = 9, STAGE = 1 };

static const int64_t FROM_START[WEIR_OUTPUT_COUNT] = {0};
static const weir_hop_head HEAD = {.layout = 77, .source_partition = 2, .register_count = REGISTERS};

typedef struct rig {
    weir_fake_port port;
    weir_ledger ledger;
    weir_hops *hops;
} rig;

static void open_rig_of(rig *it, uint32_t register_count)
{
    *it = (rig){0};
    weir_fake_port_init(&it->port);
    it->port.partition_count = PARTITIONS;
    weir_ledger_init(&it->ledger, FROM_START);
    weir_hops_options options = {.port = &it->port.base,
                                 .ledger = &it->ledger,
                                 .lane = LANE,
                                 .stage = STAGE,
                                 .partition_count = PARTITIONS,
                                 .head = HEAD};
    options.head.register_count = register_count;
    cr_assert_eq(weir_hops_open(&options, &it->hops), WEIR_OK);
}

static void open_rig(rig *it)
{
    open_rig_of(it, REGISTERS);
}

static void close_rig(rig *it)
{
    weir_hops_close(it->hops);
    weir_ledger_deinit(&it->ledger);
    weir_fake_port_deinit(&it->port);
}

static void begin(rig *it, int64_t sequence)
{
    weir_hops_begin(it->hops, sequence, NULL);
}

/* An entry whose content is a function of its sequence. Good until the next one is asked for. */
static const weir_hop_entry *entry_of(int64_t sequence, size_t text_size)
{
    static double registers[REGISTERS];
    static uint8_t text[TEXT_SIZE_MAX];
    static weir_transaction transaction;
    static weir_hop_entry entry;
    for (int i = 0; i < REGISTERS; i++)
        registers[i] = (double)sequence + i / 3.0;
    memset(text, (int)(sequence % 251), sizeof text);
    transaction = (weir_transaction){
        .event = {.time_us = sequence, .amount_minor = 7 * sequence, .label_delay_us = WEIR_LABEL_NONE},
        .transaction_id = weir_span_of(text, text_size),
        .card_token = weir_span_text("card"),
        .merchant_id = weir_span_of(text, text_size),
        .terminal_id = weir_span_of(text, text_size),
    };
    entry = (weir_hop_entry){.kind = WEIR_HOP_EVENT,
                             .sequence = sequence,
                             .event = {.origin_partition = 2,
                                       .origin_offset = sequence,
                                       .registers = registers,
                                       .transaction = &transaction}};
    return &entry;
}

static void hear(void *context, const weir_ack *ack)
{
    weir_ledger_heard(context, ack);
}

static size_t take_acks(rig *it)
{
    return it->port.base.ops->acks(&it->port.base, 0, hear, &it->ledger);
}

/* Reads a sent record's entries; gives their number, and the sequences. */
static size_t read_record(const weir_fake_sent *sent, int64_t sequences_out[WEIR_HOP_ENTRY_MAX])
{
    weir_reader reader;
    weir_hop_head head;
    weir_hop_entry entry;
    double registers[REGISTERS];
    weir_transaction transaction;
    size_t count = 0;
    cr_assert(weir_hop_open(sent->payload, &reader, &head));
    cr_assert_eq(head.layout, HEAD.layout);
    cr_assert_eq(head.source_partition, HEAD.source_partition);
    cr_assert_eq(head.register_count, HEAD.register_count);
    while (weir_hop_next(&reader, &head, registers, &transaction, &entry)) {
        cr_assert_lt(count, WEIR_HOP_ENTRY_MAX);
        sequences_out[count++] = entry.sequence;
        if (entry.kind == WEIR_HOP_LABEL)
            continue;
        const weir_hop_entry *wanted = entry_of(entry.sequence, transaction.terminal_id.size);
        cr_assert(weir_span_equal(transaction.transaction_id, wanted->event.transaction->transaction_id));
        cr_assert_eq(transaction.event.amount_minor, wanted->event.transaction->event.amount_minor);
        cr_assert_eq(memcmp(registers, wanted->event.registers, sizeof registers), 0);
        cr_assert_eq(entry.event.origin_offset, entry.sequence);
    }
    cr_assert_not(reader.failed);
    return count;
}

Test(hops, a_batch_is_a_record_a_partition)
{
    rig it;
    open_rig(&it);
    begin(&it, 100);
    static const int32_t TO[] = {3, 0, 3, 3, 0};
    for (int64_t i = 0; i < 5; i++)
        cr_assert_eq(weir_hops_add(it.hops, TO[i], entry_of(100 + i, 20)), WEIR_OK);
    cr_expect_eq(it.port.sent_count, 0, "nothing goes before the flush");
    cr_assert_eq(weir_hops_flush(it.hops), WEIR_OK);
    cr_assert_eq(it.port.sent_count, 2);
    for (size_t i = 0; i < 2; i++) {
        const weir_fake_sent *sent = weir_fake_port_sent(&it.port, WEIR_OUTPUT_HOPS, i);
        int64_t sequences[WEIR_HOP_ENTRY_MAX];
        size_t count = read_record(sent, sequences), seen = 0;
        cr_expect_eq(sent->stage, STAGE);
        cr_expect_eq(sent->lane, LANE);
        cr_expect_eq(sent->marker, 100);
        cr_expect_eq(sent->key.size, 0);
        for (int64_t k = 0; k < 5; k++)
            if (TO[k] == sent->partition)
                cr_expect_eq(sequences[seen++], 100 + k, "in their order");
        cr_expect_eq(count, seen);
        cr_expect(sent->partition == 0 || sent->partition == 3);
    }
    cr_assert_eq(weir_hops_flush(it.hops), WEIR_OK, "there is nothing left");
    cr_expect_eq(it.port.sent_count, 2);
    close_rig(&it);
}

Test(hops, an_empty_batch_sends_nothing)
{
    rig it;
    open_rig(&it);
    begin(&it, 5);
    cr_assert_eq(weir_hops_flush(it.hops), WEIR_OK);
    cr_expect_eq(it.port.sent_count, 0);
    cr_expect_eq(weir_ledger_pending(&it.ledger), 0);
    close_rig(&it);
}

Test(hops, nothing_of_a_batch_is_acknowledged_before_all_of_it_is)
{
    rig it;
    open_rig(&it);
    begin(&it, 40);
    for (int64_t i = 0; i < 8; i++)
        cr_assert_eq(weir_hops_add(it.hops, (int32_t)(i % 4), entry_of(40 + i, 0)), WEIR_OK);
    cr_assert_eq(weir_hops_flush(it.hops), WEIR_OK);
    cr_expect_eq(weir_ledger_pending(&it.ledger), 4);
    cr_expect_eq(weir_ledger_acked_below(&it.ledger, 48), 40);
    weir_ack ack = {.output = WEIR_OUTPUT_HOPS, .lane = LANE, .marker = 40, .delivered = true};
    for (int i = 0; i < 3; i++) {
        weir_ledger_heard(&it.ledger, &ack);
        cr_expect_eq(weir_ledger_acked_below(&it.ledger, 48), 40);
    }
    weir_ledger_heard(&it.ledger, &ack);
    cr_expect_eq(weir_ledger_acked_below(&it.ledger, 48), 48);
    close_rig(&it);
}

Test(hops, a_full_record_goes_at_once)
{
    rig it;
    open_rig(&it);
    begin(&it, 0);
    enum { COUNT = 3 * WEIR_HOP_ENTRY_MAX + 10 };
    for (int64_t i = 0; i < COUNT; i++) {
        cr_assert_eq(weir_hops_add(it.hops, 1, entry_of(i, 0)), WEIR_OK);
        cr_assert_eq(it.port.sent_count, (size_t)(i / WEIR_HOP_ENTRY_MAX), "after %" PRId64, i);
    }
    cr_assert_eq(weir_hops_flush(it.hops), WEIR_OK);
    cr_assert_eq(it.port.sent_count, 4);
    int64_t next = 0;
    for (size_t i = 0; i < 4; i++) {
        int64_t sequences[WEIR_HOP_ENTRY_MAX];
        size_t count = read_record(&it.port.sent[i], sequences);
        cr_expect_eq(count, i < 3 ? WEIR_HOP_ENTRY_MAX : 10);
        for (size_t k = 0; k < count; k++)
            cr_assert_eq(sequences[k], next++);
        cr_expect_eq(it.port.sent[i].marker, 0, "the batch's first, whichever it carries");
    }
    cr_expect_eq(next, COUNT);
    close_rig(&it);
}

Test(hops, large_entries_fill_a_record_sooner)
{
    rig it;
    open_rig(&it);
    begin(&it, 0);
    enum { COUNT = 600 };
    for (int64_t i = 0; i < COUNT; i++)
        cr_assert_eq(weir_hops_add(it.hops, 2, entry_of(i, TEXT_SIZE_MAX)), WEIR_OK);
    cr_assert_eq(weir_hops_flush(it.hops), WEIR_OK);
    cr_expect_gt(it.port.sent_count, (COUNT + WEIR_HOP_ENTRY_MAX - 1) / WEIR_HOP_ENTRY_MAX, "the bytes are the bound");
    int64_t next = 0;
    for (size_t i = 0; i < it.port.sent_count; i++) {
        int64_t sequences[WEIR_HOP_ENTRY_MAX];
        size_t count = read_record(&it.port.sent[i], sequences);
        cr_expect_leq(it.port.sent[i].payload.size, 64 * 1024);
        for (size_t k = 0; k < count; k++)
            cr_assert_eq(sequences[k], next++);
    }
    cr_expect_eq(next, COUNT);
    close_rig(&it);
}

Test(hops, labels_ride_along)
{
    rig it;
    open_rig(&it);
    begin(&it, 6);
    weir_hop_entry label = {.kind = WEIR_HOP_LABEL, .sequence = 3, .label = {.transaction = 5, .label_time_us = 9}};
    cr_assert_eq(weir_hops_add(it.hops, 1, entry_of(6, 5)), WEIR_OK);
    cr_assert_eq(weir_hops_add(it.hops, 1, &label), WEIR_OK);
    cr_assert_eq(weir_hops_add(it.hops, 1, entry_of(7, 5)), WEIR_OK);
    cr_assert_eq(weir_hops_flush(it.hops), WEIR_OK);
    cr_assert_eq(it.port.sent_count, 1);
    int64_t sequences[WEIR_HOP_ENTRY_MAX];
    cr_assert_eq(read_record(&it.port.sent[0], sequences), 3);
    cr_expect_eq(sequences[0], 6);
    cr_expect_eq(sequences[1], 3);
    cr_expect_eq(sequences[2], 7);
    close_rig(&it);
}

/* ---- a producer that is full ---- */

/* Adds until taken, taking acknowledgements in between, as the worker does. */
static void add_patiently(rig *it, int32_t partition, const weir_hop_entry *entry)
{
    weir_status status;
    while ((status = weir_hops_add(it->hops, partition, entry)) == WEIR_FULL)
        cr_assert_gt(take_acks(it), 0);
    cr_assert_eq(status, WEIR_OK);
}

static void flush_patiently(rig *it)
{
    weir_status status;
    while ((status = weir_hops_flush(it->hops)) == WEIR_FULL)
        cr_assert_gt(take_acks(it), 0);
    cr_assert_eq(status, WEIR_OK);
}

Test(hops, a_full_producer_loses_and_doubles_nothing)
{
    enum { BATCHES = 30 };
    rig it;
    open_rig(&it);
    it.port.flight_max = 1;
    weir_rng rng = {.state = 8};
    static int32_t homes[BATCHES * 1200];
    int64_t sequence = 0;
    for (int batch = 0; batch < BATCHES; batch++) {
        begin(&it, sequence);
        for (uint64_t count = weir_rng_below(&rng, 1200); count > 0; count--, sequence++) {
            homes[sequence] = (int32_t)weir_rng_below(&rng, weir_rng_below(&rng, 2) ? PARTITIONS : 1);
            add_patiently(&it, homes[sequence], entry_of(sequence, weir_rng_below(&rng, 30)));
        }
        flush_patiently(&it);
    }
    cr_expect_gt(it.port.refused_count, 60);
    int64_t next[PARTITIONS] = {0}, total = 0;
    for (size_t i = 0; i < it.port.sent_count; i++) {
        int64_t sequences[WEIR_HOP_ENTRY_MAX];
        size_t count = read_record(&it.port.sent[i], sequences);
        cr_assert_gt(count, 0);
        cr_assert_leq(it.port.sent[i].marker, sequences[0]);
        int32_t partition = it.port.sent[i].partition;
        for (size_t k = 0; k < count; k++, total++) {
            while (homes[next[partition]] != partition)
                next[partition]++;
            cr_assert_eq(sequences[k], next[partition]++, "every entry once and in order");
        }
    }
    cr_expect_eq(total, sequence);
    take_acks(&it);
    cr_expect_eq(weir_ledger_pending(&it.ledger), 0);
    close_rig(&it);
}

Test(hops, a_producer_that_refuses_is_told)
{
    rig it;
    open_rig(&it);
    it.port.failure = WEIR_FENCED;
    begin(&it, 0);
    cr_assert_eq(weir_hops_add(it.hops, 0, entry_of(0, 5)), WEIR_OK);
    cr_expect_eq(weir_hops_flush(it.hops), WEIR_FENCED);
    cr_expect_eq(weir_ledger_pending(&it.ledger), 0, "what was not taken is not waited for");
    close_rig(&it);
}

Test(hops, what_comes_before_the_flush_belongs_to_the_batch)
{
    rig it;
    open_rig(&it);
    cr_expect_not(weir_hops_begun(it.hops));
    begin(&it, 7);
    cr_assert_eq(weir_hops_add(it.hops, 0, entry_of(7, 5)), WEIR_OK);
    begin(&it, 8);
    cr_assert_eq(weir_hops_add(it.hops, 0, entry_of(8, 5)), WEIR_OK);
    cr_expect(weir_hops_begun(it.hops));
    cr_assert_eq(weir_hops_flush(it.hops), WEIR_OK);
    cr_expect_not(weir_hops_begun(it.hops));
    cr_assert_eq(it.port.sent_count, 1);
    cr_expect_eq(it.port.sent[0].marker, 7, "one record, noted under the first");
    begin(&it, 9);
    cr_assert_eq(weir_hops_add(it.hops, 0, entry_of(9, 5)), WEIR_OK);
    cr_assert_eq(weir_hops_flush(it.hops), WEIR_OK);
    cr_expect_eq(it.port.sent[1].marker, 9);
    close_rig(&it);
}

Test(hops, an_entry_larger_than_a_record_goes_alone)
{
    enum { MANY = 10000 };
    rig it;
    static double rows[MANY];
    for (size_t i = 0; i < MANY; i++)
        rows[i] = (double)i + 1 / 3.0;
    open_rig_of(&it, MANY);
    begin(&it, 0);
    for (int64_t sequence = 0; sequence < 3; sequence++) {
        weir_hop_entry large = *entry_of(sequence, 5);
        large.event.registers = rows;
        cr_assert_eq(weir_hops_add(it.hops, 0, &large), WEIR_OK);
        cr_expect_eq(it.port.sent_count, (size_t)sequence);
    }
    cr_assert_eq(weir_hops_flush(it.hops), WEIR_OK);
    cr_assert_eq(it.port.sent_count, 3);
    cr_expect_gt(it.port.sent[1].payload.size, MANY * sizeof(double));
    close_rig(&it);
}

Test(hops, adding_to_no_batch_is_a_bug, .signal = SIGABRT)
{
    rig it;
    open_rig(&it);
    (void)!weir_hops_add(it.hops, 0, entry_of(0, 5));
}

Test(hops, a_partition_beyond_the_topic_is_a_bug, .signal = SIGABRT)
{
    rig it;
    open_rig(&it);
    begin(&it, 0);
    (void)!weir_hops_add(it.hops, PARTITIONS, entry_of(0, 5));
}

Test(hops, closing_nothing_is_fine)
{
    weir_hops_close(NULL);
}
