/* Any bytes as a hop's record: what is read lies inside them, the same bytes are read alike twice, and what was read
 * writes again to a record that says the same. */
#include "weir/base/check.h"
#include "weir/codec/hop.h"

#include <math.h>
#include <stdlib.h>

enum { REGISTERS_MAX = 1 << 16, AGAIN_SIZE = 1 << 20 };

static double registers[REGISTERS_MAX], again_registers[REGISTERS_MAX];
static uint8_t again_memory[AGAIN_SIZE];

static void check_same_transaction(const weir_transaction *a, const weir_transaction *b)
{
    weir_check(memcmp(&a->event, &b->event, sizeof a->event) == 0 && a->card_hash == b->card_hash);
    weir_check(weir_span_equal(a->transaction_id, b->transaction_id));
    weir_check(weir_span_equal(a->card_token, b->card_token));
    weir_check(weir_span_equal(a->merchant_id, b->merchant_id));
    weir_check(weir_span_equal(a->terminal_id, b->terminal_id));
}

static void check_same(const weir_hop_head *head, const weir_hop_entry *a, const weir_hop_entry *b)
{
    weir_check(a->kind == b->kind && a->sequence == b->sequence);
    if (a->kind == WEIR_HOP_LABEL) {
        weir_check(memcmp(&a->label, &b->label, sizeof a->label) == 0);
        return;
    }
    weir_check(a->event.origin_partition == b->event.origin_partition);
    weir_check(a->event.origin_offset == b->event.origin_offset);
    check_same_transaction(a->event.transaction, b->event.transaction);
    for (uint32_t i = 0; i < head->register_count; i++)
        weir_check(isnan(a->event.registers[i])
                       ? isnan(b->event.registers[i])
                       : memcmp(&a->event.registers[i], &b->event.registers[i], sizeof(double)) == 0);
}

/* One entry, written and read again. */
static void go_round(const weir_hop_head *head, const weir_hop_entry *entry)
{
    weir_writer writer = weir_writer_of(again_memory, sizeof again_memory);
    weir_hop_begin(&writer, head);
    weir_hop_write(&writer, head, entry);
    weir_check(!writer.failed);
    weir_reader reader;
    weir_hop_head head_again;
    weir_hop_entry entry_again;
    weir_transaction transaction;
    weir_check(weir_hop_open(weir_span_of(again_memory, writer.used), &reader, &head_again));
    weir_check(head_again.layout == head->layout && head_again.source_partition == head->source_partition);
    weir_check(head_again.register_count == head->register_count);
    weir_check(head_again.sequence_base == head->sequence_base);
    weir_check(memcmp(&head_again.base, &head->base, sizeof head->base) == 0);
    weir_check(weir_hop_next(&reader, &head_again, again_registers, &transaction, &entry_again));
    check_same(head, entry, &entry_again);
    weir_check(!weir_hop_next(&reader, &head_again, again_registers, &transaction, &entry_again) && !reader.failed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    weir_reader reader;
    weir_hop_head head;
    weir_hop_entry entry;
    weir_transaction transaction;
    if (!weir_hop_open(weir_span_of(data, size), &reader, &head))
        return 0;
    weir_check(head.source_partition >= 0 && head.register_count <= REGISTERS_MAX);
    size_t left = weir_reader_left(&reader);
    while (weir_hop_next(&reader, &head, registers, &transaction, &entry)) {
        weir_check(!reader.failed && weir_reader_left(&reader) < left); /* it gets on */
        left = weir_reader_left(&reader);
        weir_check(entry.sequence >= 0);
        weir_span last = entry.kind == WEIR_HOP_EVENT ? transaction.terminal_id : weir_span_of(data, 0);
        weir_check(last.data >= data && last.data + last.size <= reader.at);
        go_round(&head, &entry);
    }
    weir_check(reader.failed || left == 0);
    return 0;
}
