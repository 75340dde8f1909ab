#include "weir/app/alignment.h"

#include "weir/base/units.h"

#include <criterion/criterion.h>

#define DRIFT_US (10 * WEIR_US_PER_MINUTE)
#define IDLE_US (30 * WEIR_US_PER_SECOND)
#define BEGUN_US (1000 * WEIR_US_PER_SECOND) /* on the caller's clock */
#define CLOCK_US (INT64_C(1700000000) * WEIR_US_PER_SECOND)

enum { PARTITIONS = 4 };

static weir_alignment it;

static void begin(void)
{
    cr_assert_eq(weir_alignment_init(&it, PARTITIONS, DRIFT_US, IDLE_US, BEGUN_US), WEIR_OK);
}

static void note(int32_t partition, weir_pace pace, int64_t clock_us, int64_t now_us)
{
    weir_alignment_note(&it, partition, pace, clock_us, now_us);
}

/* Every partition at the same clock. */
static void note_all(weir_pace pace, int64_t clock_us, int64_t now_us)
{
    for (int32_t partition = 0; partition < PARTITIONS; partition++)
        note(partition, pace, clock_us, now_us);
}

static int64_t limit(int64_t now_us)
{
    return weir_alignment_limit(&it, now_us);
}

/* ---- limits ---- */

Test(alignment, none_may_go_before_all_are_heard)
{
    begin();
    cr_expect_eq(limit(BEGUN_US), INT64_MIN);
    for (int32_t partition = 0; partition < PARTITIONS - 1; partition++)
        note(partition, WEIR_PACE_BEHIND, CLOCK_US, BEGUN_US);
    cr_expect_eq(limit(BEGUN_US), INT64_MIN);
    note(PARTITIONS - 1, WEIR_PACE_BEHIND, CLOCK_US, BEGUN_US);
    cr_expect_eq(limit(BEGUN_US), CLOCK_US + DRIFT_US);
    weir_alignment_deinit(&it);
}

Test(alignment, one_never_heard_of_is_waited_for_a_while)
{
    begin();
    for (int32_t partition = 1; partition < PARTITIONS; partition++)
        note(partition, WEIR_PACE_BEHIND, CLOCK_US, BEGUN_US + IDLE_US);
    cr_expect_eq(limit(BEGUN_US + IDLE_US - 1), INT64_MIN);
    cr_expect_eq(limit(BEGUN_US + IDLE_US), CLOCK_US + DRIFT_US);
    weir_alignment_deinit(&it);
}

Test(alignment, the_slowest_sets_the_limit)
{
    begin();
    note_all(WEIR_PACE_BEHIND, CLOCK_US, BEGUN_US);
    note(0, WEIR_PACE_BEHIND, CLOCK_US - 500, BEGUN_US);
    note(1, WEIR_PACE_HELD, CLOCK_US - 700, BEGUN_US);
    note(2, WEIR_PACE_BEHIND, CLOCK_US + WEIR_US_PER_DAY, BEGUN_US);
    cr_expect_eq(limit(BEGUN_US), CLOCK_US - 700 + DRIFT_US, "one that is held itself counts as any other");
    note(1, WEIR_PACE_BEHIND, CLOCK_US, BEGUN_US);
    cr_expect_eq(limit(BEGUN_US), CLOCK_US - 500 + DRIFT_US);
    weir_alignment_deinit(&it);
}

Test(alignment, one_with_nothing_acknowledged_lets_none_go)
{
    begin();
    note_all(WEIR_PACE_BEHIND, CLOCK_US, BEGUN_US);
    note(3, WEIR_PACE_BEHIND, INT64_MIN, BEGUN_US);
    cr_expect_eq(limit(BEGUN_US), INT64_MIN);
    weir_alignment_deinit(&it);
}

Test(alignment, what_keeps_up_holds_nobody)
{
    begin();
    note_all(WEIR_PACE_CURRENT, CLOCK_US, BEGUN_US);
    cr_expect_eq(limit(BEGUN_US), INT64_MAX);
    note(2, WEIR_PACE_CURRENT, INT64_MIN, BEGUN_US);
    cr_expect_eq(limit(BEGUN_US), INT64_MAX, "an empty partition has no clock at all");
    note(1, WEIR_PACE_BEHIND, CLOCK_US - 9, BEGUN_US);
    cr_expect_eq(limit(BEGUN_US), CLOCK_US - 9 + DRIFT_US);
    weir_alignment_deinit(&it);
}

Test(alignment, one_that_does_not_move_is_waited_for_no_more)
{
    begin();
    note_all(WEIR_PACE_BEHIND, CLOCK_US, BEGUN_US);
    note(0, WEIR_PACE_BEHIND, CLOCK_US - WEIR_US_PER_DAY, BEGUN_US);
    for (int64_t now_us = BEGUN_US; now_us < BEGUN_US + IDLE_US; now_us += WEIR_US_PER_SECOND) {
        note(0, WEIR_PACE_BEHIND, CLOCK_US - WEIR_US_PER_DAY, now_us); /* said again, and the same */
        for (int32_t partition = 1; partition < PARTITIONS; partition++)
            note(partition, WEIR_PACE_BEHIND, CLOCK_US + now_us, now_us);
        cr_assert_eq(limit(now_us), CLOCK_US - WEIR_US_PER_DAY + DRIFT_US);
    }
    cr_expect_eq(limit(BEGUN_US + IDLE_US), CLOCK_US + BEGUN_US + IDLE_US - WEIR_US_PER_SECOND + DRIFT_US);
    note(0, WEIR_PACE_BEHIND, CLOCK_US - WEIR_US_PER_DAY + 1, BEGUN_US + IDLE_US);
    cr_expect_eq(limit(BEGUN_US + IDLE_US), CLOCK_US - WEIR_US_PER_DAY + 1 + DRIFT_US, "it moves again");
    weir_alignment_deinit(&it);
}

/* It stands still because others do: as long as it says so, it is alive. */
Test(alignment, one_that_is_held_is_waited_for_as_long_as_it_says_so)
{
    begin();
    note_all(WEIR_PACE_CURRENT, CLOCK_US, BEGUN_US);
    for (int64_t now_us = BEGUN_US; now_us < BEGUN_US + 5 * IDLE_US; now_us += IDLE_US / 2) {
        note(1, WEIR_PACE_HELD, CLOCK_US, now_us);
        cr_assert_eq(limit(now_us), CLOCK_US + DRIFT_US);
    }
    cr_expect_eq(limit(BEGUN_US + 6 * IDLE_US), INT64_MAX, "then it fell silent");
    weir_alignment_deinit(&it);
}

Test(alignment, a_clock_at_the_end_of_time_does_not_wrap)
{
    begin();
    note_all(WEIR_PACE_BEHIND, INT64_MAX - 5, BEGUN_US);
    cr_expect_eq(limit(BEGUN_US), INT64_MAX);
    weir_alignment_deinit(&it);
}

Test(alignment, a_partition_of_another_topic_is_passed_over)
{
    begin();
    note_all(WEIR_PACE_BEHIND, CLOCK_US, BEGUN_US);
    note(-1, WEIR_PACE_BEHIND, 0, BEGUN_US);
    note(PARTITIONS, WEIR_PACE_BEHIND, 0, BEGUN_US);
    cr_expect_eq(limit(BEGUN_US), CLOCK_US + DRIFT_US);
    weir_alignment_deinit(&it);
}

/* ---- messages ---- */

static uint8_t memory[1024];

static weir_span message_of(const weir_pace *paces, const int64_t *clocks, const int32_t *partitions, size_t count)
{
    weir_writer writer = weir_writer_of(memory, sizeof memory);
    weir_alignment_say_begin(&writer);
    for (size_t i = 0; i < count; i++)
        weir_alignment_say(&writer, partitions[i], paces[i], clocks[i]);
    cr_assert_not(writer.failed);
    return weir_span_of(memory, writer.used);
}

static const weir_pace PACES[] = {WEIR_PACE_HELD, WEIR_PACE_CURRENT, WEIR_PACE_BEHIND};
static const int64_t CLOCKS[] = {CLOCK_US + 3, INT64_MIN, CLOCK_US - 8};
static const int32_t SAID[] = {2, 0, 3};

Test(alignment, what_is_said_is_heard)
{
    begin();
    note(1, WEIR_PACE_BEHIND, CLOCK_US, BEGUN_US);
    cr_assert(weir_alignment_hear(&it, message_of(PACES, CLOCKS, SAID, 3), BEGUN_US + 5));
    for (size_t i = 0; i < 3; i++) {
        const weir_alignment_entry *entry = &it.entries[SAID[i]];
        cr_expect_eq(entry->pace, PACES[i]);
        cr_expect_eq(entry->clock_us, CLOCKS[i]);
        cr_expect_eq(entry->moved_us, BEGUN_US + 5);
    }
    cr_expect_eq(it.entries[1].clock_us, CLOCK_US, "of this one nothing was said");
    cr_expect_eq(limit(BEGUN_US + 5), CLOCK_US - 8 + DRIFT_US);
    cr_expect(weir_alignment_hear(&it, message_of(NULL, NULL, NULL, 0), BEGUN_US), "one may have nothing to say");
    weir_alignment_deinit(&it);
}

static void expect_unheard(weir_span message, const char *what)
{
    weir_alignment_entry before[PARTITIONS];
    memcpy(before, it.entries, sizeof before);
    cr_expect_not(weir_alignment_hear(&it, message, BEGUN_US + 9), "%s", what);
    for (int i = 0; i < PARTITIONS; i++) {
        cr_expect_eq(it.entries[i].pace, before[i].pace, "%s", what);
        cr_expect_eq(it.entries[i].clock_us, before[i].clock_us, "%s", what);
        cr_expect_eq(it.entries[i].moved_us, before[i].moved_us, "%s", what);
    }
}

Test(alignment, of_a_message_that_is_none_nothing_is_noted)
{
    begin();
    note_all(WEIR_PACE_BEHIND, CLOCK_US, BEGUN_US);
    enum { ENTRY_SIZE = 10 };
    weir_span whole = message_of(PACES, CLOCKS, SAID, 3);
    for (size_t size = 0; size < whole.size; size++)
        if ((size - 1) % ENTRY_SIZE != 0) /* else it is a shorter message */
            expect_unheard(weir_span_of(memory, size), "cut");
    expect_unheard(weir_span_text("{\"clock\": 5}"), "words");
    expect_unheard((weir_span){0}, "nothing");
    memory[0] = 2;
    expect_unheard(whole, "another version");
    memory[0] = 1;
    memory[2 * ENTRY_SIZE + 2] = WEIR_PACE_COUNT;
    expect_unheard(whole, "a pace there is none of, behind entries that are right");
    memory[2 * ENTRY_SIZE + 2] = WEIR_PACE_BEHIND;
    cr_expect(weir_alignment_hear(&it, whole, BEGUN_US), "and as it was");
    weir_alignment_deinit(&it);
}

Test(alignment, of_partitions_beyond_its_own_nothing_is_noted)
{
    begin();
    note_all(WEIR_PACE_BEHIND, CLOCK_US, BEGUN_US);
    static const int32_t BEYOND[] = {PARTITIONS, INT32_MAX, 1};
    cr_expect(weir_alignment_hear(&it, message_of(PACES, CLOCKS, BEYOND, 3), BEGUN_US));
    cr_expect_eq(it.entries[1].clock_us, CLOCKS[2]);
    cr_expect_eq(it.entries[0].clock_us, CLOCK_US);
    weir_writer writer = weir_writer_of(memory, sizeof memory);
    weir_alignment_say_begin(&writer);
    weir_write_varint(&writer, (uint64_t)INT32_MAX + 2);
    weir_write_fixed(&writer, WEIR_PACE_BEHIND, 1);
    weir_write_fixed(&writer, 0, 8);
    expect_unheard(weir_span_of(memory, writer.used), "a number no partition has");
    weir_alignment_deinit(&it);
}
