#include "weir/app/recovery.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <string.h>

enum { NONE = -1 };

/* What the broker, the group, the outputs and the disk say. */
typedef struct facts {
    int64_t log_start, log_end, committed, replay_from;
    int64_t alerts, scores, letters; /* the source of the last record of each output */
} facts;

static weir_recovery_facts facts_of(const facts *it)
{
    return (weir_recovery_facts){
        .topic = "transactions",
        .state_path = "state: /var/lib/weir/transactions/2",
        .partition = 2,
        .bounds = {.log_start = it->log_start, .log_end = it->log_end, .committed = it->committed},
        .replay_from = it->replay_from,
        .last_outputs = {[WEIR_OUTPUT_ALERTS] = it->alerts,
                         [WEIR_OUTPUT_SCORES] = it->scores,
                         [WEIR_OUTPUT_DEAD_LETTERS] = it->letters,
                         [WEIR_OUTPUT_HOPS] = NONE},
    };
}

static void decides(facts it, int64_t position, int64_t alerts_mark, int64_t scores_mark, int64_t letters_mark)
{
    weir_recovery_facts all = facts_of(&it);
    weir_recovery_plan plan;
    weir_error error = {0};
    cr_assert_eq(weir_recovery_decide(&all, &plan, &error), WEIR_OK, "%s", error.message);
    cr_expect_eq(plan.position, position, "position is %" PRId64, plan.position);
    cr_expect_eq(plan.marks[WEIR_OUTPUT_ALERTS], alerts_mark, "alerts from %" PRId64, plan.marks[WEIR_OUTPUT_ALERTS]);
    cr_expect_eq(plan.marks[WEIR_OUTPUT_SCORES], scores_mark, "scores from %" PRId64, plan.marks[WEIR_OUTPUT_SCORES]);
    cr_expect_eq(plan.marks[WEIR_OUTPUT_DEAD_LETTERS], letters_mark, "letters from %" PRId64,
                 plan.marks[WEIR_OUTPUT_DEAD_LETTERS]);
}

/* Refused, with what was found and the way out in the message, the plan untouched. */
static void refuses(facts it, const char *found, const char *way_out)
{
    weir_recovery_facts all = facts_of(&it);
    weir_recovery_plan plan = {.position = 424242};
    weir_error error = {0};
    cr_assert_eq(weir_recovery_decide(&all, &plan, &error), WEIR_REFUSED);
    cr_expect_eq(error.status, WEIR_REFUSED);
    cr_expect_not_null(strstr(error.message, found), "%s", error.message);
    cr_expect_not_null(strstr(error.message, way_out), "%s", error.message);
    cr_expect_not_null(strstr(error.message, "transactions partition 2"), "%s", error.message);
    cr_expect_not_null(strstr(error.message, "/var/lib/weir/transactions/2"), "%s", error.message);
    cr_expect_lt(strlen(error.message), sizeof error.message - 1, "the sentence is whole");
    cr_expect_eq(plan.position, 424242);
}

/* ---- what is normal ---- */

Test(recovery, a_fresh_group_begins_at_the_logs_start)
{
    decides((facts){0, 100, NONE, NONE, NONE, NONE, NONE}, 0, 0, 0, 0);
}

Test(recovery, a_fresh_group_on_a_log_cut_by_retention_begins_where_it_begins_now)
{
    decides((facts){500, 900, NONE, NONE, NONE, NONE, NONE}, 500, 500, 500, 500);
}

Test(recovery, a_fresh_group_on_an_empty_log_waits_for_the_first_record)
{
    decides((facts){0, 0, NONE, NONE, NONE, NONE, NONE}, 0, 0, 0, 0);
}

Test(recovery, a_warm_restart_replays_from_the_checkpoint_and_emits_from_the_commit)
{
    decides((facts){0, 1000, 800, 750, NONE, NONE, NONE}, 750, 800, 800, 800);
}

Test(recovery, a_clean_stop_replays_nothing)
{
    decides((facts){0, 1000, 1000, 1000, 990, 999, NONE}, 1000, 1000, 1000, 1000);
}

Test(recovery, outputs_ahead_of_the_commit_are_not_emitted_again)
{
    decides((facts){0, 1000, 800, 750, 850, 899, 10}, 750, 851, 900, 800);
}

Test(recovery, outputs_behind_the_commit_do_not_pull_the_mark_back)
{
    decides((facts){0, 1000, 800, 800, 100, 799, NONE}, 800, 800, 800, 800);
}

Test(recovery, without_local_state_all_the_log_holds_is_replayed_silently)
{
    decides((facts){200, 1000, 800, NONE, 810, NONE, NONE}, 200, 811, 800, 800);
}

Test(recovery, a_crash_before_the_first_commit_goes_by_the_outputs)
{
    decides((facts){0, 1000, NONE, NONE, 40, 63, NONE}, 0, 41, 64, 0);
    decides((facts){0, 1000, NONE, 0, 40, NONE, NONE}, 0, 41, 0, 0);
}

Test(recovery, a_first_checkpoint_on_a_cut_log_needs_no_commit)
{
    decides((facts){500, 900, NONE, 500, NONE, NONE, NONE}, 500, 500, 500, 500);
}

Test(recovery, the_edges_of_the_log_are_inside)
{
    decides((facts){300, 300, 300, 300, 299, 299, 299}, 300, 300, 300, 300);
}

/* ---- what is refused ---- */

Test(recovery, refuses_a_commit_beyond_the_logs_end)
{
    refuses((facts){0, 100, 101, NONE, NONE, NONE, NONE}, "the group's committed offset is at offset 101",
            "reset the group's offsets");
}

Test(recovery, refuses_a_commit_below_the_logs_start)
{
    refuses((facts){500, 900, 499, NONE, NONE, NONE, NONE}, "the log's start is 500", "accept the gap by resetting");
}

Test(recovery, refuses_outputs_of_a_log_that_no_longer_is)
{
    refuses((facts){0, 100, 50, 50, 100, NONE, NONE}, "the last output's source is at offset 100",
            "recreate the output topics");
    refuses((facts){0, 100, 50, 50, NONE, 200, NONE}, "at offset 200", "recreate the output topics");
    refuses((facts){0, 100, 50, 50, NONE, NONE, 300}, "at offset 300", "recreate the output topics");
}

Test(recovery, refuses_a_checkpoint_that_retention_has_overtaken)
{
    refuses((facts){500, 900, 600, 499, NONE, NONE, NONE}, "the state's checkpoint is at offset 499",
            "move the state directory away");
}

Test(recovery, refuses_a_checkpoint_beyond_the_logs_end)
{
    refuses((facts){0, 100, 100, 101, NONE, NONE, NONE}, "the log's end is 100", "move the state directory away");
}

Test(recovery, refuses_a_checkpoint_ahead_of_the_group)
{
    refuses((facts){0, 1000, 700, 701, NONE, NONE, NONE}, "the group's committed offset is 700",
            "set the group's offset at or above the checkpoint");
}

Test(recovery, refuses_a_checkpoint_whose_groups_offsets_have_expired)
{
    refuses((facts){500, 1000, NONE, 501, NONE, NONE, NONE}, "the group has committed nothing",
            "expired or were reset");
}
