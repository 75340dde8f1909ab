/* Where a lane begins: decided from what the broker, the group, the outputs and the local state say. Everything here is
 * an offset of the lane's topic.
 *
 *   log_start ... replay_from ... committed <= mark ... log_end
 *                     └── silent replay ──┘└── emitting ──>
 *
 * A pure function of its inputs, so that every combination has a test. See ARCHITECTURE.md, "Recovery".
 */
#ifndef WEIR_APP_RECOVERY_H
#define WEIR_APP_RECOVERY_H

#include "weir/broker/broker.h"

typedef struct weir_recovery_facts {
    const char *topic;      /* for messages */
    const char *state_path; /* where the partition's state is, for messages */
    int32_t partition;
    weir_lane_bounds bounds;
    int64_t replay_from;                          /* of the local state; -1 = none */
    int64_t last_outputs[WEIR_OUTPUT_COUNT];      /* source offset of the last record in each output; -1 = none, or
                                                   * none that tells of this lane */
} weir_recovery_facts;

typedef struct weir_recovery_plan {
    int64_t position;                  /* read from here */
    int64_t marks[WEIR_OUTPUT_COUNT];  /* emit from here on */
} weir_recovery_plan;

/* Decides. Fails: WEIR_REFUSED with a sentence that names what does not fit and the way out: the log was cut below the
 * state, the state or the outputs are ahead of the log or of the group. */
WEIR_MUST_USE weir_status weir_recovery_decide(const weir_recovery_facts *facts, weir_recovery_plan *plan_out,
                                               weir_error *error);

#endif
