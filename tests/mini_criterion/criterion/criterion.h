/* The part of Criterion's surface that the threaded tests use, for builds under ThreadSanitizer.
 *
 * Criterion runs each test in a sandbox that maps memory where ThreadSanitizer keeps its shadow, and stops before the
 * first test. Here each test runs in a forked child and reports in the same TAP form (`--tap=FILE`), so that the
 * same source serves both. A macro missing here is a compile error in the tsan build: add it.
 */
#ifndef MINI_CRITERION_H
#define MINI_CRITERION_H

#include <math.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct mini_options {
    int signal;      /* the test passes when it ends by this signal */
    int exit_code;   /* or with this exit code */
    double timeout;  /* seconds; 0 = 60 */
    bool disabled;
    void (*init)(void);
    void (*fini)(void);
    const char *description;
} mini_options;

typedef struct mini_test {
    const char *suite, *name;
    void (*function)(void);
    mini_options options;
    struct mini_test *next;
} mini_test;

typedef struct mini_suite {
    const char *name;
    mini_options options;
    struct mini_suite *next;
} mini_suite;

void mini_register_test(mini_test *test);
void mini_register_suite(mini_suite *suite);

/* Reports a claim that does not hold; ends the test when `fatal`. */
void mini_failed(bool fatal, const char *file, int line, const char *claim, const char *format, ...)
    __attribute__((format(printf, 5, 6)));
_Noreturn void mini_skipped(const char *format, ...) __attribute__((format(printf, 1, 2)));

#define Test(suite_, name_, ...)                                                                       \
    static void suite_##_##name_##_run(void);                                                          \
    __attribute__((constructor)) static void suite_##_##name_##_register(void)                         \
    {                                                                                                  \
        static mini_test test = {#suite_, #name_, suite_##_##name_##_run, {.signal = 0, __VA_ARGS__}, NULL}; \
        mini_register_test(&test);                                                                     \
    }                                                                                                  \
    static void suite_##_##name_##_run(void)

#define TestSuite(suite_, ...)                                                     \
    __attribute__((constructor)) static void suite_##_register_suite(void)         \
    {                                                                              \
        static mini_suite suite = {#suite_, {.signal = 0, __VA_ARGS__}, NULL};     \
        mini_register_suite(&suite);                                               \
    }                                                                              \
    _Static_assert(1, "a semicolon follows")

/* mini_claim_(fatal, claim, text [, format, ...]) */
#define mini_claim_(fatal, claim, text, ...)                                     \
    do {                                                                         \
        if (!(claim))                                                            \
            mini_failed(fatal, __FILE__, __LINE__, text, "" __VA_ARGS__);        \
    } while (0)

#define cr_assert(claim, ...) mini_claim_(true, claim, #claim, __VA_ARGS__)
#define cr_expect(claim, ...) mini_claim_(false, claim, #claim, __VA_ARGS__)
#define cr_assert_not(claim, ...) mini_claim_(true, !(claim), "not " #claim, __VA_ARGS__)
#define cr_expect_not(claim, ...) mini_claim_(false, !(claim), "not " #claim, __VA_ARGS__)
#define cr_assert_fail(...) mini_claim_(true, false, "reached", __VA_ARGS__)
#define cr_fail(...) mini_claim_(false, false, "reached", __VA_ARGS__)
#define cr_fatal(...) mini_claim_(true, false, "reached", __VA_ARGS__)
#define cr_skip_test(...) mini_skipped("" __VA_ARGS__)
#define cr_skip(...) mini_skipped("" __VA_ARGS__)
#define cr_log_info(...) (fprintf(stderr, __VA_ARGS__), fputc('\n', stderr))
#define cr_log_warn(...) (fprintf(stderr, __VA_ARGS__), fputc('\n', stderr))

#define mini_compare_(fatal, a, op, b, ...) mini_claim_(fatal, (a)op(b), #a " " #op " " #b, __VA_ARGS__)
#define cr_assert_eq(a, b, ...) mini_compare_(true, a, ==, b, __VA_ARGS__)
#define cr_assert_neq(a, b, ...) mini_compare_(true, a, !=, b, __VA_ARGS__)
#define cr_assert_lt(a, b, ...) mini_compare_(true, a, <, b, __VA_ARGS__)
#define cr_assert_leq(a, b, ...) mini_compare_(true, a, <=, b, __VA_ARGS__)
#define cr_assert_gt(a, b, ...) mini_compare_(true, a, >, b, __VA_ARGS__)
#define cr_assert_geq(a, b, ...) mini_compare_(true, a, >=, b, __VA_ARGS__)
#define cr_expect_eq(a, b, ...) mini_compare_(false, a, ==, b, __VA_ARGS__)
#define cr_expect_neq(a, b, ...) mini_compare_(false, a, !=, b, __VA_ARGS__)
#define cr_expect_lt(a, b, ...) mini_compare_(false, a, <, b, __VA_ARGS__)
#define cr_expect_leq(a, b, ...) mini_compare_(false, a, <=, b, __VA_ARGS__)
#define cr_expect_gt(a, b, ...) mini_compare_(false, a, >, b, __VA_ARGS__)
#define cr_expect_geq(a, b, ...) mini_compare_(false, a, >=, b, __VA_ARGS__)

#define cr_assert_null(p, ...) mini_claim_(true, (p) == NULL, #p " is NULL", __VA_ARGS__)
#define cr_assert_not_null(p, ...) mini_claim_(true, (p) != NULL, #p " is not NULL", __VA_ARGS__)
#define cr_expect_null(p, ...) mini_claim_(false, (p) == NULL, #p " is NULL", __VA_ARGS__)
#define cr_expect_not_null(p, ...) mini_claim_(false, (p) != NULL, #p " is not NULL", __VA_ARGS__)
#define cr_assert_str_eq(a, b, ...) mini_claim_(true, strcmp(a, b) == 0, #a " equals " #b, __VA_ARGS__)
#define cr_assert_str_neq(a, b, ...) mini_claim_(true, strcmp(a, b) != 0, #a " differs from " #b, __VA_ARGS__)
#define cr_expect_str_eq(a, b, ...) mini_claim_(false, strcmp(a, b) == 0, #a " equals " #b, __VA_ARGS__)
#define cr_expect_str_neq(a, b, ...) mini_claim_(false, strcmp(a, b) != 0, #a " differs from " #b, __VA_ARGS__)
#define cr_assert_str_empty(a, ...) mini_claim_(true, *(a) == '\0', #a " is empty", __VA_ARGS__)
#define cr_assert_str_not_empty(a, ...) mini_claim_(true, *(a) != '\0', #a " is not empty", __VA_ARGS__)
#define cr_expect_str_empty(a, ...) mini_claim_(false, *(a) == '\0', #a " is empty", __VA_ARGS__)
#define cr_expect_str_not_empty(a, ...) mini_claim_(false, *(a) != '\0', #a " is not empty", __VA_ARGS__)
#define cr_assert_arr_eq(a, b, size, ...) mini_claim_(true, memcmp(a, b, size) == 0, #a " equals " #b, __VA_ARGS__)
#define cr_assert_arr_neq(a, b, size, ...) mini_claim_(true, memcmp(a, b, size) != 0, #a " is not " #b, __VA_ARGS__)
#define cr_expect_arr_eq(a, b, size, ...) mini_claim_(false, memcmp(a, b, size) == 0, #a " equals " #b, __VA_ARGS__)
#define cr_assert_float_eq(a, b, by, ...) mini_claim_(true, fabs((a) - (b)) <= (by), #a " is about " #b, __VA_ARGS__)
#define cr_assert_float_neq(a, b, by, ...) mini_claim_(true, fabs((a) - (b)) > (by), #a " is not " #b, __VA_ARGS__)
#define cr_expect_float_eq(a, b, by, ...) mini_claim_(false, fabs((a) - (b)) <= (by), #a " is about " #b, __VA_ARGS__)

#endif
