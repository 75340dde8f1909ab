/* What the files of state/ share: one partition's table, its sweep, and the batches under way. Read state.h first.
 *
 *   meta.c   the meta record: identity, replay_from and the note
 *   load.c   a card's records -> a history
 *   save.c   an entity -> records in a batch
 *   purge.c  idle cards -> deletes in a batch
 *   sweep.c  what is due, in slices: encode, purge, hand over, reap
 *   state.c  open, touch, applied, evict, close
 */
#ifndef WEIR_STATE_INTERNAL_H
#define WEIR_STATE_INTERNAL_H

#include "committer.h"
#include "record.h"
#include "table.h"
#include "weir/state/state.h"

typedef struct weir_meta {
    weir_state_identity identity;
    int64_t replay_from;          /* -1: none yet */
    int64_t replay_from_previous; /* -1: none yet */
    uint64_t serial;              /* sweeps committed */
} weir_meta;

typedef struct weir_note { /* what the caller keeps beside replay_from; see weir_state_options */
    size_t size;
    uint8_t bytes[WEIR_STATE_NOTE_MAX];
} weir_note;

/* ---- meta.c ---- */
/* Puts the meta record with its note into a batch. WEIR_FULL. */
WEIR_MUST_USE weir_status weir_meta_put(weir_store_batch *batch, const weir_meta *meta, const weir_note *note);
/* Reads it; note_out may be NULL. WEIR_NOT_FOUND, WEIR_CORRUPT, WEIR_UNSUPPORTED, WEIR_IO. */
WEIR_MUST_USE weir_status weir_meta_get(weir_store *store, weir_meta *meta_out, weir_note *note_out, weir_error *error);
/* Whether a state of `stored` may go on as `wanted`; WEIR_REFUSED with the way out. */
WEIR_MUST_USE weir_status weir_meta_accept(const weir_state_identity *stored, const weir_state_identity *wanted,
                                           weir_error *error);

/* ---- load.c ---- */
/* A card's history from the store. WEIR_NOT_FOUND, WEIR_CORRUPT, WEIR_UNSUPPORTED, WEIR_FULL, WEIR_IO. */
WEIR_MUST_USE weir_status weir_load_card(weir_store *store, weir_slab *slab, uint64_t hash, weir_span token,
                                         weir_history *history_out, int64_t *applied_offset_out);

/* A batch on its way: filling, then sealed, then with the committer until it is durable. */
typedef struct weir_pending {
    weir_store_batch batch;
    int64_t applied_offset_max; /* of the cards in it: the barrier; -1 when there are none */
    size_t card_count;
    uint64_t serial;
    bool sealed, final;
} weir_pending;

typedef enum weir_sweep_phase {
    WEIR_SWEEP_IDLE,
    WEIR_SWEEP_ENCODING, /* cards that were dirty at its start */
    WEIR_SWEEP_PURGING,  /* a slice of the idle cards */
    WEIR_SWEEP_CLOSING,  /* the final batch waits for the barrier or the disk */
} weir_sweep_phase;

struct weir_state {
    weir_store *store;
    weir_memory *memory;
    weir_committer *committer;
    weir_state_options options;
    weir_meta meta;
    weir_table table;

    weir_entity *hand; /* of the clock: a ring of all residents; NULL when there are none */
    weir_entity *dirty_first;
    int64_t dirty_since_offset; /* first offset applied since that list was begun; -1: only labels, or nothing */
    int64_t newest_applied;     /* last offset applied since the state was opened; -1: none */
    bool sweep_wanted;          /* eviction found too few clean cards */

    weir_sweep_phase phase;
    weir_entity *sweep_first;
    int64_t sweep_position, sweep_since_offset, sweep_begun_us;
    bool stepped;                      /* sweep_begun_us is set */
    int64_t note_looked_us;            /* when a note was last taken or compared */
    weir_note note_stored, note_taken; /* the durable one, and that of the sweep under way (pages come as needed) */

    weir_pending pending[2];
    unsigned filling; /* which of them; the other is free or committing */
    bool committing;
    uint64_t handed_serial, committed_serial;
    weir_commit_job job;
    weir_status failure; /* of the last commit; OK once it went through */
    int64_t retry_at_us, retry_delay_us;

    uint8_t *scratch; /* of save.c: one card record being written */
    size_t scratch_size;
    weir_record_runs runs_new, runs_old;

    weir_record_key purge_next; /* where the next slice begins; size 0: at the beginning */
    size_t purge_seen;          /* cards looked at in this sweep */
    uint64_t *purging;          /* hashes whose deletes are not durable yet */
    size_t purging_count, purging_size;

    weir_state_stats stats;
    bool barrier_off; /* tests only: shows that schedules fail without the barrier */
};

/* ---- save.c ---- */
/* Appends the entity's records to the batch being filled. On failure the batch is as before.
 * WEIR_FULL, WEIR_CORRUPT, WEIR_IO. */
WEIR_MUST_USE weir_status weir_save_card(weir_state *state, weir_entity *entity, weir_pending *pending);

/* ---- purge.c ---- */
/* Looks at some stored cards and appends deletes of the idle ones. *done_out: this sweep's share is through. */
WEIR_MUST_USE weir_status weir_purge_some(weir_state *state, weir_pending *pending, int64_t clock_event_time_us,
                                          bool *done_out);
/* Whether a delete of that hash is under way. */
bool weir_purge_pending(const weir_state *state, uint64_t hash);

/* ---- state.c ---- */
/* Whether the store holds exactly what the entity holds, so that it may leave RAM. */
static inline bool weir_entity_clean(const weir_state *state, const weir_entity *entity)
{
    return !entity->dirty && entity->handed_serial <= state->committed_serial;
}
/* Takes a clean entity out of RAM. */
void weir_entity_free(weir_state *state, weir_entity *entity);

/* Only for tests: lets batches go before their outputs are acknowledged. */
void weir_state_disable_barrier(weir_state *state);

#endif
