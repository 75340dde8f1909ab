/* weir tail: what is on a topic, one JSON object a line. */
#include "cli/tail.h"

#include "weir/codec/base64.h"
#include "weir/codec/delimited.h"
#include "weir/codec/frame.h"
#include "weir/codec/json.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { HEADER_MAX = 64 };

typedef struct tail_values {
    const char *topic, *type, *from, *format;
    int64_t count;
    bool until_end, with_source, labels;
} tail_values;

typedef struct printer printer;

/* What a topic can carry. `topic` finds the configured name of its topic, so that --topic alerts and the type of a
 * topic need not be said. */
typedef struct carried {
    const char *name; /* --type */
    const char *stream; /* --topic's short name */
    size_t topic_field; /* of weir_conf */
    weir_message_type message;
    weir_status (*print)(printer *out, const weir_record *record, weir_error *error);
} carried;

struct printer {
    const carried *type;
    const char *topic;
    weir_tail *tail;
    weir_writer line;
    bool json, with_source;
    uint64_t printed, undecodable;
};

/* ---- one record ---- */

static void write_literal(weir_writer *line, const char *text)
{
    weir_write_bytes(line, text, strlen(text));
}

void tail_reopen(weir_writer *line)
{
    line->used -= line->used > 0; /* the brace */
    write_literal(line, line->used > 0 && line->base[line->used - 1] != '{' ? "," : "");
}

static void write_source(printer *out, const weir_record *record)
{
    char text[128];
    tail_reopen(&out->line);
    write_literal(&out->line, "\"_topic\":");
    weir_json_write_text(&out->line, weir_span_text(out->topic));
    snprintf(text, sizeof text, ",\"_partition\":%d,\"_offset\":%" PRId64 ",\"_timestamp_ms\":%" PRId64 "}",
             record->partition, record->offset, record->timestamp_us < 0 ? -1 : record->timestamp_us / 1000);
    write_literal(&out->line, text);
}

static weir_status print_message(printer *out, const weir_record *record, weir_error *error)
{
    weir_span message;
    int64_t schema_id;
    if (!record->payload.data)
        return weir_error_set(error, WEIR_CORRUPT, "no payload: a tombstone");
    if (!weir_frame_strip(WEIR_FRAMING_AUTO, record->payload, &message, &schema_id))
        return weir_error_set(error, WEIR_CORRUPT, "a frame that is cut short or names another message");
    if (!out->json) {
        weir_delimited_write(&out->line, message);
        return WEIR_OK;
    }
    weir_status status = weir_json_from_message(out->type->message, message, &out->line, error);
    if (status == WEIR_OK && out->with_source)
        write_source(out, record);
    return status;
}

static void write_bytes(weir_writer *line, const char *before, weir_span bytes)
{
    write_literal(line, before);
    write_literal(line, bytes.data ? "\"" : "null");
    weir_base64_write(line, bytes);
    write_literal(line, bytes.data ? "\"" : "");
}

/* A dead letter is whatever could not be read: key and payload as base64, beside the headers that say why. */
static weir_status print_dead_letter(printer *out, const weir_record *record, weir_error *error)
{
    (void)error;
    if (!out->json) {
        weir_delimited_write(&out->line, record->payload);
        return WEIR_OK;
    }
    weir_header headers[HEADER_MAX];
    size_t count = weir_tail_headers(out->tail, headers, HEADER_MAX);
    write_literal(&out->line, "{\"headers\":{");
    for (size_t i = 0; i < count; i++) {
        write_literal(&out->line, i ? "," : "");
        weir_json_write_text(&out->line, weir_span_text(headers[i].name));
        write_literal(&out->line, ":");
        weir_json_write_text(&out->line, headers[i].value);
    }
    write_bytes(&out->line, "},\"key\":", record->key);
    write_bytes(&out->line, ",\"payload\":", record->payload);
    write_literal(&out->line, "}");
    if (out->with_source)
        write_source(out, record);
    return WEIR_OK;
}

static const carried TYPES[] = {
    {"transaction", "transactions", offsetof(weir_conf, topics_transactions), WEIR_MESSAGE_TRANSACTION, print_message},
    {"alert", "alerts", offsetof(weir_conf, topics_alerts), WEIR_MESSAGE_ALERT, print_message},
    {"score", "scores", offsetof(weir_conf, topics_scores), WEIR_MESSAGE_SCORE, print_message},
    {"label", "labels", offsetof(weir_conf, topics_labels), WEIR_MESSAGE_LABEL, print_message},
    {"dead-letter", "dead_letters", offsetof(weir_conf, topics_dead_letters), WEIR_MESSAGE_COUNT, print_dead_letter},
};
enum { TYPE_COUNT = sizeof TYPES / sizeof *TYPES };

bool tail_is_heard(void)
{
    struct pollfd out = {.fd = STDOUT_FILENO};
    errno = EPIPE;
    return fflush(stdout) == 0 && (poll(&out, 1, 0) <= 0 || !(out.revents & (POLLERR | POLLHUP)));
}

/* False when standard output is gone. */
static bool print_record(printer *out, const weir_record *record)
{
    weir_error error = {0};
    out->line.used = 0;
    out->line.failed = false;
    weir_status status = out->type->print(out, record, &error);
    if (status == WEIR_OK && out->json)
        write_literal(&out->line, "\n");
    if (status == WEIR_OK && out->line.failed)
        status = weir_error_set(&error, WEIR_FULL, "longer than %d bytes", TAIL_LINE_MAX);
    if (status != WEIR_OK) {
        out->undecodable++;
        fprintf(stderr, "weir tail: %s [%d] offset %" PRId64 " does not decode as %s: %s\n", out->topic,
                record->partition, record->offset, out->type->name, error.message);
        return tail_is_heard();
    }
    out->printed++;
    return fwrite(out->line.base, 1, out->line.used, stdout) == out->line.used;
}

/* ---- the loop ---- */

static volatile sig_atomic_t stopped;

static void stop(int signal_number)
{
    (void)signal_number;
    stopped = 1;
}

void tail_listen_for_signals(void)
{
    struct sigaction action = {.sa_handler = stop};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
}

bool tail_is_stopped(void)
{
    return stopped != 0;
}

int tail_finish(bool writable, uint64_t undecodable)
{
    if (!writable && errno == EPIPE)
        return WEIR_EXIT_OK;
    return weir_cli_finish(undecodable ? WEIR_EXIT_PROBLEMS : WEIR_EXIT_OK);
}

static int follow(printer *out, const tail_range *range)
{
    bool ended = false, writable = true;
    while (!stopped && writable && (range->count < 0 || out->printed + out->undecodable < (uint64_t)range->count) &&
           !(range->until_end && ended)) {
        weir_record record;
        if (weir_tail_next(out->tail, TAIL_WAIT_US, &record, &ended))
            writable = print_record(out, &record);
        else
            writable = tail_is_heard();
    }
    return tail_finish(writable, out->undecodable);
}

/* ---- the command ---- */

static const weir_cli_option OPTIONS[] = {
    {"topic", WEIR_CLI_TEXT, offsetof(tail_values, topic), "NAME",
     "transactions, labels, alerts, scores or dead_letters of the configuration, or any topic's name "
     "(default: alerts)"},
    {"type", WEIR_CLI_TEXT, offsetof(tail_values, type), "NAME",
     "what it carries: transaction, alert, score, label or dead-letter (default: by the topic)"},
    {"from", WEIR_CLI_TEXT, offsetof(tail_values, from), "PLACE",
     "beginning, end or an offset, in every partition (default: end; with --until-end or --count, beginning)"},
    {"count", WEIR_CLI_INT, offsetof(tail_values, count), "N", "stop after N records"},
    {"until-end", WEIR_CLI_FLAG, offsetof(tail_values, until_end), NULL,
     "stop at the end each partition had when the command began"},
    {"format", WEIR_CLI_TEXT, offsetof(tail_values, format), "json|pb",
     "JSON lines (the default) or size-delimited protobuf"},
    {"with-source", WEIR_CLI_FLAG, offsetof(tail_values, with_source), NULL,
     "add _topic, _partition, _offset and _timestamp_ms"},
    {"labels", WEIR_CLI_FLAG, offsetof(tail_values, labels), NULL,
     "print labels, each with what weir had said of the transaction and a tally: precision, recall"},
    {0}};

static const weir_cli_usage USAGE = {
    .command = "tail",
    .synopsis = "--brokers HOST:PORT [--topic NAME] [flags]",
    .summary =
        "Prints the records of a topic, one JSON object a line, as they come. Records of several partitions are in\n"
        "order within each. Schema-registry frames are taken off. A record that does not decode is reported on\n"
        "standard error, and the exit code is then 3. Commits nothing and joins no group.",
    .options = OPTIONS,
    .with_conf = true,
    .examples = "  weir tail --brokers localhost:9092\n"
                "  weir tail --brokers localhost:9092 --topic transactions --count 10 --with-source\n"
                "  weir tail --brokers localhost:9092 --topic dead_letters --until-end\n"
                "  weir tail --brokers localhost:9092 --topic transactions --until-end --format pb >transactions.pb\n"
                "  weir tail --brokers localhost:9092 --topics.labels labels --labels --until-end\n",
};

static const char *conf_topic(const weir_conf *conf, const carried *type)
{
    return *(char *const *)((const char *)conf + type->topic_field);
}

/* By --type, else by the topic: one of the configuration's by its short or its own name, or any dead-letter topic. */
static const carried *find_type(const weir_conf *conf, const tail_values *values)
{
    for (size_t i = 0; i < TYPE_COUNT; i++)
        if (values->type ? strcmp(values->type, TYPES[i].name) == 0
                         : strcmp(values->topic, TYPES[i].stream) == 0 ||
                               strcmp(values->topic, conf_topic(conf, &TYPES[i])) == 0)
            return &TYPES[i];
    size_t size = strlen(values->topic);
    bool dead = !values->type && size > 4 && strcmp(values->topic + size - 4, ".dlq") == 0;
    return dead ? &TYPES[TYPE_COUNT - 1] : NULL;
}

static const char *find_topic(const weir_conf *conf, const char *name)
{
    for (size_t i = 0; i < TYPE_COUNT; i++)
        if (strcmp(name, TYPES[i].stream) == 0)
            return conf_topic(conf, &TYPES[i]);
    return name;
}

static bool parse_from(const tail_values *values, int64_t *from_out)
{
    const char *from = values->from ? values->from : values->until_end || values->count >= 0 ? "beginning" : "end";
    if (strcmp(from, "beginning") == 0)
        *from_out = TAIL_FROM_BEGINNING;
    else if (strcmp(from, "end") == 0)
        *from_out = TAIL_FROM_END;
    else {
        char *end;
        errno = 0;
        *from_out = strtoll(from, &end, 10);
        return *from >= '0' && *from <= '9' && !*end && !errno;
    }
    return true;
}

static int run(const weir_conf *conf, const tail_values *values, const carried *type, const tail_range *range)
{
    printer out = {.type = type,
                   .topic = find_topic(conf, values->topic),
                   .json = strcmp(values->format, "json") == 0,
                   .with_source = values->with_source};
    weir_error error = {0};
    uint8_t *memory = malloc(TAIL_LINE_MAX);
    if (!memory)
        weir_error_set(&error, WEIR_FULL, "no memory for a line");
    else if (!*out.topic)
        weir_error_set(&error, WEIR_NOT_FOUND,
                       "topics.%s is off in the configuration: --topics.%s NAME says which topic", values->topic,
                       values->topic);
    else
        (void)!client_open_tail(conf, out.topic, range->from, &out.tail, &error);
    out.line = weir_writer_of(memory, TAIL_LINE_MAX);
    tail_listen_for_signals();
    int code = out.tail ? follow(&out, range) : weir_cli_fail(&error);
    weir_tail_close(out.tail);
    free(memory);
    return code;
}

static int check_and_run(const weir_conf *conf, tail_values *values, const tail_range *range)
{
    if (values->labels && (values->topic || values->type || values->format || values->with_source))
        return weir_cli_misused(&USAGE, "--topic, --type, --format and --with-source do not go with --labels.");
    if (values->labels)
        return tail_labels(conf, range);
    values->topic = values->topic ? values->topic : "alerts";
    values->format = values->format ? values->format : "json";
    const carried *type = find_type(conf, values);
    if (!type && values->type)
        return weir_cli_misused(&USAGE, "--type is transaction, alert, score, label or dead-letter, not \"%s\".",
                                values->type);
    if (!type)
        return weir_cli_misused(&USAGE, "--type says what topic %s carries.", values->topic);
    if (strcmp(values->format, "json") != 0 && strcmp(values->format, "pb") != 0)
        return weir_cli_misused(&USAGE, "--format is json or pb, not \"%s\".", values->format);
    return run(conf, values, type, range);
}

int weir_cli_tail(int argc, char **argv)
{
    tail_values values = {.count = -1};
    tail_range range;
    weir_cli_operands operands;
    int code = weir_cli_parse(&USAGE, argc, argv, &values, &operands);
    if (code != WEIR_CLI_GO_ON)
        return code;
    if (!parse_from(&values, &range.from))
        return weir_cli_misused(&USAGE, "--from is beginning, end or an offset, not \"%s\".", values.from);
    range.count = values.count;
    range.until_end = values.until_end;
    weir_conf conf = {0};
    code = client_load_conf(&USAGE, &operands, &conf);
    if (code != WEIR_CLI_GO_ON)
        return code;
    code = check_and_run(&conf, &values, &range);
    weir_conf_deinit(&conf);
    return code;
}
