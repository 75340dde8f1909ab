/* What becomes of a label, and of flags. That features then say the right thing is plan_test.c's. */
#include "support/test_slab.h"
#include "weir/base/rng.h"
#include "weir/base/units.h"
#include "weir/core/plan.h"

#include <criterion/criterion.h>
#include <stdlib.h>

enum { EVENTS = 500, ARENA_SIZE = 1 << 20 };

#define START_US (INT64_C(1700000000) * WEIR_US_PER_SECOND)

typedef struct rig {
    test_slab slab;
    weir_history history;
    weir_arena arena;
    const weir_plan *plan;
} rig;

/* Transaction n happens at minute n. */
static int64_t time_of(uint64_t transaction)
{
    return START_US + (int64_t)transaction * WEIR_US_PER_MINUTE;
}

static weir_arrival add(rig *it, uint64_t transaction, int64_t time_us)
{
    weir_event event = {.time_us = time_us, .transaction = transaction,
                        .label_delay_us = WEIR_LABEL_NONE, .latitude = WEIR_LATITUDE_NONE};
    double registers[64];
    weir_arrival arrival;
    cr_assert_eq(weir_plan_gather(it->plan, 0, &it->history, &it->slab.slab, &event, registers, &arrival), WEIR_OK);
    return arrival;
}

static void open_rig_of(rig *it, const char *const *names, size_t count)
{
    weir_plan_options options = {.serial = 1};
    *it = (rig){0};
    test_slab_init(&it->slab, 0);
    weir_arena_init(&it->arena, aligned_alloc(64, ARENA_SIZE), ARENA_SIZE);
    cr_assert_eq(weir_plan_compile(names, count, &options, &it->arena, &it->plan, NULL), WEIR_OK);
}

static void open_rig(rig *it)
{
    static const char *const NAMES[] = {"count(30d, where fraud)", "last(fraud)"};
    open_rig_of(it, NAMES, 2);
    for (uint64_t transaction = 1; transaction <= EVENTS; transaction++)
        add(it, transaction, time_of(transaction));
}

static void close_rig(rig *it)
{
    weir_history_clear(&it->history, &it->slab.slab);
    cr_expect_eq(it->slab.slab.used_size, 0);
    test_slab_free(&it->slab);
    free(it->arena.base);
}

static weir_labelling label(rig *it, uint64_t transaction, int64_t label_time_us, weir_event *event_out)
{
    return weir_plan_label(it->plan, &it->history, &it->slab.slab, transaction, time_of(transaction), label_time_us,
                           event_out);
}

/* The event as it is retained. */
static const weir_event *find(const rig *it, uint64_t transaction)
{
    weir_history_cursor cursor = weir_history_begin(&it->history);
    for (const weir_event *event; (event = weir_history_next(&cursor));)
        if (event->transaction == transaction)
            return event;
    cr_assert_fail("transaction %d is not retained", (int)transaction);
    return NULL;
}

static void clean_chunks(rig *it)
{
    for (weir_chunk *chunk = it->history.first; chunk; chunk = chunk->next)
        chunk->dirty = false;
}

static size_t count_dirty(const rig *it)
{
    size_t count = 0;
    for (const weir_chunk *chunk = it->history.first; chunk; chunk = chunk->next)
        count += chunk->dirty;
    return count;
}

Test(label, the_first_one_marks_the_event_from_its_time_on)
{
    rig it;
    weir_event event;
    open_rig(&it);
    clean_chunks(&it);
    cr_expect_eq(label(&it, 100, time_of(100) + 77, &event), WEIR_LABELLING_FIRST);
    cr_expect_eq(event.transaction, 100);
    cr_expect_eq(event.label_delay_us, 77);
    cr_expect_eq(event.flags, WEIR_EVENT_LABELLED);
    cr_expect_eq(memcmp(&event, find(&it, 100), sizeof event), 0, "as it is retained");
    cr_expect_eq(count_dirty(&it), 1, "its chunk is to be written");
    cr_expect_eq(find(&it, 99)->label_delay_us, WEIR_LABEL_NONE);
    close_rig(&it);
}

Test(label, of_two_times_of_the_same_fraud_the_earlier_holds)
{
    rig it;
    weir_event event;
    open_rig(&it);
    cr_expect_eq(label(&it, 3, time_of(3) + 50, &event), WEIR_LABELLING_FIRST);
    clean_chunks(&it);
    cr_expect_eq(label(&it, 3, time_of(3) + 90, &event), WEIR_LABELLING_REPEATED);
    cr_expect_eq(event.label_delay_us, 50);
    cr_expect_eq(label(&it, 3, time_of(3) + 50, &event), WEIR_LABELLING_REPEATED);
    cr_expect_eq(count_dirty(&it), 0, "nothing changed");
    cr_expect_eq(label(&it, 3, time_of(3) + 20, &event), WEIR_LABELLING_REPEATED);
    cr_expect_eq(event.label_delay_us, 20);
    cr_expect_eq(find(&it, 3)->label_delay_us, 20);
    cr_expect_eq(count_dirty(&it), 1);
    close_rig(&it);
}

Test(label, what_was_fraud_can_be_cleared)
{
    rig it;
    weir_event event;
    open_rig(&it);
    cr_expect_eq(label(&it, 3, time_of(3) + 50, &event), WEIR_LABELLING_FIRST);
    clean_chunks(&it);
    cr_expect_eq(label(&it, 3, INT64_MAX, &event), WEIR_LABELLING_CONTRARY);
    cr_expect_eq(event.label_delay_us, WEIR_LABEL_NONE);
    cr_expect_eq(event.flags, WEIR_EVENT_LABELLED);
    cr_expect_eq(count_dirty(&it), 1);
    cr_expect_eq(label(&it, 3, INT64_MAX, &event), WEIR_LABELLING_REPEATED);
    close_rig(&it);
}

/* Cleared leaves no mark but the flag, which is why there is one. */
Test(label, what_was_cleared_can_be_fraud_after_all)
{
    rig it;
    weir_event event;
    open_rig(&it);
    clean_chunks(&it);
    cr_expect_eq(label(&it, 7, INT64_MAX, &event), WEIR_LABELLING_FIRST);
    cr_expect_eq(event.label_delay_us, WEIR_LABEL_NONE);
    cr_expect_eq(count_dirty(&it), 1, "that it came is to be kept");
    cr_expect_eq(label(&it, 7, INT64_MAX, &event), WEIR_LABELLING_REPEATED);
    cr_expect_eq(label(&it, 7, time_of(7) + 9, &event), WEIR_LABELLING_CONTRARY);
    cr_expect_eq(event.label_delay_us, 9);
    cr_expect_eq(label(&it, 7, time_of(7) + 8, &event), WEIR_LABELLING_REPEATED);
    cr_expect_eq(event.label_delay_us, 8);
    close_rig(&it);
}

Test(label, of_an_event_that_is_not_there_changes_nothing)
{
    rig it;
    weir_event event = {.transaction = 4242};
    open_rig(&it);
    clean_chunks(&it);
    cr_expect_eq(label(&it, EVENTS + 1, INT64_MAX, &event), WEIR_LABELLING_UNKNOWN);
    cr_expect_eq(weir_plan_label(it.plan, &it.history, &it.slab.slab, 5, time_of(5) + 1, INT64_MAX, &event),
                 WEIR_LABELLING_UNKNOWN, "the time given is another's");
    cr_expect_eq(weir_plan_label(it.plan, &it.history, &it.slab.slab, 5, time_of(6), INT64_MAX, &event),
                 WEIR_LABELLING_UNKNOWN);
    cr_expect_eq(event.transaction, 4242, "and the event is left alone");
    cr_expect_eq(count_dirty(&it), 0);
    weir_history empty = {0};
    cr_expect_eq(weir_plan_label(it.plan, &empty, &it.slab.slab, 5, INT64_MIN, INT64_MAX, &event),
                 WEIR_LABELLING_UNKNOWN);
    close_rig(&it);
}

/* The search begins at an edge: wherever those stand, also after a late event, whatever is there is found and nothing
 * else is. Times come in groups, so that an edge stands amid events of one time now and then. */
Test(label, an_event_is_found_wherever_the_edges_stand)
{
    static const char *const NAMES[] = {"count(7m)", "count(1h, delay 20m)", "sum(amount, 4h)",
                                        "rate(fraud, 2h, delay 9m)"};
    enum { GROUP = 3, LATE = 40 };
    rig it;
    weir_event event;
    weir_rng rng = {.state = 8};
    static int64_t times_us[EVENTS];
    open_rig_of(&it, NAMES, 4);
    for (uint64_t count = 0; count < EVENTS; count++) {
        int64_t late = weir_rng_below(&rng, 4) ? 0 : (int64_t)weir_rng_below(&rng, LATE);
        int64_t minute = ((int64_t)count / GROUP - late) * GROUP;
        times_us[count] = START_US + minute * WEIR_US_PER_MINUTE;
        add(&it, count + 1, times_us[count]);
        for (int i = 0; i < 5; i++) {
            uint64_t wanted = weir_rng_below(&rng, count + 1);
            weir_labelling found = weir_plan_label(it.plan, &it.history, &it.slab.slab, wanted + 1, times_us[wanted],
                                                   times_us[wanted] + WEIR_US_PER_DAY, &event);
            if (!find(&it, wanted + 1)) {
                cr_assert_eq(found, WEIR_LABELLING_UNKNOWN, "expired");
                continue;
            }
            cr_assert_neq(found, WEIR_LABELLING_UNKNOWN, "event %d of %d", (int)wanted, (int)count);
            cr_assert_eq(event.transaction, wanted + 1);
            cr_assert_eq(weir_plan_label(it.plan, &it.history, &it.slab.slab, wanted + 1, times_us[wanted] + 1,
                                         INT64_MAX, &event), WEIR_LABELLING_UNKNOWN);
        }
    }
    close_rig(&it);
}

Test(label, without_an_event_time_the_whole_history_is_searched)
{
    rig it;
    weir_event event;
    open_rig(&it);
    static const uint64_t WANTED[] = {1, 2, EVENTS / 2, EVENTS - 1, EVENTS};
    for (size_t i = 0; i < sizeof WANTED / sizeof *WANTED; i++) {
        cr_expect_eq(weir_plan_label(it.plan, &it.history, &it.slab.slab, WANTED[i], INT64_MIN, time_of(WANTED[i]) + 5,
                                     &event), WEIR_LABELLING_FIRST);
        cr_expect_eq(event.time_us, time_of(WANTED[i]));
        cr_expect_eq(label(&it, WANTED[i], time_of(WANTED[i]) + 5, &event), WEIR_LABELLING_REPEATED);
    }
    cr_expect_eq(weir_plan_label(it.plan, &it.history, &it.slab.slab, EVENTS + 9, INT64_MIN, 0, &event),
                 WEIR_LABELLING_UNKNOWN);
    close_rig(&it);
}

Test(label, one_from_before_its_event_is_as_old_as_the_event)
{
    rig it;
    weir_event event;
    open_rig(&it);
    cr_expect_eq(label(&it, 9, time_of(9) - WEIR_US_PER_DAY, &event), WEIR_LABELLING_FIRST);
    cr_expect_eq(event.label_delay_us, 0);
    cr_expect_eq(label(&it, 10, INT64_MAX - 1, &event), WEIR_LABELLING_FIRST, "nor is one for ever after cleared");
    cr_expect_eq(event.label_delay_us, WEIR_LABEL_NONE - 1);
    close_rig(&it);
}

/* ---- flags ---- */

Test(flag, is_set_and_stays_whatever_labels_come)
{
    rig it;
    weir_event event;
    open_rig(&it);
    clean_chunks(&it);
    weir_history_flag(&it.history, 20, time_of(20), WEIR_EVENT_ALERTED);
    cr_expect_eq(find(&it, 20)->flags, WEIR_EVENT_ALERTED);
    cr_expect_eq(count_dirty(&it), 1);
    clean_chunks(&it);
    weir_history_flag(&it.history, 20, time_of(20), WEIR_EVENT_ALERTED);
    cr_expect_eq(count_dirty(&it), 0, "it was already");
    cr_expect_eq(label(&it, 20, time_of(20), &event), WEIR_LABELLING_FIRST);
    cr_expect_eq(event.flags, WEIR_EVENT_ALERTED | WEIR_EVENT_LABELLED);
    weir_history_flag(&it.history, 21, time_of(21), WEIR_EVENT_LABELLED);
    cr_expect_eq(label(&it, 21, INT64_MAX, &event), WEIR_LABELLING_REPEATED, "which is how a label is remembered");
    cr_expect_eq(event.flags, WEIR_EVENT_LABELLED);
    close_rig(&it);
}

Test(flag, of_an_event_that_is_not_there_is_nothing)
{
    rig it;
    open_rig(&it);
    clean_chunks(&it);
    weir_history_flag(&it.history, EVENTS + 1, time_of(EVENTS + 1), WEIR_EVENT_ALERTED);
    weir_history_flag(&it.history, 5, time_of(6), WEIR_EVENT_ALERTED);
    cr_expect_eq(count_dirty(&it), 0);
    for (uint64_t transaction = 1; transaction <= EVENTS; transaction++)
        cr_assert_eq(find(&it, transaction)->flags, 0);
    close_rig(&it);
}
