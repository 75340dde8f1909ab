/* weir: finds the command and leaves the rest to it. One row a command; `weir help` is printed from them. */
#include "cli/cli.h"

static const weir_cli_command COMMANDS[] = {
    {"run", "score the transactions topic, as a member of a consumer group", weir_cli_run},
    {"demo", "a broker, a stream with fraud in it and the engine, in one process", weir_cli_demo},
    {"generate", "make synthetic cards and transactions with labelled fraud", weir_cli_generate},
    {"score", "score transactions from a file or standard input", weir_cli_score},
    {"send", "publish transactions from a file to the input topic", weir_cli_send},
    {"label", "publish what was learned of transactions: fraud, or cleared", weir_cli_label},
    {"tail", "print a topic's alerts, scores or transactions as JSON", weir_cli_tail},
    {"model", "check and explain model files", weir_cli_model},
    {"state", "look into the durable state of cards", weir_cli_state},
    {"config", "check, show and document the configuration", weir_cli_config},
    {0},
};

static void print_help(FILE *out)
{
    fprintf(out, "weir %s: real-time fraud scoring on a stream\n\nusage: weir COMMAND [arguments]\n\ncommands:\n",
            WEIR_VERSION);
    for (const weir_cli_command *command = COMMANDS; command->name; command++)
        fprintf(out, "  %-12s%s\n", command->name, command->doc);
    fprintf(out, "\n`weir help COMMAND` tells more; `weir config options` lists the configuration.\n"
                 "Exit codes: 0 ok, 1 failed, 2 usage, 3 a check found problems, 75 temporary: try again.\n");
}

/* `weir help model check` is `weir model check --help`. */
static int help(int argc, char **argv)
{
    if (argc < 2) {
        print_help(stdout);
        return weir_cli_finish(WEIR_EXIT_OK);
    }
    const weir_cli_command *command = weir_cli_find_command(COMMANDS, argv[1]);
    if (!command)
        return weir_cli_refuse_command("weir", COMMANDS, argv[1]);
    char help_flag[] = "--help";
    char *arguments[] = {argv[1], argc > 2 ? argv[2] : help_flag, argc > 2 ? help_flag : NULL, NULL};
    return command->function(argc > 2 ? 3 : 2, arguments);
}

static int print_version(void)
{
    printf("weir %s\n", WEIR_VERSION);
    return weir_cli_finish(WEIR_EXIT_OK);
}

static bool is_any(const char *text, const char *a, const char *b)
{
    return strcmp(text, a) == 0 || strcmp(text, b) == 0;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        print_help(stderr);
        return WEIR_EXIT_USAGE;
    }
    if (strcmp(argv[1], "--version") == 0)
        return print_version();
    if (is_any(argv[1], "--help", "-h") || strcmp(argv[1], "help") == 0)
        return help(argc - 1, argv + 1);
    const weir_cli_command *command = weir_cli_find_command(COMMANDS, argv[1]);
    return command ? command->function(argc - 1, argv + 1)
                   : weir_cli_refuse_command("weir", COMMANDS, argv[1]);
}
