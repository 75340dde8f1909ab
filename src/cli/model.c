/* weir model: looks at model files without a stream. */
#include "cli/cli.h"

#include "weir/core/language.h"
#include "weir/release/release.h"

#include <stdlib.h>
#include <string.h>

enum { FILE_COUNT_MAX = 256 };

/* ---- check ---- */

static const weir_cli_usage CHECK_USAGE = {
    .command = "model check",
    .synopsis = "FILE...",
    .summary = "Reads each model as the service would: it must fold into a linear model, its features must compile\n"
               "and its golden samples must reproduce. One line a file; the exit code is 3 when one was refused.",
    .examples = "  weir model check models/card-fraud.json\n"
                "  weir model check models/*.json models/*.onnx\n",
    .operand_max = FILE_COUNT_MAX,
};

static bool check_file(const char *path)
{
    weir_release *release = NULL;
    weir_error error = {0};
    if (weir_release_load_file(path, NULL, &release, &error) != WEIR_OK) {
        printf("refused  %s\n", error.message);
        return false;
    }
    printf("ok       %s: %s %s, %s, %zu features, %zu samples reproduce (largest difference %.2g)\n", path,
           release->model.name, release->model.version, weir_release_format_name(release->format),
           release->model.feature_count, release->sample_count, release->sample_error_max);
    weir_release_close(release);
    return true;
}

static int check(int argc, char **argv)
{
    weir_cli_operands files;
    int code = weir_cli_parse(&CHECK_USAGE, argc, argv, NULL, &files);
    if (code != WEIR_CLI_GO_ON)
        return code;
    if (files.count == 0)
        return weir_cli_misused(&CHECK_USAGE, "no model file given");
    code = WEIR_EXIT_OK;
    for (size_t i = 0; i < files.count; i++)
        if (!check_file(files.items[i]))
            code = WEIR_EXIT_PROBLEMS;
    return weir_cli_finish(code);
}

/* ---- explain ---- */

typedef struct explain_values {
    bool as_json;
} explain_values;

static const weir_cli_option EXPLAIN_OPTIONS[] = {
    {"json", WEIR_CLI_FLAG, offsetof(explain_values, as_json), NULL, "one JSON object, numbers in full"},
    {0}};

static const weir_cli_usage EXPLAIN_USAGE = {
    .command = "model explain",
    .synopsis = "FILE [--json]",
    .summary =
        "Prints what a model is made of: identity, training window, thresholds, and for each feature its\n"
        "weight over the raw value, its effect (the logits one standard deviation is worth), its reference mean and\n"
        "what it counts as when it is missing. For ONNX, also which nodes were folded into the weights.",
    .options = EXPLAIN_OPTIONS,
    .examples = "  weir model explain models/card-fraud.json\n"
                "  weir model explain models/card-fraud.json --json\n",
    .operand_max = 1,
};

static int explain(int argc, char **argv)
{
    explain_values values = {0};
    weir_cli_operands files;
    int code = weir_cli_parse(&EXPLAIN_USAGE, argc, argv, &values, &files);
    if (code != WEIR_CLI_GO_ON)
        return code;
    if (files.count == 0)
        return weir_cli_misused(&EXPLAIN_USAGE, "no model file given");
    weir_release *release = NULL;
    weir_error error = {0};
    weir_status status = weir_release_load_file(files.items[0], NULL, &release, &error);
    if (status == WEIR_OK && values.as_json && weir_release_describe_json(release, stdout) != WEIR_OK)
        status = weir_error_set(&error, WEIR_FULL, "%.200s: out of memory", files.items[0]);
    if (status == WEIR_OK && !values.as_json)
        weir_release_describe_text(release, stdout);
    weir_release_close(release);
    return status == WEIR_OK ? weir_cli_finish(WEIR_EXIT_OK) : weir_cli_fail(&error);
}

/* ---- functions ---- */

static const weir_cli_usage FUNCTIONS_USAGE = {
    .command = "model functions",
    .synopsis = "",
    .summary = "Prints the language features are written in: the fields of a transaction, the functions and the\n"
               "operators, from the rows the service compiles them with.",
    .examples = "  weir model functions\n",
};

static const struct {
    const char *kind, *title; /* the kinds of weir_language_row, in the order they are printed */
} KINDS[] = {
    {"operator", "operators"},
    {"number", "functions of numbers"},
    {"calendar", "the time of the event (UTC, or a fixed offset: hour(+02:00))"},
    {"history", "over the history of the card, or of another entity: terminal.count(1h)"},
    {"form", "forms of their own"},
};

static void print_row(const weir_language_row *row)
{
    printf("  %-44s %s\n", row->usage, row->doc);
}

static void print_fields(void)
{
    puts("fields of a transaction");
    for (size_t i = 0; i < weir_feature_field_count(); i++) {
        weir_language_row row = weir_feature_field_row(i);
        print_row(&row);
    }
}

static void print_kind(const char *kind, const char *title)
{
    printf("\n%s\n", title);
    for (size_t i = 0; i < weir_feature_function_count(); i++) {
        weir_language_row row = weir_feature_function_row(i);
        if (strcmp(row.kind, kind) == 0)
            print_row(&row);
    }
}

static int functions(int argc, char **argv)
{
    int code = weir_cli_parse(&FUNCTIONS_USAGE, argc, argv, NULL, NULL);
    if (code != WEIR_CLI_GO_ON)
        return code;
    print_fields();
    for (size_t i = 0; i < sizeof KINDS / sizeof *KINDS; i++)
        print_kind(KINDS[i].kind, KINDS[i].title);
    return weir_cli_finish(WEIR_EXIT_OK);
}

static const weir_cli_command COMMANDS[] = {
    {"check", "says whether model files would be taken, and why not", check},
    {"explain", "prints what a model is made of", explain},
    {"functions", "prints the language features are written in", functions},
    {0},
};

int weir_cli_model(int argc, char **argv)
{
    return weir_cli_dispatch("model", COMMANDS, argc, argv);
}
