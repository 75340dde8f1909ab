/* weir score: transactions of a file in, scores out, by the service's own code. */
#include "cli/cli.h"
#include "cli/transactions.h"

#include "weir/app/offline.h"
#include "weir/codec/delimited.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { LINE_SIZE_MAX = 256 * 1024, ALERT_SIZE_MAX = 16 * 1024 };

typedef struct score_values {
    const char *model, *input, *format, *topic, *alerts_format;
    int64_t partitions;
    bool features, alerts;
} score_values;

static const weir_cli_option OPTIONS[] = {
    {"model", WEIR_CLI_TEXT, offsetof(score_values, model), "FILE", "the model (required)"},
    {"input", WEIR_CLI_TEXT, offsetof(score_values, input), "FILE", "transactions; - is standard input (the default)"},
    {"format", WEIR_CLI_TEXT, offsetof(score_values, format), "jsonl|csv|pb",
     "default: by the file's extension, else jsonl; pb is size-delimited protobuf"},
    {"features", WEIR_CLI_FLAG, offsetof(score_values, features), NULL, "add every feature's value to each line"},
    {"alerts", WEIR_CLI_FLAG, offsetof(score_values, alerts), NULL,
     "print the alerts alone, as the service would emit them"},
    {"alerts-format", WEIR_CLI_TEXT, offsetof(score_values, alerts_format), "json|pb",
     "how alerts are printed: JSON lines (the default) or size-delimited protobuf"},
    {"topic", WEIR_CLI_TEXT, offsetof(score_values, topic), "NAME",
     "the topic the transactions stand for, in alert ids (default: transactions)"},
    {"partitions", WEIR_CLI_INT, offsetof(score_values, partitions), "N",
     "its partitions: each card's events are numbered within theirs (default: 1)"},
    {0}};

static const weir_cli_usage USAGE = {
    .command = "score",
    .synopsis = "--model FILE [--input FILE] [flags]",
    .summary =
        "Scores transactions in the order they stand and prints one JSON object a line. A redelivered transaction\n"
        "has \"duplicate\": true and no score. What the service would dead-letter is reported with its line on\n"
        "standard error, and the exit code is then 3.",
    .options = OPTIONS,
    .examples =
        "  weir generate --seed 7 --cards 100 --days 3 --format jsonl | weir score --model models/card-fraud.json\n"
        "  weir score --model models/card-fraud.json --input transactions.csv --features\n"
        "  weir score --model models/card-fraud.json --input transactions.pb --alerts --topic transactions "
        "--partitions 8\n",
};

typedef struct run {
    const score_values *values;
    weir_rules rules;
    weir_offline *offline;
    transactions from;
    uint64_t rejected;
    double features[WEIR_PLAN_FEATURE_MAX];
    char line[LINE_SIZE_MAX];
} run;

/* ---- printing ---- */

static void write_literal(weir_writer *writer, const char *text)
{
    weir_write_bytes(writer, text, strlen(text));
}

static void write_features(run *it, weir_writer *writer, const weir_verdict *verdict)
{
    write_literal(writer, ",\"features\":{");
    for (size_t i = 0; i < verdict->model->feature_count; i++) {
        write_literal(writer, i ? "," : "");
        weir_json_write_text(writer, weir_span_text(verdict->model->feature_names[i]));
        write_literal(writer, ":");
        weir_json_write_double(writer, it->features[i]);
    }
    write_literal(writer, "}");
}

static void write_reasons(weir_writer *writer, const weir_verdict *verdict)
{
    write_literal(writer, ",\"severity\":");
    weir_json_write_text(writer, weir_span_text(verdict->model->thresholds[verdict->threshold].name));
    write_literal(writer, ",\"reasons\":[");
    for (size_t i = 0; i < verdict->reason_count; i++) {
        const weir_reason *reason = &verdict->reasons[i];
        write_literal(writer, i ? ",{\"feature\":" : "{\"feature\":");
        weir_json_write_text(writer, weir_span_text(verdict->model->feature_names[reason->feature]));
        write_literal(writer, ",\"value\":");
        weir_json_write_double(writer, reason->value);
        write_literal(writer, ",\"contribution\":");
        weir_json_write_double(writer, reason->contribution);
        write_literal(writer, "}");
    }
    write_literal(writer, "]");
}

static void write_score(run *it, weir_writer *writer, const weir_job *job)
{
    write_literal(writer, "{\"transaction_id\":");
    weir_json_write_text(writer, job->transaction.transaction_id);
    if (job->fate == WEIR_FATE_DUPLICATE) {
        write_literal(writer, ",\"duplicate\":true}\n");
        return;
    }
    weir_verdict verdict;
    weir_pipeline_verdict(it->rules.ruleset, job, it->features, &verdict);
    write_literal(writer, ",\"score\":");
    weir_json_write_double(writer, verdict.score);
    if (verdict.threshold >= 0)
        write_reasons(writer, &verdict);
    if (it->values->features)
        write_features(it, writer, &verdict);
    write_literal(writer, "}\n");
}

static weir_status write_alert(run *it, weir_writer *writer, const weir_job *job, const weir_source *source)
{
    if (job->fate != WEIR_FATE_SCORED || job->item->threshold < 0)
        return WEIR_OK;
    weir_verdict verdict;
    weir_pipeline_verdict(it->rules.ruleset, job, it->features, &verdict);
    uint8_t message[ALERT_SIZE_MAX];
    weir_writer alert = weir_writer_of(message, sizeof message);
    weir_alert_encode(&job->transaction, &verdict, source, &alert);
    weir_span bytes = weir_span_of(message, alert.used);
    if (it->values->alerts_format && strcmp(it->values->alerts_format, "pb") == 0) {
        weir_delimited_write(writer, bytes);
        return WEIR_OK;
    }
    weir_status status = weir_json_from_message(WEIR_MESSAGE_ALERT, bytes, writer, NULL);
    write_literal(writer, "\n");
    return status;
}

static void say_rejected(run *it, const weir_job *job, uint64_t number)
{
    const char *field = job->transaction.reject_field;
    it->rejected++;
    fprintf(stderr, "weir score: %s: %s %" PRIu64 ": %s: %s%s%s\n", it->from.lines.name, it->from.format->unit, number,
            weir_reject_code(job->reject), weir_reject_text(job->reject), field ? ": " : "", field ? field : "");
}

static weir_status print_result(void *context, const weir_job *job, const weir_source *source, uint64_t number)
{
    run *it = context;
    if (job->fate == WEIR_FATE_REJECTED) {
        say_rejected(it, job, number);
        return WEIR_OK;
    }
    weir_writer writer = weir_writer_of(it->line, sizeof it->line);
    weir_status status = WEIR_OK;
    if (it->values->alerts)
        status = write_alert(it, &writer, job, source);
    else
        write_score(it, &writer, job);
    if (status != WEIR_OK || writer.failed)
        return status != WEIR_OK ? status : WEIR_FULL;
    return fwrite(it->line, 1, writer.used, stdout) == writer.used ? WEIR_OK : WEIR_IO;
}

/* ---- reading ---- */

static weir_status score_all(run *it, weir_error *error)
{
    weir_cli_progress progress = weir_cli_progress_begin("transactions", 0);
    weir_status status = WEIR_OK;
    for (uint64_t count = 0; status == WEIR_OK; count++) {
        weir_span message;
        transactions_taken taken = transactions_next(&it->from, &message, error);
        if (taken == TRANSACTIONS_END)
            break;
        if (taken == TRANSACTIONS_MESSAGE)
            status = weir_offline_push(it->offline, message, it->from.number, weir_cli_wall_us(), error);
        else if (taken == TRANSACTIONS_BROKEN)
            status = error->status;
        else {
            it->rejected++;
            fprintf(stderr, "weir score: %s: %s %" PRIu64 ": %s\n", it->from.lines.name, it->from.format->unit,
                    it->from.number, error->message);
        }
        if (count % 1024 == 0)
            weir_cli_progress_update(&progress, count);
    }
    if (status == WEIR_OK)
        status = weir_offline_flush(it->offline, error);
    weir_cli_progress_end(&progress);
    return status;
}

static weir_status open_run(run *it, const transactions_format *format, weir_error *error)
{
    const score_values *values = it->values;
    weir_status status = weir_rules_open(values->model, 0, &it->rules, error);
    if (status != WEIR_OK)
        return status;
    weir_offline_options options = {.rules = &it->rules,
                                    .topic = values->topic,
                                    .partition_count = (int32_t)values->partitions,
                                    .limits = {.framing = WEIR_FRAMING_RAW},
                                    .visit = print_result,
                                    .context = it};
    status = weir_offline_open(&options, &it->offline, error);
    return status == WEIR_OK ? transactions_open(&it->from, format, values->input, error) : status;
}

int weir_cli_score(int argc, char **argv)
{
    static run it;
    score_values values = {.input = "-", .topic = "transactions", .partitions = 1};
    int code = weir_cli_parse(&USAGE, argc, argv, &values, NULL);
    if (code != WEIR_CLI_GO_ON)
        return code;
    const transactions_format *format = transactions_format_find(values.format, values.input);
    if (!values.model)
        return weir_cli_misused(&USAGE, "--model FILE says which model");
    if (!format)
        return weir_cli_misused(&USAGE, "--format is jsonl, csv or pb, not \"%s\"", values.format);
    if (values.alerts_format && strcmp(values.alerts_format, "json") != 0 && strcmp(values.alerts_format, "pb") != 0)
        return weir_cli_misused(&USAGE, "--alerts-format is json or pb, not \"%s\"", values.alerts_format);
    if (values.partitions < 1 || values.partitions > 100000)
        return weir_cli_misused(&USAGE, "--partitions is a number from 1 to 100000");
    it.values = &values;
    weir_error error;
    weir_status status = open_run(&it, format, &error);
    if (status == WEIR_OK)
        status = score_all(&it, &error);
    code = status != WEIR_OK ? weir_cli_fail(&error) : it.rejected > 0 ? WEIR_EXIT_PROBLEMS : WEIR_EXIT_OK;
    transactions_close(&it.from);
    weir_offline_close(it.offline);
    weir_rules_close(&it.rules);
    return weir_cli_finish(code);
}
