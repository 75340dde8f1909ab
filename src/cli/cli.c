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

static const weir_cli_command *find_command(const weir_cli_command *commands, const char *name)
{
    for (; commands->name; commands++)
        if (strcmp(commands->name, name) == 0)
            return commands;
    return NULL;
}

static void print_commands(const char *command, const weir_cli_command *commands, FILE *out)
{
    fprintf(out, "usage: weir %s COMMAND [arguments]\n\ncommands:\n", command);
    for (; commands->name; commands++)
        fprintf(out, "  %-12s%s\n", commands->name, commands->doc);
    fprintf(out, "\n`weir %s COMMAND --help` tells more.\n", command);
}

static int refuse_command(const char *command, const weir_cli_command *commands, const char *name)
{
    weir_nearest nearest = weir_nearest_of(name);
    for (; commands->name; commands++)
        weir_nearest_offer(&nearest, commands->name);
    const char *meant = weir_nearest_found(&nearest);
    fprintf(stderr, "weir %s: There is no command \"%s\"", command, name);
    if (meant)
        fprintf(stderr, "; did you mean \"%s\"", meant);
    fprintf(stderr, "%s See `weir %s --help`.\n", meant ? "?" : ".", command);
    return WEIR_EXIT_USAGE;
}

int weir_cli_dispatch(const char *command, const weir_cli_command *commands, int argc, char **argv)
{
    if (argc < 2) {
        print_commands(command, commands, stderr);
        return WEIR_EXIT_USAGE;
    }
    bool help = strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0;
    const weir_cli_command *found = find_command(commands, argv[1]);
    if (help && !found) {
        print_commands(command, commands, stdout);
        return weir_cli_finish(WEIR_EXIT_OK);
    }
    return found ? found->function(argc - 1, argv + 1) : refuse_command(command, commands, argv[1]);
}
