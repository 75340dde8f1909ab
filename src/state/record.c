#include "record.h"

#include "event_pack.h"
#include "weir/base/check.h"
#include "weir/base/cursor.h"
#include "weir/base/hash.h"

#include <stdlib.h>

/* ---- keys ---- */

enum { TYPE_META = 0x00, TYPE_CARD = 0x01, TOKEN_AT = 11, CHUNK_ID_SIZE = 4 };

static void put_big_endian(uint8_t *at, uint64_t value, size_t size)
{
    for (size_t i = 0; i < size; i++)
        at[i] = (uint8_t)(value >> (8 * (size - 1 - i)));
}

static uint64_t get_big_endian(const uint8_t *at, size_t size)
{
    uint64_t value = 0;
    for (size_t i = 0; i < size; i++)
        value = value << 8 | at[i];
    return value;
}

void weir_record_card_key(uint64_t hash, weir_span token, weir_record_key *key_out)
{
    weir_check(token.size <= WEIR_RECORD_TOKEN_MAX);
    key_out->bytes[0] = TYPE_CARD;
    uint64_t swapped = __builtin_bswap64(hash);
    memcpy(key_out->bytes + 1, &swapped, sizeof swapped);
    put_big_endian(key_out->bytes + 9, token.size, 2);
    if (token.size)
        memcpy(key_out->bytes + TOKEN_AT, token.data, token.size);
    key_out->size = TOKEN_AT + token.size;
}

void weir_record_chunk_key(const weir_record_key *card, uint32_t id, weir_record_key *key_out)
{
    weir_check(card->size + CHUNK_ID_SIZE <= WEIR_STORE_KEY_MAX);
    memcpy(key_out->bytes, card->bytes, card->size);
    put_big_endian(key_out->bytes + card->size, id, CHUNK_ID_SIZE);
    key_out->size = card->size + CHUNK_ID_SIZE;
}

weir_span weir_record_meta_key(void)
{
    static const uint8_t KEY[1] = {TYPE_META};
    return weir_span_of(KEY, sizeof KEY);
}

weir_record_kind weir_record_parse_key(weir_span key, uint64_t *hash_out, weir_span *token_out, uint32_t *chunk_id_out)
{
    if (key.size == 1 && key.data[0] == TYPE_META)
        return WEIR_RECORD_META;
    if (key.size < TOKEN_AT || key.data[0] != TYPE_CARD)
        return WEIR_RECORD_NONE;
    size_t token_size = (size_t)get_big_endian(key.data + 9, 2);
    bool chunk = key.size == TOKEN_AT + token_size + CHUNK_ID_SIZE;
    if (!chunk && key.size != TOKEN_AT + token_size)
        return WEIR_RECORD_NONE;
    *hash_out = get_big_endian(key.data + 1, 8);
    *token_out = weir_span_of(key.data + TOKEN_AT, token_size);
    *chunk_id_out = chunk ? (uint32_t)get_big_endian(key.data + TOKEN_AT + token_size, CHUNK_ID_SIZE) : 0;
    return chunk ? WEIR_RECORD_CHUNK : WEIR_RECORD_CARD;
}

/* ---- sealed values ---- */

enum { CRC_SIZE = 4 };

static uint32_t checksum(const uint8_t *value, size_t size, uint64_t binding)
{
    uint32_t folded = (uint32_t)(binding ^ binding >> 32);
    return weir_hash_crc32c(weir_span_of(value + CRC_SIZE, size - CRC_SIZE)) ^ folded;
}

void weir_record_seal(uint8_t *value, size_t size, weir_record_kind kind, uint64_t binding)
{
    weir_check(size >= WEIR_RECORD_HEAD_SIZE);
    value[4] = WEIR_RECORD_VERSION;
    value[5] = (uint8_t)kind;
    uint32_t crc = checksum(value, size, binding);
    memcpy(value, &crc, CRC_SIZE);
}

weir_status weir_record_unseal(weir_span value, weir_record_kind kind, uint64_t binding, weir_reader *body_out)
{
    if (value.size < WEIR_RECORD_HEAD_SIZE)
        return WEIR_CORRUPT;
    uint32_t crc;
    memcpy(&crc, value.data, CRC_SIZE);
    if (crc != checksum(value.data, value.size, binding))
        return WEIR_CORRUPT;
    if (value.data[4] != WEIR_RECORD_VERSION)
        return WEIR_UNSUPPORTED;
    if (value.data[5] != kind)
        return WEIR_CORRUPT;
    *body_out = weir_reader_of(weir_span_of(value.data + WEIR_RECORD_HEAD_SIZE, value.size - WEIR_RECORD_HEAD_SIZE));
    return WEIR_OK;
}

/* ---- runs ---- */

static bool runs_reserve(weir_record_runs *runs, size_t count)
{
    if (count <= runs->size)
        return true;
    size_t size = count > 2 * runs->size ? count : 2 * runs->size;
    weir_record_run *items = realloc(runs->items, size * sizeof *items);
    if (!items)
        return false;
    runs->items = items;
    runs->size = size;
    return true;
}

bool weir_record_runs_add(weir_record_runs *runs, uint32_t id)
{
    weir_record_run *last = runs->count ? &runs->items[runs->count - 1] : NULL;
    if (last && last->start + last->length == id) {
        last->length++;
        return true;
    }
    if (!runs_reserve(runs, runs->count + 1))
        return false;
    runs->items[runs->count++] = (weir_record_run){.start = id, .length = 1};
    return true;
}

static int by_start(const void *a, const void *b)
{
    uint32_t left = ((const weir_record_run *)a)->start, right = ((const weir_record_run *)b)->start;
    return (left > right) - (left < right);
}

void weir_record_runs_sort(weir_record_runs *runs)
{
    if (runs->count > 1)
        qsort(runs->items, runs->count, sizeof *runs->items, by_start);
}

void weir_record_runs_free(weir_record_runs *runs)
{
    free(runs->items);
    *runs = (weir_record_runs){0};
}

/* ---- encoding ---- */

enum {
    CARD_HEAD_MAX = WEIR_RECORD_HEAD_SIZE + 10 + 8 + 5 + 5 + 5 + 5 + 10,
    RUN_MAX = 10,
    CHUNK_HEAD_MAX = 6,      /* of an inline chunk: its event count, and its id where it does not follow */
    CHUNK_COUNT_BITS = 0x0f, /* in that first byte */
    CHUNK_ID_FOLLOWS = 0x10
};

_Static_assert(WEIR_RECORD_TAIL_CHUNK_MAX * WEIR_CHUNK_EVENT_MAX <= WEIR_RECORD_INLINE_EVENT_MAX,
               "the tail of a busy card is no longer than a quiet card's record");

_Static_assert(WEIR_RECORD_CHUNK_MAX >= WEIR_RECORD_HEAD_SIZE + 5 + 10 + 1 +
                                            WEIR_CHUNK_EVENT_MAX * WEIR_EVENT_PACKED_MAX + WEIR_EVENT_PACKED_SLACK,
               "a chunk record fits its bound");

static inline uint8_t *put_varint(uint8_t *at, uint64_t value)
{
    for (; value >= 0x80; value >>= 7)
        *at++ = (uint8_t)(value | 0x80);
    *at++ = (uint8_t)value;
    return at;
}

static inline uint8_t *put_signed(uint8_t *at, uint64_t value)
{
    return put_varint(at, weir_zigzag_encode((int64_t)value));
}

/* Packs a chunk's events as differences from *previous, which moves on to the last one. */
static uint8_t *put_events(uint8_t *at, const weir_chunk *chunk, const weir_event **previous)
{
    weir_check(chunk->begin < chunk->end && chunk->end <= WEIR_CHUNK_EVENT_MAX);
    at = weir_event_pack(at, *previous, &chunk->events[chunk->begin], (size_t)(chunk->end - chunk->begin));
    *previous = &chunk->events[chunk->end - 1];
    return at;
}

size_t weir_record_card_size_max(size_t run_count)
{
    return CARD_HEAD_MAX + run_count * RUN_MAX + WEIR_EVENT_PACKED_SLACK +
           WEIR_RECORD_INLINE_EVENT_MAX * (CHUNK_HEAD_MAX + WEIR_EVENT_PACKED_MAX);
}

static uint8_t *put_runs(uint8_t *at, const weir_record_runs *runs, uint32_t *next_id)
{
    at = put_varint(at, runs->count);
    for (size_t i = 0; i < runs->count; i++) {
        at = put_signed(at, (uint64_t)runs->items[i].start - *next_id);
        at = put_varint(at, runs->items[i].length);
        *next_id = runs->items[i].start + runs->items[i].length;
    }
    return at;
}

static uint8_t *put_tail(uint8_t *at, const weir_chunk *tail, int64_t newest_time_us, uint32_t next_id)
{
    uint32_t count = 0;
    for (const weir_chunk *chunk = tail; chunk; chunk = chunk->next)
        count++;
    weir_check(count <= WEIR_RECORD_INLINE_EVENT_MAX);
    at = put_varint(at, count);
    if (!tail)
        return at;
    const weir_event origin = weir_event_pack_origin(tail->events[tail->begin].time_us), *previous = &origin;
    at = put_signed(at, (uint64_t)newest_time_us - (uint64_t)origin.time_us);
    for (const weir_chunk *chunk = tail; chunk; chunk = chunk->next) {
        bool follows = chunk->id == next_id;
        *at++ = (uint8_t)((chunk->end - chunk->begin) | (follows ? CHUNK_ID_FOLLOWS : 0));
        if (!follows)
            at = put_varint(at, chunk->id);
        next_id = chunk->id + 1;
        at = put_events(at, chunk, &previous);
    }
    return at;
}

size_t weir_record_encode_card(uint8_t *value, uint64_t hash, int64_t applied_offset, const weir_history *history,
                               const weir_chunk *tail, const weir_record_runs *runs)
{
    weir_check(applied_offset >= -1);
    uint8_t *at = put_varint(value + WEIR_RECORD_HEAD_SIZE, (uint64_t)(applied_offset + 1));
    memcpy(at, &history->newest_time_us, sizeof history->newest_time_us);
    at += sizeof history->newest_time_us;
    at = put_varint(at, history->next_chunk_id);
    at = put_varint(at, history->event_count);
    uint32_t next_id = 0;
    at = put_runs(at, runs, &next_id);
    at = put_tail(at, tail, history->newest_time_us, next_id);
    weir_record_seal(value, (size_t)(at - value), WEIR_RECORD_CARD, hash);
    return (size_t)(at - value);
}

/* What a chunk's checksum is tied to: its card and its id. */
static uint64_t chunk_binding(uint64_t hash, uint32_t id)
{
    return hash + (id + UINT64_C(1)) * UINT64_C(0x9e3779b97f4a7c15);
}

size_t weir_record_encode_chunk(uint8_t *value, uint64_t hash, const weir_chunk *chunk)
{
    const weir_event origin = weir_event_pack_origin(chunk->events[chunk->begin].time_us), *previous = &origin;
    uint8_t *at = put_varint(value + WEIR_RECORD_HEAD_SIZE, chunk->id);
    at = put_signed(at, (uint64_t)origin.time_us);
    *at++ = (uint8_t)(chunk->end - chunk->begin);
    at = put_events(at, chunk, &previous);
    weir_record_seal(value, (size_t)(at - value), WEIR_RECORD_CHUNK, chunk_binding(hash, chunk->id));
    return (size_t)(at - value);
}

/* ---- decoding ---- */

static weir_status status_of(const weir_reader *reader, bool sound)
{
    return !reader->failed && sound ? WEIR_OK : WEIR_CORRUPT;
}

static uint64_t read_signed(weir_reader *reader)
{
    return (uint64_t)weir_zigzag_decode(weir_read_varint(reader));
}

static weir_status read_runs(weir_reader *reader, weir_record_runs *runs, uint32_t *next_id, uint64_t *chunks_out)
{
    uint64_t count = weir_read_varint(reader), chunks = 0;
    if (reader->failed || count > weir_reader_left(reader) / 2) /* a run is two bytes at least */
        return WEIR_CORRUPT;
    if (runs && !runs_reserve(runs, count))
        return WEIR_FULL;
    for (uint64_t i = 0; i < count; i++) {
        uint64_t start = *next_id + read_signed(reader), length = weir_read_varint(reader);
        if (reader->failed || start > UINT32_MAX || length == 0 || length > UINT32_MAX - start)
            return WEIR_CORRUPT;
        if (runs)
            runs->items[runs->count++] = (weir_record_run){.start = (uint32_t)start, .length = (uint32_t)length};
        *next_id = (uint32_t)(start + length);
        chunks += length;
    }
    *chunks_out = chunks;
    return WEIR_OK;
}

/* Reads up to the tail. */
static weir_status read_card(weir_span value, uint64_t hash, weir_reader *reader, weir_record_card *card,
                             weir_record_runs *runs, uint32_t *next_id, uint64_t *sealed_count)
{
    weir_status status = weir_record_unseal(value, WEIR_RECORD_CARD, hash, reader);
    if (status)
        return status;
    uint64_t applied = weir_read_varint(reader);
    card->applied_offset = (int64_t)applied - 1;
    card->newest_time_us = (int64_t)weir_read_fixed(reader, 8);
    uint64_t next_chunk_id = weir_read_varint(reader), event_count = weir_read_varint(reader);
    if (reader->failed || applied > INT64_MAX || next_chunk_id > UINT32_MAX || event_count > UINT32_MAX)
        return WEIR_CORRUPT;
    card->next_chunk_id = (uint32_t)next_chunk_id;
    card->event_count = (uint32_t)event_count;
    *next_id = 0;
    status = read_runs(reader, runs, next_id, sealed_count);
    if (status)
        return status;
    return status_of(reader, *sealed_count <= event_count); /* a chunk retains one event at least */
}

weir_status weir_record_decode_head(weir_span value, uint64_t hash, weir_record_card *card_out,
                                    weir_record_runs *runs_out)
{
    weir_reader reader;
    weir_record_card card;
    uint32_t next_id;
    uint64_t sealed_count;
    if (runs_out)
        runs_out->count = 0;
    weir_status status = read_card(value, hash, &reader, &card, runs_out, &next_id, &sealed_count);
    if (!status)
        *card_out = card;
    return status;
}

static weir_chunk *new_chunk(weir_slab *slab, uint32_t id)
{
    weir_chunk *chunk = weir_slab_take(slab, sizeof *chunk);
    if (chunk)
        *chunk = (weir_chunk){.id = id, .amount_minor_min = INT64_MAX, .amount_minor_max = INT64_MIN};
    return chunk;
}

/* Reads `count` events into the chunk; *previous moves on to the last. */
static bool read_events(weir_reader *reader, weir_chunk *chunk, unsigned count, weir_event *previous)
{
    for (unsigned i = 0; i < count; i++) {
        weir_event event = weir_event_unpack(reader, previous);
        if (reader->failed || event.time_us < previous->time_us)
            return false;
        if (event.amount_minor < chunk->amount_minor_min)
            chunk->amount_minor_min = event.amount_minor;
        if (event.amount_minor > chunk->amount_minor_max)
            chunk->amount_minor_max = event.amount_minor;
        chunk->events[chunk->end++] = *previous = event;
    }
    return true;
}

static void link_chunk(weir_history *history, weir_chunk *chunk)
{
    chunk->previous = history->last;
    chunk->next = NULL;
    if (history->last)
        history->last->next = chunk;
    else
        history->first = chunk;
    history->last = chunk;
    history->event_count += (uint32_t)(chunk->end - chunk->begin);
}

/* Reads the inline chunks into the loader's tail. */
static weir_status read_tail(weir_record_loader *loader, weir_reader *reader, uint32_t next_id)
{
    uint64_t count = weir_read_varint(reader);
    if (reader->failed || count > WEIR_RECORD_INLINE_EVENT_MAX) /* a chunk holds one event at least */
        return WEIR_CORRUPT;
    weir_event previous = {0};
    if (count)
        previous = weir_event_pack_origin((int64_t)((uint64_t)loader->card.newest_time_us - read_signed(reader)));
    for (uint64_t i = 0; i < count; i++) {
        uint8_t head = (uint8_t)weir_read_fixed(reader, 1);
        uint64_t id = head & CHUNK_ID_FOLLOWS ? next_id : weir_read_varint(reader);
        unsigned events = head & CHUNK_COUNT_BITS;
        if (reader->failed || events == 0 || events > WEIR_CHUNK_EVENT_MAX || id > UINT32_MAX)
            return WEIR_CORRUPT;
        weir_chunk *chunk = new_chunk(loader->slab, (uint32_t)id);
        if (!chunk)
            return WEIR_FULL;
        chunk->dirty = true;
        bool sound = read_events(reader, chunk, events, &previous);
        link_chunk(&loader->tail, chunk);
        if (!sound)
            return WEIR_CORRUPT;
        next_id = (uint32_t)id + 1;
    }
    return status_of(reader, weir_reader_left(reader) == 0);
}

/* Where each run's first chunk stands in the history, then the runs sorted by id, as the store will give them. */
static bool prepare_sealed(weir_record_loader *loader, uint64_t sealed_count)
{
    typedef struct placed {
        weir_record_run run;
        uint32_t place;
    } placed;
    weir_record_runs *runs = &loader->runs;
    placed *sorted = malloc(runs->count * sizeof *sorted);
    loader->places = malloc(runs->count * sizeof *loader->places);
    if (!sorted || !loader->places) {
        free(sorted);
        return false;
    }
    uint32_t place = 0;
    for (size_t i = 0; i < runs->count; i++) {
        sorted[i] = (placed){.run = runs->items[i], .place = place};
        place += runs->items[i].length;
    }
    _Static_assert(offsetof(placed, run) == 0, "sorted by the run's start");
    qsort(sorted, runs->count, sizeof *sorted, by_start);
    for (size_t i = 0; i < runs->count; i++) {
        runs->items[i] = sorted[i].run;
        loader->places[i] = sorted[i].place;
    }
    free(sorted);
    loader->sealed_count = sealed_count;
    return true;
}

void weir_record_load_drop(weir_record_loader *loader)
{
    for (size_t i = 0; i < loader->arrived_count; i++)
        weir_slab_give(loader->slab, loader->arrived[i].chunk, sizeof(weir_chunk));
    for (weir_chunk *chunk = loader->tail.first, *next; chunk; chunk = next) {
        next = chunk->next;
        weir_slab_give(loader->slab, chunk, sizeof *chunk);
    }
    free(loader->arrived);
    free(loader->places);
    weir_record_runs_free(&loader->runs);
    *loader = (weir_record_loader){0};
}

weir_status weir_record_load_card(weir_record_loader *loader, weir_slab *slab, uint64_t hash, weir_span value)
{
    *loader = (weir_record_loader){.slab = slab, .hash = hash};
    weir_reader reader;
    uint32_t next_id;
    uint64_t sealed_count;
    weir_status status = read_card(value, hash, &reader, &loader->card, &loader->runs, &next_id, &sealed_count);
    if (!status)
        status = read_tail(loader, &reader, next_id);
    if (!status && sealed_count && !prepare_sealed(loader, sealed_count))
        status = WEIR_FULL;
    if (status)
        weir_record_load_drop(loader);
    return status;
}

/* The place of a listed id, or sealed_count. */
static size_t place_of(const weir_record_loader *loader, uint32_t id)
{
    size_t low = 0, high = loader->runs.count;
    while (low < high) { /* the first run that starts beyond id */
        size_t middle = (low + high) / 2;
        if (loader->runs.items[middle].start <= id)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == 0 || id - loader->runs.items[low - 1].start >= loader->runs.items[low - 1].length)
        return loader->sealed_count;
    return loader->places[low - 1] + (id - loader->runs.items[low - 1].start);
}

static bool reserve_arrival(weir_record_loader *loader)
{
    if (loader->arrived_count < loader->arrived_size)
        return true;
    size_t size = loader->arrived_size ? 2 * loader->arrived_size : 64;
    weir_record_arrived *arrived = realloc(loader->arrived, size * sizeof *arrived);
    if (!arrived)
        return false;
    loader->arrived = arrived;
    loader->arrived_size = size;
    return true;
}

weir_status weir_record_load_chunk(weir_record_loader *loader, uint32_t id, weir_span value)
{
    size_t place = place_of(loader, id);
    if (place == loader->sealed_count)
        return WEIR_CORRUPT;
    weir_reader reader;
    weir_status status = weir_record_unseal(value, WEIR_RECORD_CHUNK, chunk_binding(loader->hash, id), &reader);
    if (status)
        return status;
    uint64_t stored_id = weir_read_varint(&reader);
    weir_event previous = weir_event_pack_origin((int64_t)read_signed(&reader));
    unsigned count = (unsigned)weir_read_fixed(&reader, 1);
    if (reader.failed || stored_id != id || count == 0 || count > WEIR_CHUNK_EVENT_MAX)
        return WEIR_CORRUPT;
    if (!reserve_arrival(loader))
        return WEIR_FULL;
    weir_chunk *chunk = new_chunk(loader->slab, id);
    if (!chunk)
        return WEIR_FULL;
    chunk->stored = true;
    loader->arrived[loader->arrived_count++] = (weir_record_arrived){.chunk = chunk, .place = (uint32_t)place};
    return read_events(&reader, chunk, count, &previous) ? status_of(&reader, weir_reader_left(&reader) == 0)
                                                         : WEIR_CORRUPT;
}

static int64_t last_time(const weir_chunk *chunk)
{
    return chunk->events[chunk->end - 1].time_us;
}

static int by_place(const void *a, const void *b)
{
    uint32_t left = ((const weir_record_arrived *)a)->place, right = ((const weir_record_arrived *)b)->place;
    return (left > right) - (left < right);
}

/* Links sealed chunks and tail in order. On failure the loader still owns every chunk. */
static bool join(weir_record_loader *loader, weir_history *history)
{
    if (loader->arrived_count != loader->sealed_count)
        return false;
    if (loader->arrived_count)
        qsort(loader->arrived, loader->arrived_count, sizeof *loader->arrived, by_place);
    for (size_t i = 0; i < loader->arrived_count; i++) {
        weir_chunk *chunk = loader->arrived[i].chunk;
        bool follows = !history->last || last_time(history->last) <= chunk->events[0].time_us;
        if (loader->arrived[i].place != i || !follows)
            return false;
        link_chunk(history, chunk);
    }
    weir_chunk *tail = loader->tail.first;
    if (tail && history->last && last_time(history->last) > tail->events[0].time_us)
        return false;
    /* Events that fell out of the first chunk since it was written are told by the count alone. */
    uint32_t total = history->event_count + loader->tail.event_count;
    uint32_t gone = total - loader->card.event_count;
    weir_chunk *first = history->first ? history->first : tail;
    if (total < loader->card.event_count || gone >= (first ? first->end : 1u) || (gone && !history->first))
        return false;
    if (gone)
        first->begin = (uint8_t)gone;
    if (tail) {
        tail->previous = history->last;
        if (history->last)
            history->last->next = tail;
        else
            history->first = tail;
        history->last = loader->tail.last;
    }
    history->event_count = loader->card.event_count;
    return true;
}

weir_status weir_record_load_finish(weir_record_loader *loader, weir_history *history_out, int64_t *applied_offset_out)
{
    weir_history history = {.newest_time_us = loader->card.newest_time_us, .next_chunk_id = loader->card.next_chunk_id};
    if (!join(loader, &history)) {
        weir_record_load_drop(loader);
        return WEIR_CORRUPT;
    }
    *history_out = history;
    *applied_offset_out = loader->card.applied_offset;
    loader->arrived_count = 0; /* the history owns the chunks now */
    loader->tail = (weir_history){0};
    weir_record_load_drop(loader);
    return WEIR_OK;
}
