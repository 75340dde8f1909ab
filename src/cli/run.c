#include "cli/cli.h"

#include "weir/app/launch.h"
#include "weir/log/log.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

extern char **environ;

static const weir_cli_usage USAGE = {
    .command = "run",
    .synopsis = "[--config FILE] [--OPTION VALUE...]",
    .summary = "Scores the transactions topic as a member of a consumer group until SIGTERM or SIGINT.\n"
               "Every option of the configuration is a flag too; `weir config options` lists them.",
    .examples = "  weir run --config weir.yaml\n"
                "  weir run --brokers localhost:9092 --model models/card-fraud.json --state-dir /var/lib/weir\n"
                "  WEIR_BROKERS=localhost:9092 weir run --model models/card-fraud.json --set topics.scores=scores\n",
    .with_conf = true,
};

static _Atomic bool stop;

static void ask_to_stop(int number)
{
    (void)number;
    if (atomic_exchange(&stop, true))
        _exit(WEIR_EXIT_TEMPORARY); /* the second signal means now; state is safe at any point */
}

static void catch_signals(void)
{
    struct sigaction action = {.sa_handler = ask_to_stop};
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
}

static void print_problem(void *context, const char *sentence)
{
    (void)context;
    fprintf(stderr, "weir run: %s\n", sentence);
}

int weir_cli_run(int argc, char **argv)
{
    weir_cli_operands operands;
    int code = weir_cli_parse(&USAGE, argc, argv, NULL, &operands);
    if (code != WEIR_CLI_GO_ON)
        return code;
    weir_conf_inputs inputs = {
        .environment = (const char *const *)environ,
        .arguments = operands.conf_arguments,
        .argument_count = operands.conf_argument_count,
    };
    weir_conf conf;
    weir_error error;
    if (weir_conf_load(&inputs, &conf, &error) != WEIR_OK)
        return weir_cli_misused(&USAGE, "%s", error.message);
    if (weir_conf_check(&conf, print_problem, NULL) > 0) {
        weir_conf_deinit(&conf);
        return WEIR_EXIT_USAGE;
    }
    weir_log_options log = {.file = STDERR_FILENO,
                            .level = (weir_log_level)conf.log_level,
                            .format = (weir_log_format)conf.log_format};
    weir_log_setup(&log);
    catch_signals();
    weir_log(WEIR_LOG_INFO, "starting", weir_log_text("version", WEIR_VERSION), weir_log_text("brokers", conf.brokers),
             weir_log_text("group", conf.group_id), weir_log_text("topic", conf.topics_transactions));
    for (size_t i = 0; i < conf.warnings.count; i++)
        weir_log(WEIR_LOG_WARN, "configuration", weir_log_text("problem", conf.warnings.items[i]));
    weir_launch launch = {.conf = &conf, .stop = &stop};
    weir_status status = weir_launch_run(&launch, &error);
    if (status != WEIR_OK)
        weir_log(WEIR_LOG_ERROR, "stopped", weir_log_text("reason", error.message));
    else
        weir_log(WEIR_LOG_INFO, "stopped", weir_log_text("reason", "asked to; everything is committed"));
    weir_conf_deinit(&conf);
    return status == WEIR_OK ? WEIR_EXIT_OK : weir_status_exit_code(status);
}
