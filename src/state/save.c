#include "internal.h"

#include "weir/base/check.h"
#include "weir/base/prefetch.h"

#include <stdlib.h>

/* The first inline chunk: of a quiet card its first, of a busy one the newest few. */
static weir_chunk *tail_of(const weir_history *history)
{
    if (history->event_count <= WEIR_RECORD_INLINE_EVENT_MAX)
        return history->first;
    weir_chunk *tail = history->last;
    for (int i = 1; i < WEIR_RECORD_TAIL_CHUNK_MAX && tail->previous; i++)
        tail = tail->previous;
    return tail;
}

/* Lists every chunk before the tail, and writes those the store does not hold as they are. */
static weir_status put_sealed(weir_state *state, const weir_entity *entity, const weir_chunk *tail,
                              const weir_record_key *card_key, weir_store_batch *batch)
{
    state->runs_new.count = 0;
    for (weir_chunk *chunk = entity->history.first; chunk != tail; chunk = chunk->next) {
        weir_prefetch(chunk->next);
        if (!weir_record_runs_add(&state->runs_new, chunk->id))
            return WEIR_FULL;
        if (chunk->stored && !chunk->dirty)
            continue;
        uint8_t value[WEIR_RECORD_CHUNK_MAX];
        weir_record_key key;
        weir_record_chunk_key(card_key, chunk->id, &key);
        size_t size = weir_record_encode_chunk(value, entity->hash, chunk);
        weir_status status = weir_store_batch_put(batch, weir_record_key_span(&key), weir_span_of(value, size));
        if (status)
            return status;
        chunk->stored = true;
        chunk->dirty = false;
    }
    return WEIR_OK;
}

static weir_status put_card(weir_state *state, const weir_entity *entity, const weir_chunk *tail,
                            const weir_record_key *key, weir_store_batch *batch)
{
    size_t size_max = weir_record_card_size_max(state->runs_new.count);
    if (size_max > state->scratch_size) {
        uint8_t *scratch = realloc(state->scratch, 2 * size_max);
        if (!scratch)
            return WEIR_FULL;
        state->scratch = scratch;
        state->scratch_size = 2 * size_max;
    }
    size_t size = weir_record_encode_card(state->scratch, entity->hash, entity->applied_offset, &entity->history, tail,
                                          &state->runs_new);
    weir_check(size <= size_max);
    return weir_store_batch_put(batch, weir_record_key_span(key), weir_span_of(state->scratch, size));
}

typedef struct old_head {
    uint64_t hash;
    weir_record_runs *runs;
    weir_status status;
} old_head;

static void visit_old(void *context, weir_span value)
{
    old_head *old = context;
    weir_record_card card;
    old->status = weir_record_decode_head(value, old->hash, &card, old->runs);
}

static weir_status delete_run(const weir_record_key *card_key, uint32_t start, uint32_t end, weir_store_batch *batch)
{
    for (uint32_t id = start; id < end; id++) {
        weir_record_key key;
        weir_record_chunk_key(card_key, id, &key);
        weir_status status = weir_store_batch_delete(batch, weir_record_key_span(&key));
        if (status)
            return status;
    }
    return WEIR_OK;
}

/* Deletes what `old` lists and `new` does not; both sorted by id. */
static weir_status delete_difference(const weir_record_runs *old, const weir_record_runs *new,
                                     const weir_record_key *card_key, weir_store_batch *batch)
{
    size_t at = 0;
    for (size_t i = 0; i < old->count; i++) {
        uint32_t start = old->items[i].start, end = start + old->items[i].length;
        while (at < new->count && new->items[at].start + new->items[at].length <= start)
            at++;
        for (size_t j = at; start < end; j++) {
            bool covered = j < new->count && new->items[j].start < end;
            uint32_t gap_end = covered ? new->items[j].start : end;
            if (gap_end > start) {
                weir_status status = delete_run(card_key, start, gap_end, batch);
                if (status)
                    return status;
            }
            if (!covered)
                break;
            start = new->items[j].start + new->items[j].length;
        }
    }
    return WEIR_OK;
}

/* The chunk records that the card's stored record lists and the new one does not. What the store says is current: a
 * card is encoded once a sweep, and a sweep begins when the last one's batches are durable. */
static weir_status delete_unlisted(weir_state *state, const weir_entity *entity, const weir_record_key *card_key,
                                   weir_store_batch *batch)
{
    old_head old = {.hash = entity->hash, .runs = &state->runs_old};
    weir_status status = state->store->ops->get(state->store, weir_record_key_span(card_key), visit_old, &old);
    if (status == WEIR_NOT_FOUND)
        return WEIR_OK;
    if (!status)
        status = old.status;
    if (status)
        return status;
    weir_record_runs_sort(&state->runs_old);
    weir_record_runs_sort(&state->runs_new);
    return delete_difference(&state->runs_old, &state->runs_new, card_key, batch);
}

static weir_status put_records(weir_state *state, weir_entity *entity, weir_chunk *tail, weir_store_batch *batch)
{
    weir_record_key key;
    weir_record_card_key(entity->hash, weir_span_of(entity->key, entity->key_size), &key);
    weir_status status = put_sealed(state, entity, tail, &key, batch);
    if (!status)
        status = put_card(state, entity, tail, &key, batch);
    if (!status && entity->chunked)
        status = delete_unlisted(state, entity, &key, batch);
    return status;
}

weir_status weir_save_card(weir_state *state, weir_entity *entity, weir_pending *pending)
{
    weir_store_batch *batch = &pending->batch;
    size_t used = batch->used, count = batch->count;
    weir_chunk *tail = tail_of(&entity->history);
    weir_status status = put_records(state, entity, tail, batch);
    if (status) {
        batch->used = used;
        batch->count = count;
        for (weir_chunk *chunk = entity->history.first; chunk != tail; chunk = chunk->next)
            chunk->dirty = true; /* those that were in the batch no longer are */
        return status;
    }
    for (weir_chunk *chunk = tail; chunk; chunk = chunk->next)
        chunk->stored = false;
    entity->chunked = tail != entity->history.first;
    if (entity->applied_offset > pending->applied_offset_max)
        pending->applied_offset_max = entity->applied_offset;
    pending->card_count++;
    return WEIR_OK;
}
