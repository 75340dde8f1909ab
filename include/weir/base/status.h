/* What went wrong, for a caller to decide on and for a person to read.
 *
 * Every fallible function returns a weir_status. Those whose failure a person
 * has to act on also take a trailing `weir_error *error` (NULL is allowed)
 * and fill in one sentence: the file or thing, the place in it, what was
 * found, what was wanted, and what to do about it.
 */
#ifndef WEIR_BASE_STATUS_H
#define WEIR_BASE_STATUS_H

#include <stdarg.h>

typedef enum weir_status {
    WEIR_OK = 0,
    WEIR_INVALID,     /* an argument, file or record does not make sense */
    WEIR_NOT_FOUND,   /* the thing named does not exist */
    WEIR_EXISTS,      /* the thing to be made is already there */
    WEIR_CORRUPT,     /* stored bytes fail their own checks */
    WEIR_REFUSED,     /* well formed, but weir will not do it; the message says why */
    WEIR_UNSUPPORTED, /* well formed, but outside what this version handles */
    WEIR_FULL,        /* a bound (memory, disk, queue) was reached */
    WEIR_IO,          /* the disk or network failed */
    WEIR_TEMPORARY,   /* may succeed when tried again */
    WEIR_FENCED,      /* another instance has taken over */
    WEIR_STATUS_COUNT
} weir_status;

/* The process exit codes, one meaning each. */
enum weir_exit {
    WEIR_EXIT_OK = 0,
    WEIR_EXIT_FAILED = 1,
    WEIR_EXIT_USAGE = 2,
    WEIR_EXIT_PROBLEMS = 3, /* a check ran and found problems */
    WEIR_EXIT_TEMPORARY = 75
};

typedef struct weir_error {
    weir_status status;
    char message[512];
} weir_error;

#define WEIR_MUST_USE __attribute__((warn_unused_result))

/* The status's name in lower case, as logs and metrics print it. Never NULL. */
const char *weir_status_name(weir_status status);

/* The exit code a command ends with when it fails for this reason. */
int weir_status_exit_code(weir_status status);

/* Writes a formatted message into `error` (which may be NULL) and returns `status`,
 * so that a refusal is one line: `return weir_error_set(error, WEIR_INVALID, "...")`. */
weir_status weir_error_set(weir_error *error, weir_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Puts "context: " before the message already in `error` and returns its status. */
weir_status weir_error_wrap(weir_error *error, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
