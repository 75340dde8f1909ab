/* Keeps the source partitions together in event time while they catch up.
 *
 * At full speed one partition may be weeks of event time ahead of another, and the history of a terminal, which gathers
 * from all of them, would lack the one's past while it has the other's future. So no partition goes further than the
 * slowest one's clock plus a bound:
 *
 *   p0 ───────────────●                      slowest, not held
 *   p1 ─────────────────────●
 *   p2 ──────────────────────────────●│      held at the limit
 *                     └── drift_max ──┘
 *
 * A partition's clock is the event time up to which everything it caused is acknowledged, so that what another process
 * does next comes behind it in every log. A partition that has nothing left to read, or that keeps up with the present,
 * holds nobody up; one that is silent for idle_us is waited for no more. Clocks travel between processes as small
 * messages (weir_group_ops.say).
 *
 * Nothing here waits, asks the time, or is shared between threads: the service's thread keeps it and publishes the
 * limit.
 */
#ifndef WEIR_APP_ALIGNMENT_H
#define WEIR_APP_ALIGNMENT_H

#include "weir/base/cursor.h"
#include "weir/base/status.h"

typedef enum weir_pace { /* of a source partition */
    WEIR_PACE_UNHEARD,
    WEIR_PACE_BEHIND,  /* has a backlog: others wait for it */
    WEIR_PACE_HELD,    /* waits for others itself */
    WEIR_PACE_CURRENT, /* read to its end, or at the present */
    WEIR_PACE_COUNT
} weir_pace;

typedef struct weir_alignment_entry {
    weir_pace pace;
    int64_t clock_us;  /* event time; INT64_MIN: nothing acknowledged yet */
    int64_t moved_us;  /* when pace or clock last showed life, on the caller's clock */
} weir_alignment_entry;

typedef struct weir_alignment {
    weir_alignment_entry *entries; /* by partition */
    int32_t partition_count;
    int64_t drift_us_max, idle_us, begun_us;
} weir_alignment;

/* now_us: any steady clock, the same in all calls. Owns: entries, until deinit. Fails: WEIR_FULL without memory. */
WEIR_MUST_USE weir_status weir_alignment_init(weir_alignment *alignment, int32_t partition_count, int64_t drift_us_max,
                                              int64_t idle_us, int64_t now_us);
void weir_alignment_deinit(weir_alignment *alignment);

/* Notes how a partition does, ours or one heard of. */
void weir_alignment_note(weir_alignment *alignment, int32_t partition, weir_pace pace, int64_t clock_us,
                         int64_t now_us);

/* The event time up to which any partition may go now; INT64_MAX: no bound, INT64_MIN: none may go. */
int64_t weir_alignment_limit(const weir_alignment *alignment, int64_t now_us);

/* Messages: begin, an entry a partition; and the way back, which notes every entry. hear is false for a message that
 * is none or of another version, of which nothing is noted. */
void weir_alignment_say_begin(weir_writer *message);
void weir_alignment_say(weir_writer *message, int32_t partition, weir_pace pace, int64_t clock_us);
bool weir_alignment_hear(weir_alignment *alignment, weir_span message, int64_t now_us);

#endif
