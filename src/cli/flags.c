/* Flags of commands, read by their rows. */
#include "cli/cli.h"

#include "weir/base/nearest.h"
#include "weir/base/units.h"
#include "weir/conf/conf.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>

enum { NAME_MAX_SIZE = 128 };

/* ---- values ---- */

static bool read_flag(const char *text, void *field)
{
    bool on = strcmp(text, "true") == 0;
    if (!on && strcmp(text, "false") != 0)
        return false;
    *(bool *)field = on;
    return true;
}

static bool read_text(const char *text, void *field)
{
    *(const char **)field = text;
    return true;
}

static bool read_int(const char *text, void *field)
{
    char *end;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (end == text || *end || errno || *text == ' ' || *text == '+')
        return false;
    *(int64_t *)field = value;
    return true;
}

static bool read_real(const char *text, void *field)
{
    char *end;
    double value = strtod(text, &end);
    if (end == text || *end || !isfinite(value) || *text == ' ')
        return false;
    *(double *)field = value;
    return true;
}

static bool read_duration(const char *text, void *field)
{
    return weir_units_parse_duration(weir_span_text(text), field) == WEIR_OK;
}

static bool read_size(const char *text, void *field)
{
    uint64_t bytes;
    if (weir_units_parse_size(weir_span_text(text), &bytes) != WEIR_OK)
        return false;
    *(int64_t *)field = (int64_t)bytes;
    return true;
}

static const struct {
    bool (*read)(const char *text, void *field);
    const char *wanted;
} KINDS[] = {
    [WEIR_CLI_FLAG] = {read_flag, "true or false"},
    [WEIR_CLI_TEXT] = {read_text, "text"},
    [WEIR_CLI_INT] = {read_int, "a whole number"},
    [WEIR_CLI_REAL] = {read_real, "a number"},
    [WEIR_CLI_DURATION] = {read_duration, "a duration with its unit, such as 10s"},
    [WEIR_CLI_SIZE] = {read_size, "a size, such as 64MiB"},
};

/* ---- usage ---- */

static void print_option(const weir_cli_option *option, FILE *out)
{
    int width = fprintf(out, "  --%s%s%s", option->name, option->value_name ? " " : "",
                        option->value_name ? option->value_name : "");
    fprintf(out, "%*s%s\n", width < 28 ? 28 - width : 2, "", option->doc);
}

void weir_cli_print_usage(const weir_cli_usage *usage, FILE *out)
{
    fprintf(out, "usage: weir %s %s\n\n%s\n", usage->command, usage->synopsis, usage->summary);
    if (usage->options && usage->options->name)
        fprintf(out, "\nflags:\n");
    for (const weir_cli_option *option = usage->options; option && option->name; option++)
        print_option(option, out);
    if (usage->with_conf)
        fprintf(out, "\nOptions of the configuration are flags too (--config FILE, --set NAME=VALUE, --NAME VALUE);\n"
                     "`weir config options` lists them.\n");
    if (usage->examples)
        fprintf(out, "\nexamples:\n%s", usage->examples);
}

int weir_cli_misused(const weir_cli_usage *usage, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "weir %s: ", usage->command);
    vfprintf(stderr, format, arguments);
    fprintf(stderr, " See `weir %s --help`.\n", usage->command);
    va_end(arguments);
    return WEIR_EXIT_USAGE;
}

/* ---- parsing ---- */

typedef struct parse {
    const weir_cli_usage *usage;
    char **arguments; /* argv[1..] */
    size_t count, at;
    void *values;
    weir_cli_operands *operands;
} parse;

static const weir_cli_option *find_option(const weir_cli_usage *usage, const char *name)
{
    for (const weir_cli_option *option = usage->options; option && option->name; option++)
        if (strcmp(option->name, name) == 0)
            return option;
    return NULL;
}

static int refuse_unknown(const parse *it, const char *name)
{
    weir_nearest nearest = weir_nearest_of(name);
    weir_nearest_offer(&nearest, "help");
    for (const weir_cli_option *option = it->usage->options; option && option->name; option++)
        weir_nearest_offer(&nearest, option->name);
    size_t count;
    const weir_conf_option *options = weir_conf_options(&count);
    for (size_t i = 0; it->usage->with_conf && i < count; i++) {
        weir_nearest_offer(&nearest, options[i].name);
        if (options[i].flag)
            weir_nearest_offer(&nearest, options[i].flag);
    }
    const char *meant = weir_nearest_found(&nearest);
    if (meant)
        return weir_cli_misused(it->usage, "There is no flag --%s; did you mean --%s?", name, meant);
    return weir_cli_misused(it->usage, "There is no flag --%s.", name);
}

static int take_option(parse *it, const weir_cli_option *option, const char *value)
{
    if (!value && option->kind == WEIR_CLI_FLAG)
        value = "true";
    else if (!value && it->at < it->count)
        value = it->arguments[it->at++];
    if (!value)
        return weir_cli_misused(it->usage, "--%s needs a value, %s.", option->name, KINDS[option->kind].wanted);
    if (!KINDS[option->kind].read(value, (char *)it->values + option->field))
        return weir_cli_misused(it->usage, "--%s is \"%s\"; wanted %s.", option->name, value,
                                KINDS[option->kind].wanted);
    return WEIR_CLI_GO_ON;
}

/* A flag of the configuration goes to weir_conf_load as it stands, its value with it. */
static int take_conf(parse *it, const char *argument, int width)
{
    it->operands->conf_arguments[it->operands->conf_argument_count++] = argument;
    if (width < 2)
        return WEIR_CLI_GO_ON;
    if (it->at == it->count)
        return weir_cli_misused(it->usage, "%s needs a value.", argument);
    it->operands->conf_arguments[it->operands->conf_argument_count++] = it->arguments[it->at++];
    return WEIR_CLI_GO_ON;
}

static int take_flag(parse *it, const char *argument)
{
    char name[NAME_MAX_SIZE];
    size_t size = strcspn(argument + 2, "=");
    snprintf(name, sizeof name, "%.*s", (int)(size < sizeof name ? size : sizeof name - 1), argument + 2);
    const weir_cli_option *option = find_option(it->usage, name);
    if (option)
        return take_option(it, option, argument[2 + size] == '=' ? argument + 3 + size : NULL);
    int width = it->usage->with_conf ? weir_conf_flag_width(argument) : 0;
    return width ? take_conf(it, argument, width) : refuse_unknown(it, name);
}

static int take_operand(parse *it, const char *argument)
{
    if (!it->operands || it->operands->count == it->usage->operand_max)
        return weir_cli_misused(it->usage, "\"%s\" is one argument too many.", argument);
    it->operands->items[it->operands->count++] = argument;
    return WEIR_CLI_GO_ON;
}

static bool is_help(const char *argument)
{
    return strcmp(argument, "--help") == 0 || strcmp(argument, "-h") == 0;
}

/* The lists live as long as the process, as argv does, to which their items point: each block begins with a pointer to
 * the one before. */
typedef struct operand_block {
    struct operand_block *previous;
    const char *items[];
} operand_block;

static bool make_operands(size_t argument_count, weir_cli_operands *operands_out)
{
    static operand_block *blocks;
    operand_block *block = calloc(1, sizeof *block + 2 * (argument_count + 1) * sizeof *block->items);
    if (!block)
        return false;
    block->previous = blocks;
    blocks = block;
    *operands_out =
        (weir_cli_operands){.items = block->items, .conf_arguments = block->items + argument_count + 1};
    return true;
}

int weir_cli_parse(const weir_cli_usage *usage, int argc, char **argv, void *values, weir_cli_operands *operands_out)
{
    parse it = {.usage = usage, .arguments = argv + 1, .count = argc > 0 ? (size_t)argc - 1 : 0, .values = values,
                .operands = operands_out};
    if (operands_out && !make_operands(it.count, operands_out))
        return weir_cli_misused(usage, "There is no memory for the arguments.");
    bool flags_ended = false;
    int code = WEIR_CLI_GO_ON;
    while (it.at < it.count && code == WEIR_CLI_GO_ON) {
        const char *argument = it.arguments[it.at++];
        if (!flags_ended && is_help(argument)) {
            weir_cli_print_usage(usage, stdout);
            return weir_cli_finish(WEIR_EXIT_OK);
        }
        if (flags_ended || argument[0] != '-' || argument[1] == '\0')
            code = take_operand(&it, argument);
        else if (strcmp(argument, "--") == 0)
            flags_ended = true;
        else if (argument[1] == '-')
            code = take_flag(&it, argument);
        else
            code = weir_cli_misused(usage, "There is no flag %s; flags have two dashes.", argument);
    }
    return code;
}
