/* Idle cards leave the store a few at a time, so that it does not grow for ever.
 *
 * A card is idle when its newest event fell out of the horizon as of the stream's clock, and its applied_offset is
 * older than the *previous* replay_from: no replay that can still happen would then ask whether one of its events was
 * applied. It is looked for in key order, a slice a sweep, going round for ever. */
#include "internal.h"

#include "weir/base/check.h"

#include <stdlib.h>

enum { SLICE_CARD_MAX = 256, SWEEP_CARD_MAX = 4096 };

typedef struct slice {
    weir_state *state;
    weir_pending *pending;
    int64_t idle_before_us;
    size_t seen;
    weir_record_key dropped; /* the card whose chunk records go as well; size 0: none */
    bool ended;              /* at the next card to look at, not at the end of the store */
    weir_status status;
} slice;

static bool remember(weir_state *state, uint64_t hash)
{
    if (state->purging_count == state->purging_size) {
        size_t size = state->purging_size ? 2 * state->purging_size : SLICE_CARD_MAX;
        uint64_t *purging = realloc(state->purging, size * sizeof *purging);
        if (!purging)
            return false;
        state->purging = purging;
        state->purging_size = size;
    }
    state->purging[state->purging_count++] = hash;
    return true;
}

bool weir_purge_pending(const weir_state *state, uint64_t hash)
{
    for (size_t i = 0; i < state->purging_count; i++)
        if (state->purging[i] == hash)
            return true;
    return false;
}

static bool idle(const slice *at, const weir_record_card *card)
{
    return card->newest_time_us <= at->idle_before_us && card->applied_offset < at->state->meta.replay_from_previous;
}

static weir_status visit_card(slice *at, weir_span key, weir_span value, uint64_t hash, weir_span token)
{
    at->dropped.size = 0;
    weir_record_card card;
    weir_status status = weir_record_decode_head(value, hash, &card, NULL);
    if (status || !idle(at, &card))
        return status;
    weir_entity *resident = weir_table_find(&at->state->table, hash, token);
    if (resident && !weir_entity_clean(at->state, resident))
        return WEIR_OK;
    if (!remember(at->state, hash))
        return WEIR_FULL;
    status = weir_store_batch_delete(&at->pending->batch, key);
    if (status)
        return status;
    memcpy(at->dropped.bytes, key.data, key.size);
    at->dropped.size = key.size;
    if (resident)
        weir_entity_free(at->state, resident);
    return WEIR_OK;
}

static bool of_dropped(const slice *at, weir_span key)
{
    return at->dropped.size && key.size > at->dropped.size && !memcmp(key.data, at->dropped.bytes, at->dropped.size);
}

static bool visit(void *context, weir_span key, weir_span value)
{
    slice *at = context;
    uint64_t hash;
    weir_span token;
    uint32_t id;
    switch (weir_record_parse_key(key, &hash, &token, &id)) {
    case WEIR_RECORD_CARD:
        if (at->seen == SLICE_CARD_MAX) { /* only between cards: a card's chunks go with it */
            memcpy(at->state->purge_next.bytes, key.data, key.size);
            at->state->purge_next.size = key.size;
            at->ended = true;
            return false;
        }
        at->seen++;
        at->status = visit_card(at, key, value, hash, token);
        break;
    case WEIR_RECORD_CHUNK:
        if (of_dropped(at, key))
            at->status = weir_store_batch_delete(&at->pending->batch, key);
        break;
    default:
        break;
    }
    return at->status == WEIR_OK;
}

weir_status weir_purge_some(weir_state *state, weir_pending *pending, int64_t clock_event_time_us, bool *done_out)
{
    int64_t horizon_us = state->options.identity.horizon_us;
    bool possible = state->meta.replay_from_previous > 0 && clock_event_time_us > INT64_MIN + horizon_us;
    if (!possible || state->purge_seen >= SWEEP_CARD_MAX) {
        *done_out = true;
        return WEIR_OK;
    }
    slice at = {.state = state, .pending = pending, .idle_before_us = clock_event_time_us - horizon_us};
    size_t used = pending->batch.used, count = pending->batch.count, purging = state->purging_count;
    weir_record_key from = state->purge_next;
    weir_status status = state->store->ops->scan(state->store, weir_record_key_span(&from), visit, &at);
    if (!status)
        status = at.status;
    if (status) { /* the cards stay where they are; those that left RAM are read back when they return */
        pending->batch.used = used;
        pending->batch.count = count;
        state->purging_count = purging;
        return status;
    }
    if (!at.ended)
        state->purge_next.size = 0;
    state->purge_seen += at.seen;
    *done_out = !at.ended;
    return WEIR_OK;
}
