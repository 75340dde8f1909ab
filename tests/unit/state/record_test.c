#include "state/record.h"

#include "support/state_events.h"
#include "weir/core/event_pack.h"

#include <criterion/criterion.h>
#include <stdlib.h>

static const uint64_t HASH = UINT64_C(0x123456789abcdef0);

typedef struct fixture {
    weir_memory *memory;
    weir_slab *slab;
    weir_rng rng;
} fixture;

static fixture setup(uint64_t seed)
{
    fixture f = {.rng = {.state = seed}};
    cr_assert_eq(weir_memory_open(64 << 20, &f.memory, NULL), WEIR_OK);
    f.slab = weir_memory_slab(f.memory);
    return f;
}

static weir_history history_of(fixture *f, uint32_t count, bool wild)
{
    weir_history history = {0};
    int64_t time_us = (int64_t)weir_rng_below(&f->rng, 1u << 30) * WEIR_US_PER_SECOND;
    for (uint32_t i = 0; i < count; i++) {
        weir_event event = wild ? weir_test_event_wild(&f->rng, time_us)
                                : weir_test_event(&f->rng, 0xabcdef, time_us, weir_rng_next(&f->rng) >> 16);
        cr_assert(weir_history_append(&history, f->slab, &event));
        time_us += (int64_t)weir_rng_below(&f->rng, 30 * (uint64_t)WEIR_US_PER_HOUR);
    }
    return history;
}

/* A busy history as records: main record and sealed chunks. */
typedef struct records {
    uint8_t *main;
    size_t main_size;
    uint8_t (*chunks)[WEIR_RECORD_CHUNK_MAX];
    size_t *sizes;
    uint32_t *ids;
    size_t count;
} records;

static records encode(const weir_history *history, int64_t applied_offset, uint32_t tail_chunks)
{
    records out = {0};
    size_t chunk_count = 0;
    for (const weir_chunk *chunk = history->first; chunk; chunk = chunk->next)
        chunk_count++;
    size_t sealed = chunk_count > tail_chunks ? chunk_count - tail_chunks : 0;
    out.chunks = malloc((sealed + 1) * sizeof *out.chunks);
    out.sizes = malloc((sealed + 1) * sizeof *out.sizes);
    out.ids = malloc((sealed + 1) * sizeof *out.ids);
    weir_record_runs runs = {0};
    const weir_chunk *chunk = history->first;
    for (; out.count < sealed; out.count++, chunk = chunk->next) {
        cr_assert(weir_record_runs_add(&runs, chunk->id));
        out.ids[out.count] = chunk->id;
        out.sizes[out.count] = weir_record_encode_chunk(out.chunks[out.count], HASH, chunk);
    }
    uint8_t *scratch = malloc(weir_record_card_size_max(runs.count));
    out.main_size = weir_record_encode_card(scratch, HASH, applied_offset, history, chunk, &runs);
    cr_assert_leq(out.main_size, weir_record_card_size_max(runs.count));
    out.main = malloc(out.main_size); /* exactly: a read past the end is the sanitizer's to see */
    memcpy(out.main, scratch, out.main_size);
    free(scratch);
    weir_record_runs_free(&runs);
    return out;
}

static void free_records(records *r)
{
    free(r->main);
    free(r->chunks);
    free(r->sizes);
    free(r->ids);
}

static weir_status decode(fixture *f, const records *r, weir_history *history_out, int64_t *applied_out)
{
    weir_record_loader loader;
    weir_status status = weir_record_load_card(&loader, f->slab, HASH, weir_span_of(r->main, r->main_size));
    for (size_t i = 0; i < r->count && !status; i++) {
        status = weir_record_load_chunk(&loader, r->ids[i], weir_span_of(r->chunks[i], r->sizes[i]));
        if (status)
            weir_record_load_drop(&loader);
    }
    return status ? status : weir_record_load_finish(&loader, history_out, applied_out);
}

static void check_layout(const weir_history *a, const weir_history *b)
{
    const weir_chunk *one = a->first, *other = b->first;
    for (; one && other; one = one->next, other = other->next) {
        cr_assert_eq(one->id, other->id);
        cr_assert_eq(one->end - one->begin, other->end - other->begin);
        cr_assert_eq(one->amount_minor_min, other->amount_minor_min);
        cr_assert_eq(one->amount_minor_max, other->amount_minor_max);
        cr_assert_eq(one->labelled, other->labelled);
        cr_assert(!other->next || other->next->previous == other);
    }
    cr_assert(!one && !other);
    cr_assert_eq(a->next_chunk_id, b->next_chunk_id);
}

static void round_trip(fixture *f, uint32_t count, uint32_t tail_chunks, bool wild)
{
    weir_history history = history_of(f, count, wild), back = {0};
    int64_t applied_offset = (int64_t)weir_rng_below(&f->rng, UINT64_C(1) << 62) - 1, applied_back = -2;
    records r = encode(&history, applied_offset, tail_chunks);
    uint64_t used = weir_memory_used(f->memory);
    cr_assert_eq(decode(f, &r, &back, &applied_back), WEIR_OK);
    cr_assert_eq(applied_back, applied_offset);
    cr_assert(weir_test_history_equal(&history, &back));
    check_layout(&history, &back);
    weir_history_clear(&back, f->slab);
    cr_assert_eq(weir_memory_used(f->memory), used, "a loaded history gives everything back");
    weir_history_clear(&history, f->slab);
    free_records(&r);
}

Test(record, round_trips_every_kind_of_history)
{
    fixture f = setup(1);
    for (uint32_t count = 0; count <= WEIR_RECORD_INLINE_EVENT_MAX; count++) {
        round_trip(&f, count, UINT32_MAX, false);
        round_trip(&f, count, UINT32_MAX, true);
    }
    for (int i = 0; i < 50; i++)
        round_trip(&f, 41 + (uint32_t)weir_rng_below(&f.rng, 2000), 1 + (uint32_t)weir_rng_below(&f.rng, 3), i & 1);
    weir_memory_close(f.memory);
}

Test(record, takes_at_most_45_bytes_an_event)
{
    fixture f = setup(2);
    weir_history history = history_of(&f, 20, false);
    records r = encode(&history, 1 << 30, UINT32_MAX);
    cr_log_info("20 events: %zu bytes", r.main_size);
    cr_assert_leq(r.main_size, 20 * 45);
    free_records(&r);
    weir_memory_close(f.memory);
}

Test(record, refuses_every_flipped_bit_and_every_truncation)
{
    fixture f = setup(3);
    weir_history history = history_of(&f, 45, false), back;
    int64_t applied;
    records r = encode(&history, 12345, 3);
    uint64_t used = weir_memory_used(f.memory);
    for (size_t bit = 0; bit < 8 * r.main_size; bit++) {
        r.main[bit / 8] ^= (uint8_t)(1u << bit % 8);
        cr_assert_eq(decode(&f, &r, &back, &applied), WEIR_CORRUPT, "bit %zu", bit);
        r.main[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    for (size_t bit = 0; bit < 8 * r.sizes[1]; bit++) {
        r.chunks[1][bit / 8] ^= (uint8_t)(1u << bit % 8);
        cr_assert_eq(decode(&f, &r, &back, &applied), WEIR_CORRUPT, "chunk bit %zu", bit);
        r.chunks[1][bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    for (size_t at = 0; at < r.main_size; at++)
        for (unsigned byte = 0; byte < 256; byte += 5) {
            uint8_t kept = r.main[at];
            r.main[at] = (uint8_t)byte;
            cr_assert_eq(decode(&f, &r, &back, &applied), kept == byte ? WEIR_OK : WEIR_CORRUPT);
            if (kept == byte)
                weir_history_clear(&back, f.slab);
            r.main[at] = kept;
        }
    size_t whole = r.main_size;
    for (r.main_size = 0; r.main_size < whole; r.main_size++)
        cr_assert_eq(decode(&f, &r, &back, &applied), WEIR_CORRUPT);
    cr_assert_eq(weir_memory_used(f.memory), used, "a refusal leaks nothing");
    free_records(&r);
    weir_memory_close(f.memory);
}

Test(record, refuses_a_value_under_a_wrong_key_and_a_missing_or_foreign_chunk)
{
    fixture f = setup(4);
    weir_history history = history_of(&f, 60, false), back;
    int64_t applied;
    records r = encode(&history, 9, 3);
    weir_record_loader loader;
    cr_assert_eq(weir_record_load_card(&loader, f.slab, HASH + 1, weir_span_of(r.main, r.main_size)), WEIR_CORRUPT);
    cr_assert_gt(r.count, 2);
    r.ids[0]++; /* chunk 0's bytes under chunk 1's id */
    cr_assert_eq(decode(&f, &r, &back, &applied), WEIR_CORRUPT);
    r.ids[0] = 99; /* an id that is not listed */
    cr_assert_eq(decode(&f, &r, &back, &applied), WEIR_CORRUPT);
    r.ids[0] = history.first->id;
    r.count--;
    cr_assert_eq(decode(&f, &r, &back, &applied), WEIR_CORRUPT, "the last listed chunk is missing");
    r.count++;
    cr_assert_eq(decode(&f, &r, &back, &applied), WEIR_OK);
    free_records(&r);
    weir_memory_close(f.memory);
}

Test(record, forgets_events_that_left_the_first_chunk_since_it_was_written)
{
    fixture f = setup(5);
    weir_history history = history_of(&f, 50, false), back;
    int64_t applied;
    records before = encode(&history, 9, 3);
    history.first->begin += 3;
    history.event_count -= 3;
    records after = encode(&history, 10, 3);
    memcpy(after.chunks[0], before.chunks[0], before.sizes[0]); /* the chunk record is the old one */
    after.sizes[0] = before.sizes[0];
    cr_assert_eq(decode(&f, &after, &back, &applied), WEIR_OK);
    cr_assert(weir_test_history_equal(&history, &back));
    free_records(&before);
    free_records(&after);
    weir_memory_close(f.memory);
}

Test(record, refuses_a_newer_format_by_name)
{
    uint8_t value[16] = {0};
    weir_record_seal(value, sizeof value, WEIR_RECORD_CARD, HASH);
    weir_reader body;
    cr_assert_eq(weir_record_unseal(weir_span_of(value, sizeof value), WEIR_RECORD_CARD, HASH, &body), WEIR_OK);
    cr_assert_eq(weir_record_unseal(weir_span_of(value, sizeof value), WEIR_RECORD_CHUNK, HASH, &body), WEIR_CORRUPT);
    value[4] = WEIR_RECORD_VERSION + 1; /* and its checksum, as that version would write it */
    uint32_t crc = weir_hash_crc32c(weir_span_of(value + 4, sizeof value - 4)) ^ (uint32_t)(HASH ^ HASH >> 32);
    memcpy(value, &crc, sizeof crc);
    cr_assert_eq(weir_record_unseal(weir_span_of(value, sizeof value), WEIR_RECORD_CARD, HASH, &body),
                 WEIR_UNSUPPORTED);
}

Test(record, keys_tell_cards_and_chunks_apart)
{
    weir_record_key card, chunk, longer;
    weir_record_card_key(HASH, weir_span_text("tok"), &card);
    weir_record_chunk_key(&card, 7, &chunk);
    weir_record_card_key(HASH, weir_span_of("tok\0\0\0\7", 7), &longer); /* looks like tok's chunk 7, and is not */
    uint64_t hash;
    weir_span token;
    uint32_t id;
    cr_assert_eq(weir_record_parse_key(weir_record_key_span(&card), &hash, &token, &id), WEIR_RECORD_CARD);
    cr_assert(hash == HASH && weir_span_is(token, "tok"));
    cr_assert_eq(weir_record_parse_key(weir_record_key_span(&chunk), &hash, &token, &id), WEIR_RECORD_CHUNK);
    cr_assert(id == 7 && weir_span_is(token, "tok"));
    cr_assert_eq(weir_record_parse_key(weir_record_key_span(&longer), &hash, &token, &id), WEIR_RECORD_CARD);
    cr_assert_eq(token.size, 7);
    cr_assert_eq(weir_record_parse_key(weir_record_meta_key(), &hash, &token, &id), WEIR_RECORD_META);
    cr_assert_eq(weir_record_parse_key(weir_span_of(card.bytes, card.size - 1), &hash, &token, &id), WEIR_RECORD_NONE);
    cr_assert(memcmp(weir_record_meta_key().data, card.bytes, 1) < 0, "meta sorts first");
}
