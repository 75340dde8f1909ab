/* What the commands share: the table of flags, input by lines, a progress line, and how to fail.
 *
 * A command is one file and one function, `int weir_cli_<name>(int argc, char **argv)`: argv[0] is the command's own
 * name ("model"), the result an exit code (enum weir_exit). Results go to standard output, everything else to standard
 * error. Its flags are rows:
 *
 *     typedef struct tail_values { const char *brokers; int64_t count; bool with_source; } tail_values;
 *     static const weir_cli_option OPTIONS[] = {
 *         {"brokers", WEIR_CLI_TEXT, offsetof(tail_values, brokers), "HOST:PORT", "where the cluster is"},
 *         {"count", WEIR_CLI_INT, offsetof(tail_values, count), "N", "stop after N records"},
 *         {"with-source", WEIR_CLI_FLAG, offsetof(tail_values, with_source), NULL, "add topic, partition and offset"},
 *         {0}};
 *     static const weir_cli_usage USAGE = {
 *         .command = "tail", .synopsis = "--brokers HOST:PORT [flags]", .summary = "Prints events and alerts as JSON.",
 *         .options = OPTIONS, .examples = "  weir tail --brokers localhost:9092 --topic alerts\n"};
 *
 *     tail_values values = {.count = -1};
 *     weir_cli_operands operands;
 *     int code = weir_cli_parse(&USAGE, argc, argv, &values, &operands);
 *     if (code != WEIR_CLI_GO_ON)
 *         return code;
 */
#ifndef WEIR_CLI_CLI_H
#define WEIR_CLI_CLI_H

#include "weir/base/iso_time.h"
#include "weir/base/span.h"
#include "weir/base/status.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* ---- the commands (the table is in main.c) ---- */
int weir_cli_run(int argc, char **argv);
int weir_cli_demo(int argc, char **argv);
int weir_cli_generate(int argc, char **argv);
int weir_cli_score(int argc, char **argv);
int weir_cli_send(int argc, char **argv);
int weir_cli_label(int argc, char **argv);
int weir_cli_tail(int argc, char **argv);
int weir_cli_model(int argc, char **argv);
int weir_cli_state(int argc, char **argv);
int weir_cli_config(int argc, char **argv);

/* ---- flags ---- */

typedef enum weir_cli_kind {
    WEIR_CLI_FLAG,     /* bool; takes no value (--name=false switches it off) */
    WEIR_CLI_TEXT,     /* const char *, borrowed from argv */
    WEIR_CLI_INT,      /* int64_t */
    WEIR_CLI_REAL,     /* double */
    WEIR_CLI_DURATION, /* int64_t microseconds; needs a unit */
    WEIR_CLI_SIZE      /* int64_t bytes */
} weir_cli_kind;

typedef struct weir_cli_option {
    const char *name; /* without dashes; NULL ends the table */
    weir_cli_kind kind;
    size_t field;          /* offset in the struct of values */
    const char *value_name; /* "N", "FILE"; NULL for a flag */
    const char *doc;
} weir_cli_option;

typedef struct weir_cli_usage {
    const char *command;  /* "tail", "model check" */
    const char *synopsis; /* what follows the command: "FILE... [flags]" */
    const char *summary;  /* one or more sentences */
    const weir_cli_option *options; /* may be NULL */
    const char *examples; /* indented lines that run, or NULL */
    bool with_conf;       /* options of the configuration are flags too; they are gathered, not read */
    size_t operand_max;   /* more than this many operands is a usage error */
} weir_cli_usage;

/* What is left once the flags are taken: borrowed from argv, valid until the process ends. */
typedef struct weir_cli_operands {
    const char **items;
    size_t count;
    const char **conf_arguments; /* flags of the configuration, for weir_conf_inputs.arguments */
    size_t conf_argument_count;
} weir_cli_operands;

enum { WEIR_CLI_GO_ON = -1 };

/* Reads flags and operands of argv[1..]. `--name value` and `--name=value`; `--` ends the flags; a lone `-` is an
 * operand. --help (or -h) prints the usage on standard output and returns WEIR_EXIT_OK. A flag that is not known (with
 * the nearest that is), a value that does not parse or an operand too many is said on standard error and returns
 * WEIR_EXIT_USAGE.
 * Values change only for flags that are given: put the defaults there before.
 * operands_out may be NULL when operand_max is 0 and with_conf is false. */
int weir_cli_parse(const weir_cli_usage *usage, int argc, char **argv, void *values, weir_cli_operands *operands_out);

/* Prints usage, flags and examples. */
void weir_cli_print_usage(const weir_cli_usage *usage, FILE *out);

/* "weir model: <message>. See `weir model --help`." on standard error; returns WEIR_EXIT_USAGE. */
int weir_cli_misused(const weir_cli_usage *usage, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* "weir: <message>" on standard error; returns the exit code of error->status. */
int weir_cli_fail(const weir_error *error);

/* A subcommand table for commands that have them ({0} at the end), dispatched on argv[1]; argv[0] becomes the
 * subcommand's name. Handles --help, `help`, nothing given and unknown names. */
typedef struct weir_cli_command {
    const char *name, *doc;
    int (*function)(int argc, char **argv);
} weir_cli_command;
int weir_cli_dispatch(const char *command, const weir_cli_command *commands, int argc, char **argv);

/* The row of that name, or NULL. */
const weir_cli_command *weir_cli_find_command(const weir_cli_command *commands, const char *name);

/* Says that there is no such command, and the nearest there is; `prefix` is "weir" or "weir model". Returns
 * WEIR_EXIT_USAGE. */
int weir_cli_refuse_command(const char *prefix, const weir_cli_command *commands, const char *name);

/* Flushes standard output and says so when it could not be written (disk full); a closed pipe is no failure.
 * Returns `code`, or WEIR_EXIT_FAILED. Call it last in a command that prints results. */
int weir_cli_finish(int code);

/* ---- input by lines ---- */

typedef struct weir_cli_lines {
    FILE *file;
    const char *name; /* as given; "standard input" for - */
    char *buffer;
    size_t capacity;
    uint64_t line_number; /* of the line last returned, from 1 */
    bool failed;          /* the file could not be read to its end: next returned false for that reason */
} weir_cli_lines;

/* Opens a file, or standard input for "-". Fails: WEIR_NOT_FOUND or WEIR_IO with the path. */
WEIR_MUST_USE weir_status weir_cli_lines_open(const char *path, weir_cli_lines *lines_out, weir_error *error);

/* The next line without its end (LF or CRLF); false at the end. Borrowed until the next call. */
bool weir_cli_lines_next(weir_cli_lines *lines, weir_span *line_out);
void weir_cli_lines_close(weir_cli_lines *lines);

/* ---- progress: one line on standard error, redrawn at most five times a second, only on a terminal ---- */

typedef struct weir_cli_progress {
    const char *label;   /* "events" */
    uint64_t total;      /* 0 = not known */
    int64_t begin_us, drawn_us;
    bool shown;
} weir_cli_progress;

weir_cli_progress weir_cli_progress_begin(const char *label, uint64_t total);
/* `done` so far. Cheap enough for every few hundred items; looks at the clock each time. */
void weir_cli_progress_update(weir_cli_progress *progress, uint64_t done);
/* Wipes the line. */
void weir_cli_progress_end(weir_cli_progress *progress);

/* ---- time ---- */
int64_t weir_cli_wall_us(void);   /* microseconds since 1970 UTC */
int64_t weir_cli_steady_us(void); /* microseconds of a clock that never jumps */

#endif
