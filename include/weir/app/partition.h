/* One lane as its worker holds it: a partition of a stage's topic, with state, ledger, position.
 *
 *            open                begin               position reaches live_from
 *   (none) ───────> OPEN ───────────────> REPLAYING ────────────────────────────> LIVE
 *                    │                        │  ┌────────── too many dead letters ──┤
 *                    │                        │  v            resume                 │
 *                    │                      BRAKED ─────────────────────────────────>│
 *                    └────────── drain ───────┴────────────> DRAINING ── close ──> (none)
 *
 * Positions, marks and what is acknowledged or committed are *sequences*: in the first stage offsets of the
 * transactions topic; behind it a record is a batch, and a sequence is its offset and the entry's index in it.
 *
 * Thread: the worker's, except what is published.
 */
#ifndef WEIR_APP_PARTITION_H
#define WEIR_APP_PARTITION_H

#include "weir/app/label_inbox.h"
#include "weir/app/seen.h"
#include "weir/emit/hops.h"
#include "weir/emit/ledger.h"
#include "weir/state/state.h"

#include <stdatomic.h>

typedef enum weir_phase {
    WEIR_PHASE_NONE,
    WEIR_PHASE_OPEN,      /* state is open; no record has been asked for */
    WEIR_PHASE_REPLAYING, /* rebuilding what the last checkpoint lacks: silent until the marks */
    WEIR_PHASE_LIVE,
    WEIR_PHASE_BRAKED,    /* too many dead letters: paused until an operator resumes it */
    WEIR_PHASE_DRAINING,  /* takes no more records */
    WEIR_PHASE_COUNT
} weir_phase;

/* "replaying" and so on, for logs and metrics. */
const char *weir_phase_name(weir_phase phase);

/* The share of dead letters among the newest records, over a ring of bits. */
enum { WEIR_BRAKE_WINDOW_MAX = 4096 };
typedef struct weir_brake {
    uint32_t window;     /* records looked at; <= WEIR_BRAKE_WINDOW_MAX */
    double share_max;    /* above this share the brake trips; >= 1 never */
    uint32_t seen, at, rejected;
    uint8_t ring[WEIR_BRAKE_WINDOW_MAX];
} weir_brake;

void weir_brake_init(weir_brake *brake, uint32_t window, double share_max);
/* Notes one record. Returns true when the share of the last `window` records (once at least a tenth of the window was
 * seen) is above the maximum. */
bool weir_brake_note(weir_brake *brake, bool rejected);
/* Forgets what was seen, as an operator's resume does. */
void weir_brake_reset(weir_brake *brake);

/* A place in the lane's log and what was true when it was reached. Once everything before it is acknowledged, so is
 * that. */
typedef struct weir_milestone {
    int64_t position;
    int64_t clock_us; /* newest event time before it */
    int64_t set_us;   /* monotonic */
    int64_t *ends;    /* of alerts' and scores' partitions then: behind them is what it has emitted since; or NULL */
} weir_milestone;

/* Clocks under way at a time: a round trip to the broker has a few batches in it. */
enum { WEIR_CLOCK_MAX = 16 };

typedef struct weir_partition {
    int32_t lane;
    size_t stage;
    int32_t number;          /* of its topic */
    _Atomic int phase;       /* weir_phase; written by the worker, read by anyone */
    weir_state *state;
    weir_ledger ledger;
    weir_brake brake;
    int64_t position;        /* next offset to process */
    int64_t through;         /* position up to which the poll in hand is worked off, but for its hops; -1: nothing is */
    weir_hops *hops;         /* NULL in the last stage */
    uint64_t hops_shown;     /* records the metrics have */
    int64_t live_from;       /* from here on this life emits */
    int64_t event_clock_us;  /* newest event time seen */
    int64_t waiting_us;      /* event time of the record it is held before; INT64_MIN: none */
    bool held;               /* its lane is */
    int64_t noted_clock_us;  /* the event clock that other workers were told last ... */
    int64_t noted_us;        /* ... and since when: monotonic */
    weir_milestone clocks[WEIR_CLOCK_MAX];   /* those not yet acknowledged, oldest first: a ring */
    uint32_t clock_head, clock_count;
    weir_milestone ends_ahead, ends_passed;  /* where the lane scores for other partitions than its own */
    int64_t emitted_until;   /* behind this, an earlier life cannot have emitted; the ledger's set is then dropped */
    /* the first stage */
    int32_t label_lane;      /* -1: none */
    bool label_lane_held;
    weir_label_inbox labels;
    int64_t labels_next_us;  /* time of the oldest in the inbox not looked at yet; INT64_MAX: all were */
    int64_t labels_newest_us; /* time of the newest that came; INT64_MIN: none */
    int64_t labels_asked_us; /* monotonic: since when it waits for the label log; 0 = it does not */
    int64_t labels_tried_us; /* monotonic: when labels were last looked at without an event to look for */
    /* the stages behind it: what has been applied of each partition of the stage before, events and labels */
    int64_t *sources; /* the last event's sequence */
    weir_seen *label_sources;
    uint32_t source_count;
    uint64_t sweeps_shown;   /* checkpoints whose duration the metrics have */
    _Atomic bool store_failing; /* the last checkpoint could not be written; it is tried again */
    _Atomic bool wants_commit;  /* the checkpoint waits for nothing but the group's commit */
    _Atomic int pace;                     /* weir_pace, of the first stage */
    _Atomic int64_t clock_us;             /* event time up to which all is acknowledged */
    _Atomic int64_t published_position;   /* an offset */
    _Atomic int64_t acked_below;     /* worker -> service: what may be committed */
    _Atomic int64_t committed_below; /* service -> worker: what the group has committed */
} weir_partition;

/* Between sequences and offsets of the lane's topic. */
static inline int64_t weir_sequence_of(size_t stage, int64_t offset)
{
    return stage == 0 || offset < 0 ? offset : offset << WEIR_HOP_ENTRY_BITS;
}
/* The offset of the record a sequence is in: the next one to read, for a position. */
static inline int64_t weir_sequence_offset(size_t stage, int64_t sequence)
{
    return stage == 0 || sequence < 0 ? sequence : sequence >> WEIR_HOP_ENTRY_BITS;
}

#endif
