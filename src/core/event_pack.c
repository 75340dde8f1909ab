#include "weir/core/event_pack.h"

enum field {
    TRANSACTION, CARD, MERCHANT, TERMINAL, DEVICE, MCC, COUNTRY, CURRENCY, CODES, LOCATION, LABEL, FIELD_COUNT
};

static const uint8_t FIELD_SIZES[FIELD_COUNT] = {
    [TRANSACTION] = 6, [CARD] = 6,     [MERCHANT] = 6, [TERMINAL] = 6, [DEVICE] = 6, [MCC] = 2,
    [COUNTRY] = 2,     [CURRENCY] = 2, [CODES] = 2,    [LOCATION] = 6, [LABEL] = 6,
};

enum { TIME_SHIFT = FIELD_COUNT, AMOUNT_SHIFT = 14, HEAD_SIZE = 2 };
_Static_assert(TIME_SHIFT + 3 == AMOUNT_SHIFT, "the head is 16 bits: fields, three bits of time, two of amount");
_Static_assert(WEIR_EVENT_PACKED_MAX == HEAD_SIZE + 8 + 6 + 5 * 6 + 4 * 2 + 2 * 6, "every field at its largest");

static const uint8_t AMOUNT_SIZES[4] = {1, 2, 3, 6};

static inline uint64_t codes_of(const weir_event *event)
{
    return (uint64_t)event->channel | (uint64_t)event->entry << 4 | (uint64_t)event->outcome << 8 |
           (uint64_t)event->flags << 12;
}

static inline uint64_t location_of(const weir_event *event)
{
    return ((uint64_t)event->latitude & 0xffffff) | ((uint64_t)event->longitude & 0xffffff) << 24;
}

static inline void fields_of(const weir_event *event, uint64_t fields_out[FIELD_COUNT])
{
    fields_out[TRANSACTION] = event->transaction;
    fields_out[CARD] = event->card;
    fields_out[MERCHANT] = event->merchant;
    fields_out[TERMINAL] = event->terminal;
    fields_out[DEVICE] = weir_event_device(event);
    fields_out[MCC] = event->mcc;
    fields_out[COUNTRY] = event->country;
    fields_out[CURRENCY] = event->currency;
    fields_out[CODES] = codes_of(event);
    fields_out[LOCATION] = location_of(event);
    fields_out[LABEL] = event->label_delay_us;
}

static void set_fields(weir_event *event, const uint64_t fields[FIELD_COUNT])
{
    event->transaction = fields[TRANSACTION];
    event->card = fields[CARD];
    event->merchant = fields[MERCHANT];
    event->terminal = fields[TERMINAL];
    weir_event_set_device(event, fields[DEVICE]);
    event->mcc = fields[MCC] & 0xffff;
    event->country = fields[COUNTRY] & 0xffff;
    event->currency = fields[CURRENCY] & 0xffff;
    event->channel = fields[CODES] & 15;
    event->entry = fields[CODES] >> 4 & 15;
    event->outcome = fields[CODES] >> 8 & 15;
    event->flags = fields[CODES] >> 12 & 15;
    event->latitude = (int32_t)((uint32_t)fields[LOCATION] << 8) >> 8;
    event->longitude = (int32_t)((uint32_t)(fields[LOCATION] >> 24) << 8) >> 8;
    event->label_delay_us = fields[LABEL];
}

/* Stores eight bytes and keeps `size` of them: no branch on the size. */
static inline uint8_t *store(uint8_t *at, uint64_t value, size_t size)
{
    memcpy(at, &value, sizeof value);
    return at + size;
}

static inline unsigned size_of(uint64_t value)
{
    return (unsigned)(71 - __builtin_clzll(value | 1)) / 8;
}

weir_event weir_event_pack_origin(int64_t base_time_us)
{
    return (weir_event){.time_us = base_time_us, .label_delay_us = WEIR_LABEL_NONE, .latitude = WEIR_LATITUDE_NONE};
}

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "records are little-endian, and so is store()");

/* Packs one event; `before` holds the previous one's fields and becomes this one's. */
static inline uint8_t *pack_one(uint8_t *at, uint64_t before[FIELD_COUNT], uint64_t time_delta_us,
                                const weir_event *event)
{
    uint64_t now[FIELD_COUNT];
    fields_of(event, now);
    uint64_t amount = weir_zigzag_encode(event->amount_minor);
    unsigned time_size = size_of(time_delta_us);
    unsigned amount_size = size_of(amount), amount_code = amount_size > 3 ? 3 : amount_size - 1;

    uint8_t *head = at;
    at = store(at + HEAD_SIZE, time_delta_us, time_size);
    at = store(at, amount, AMOUNT_SIZES[amount_code]);
    unsigned bits = (time_size - 1) << TIME_SHIFT | amount_code << AMOUNT_SHIFT;
#pragma GCC unroll 11
    for (unsigned i = 0; i < FIELD_COUNT; i++) {
        unsigned differs = before[i] != now[i];
        bits |= differs << i;
        at = store(at, now[i], (0u - differs) & FIELD_SIZES[i]);
        before[i] = now[i];
    }
    before[TRANSACTION] = 0; /* two events share none: absent is the useful case */
    head[0] = (uint8_t)bits;
    head[1] = (uint8_t)(bits >> 8);
    return at;
}

uint8_t *weir_event_pack(uint8_t *at, const weir_event *previous, const weir_event *events, size_t count)
{
    uint64_t before[FIELD_COUNT];
    fields_of(previous, before);
    before[TRANSACTION] = 0;
    int64_t time_us = previous->time_us;
    for (size_t i = 0; i < count; i++) {
        at = pack_one(at, before, (uint64_t)events[i].time_us - (uint64_t)time_us, &events[i]);
        time_us = events[i].time_us;
    }
    return at;
}

/* An unsigned integer of 1..8 bytes: one load where eight bytes are left, byte by byte at the end. */
static inline uint64_t load(weir_reader *reader, size_t size)
{
    if (weir_reader_left(reader) < sizeof(uint64_t))
        return weir_read_fixed(reader, size);
    uint64_t value;
    memcpy(&value, reader->at, sizeof value);
    reader->at += size;
    return value & (UINT64_MAX >> (64 - 8 * size));
}

weir_event weir_event_unpack(weir_reader *reader, const weir_event *previous)
{
    uint64_t fields[FIELD_COUNT];
    fields_of(previous, fields);
    fields[TRANSACTION] = 0;
    unsigned bits = (unsigned)load(reader, HEAD_SIZE);
    weir_event event = {0};
    event.time_us = (int64_t)((uint64_t)previous->time_us + load(reader, (bits >> TIME_SHIFT & 7) + 1));
    event.amount_minor = weir_zigzag_decode(load(reader, AMOUNT_SIZES[bits >> AMOUNT_SHIFT & 3]));
    for (unsigned i = 0; i < FIELD_COUNT; i++)
        if (bits >> i & 1)
            fields[i] = load(reader, FIELD_SIZES[i]);
    set_fields(&event, fields);
    return event;
}
