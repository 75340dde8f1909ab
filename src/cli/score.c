/* weir score: transactions of a file in, scores out, by the service's own code. */
#include "cli/cli.h"
#include "cli/messages.h"

#include "weir/app/offline.h"
#include "weir/codec/delimited.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { LINE_SIZE_MAX = 256 * 1024, OUTPUT_SIZE_MAX = 32 * 1024 };

typedef struct score_values {
    const char *model, *input, *format, *labels, *stages, *topic, *output_format;
    int64_t partitions;
    bool features, alerts, scores;
    weir_chain chain; /* of `stages` */
} score_values;

static const weir_cli_option OPTIONS[] = {
    {"model", WEIR_CLI_TEXT, offsetof(score_values, model), "FILE", "the model (required)"},
    {"input", WEIR_CLI_TEXT, offsetof(score_values, input), "FILE", "transactions; - is standard input (the default)"},
    {"format", WEIR_CLI_TEXT, offsetof(score_values, format), "jsonl|csv|pb",
     "default: by the file's extension, else jsonl; pb is size-delimited protobuf"},
    {"labels", WEIR_CLI_TEXT, offsetof(score_values, labels), "FILE",
     "what became known later, in the order of label times; same formats, by the file's extension"},
    {"stages", WEIR_CLI_TEXT, offsetof(score_values, stages), "LIST",
     "whose histories to keep: card,terminal,merchant,device (default: card)"},
    {"features", WEIR_CLI_FLAG, offsetof(score_values, features), NULL, "add every feature's value to each line"},
    {"alerts", WEIR_CLI_FLAG, offsetof(score_values, alerts), NULL,
     "print the alerts alone, as the service would emit them"},
    {"scores", WEIR_CLI_FLAG, offsetof(score_values, scores), NULL,
     "print what the service would write to the scores topic, feature values and all"},
    {"output-format", WEIR_CLI_TEXT, offsetof(score_values, output_format), "json|pb",
     "how alerts and scores are printed: JSON lines (the default) or size-delimited protobuf"},
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
        "  weir generate --cards 300 --days 20 --output days.jsonl --labels labels.jsonl\n"
        "  weir score --model models/place-fraud.json --stages card,terminal,merchant --input days.jsonl "
        "--labels labels.jsonl\n"
        "  weir score --model models/card-fraud.json --input transactions.pb --alerts --topic transactions "
        "--partitions 8\n",
};

typedef struct run {
    const score_values *values;
    weir_rules rules;
    weir_offline *offline;
    messages labels;
    uint64_t labels_rejected;
    messages from;
    uint64_t rejected;
    double features[WEIR_PLAN_FEATURE_MAX];
    uint8_t message[OUTPUT_SIZE_MAX]; /* an alert or a score */
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

/* An alert or a score as the service would emit it. */
static weir_status write_output(run *it, weir_writer *writer, const weir_job *job, const weir_source *source)
{
    bool alert = it->values->alerts;
    if (job->fate != WEIR_FATE_SCORED || (alert && job->item->threshold < 0))
        return WEIR_OK;
    weir_verdict verdict;
    weir_pipeline_verdict(it->rules.ruleset, job, it->features, &verdict);
    weir_writer message = weir_writer_of(it->message, sizeof it->message);
    if (alert)
        weir_alert_encode(&job->transaction, &verdict, source, &message);
    else
        weir_score_encode(&job->transaction, &verdict, source, true, &message);
    weir_span bytes = weir_span_of(it->message, message.used);
    if (it->values->output_format && strcmp(it->values->output_format, "pb") == 0) {
        weir_delimited_write(writer, bytes);
        return WEIR_OK;
    }
    weir_status status =
        weir_json_from_message(alert ? WEIR_MESSAGE_ALERT : WEIR_MESSAGE_SCORE, bytes, writer, NULL);
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
    if (it->values->alerts || it->values->scores)
        status = write_output(it, &writer, job, source);
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
        messages_taken taken = messages_next(&it->from, &message, error);
        if (taken == MESSAGES_END)
            break;
        if (taken == MESSAGES_MESSAGE)
            status = weir_offline_push(it->offline, message, it->from.number, weir_cli_wall_us(), error);
        else if (taken == MESSAGES_BROKEN)
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

/* A label that cannot be read is said and passed over, as a transaction is. */
static bool next_label(void *context, weir_label *label_out)
{
    run *it = context;
    weir_decode_limits limits = {.framing = WEIR_FRAMING_RAW, .future_us_max = INT64_MAX};
    weir_error error;
    weir_span message;
    for (messages_taken taken; (taken = messages_next(&it->labels, &message, &error)) != MESSAGES_END;) {
        weir_reject reject = WEIR_ACCEPTED;
        if (taken == MESSAGES_MESSAGE &&
            (reject = weir_label_decode(message, &limits, weir_cli_wall_us(), label_out)) == WEIR_ACCEPTED)
            return true;
        it->labels_rejected++;
        fprintf(stderr, "weir score: %s: %s %" PRIu64 ": %s\n", it->labels.lines.name, it->labels.format->unit,
                it->labels.number, taken == MESSAGES_MESSAGE ? weir_reject_text(reject) : error.message);
        if (taken == MESSAGES_BROKEN)
            break;
    }
    return false;
}

static weir_status open_run(run *it, const messages_format *format, weir_error *error)
{
    const score_values *values = it->values;
    weir_status status = weir_rules_open(values->model, &values->chain, 0, &it->rules, error);
    if (status == WEIR_OK && values->labels)
        status = messages_open(&it->labels, WEIR_MESSAGE_LABEL, messages_format_find(NULL, values->labels),
                               values->labels, error);
    if (status != WEIR_OK)
        return status;
    weir_offline_options options = {.rules = &it->rules,
                                    .topic = values->topic,
                                    .partition_count = (int32_t)values->partitions,
                                    .limits = {.framing = WEIR_FRAMING_RAW},
                                    .visit = print_result,
                                    .context = it,
                                    .labels = values->labels ? next_label : NULL,
                                    .labels_context = it};
    status = weir_offline_open(&options, &it->offline, error);
    if (status != WEIR_OK)
        return status;
    return messages_open(&it->from, WEIR_MESSAGE_TRANSACTION, format, values->input, error);
}

int weir_cli_score(int argc, char **argv)
{
    static run it;
    score_values values = {.input = "-", .topic = "transactions", .stages = "card", .partitions = 1};
    int code = weir_cli_parse(&USAGE, argc, argv, &values, NULL);
    if (code != WEIR_CLI_GO_ON)
        return code;
    const messages_format *format = messages_format_find(values.format, values.input);
    if (!values.model)
        return weir_cli_misused(&USAGE, "--model FILE says which model");
    if (!format)
        return weir_cli_misused(&USAGE, "--format is jsonl, csv or pb, not \"%s\"", values.format);
    if (values.output_format && strcmp(values.output_format, "json") != 0 && strcmp(values.output_format, "pb") != 0)
        return weir_cli_misused(&USAGE, "--output-format is json or pb, not \"%s\"", values.output_format);
    if (values.alerts && values.scores)
        return weir_cli_misused(&USAGE, "--alerts and --scores are two things to print: one of them");
    if (values.partitions < 1 || values.partitions > 100000)
        return weir_cli_misused(&USAGE, "--partitions is a number from 1 to 100000");
    it.values = &values;
    weir_error error;
    if (weir_chain_parse_list(values.stages, &values.chain, &error) != WEIR_OK)
        return weir_cli_misused(&USAGE, "--%s", error.message);
    weir_status status = open_run(&it, format, &error);
    if (status == WEIR_OK)
        status = score_all(&it, &error);
    uint64_t rejected = it.rejected + it.labels_rejected;
    code = status != WEIR_OK ? weir_cli_fail(&error) : rejected > 0 ? WEIR_EXIT_PROBLEMS : WEIR_EXIT_OK;
    messages_close(&it.from);
    messages_close(&it.labels);
    weir_offline_close(it.offline);
    weir_rules_close(&it.rules);
    return weir_cli_finish(code);
}
