#include "weir/codec/hop.h"

#include "weir/base/check.h"

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

typedef enum form { MISSING, WHOLE, FLOAT, DOUBLE } form;

static const uint8_t FORM_SIZES[] = {[MISSING] = 0, [WHOLE] = 2, [FLOAT] = 4, [DOUBLE] = 8};

/* The smallest form the value comes back from to the bit; *bits_out gets what is stored. */
static form choose_form(double value, uint64_t *bits_out)
{
    if (isnan(value))
        return MISSING;
    if (value >= 0 && value <= UINT16_MAX && value == (uint16_t)value && !signbit(value)) {
        *bits_out = (uint16_t)value;
        return WHOLE;
    }
    float narrow = (float)value;
    if (narrow == value) {
        uint32_t word;
        memcpy(&word, &narrow, sizeof word);
        *bits_out = word;
        return FLOAT;
    }
    memcpy(bits_out, &value, sizeof *bits_out);
    return DOUBLE;
}

static double value_of(form as, const uint8_t *at)
{
    uint16_t whole;
    float narrow;
    double value;
    switch (as) {
    case MISSING:
        return NAN;
    case WHOLE:
        memcpy(&whole, at, sizeof whole);
        return whole;
    case FLOAT:
        memcpy(&narrow, at, sizeof narrow);
        return narrow;
    case DOUBLE:
        break;
    }
    memcpy(&value, at, sizeof value);
    return value;
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
        if ((size_t)(reader->end - at) < FORM_SIZES[as]) {
            reader->failed = true;
            return;
        }
        registers_out[i] = value_of(as, at);
        at += FORM_SIZES[as];
    }
    if (!reader->failed)
        reader->at = at;
}

/* ---- entries ---- */

static void write_event(weir_writer *writer, const weir_hop_head *head, const weir_hop_event *event)
{
    weir_write_varint(writer, (uint64_t)event->origin_partition);
    weir_write_varint(writer, (uint64_t)event->origin_offset);
    write_registers(writer, event->registers, head->register_count);
    weir_write_varint(writer, event->payload.size);
    weir_write_bytes(writer, event->payload.data, event->payload.size);
}

static void read_event(weir_reader *reader, const weir_hop_head *head, double *registers_out, weir_hop_event *event_out)
{
    uint64_t partition = weir_read_varint(reader), offset = weir_read_varint(reader);
    reader->failed |= partition > INT32_MAX || offset > INT64_MAX;
    event_out->origin_partition = (int32_t)partition;
    event_out->origin_offset = (int64_t)offset;
    event_out->registers = registers_out;
    read_registers(reader, registers_out, head->register_count);
    event_out->payload = weir_read_bytes(reader, weir_read_varint(reader));
}

static void write_label(weir_writer *writer, const weir_hop_head *head, const weir_hop_label *label)
{
    (void)head;
    weir_write_fixed(writer, label->transaction, 8);
    for (int kind = 0; kind < WEIR_ENTITY_COUNT; kind++)
        weir_write_fixed(writer, label->entities[kind], 8);
    weir_write_fixed(writer, (uint64_t)label->event_time_us, 8);
    weir_write_fixed(writer, (uint64_t)label->label_time_us, 8);
    weir_write_fixed(writer, (uint64_t)label->known_us, 8);
}

static void read_label(weir_reader *reader, weir_hop_label *label_out)
{
    label_out->transaction = weir_read_fixed(reader, 8);
    for (int kind = 0; kind < WEIR_ENTITY_COUNT; kind++)
        label_out->entities[kind] = weir_read_fixed(reader, 8);
    label_out->event_time_us = (int64_t)weir_read_fixed(reader, 8);
    label_out->label_time_us = (int64_t)weir_read_fixed(reader, 8);
    label_out->known_us = (int64_t)weir_read_fixed(reader, 8);
}

/* ---- records ---- */

void weir_hop_begin(weir_writer *record, const weir_hop_head *head)
{
    weir_write_fixed(record, VERSION, 1);
    weir_write_fixed(record, head->layout, 8);
    weir_write_varint(record, (uint64_t)head->source_partition);
    weir_write_varint(record, head->register_count);
}

void weir_hop_write(weir_writer *record, const weir_hop_head *head, const weir_hop_entry *entry)
{
    weir_write_fixed(record, entry->kind, 1);
    weir_write_varint(record, (uint64_t)entry->sequence);
    if (entry->kind == WEIR_HOP_EVENT)
        write_event(record, head, &entry->event);
    else
        write_label(record, head, &entry->label);
}

size_t weir_hop_entry_size_max(const weir_hop_head *head, const weir_hop_entry *entry)
{
    enum { EVENT_NUMBERS = 4 /* sequence, origin, payload size */, LABEL_NUMBERS = 4 + WEIR_ENTITY_COUNT };
    if (entry->kind == WEIR_HOP_LABEL)
        return 1 + VARINT_SIZE_MAX + LABEL_NUMBERS * sizeof(uint64_t);
    return 1 + EVENT_NUMBERS * VARINT_SIZE_MAX + forms_size(head->register_count) +
           head->register_count * sizeof(double) + entry->event.payload.size;
}

bool weir_hop_open(weir_span record, weir_reader *reader_out, weir_hop_head *head_out)
{
    *reader_out = weir_reader_of(record);
    if (weir_read_fixed(reader_out, 1) != VERSION)
        return false;
    head_out->layout = weir_read_fixed(reader_out, 8);
    uint64_t partition = weir_read_varint(reader_out), count = weir_read_varint(reader_out);
    head_out->source_partition = (int32_t)partition;
    head_out->register_count = (uint32_t)count;
    return !reader_out->failed && partition <= INT32_MAX && count <= REGISTER_MAX;
}

bool weir_hop_next(weir_reader *reader, const weir_hop_head *head, double *registers_out, weir_hop_entry *entry_out)
{
    if (reader->failed || weir_reader_left(reader) == 0)
        return false;
    uint64_t kind = weir_read_fixed(reader, 1), sequence = weir_read_varint(reader);
    reader->failed |= kind > WEIR_HOP_LABEL || sequence > INT64_MAX;
    entry_out->kind = (weir_hop_kind)kind;
    entry_out->sequence = (int64_t)sequence;
    if (kind == WEIR_HOP_EVENT)
        read_event(reader, head, registers_out, &entry_out->event);
    else if (!reader->failed)
        read_label(reader, &entry_out->label);
    return !reader->failed;
}
