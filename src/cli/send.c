/* weir send: publishes transactions from a file, keyed by card token, after the checks the service would make. */
#include "cli/cli.h"
#include "cli/transactions.h"

#include "weir/base/units.h"
#include "weir/broker/client.h"
#include "weir/codec/transaction.h"
#include "weir/conf/conf.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
    PROGRESS_EVERY = 1024 /* messages between two looks at the clock */
};

#define LINGER_US (5 * WEIR_US_PER_MS) /* a request a partition and message would drown a broker */
#define FLUSH_US (60 * WEIR_US_PER_SECOND)

/* --- sending ------------------------------------------------------------------------------------------------- */

typedef struct send_values {
    const char *topic, *input, *format;
    double rate;
} send_values;

typedef struct job {
    transactions from;
    weir_sender *sender;
    weir_decode_limits limits; /* the service's */
    double rate;               /* events a second; 0 = as fast as it goes */
    int64_t begin_us;
    uint64_t sent, refused;
} job;

static void say_refused(job *one, const char *field, const char *reason)
{
    one->refused++;
    fprintf(stderr, "weir send: %s: %s %" PRIu64 " refused: %s%s%s\n", one->from.lines.name, one->from.format->unit,
            one->from.number, field ? field : "", field ? ": " : "", reason);
}

/* Waits until the next event is due. */
static void keep_rate(const job *one)
{
    int64_t due_us = one->begin_us + (int64_t)((double)one->sent / one->rate * 1e6);
    int64_t early_us = due_us - weir_cli_steady_us();
    if (early_us < WEIR_US_PER_MS)
        return;
    struct timespec pause = {.tv_sec = early_us / WEIR_US_PER_SECOND, .tv_nsec = early_us % WEIR_US_PER_SECOND * 1000};
    nanosleep(&pause, NULL);
}

static weir_status send_message(job *one, weir_span message, weir_error *error)
{
    weir_transaction transaction;
    weir_reject reject = weir_transaction_decode(message, &one->limits, weir_cli_wall_us(), &transaction);
    if (reject != WEIR_ACCEPTED) {
        say_refused(one, transaction.reject_field, weir_reject_text(reject));
        return WEIR_OK;
    }
    if (one->rate > 0)
        keep_rate(one);
    weir_status status = weir_sender_send(one->sender, -1, transaction.card_token, message, -1);
    if (status != WEIR_OK)
        return weir_error_set(error, status, "%s %" PRIu64 " could not be sent: %s", one->from.format->unit,
                              one->from.number, weir_status_name(status));
    one->sent++;
    return WEIR_OK;
}

static weir_status send_all(job *one, weir_error *error)
{
    weir_cli_progress progress = weir_cli_progress_begin("transactions", 0);
    weir_status status = WEIR_OK;
    one->begin_us = weir_cli_steady_us();
    while (status == WEIR_OK) {
        weir_span message;
        transactions_taken result = transactions_next(&one->from, &message, error);
        if (result == TRANSACTIONS_END)
            break;
        if (result == TRANSACTIONS_MESSAGE)
            status = send_message(one, message, error);
        else if (result == TRANSACTIONS_REFUSED)
            say_refused(one, NULL, error->message);
        else
            status = error->status;
        if ((one->sent + one->refused) % PROGRESS_EVERY == 0)
            weir_cli_progress_update(&progress, one->sent);
    }
    weir_cli_progress_end(&progress);
    return status;
}

/* Waits for the acknowledgements, also after a failure, and says what became of everything. */
static int finish(job *one, weir_status status, const weir_error *error)
{
    int code = status == WEIR_OK ? WEIR_EXIT_OK : weir_cli_fail(error);
    uint64_t lost = weir_sender_flush(one->sender, FLUSH_US);
    double seconds = (double)(weir_cli_steady_us() - one->begin_us) * 1e-6;
    fprintf(stderr, "weir send: %" PRIu64 " sent, %" PRIu64 " refused, %.1f s, %.0f a second\n", one->sent - lost,
            one->refused, seconds, seconds > 0 ? (double)one->sent / seconds : 0);
    if (lost > 0) {
        fprintf(stderr, "weir send: %" PRIu64 " were not acknowledged: they may or may not be in the topic\n", lost);
        return WEIR_EXIT_FAILED;
    }
    return code == WEIR_EXIT_OK && one->refused > 0 ? WEIR_EXIT_PROBLEMS : code;
}

/* --- the command --------------------------------------------------------------------------------------------- */

static const weir_cli_option OPTIONS[] = {
    {"topic", WEIR_CLI_TEXT, offsetof(send_values, topic), "NAME", "where to (default: topics.transactions)"},
    {"input", WEIR_CLI_TEXT, offsetof(send_values, input), "FILE", "what to send; - is standard input (the default)"},
    {"format", WEIR_CLI_TEXT, offsetof(send_values, format), "jsonl|csv|pb",
     "default: by the file's extension, else jsonl; pb is size-delimited protobuf"},
    {"rate", WEIR_CLI_REAL, offsetof(send_values, rate), "N", "at most N a second (default: as fast as it goes)"},
    {0}};

static const weir_cli_usage USAGE = {
    .command = "send",
    .synopsis = "--brokers HOST:PORT [--input FILE] [flags]",
    .summary = "Publishes transactions to the input topic, keyed by card token, so that a card's events share a\n"
               "partition in order. Each is checked as the service would check it; what it would refuse is not sent\n"
               "but reported with its line, and the exit code is then 3. A CSV file begins with field names.",
    .options = OPTIONS,
    .with_conf = true,
    .examples = "  weir generate --seed 7 --cards 1000 --days 3 --format jsonl | weir send --brokers localhost:9092\n"
                "  weir send --brokers localhost:9092 --input transactions.csv --rate 500\n"
                "  weir send --config weir.yaml --set kafka.security.protocol=ssl --input transactions.pb\n",
};

/* What the configuration passes through to a producer, in memory the caller frees; NULL when there is none. */
static weir_kafka_property *gather_properties(const weir_conf *conf, size_t *count_out)
{
    weir_kafka_property *properties = calloc(conf->property_count + 1, sizeof *properties);
    size_t count = 0;
    for (size_t i = 0; properties && i < conf->property_count; i++)
        if (conf->properties[i].scope != WEIR_CONF_FOR_CONSUMER)
            properties[count++] = (weir_kafka_property){conf->properties[i].name, conf->properties[i].value};
    *count_out = count;
    return properties;
}

static weir_status open_job(job *one, const weir_conf *conf, const send_values *values,
                            const transactions_format *format, weir_error *error)
{
    one->rate = values->rate;
    one->limits = (weir_decode_limits){.framing = (weir_framing)conf->input_framing,
                                       .payload_size_max = (size_t)conf->input_payload_max_bytes,
                                       .future_us_max = conf->input_future_max_us};
    weir_status status = transactions_open(&one->from, format, values->input, error);
    if (status != WEIR_OK)
        return status;
    size_t property_count;
    weir_kafka_property *properties = gather_properties(conf, &property_count);
    if (!properties)
        return weir_error_set(error, WEIR_FULL, "no memory for %zu properties", conf->property_count);
    const char *topic = values->topic ? values->topic : conf->topics_transactions;
    status = weir_sender_open(conf->brokers, topic, LINGER_US, properties, property_count, &one->sender, error);
    free(properties);
    return status;
}

static int run(const weir_conf *conf, const send_values *values, const transactions_format *format)
{
    static job one;
    weir_error error = {0};
    if (open_job(&one, conf, values, format, &error) != WEIR_OK) {
        transactions_close(&one.from);
        return weir_cli_fail(&error);
    }
    weir_status status = send_all(&one, &error);
    int code = finish(&one, status, &error);
    weir_sender_close(one.sender);
    transactions_close(&one.from);
    return code;
}

int weir_cli_send(int argc, char **argv)
{
    send_values values = {.input = "-"};
    weir_cli_operands operands;
    int code = weir_cli_parse(&USAGE, argc, argv, &values, &operands);
    if (code != WEIR_CLI_GO_ON)
        return code;
    const transactions_format *format = transactions_format_find(values.format, values.input);
    if (!format)
        return weir_cli_misused(&USAGE, "--format is jsonl, csv or pb, not \"%s\".", values.format);
    if (values.rate < 0)
        return weir_cli_misused(&USAGE, "--rate is a positive number of transactions a second.");
    weir_conf conf = {0};
    weir_error error = {0};
    weir_conf_inputs inputs = {.environment = (const char *const *)environ,
                               .arguments = operands.conf_arguments,
                               .argument_count = operands.conf_argument_count};
    if (weir_conf_load(&inputs, &conf, &error) != WEIR_OK)
        return weir_cli_fail(&error);
    code = conf.brokers[0] ? run(&conf, &values, format)
                           : weir_cli_misused(&USAGE, "--brokers HOST:PORT says which cluster.");
    weir_conf_deinit(&conf);
    return code;
}
