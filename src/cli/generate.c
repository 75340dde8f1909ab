/* weir generate: synthetic transactions with labelled fraud, as a file. */
#include "cli/cli.h"

#include "weir/app/generate.h"
#include "weir/base/units.h"
#include "weir/codec/delimited.h"
#include "weir/codec/json.h"

#include <string.h>

enum { MESSAGE_SIZE_MAX = 1024, LINE_SIZE_MAX = 4096, OUTPUT_BUFFER_SIZE = 1 << 20 };

typedef struct generate_values {
    const char *output, *format, *labels, *start;
    int64_t seed, cards, days;
    double rate, fraud_share;
} generate_values;

static const weir_cli_option OPTIONS[] = {
    {"seed", WEIR_CLI_INT, offsetof(generate_values, seed), "N", "the same seed gives the same bytes (default: 1)"},
    {"cards", WEIR_CLI_INT, offsetof(generate_values, cards), "N", "how many cards (default: 1000)"},
    {"days", WEIR_CLI_INT, offsetof(generate_values, days), "N", "how many days (default: 7)"},
    {"rate", WEIR_CLI_REAL, offsetof(generate_values, rate), "N", "transactions a card a day (default: 2)"},
    {"fraud-share", WEIR_CLI_REAL, offsetof(generate_values, fraud_share), "X",
     "of all transactions, about (default: 0.007; 0 for none)"},
    {"start", WEIR_CLI_TEXT, offsetof(generate_values, start), "TIME",
     "the first moment, as 2025-01-31 or 2025-01-31T12:00:00Z (default: 2025-01-01)"},
    {"output", WEIR_CLI_TEXT, offsetof(generate_values, output), "FILE", "- is standard output (the default)"},
    {"format", WEIR_CLI_TEXT, offsetof(generate_values, format), "jsonl|csv|pb",
     "default: by the file's extension, else jsonl; pb is size-delimited protobuf"},
    {"labels", WEIR_CLI_TEXT, offsetof(generate_values, labels), "FILE",
     "also write what becomes known, and when: weir.v1.Label in the order of label time, JSON lines or .pb"},
    {0}};

static const weir_cli_usage USAGE = {
    .command = "generate",
    .synopsis = "[--seed N] [--cards N] [--days N] [--output FILE] [flags]",
    .summary = "Makes up card transactions in the order of their times: people with habits, and fraud among them\n"
               "(card testing, account takeover, stolen cards used far away, slow bust-out, terminals that copy\n"
               "cards, merchants whose stored cards leaked). JSON lines say of each transaction which it is\n"
               "(\"label\"), CSV in the columns _fraud and _pattern; protobuf is the transaction alone. What anybody\n"
               "could know of it is in --labels: days later, and sometimes wrong.",
    .options = OPTIONS,
    .examples = "  weir generate --seed 7 --cards 2000 --days 30 --output month.jsonl\n"
                "  weir generate --cards 100000 --days 1 --format pb --output day.pb --labels labels.pb\n",
};

/* ---- output formats ---- */

typedef struct output_format {
    const char *name, *extension;
    void (*head)(weir_writer *line);
    weir_status (*row)(weir_span message, const weir_generated_label *label, weir_writer *line, weir_error *error);
} output_format;

static void write_literal(weir_writer *line, const char *text)
{
    weir_write_bytes(line, text, strlen(text));
}

static void head_none(weir_writer *line)
{
    (void)line;
}

/* The transaction's own object, with the label put in before its closing brace. */
static weir_status row_json(weir_span message, const weir_generated_label *label, weir_writer *line, weir_error *error)
{
    weir_status status = weir_json_from_message(WEIR_MESSAGE_TRANSACTION, message, line, error);
    if (status != WEIR_OK)
        return status;
    line->used--;
    write_literal(line, ",\"label\":{\"fraud\":");
    write_literal(line, label->pattern == WEIR_FRAUD_NONE ? "false" : "true,\"pattern\":\"");
    if (label->pattern != WEIR_FRAUD_NONE) {
        write_literal(line, weir_fraud_pattern_name(label->pattern));
        write_literal(line, "\"");
    }
    write_literal(line, "}}\n");
    return WEIR_OK;
}

static void head_csv(weir_writer *line)
{
    weir_csv_write_header(WEIR_MESSAGE_TRANSACTION, line);
    write_literal(line, ",_fraud,_pattern\n");
}

static weir_status row_csv(weir_span message, const weir_generated_label *label, weir_writer *line, weir_error *error)
{
    weir_status status = weir_csv_write_row(WEIR_MESSAGE_TRANSACTION, message, line, error);
    write_literal(line, label->pattern == WEIR_FRAUD_NONE ? ",0," : ",1,");
    if (label->pattern != WEIR_FRAUD_NONE)
        write_literal(line, weir_fraud_pattern_name(label->pattern));
    write_literal(line, "\n");
    return status;
}

static weir_status row_pb(weir_span message, const weir_generated_label *label, weir_writer *line, weir_error *error)
{
    (void)label, (void)error;
    weir_delimited_write(line, message);
    return WEIR_OK;
}

static const output_format FORMATS[] = {
    {"jsonl", ".jsonl", head_none, row_json},
    {"csv", ".csv", head_csv, row_csv},
    {"pb", ".pb", head_none, row_pb},
};
enum { FORMAT_COUNT = sizeof FORMATS / sizeof FORMATS[0] };

static bool has_extension(const char *path, const char *extension)
{
    const char *found = strrchr(path, '.');
    return found && strcmp(found, extension) == 0;
}

static const output_format *find_format(const generate_values *values)
{
    for (size_t i = 0; i < FORMAT_COUNT; i++) {
        if (values->format ? strcmp(values->format, FORMATS[i].name) == 0
                           : has_extension(values->output, FORMATS[i].extension))
            return &FORMATS[i];
    }
    return values->format ? NULL : &FORMATS[0];
}

/* ---- files ---- */

static weir_status open_output(const char *path, FILE **file_out, weir_error *error)
{
    FILE *file = strcmp(path, "-") == 0 ? stdout : fopen(path, "wb");
    if (!file)
        return weir_error_set(error, WEIR_IO, "%s cannot be written: %m", path);
    (void)setvbuf(file, NULL, _IOFBF, OUTPUT_BUFFER_SIZE);
    *file_out = file;
    return WEIR_OK;
}

/* Standard output stays open; weir_cli_finish looks at it last. */
static weir_status close_output(const char *path, FILE *file, weir_status status, weir_error *error)
{
    if (!file || file == stdout)
        return status;
    bool bad = ferror(file);
    bad |= fclose(file) != 0;
    return status == WEIR_OK && bad ? weir_error_set(error, WEIR_IO, "%s could not be written: %m", path) : status;
}

static weir_status write_line(FILE *file, const weir_writer *line, weir_error *error)
{
    if (line->failed)
        return weir_error_set(error, WEIR_FULL, "a line of more than %zu bytes", line->size);
    if (fwrite(line->base, 1, line->used, file) != line->used)
        return weir_error_set(error, WEIR_IO, "the output could not be written: %m");
    return WEIR_OK;
}

/* ---- labels ---- */

static weir_status write_label(const weir_label *label, bool as_pb, FILE *file, weir_error *error)
{
    uint8_t message_memory[MESSAGE_SIZE_MAX], line_memory[LINE_SIZE_MAX];
    weir_writer message = weir_writer_of(message_memory, sizeof message_memory);
    weir_writer line = weir_writer_of(line_memory, sizeof line_memory);
    weir_label_encode(label, &message);
    weir_span encoded = weir_span_of(message_memory, message.used);
    weir_status status = WEIR_OK;
    if (as_pb) {
        weir_delimited_write(&line, encoded);
    } else {
        status = weir_json_from_message(WEIR_MESSAGE_LABEL, encoded, &line, error);
        write_literal(&line, "\n");
    }
    return status == WEIR_OK ? write_line(file, &line, error) : status;
}

/* ---- the command ---- */

typedef struct generate_run {
    const generate_values *values;
    const output_format *format;
    weir_generator *generator;
    FILE *file, *labels_file; /* the latter NULL unless wanted */
} generate_run;

/* What has become known since the last row. */
static weir_status write_labels(generate_run *run, weir_error *error)
{
    weir_status status = WEIR_OK;
    weir_label label;
    while (run->labels_file && status == WEIR_OK && weir_generator_next_label(run->generator, &label))
        status = write_label(&label, has_extension(run->values->labels, ".pb"), run->labels_file, error);
    return status;
}

static weir_status write_row(generate_run *run, const weir_transaction_fields *fields,
                             const weir_generated_label *label, weir_error *error)
{
    uint8_t message_memory[MESSAGE_SIZE_MAX], line_memory[LINE_SIZE_MAX];
    weir_writer message = weir_writer_of(message_memory, sizeof message_memory);
    weir_writer line = weir_writer_of(line_memory, sizeof line_memory);
    weir_transaction_encode(fields, &message);
    weir_status status = run->format->row(weir_span_of(message_memory, message.used), label, &line, error);
    if (status == WEIR_OK)
        status = write_line(run->file, &line, error);
    return status == WEIR_OK ? write_labels(run, error) : status;
}

static weir_status write_rows(generate_run *run, weir_error *error)
{
    double rate = run->values->rate > 0 ? run->values->rate : 2;
    double expected = (double)run->values->cards * (double)run->values->days * rate;
    weir_cli_progress progress = weir_cli_progress_begin("transactions", (uint64_t)expected);
    char head_memory[LINE_SIZE_MAX];
    weir_writer head = weir_writer_of(head_memory, sizeof head_memory);
    run->format->head(&head);
    weir_status status = write_line(run->file, &head, error);
    weir_transaction_fields fields;
    weir_generated_label label;
    for (uint64_t count = 0; status == WEIR_OK && weir_generator_next(run->generator, &fields, &label); count++) {
        status = write_row(run, &fields, &label, error);
        if (count % 4096 == 0)
            weir_cli_progress_update(&progress, count);
    }
    weir_cli_progress_end(&progress);
    return status == WEIR_OK ? write_labels(run, error) : status; /* those still to come */
}

static weir_status generate(generate_run *run, const weir_generator_config *config, weir_error *error)
{
    weir_status status = weir_generator_open(config, &run->generator, error);
    if (status == WEIR_OK)
        status = open_output(run->values->output, &run->file, error);
    if (status == WEIR_OK && run->values->labels)
        status = open_output(run->values->labels, &run->labels_file, error);
    if (status == WEIR_OK)
        status = write_rows(run, error);
    status = close_output(run->values->output, run->file, status, error);
    status = close_output(run->values->labels, run->labels_file, status, error);
    weir_generator_close(run->generator);
    return status;
}

int weir_cli_generate(int argc, char **argv)
{
    generate_values values = {.output = "-", .seed = 1, .cards = 1000, .days = 7, .fraud_share = 0.007};
    int code = weir_cli_parse(&USAGE, argc, argv, &values, NULL);
    if (code != WEIR_CLI_GO_ON)
        return code;
    generate_run run = {.values = &values, .format = find_format(&values)};
    if (!run.format)
        return weir_cli_misused(&USAGE, "--format is jsonl, csv or pb, not \"%s\"", values.format);
    if (values.cards < 1 || values.cards > UINT32_MAX)
        return weir_cli_misused(&USAGE, "--cards is a number from 1 on");
    if (values.days < 1 || values.days > 36500)
        return weir_cli_misused(&USAGE, "--days is a number from 1 to 36500");
    weir_generator_config config = {.seed = (uint64_t)values.seed,
                                    .card_count = (uint32_t)values.cards,
                                    .events_per_day = values.rate,
                                    .fraud_share = values.fraud_share > 0 ? values.fraud_share : -1,
                                    .duration_us = values.days * WEIR_US_PER_DAY};
    if (values.start && weir_iso_time_parse(weir_span_text(values.start), &config.start_us) != WEIR_OK)
        return weir_cli_misused(&USAGE, "--start is a date or a time as 2025-01-31T12:00:00Z, not \"%s\"",
                                values.start);
    weir_error error;
    weir_status status = generate(&run, &config, &error);
    return weir_cli_finish(status == WEIR_OK ? WEIR_EXIT_OK : weir_cli_fail(&error));
}
