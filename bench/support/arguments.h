/* `--name value` flags of the Kafka benches, read into a table of rows. */
#ifndef BENCH_SUPPORT_ARGUMENTS_H
#define BENCH_SUPPORT_ARGUMENTS_H

#include <signal.h>
#include <stddef.h>

typedef struct bench_argument {
    const char *name;   /* without dashes; NULL ends the table */
    const char **text;  /* one of the two is filled */
    double *number;
    const char *doc;
} bench_argument;

/* Fills the rows' targets; --help prints them and exits 0, anything unknown, malformed or a required text left NULL
 * exits 2. A text that already has a value is not required. */
void bench_arguments(const char *program, const bench_argument *rows, int argc, char **argv);

/* Set to 1 by SIGTERM and SIGINT once bench_stop_on_signal was called. */
extern volatile sig_atomic_t bench_stopped;
void bench_stop_on_signal(void);

#endif
