/* weir config: what the options are, what is in force, and what is wrong with it. */
#include "cli/cli.h"

#include "weir/broker/kafka.h"
#include "weir/conf/conf.h"
#include "weir/http/http.h"

#include <stdlib.h>

extern char **environ;

static void print_problem(void *counter, const char *sentence)
{
    (*(size_t *)counter)++;
    printf("%s\n", sentence);
}

static void print_warnings(const weir_conf *conf)
{
    for (size_t i = 0; i < conf->warnings.count; i++)
        fprintf(stderr, "warning: %s\n", conf->warnings.items[i]);
}

static weir_conf_inputs inputs_of(const weir_cli_operands *operands)
{
    return (weir_conf_inputs){.files = operands->items,
                              .file_count = operands->count,
                              .environment = (const char *const *)environ,
                              .arguments = operands->conf_arguments,
                              .argument_count = operands->conf_argument_count};
}

/* ---- check ---- */

static const weir_cli_usage CHECK = {
    .command = "config check",
    .synopsis = "[FILE...] [flags]",
    .summary = "Checks a configuration as `weir run` would read it: the files, WEIR_* in the environment, the flags.\n"
               "Prints each problem on a line of standard output and exits 3 when there is one.",
    .examples = "  weir config check weir.yaml\n"
                "  weir config check weir.yaml --set topics.scores=scores\n",
    .with_conf = true,
    .operand_max = 16,
};

/* What other modules will not take: properties weir sets itself, an address without its token. */
static void check_properties(const weir_conf *conf, size_t *counter)
{
    const weir_kafka_owned *owned;
    size_t count = weir_kafka_owned_properties(&owned);
    for (size_t i = 0; i < conf->property_count; i++)
        for (size_t k = 0; k < count; k++) {
            if (strcmp(conf->properties[i].name, owned[k].name) != 0)
                continue;
            char sentence[512];
            snprintf(sentence, sizeof sentence, "kafka.%s is weir's own: %s", owned[k].name, owned[k].reason);
            print_problem(counter, sentence);
        }
}

static void check_listen(const weir_conf *conf, size_t *counter)
{
    bool loopback = true;
    weir_error error;
    if (*conf->http_listen && weir_http_is_loopback(conf->http_listen, &loopback, &error) != WEIR_OK)
        print_problem(counter, error.message);
    else if (!loopback && !*conf->http_token)
        print_problem(counter, "http.listen is not on loopback and http.token is empty; set WEIR_HTTP_TOKEN.");
}

static int check(int argc, char **argv)
{
    weir_cli_operands operands;
    int code = weir_cli_parse(&CHECK, argc, argv, NULL, &operands);
    if (code != WEIR_CLI_GO_ON)
        return code;
    size_t problem_count = 0;
    weir_conf_inputs inputs = inputs_of(&operands);
    inputs.problem = print_problem;
    inputs.problem_context = &problem_count;
    weir_conf conf;
    weir_error error;
    weir_status status = weir_conf_load(&inputs, &conf, &error);
    if (status == WEIR_OK) {
        (void)weir_conf_check(&conf, print_problem, &problem_count);
        check_properties(&conf, &problem_count);
        check_listen(&conf, &problem_count);
        print_warnings(&conf);
        weir_conf_deinit(&conf);
    } else if (status != WEIR_INVALID) {
        return WEIR_EXIT_FAILED; /* a file that cannot be read is no finding about it */
    }
    if (problem_count == 0)
        printf("The configuration is fine.\n");
    return weir_cli_finish(problem_count ? WEIR_EXIT_PROBLEMS : WEIR_EXIT_OK);
}

/* ---- show ---- */

static const weir_cli_usage SHOW = {
    .command = "config show",
    .synopsis = "[FILE...] [flags]",
    .summary = "Prints the configuration in force as YAML, each value with where it came from. Secrets are masked.",
    .examples = "  weir config show weir.yaml\n"
                "  weir config show --set workers=2 > weir.yaml\n",
    .with_conf = true,
    .operand_max = 16,
};

static int show(int argc, char **argv)
{
    weir_cli_operands operands;
    int code = weir_cli_parse(&SHOW, argc, argv, NULL, &operands);
    if (code != WEIR_CLI_GO_ON)
        return code;
    weir_conf_inputs inputs = inputs_of(&operands);
    weir_conf conf;
    weir_error error;
    if (weir_conf_load(&inputs, &conf, &error) != WEIR_OK)
        return weir_cli_fail(&error);
    weir_conf_show(&conf, stdout);
    print_warnings(&conf);
    weir_conf_deinit(&conf);
    return weir_cli_finish(WEIR_EXIT_OK);
}

/* ---- options ---- */

static const weir_cli_usage OPTIONS = {
    .command = "config options",
    .synopsis = "",
    .summary = "Lists every option: what it is for, what it takes, its default.",
    .examples = "  weir config options\n",
};

static int options(int argc, char **argv)
{
    int code = weir_cli_parse(&OPTIONS, argc, argv, NULL, NULL);
    if (code != WEIR_CLI_GO_ON)
        return code;
    weir_conf_print_options(stdout);
    return weir_cli_finish(WEIR_EXIT_OK);
}

static const weir_cli_command COMMANDS[] = {
    {"check", "say what is wrong with a configuration", check},
    {"show", "print what is in force and where it came from", show},
    {"options", "list every option", options},
    {0},
};

int weir_cli_config(int argc, char **argv)
{
    return weir_cli_dispatch("config", COMMANDS, argc, argv);
}
