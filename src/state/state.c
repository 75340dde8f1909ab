#include "internal.h"

#include "weir/base/check.h"
#include "weir/base/hash.h"
#include "weir/base/prefetch.h"

#include <stdlib.h>

/* ---- open and close ---- */

static bool refuse_record(void *context, weir_span key, weir_span value)
{
    (void)key;
    (void)value;
    *(bool *)context = false;
    return false;
}

static bool store_is_empty(weir_store *store)
{
    bool empty = true;
    weir_status status = store->ops->scan(store, (weir_span){0}, refuse_record, &empty);
    return !status && empty;
}

/* The meta record goes in before any card, and a shorter horizon before any event is dropped by it. */
static weir_status commit_meta(weir_state *state, weir_error *error)
{
    weir_pending *pending = &state->pending[0];
    weir_status status = weir_meta_put(&pending->batch, &state->meta, &state->note_stored);
    if (status)
        return weir_error_set(error, status, "no memory for the meta record");
    state->job.batch = &pending->batch;
    weir_committer_submit(state->committer, &state->job);
    weir_committer_wait(state->committer, &state->job);
    atomic_store_explicit(&state->job.phase, WEIR_JOB_IDLE, memory_order_relaxed);
    weir_store_batch_reset(&pending->batch);
    if (state->job.status && error)
        *error = state->job.error;
    return state->job.status;
}

static weir_status settle_meta(weir_state *state, weir_error *error)
{
    const weir_state_identity *wanted = &state->options.identity;
    weir_status status = weir_meta_get(state->store, &state->meta, &state->note_stored, error);
    if (status == WEIR_NOT_FOUND) {
        if (!store_is_empty(state->store))
            return weir_error_set(error, WEIR_CORRUPT,
                                  "the state store has records but no meta record; restore a copy of it, or move the "
                                  "directory away to rebuild the state from the topic");
        state->meta = (weir_meta){.identity = *wanted, .replay_from = -1, .replay_from_previous = -1};
        return commit_meta(state, error);
    }
    if (!status)
        status = weir_meta_accept(&state->meta.identity, wanted, error);
    if (status || state->meta.identity.horizon_us == wanted->horizon_us)
        return status;
    state->meta.identity.horizon_us = wanted->horizon_us;
    return commit_meta(state, error);
}

enum { STEP_CARD_DEFAULT = 256, BATCH_CARD_DEFAULT = 32768, BATCH_SIZE_DEFAULT = 32 << 20 };

static void fill_defaults(weir_state_options *options)
{
    if (!options->sweep_interval_us)
        options->sweep_interval_us = INT64_C(10) * 1000 * 1000;
    if (!options->step_card_max)
        options->step_card_max = STEP_CARD_DEFAULT;
    if (!options->batch_card_max)
        options->batch_card_max = BATCH_CARD_DEFAULT;
    if (!options->batch_size_max)
        options->batch_size_max = BATCH_SIZE_DEFAULT;
}

weir_status weir_state_open(weir_store *store, weir_memory *memory, weir_committer *committer,
                            const weir_state_options *options, weir_state **state_out, int64_t *replay_from_out,
                            weir_error *error)
{
    if (options->identity.horizon_us <= 0)
        return weir_error_set(error, WEIR_INVALID, "the state's horizon must be positive");
    weir_state *state = calloc(1, sizeof *state);
    if (!state)
        return weir_error_set(error, WEIR_FULL, "no memory for a partition's state");
    state->store = store;
    state->memory = memory;
    state->committer = committer;
    state->options = *options;
    fill_defaults(&state->options);
    state->job.store = store;
    state->dirty_since_offset = state->sweep_since_offset = state->newest_applied = -1;
    state->pending[0].applied_offset_max = state->pending[1].applied_offset_max = -1;
    weir_status status = weir_table_init(&state->table, memory);
    if (status)
        weir_error_set(error, status, "no memory for a partition's table");
    if (!status)
        status = settle_meta(state, error);
    if (status) {
        state->store = NULL; /* stays the caller's */
        weir_state_close(state);
        return status;
    }
    *replay_from_out = state->meta.replay_from;
    *state_out = state;
    return WEIR_OK;
}

void weir_state_close(weir_state *state)
{
    if (!state)
        return;
    weir_committer_cancel(state->committer, &state->job);
    while (state->hand)
        weir_entity_free(state, state->hand);
    weir_table_deinit(&state->table);
    for (int i = 0; i < 2; i++)
        weir_store_batch_free(&state->pending[i].batch);
    weir_record_runs_free(&state->runs_new);
    weir_record_runs_free(&state->runs_old);
    free(state->purging);
    free(state->scratch);
    if (state->store)
        state->store->ops->close(state->store);
    free(state);
}

weir_span weir_state_note(const weir_state *state)
{
    return weir_span_of(state->note_stored.bytes, state->note_stored.size);
}

/* ---- residents ---- */

uint64_t weir_entity_key(uint64_t hash48, uint8_t key_out[WEIR_ENTITY_KEY_SIZE])
{
    weir_check(hash48 >> 8 * WEIR_ENTITY_KEY_SIZE == 0);
    for (size_t i = 0; i < WEIR_ENTITY_KEY_SIZE; i++)
        key_out[i] = (uint8_t)(hash48 >> 8 * i);
    return weir_hash(weir_span_of(key_out, WEIR_ENTITY_KEY_SIZE));
}

static size_t entity_size(size_t key_size)
{
    return offsetof(weir_entity, key) + key_size;
}

/* Joins the ring just behind the hand: the last place it comes to. */
static void ring_add(weir_state *state, weir_entity *entity)
{
    weir_entity *hand = state->hand;
    if (!hand) {
        state->hand = entity->clock_previous = entity->clock_next = entity;
        return;
    }
    entity->clock_next = hand;
    entity->clock_previous = hand->clock_previous;
    hand->clock_previous->clock_next = entity;
    hand->clock_previous = entity;
}

static void ring_remove(weir_state *state, weir_entity *entity)
{
    weir_entity *next = entity->clock_next;
    entity->clock_previous->clock_next = next;
    next->clock_previous = entity->clock_previous;
    if (state->hand == entity)
        state->hand = next == entity ? NULL : next;
}

void weir_entity_free(weir_state *state, weir_entity *entity)
{
    weir_slab *slab = weir_memory_slab(state->memory);
    weir_table_remove(&state->table, entity);
    ring_remove(state, entity);
    state->stats.events_retained -= entity->counted_events;
    weir_history_clear(&entity->history, slab);
    weir_slab_give(slab, entity, entity_size(entity->key_size));
}

static void count_events(weir_state *state, weir_entity *entity)
{
    state->stats.events_retained += (uint64_t)entity->history.event_count - entity->counted_events;
    entity->counted_events = entity->history.event_count;
}

/* Its delete is on the way to the disk: whatever is stored of it must be written anew. */
static void forget_stored(weir_entity *entity)
{
    for (weir_chunk *chunk = entity->history.first; chunk; chunk = chunk->next)
        chunk->stored = false;
}

/* Fills a new entity from the store, or leaves it empty when the store does not know the key. */
static weir_status fill(weir_state *state, weir_entity *entity)
{
    weir_slab *slab = weir_memory_slab(state->memory);
    weir_span key = weir_span_of(entity->key, entity->key_size);
    weir_status status = weir_load_card(state->store, slab, entity->hash, key, &entity->history,
                                        &entity->applied_offset);
    if (status == WEIR_NOT_FOUND) {
        state->stats.load_misses++;
        return WEIR_OK;
    }
    if (status)
        return status;
    state->stats.loads++;
    entity->chunked = entity->history.event_count > WEIR_RECORD_INLINE_EVENT_MAX;
    if (state->purging_count && weir_purge_pending(state, entity->hash))
        forget_stored(entity);
    return WEIR_OK;
}

static weir_status bring_in(weir_state *state, weir_span key, uint64_t hash, weir_entity **entity_out)
{
    weir_slab *slab = weir_memory_slab(state->memory);
    weir_entity *entity = weir_slab_take(slab, entity_size(key.size));
    if (!entity)
        return WEIR_FULL;
    *entity = (weir_entity){.hash = hash, .applied_offset = -1, .key_size = (uint16_t)key.size};
    if (key.size)
        memcpy(entity->key, key.data, key.size);
    weir_status status = fill(state, entity);
    if (!status)
        status = weir_table_insert(&state->table, entity);
    if (status) {
        weir_history_clear(&entity->history, slab);
        weir_slab_give(slab, entity, entity_size(key.size));
        return status;
    }
    ring_add(state, entity);
    count_events(state, entity);
    *entity_out = entity;
    return WEIR_OK;
}

weir_status weir_state_touch(weir_state *state, weir_span key, uint64_t hash, weir_entity **entity_out)
{
    weir_entity *entity = weir_table_find(&state->table, hash, key);
    if (entity) {
        entity->recent = true;
        *entity_out = entity;
        return WEIR_OK;
    }
    if (key.size > WEIR_RECORD_TOKEN_MAX)
        return WEIR_INVALID;
    return bring_in(state, key, hash, entity_out);
}

void weir_state_prefetch_slot(const weir_state *state, uint64_t hash)
{
    weir_table_prefetch(&state->table, hash);
}

void weir_state_prefetch_entity(const weir_state *state, uint64_t hash, size_t key_size)
{
    const weir_entity *entity = weir_table_peek(&state->table, hash);
    size_t size = entity_size(key_size);
    if (!entity)
        return;
    for (size_t at = 0; at < size; at += WEIR_CACHE_LINE)
        weir_prefetch_to_write((const char *)entity + at);
}

static void mark_dirty(weir_state *state, weir_entity *entity)
{
    if (entity->dirty)
        return;
    entity->dirty = true;
    entity->dirty_next = state->dirty_first;
    state->dirty_first = entity;
    state->stats.cards_dirty++;
}

void weir_state_applied(weir_state *state, weir_entity *entity, int64_t offset)
{
    weir_check(offset > entity->applied_offset);
    entity->applied_offset = offset;
    if (offset > state->newest_applied)
        state->newest_applied = offset;
    count_events(state, entity);
    if (state->dirty_since_offset < 0)
        state->dirty_since_offset = offset;
    mark_dirty(state, entity);
}

void weir_state_changed(weir_state *state, weir_entity *entity)
{
    mark_dirty(state, entity);
}

void weir_state_untouch(weir_state *state, weir_entity *entity)
{
    bool stored = entity->handed_serial > 0 || entity->applied_offset >= 0;
    if (!stored && !entity->dirty && entity->history.event_count == 0)
        weir_entity_free(state, entity);
}

/* ---- eviction: the clock ---- */

size_t weir_state_evict(weir_state *state, size_t card_max)
{
    size_t evicted = 0;
    for (size_t seen = 0; seen < card_max && state->hand && weir_memory_tight(state->memory); seen++) {
        weir_entity *entity = state->hand;
        state->hand = entity->clock_next;
        weir_prefetch(state->hand->clock_next);
        if (entity->recent) {
            entity->recent = false;
            continue;
        }
        if (!weir_entity_clean(state, entity))
            continue;
        weir_entity_free(state, entity);
        evicted++;
    }
    state->stats.evictions += evicted;
    /* Room is wanted and most of what was looked at waits for the disk: do not wait for the interval. */
    state->sweep_wanted |= state->hand && weir_memory_tight(state->memory) && evicted < card_max / 8;
    return evicted;
}

/* ---- figures ---- */

void weir_state_stats_read(const weir_state *state, weir_state_stats *stats_out)
{
    *stats_out = state->stats;
    stats_out->cards_resident = state->table.count;
    stats_out->memory_used = weir_memory_used(state->memory);
    stats_out->store_size = state->store->ops->size(state->store);
    stats_out->replay_from = state->meta.replay_from;
    bool swept = state->phase != WEIR_SWEEP_IDLE && state->sweep_since_offset >= 0;
    stats_out->oldest_dirty_offset = swept                ? state->sweep_since_offset
                                     : state->dirty_first ? state->dirty_since_offset
                                                          : -1;
}

void weir_state_disable_barrier(weir_state *state)
{
    state->barrier_off = true;
}
