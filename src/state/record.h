/* Stored records: their keys, their bytes, and the checks that guard them.
 *
 *   key    0x00                                          the meta record; sorts first
 *          0x01 | hash, 8 | token size, 2 | token        a card
 *          0x01 | hash, 8 | token size, 2 | token | id,4 a sealed chunk of that card, right behind it
 *          (integers in keys are big-endian; the size keeps a token from looking like another's chunk)
 *
 *   value  crc, 4 | version, 1 | kind, 1 | body          crc = CRC-32C of all that follows, xor-ed with its key's
 *                                                         identity, so that a value under a wrong key is refused
 *   card   applied_offset + 1, newest_time_us (8 bytes), next_chunk_id, event_count,
 *          runs of sealed chunk ids (count; start difference, length), then the tail: the newest chunks inline
 *   chunk  id, base time, event count, events
 *
 * A card with at most WEIR_RECORD_INLINE_EVENT_MAX events is its tail alone. A busier one keeps its newest
 * WEIR_RECORD_TAIL_CHUNK_MAX chunks inline and the others as chunk records, so that a sweep rewrites what changed and
 * not a month of history. Chunk ids are handed out in order, so the list of a million events is a few runs.
 */
#ifndef WEIR_STATE_RECORD_H
#define WEIR_STATE_RECORD_H

#include "weir/base/cursor.h"
#include "weir/base/slab.h"
#include "weir/core/history.h"
#include "weir/state/store.h"

enum {
    WEIR_RECORD_VERSION = 1,
    WEIR_RECORD_INLINE_EVENT_MAX = 40,
    WEIR_RECORD_TAIL_CHUNK_MAX = 3,
    WEIR_RECORD_TOKEN_MAX = WEIR_STORE_KEY_MAX - 15, /* bytes of a key that fit beside the rest */
    WEIR_RECORD_CHUNK_MAX = 768,                     /* bytes a chunk record can need, slack included */
    WEIR_RECORD_CHUNK_COUNT_BITS = 0x0f,             /* first byte of an inline chunk: how many events, and */
    WEIR_RECORD_CHUNK_ID_FOLLOWS = 0x10              /* whether its id is the next after the chunk's before it */
};

/* ---- keys ---- */
typedef struct weir_record_key {
    uint8_t bytes[WEIR_STORE_KEY_MAX];
    size_t size;
} weir_record_key;

static inline weir_span weir_record_key_span(const weir_record_key *key)
{
    return weir_span_of(key->bytes, key->size);
}

/* Expects token.size <= WEIR_RECORD_TOKEN_MAX (checked). */
void weir_record_card_key(uint64_t hash, weir_span token, weir_record_key *key_out);
/* The key of chunk `id` of the card whose key is `card`. */
void weir_record_chunk_key(const weir_record_key *card, uint32_t id, weir_record_key *key_out);
/* The meta record's key; constant. */
weir_span weir_record_meta_key(void);

typedef enum weir_record_kind {
    WEIR_RECORD_NONE,
    WEIR_RECORD_META,
    WEIR_RECORD_CARD,
    WEIR_RECORD_CHUNK
} weir_record_kind;

/* What a stored key names. token_out borrows from `key`. WEIR_RECORD_NONE when it is none of weir's. */
weir_record_kind weir_record_parse_key(weir_span key, uint64_t *hash_out, weir_span *token_out, uint32_t *chunk_id_out);

/* ---- sealed values ---- */
/* Writes crc, version and kind in front of a body already at value + WEIR_RECORD_HEAD_SIZE. */
enum { WEIR_RECORD_HEAD_SIZE = 6 };
void weir_record_seal(uint8_t *value, size_t size, weir_record_kind kind, uint64_t binding);
/* Checks crc, version and kind. WEIR_CORRUPT, or WEIR_UNSUPPORTED for a newer version whose crc is right. */
WEIR_MUST_USE weir_status weir_record_unseal(weir_span value, weir_record_kind kind, uint64_t binding,
                                             weir_reader *body_out);

/* What a chunk's checksum is tied to: its card and its id. A card's is tied to the hash alone. */
static inline uint64_t weir_record_chunk_binding(uint64_t hash, uint32_t id)
{
    return hash + (id + UINT64_C(1)) * UINT64_C(0x9e3779b97f4a7c15);
}

/* ---- runs of chunk ids, in the order of the history ---- */
typedef struct weir_record_run {
    uint32_t start, length;
} weir_record_run;

typedef struct weir_record_runs { /* a zeroed one is empty; heap, reused */
    weir_record_run *items;
    size_t count, size;
} weir_record_runs;

/* Makes room for `count` runs in all. Fails: returns false when the heap is exhausted. */
bool weir_record_runs_reserve(weir_record_runs *runs, size_t count);
/* Adds one id behind the last. Fails: returns false when the heap is exhausted. */
bool weir_record_runs_add(weir_record_runs *runs, uint32_t id);
/* Sorts by id: the order of chunk records in a store, no longer that of the history. */
void weir_record_runs_sort(weir_record_runs *runs);
void weir_record_runs_free(weir_record_runs *runs);

/* ---- cards ---- */
typedef struct weir_record_card { /* what a card record says besides its events */
    int64_t applied_offset, newest_time_us;
    uint32_t next_chunk_id, event_count;
} weir_record_card;

/* Bytes that encoding a card record may need (slack included) whose sealed chunks make `run_count` runs. */
size_t weir_record_card_size_max(size_t run_count);

/* Encodes the card record: chunks before `tail` are named by `runs`, those from `tail` on are inline (NULL: none).
 * Returns the value's size. Expects weir_record_card_size_max bytes at `value`. */
size_t weir_record_encode_card(uint8_t *value, uint64_t hash, int64_t applied_offset, const weir_history *history,
                               const weir_chunk *tail, const weir_record_runs *runs);

/* Encodes one chunk record; `value` has WEIR_RECORD_CHUNK_MAX bytes. */
size_t weir_record_encode_chunk(uint8_t *value, uint64_t hash, const weir_chunk *chunk);

/* The card record's own numbers, and its runs when runs_out is not NULL; no events.
 * Fails: WEIR_CORRUPT, WEIR_UNSUPPORTED; WEIR_FULL when the heap is exhausted. */
WEIR_MUST_USE weir_status weir_record_decode_head(weir_span value, uint64_t hash, weir_record_card *card_out,
                                                  weir_record_runs *runs_out);

/* ---- loading (record_load.c): the card record first, then its chunk records in key order, then finish ---- */
typedef struct weir_record_arrived {
    weir_chunk *chunk;
    uint32_t place; /* in the history */
} weir_record_arrived;

typedef struct weir_record_loader {
    weir_slab *slab;
    uint64_t hash;
    weir_record_card card;
    weir_record_runs runs;
    uint32_t *places;             /* for each run (sorted by id): where in the history it begins */
    size_t sealed_count;          /* chunks the runs name */
    weir_record_arrived *arrived; /* those that came so far, grown as they come: a count alone is not believed */
    size_t arrived_count, arrived_size;
    weir_history tail;
} weir_record_loader;

/* Begins with the card record. Afterwards loader->sealed_count tells how many chunk records belong to it.
 * Owns:  the loader, until finish or drop; blocks come from the slab.
 * Fails: WEIR_CORRUPT, WEIR_UNSUPPORTED, WEIR_FULL (slab or heap); the loader is then empty. */
WEIR_MUST_USE weir_status weir_record_load_card(weir_record_loader *loader, weir_slab *slab, uint64_t hash,
                                                weir_span value);
WEIR_MUST_USE weir_status weir_record_load_chunk(weir_record_loader *loader, uint32_t id, weir_span value);
/* Joins the pieces. Fails: WEIR_CORRUPT when a chunk is missing, out of order, or the events do not add up.
 * The loader is empty afterwards either way; history_out changes only on success. */
WEIR_MUST_USE weir_status weir_record_load_finish(weir_record_loader *loader, weir_history *history_out,
                                                  int64_t *applied_offset_out);
/* Gives everything back. A zeroed or finished loader is fine. */
void weir_record_load_drop(weir_record_loader *loader);

#endif
