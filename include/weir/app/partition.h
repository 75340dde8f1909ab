/* One input partition as its worker holds it: state, ledger, position.
 *
 *            open                begin               position reaches live_from
 *   (none) ───────> OPEN ───────────────> REPLAYING ────────────────────────────> LIVE
 *                    │                        │  ┌────────── too many dead letters ──┤
 *                    │                        │  v            resume                 │
 *                    │                      BRAKED ─────────────────────────────────>│
 *                    └────────── drain ───────┴────────────> DRAINING ── close ──> (none)
 *
 * Thread: the worker's, except the two published offsets.
 */
#ifndef WEIR_APP_PARTITION_H
#define WEIR_APP_PARTITION_H

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

typedef struct weir_partition {
    int32_t number;
    _Atomic int phase;       /* weir_phase; written by the worker, read by anyone */
    weir_state *state;
    weir_ledger ledger;
    weir_brake brake;
    int64_t position;        /* next offset to process */
    int64_t live_from;       /* from here on this life emits */
    int64_t event_clock_us;  /* newest event time seen */
    uint64_t sweeps_shown;   /* checkpoints whose duration the metrics have */
    _Atomic bool store_failing; /* the last checkpoint could not be written; it is tried again */
    _Atomic int64_t published_position;
    _Atomic int64_t acked_below;     /* worker -> service: what may be committed */
    _Atomic int64_t committed_below; /* service -> worker: what the group has committed */
} weir_partition;

#endif
