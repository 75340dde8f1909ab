#include "cli/label_tally.h"

#include "weir/base/rng.h"

#include <criterion/criterion.h>
#include <stdio.h>

static label_tally tally;
static char text[1024];

static void open_tally(size_t record_max)
{
    weir_error error = {0};
    cr_assert_eq(label_tally_open(&tally, record_max, &error), WEIR_OK, "%s", error.message);
}

static void alert(const char *id, double score, const char *severity)
{
    label_tally_alert(&tally, weir_span_text(id), score, weir_span_text(severity));
}

/* What is said of the label. */
static const char *label(const char *id, bool fraud)
{
    weir_writer json = weir_writer_of(text, sizeof text - 1);
    label_tally_write_record(&tally, label_tally_label(&tally, weir_span_text(id), fraud), &json);
    cr_assert_not(json.failed);
    text[json.used] = '\0';
    return text;
}

static void expect_counts(uint64_t true_positives, uint64_t false_positives, uint64_t false_negatives,
                          uint64_t true_negatives)
{
    cr_expect_eq(tally.counts[1][1], true_positives, "%lu true positives", tally.counts[1][1]);
    cr_expect_eq(tally.counts[0][1], false_positives, "%lu false positives", tally.counts[0][1]);
    cr_expect_eq(tally.counts[1][0], false_negatives, "%lu false negatives", tally.counts[1][0]);
    cr_expect_eq(tally.counts[0][0], true_negatives, "%lu true negatives", tally.counts[0][0]);
}

static const char *written(void)
{
    weir_writer json = weir_writer_of(text, sizeof text - 1);
    label_tally_write(&tally, &json);
    cr_assert_not(json.failed);
    text[json.used] = '\0';
    return text;
}

Test(label_tally, verdict_and_alert_make_four_cases)
{
    open_tally(100);
    alert("a", 0.98, "block");
    alert("b", 0.75, "review");
    cr_expect_str_eq(label("a", true), "\"alerted\":true,\"severity\":\"block\",\"score\":0.98");
    cr_expect_str_eq(label("b", false), "\"alerted\":true,\"severity\":\"review\",\"score\":0.75");
    cr_expect_str_eq(label("c", true), "\"alerted\":false,\"severity\":null,\"score\":null");
    cr_expect_str_eq(label("d", false), "\"alerted\":false,\"severity\":null,\"score\":null");
    label("e", false);
    expect_counts(1, 1, 1, 2);
    cr_expect_str_eq(written(), "{\"labels\":5,\"true_positives\":1,\"false_positives\":1,\"false_negatives\":1,"
                                "\"true_negatives\":2,\"precision\":0.5,\"recall\":0.5}");
    label_tally_close(&tally);
}

Test(label_tally, shares_of_nothing_are_null)
{
    open_tally(4);
    cr_expect_str_eq(written(), "{\"labels\":0,\"true_positives\":0,\"false_positives\":0,\"false_negatives\":0,"
                                "\"true_negatives\":0,\"precision\":null,\"recall\":null}");
    label("a", true);
    cr_expect_not_null(strstr(written(), "\"precision\":null,\"recall\":0"), "%s", text);
    label_tally_close(&tally);
}

Test(label_tally, a_later_label_replaces_the_earlier_one)
{
    open_tally(4);
    alert("a", 0.9, "block");
    label("a", true);
    expect_counts(1, 0, 0, 0);
    label("a", true);
    expect_counts(1, 0, 0, 0);
    label("a", false);
    expect_counts(0, 1, 0, 0);
    label_tally_close(&tally);
}

Test(label_tally, an_alert_may_come_after_its_label_and_may_come_twice)
{
    open_tally(4);
    label("a", true);
    label("b", false);
    expect_counts(0, 0, 1, 1);
    alert("a", 0.9, "block");
    alert("a", 0.9, "block");
    alert("b", 0.8, "block");
    expect_counts(1, 1, 0, 0);
    label_tally_close(&tally);
}

Test(label_tally, the_oldest_is_forgotten_and_what_it_counted_for_is_not)
{
    open_tally(3);
    alert("a", 0.9, "block");
    label("a", true);
    alert("b", 0.9, "block");
    alert("c", 0.9, "block");
    cr_expect_eq(tally.forgotten, 0);
    alert("d", 0.9, "block");
    cr_expect_eq(tally.forgotten, 1);
    expect_counts(1, 0, 0, 0);
    cr_expect_str_eq(label("b", true), "\"alerted\":true,\"severity\":\"block\",\"score\":0.9");
    cr_expect_str_eq(label("a", true), "\"alerted\":false,\"severity\":null,\"score\":null");
    cr_expect_eq(tally.forgotten, 2);
    expect_counts(2, 0, 1, 0);
    label_tally_close(&tally);
}

Test(label_tally, severities_it_has_no_room_for_are_not_known)
{
    open_tally(200);
    char name[64] = "a name of more than thirty-one letters";
    alert("long", 0.9, name);
    cr_expect_not_null(strstr(label("long", true), "\"alerted\":true,\"severity\":null,\"score\":0.9"));
    for (int i = 0; i < LABEL_TALLY_SEVERITY_MAX + 1; i++) {
        snprintf(name, sizeof name, "s%d", i);
        alert(name, 0.9, name);
    }
    cr_expect_not_null(strstr(label("s62", true), "\"severity\":\"s62\""), "%s", text);
    cr_expect_not_null(strstr(label("s63", true), "\"severity\":null"), "%s", text);
    cr_expect_not_null(strstr(label("s0", true), "\"severity\":\"s0\""), "%s", text);
    label_tally_close(&tally);
}

/* The slow, obvious way: an array of all that happened, looked through from its end. */
enum { STEPS = 20000, IDS = 60, ROOM = 40 };

typedef struct remembered {
    int order; /* of its arrival; 0 = not known */
    bool alerted, labelled, fraud;
} remembered;

static void forget_the_oldest(remembered known[IDS])
{
    int count = 0, oldest = -1;
    for (int i = 0; i < IDS; i++) {
        count += known[i].order > 0;
        if (known[i].order > 0 && (oldest < 0 || known[i].order < known[oldest].order))
            oldest = i;
    }
    if (count == ROOM)
        known[oldest] = (remembered){0};
}

Test(label_tally, it_agrees_with_the_obvious_way)
{
    weir_rng rng = {.state = 5};
    remembered known[IDS] = {0};
    int64_t counts[2][2] = {0};
    open_tally(ROOM);
    for (int step = 1; step <= STEPS; step++) {
        int which = (int)weir_rng_below(&rng, IDS);
        bool is_alert = weir_rng_below(&rng, 2), fraud = weir_rng_below(&rng, 2);
        remembered *it = &known[which];
        if (it->order == 0) {
            forget_the_oldest(known);
            *it = (remembered){.order = step};
        }
        if (it->labelled)
            counts[it->fraud][it->alerted]--;
        it->alerted |= is_alert;
        it->labelled |= !is_alert;
        it->fraud = is_alert ? it->fraud : fraud;
        if (it->labelled)
            counts[it->fraud][it->alerted]++;
        char id[16];
        snprintf(id, sizeof id, "tx-%d", which);
        if (is_alert)
            alert(id, 0.5, "block");
        else
            label(id, fraud);
        for (int i = 0; i < 4; i++)
            cr_assert_eq((int64_t)tally.counts[i / 2][i % 2], counts[i / 2][i % 2], "step %d", step);
    }
    cr_expect_gt(tally.forgotten, 1000);
    label_tally_close(&tally);
}
