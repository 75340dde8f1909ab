#include "arguments.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

volatile sig_atomic_t bench_stopped;

static void stop(int signal_number)
{
    (void)signal_number;
    bench_stopped = 1;
}

void bench_stop_on_signal(void)
{
    struct sigaction action = {.sa_handler = stop};
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
}

static void print_usage(const char *program, const bench_argument *rows, FILE *out)
{
    fprintf(out, "%s\n", program);
    for (const bench_argument *row = rows; row->name; row++)
        fprintf(out, "  --%-16s %s\n", row->name, row->doc);
}

static _Noreturn void refuse(const char *program, const bench_argument *rows, const char *what, const char *name)
{
    fprintf(stderr, "%s: %s %s\n", program, what, name);
    print_usage(program, rows, stderr);
    exit(2);
}

static const bench_argument *find(const bench_argument *rows, const char *flag)
{
    for (const bench_argument *row = rows; row->name; row++)
        if (strncmp(flag, "--", 2) == 0 && strcmp(flag + 2, row->name) == 0)
            return row;
    return NULL;
}

void bench_arguments(const char *program, const bench_argument *rows, int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        print_usage(program, rows, stdout);
        exit(0);
    }
    for (int i = 1; i < argc; i += 2) {
        const bench_argument *row = find(rows, argv[i]);
        if (!row || i + 1 == argc)
            refuse(program, rows, row ? "no value for" : "unknown flag", argv[i]);
        char *end = argv[i + 1];
        if (row->text)
            *row->text = argv[i + 1];
        else
            *row->number = strtod(argv[i + 1], &end);
        if (row->number && (end == argv[i + 1] || *end))
            refuse(program, rows, "not a number:", argv[i + 1]);
    }
    for (const bench_argument *row = rows; row->name; row++)
        if (row->text && !*row->text)
            refuse(program, rows, "missing --", row->name);
}
