#include "criterion/criterion.h"

#include <stdarg.h>
#include <sys/wait.h>
#include <unistd.h>

enum { EXIT_FAILED = 101, EXIT_SKIPPED = 102, TIMEOUT_DEFAULT_S = 60 };

static double timeout_s = TIMEOUT_DEFAULT_S; /* of a test that names none; --timeout */

static mini_test *tests;
static mini_suite *suites;
static bool expectation_failed;
static FILE *tap;

void mini_register_test(mini_test *test)
{
    test->next = tests;
    tests = test;
}

void mini_register_suite(mini_suite *suite)
{
    suite->next = suites;
    suites = suite;
}

void mini_failed(bool fatal, const char *file, int line, const char *claim, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "%s:%d: does not hold: %s: ", file, line, claim);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    if (fatal)
        exit(EXIT_FAILED);
    expectation_failed = true;
}

void mini_skipped(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    exit(EXIT_SKIPPED);
}

/* ---- one test, in a child ---- */

static mini_options options_of(const mini_test *test)
{
    mini_options options = test->options;
    for (const mini_suite *suite = suites; suite; suite = suite->next) {
        if (strcmp(suite->name, test->suite) != 0)
            continue;
        options.init = options.init ? options.init : suite->options.init;
        options.fini = options.fini ? options.fini : suite->options.fini;
        options.timeout = options.timeout > 0 ? options.timeout : suite->options.timeout;
        options.disabled = options.disabled || suite->options.disabled;
    }
    return options;
}

static _Noreturn void run_in_child(const mini_test *test, const mini_options *options)
{
    alarm((unsigned)ceil(options->timeout > 0 ? options->timeout : timeout_s));
    if (options->init)
        options->init();
    test->function();
    if (options->fini)
        options->fini();
    exit(expectation_failed ? EXIT_FAILED : 0);
}

static bool ended_as_wanted(int status, const mini_options *options)
{
    if (options->signal)
        return WIFSIGNALED(status) && WTERMSIG(status) == options->signal;
    return WIFEXITED(status) && WEXITSTATUS(status) == options->exit_code;
}

/* Returns whether the test failed. */
static bool run(const mini_test *test)
{
    mini_options options = options_of(test);
    if (options.disabled) {
        fprintf(tap, "ok - %s::%s # SKIP disabled\n", test->suite, test->name);
        return false;
    }
    fflush(NULL);
    pid_t child = fork();
    if (child == 0)
        run_in_child(test, &options);
    int status = 0;
    if (child < 0 || waitpid(child, &status, 0) != child) {
        perror("fork");
        exit(1);
    }
    if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SKIPPED) {
        fprintf(tap, "ok - %s::%s # SKIP by the test\n", test->suite, test->name);
        return false;
    }
    bool good = ended_as_wanted(status, &options);
    fprintf(tap, "%s - %s::%s", good ? "ok" : "not ok", test->suite, test->name);
    if (!good && WIFSIGNALED(status))
        fprintf(tap, " (%s)", WTERMSIG(status) == SIGALRM ? "timed out" : strsignal(WTERMSIG(status)));
    if (!good && WIFEXITED(status))
        fprintf(tap, " (exit code %d)", WEXITSTATUS(status));
    fputc('\n', tap);
    return !good;
}

int main(int argc, char **argv)
{
    tap = stdout;
    for (int i = 1; i < argc; i++) {
        if (strncmp(argv[i], "--tap=", 6) == 0 && strcmp(argv[i] + 6, "-") != 0)
            tap = fopen(argv[i] + 6, "w");
        if (strcmp(argv[i], "--timeout") == 0 && i + 1 < argc)
            timeout_s = atof(argv[++i]);
    }
    if (!tap) {
        perror("--tap");
        return 1;
    }
    int failed_count = 0;
    for (const mini_test *test = tests; test; test = test->next)
        failed_count += run(test);
    fclose(tap);
    return failed_count ? 1 : 0;
}
