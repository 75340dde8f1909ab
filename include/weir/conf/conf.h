/* The configuration: one table of options, a struct of typed fields filled through its rows, and a note for each of
 * where its value came from.
 *
 *   defaults ──> YAML files ──> WEIR_* environment ──> flags        each goes over what was before it
 *
 * A row (src/conf/options.c) is everything there is to know of an option: name, type, range, default, one line of
 * documentation, whether it is secret. Help, `weir config options`, `weir config show`, validation and the
 * environment's names all come from the rows; adding an option is a row and a field.
 *
 * In YAML nested mappings join with dots (`topics: {alerts: x}` is `topics.alerts: x`). The environment's name of
 * `topics.alerts` is WEIR_TOPICS_ALERTS. Flags are `--topics.alerts x`, `--topics.alerts=x` or `--set topics.alerts=x`.
 * Every librdkafka property passes through as `kafka.<property>` (both clients), `kafka.consumer.<property>` or
 * `kafka.producer.<property>`; in the environment as WEIR_KAFKA_SECURITY_PROTOCOL (`_` for `.`, `__` for `_`).
 *
 * Values of secret options are never printed, in `show` nor in an error.
 */
#ifndef WEIR_CONF_CONF_H
#define WEIR_CONF_CONF_H

#include "weir/base/span.h"
#include "weir/base/status.h"

#include <stdio.h>

typedef enum weir_conf_type {
    WEIR_CONF_TEXT,     /* char * */
    WEIR_CONF_PATH,     /* char * */
    WEIR_CONF_INT,      /* int64_t */
    WEIR_CONF_BOOL,     /* bool */
    WEIR_CONF_DURATION, /* int64_t, microseconds; written with a unit: 10s */
    WEIR_CONF_SIZE,     /* int64_t, bytes; written with a unit: 256MiB */
    WEIR_CONF_SHARE,    /* double; written 0.5 or 50% */
    WEIR_CONF_CHOICE,   /* int: the value of the choice */
    WEIR_CONF_LIST,     /* weir_conf_list */
    WEIR_CONF_TYPE_COUNT
} weir_conf_type;

typedef struct weir_conf_list {
    char **items;
    size_t count;
} weir_conf_list;

/* Where a value came from; printed as a comment by `show`. */
typedef enum weir_conf_origin {
    WEIR_CONF_FROM_DEFAULT,
    WEIR_CONF_FROM_FILE,        /* name: the file; line and column from 1 */
    WEIR_CONF_FROM_ENVIRONMENT, /* name: the variable */
    WEIR_CONF_FROM_FLAG         /* name: the flag as given */
} weir_conf_origin;

typedef struct weir_conf_source {
    weir_conf_origin origin;
    char *name; /* owned by the configuration; NULL for a default */
    int line, column;
} weir_conf_source;

/* A librdkafka property that passes through. */
typedef enum weir_conf_scope { WEIR_CONF_FOR_BOTH, WEIR_CONF_FOR_CONSUMER, WEIR_CONF_FOR_PRODUCER } weir_conf_scope;

typedef struct weir_conf_property {
    weir_conf_scope scope;
    char *name; /* librdkafka's */
    char *value;
    weir_conf_source source;
} weir_conf_property;

/* The values of the choices; same order as weir_framing (codec), weir_log_level and weir_log_format (log). */
enum { WEIR_CONF_FRAMING_AUTO, WEIR_CONF_FRAMING_CONFLUENT, WEIR_CONF_FRAMING_RAW };
enum { WEIR_CONF_LOG_DEBUG, WEIR_CONF_LOG_INFO, WEIR_CONF_LOG_WARN, WEIR_CONF_LOG_ERROR };
enum { WEIR_CONF_LOG_AUTO, WEIR_CONF_LOG_JSON, WEIR_CONF_LOG_TEXT };

enum { WEIR_CONF_OPTION_MAX = 64 };

/* What is in force. Texts are never NULL; "" means "not set" or "off". */
typedef struct weir_conf {
    /* the stream */
    char *brokers;
    char *group_id, *group_instance_id, *client_id;
    char *topics_transactions, *topics_labels;                          /* labels: "" = none */
    char *topics_alerts, *topics_scores, *topics_dead_letters;          /* outputs: "" = off */
    bool create_topics;
    int64_t replication_factor; /* -1 = the broker's default */
    int64_t session_timeout_us, linger_us, commit_interval_us, drain_timeout_us;
    int64_t fetch_memory_bytes;
    weir_conf_property *properties; /* those for both clients first; a later one of a name wins */
    size_t property_count;
    /* what comes in and goes out */
    int input_framing, output_framing; /* WEIR_CONF_FRAMING_*; the output's is never AUTO */
    int64_t output_alerts_schema_id, output_scores_schema_id;
    int64_t input_payload_max_bytes, input_future_max_us;
    bool scores_features;
    double dead_letters_share_max;
    int64_t dead_letters_window_count;
    /* the engine */
    char *model;
    weir_conf_list stages;
    int64_t workers; /* 0 = one a core */
    bool pin_workers;
    int64_t batch_event_max;
    int64_t alignment_drift_max_us, alignment_idle_us;
    /* state */
    char *state_dir;
    bool state_prefault;
    int64_t state_memory_bytes, state_checkpoint_interval_us, state_horizon_us;
    /* operation */
    char *http_listen, *http_token;
    int log_level, log_format; /* WEIR_CONF_LOG_* */

    weir_conf_source sources[WEIR_CONF_OPTION_MAX]; /* by row */
    weir_conf_list warnings; /* sentences: WEIR_* variables that look like misspelt options */
} weir_conf;

/* ---- the table ---- */

typedef struct weir_conf_choice {
    const char *name;
    int value;
} weir_conf_choice;

typedef struct weir_conf_option {
    const char *name;    /* "topics.alerts" */
    const char *flag;    /* a shorter flag without its dashes ("state-dir"), or NULL */
    const char *section; /* heading it is documented under */
    weir_conf_type type;
    size_t field;         /* offset in weir_conf */
    const char *fallback; /* the default, as one would write it */
    const char *least, *most; /* inclusive range as one would write it, or NULL */
    const weir_conf_choice *choices; /* ends with a NULL name */
    bool secret;
    const char *doc; /* one line, no full stop */
} weir_conf_option;

const weir_conf_option *weir_conf_options(size_t *count_out);

/* The row of a name, or NULL. */
const weir_conf_option *weir_conf_option_named(const char *name);

/* ---- loading ---- */

typedef struct weir_conf_inputs {
    const char *const *files; /* YAML, later over earlier; may be empty */
    size_t file_count;
    const char *const *environment; /* "NAME=value", NULL after the last (environ); NULL = none */
    const char *const *arguments;   /* flags, without the command's name; `--config FILE` adds a file */
    size_t argument_count;
    /* Called for every problem, so that a check can show all of them; may be NULL. */
    void (*problem)(void *context, const char *sentence);
    void *problem_context;
} weir_conf_inputs;

/* Fills *conf_out from all sources in their order. WEIR_CONFIG in the environment names a file that is read when
 * neither `files` nor --config does.
 *
 * Owns:  conf_out's texts are its own; weir_conf_deinit frees them. On failure there is nothing to free.
 * Fails: WEIR_INVALID with the first problem as a sentence: place, what was found, what was wanted, the nearest name;
 *        WEIR_IO when a file cannot be read.
 */
WEIR_MUST_USE weir_status weir_conf_load(const weir_conf_inputs *inputs, weir_conf *conf_out, weir_error *error);

/* Frees what load filled in; a zeroed weir_conf is allowed. */
void weir_conf_deinit(weir_conf *conf);

/* What values cannot say one by one: required ones are there (for a service), topics differ and are none of weir's
 * internal ones, a schema id comes with Confluent framing, stages are known and begin with card. Calls `problem` with a
 * sentence each; returns how many. */
size_t weir_conf_check(const weir_conf *conf, void (*problem)(void *context, const char *sentence), void *context);

/* How many arguments a flag that is the configuration's takes: 2 ("--brokers" "x"), 1 ("--brokers=x", "--pin_workers"),
 * 0 when it is not the configuration's. */
int weir_conf_flag_width(const char *argument);

/* ---- showing ---- */

/* The value as one would write it in YAML, secrets as "*****"; returns its length as snprintf does. */
size_t weir_conf_value_text(const weir_conf *conf, const weir_conf_option *option, char *text_out, size_t capacity);

/* Prints what is in force as YAML that loads again (but for secrets), each line with where it came from. */
void weir_conf_show(const weir_conf *conf, FILE *out);

/* Prints the table of options for people: name, type, range, default, environment's name, documentation. */
void weir_conf_print_options(FILE *out);

/* Whether a librdkafka property holds a secret (passwords, keys, tokens), by its name. */
bool weir_conf_property_is_secret(const char *property_name);

#endif
