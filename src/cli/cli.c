/* How commands are found, fail and finish. */
#include "cli/cli.h"

#include "weir/base/nearest.h"

#include <errno.h>

int weir_cli_fail(const weir_error *error)
{
    fprintf(stderr, "weir: %s\n", error->message[0] ? error->message : weir_status_name(error->status));
    return weir_status_exit_code(error->status);
}

int weir_cli_finish(int code)
{
    errno = 0;
    bool failed = fflush(stdout) != 0 || ferror(stdout);
    if (!failed || errno == EPIPE)
        return code;
    fprintf(stderr, "weir: Standard output cannot be written: %s.\n", strerror(errno));
    return WEIR_EXIT_FAILED;
}

const weir_cli_command *weir_cli_find_command(const weir_cli_command *commands, const char *name)
{
    for (; commands->name; commands++)
        if (strcmp(commands->name, name) == 0)
            return commands;
    return NULL;
}

int weir_cli_refuse_command(const char *prefix, const weir_cli_command *commands, const char *name)
{
    weir_nearest nearest = weir_nearest_of(name);
    for (; commands->name; commands++)
        weir_nearest_offer(&nearest, commands->name);
    const char *meant = weir_nearest_found(&nearest);
    if (meant)
        fprintf(stderr, "%s: There is no command \"%s\"; did you mean \"%s\"? See `%s --help`.\n", prefix, name, meant,
                prefix);
    else
        fprintf(stderr, "%s: There is no command \"%s\". See `%s --help`.\n", prefix, name, prefix);
    return WEIR_EXIT_USAGE;
}

static void print_commands(const char *command, const weir_cli_command *commands, FILE *out)
{
    fprintf(out, "usage: weir %s COMMAND [arguments]\n\ncommands:\n", command);
    for (; commands->name; commands++)
        fprintf(out, "  %-12s%s\n", commands->name, commands->doc);
    fprintf(out, "\n`weir %s COMMAND --help` tells more.\n", command);
}

int weir_cli_dispatch(const char *command, const weir_cli_command *commands, int argc, char **argv)
{
    if (argc < 2) {
        print_commands(command, commands, stderr);
        return WEIR_EXIT_USAGE;
    }
    bool help = strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0;
    const weir_cli_command *found = weir_cli_find_command(commands, argv[1]);
    if (help && !found) {
        print_commands(command, commands, stdout);
        return weir_cli_finish(WEIR_EXIT_OK);
    }
    if (found)
        return found->function(argc - 1, argv + 1);
    char prefix[64];
    snprintf(prefix, sizeof prefix, "weir %s", command);
    return weir_cli_refuse_command(prefix, commands, argv[1]);
}
