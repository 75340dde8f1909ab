#include "record.h"

#include "weir/base/check.h"
#include "weir/base/hash.h"
#include "weir/core/event_pack.h"

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

bool weir_record_runs_reserve(weir_record_runs *runs, size_t count)
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
    if (!weir_record_runs_reserve(runs, runs->count + 1))
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
    CHUNK_HEAD_MAX = 6 /* of an inline chunk: its event count, and its id where it does not follow */
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
        *at++ = (uint8_t)((chunk->end - chunk->begin) | (follows ? WEIR_RECORD_CHUNK_ID_FOLLOWS : 0));
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

size_t weir_record_encode_chunk(uint8_t *value, uint64_t hash, const weir_chunk *chunk)
{
    const weir_event origin = weir_event_pack_origin(chunk->events[chunk->begin].time_us), *previous = &origin;
    uint8_t *at = put_varint(value + WEIR_RECORD_HEAD_SIZE, chunk->id);
    at = put_signed(at, (uint64_t)origin.time_us);
    *at++ = (uint8_t)(chunk->end - chunk->begin);
    at = put_events(at, chunk, &previous);
    weir_record_seal(value, (size_t)(at - value), WEIR_RECORD_CHUNK, weir_record_chunk_binding(hash, chunk->id));
    return (size_t)(at - value);
}
