/* weir send: publishes transactions from a file, keyed by card token, after the checks the service would make. */
#include "cli/sending.h"

typedef struct send_values {
    const char *topic, *input, *format;
    double rate;
} send_values;

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

static weir_reject check_transaction(weir_span message, const weir_decode_limits *limits, weir_span *key_out,
                                     const char **field_out)
{
    weir_transaction transaction;
    weir_reject reject = weir_transaction_decode(message, limits, weir_cli_wall_us(), &transaction);
    *key_out = transaction.card_token;
    *field_out = transaction.reject_field;
    return reject;
}

static const sending_kind TRANSACTIONS = {
    .command = "send", .plural = "transactions", .type = WEIR_MESSAGE_TRANSACTION, .check = check_transaction};

int weir_cli_send(int argc, char **argv)
{
    send_values values = {.input = "-"};
    weir_cli_operands operands;
    int code = weir_cli_parse(&USAGE, argc, argv, &values, &operands);
    if (code != WEIR_CLI_GO_ON)
        return code;
    const messages_format *format = messages_format_find(values.format, values.input);
    if (!format)
        return weir_cli_misused(&USAGE, "--format is jsonl, csv or pb, not \"%s\".", values.format);
    if (values.rate < 0)
        return weir_cli_misused(&USAGE, "--rate is a positive number of transactions a second.");
    weir_conf conf = {0};
    code = client_load_conf(&USAGE, &operands, &conf);
    if (code != WEIR_CLI_GO_ON)
        return code;
    sending_target target = {
        .conf = &conf, .topic = values.topic ? values.topic : conf.topics_transactions, .rate = values.rate};
    code = sending_file(&TRANSACTIONS, &target, format, values.input);
    weir_conf_deinit(&conf);
    return code;
}
