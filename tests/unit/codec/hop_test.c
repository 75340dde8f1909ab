#include "weir/codec/hop.h"

#include "weir/base/hash.h"
#include "weir/base/rng.h"
#include "weir/core/event_pack.h"

#include <criterion/criterion.h>
#include <math.h>

enum { REGISTERS_MAX = 300, RECORD_SIZE = 64 * 1024, ENTRIES = 40, TEXT_SIZE_MAX = 128 };

static uint8_t memory[RECORD_SIZE];

static weir_hop_head head_of(uint32_t register_count)
{
    weir_hop_head head = {.layout = 0xfeedfacecafebeef, .source_partition = 3, .register_count = register_count};
    weir_hop_rebase(&head, 0, NULL);
    return head;
}

/* As the decoder would give it: its hashes are those of its text. */
static weir_transaction decoded(weir_transaction of)
{
    of.card_hash = weir_hash(of.card_token);
    of.event.transaction = weir_hash48(of.transaction_id);
    of.event.card = weir_hash48(of.card_token);
    of.event.merchant = weir_hash48(of.merchant_id);
    of.event.terminal = weir_hash48(of.terminal_id);
    return of;
}

/* With nothing that may be absent. */
static weir_transaction plain_transaction(void)
{
    return decoded((weir_transaction){.event = weir_event_pack_origin(0),
                                      .transaction_id = weir_span_text("id"),
                                      .card_token = weir_span_text("card")});
}

static const weir_transaction *plain(void)
{
    static weir_transaction it;
    it = plain_transaction();
    return &it;
}

static weir_hop_entry event_of(int64_t sequence, const double *registers, const weir_transaction *transaction)
{
    return (weir_hop_entry){.kind = WEIR_HOP_EVENT,
                            .sequence = sequence,
                            .event = {.origin_partition = 11,
                                      .origin_offset = sequence + 5,
                                      .registers = registers,
                                      .transaction = transaction}};
}

static weir_hop_entry label_of(int64_t sequence)
{
    return (weir_hop_entry){.kind = WEIR_HOP_LABEL,
                            .sequence = sequence,
                            .label = {.transaction = 0xabcdef012345,
                                      .entities = {1, 0, UINT64_C(0xffffffffffff), 77},
                                      .event_time_us = -5,
                                      .label_time_us = INT64_MAX,
                                      .known_us = INT64_C(1700000000000000)}};
}

static weir_span record_of(const weir_hop_head *head, const weir_hop_entry *entries, size_t count)
{
    weir_writer writer = weir_writer_of(memory, sizeof memory);
    weir_hop_begin(&writer, head);
    for (size_t i = 0; i < count; i++)
        weir_hop_write(&writer, head, &entries[i]);
    cr_assert_not(writer.failed);
    return weir_span_of(memory, writer.used);
}

/* Missing is missing, whatever bits said so; anything else comes back to the bit. */
static bool is_same(double a, double b)
{
    return isnan(a) ? isnan(b) : memcmp(&a, &b, sizeof a) == 0;
}

static void expect_same_transaction(const weir_transaction *read, const weir_transaction *written)
{
    cr_assert_eq(memcmp(&read->event, &written->event, sizeof read->event), 0);
    cr_assert_eq(read->card_hash, written->card_hash);
    cr_assert(weir_span_equal(read->transaction_id, written->transaction_id));
    cr_assert(weir_span_equal(read->card_token, written->card_token));
    cr_assert(weir_span_equal(read->merchant_id, written->merchant_id));
    cr_assert(weir_span_equal(read->terminal_id, written->terminal_id));
    cr_assert_eq(read->device_id.size, 0);
    cr_assert_null(read->reject_field);
}

static void expect_same(const weir_hop_entry *read, const weir_hop_entry *written, uint32_t register_count)
{
    cr_assert_eq(read->kind, written->kind);
    cr_assert_eq(read->sequence, written->sequence);
    if (read->kind == WEIR_HOP_LABEL) {
        cr_assert_eq(memcmp(&read->label, &written->label, sizeof read->label), 0);
        return;
    }
    cr_assert_eq(read->event.origin_partition, written->event.origin_partition);
    cr_assert_eq(read->event.origin_offset, written->event.origin_offset);
    expect_same_transaction(read->event.transaction, written->event.transaction);
    for (uint32_t i = 0; i < register_count; i++)
        cr_assert(is_same(read->event.registers[i], written->event.registers[i]), "register %u: %a, was %a", i,
                  read->event.registers[i], written->event.registers[i]);
}

/* Writes one event of these registers, reads it back, and gives the size of the record. */
static size_t round_trip(const double *registers, uint32_t count)
{
    double back[REGISTERS_MAX];
    weir_hop_head head = head_of(count), found;
    weir_hop_entry written = event_of(7, registers, plain()), read;
    weir_span record = record_of(&head, &written, 1);
    weir_reader reader;
    weir_transaction transaction;
    cr_assert(weir_hop_open(record, &reader, &found));
    cr_assert_eq(found.layout, head.layout);
    cr_assert_eq(found.source_partition, head.source_partition);
    cr_assert_eq(found.register_count, count);
    cr_assert(weir_hop_next(&reader, &found, back, &transaction, &read));
    cr_assert_eq(read.event.registers, back);
    cr_assert_eq(read.event.transaction, &transaction);
    expect_same(&read, &written, count);
    cr_assert_not(weir_hop_next(&reader, &found, back, &transaction, &read));
    cr_assert_not(reader.failed);
    return record.size;
}

Test(hop, registers_come_back_to_the_bit)
{
    const double registers[] = {
        0.0, -0.0, 1, -1, 255, 256, 65535, 65536, 65535.5, 65536.5, 0.5, 0.1, -0.1, 1e300, -1e300, 1e39, (double)0.1f,
        NAN, -NAN, INFINITY, -INFINITY, 5e-324, 2.2250738585072014e-308, 1e-45, 1.17549435e-38, 3.4028234663852886e38,
        16777216, 16777217, 9007199254740993.0, 1.0 / 3, 4294967296, -65535,
    };
    enum { COUNT = sizeof registers / sizeof *registers };
    round_trip(registers, COUNT);
    for (uint32_t i = 0; i < COUNT; i++) /* and each alone, as the last of a row of one, two, three ... */
        for (uint32_t before = 0; before <= i && before < 5; before++)
            round_trip(registers + i - before, before + 1);
}

Test(hop, random_bits_come_back_to_the_bit)
{
    weir_rng rng = {.state = 3};
    double registers[REGISTERS_MAX];
    for (int round = 0; round < 2000; round++) {
        uint32_t count = (uint32_t)weir_rng_below(&rng, 24);
        for (uint32_t i = 0; i < count; i++) {
            uint64_t bits = weir_rng_next(&rng);
            memcpy(&registers[i], &bits, sizeof bits);
            if (weir_rng_below(&rng, 3) == 0)
                registers[i] = (double)weir_rng_below(&rng, 70000);
            if (weir_rng_below(&rng, 5) == 0)
                registers[i] = (double)(float)weir_rng_unit(&rng);
        }
        round_trip(registers, count);
    }
}

/* What the packing is for: most of what is gathered is missing, a count, or money. */
Test(hop, small_values_take_little_room)
{
    double missing[REGISTERS_MAX], counts[REGISTERS_MAX], money[REGISTERS_MAX], doubles[REGISTERS_MAX];
    for (int i = 0; i < REGISTERS_MAX; i++) {
        missing[i] = NAN;
        counts[i] = i * 200;
        money[i] = i * 70000 + 0.29;
        doubles[i] = i + 1.0 / 3;
    }
    size_t none = round_trip(missing, 0), row = REGISTERS_MAX / 4;
    cr_expect_eq(round_trip(missing, REGISTERS_MAX), none + row + 1, "and a byte for a longer count");
    cr_expect_eq(round_trip(counts, REGISTERS_MAX), none + row + 1 + 2 * REGISTERS_MAX);
    cr_expect_eq(round_trip(money, REGISTERS_MAX), none + row + 1 + 4 * REGISTERS_MAX);
    cr_expect_eq(round_trip(doubles, REGISTERS_MAX), none + row + 1 + 8 * REGISTERS_MAX);
}

/* In the first hop an event's origin is its source: then neither is written, and the sequence is a small distance. */
Test(hop, the_origin_in_the_source_itself_takes_no_room)
{
    const int64_t offset = INT64_C(5000000000);
    weir_hop_head head = head_of(0), found;
    weir_hop_entry entry = event_of(offset + 9, NULL, plain()), read;
    size_t elsewhere = record_of(&head, &entry, 1).size;
    head.sequence_base = offset;
    entry.event.origin_partition = head.source_partition;
    entry.event.origin_offset = entry.sequence;
    weir_span record = record_of(&head, &entry, 1);
    cr_expect_eq(record.size - record_of(&head, NULL, 0).size, 1 + 1 + 4 + 4 + 6,
                 "kind, distance, head with a time and an amount of 0, sizes and text");
    cr_expect_lt(record.size, elsewhere);
    record = record_of(&head, &entry, 1);
    weir_reader reader;
    cr_assert(weir_hop_open(record, &reader, &found));
    cr_expect_eq(found.sequence_base, offset);
    weir_transaction transaction;
    cr_assert(weir_hop_next(&reader, &found, NULL, &transaction, &read));
    expect_same(&read, &entry, 0);
}

/* ---- the transaction ---- */

typedef struct texts {
    uint8_t bytes[4][TEXT_SIZE_MAX];
} texts;

static weir_span random_text(weir_rng *rng, uint8_t bytes[TEXT_SIZE_MAX], size_t least)
{
    size_t size = least + weir_rng_below(rng, weir_rng_below(rng, 4) ? 20 : TEXT_SIZE_MAX + 1 - least);
    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)(1 + weir_rng_below(rng, 255));
    return weir_span_of(bytes, size);
}

/* Any the decoder could give; every field absent now and then, or at its largest. */
static weir_transaction random_transaction(weir_rng *rng, texts *memory_out)
{
    static const int64_t TIMES_US[] = {0, -WEIR_TIME_US_MAX, WEIR_TIME_US_MAX, INT64_C(1700000000000000)};
    static const int64_t AMOUNTS[] = {0, 1, -1, WEIR_AMOUNT_MINOR_MAX, -WEIR_AMOUNT_MINOR_MAX, 70000};
    weir_transaction it = {.event = weir_event_pack_origin(TIMES_US[weir_rng_below(rng, 4)])};
    it.event.amount_minor = AMOUNTS[weir_rng_below(rng, 6)];
    it.event.mcc = weir_rng_below(rng, 2) ? weir_rng_below(rng, 10000) & 0xffff : 0;
    it.event.country = weir_rng_below(rng, 1 << 16) & 0xffff;
    it.event.currency = weir_rng_below(rng, 1 << 16) & 0xffff;
    it.event.channel = weir_rng_below(rng, WEIR_CHANNEL_COUNT) & 15;
    it.event.entry = weir_rng_below(rng, WEIR_ENTRY_COUNT) & 15;
    it.event.outcome = weir_rng_below(rng, WEIR_OUTCOME_COUNT) & 15;
    if (weir_rng_below(rng, 2)) {
        it.event.latitude = weir_latitude_pack(180 * weir_rng_unit(rng) - 90);
        it.event.longitude = weir_longitude_pack(360 * weir_rng_unit(rng) - 180);
    }
    if (weir_rng_below(rng, 2))
        weir_event_set_device(&it.event, weir_rng_next(rng) >> 16);
    it.transaction_id = random_text(rng, memory_out->bytes[0], 1);
    it.card_token = random_text(rng, memory_out->bytes[1], 1);
    it.merchant_id = random_text(rng, memory_out->bytes[2], 0);
    it.terminal_id = random_text(rng, memory_out->bytes[3], 0);
    return decoded(it);
}

Test(hop, a_transaction_comes_back_as_it_was_decoded)
{
    static texts memory_of[2];
    weir_rng rng = {.state = 11};
    for (int round = 0; round < 5000; round++) {
        weir_transaction like = random_transaction(&rng, &memory_of[0]), back;
        weir_transaction transaction = random_transaction(&rng, &memory_of[1]);
        weir_hop_head head = head_of(0), found;
        weir_hop_entry written = event_of(round, NULL, &transaction), read;
        weir_hop_rebase(&head, 0, round % 3 == 0 ? NULL : round % 3 == 1 ? &transaction.event : &like.event);
        weir_span record = record_of(&head, &written, 1);
        cr_assert_leq(record.size, WEIR_HOP_HEAD_SIZE_MAX + weir_hop_entry_size_max(&head, &written));
        weir_reader reader;
        cr_assert(weir_hop_open(record, &reader, &found));
        cr_assert_eq(memcmp(&found.base, &head.base, sizeof head.base), 0);
        cr_assert(weir_hop_next(&reader, &found, NULL, &back, &read));
        expect_same(&read, &written, 0);
    }
}

/* Events of one batch are alike: what they share is in the head alone. */
Test(hop, what_an_event_shares_with_the_base_takes_no_room)
{
    weir_transaction transaction = plain_transaction();
    transaction.event.time_us = INT64_C(1700000000000000);
    transaction.event.country = weir_code_pack((const uint8_t *)"DE", 2);
    transaction.event.currency = weir_code_pack((const uint8_t *)"EUR", 3);
    transaction.event.channel = WEIR_CHANNEL_ATM;
    weir_hop_head far = head_of(0), near = head_of(0);
    weir_hop_entry entry = event_of(7, NULL, &transaction);
    weir_hop_rebase(&near, 0, &transaction.event);
    size_t with_far = record_of(&far, &entry, 1).size - record_of(&far, NULL, 0).size;
    size_t with_near = record_of(&near, &entry, 1).size - record_of(&near, NULL, 0).size;
    cr_expect_eq(with_far, with_near + (7 - 1) + 2 + 2 + 2, "seven bytes of time, country, currency, codes");
}

/* ---- sizes ---- */

static weir_transaction largest_transaction(void)
{
    static uint8_t text[TEXT_SIZE_MAX];
    memset(text, 'x', sizeof text);
    weir_span full = weir_span_of(text, sizeof text);
    weir_transaction it = {.event = {.time_us = -WEIR_TIME_US_MAX, .amount_minor = WEIR_AMOUNT_MINOR_MAX, .mcc = 9999,
                                     .country = 1, .currency = 1, .channel = 1, .label_delay_us = WEIR_LABEL_NONE},
                           .transaction_id = full, .card_token = full, .merchant_id = full, .terminal_id = full};
    weir_event_set_device(&it.event, UINT64_C(0xffffffffffff));
    return decoded(it);
}

Test(hop, nothing_is_larger_than_said)
{
    double registers[REGISTERS_MAX];
    weir_transaction largest = largest_transaction();
    for (int i = 0; i < REGISTERS_MAX; i++)
        registers[i] = 1.0 / 3 + i;
    for (uint32_t count = 0; count <= REGISTERS_MAX; count++) {
        weir_hop_head head = head_of(count);
        weir_hop_entry entry = event_of(INT64_MAX - 5, registers, &largest);
        entry.event.origin_partition = INT32_MAX;
        entry.event.origin_offset = INT64_MAX;
        size_t begun = record_of(&head, NULL, 0).size, size = record_of(&head, &entry, 1).size - begun;
        cr_assert_leq(begun, WEIR_HOP_HEAD_SIZE_MAX);
        cr_assert_leq(size, weir_hop_entry_size_max(&head, &entry));
        /* and there being just that much room is enough */
        weir_writer tight = weir_writer_of(memory, weir_hop_entry_size_max(&head, &entry));
        weir_hop_write(&tight, &head, &entry);
        cr_assert_not(tight.failed, "%u registers", count);
    }
    weir_hop_head widest = {.layout = UINT64_MAX, .source_partition = INT32_MAX, .register_count = UINT32_MAX};
    weir_hop_rebase(&widest, INT64_MAX, &largest.event);
    cr_expect_leq(record_of(&widest, NULL, 0).size, WEIR_HOP_HEAD_SIZE_MAX);
    memset(&widest.base, 0xff, sizeof widest.base); /* whatever a base may hold one day */
    cr_expect_leq(record_of(&widest, NULL, 0).size, WEIR_HOP_HEAD_SIZE_MAX);
    weir_hop_head head = head_of(0);
    weir_hop_entry label = {.kind = WEIR_HOP_LABEL, .sequence = INT64_MAX, .label = {.transaction = UINT64_MAX}};
    size_t begun = record_of(&head, NULL, 0).size;
    cr_expect_leq(record_of(&head, &label, 1).size - begun, weir_hop_entry_size_max(&head, &label));
}

Test(hop, a_record_too_small_fails_and_stays_in_its_bounds)
{
    double registers[] = {1, 0.1, NAN, 1e10};
    weir_hop_head head = head_of(4);
    weir_hop_entry entry = event_of(1, registers, plain());
    size_t whole = record_of(&head, &entry, 1).size;
    uint8_t small[256];
    for (size_t size = 0; size < whole; size++) {
        memset(small, 0xa5, sizeof small);
        weir_writer writer = weir_writer_of(small, size);
        weir_hop_begin(&writer, &head);
        weir_hop_write(&writer, &head, &entry);
        cr_assert(writer.failed, "%zu bytes", size);
        for (size_t i = size; i < sizeof small; i++)
            cr_assert_eq(small[i], 0xa5, "byte %zu of %zu was written", i, size);
    }
}

/* ---- records of many entries ---- */

typedef struct batch {
    weir_hop_head head;
    weir_hop_entry entries[ENTRIES];
    double registers[ENTRIES][8];
    weir_transaction transactions[ENTRIES];
    texts texts[ENTRIES];
} batch;

static batch *make_batch(uint64_t seed)
{
    batch *it = calloc(1, sizeof *it);
    cr_assert_not_null(it);
    weir_rng rng = {.state = seed};
    it->head = head_of(8);
    for (size_t i = 0; i < ENTRIES; i++) {
        for (size_t k = 0; k < 8; k++)
            it->registers[i][k] = weir_rng_below(&rng, 4) ? (double)weir_rng_below(&rng, 100000) / 8 : NAN;
        it->transactions[i] = random_transaction(&rng, &it->texts[i]);
        it->entries[i] = weir_rng_below(&rng, 3) ? event_of((int64_t)(1000 * i), it->registers[i], &it->transactions[i])
                                                 : label_of((int64_t)(10 * i));
    }
    return it;
}

Test(hop, events_and_labels_come_back_in_their_order)
{
    for (uint64_t seed = 1; seed < 20; seed++) {
        batch *it = make_batch(seed);
        weir_span record = record_of(&it->head, it->entries, ENTRIES);
        weir_reader reader;
        weir_hop_head head;
        weir_hop_entry entry;
        double registers[8];
        weir_transaction transaction;
        cr_assert(weir_hop_open(record, &reader, &head));
        for (size_t i = 0; i < ENTRIES; i++) {
            cr_assert(weir_hop_next(&reader, &head, registers, &transaction, &entry), "entry %zu", i);
            expect_same(&entry, &it->entries[i], 8);
        }
        cr_assert_not(weir_hop_next(&reader, &head, registers, &transaction, &entry));
        cr_assert_not(reader.failed);
        free(it);
    }
}

/* Cut anywhere, it yields a part of what was written and then fails, or ends where an entry does. */
Test(hop, a_cut_record_is_no_more_than_its_beginning)
{
    batch *it = make_batch(5);
    weir_span whole = record_of(&it->head, it->entries, ENTRIES);
    bool ends[RECORD_SIZE] = {0};
    for (size_t count = 0; count <= ENTRIES; count++)
        ends[record_of(&it->head, it->entries, count).size] = true;
    size_t clean = 0, begun = record_of(&it->head, NULL, 0).size;
    record_of(&it->head, it->entries, ENTRIES);
    for (size_t size = 0; size < whole.size; size++) {
        uint8_t *exact = malloc(size + !size); /* so that the sanitizer sees a step too far */
        cr_assert_not_null(exact);
        memcpy(exact, whole.data, size);
        weir_reader reader;
        weir_hop_head head;
        weir_hop_entry entry;
        double registers[8];
        weir_transaction transaction;
        bool opened = weir_hop_open(weir_span_of(exact, size), &reader, &head);
        cr_assert_eq(opened, size >= begun, "%zu bytes", size);
        size_t read = 0;
        while (opened && weir_hop_next(&reader, &head, registers, &transaction, &entry))
            expect_same(&entry, &it->entries[read++], 8);
        cr_assert(!opened || reader.failed != ends[size], "%zu bytes, %zu entries", size, read);
        clean += opened && !reader.failed;
        free(exact);
    }
    cr_expect_eq(clean, ENTRIES, "after the head and after each entry but the last");
    free(it);
}

/* ---- what is not a record ---- */

Test(hop, another_version_is_not_opened)
{
    weir_hop_head head = head_of(0), found = {.layout = 5};
    weir_span record = record_of(&head, NULL, 0);
    weir_reader reader;
    cr_expect(weir_hop_open(record, &reader, &found));
    for (int version = 0; version < 256; version++) {
        memory[0] = (uint8_t)version;
        cr_expect_eq(weir_hop_open(record, &reader, &found), version == 1, "version %d", version);
    }
    cr_expect_not(weir_hop_open((weir_span){0}, &reader, &found));
    cr_expect_not(weir_hop_open(weir_span_text("{\"not\": \"ours\"}"), &reader, &found));
}

typedef struct forged { /* numbers as a head and an entry have them; they need not make sense */
    uint64_t source, base, registers, kind, sequence, partition, offset;
    weir_event event; /* what it differs in from an event of the epoch */
    uint8_t sizes[4];
    bool no_card;
} forged;

static void forge_event(weir_writer *writer, const weir_event *event)
{
    weir_event origin = weir_event_pack_origin(0), differing = *event;
    differing.latitude = WEIR_LATITUDE_NONE;
    differing.label_delay_us ^= WEIR_LABEL_NONE;
    writer->used = (size_t)(weir_event_pack(writer->base + writer->used, &origin, &differing, 1) - writer->base);
}

static weir_span forge(forged of)
{
    weir_writer writer = weir_writer_of(memory, sizeof memory);
    weir_write_fixed(&writer, 1, 1);
    weir_write_fixed(&writer, 42, 8);
    weir_write_varint(&writer, of.source);
    weir_write_varint(&writer, of.base);
    weir_write_varint(&writer, of.registers);
    forge_event(&writer, &(weir_event){0});
    weir_write_fixed(&writer, of.kind, 1);
    weir_write_varint(&writer, of.sequence);
    weir_write_varint(&writer, of.partition);
    weir_write_varint(&writer, of.offset);
    forge_event(&writer, &of.event);
    of.sizes[1] = of.sizes[1] || of.no_card ? of.sizes[1] : 1;
    weir_write_bytes(&writer, of.sizes, sizeof of.sizes);
    weir_write_bytes(&writer, "x", of.sizes[1] > 0);
    return weir_span_of(memory, writer.used);
}

static bool is_read(weir_span record)
{
    static double registers[1 << 16];
    weir_reader reader;
    weir_hop_head head;
    weir_hop_entry entry;
    weir_transaction transaction;
    return weir_hop_open(record, &reader, &head) &&
           weir_hop_next(&reader, &head, registers, &transaction, &entry) && !reader.failed;
}

Test(hop, numbers_out_of_range_are_refused)
{
    const uint64_t beyond_offsets = UINT64_C(1) << 63;
    cr_expect(is_read(forge((forged){0})));
    cr_expect(is_read(forge((forged){.source = INT32_MAX,
                                     .sequence = INT64_MAX,
                                     .partition = INT32_MAX,
                                     .offset = INT64_MAX})));
    cr_expect(is_read(forge((forged){.base = INT64_MAX - 1, .sequence = 1})));
    cr_expect_not(is_read(forge((forged){.source = UINT64_C(1) << 31})));
    cr_expect_not(is_read(forge((forged){.base = beyond_offsets})));
    cr_expect_not(is_read(forge((forged){.registers = 1 << 20})), "a count nobody has");
    cr_expect_not(is_read(forge((forged){.registers = UINT64_C(1) << 32})), "one that would be 0 in 32 bits");
    cr_expect_not(is_read(forge((forged){.registers = 5})), "registers that are not there");
    cr_expect_not(is_read(forge((forged){.kind = 3})));
    cr_expect_not(is_read(forge((forged){.sequence = beyond_offsets})));
    cr_expect_not(is_read(forge((forged){.base = INT64_MAX - 1, .sequence = 2})));
    cr_expect_not(is_read(forge((forged){.base = INT64_MAX, .sequence = UINT64_MAX})), "around to where it was");
    cr_expect_not(is_read(forge((forged){.partition = UINT64_C(1) << 31})));
    cr_expect_not(is_read(forge((forged){.offset = beyond_offsets})));
}

/* What comes over a hop is taken for decoded: nothing may come that way which the decoder would not have let through
 * and the rest relies on. */
Test(hop, a_transaction_no_decoder_gives_is_refused)
{
    cr_expect(is_read(forge((forged){.event.time_us = WEIR_TIME_US_MAX})));
    cr_expect(is_read(forge((forged){.event.time_us = -WEIR_TIME_US_MAX})));
    cr_expect_not(is_read(forge((forged){.event.time_us = WEIR_TIME_US_MAX + 1})));
    cr_expect_not(is_read(forge((forged){.event.time_us = INT64_MIN})));
    cr_expect_not(is_read(forge((forged){.event.label_delay_us = 5})), "a label of its own");
    cr_expect_not(is_read(forge((forged){.event.flags = WEIR_EVENT_ALERTED})));
    cr_expect_not(is_read(forge((forged){.no_card = true})));
    for (int i = 0; i < 4; i++) {
        forged of = {0};
        of.sizes[i] = 200;
        cr_expect_not(is_read(forge(of)), "text that is not there");
    }
    cr_expect(is_read(forge((forged){.event.transaction = 5, .event.card = 6})), "hashes are made again");
}
