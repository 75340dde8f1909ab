#include "internal.h"

#include "weir/base/check.h"
#include "weir/base/hash.h"

typedef struct load {
    weir_record_loader loader;
    weir_slab *slab;
    uint64_t hash;
    weir_record_key key;
    weir_status status; /* of decoding; WEIR_NOT_FOUND until the card record was seen */
} load;

static void visit_card(void *context, weir_span value)
{
    load *at = context;
    at->status = weir_record_load_card(&at->loader, at->slab, at->hash, value);
}

/* Takes the card record and the chunk records behind it; stops at the first record of another card. */
static bool visit_records(void *context, weir_span key, weir_span value)
{
    load *at = context;
    if (weir_span_equal(key, weir_record_key_span(&at->key))) {
        visit_card(context, value);
        return at->status == WEIR_OK;
    }
    uint64_t hash;
    weir_span token;
    uint32_t id;
    bool mine = key.size > at->key.size && memcmp(key.data, at->key.bytes, at->key.size) == 0 &&
                weir_record_parse_key(key, &hash, &token, &id) == WEIR_RECORD_CHUNK;
    if (!mine || at->status)
        return false;
    at->status = weir_record_load_chunk(&at->loader, id, value);
    return at->status == WEIR_OK;
}

/* A busy card takes a second look: all its records in one scan, and so from one snapshot. */
static weir_status load_chunked(load *at, weir_store *store)
{
    weir_record_load_drop(&at->loader);
    at->status = WEIR_NOT_FOUND;
    weir_status status = store->ops->scan(store, weir_record_key_span(&at->key), visit_records, at);
    return status ? status : at->status;
}

weir_status weir_load_card(weir_store *store, weir_slab *slab, uint64_t hash, weir_span token,
                           weir_history *history_out,
                           int64_t *applied_offset_out)
{
    load at = {.slab = slab, .hash = hash, .status = WEIR_NOT_FOUND};
    weir_record_card_key(hash, token, &at.key);
    weir_status status = store->ops->get(store, weir_record_key_span(&at.key), visit_card, &at);
    if (!status)
        status = at.status;
    if (!status && at.loader.sealed_count)
        status = load_chunked(&at, store);
    if (!status)
        return weir_record_load_finish(&at.loader, history_out, applied_offset_out);
    weir_record_load_drop(&at.loader);
    return status;
}

weir_status weir_state_read(weir_store *store, weir_span key, weir_slab *slab, weir_history *history_out,
                            int64_t *applied_offset_out, weir_error *error)
{
    if (key.size > WEIR_RECORD_TOKEN_MAX)
        return weir_error_set(error, WEIR_INVALID, "a key of %zu bytes is too long; at most %d", key.size,
                              WEIR_RECORD_TOKEN_MAX);
    weir_status status = weir_load_card(store, slab, weir_hash(key), key, history_out, applied_offset_out);
    switch (status) {
    case WEIR_OK:
        return WEIR_OK;
    case WEIR_NOT_FOUND:
        return weir_error_set(error, status, "the state store has no record of \"%.*s\"",
                              (int)(key.size < 100 ? key.size : 100), (const char *)key.data);
    default:
        return weir_error_set(error, status, "a stored record cannot be read: %s", weir_status_name(status));
    }
}

typedef struct count {
    weir_state_census census;
    weir_status status;
} count;

static weir_status count_card(weir_state_census *census, uint64_t hash, weir_span value)
{
    weir_record_card card;
    weir_status status = weir_record_decode_head(value, hash, &card, NULL);
    if (status)
        return status;
    census->card_count++;
    census->event_count += card.event_count;
    return WEIR_OK;
}

static bool count_record(void *context, weir_span key, weir_span value)
{
    count *at = context;
    uint64_t hash;
    weir_span token;
    uint32_t id;
    switch (weir_record_parse_key(key, &hash, &token, &id)) {
    case WEIR_RECORD_META:
        break;
    case WEIR_RECORD_CARD:
        at->status = count_card(&at->census, hash, value);
        break;
    case WEIR_RECORD_CHUNK:
        at->census.chunk_count++;
        break;
    case WEIR_RECORD_NONE:
        at->status = WEIR_CORRUPT;
        break;
    }
    at->census.record_bytes += key.size + value.size;
    return at->status == WEIR_OK;
}

weir_status weir_state_take_census(weir_store *store, weir_state_census *census_out, weir_error *error)
{
    count at = {0};
    weir_status status = store->ops->scan(store, (weir_span){0}, count_record, &at);
    if (status)
        return weir_error_set(error, status, "the state store cannot be read: %s", weir_status_name(status));
    if (at.status)
        return weir_error_set(error, at.status, "the state store holds a record that is damaged or not weir's: %s",
                              weir_status_name(at.status));
    *census_out = at.census;
    return WEIR_OK;
}
