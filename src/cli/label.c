/* weir label: publishes what was learned of transactions, one on the command line or a file of them, after the checks
 * the service would make. */
#include "cli/sending.h"

#include "weir/codec/label.h"

typedef struct label_values {
    const char *transaction, *card, *verdict, *time, *event_time, *source;
    const char *topic, *input, *format;
    double rate;
} label_values;

static const weir_cli_option OPTIONS[] = {
    {"transaction", WEIR_CLI_TEXT, offsetof(label_values, transaction), "ID", "the transaction's id"},
    {"card", WEIR_CLI_TEXT, offsetof(label_values, card), "TOKEN", "its card token: the label's key"},
    {"verdict", WEIR_CLI_TEXT, offsetof(label_values, verdict), "fraud|cleared", "what it turned out to be"},
    {"time", WEIR_CLI_TEXT, offsetof(label_values, time), "MOMENT",
     "when that became known, such as 2026-01-31T12:00:00Z (default: now)"},
    {"event-time", WEIR_CLI_TEXT, offsetof(label_values, event_time), "MOMENT",
     "the transaction's own time, if you know it: it is found at once"},
    {"source", WEIR_CLI_TEXT, offsetof(label_values, source), "TEXT", "who says so, for people"},
    {"input", WEIR_CLI_TEXT, offsetof(label_values, input), "FILE",
     "a file of labels instead of one; - is standard input"},
    {"format", WEIR_CLI_TEXT, offsetof(label_values, format), "jsonl|csv|pb",
     "default: by the file's extension, else jsonl; pb is size-delimited protobuf"},
    {"topic", WEIR_CLI_TEXT, offsetof(label_values, topic), "NAME", "where to (default: topics.labels)"},
    {"rate", WEIR_CLI_REAL, offsetof(label_values, rate), "N", "at most N a second (default: as fast as it goes)"},
    {0}};

static const weir_cli_usage USAGE = {
    .command = "label",
    .synopsis = "--brokers HOST:PORT --transaction ID --card TOKEN --verdict fraud|cleared | --input FILE [flags]",
    .summary = "Publishes labels, keyed by card token, to the partitions their transactions are in. A later label of\n"
               "a transaction replaces an earlier one. Each is checked as the service would check it; what it would\n"
               "refuse is not sent but reported, and the exit code is then 3. A file has a label a line, as JSON or\n"
               "as CSV that begins with field names: transaction_id, card_token, label_time_us, verdict, and if you\n"
               "have them event_time_us and source.",
    .options = OPTIONS,
    .with_conf = true,
    .examples =
        "  weir label --brokers localhost:9092 --topic labels --transaction tx-42 --card tok_9f86 --verdict fraud\n"
        "  weir label --brokers localhost:9092 --topic labels --transaction tx-42 --card tok_9f86 --verdict cleared "
        "--time 2026-01-31T12:00:00Z --source \"customer call\"\n"
        "  weir label --brokers localhost:9092 --topic labels --input labels.csv\n",
};

static weir_reject check_label(weir_span message, const weir_decode_limits *limits, weir_span *key_out,
                               const char **field_out)
{
    weir_label label;
    weir_reject reject = weir_label_decode(message, limits, weir_cli_wall_us(), &label);
    *key_out = label.card_token;
    *field_out = label.reject_field;
    return reject;
}

static const sending_kind LABELS = {
    .command = "label", .plural = "labels", .type = WEIR_MESSAGE_LABEL, .check = check_label};

/* ---- one label of the command line ---- */

static bool parse_verdict(const char *name, weir_label_verdict *verdict_out)
{
    for (int verdict = WEIR_LABEL_FRAUD; verdict < WEIR_LABEL_VERDICT_COUNT; verdict++) {
        if (strcmp(name, weir_label_verdict_name((weir_label_verdict)verdict)) == 0) {
            *verdict_out = (weir_label_verdict)verdict;
            return true;
        }
    }
    return false;
}

/* Leaves *time_us_out alone when the flag is not given. */
static int parse_moment(const char *flag, const char *text, int64_t *time_us_out)
{
    if (!text || weir_iso_time_parse(weir_span_text(text), time_us_out) == WEIR_OK)
        return WEIR_CLI_GO_ON;
    return weir_cli_misused(&USAGE, "--%s is \"%s\"; wanted a moment such as 2026-01-31T12:00:00Z.", flag, text);
}

static int parse_label(const label_values *values, weir_label *label_out)
{
    if (!values->transaction || !values->card || !values->verdict)
        return weir_cli_misused(&USAGE, "A label has --transaction, --card and --verdict; --input sends a file.");
    *label_out = (weir_label){.transaction_id = weir_span_text(values->transaction),
                              .card_token = weir_span_text(values->card),
                              .source = weir_span_text(values->source ? values->source : ""),
                              .label_time_us = weir_cli_wall_us(),
                              .event_time_us = INT64_MIN};
    if (!parse_verdict(values->verdict, &label_out->verdict))
        return weir_cli_misused(&USAGE, "--verdict is \"%s\"; wanted fraud or cleared.", values->verdict);
    int code = parse_moment("time", values->time, &label_out->label_time_us);
    return code == WEIR_CLI_GO_ON ? parse_moment("event-time", values->event_time, &label_out->event_time_us) : code;
}

static int send_label(const sending_target *target, const weir_label *label)
{
    static uint8_t memory[MESSAGES_SIZE_MAX];
    weir_writer writer = weir_writer_of(memory, sizeof memory);
    weir_label_encode(label, &writer);
    if (writer.failed)
        return weir_cli_misused(&USAGE, "A label of more than %zu bytes.", sizeof memory);
    return sending_message(&LABELS, target, weir_span_of(memory, writer.used));
}

/* ---- the command ---- */

static bool describes_a_label(const label_values *values)
{
    return values->transaction || values->card || values->verdict || values->time || values->event_time ||
           values->source;
}

int weir_cli_label(int argc, char **argv)
{
    label_values values = {0};
    weir_label label = {0};
    weir_cli_operands operands;
    int code = weir_cli_parse(&USAGE, argc, argv, &values, &operands);
    if (code != WEIR_CLI_GO_ON)
        return code;
    const messages_format *format = messages_format_find(values.format, values.input ? values.input : "");
    if (!format)
        return weir_cli_misused(&USAGE, "--format is jsonl, csv or pb, not \"%s\".", values.format);
    if (values.rate < 0)
        return weir_cli_misused(&USAGE, "--rate is a positive number of labels a second.");
    if (values.input && describes_a_label(&values))
        return weir_cli_misused(&USAGE, "--input sends a file of labels; flags that describe one do not go with it.");
    code = values.input ? WEIR_CLI_GO_ON : parse_label(&values, &label);
    if (code != WEIR_CLI_GO_ON)
        return code;
    weir_conf conf = {0};
    code = client_load_conf(&USAGE, &operands, &conf);
    if (code != WEIR_CLI_GO_ON)
        return code;
    sending_target target = {
        .conf = &conf, .topic = values.topic ? values.topic : conf.topics_labels, .rate = values.rate};
    if (!*target.topic)
        code = weir_cli_misused(&USAGE, "topics.labels is off; --topic NAME says where labels go.");
    else
        code = values.input ? sending_file(&LABELS, &target, format, values.input) : send_label(&target, &label);
    weir_conf_deinit(&conf);
    return code;
}
