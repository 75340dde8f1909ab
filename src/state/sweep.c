/* The sweep: a fuzzy checkpoint in slices, between batches of events.
 *
 *            due                 list empty             share done           final batch durable
 *   IDLE ───────────> ENCODING ─────────────> PURGING ─────────────> CLOSING ─────────────────────> IDLE
 *          O := position                                  meta: replay_from = O
 *
 * Two batches: one fills on the worker while the other is with the committer, which takes them one at a time and so in
 * order; the final one, with replay_from, is the last by construction. A sealed batch waits for the barrier. A commit
 * that fails keeps its batch and is tried again, later and later; meanwhile the other batch fills up and then encoding
 * pauses: memory stays bounded, and the dirty cards simply stay dirty. */
#include "internal.h"

#include "weir/base/check.h"
#include "weir/base/prefetch.h"
#include "weir/base/units.h"

enum { COST_EVENTS = 128 }; /* a card costs one for itself and one for each so many events */

#define RETRY_DELAY_MIN_US (100 * WEIR_US_PER_MS)
#define RETRY_DELAY_MAX_US (10 * WEIR_US_PER_SECOND)

/* ---- reap: what the committer brought back ---- */

/* The meta record as the sweep under way will leave it. A sweep that only brought labels stays at its position, and
 * what came before that position stays what it was: purging goes by it. */
static weir_meta meta_after(const weir_state *state)
{
    weir_meta meta = state->meta;
    if (meta.replay_from != state->sweep_position)
        meta.replay_from_previous = meta.replay_from;
    meta.replay_from = state->sweep_position;
    meta.serial++;
    return meta;
}

static void copy_note(weir_note *to, const weir_note *from)
{
    to->size = from->size;
    memcpy(to->bytes, from->bytes, from->size);
}

static void finish_sweep(weir_state *state, int64_t now_us)
{
    state->meta = meta_after(state);
    copy_note(&state->note_stored, &state->note_taken);
    state->stats.sweeps++;
    state->stats.last_sweep_us = now_us;
    state->stats.sweep_duration_us = now_us - state->sweep_begun_us;
    state->purging_count = 0;
    state->phase = WEIR_SWEEP_IDLE;
}

static void reset_pending(weir_pending *pending)
{
    weir_store_batch_reset(&pending->batch);
    pending->applied_offset_max = -1;
    pending->card_count = 0;
    pending->sealed = pending->final = false;
}

static void reap_success(weir_state *state, weir_pending *pending, int64_t now_us)
{
    weir_check(pending->serial == state->committed_serial + 1);
    state->committed_serial = pending->serial;
    state->committing = false;
    state->failure = WEIR_OK;
    state->retry_delay_us = 0;
    state->stats.cards_written += pending->card_count;
    state->stats.bytes_written += pending->batch.used;
    state->stats.commit_duration_us = state->job.duration_us;
    bool final = pending->final;
    reset_pending(pending);
    if (final)
        finish_sweep(state, now_us);
}

static void reap_failure(weir_state *state, int64_t now_us)
{
    state->failure = state->job.status;
    state->stats.commit_failures++;
    int64_t delay_us = 2 * state->retry_delay_us;
    if (delay_us < RETRY_DELAY_MIN_US)
        delay_us = RETRY_DELAY_MIN_US;
    state->retry_delay_us = delay_us < RETRY_DELAY_MAX_US ? delay_us : RETRY_DELAY_MAX_US;
    state->retry_at_us = now_us + state->retry_delay_us;
}

static int job_phase(weir_state *state)
{
    return atomic_load_explicit(&state->job.phase, memory_order_acquire);
}

static void submit(weir_state *state)
{
    state->job.batch = &state->pending[1 - state->filling].batch;
    weir_committer_submit(state->committer, &state->job);
}

static void reap(weir_state *state, int64_t now_us)
{
    if (!state->committing)
        return;
    if (job_phase(state) == WEIR_JOB_IDLE) { /* it failed and waits for its next try */
        if (now_us >= state->retry_at_us)
            submit(state);
        return;
    }
    if (!weir_committer_poll(state->committer, &state->job))
        return;
    atomic_store_explicit(&state->job.phase, WEIR_JOB_IDLE, memory_order_relaxed);
    if (state->job.status)
        reap_failure(state, now_us);
    else
        reap_success(state, &state->pending[1 - state->filling], now_us);
}

/* ---- begin ---- */

static void take_note(weir_state *state)
{
    weir_note *note = &state->note_taken;
    note->size = state->options.note ? state->options.note(state->options.note_context, note->bytes) : 0;
    weir_check(note->size <= WEIR_STATE_NOTE_MAX);
}

/* Whether the note now is another than the one stored. */
static bool note_moved(weir_state *state)
{
    take_note(state);
    const weir_note *taken = &state->note_taken, *stored = &state->note_stored;
    return taken->size != stored->size || memcmp(taken->bytes, stored->bytes, taken->size);
}

/* Labels of unknown events move nothing but the note: it is compared once an interval, and stored when it differs. */
static bool note_due(weir_state *state, int64_t now_us)
{
    if (now_us - state->note_looked_us < state->options.sweep_interval_us)
        return false;
    state->note_looked_us = now_us;
    return note_moved(state);
}

/* Whether something but the note changed since the last sweep began: an event moves the position, a label does not. */
static bool moved(const weir_state *state, int64_t position)
{
    return state->dirty_first || position != state->meta.replay_from;
}

static bool due(weir_state *state, int64_t position, int64_t now_us)
{
    if (!state->stepped) {
        state->stepped = true;
        state->sweep_begun_us = state->note_looked_us = now_us;
    }
    if (state->meta.replay_from < 0)
        return true; /* an empty store learns at once where its state begins */
    if (!moved(state, position))
        return note_due(state, now_us);
    return state->sweep_wanted || now_us - state->sweep_begun_us >= state->options.sweep_interval_us;
}

static void begin(weir_state *state, int64_t position, int64_t now_us)
{
    weir_check(state->phase == WEIR_SWEEP_IDLE && !state->committing);
    state->phase = WEIR_SWEEP_ENCODING;
    state->sweep_position = position;
    state->sweep_begun_us = state->note_looked_us = now_us;
    take_note(state);
    state->sweep_wanted = false;
    state->sweep_first = state->dirty_first;
    state->sweep_since_offset = state->dirty_since_offset;
    state->dirty_first = NULL;
    state->dirty_since_offset = -1;
    state->purge_seen = 0;
}

/* ---- encode ---- */

static weir_pending *filling(weir_state *state)
{
    return &state->pending[state->filling];
}

static void seal_if_full(weir_state *state)
{
    weir_pending *pending = filling(state);
    pending->sealed = pending->card_count >= state->options.batch_card_max ||
                      pending->batch.used >= state->options.batch_size_max;
}

/* A chunk's header and the lines of its first `event_count` events. */
static void prefetch_chunk(const weir_chunk *chunk, size_t event_count)
{
    weir_prefetch_block(chunk, offsetof(weir_chunk, events) + event_count * sizeof *chunk->events);
}

static void prefetch_history(const weir_history *history)
{
    size_t count = history->event_count;
    if (count == 0)
        return;
    size_t in_last = (count - 1) % WEIR_CHUNK_EVENT_MAX + 1; /* where no chunk was ever split */
    if (history->first != history->last)
        prefetch_chunk(history->first, WEIR_CHUNK_EVENT_MAX);
    prefetch_chunk(history->last, in_last);
}

/* The dirty list is a chain of cache misses. Each step asks for the entity six cards ahead and for the history of the
 * one three ahead, whose entity has arrived by then, and so waits for neither. */
enum { ENTITY_AHEAD = 6, HISTORY_AHEAD = 3 };

typedef struct lookahead {
    const weir_entity *entity, *history;
} lookahead;

static const weir_entity *ahead_of(const weir_entity *entity, int distance)
{
    for (; entity && distance > 0; distance--)
        entity = entity->dirty_next;
    return entity;
}

static lookahead look_from(const weir_entity *first)
{
    return (lookahead){.entity = ahead_of(first, ENTITY_AHEAD - 1), .history = ahead_of(first, HISTORY_AHEAD - 1)};
}

static void look_ahead(lookahead *ahead)
{
    if (ahead->entity && (ahead->entity = ahead->entity->dirty_next)) {
        weir_prefetch_block(ahead->entity, 2 * WEIR_CACHE_LINE);
    }
    if (ahead->history && (ahead->history = ahead->history->dirty_next))
        prefetch_history(&ahead->history->history);
}

static weir_status encode_some(weir_state *state)
{
    weir_pending *pending = filling(state);
    lookahead ahead = look_from(state->sweep_first);
    for (size_t cost = 0; state->sweep_first && !pending->sealed && cost < state->options.step_card_max;) {
        look_ahead(&ahead);
        weir_entity *entity = state->sweep_first;
        weir_status status = weir_save_card(state, entity, pending);
        if (status)
            return status;
        cost += 1 + entity->history.event_count / COST_EVENTS;
        state->sweep_first = entity->dirty_next;
        entity->dirty = false;
        entity->handed_serial = pending->serial;
        state->stats.cards_dirty--;
        seal_if_full(state);
    }
    if (!state->sweep_first)
        state->phase = WEIR_SWEEP_PURGING;
    return WEIR_OK;
}

/* ---- purge, close, hand over ---- */

static weir_status purge_some(weir_state *state, int64_t clock_event_time_us)
{
    bool done = false;
    weir_status status = weir_purge_some(state, filling(state), clock_event_time_us, &done);
    if (!status && done)
        state->phase = WEIR_SWEEP_CLOSING;
    return status;
}

static weir_status put_final(weir_state *state)
{
    weir_pending *pending = filling(state);
    weir_meta meta = meta_after(state);
    weir_status status = weir_meta_put(&pending->batch, &meta, &state->note_taken);
    pending->sealed = pending->final = status == WEIR_OK;
    return status;
}

/* The barrier: a card on disk that is ahead of an output not yet acknowledged would, after a crash, be skipped by the
 * replay that has to produce the output again. A card that a label made dirty while the replay is still behind it came
 * from the disk, which had it behind this barrier: what counts is what was applied since. */
static bool covered(const weir_state *state, const weir_pending *pending, int64_t acked_below)
{
    if (state->barrier_off)
        return true;
    int64_t applied_max = pending->applied_offset_max < state->newest_applied ? pending->applied_offset_max
                                                                              : state->newest_applied;
    return acked_below > applied_max && (!pending->final || acked_below >= state->sweep_position);
}

static void hand_over(weir_state *state, int64_t acked_below)
{
    weir_pending *pending = filling(state);
    if (!pending->sealed || state->committing || !covered(state, pending, acked_below))
        return;
    state->handed_serial = pending->serial;
    state->committing = true;
    state->filling = 1 - state->filling;
    submit(state);
}

bool weir_state_is_held_up(const weir_state *state, int64_t acked_below, int64_t reachable_below, int64_t now_us)
{
    const weir_pending *pending = &state->pending[state->filling];
    bool waits = pending->sealed && !state->committing && !covered(state, pending, acked_below);
    bool is_late = now_us - state->sweep_begun_us > state->options.sweep_interval_us;
    return waits && (is_late || weir_memory_tight(state->memory)) && covered(state, pending, reachable_below);
}

/* One slice of whatever the phase asks for, into the batch being filled. */
static weir_status advance(weir_state *state, int64_t clock_event_time_us)
{
    weir_pending *pending = filling(state);
    if (pending->sealed)
        return WEIR_OK;
    pending->serial = state->handed_serial + 1;
    switch (state->phase) {
    case WEIR_SWEEP_ENCODING:
        return encode_some(state);
    case WEIR_SWEEP_PURGING:
        return purge_some(state, clock_event_time_us);
    case WEIR_SWEEP_CLOSING:
        /* Not again while its own final batch is under way. */
        return state->committing && state->pending[1 - state->filling].final ? WEIR_OK : put_final(state);
    case WEIR_SWEEP_IDLE:
        break;
    }
    return WEIR_OK;
}

static weir_status report(const weir_state *state, weir_error *error)
{
    if (error && state->failure)
        *error = state->job.error;
    return state->failure;
}

/* Everything of step but the decision to begin. */
static weir_status run(weir_state *state, int64_t acked_below, int64_t clock_event_time_us, weir_error *error)
{
    weir_status status;
    weir_sweep_phase before;
    do { /* a slice of every phase that can be entered now */
        before = state->phase;
        status = advance(state, clock_event_time_us);
    } while (!status && state->phase != before);
    hand_over(state, acked_below);
    if (status)
        return weir_error_set(error, status, "the checkpoint cannot proceed: %s",
                              status == WEIR_FULL ? "no memory for a batch" : "a stored card cannot be read");
    return report(state, error);
}

weir_status weir_state_step(weir_state *state, int64_t position, int64_t acked_below, int64_t now_us,
                            int64_t clock_event_time_us, weir_error *error)
{
    reap(state, now_us);
    if (state->phase == WEIR_SWEEP_IDLE) {
        if (!due(state, position, now_us))
            return WEIR_OK;
        begin(state, position, now_us);
    }
    return run(state, acked_below, clock_event_time_us, error);
}

/* ---- flush ---- */

/* Runs the sweep under way to its end, waiting for the disk; stops at the first failure. */
static weir_status run_to_end(weir_state *state, int64_t acked_below, weir_error *error)
{
    while (state->phase != WEIR_SWEEP_IDLE) {
        weir_status status = run(state, acked_below, INT64_MIN, error);
        if (status && !(state->committing && job_phase(state) == WEIR_JOB_QUEUED))
            return status;
        if (!state->committing)
            continue;
        if (job_phase(state) == WEIR_JOB_QUEUED)
            weir_committer_wait(state->committer, &state->job);
        reap(state, state->sweep_begun_us);
        if (state->failure)
            return report(state, error);
    }
    return WEIR_OK;
}

weir_status weir_state_flush(weir_state *state, int64_t position, int64_t acked_below, weir_error *error)
{
    weir_check(acked_below >= position);
    if (state->committing && job_phase(state) == WEIR_JOB_IDLE) {
        state->failure = WEIR_OK; /* a failed commit gets its next try now */
        submit(state);
    }
    weir_status status = run_to_end(state, acked_below, error);
    if (status || (!moved(state, position) && !note_moved(state)))
        return status;
    begin(state, position, state->sweep_begun_us);
    return run_to_end(state, acked_below, error);
}
