#include "weir/codec/hop.h"

#include "hop_transaction.h"
#include "weir/base/check.h"
#include "weir/base/prefetch.h"
#include "weir/core/event_pack.h"

#include <math.h>

enum {
    VERSION = 1,
    VARINT_SIZE_MAX = 10,
    FORM_BITS = 2,
    FORMS_PER_BYTE = 8 / FORM_BITS,
    FORM_MASK = (1 << FORM_BITS) - 1,
    REGISTER_MAX = 1 << 16, /* more than any plan has: a count beyond is not believed */
};

/* ---- registers: a row of forms, then the values in them ---- */

typedef enum form { MISSING, WHOLE, HUNDREDTHS, DOUBLE } form;

static const uint8_t FORM_SIZES[] = {[MISSING] = 0, [WHOLE] = 2, [HUNDREDTHS] = 4, [DOUBLE] = 8};

/* Sums, least and greatest amounts of most currencies: 21 million in cents. */
static inline double of_hundredths(int32_t hundredths)
{
    return hundredths / 100.0;
}

static uint64_t bits_of(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

/* The smallest form the value comes back from to the bit; *bits_out gets what is stored. All forms are tried, without a
 * branch: which one it is changes from register to register. (-0 is not 0: it has no form but its own. What lrint makes
 * of NaN and of what is beyond a long is some long, which does not come back.) */
static inline form choose_form(double value, uint64_t *bits_out)
{
    long whole = lrint(value), hundredths = lrint(value * 100);
    uint64_t bits = bits_of(value);
    bool is_whole = (whole >= 0) & (whole <= UINT16_MAX) & (bits_of((double)whole) == bits);
    bool is_hundredths = (hundredths == (int32_t)hundredths) & (bits_of(of_hundredths((int32_t)hundredths)) == bits);
    *bits_out = is_whole ? (uint64_t)whole : is_hundredths ? (uint64_t)hundredths : bits;
    form as = is_whole ? WHOLE : is_hundredths ? HUNDREDTHS : DOUBLE;
    return isnan(value) ? MISSING : as;
}

/* Of eight bytes that begin with it, what is beyond it being whatever follows. */
static inline double value_of(form as, uint64_t bits)
{
    double itself;
    memcpy(&itself, &bits, sizeof itself);
    const double values[] = {[MISSING] = NAN, [WHOLE] = (uint16_t)bits, [HUNDREDTHS] = of_hundredths((int32_t)bits),
                             [DOUBLE] = itself};
    return values[as];
}

static size_t forms_size(uint32_t count)
{
    return (count + FORMS_PER_BYTE - 1) / FORMS_PER_BYTE;
}

static void write_registers(weir_writer *writer, const double *registers, uint32_t count)
{
    size_t size = forms_size(count), worst = size + count * sizeof(double);
    if (writer->failed || writer->size - writer->used < worst) {
        writer->failed = true;
        return;
    }
    uint8_t *forms = writer->base + writer->used, *at = forms + size;
    memset(forms, 0, size);
    for (uint32_t i = 0; i < count; i++) {
        uint64_t bits = 0;
        form as = choose_form(registers[i], &bits);
        forms[i / FORMS_PER_BYTE] |= (uint8_t)(as << (i % FORMS_PER_BYTE * FORM_BITS));
        memcpy(at, &bits, sizeof bits); /* what is beyond the size is written over, and there is room for it */
        at += FORM_SIZES[as];
    }
    writer->used = (size_t)(at - writer->base);
}

static void read_registers(weir_reader *reader, double *registers_out, uint32_t count)
{
    weir_span forms = weir_read_bytes(reader, forms_size(count));
    const uint8_t *at = reader->at;
    for (uint32_t i = 0; i < count && !reader->failed; i++) {
        form as = (form)(forms.data[i / FORMS_PER_BYTE] >> (i % FORMS_PER_BYTE * FORM_BITS) & FORM_MASK);
        size_t left = (size_t)(reader->end - at);
        if (left < FORM_SIZES[as]) {
            reader->failed = true;
            return;
        }
        uint64_t bits = 0;
        if (left >= sizeof bits)
            memcpy(&bits, at, sizeof bits);
        else
            memcpy(&bits, at, left);
        registers_out[i] = value_of(as, bits);
        at += FORM_SIZES[as];
    }
    if (!reader->failed)
        reader->at = at;
}

/* ---- entries ---- */

/* What an entry begins with. In the first hop every event's origin is its source. */
enum { KIND_EVENT, KIND_LABEL, KIND_EVENT_OF_SOURCE, KIND_COUNT };

static uint64_t kind_of(const weir_hop_head *head, const weir_hop_entry *entry)
{
    if (entry->kind == WEIR_HOP_LABEL)
        return KIND_LABEL;
    return entry->event.origin_partition == head->source_partition && entry->event.origin_offset == entry->sequence
               ? KIND_EVENT_OF_SOURCE
               : KIND_EVENT;
}

static void write_event(weir_writer *writer, const weir_hop_head *head, uint64_t kind, const weir_hop_entry *entry)
{
    const weir_hop_event *event = &entry->event;
    weir_check(entry->sequence >= head->sequence_base);
    weir_write_varint(writer, (uint64_t)(entry->sequence - head->sequence_base));
    if (kind == KIND_EVENT) {
        weir_write_varint(writer, (uint64_t)event->origin_partition);
        weir_write_varint(writer, (uint64_t)event->origin_offset);
    }
    write_registers(writer, event->registers, head->register_count);
    weir_hop_transaction_write(writer, &head->base, event->transaction);
}

static void read_event(weir_reader *reader, const weir_hop_head *head, uint64_t kind, double *registers_out,
                       weir_transaction *transaction_out, weir_hop_entry *entry_out)
{
    weir_hop_event *event_out = &entry_out->event;
    uint64_t sequence = weir_read_varint(reader), partition = (uint64_t)head->source_partition, offset;
    reader->failed |= __builtin_add_overflow((uint64_t)head->sequence_base, sequence, &sequence);
    offset = sequence;
    if (kind == KIND_EVENT) {
        partition = weir_read_varint(reader);
        offset = weir_read_varint(reader);
    }
    reader->failed |= partition > INT32_MAX || offset > INT64_MAX || sequence > INT64_MAX;
    entry_out->sequence = (int64_t)sequence;
    event_out->origin_partition = (int32_t)partition;
    event_out->origin_offset = (int64_t)offset;
    event_out->registers = registers_out;
    event_out->transaction = transaction_out;
    read_registers(reader, registers_out, head->register_count);
    weir_hop_transaction_read(reader, &head->base, transaction_out);
}

static void write_label(weir_writer *writer, const weir_hop_entry *entry)
{
    const weir_hop_label *label = &entry->label;
    weir_write_varint(writer, (uint64_t)entry->sequence);
    weir_write_fixed(writer, label->transaction, 8);
    for (int kind = 0; kind < WEIR_ENTITY_COUNT; kind++)
        weir_write_fixed(writer, label->entities[kind], 8);
    weir_write_fixed(writer, (uint64_t)label->event_time_us, 8);
    weir_write_fixed(writer, (uint64_t)label->label_time_us, 8);
    weir_write_fixed(writer, (uint64_t)label->known_us, 8);
}

static void read_label(weir_reader *reader, weir_hop_entry *entry_out)
{
    weir_hop_label *label_out = &entry_out->label;
    uint64_t sequence = weir_read_varint(reader);
    reader->failed |= sequence > INT64_MAX;
    entry_out->sequence = (int64_t)sequence;
    label_out->transaction = weir_read_fixed(reader, 8);
    for (int kind = 0; kind < WEIR_ENTITY_COUNT; kind++)
        label_out->entities[kind] = weir_read_fixed(reader, 8);
    label_out->event_time_us = (int64_t)weir_read_fixed(reader, 8);
    label_out->label_time_us = (int64_t)weir_read_fixed(reader, 8);
    label_out->known_us = (int64_t)weir_read_fixed(reader, 8);
}

/* ---- records ---- */

void weir_hop_rebase(weir_hop_head *head, int64_t sequence, const weir_event *like)
{
    head->sequence_base = sequence;
    head->base = weir_event_pack_origin(like ? like->time_us : 0);
    if (!like)
        return;
    head->base.country = like->country;
    head->base.currency = like->currency;
    head->base.channel = like->channel;
    head->base.entry = like->entry;
    head->base.outcome = like->outcome;
}

static void write_base(weir_writer *record, const weir_event *base)
{
    uint8_t packed[WEIR_EVENT_PACKED_MAX + WEIR_EVENT_PACKED_SLACK];
    const weir_event origin = weir_event_pack_origin(0);
    weir_write_bytes(record, packed, (size_t)(weir_event_pack(packed, &origin, base, 1) - packed));
}

void weir_hop_begin(weir_writer *record, const weir_hop_head *head)
{
    weir_write_fixed(record, VERSION, 1);
    weir_write_fixed(record, head->layout, 8);
    weir_write_varint(record, (uint64_t)head->source_partition);
    weir_write_varint(record, (uint64_t)head->sequence_base);
    weir_write_varint(record, head->register_count);
    write_base(record, &head->base);
}

void weir_hop_write(weir_writer *record, const weir_hop_head *head, const weir_hop_entry *entry)
{
    uint64_t kind = kind_of(head, entry);
    weir_write_fixed(record, kind, 1);
    if (kind == KIND_LABEL)
        write_label(record, entry);
    else
        write_event(record, head, kind, entry);
}

size_t weir_hop_entry_size_max(const weir_hop_head *head, const weir_hop_entry *entry)
{
    enum { EVENT_NUMBERS = 3 /* sequence, origin */, LABEL_NUMBERS = 4 + WEIR_ENTITY_COUNT };
    if (entry->kind == WEIR_HOP_LABEL)
        return 1 + VARINT_SIZE_MAX + LABEL_NUMBERS * sizeof(uint64_t);
    return 1 + EVENT_NUMBERS * VARINT_SIZE_MAX + forms_size(head->register_count) +
           head->register_count * sizeof(double) + weir_hop_transaction_size_max(entry->event.transaction);
}

bool weir_hop_open(weir_span record, weir_reader *reader_out, weir_hop_head *head_out)
{
    *reader_out = weir_reader_of(record);
    if (weir_read_fixed(reader_out, 1) != VERSION)
        return false;
    head_out->layout = weir_read_fixed(reader_out, 8);
    uint64_t partition = weir_read_varint(reader_out), base = weir_read_varint(reader_out);
    uint64_t count = weir_read_varint(reader_out);
    const weir_event origin = weir_event_pack_origin(0);
    head_out->source_partition = (int32_t)partition;
    head_out->sequence_base = (int64_t)base;
    head_out->register_count = (uint32_t)count;
    head_out->base = weir_event_unpack(reader_out, &origin);
    return !reader_out->failed && partition <= INT32_MAX && base <= INT64_MAX && count <= REGISTER_MAX;
}

/* Records are read in a row, but what comes over the network has been written by another core. */
static void prefetch_onward(const weir_reader *reader)
{
    enum { AHEAD = 8 * WEIR_CACHE_LINE, ENTRY_LINES = 3 * WEIR_CACHE_LINE };
    weir_prefetch_block((const void *)((uintptr_t)reader->at + AHEAD), ENTRY_LINES); /* perhaps beyond the record */
}

bool weir_hop_next(weir_reader *reader, const weir_hop_head *head, double *registers_out,
                   weir_transaction *transaction_out, weir_hop_entry *entry_out)
{
    if (reader->failed || weir_reader_left(reader) == 0)
        return false;
    prefetch_onward(reader);
    uint64_t kind = weir_read_fixed(reader, 1);
    reader->failed |= kind >= KIND_COUNT;
    entry_out->kind = kind == KIND_LABEL ? WEIR_HOP_LABEL : WEIR_HOP_EVENT;
    if (kind == KIND_LABEL)
        read_label(reader, entry_out);
    else
        read_event(reader, head, kind, registers_out, transaction_out, entry_out);
    return !reader->failed;
}
