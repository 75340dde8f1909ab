/* Keeps the source lanes of one process close together in event time while they catch up, closer than the alignment has
 * to (alignment.h): it spares the later stages work. An entity's history is cheap to add to at its end; an event that
 * comes behind it moves every window's edges back over what lies between, and the next one moves them forward again.
 *
 * Nothing depends on it: no acknowledgement is waited for, and what another process does is not known. Each worker
 * notes how far its lanes are, and may go on to the slowest of all workers' plus a reach.
 *
 * Thread: any; a lane is noted by its worker.
 */
#ifndef WEIR_APP_NEARBY_H
#define WEIR_APP_NEARBY_H

#include "weir/base/status.h"

#include <stdatomic.h>
#include <stdint.h>

typedef struct weir_nearby {
    _Atomic int64_t *clocks; /* by lane: newest event time; INT64_MAX: not to be waited for */
    int32_t lane_count;
    int64_t reach_us;
} weir_nearby;

/* Nobody is waited for yet. Owns: clocks, until deinit. Fails: WEIR_FULL without memory. */
WEIR_MUST_USE weir_status weir_nearby_init(weir_nearby *nearby, int32_t lane_count, int64_t reach_us);
void weir_nearby_deinit(weir_nearby *nearby);

void weir_nearby_note(weir_nearby *nearby, int32_t lane, int64_t clock_us);

/* The event time up to which any lane should go now; INT64_MAX: as far as there is. A lane that has seen nothing yet
 * (INT64_MIN) does not bound the others. */
int64_t weir_nearby_limit(const weir_nearby *nearby);

#endif
