#include "weir/app/recovery.h"

#include <inttypes.h>

static weir_status refuse(const weir_recovery_facts *facts, weir_error *error, const char *found, int64_t at,
                          const char *against, int64_t bound, const char *way_out)
{
    return weir_error_set(error, WEIR_REFUSED,
                          "%s partition %" PRId32 ": %s is at offset %" PRId64 ", but %s is %" PRId64 ". %s (%s)",
                          facts->topic, facts->partition, found, at, against, bound, way_out, facts->state_path);
}

/* A group that has committed nothing begins where the log does. */
static int64_t committed_or_start(const weir_lane_bounds *bounds)
{
    return bounds->committed >= 0 ? bounds->committed : bounds->log_start;
}

/* Rows of what must not be: each names a fact, the bound it broke, and what an operator can do. */
static weir_status check(const weir_recovery_facts *facts, weir_error *error)
{
    const weir_lane_bounds *bounds = &facts->bounds;
    if (bounds->committed > bounds->log_end)
        return refuse(facts, error, "the group's committed offset", bounds->committed, "the log's end", bounds->log_end,
                      "The topic was recreated or lost records: reset the group's offsets and move the state directory "
                      "away to start over on the new log");
    if (bounds->committed >= 0 && bounds->committed < bounds->log_start)
        return refuse(facts, error, "the group's committed offset", bounds->committed, "the log's start",
                      bounds->log_start,
                      "Retention has overtaken the group and those events are gone: accept the gap by resetting the "
                      "group's offset to the log's start, and lengthen retention");
    for (int output = 0; output < WEIR_OUTPUT_COUNT; output++)
        if (facts->last_outputs[output] >= bounds->log_end)
            return refuse(facts, error, "the last output's source", facts->last_outputs[output], "the log's end",
                          bounds->log_end,
                          "The input topic was recreated under its old outputs: recreate the output topics as well");
    if (facts->replay_from < 0)
        return WEIR_OK;
    if (facts->replay_from < bounds->log_start)
        return refuse(facts, error, "the state's checkpoint", facts->replay_from, "the log's start", bounds->log_start,
                      "Retention has overtaken the state: move the state directory away to rebuild from what the log "
                      "still holds, and lengthen retention");
    if (facts->replay_from > bounds->log_end)
        return refuse(facts, error, "the state's checkpoint", facts->replay_from, "the log's end", bounds->log_end,
                      "The state is of a longer log: move the state directory away to rebuild it from this one");
    if (facts->replay_from > committed_or_start(bounds))
        return refuse(
            facts, error, "the state's checkpoint", facts->replay_from,
            bounds->committed >= 0 ? "the group's committed offset"
                                   : "the group has committed nothing and the log's start",
            committed_or_start(bounds),
            "The group's offsets expired or were reset behind the state: move the state directory away to rebuild it, "
            "or set the group's offset at or above the checkpoint");
    return WEIR_OK;
}

weir_status weir_recovery_decide(const weir_recovery_facts *facts, weir_recovery_plan *plan_out, weir_error *error)
{
    weir_status status = check(facts, error);
    if (status != WEIR_OK)
        return status;
    const weir_lane_bounds *bounds = &facts->bounds;
    weir_recovery_plan plan = {.position = facts->replay_from >= 0 ? facts->replay_from : bounds->log_start};
    int64_t committed = committed_or_start(bounds);
    for (int output = 0; output < WEIR_OUTPUT_COUNT; output++) {
        int64_t after_last = facts->last_outputs[output] + 1;
        plan.marks[output] = after_last > committed ? after_last : committed;
    }
    *plan_out = plan;
    return WEIR_OK;
}
