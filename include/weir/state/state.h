/* One lane's entities (a partition's cards, or a stage partition's terminals): a table in RAM over a durable store,
 * with fuzzy checkpoints.
 *
 * Rules (the argument is in ARCHITECTURE.md), each with its reason in src/state/README.md:
 *  - an event is applied to a card only if its offset is newer than the card's applied_offset;
 *  - a sweep starts at position O, encodes every card that was dirty at its start (on the worker's thread, a few per
 *    step), hands batches to a committer, and when all are durable commits replay_from = O;
 *  - a batch is handed over only when every output caused by offsets it contains has been acknowledged
 *    (the barrier): acked_below > the largest applied_offset in it;
 *  - clean cold cards are evicted when the memory bound asks for it and read back on return.
 *
 * Thread: everything here belongs to the partition's worker, except the commits, which run on the committer.
 */
#ifndef WEIR_STATE_STATE_H
#define WEIR_STATE_STATE_H

#include "weir/base/slab.h"
#include "weir/core/history.h"
#include "weir/core/plan.h"
#include "weir/state/store.h"

/* ---- memory: one a worker, shared by its partitions ---- */
typedef struct weir_memory weir_memory;
enum { WEIR_MEMORY_BYTES_MIN = 8 << 20 };
/* A slab over mmap with a soft bound in bytes (cards, histories, table). The worker keeps what is in use below it by
 * evicting; what the slab holds of the system may be up to a quarter more, in blocks of sizes nobody asks for any more.
 * Fails: WEIR_INVALID below WEIR_MEMORY_BYTES_MIN (8 MiB). */
WEIR_MUST_USE weir_status weir_memory_open(uint64_t bytes_max, weir_memory **memory_out, weir_error *error);
/* Takes all of the bound from the system now and has every page of it backed, so that no event waits for that later.
 * Cost: 0.2 to 0.5 s a GiB; several times as long where a virtual machine's host has not backed the pages before.
 * Expects: nothing taken from the slab yet. Fails: WEIR_FULL when the system does not have as much. */
WEIR_MUST_USE weir_status weir_memory_prefault(weir_memory *memory, weir_error *error);
weir_slab *weir_memory_slab(weir_memory *memory);
uint64_t weir_memory_used(const weir_memory *memory);
/* Whether a worker should evict (used > bound - headroom of one batch). */
bool weir_memory_tight(const weir_memory *memory);
/* Whether the bound is reached: what more comes in has to wait for what can be evicted. */
bool weir_memory_full(const weir_memory *memory);
void weir_memory_close(weir_memory *memory);

/* ---- committer: runs store commits in the background ---- */
typedef struct weir_committer weir_committer;
/* Starts the checkpointer thread (threaded), or makes one whose commits run inside weir_state_step (simulator, tests).
 * Fails: WEIR_FULL. */
WEIR_MUST_USE weir_status weir_committer_open(bool threaded, weir_committer **committer_out, weir_error *error);
void weir_committer_close(weir_committer *committer); /* waits for what was handed over */

/* ---- state ---- */
typedef struct weir_entity {
    weir_history history;
    uint64_t hash;          /* of the key */
    int64_t applied_offset; /* last offset applied; -1 = none */
    /* the rest belongs to state/: lists, marks, key bytes */
    struct weir_entity *dirty_next;
    struct weir_entity *clock_previous, *clock_next;
    uint64_t handed_serial;  /* the batch its last encoding travels in */
    uint32_t counted_events; /* its share of stats.events_retained */
    uint16_t key_size;
    bool dirty : 1;   /* on a dirty list: not yet encoded by the sweep */
    bool recent : 1;  /* touched since the clock's hand passed */
    bool chunked : 1; /* its last encoding has chunk records */
    uint8_t key[];
} weir_entity;

typedef struct weir_state_identity { /* what a store is a state of; a mismatch is refused */
    char cluster_id[64], topic[250], entity[16];
    int32_t partition, partition_count;
    int64_t horizon_us;
} weir_state_identity;

typedef struct weir_state_options {
    weir_state_identity identity;
    int64_t sweep_interval_us; /* at most this long between sweep starts; default 10 s */
    size_t step_card_max;      /* cards encoded per step: bounds the worker's pause */
    size_t batch_card_max;     /* cards a transaction, 20-50k */
    size_t batch_size_max;     /* bytes a transaction */
    /* What belongs to the position a checkpoint begins at besides the entities: how far the labels were, what was last
     * applied from each source. Called on the worker's thread at the moment a sweep begins; writes up to
     * WEIR_STATE_NOTE_MAX bytes, returns how many. It becomes durable with replay_from, in one transaction. NULL: no
     * note. Called also once a sweep interval while nothing else is due, to see whether it changed: a note has to be a
     * function of what was done, or an idle state would write for ever. What it says was done must not need to be done
     * again: the barrier knows outputs of events only, so labels count from when their own outputs are acknowledged. */
    size_t (*note)(void *context, uint8_t *note_out);
    void *note_context;
} weir_state_options;

enum { WEIR_STATE_NOTE_MAX = 64 * 1024 };

typedef struct weir_state weir_state;

/* Opens the state over a store, which it then owns (on failure it stays the caller's).
 * *replay_from_out: where to read from, or -1 for an empty store. An empty store learns where it begins from the first
 * step, or better from weir_state_flush(state, start, start) before the first event: until that is durable, a crash
 * finds an empty store again, and a group offset committed meanwhile would hide the events before it.
 * Fails: WEIR_REFUSED when the store belongs to another cluster, topic, partition count or a longer horizon is asked
 * than it was kept for (the message names the way out); WEIR_CORRUPT. */
WEIR_MUST_USE weir_status weir_state_open(weir_store *store, weir_memory *memory, weir_committer *committer,
                                          const weir_state_options *options, weir_state **state_out,
                                          int64_t *replay_from_out, weir_error *error);

/* The note stored with replay_from when the state was opened, or an empty span (always for an empty store: the first
 * note comes with the first replay_from). Borrowed until the first step or flush. */
weir_span weir_state_note(const weir_state *state);

/* The key of an entity other than the card: the six bytes of the 48-bit hash its events carry (weir_hash48 of the
 * identifier; why: src/state/README.md), and that key's own hash. key_out keeps the bytes. */
enum { WEIR_ENTITY_KEY_SIZE = 6 };
uint64_t weir_entity_key(uint64_t hash48, uint8_t key_out[WEIR_ENTITY_KEY_SIZE]);

/* The entity of a key, loaded from the store or made new. Never moves while in RAM.
 * hash is weir_hash(key).
 * Fails: WEIR_CORRUPT (record fails its CRC), WEIR_UNSUPPORTED, WEIR_IO; WEIR_FULL when memory is: evict between
 *        batches and try again; WEIR_INVALID for a key above 496 bytes. */
WEIR_MUST_USE weir_status weir_state_touch(weir_state *state, weir_span key, uint64_t hash, weir_entity **entity_out);

/* Asks the cache for the table's slot of a hash; once that is there, for its entity, whose key has that size. */
void weir_state_prefetch_slot(const weir_state *state, uint64_t hash);
void weir_state_prefetch_entity(const weir_state *state, uint64_t hash, size_t key_size);

/* Records that the event at `offset` was applied to the entity.
 * Expects: offset > entity->applied_offset (checked): an event is applied once. */
void weir_state_applied(weir_state *state, weir_entity *entity, int64_t offset);

/* Records that the entity changed otherwise (a label): it is written by the next sweep; applied_offset stays, and so
 * does stats.oldest_dirty_offset, which is of events. Wants no barrier: a label that is read again changes nothing. */
void weir_state_changed(weir_state *state, weir_entity *entity);

/* Gives back an entity that touch made new and that got no event, so that asking leaves no trace. Any other stays as
 * it is, so ask freely; `entity` is not to be used afterwards either way. */
void weir_state_untouch(weir_state *state, weir_entity *entity);

/* Gives the sweep some time; cheap when nothing is due. Idle cards may leave RAM: hold no entity across it, nor across
 * evict. clock_event_time_us: the stream's event time, for purging idle cards; INT64_MIN when it is not known.
 * position: the next offset the partition will process; acked_below: every output caused by
 * offsets < this is acknowledged. Returns WEIR_FULL/WEIR_IO when the store cannot be written (disk full: the state goes
 * on in RAM and tries again later; *error tells). */
WEIR_MUST_USE weir_status weir_state_step(weir_state *state, int64_t position, int64_t acked_below, int64_t now_us,
                                          int64_t clock_event_time_us, weir_error *error);

/* Whether the checkpoint under way is late, or memory tight, and it would get on if the barrier were at reachable_below
 * rather than at acked_below: then bringing it there is worth a request. */
bool weir_state_is_held_up(const weir_state *state, int64_t acked_below, int64_t reachable_below, int64_t now_us);

/* Evicts clean cold cards until the memory is no longer tight, or `card_max` were looked at. Returns cards evicted. */
size_t weir_state_evict(weir_state *state, size_t card_max);

/* Sweeps everything at once (drain, tests): returns when replay_from == position is durable.
 * Expects: acked_below >= position (checked). Fails: as step does, at the first failure; what was dirty stays so. */
WEIR_MUST_USE weir_status weir_state_flush(weir_state *state, int64_t position, int64_t acked_below, weir_error *error);

/* Figures of one partition. memory_used is the whole worker's; oldest_dirty_offset is -1 when all events are durable;
 * last_sweep_us is the now_us at which the last sweep ended, sweep_duration_us what it took from its start until it was
 * durable; counters count since open. */
typedef struct weir_state_stats {
    uint64_t cards_resident, cards_dirty, events_retained, memory_used, store_size;
    uint64_t loads, load_misses, evictions, sweeps, cards_written, bytes_written, commit_failures;
    int64_t replay_from, oldest_dirty_offset, last_sweep_us, sweep_duration_us, commit_duration_us;
} weir_state_stats;
void weir_state_stats_read(const weir_state *state, weir_state_stats *stats_out);

/* Closes without a final sweep (a crash may do the same at any time); frees the RAM form and closes the store. */
void weir_state_close(weir_state *state);

/* Offline look at a store (weir state get/stats): decodes one record into a history. */
WEIR_MUST_USE weir_status weir_state_read(weir_store *store, weir_span key, weir_slab *slab, weir_history *history_out,
                                          int64_t *applied_offset_out, weir_error *error);
WEIR_MUST_USE weir_status weir_state_read_identity(weir_store *store, weir_state_identity *identity_out,
                                                   int64_t *replay_from_out, weir_error *error);

typedef struct weir_state_census {
    uint64_t card_count;   /* cards stored, or whatever the entity is */
    uint64_t event_count;  /* events they retain */
    uint64_t chunk_count;  /* records of sealed chunks, which only busy cards have */
    uint64_t record_bytes; /* keys and values; the file itself is larger: store->ops->size */
} weir_state_census;
/* Counts what a store holds, by one pass over all of it. Of values only the heads of card records are looked into.
 * WEIR_IO, WEIR_CORRUPT (a key of no kind weir writes, a card record that fails its CRC), WEIR_UNSUPPORTED. */
WEIR_MUST_USE weir_status weir_state_take_census(weir_store *store, weir_state_census *census_out, weir_error *error);

#endif
