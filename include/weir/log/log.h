/* The log: one line an event, for a machine (JSON) or for a person at a terminal (text).
 *
 *     weir_log(WEIR_LOG_WARN, "partition_refused", weir_log_int("partition", 3), weir_log_text("reason", reason));
 *
 *     {"ts":"2026-01-31T12:00:00.123456Z","level":"warn","event":"partition_refused","where":"app/worker.c:123",
 *      "partition":3,"reason":"..."}
 *
 * There is one log a process, set up in main before the threads start; only app and cli write to it (what lies below
 * returns errors and lets its caller decide). An event is a stable snake_case name, what varies is in the fields.
 *
 * The worker must never wait for whoever reads the log. A line is at most 4096 bytes and is written by one write(2);
 * when the reader is slow (a full pipe) the line is dropped and counted, and the next line that gets through says
 * how many were. A place in the code that repeats itself is held to bursts of WEIR_LOG_BURST lines and one a second
 * after that; its next line says how many were suppressed.
 */
#ifndef WEIR_LOG_LOG_H
#define WEIR_LOG_LOG_H

#include "weir/base/span.h"
#include "weir/base/status.h"

#include <stdatomic.h>
#include <stdint.h>

/* Same order as the choices of the option log.level. */
typedef enum weir_log_level {
    WEIR_LOG_DEBUG,
    WEIR_LOG_INFO,
    WEIR_LOG_WARN,
    WEIR_LOG_ERROR,
    WEIR_LOG_LEVEL_COUNT
} weir_log_level;

/* Same order as the choices of the option log.format. AUTO is text on a terminal, JSON otherwise. */
typedef enum weir_log_format { WEIR_LOG_AUTO, WEIR_LOG_JSON, WEIR_LOG_TEXT, WEIR_LOG_FORMAT_COUNT } weir_log_format;

enum { WEIR_LOG_LINE_MAX = 4096, WEIR_LOG_BURST = 100 };

typedef struct weir_log_options {
    int file; /* file descriptor, not closed by the log */
    weir_log_level level;
    weir_log_format format;
    int64_t (*clock_us)(void); /* microseconds since 1970 UTC; NULL = the system's */
} weir_log_options;

/* Sets where lines go, which and how. Before it is called, lines of INFO and above go to standard error.
 * Thread: main, while no other thread logs. */
void weir_log_setup(const weir_log_options *options);

/* Changes the level in flight (any thread). */
void weir_log_set_level(weir_log_level level);
weir_log_level weir_log_current_level(void);

/* Lines dropped because the reader was slow, since the process started. For a metric; any thread. */
uint64_t weir_log_dropped_count(void);

/* "debug", "info", "warn", "error". */
const char *weir_log_level_name(weir_log_level level);

/* ---- fields: a name (a string literal, snake_case) and a value; text is borrowed until the call returns ---- */

typedef enum weir_log_kind {
    WEIR_LOG_FIELD_END,
    WEIR_LOG_FIELD_INT,
    WEIR_LOG_FIELD_REAL,
    WEIR_LOG_FIELD_BOOL,
    WEIR_LOG_FIELD_TEXT
} weir_log_kind;

typedef struct weir_log_field {
    const char *name;
    weir_log_kind kind;
    union {
        int64_t integer;
        double real;
        weir_span text;
    };
} weir_log_field;

static inline weir_log_field weir_log_int(const char *name, int64_t value)
{
    return (weir_log_field){.name = name, .kind = WEIR_LOG_FIELD_INT, .integer = value};
}

static inline weir_log_field weir_log_real(const char *name, double value) /* NaN and infinities are null */
{
    return (weir_log_field){.name = name, .kind = WEIR_LOG_FIELD_REAL, .real = value};
}

static inline weir_log_field weir_log_bool(const char *name, bool value)
{
    return (weir_log_field){.name = name, .kind = WEIR_LOG_FIELD_BOOL, .integer = value};
}

static inline weir_log_field weir_log_span(const char *name, weir_span text)
{
    return (weir_log_field){.name = name, .kind = WEIR_LOG_FIELD_TEXT, .text = text};
}

static inline weir_log_field weir_log_text(const char *name, const char *text) /* NULL is "" */
{
    return weir_log_span(name, weir_span_text(text ? text : ""));
}

/* An error a function below returned, under the name "error"; its status's name stands in the message's stead when
 * there is no message. */
static inline weir_log_field weir_log_error(const weir_error *error)
{
    return weir_log_text("error", error->message[0] ? error->message : weir_status_name(error->status));
}

/* Ends a list of fields. weir_log adds it by itself. */
#define weir_log_end ((weir_log_field){.kind = WEIR_LOG_FIELD_END})

/* ---- writing ---- */

/* A place in the code that logs: where it is, and how often it lately did. */
typedef struct weir_log_site {
    const char *file;
    int line;
    _Atomic int64_t next_us;    /* when the burst would be full again (a leaky bucket) */
    _Atomic uint64_t suppressed; /* lines kept back since the last one written */
} weir_log_site;

/* Logs an event with any number of fields: weir_log(level, "event", fields...).
 * Fails: never; see above for what is dropped. Thread: any. Cost: nothing but a load below the level; otherwise a few
 * microseconds and one system call. */
#define weir_log(level_, event_, ...)                                                                                  \
    do {                                                                                                               \
        if ((level_) >= weir_log_current_level()) {                                                                    \
            static weir_log_site weir_log_site_here = {.file = __FILE__, .line = __LINE__};                            \
            weir_log_write(&weir_log_site_here, (level_), (event_),                                                    \
                           (const weir_log_field[]){__VA_ARGS__ __VA_OPT__(, ) weir_log_end});                         \
        }                                                                                                              \
    } while (0)

/* What weir_log calls. `fields` ends with weir_log_end. */
void weir_log_write(weir_log_site *site, weir_log_level level, const char *event, const weir_log_field *fields);

#endif
