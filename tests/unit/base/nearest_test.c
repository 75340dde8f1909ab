#include "weir/base/nearest.h"

#include <criterion/criterion.h>

Test(nearest, counts_the_four_edits)
{
    static const struct {
        const char *a, *b;
        unsigned distance;
    } CASES[] = {
        {"", "", 0},         {"", "abc", 3},      {"abc", "", 3},        {"abc", "abc", 0},  {"abc", "abd", 1},
        {"abc", "ab", 1},    {"abc", "acb", 1},   {"ca", "abc", 3},      {"kitten", "sitting", 3},
        {"topics.alert", "topics.alerts", 1},     {"brokesr", "brokers", 1},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        cr_expect_eq(weir_nearest_distance(CASES[i].a, CASES[i].b), CASES[i].distance, "%s %s", CASES[i].a, CASES[i].b);
        cr_expect_eq(weir_nearest_distance(CASES[i].b, CASES[i].a), CASES[i].distance, "%s %s", CASES[i].b, CASES[i].a);
    }
}

static const char *suggest(const char *word)
{
    weir_nearest nearest = weir_nearest_of(word);
    weir_nearest_offer(&nearest, "brokers");
    weir_nearest_offer(&nearest, "model");
    weir_nearest_offer(&nearest, "topics.alerts");
    return weir_nearest_found(&nearest);
}

Test(nearest, suggests_only_what_is_near)
{
    cr_expect_str_eq(suggest("broker"), "brokers");
    cr_expect_str_eq(suggest("modle"), "model");
    cr_expect_str_eq(suggest("topic.alert"), "topics.alerts");
    cr_expect_null(suggest("zookeeper"));
    cr_expect_null(suggest(""));
}

Test(nearest, has_nothing_before_the_first_offer)
{
    weir_nearest nearest = weir_nearest_of("x");
    cr_expect_null(weir_nearest_found(&nearest));
}

Test(nearest, looks_at_the_front_of_long_words)
{
    char a[201], b[201];
    for (int i = 0; i < 200; i++) {
        a[i] = 'a';
        b[i] = i < 64 ? 'a' : 'b';
    }
    a[200] = b[200] = 0;
    cr_expect_eq(weir_nearest_distance(a, b), 0);
}
