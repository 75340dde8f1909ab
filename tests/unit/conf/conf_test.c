#include "weir/conf/conf.h"

#include "weir/base/units.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char problems[64][512];
static size_t problem_count;

static void note(void *context, const char *sentence)
{
    (void)context;
    if (problem_count < 64)
        snprintf(problems[problem_count++], sizeof problems[0], "%s", sentence);
}

/* A file under a name of its own; tests run in processes of their own, and forked ones share no counter. */
static const char *file_with(const char *text)
{
    static char paths[4][64];
    static size_t used;
    char *path = paths[used++ % 4];
    snprintf(path, sizeof paths[0], "/tmp/weir-conf-test-XXXXXX");
    int file = mkstemp(path);
    cr_assert(file >= 0 && write(file, text, strlen(text)) == (ssize_t)strlen(text));
    close(file);
    return path;
}

static weir_conf conf;
static weir_error error;

static weir_status load(const char *yaml, const char *const *environment, const char *const *arguments)
{
    size_t argument_count = 0;
    while (arguments && arguments[argument_count])
        argument_count++;
    const char *file = yaml ? file_with(yaml) : NULL;
    weir_conf_inputs inputs = {.files = &file,
                               .file_count = yaml != NULL,
                               .environment = environment,
                               .arguments = arguments,
                               .argument_count = argument_count,
                               .problem = note};
    problem_count = 0;
    error = (weir_error){0};
    weir_status status = weir_conf_load(&inputs, &conf, &error);
    if (file)
        unlink(file);
    return status;
}

#define TEXTS(...) ((const char *const[]){__VA_ARGS__, NULL})

static void expect_refusal(const char *yaml, const char *place, const char *words)
{
    cr_assert_eq(load(yaml, NULL, NULL), WEIR_INVALID, "accepted: %s", yaml);
    cr_expect_not_null(strstr(error.message, place), "no \"%s\" in: %s", place, error.message);
    cr_expect_not_null(strstr(error.message, words), "no \"%s\" in: %s", words, error.message);
    cr_expect_eq(error.message[strlen(error.message) - 1] == '.' || error.message[strlen(error.message) - 1] == '?', 1,
                 "not a sentence: %s", error.message);
}

Test(conf, nothing_given_is_the_defaults)
{
    cr_assert_eq(load(NULL, NULL, NULL), WEIR_OK);
    cr_expect_str_eq(conf.group_id, "weir");
    cr_expect_str_eq(conf.topics_scores, "");
    cr_expect_eq(conf.state_memory_bytes, INT64_C(1) << 30);
    cr_expect_eq(conf.state_prefault, false);
    cr_expect_eq(conf.state_horizon_us, 30 * WEIR_US_PER_DAY);
    cr_expect_eq(conf.dead_letters_share_max, 0.5);
    cr_expect_eq(conf.input_framing, WEIR_CONF_FRAMING_AUTO);
    cr_expect_eq(conf.output_framing, WEIR_CONF_FRAMING_RAW);
    cr_expect_eq(conf.stages.count, 1);
    cr_expect_str_eq(conf.stages.items[0], "card");
    weir_conf_deinit(&conf);
}

Test(conf, each_source_goes_over_the_one_before)
{
    const char *yaml = "brokers: file:1\nmodel: file.json\nworkers: 2\ngroup: {id: file}\n";
    cr_assert_eq(load(yaml, TEXTS("WEIR_MODEL=env.json", "WEIR_WORKERS=3", "WEIR_GROUP_ID=env", "HOME=/"),
                      TEXTS("--workers", "4", "--set", "group.id=flag")),
                 WEIR_OK, "%s", error.message);
    cr_expect_str_eq(conf.brokers, "file:1");
    cr_expect_str_eq(conf.model, "env.json");
    cr_expect_eq(conf.workers, 4);
    cr_expect_str_eq(conf.group_id, "flag");
    weir_conf_deinit(&conf);
}

Test(conf, nested_and_dotted_names_are_the_same)
{
    const char *yaml = "# a comment\n"
                       "topics:\n"
                       "  transactions: tx\n"
                       "  scores: ~\n"
                       "topics.alerts: \"al\"\n"
                       "state:\n"
                       "  memory: 64MiB\n"
                       "  checkpoint_interval: 500ms\n"
                       "dead_letters: {share_max: 25%, window: 50}\n"
                       "stages: [card]\n"
                       "brokers: [a:1, b:2]\n"
                       "create_topics: yes\n"
                       "output.framing: confluent\n";
    cr_assert_eq(load(yaml, NULL, NULL), WEIR_OK, "%s", error.message);
    cr_expect_str_eq(conf.topics_transactions, "tx");
    cr_expect_str_eq(conf.topics_scores, "");
    cr_expect_str_eq(conf.topics_alerts, "al");
    cr_expect_eq(conf.state_memory_bytes, 64 << 20);
    cr_expect_eq(conf.state_checkpoint_interval_us, 500000);
    cr_expect_eq(conf.dead_letters_share_max, 0.25);
    cr_expect_eq(conf.dead_letters_window_count, 50);
    cr_expect_str_eq(conf.brokers, "a:1,b:2");
    cr_expect_eq(conf.create_topics, true);
    cr_expect_eq(conf.output_framing, WEIR_CONF_FRAMING_CONFLUENT);
    weir_conf_deinit(&conf);
}

Test(conf, an_unknown_name_is_refused_with_its_place_and_the_nearest)
{
    expect_refusal("workers: 1\ntopics:\n  alert: x\n", ":3:10: ", "did you mean \"topics.alerts\"?");
    expect_refusal("zookeeper: x\n", ":1:12: ", "`weir config options`");
    expect_refusal("topics: x\n", ":1:9: ", "\"topics\" is not an option");
}

Test(conf, a_value_of_the_wrong_kind_is_refused_with_what_was_wanted)
{
    expect_refusal("workers: many\n", ":1:10: ", "workers is \"many\"; wanted a whole number from 0 to 256.");
    expect_refusal("workers: 257\n", ":1:10: ", "from 0 to 256");
    expect_refusal("workers: 1.5\n", ":1:10: ", "whole number");
    expect_refusal("workers: -1\n", ":1:10: ", "from 0 to 256");
    expect_refusal("linger: 5\n", ":1:9: ", "a duration with its unit");
    expect_refusal("linger: 2s\n", ":1:9: ", "from 0s to 1s");
    expect_refusal("state.memory: 1073741824\n", ":1:15: ", "a size with its unit");
    expect_refusal("dead_letters.share_max: 150%\n", ":1:25: ", "from 0 to 1");
    expect_refusal("dead_letters.share_max: nan\n", ":1:25: ", "a share");
    expect_refusal("create_topics: maybe\n", ":1:16: ", "true or false");
    expect_refusal("log.level: loud\n", ":1:12: ", "one of debug, info, warn, error");
    expect_refusal("output.framing: auto\n", ":1:17: ", "one of confluent, raw");
    expect_refusal("group.id: \"a\\nb\"\n", ":1:11: ", "one line");
    expect_refusal("stages: [card, \"\"]\n", ":1:9: ", "names with commas between");
    expect_refusal("model: [a, b]\n", ":1:8: ", "takes one value");
}

Test(conf, an_option_given_twice_in_a_file_is_refused)
{
    expect_refusal("workers: 1\n\nworkers: 1\n", ":3:10: ", "workers is given twice; the first is at line 1.");
    expect_refusal("topics: {alerts: a}\ntopics.alerts: a\n", ":2:16: ", "line 1");
    expect_refusal("kafka.a.b: 1\nkafka: {a: {b: 1}}\n", ":2:16: ", "a.b is given twice");
}

Test(conf, yaml_it_has_no_use_for_is_refused)
{
    expect_refusal("a: [\n", ":2:1: ", "this is not YAML");
    expect_refusal("- a\n", ":1:1: ", "mapping");
    expect_refusal("text\n", ":1:1: ", "mapping");
    expect_refusal("workers: &a 1\n", ":1:10: ", "anchors");
    expect_refusal("? [a]\n: b\n", ":1:3: ", "plain value");
    expect_refusal("workers: !!int 1\n", ":1:10: ", "tags");
    expect_refusal("workers: 1\n---\nworkers: 2\n", ":2:1: ", "one YAML document");
    expect_refusal("model: \"a\\0b\"\n", ":1:8: ", "NUL");
    expect_refusal("stages: [[card]]\n", ":1:10: ", "plain value");
    expect_refusal("a: {a: {a: {a: {a: {a: {a: {a: {a: {a: {a: {a: {a: {a: {a: {a: {a: 1}}}}}}}}}}}}}}}}\n", ":1:64: ",
                   "too deeply");
}

Test(conf, a_file_of_comments_is_empty)
{
    cr_expect_eq(load("# nothing here\n", NULL, NULL), WEIR_OK);
    weir_conf_deinit(&conf);
    cr_expect_eq(load("", NULL, NULL), WEIR_OK);
    weir_conf_deinit(&conf);
}

Test(conf, all_problems_are_told_at_once)
{
    cr_assert_eq(load("workers: x\nlinger: y\n", TEXTS("WEIR_LOG_LEVEL=z"), TEXTS("--no.such", "1")), WEIR_INVALID);
    cr_assert_eq(problem_count, 5);
    cr_expect_str_eq(problems[0], error.message);
    cr_expect_not_null(strstr(problems[2], "WEIR_LOG_LEVEL: log.level is \"z\""));
    cr_expect_not_null(strstr(problems[3], "\"no.such\" is not an option"));
    cr_expect_not_null(strstr(problems[4], "1: this is not a flag"));
}

Test(conf, a_file_that_is_not_there_is_named)
{
    cr_assert_eq(load(NULL, NULL, TEXTS("--config", "/no/such/weir.yaml")), WEIR_IO);
    cr_expect_not_null(strstr(error.message, "/no/such/weir.yaml cannot be read: No such file or directory."));
    cr_assert_eq(load(NULL, TEXTS("WEIR_CONFIG=/no/such/env.yaml"), NULL), WEIR_IO);
    cr_expect_not_null(strstr(error.message, "/no/such/env.yaml"));
}

Test(conf, a_file_named_by_a_flag_replaces_the_environments)
{
    const char *file = file_with("workers: 7\n");
    cr_assert_eq(load(NULL, TEXTS("WEIR_CONFIG=/no/such/env.yaml"), TEXTS("--config", file)), WEIR_OK);
    cr_expect_eq(conf.workers, 7);
    weir_conf_deinit(&conf);
    unlink(file);
}

Test(conf, flags_come_in_every_form)
{
    cr_assert_eq(load(NULL, NULL,
                      TEXTS("--brokers=a:1", "--topics.alerts", "x", "--state-dir", "/s", "--pin_workers",
                            "--state.prefault", "--create_topics=false", "--set=workers=9",
                            "--kafka.security.protocol", "SSL")),
                 WEIR_OK, "%s", error.message);
    cr_expect_str_eq(conf.brokers, "a:1");
    cr_expect_str_eq(conf.topics_alerts, "x");
    cr_expect_str_eq(conf.state_dir, "/s");
    cr_expect_eq(conf.pin_workers, true);
    cr_expect_eq(conf.state_prefault, true);
    cr_expect_eq(conf.create_topics, false);
    cr_expect_eq(conf.workers, 9);
    cr_expect_eq(conf.property_count, 1);
    weir_conf_deinit(&conf);
}

Test(conf, the_width_of_flags_is_known)
{
    cr_expect_eq(weir_conf_flag_width("--brokers"), 2);
    cr_expect_eq(weir_conf_flag_width("--brokers=x"), 1);
    cr_expect_eq(weir_conf_flag_width("--pin_workers"), 1);
    cr_expect_eq(weir_conf_flag_width("--config"), 2);
    cr_expect_eq(weir_conf_flag_width("--set"), 2);
    cr_expect_eq(weir_conf_flag_width("--kafka.linger.ms"), 2);
    cr_expect_eq(weir_conf_flag_width("--rate"), 0);
    cr_expect_eq(weir_conf_flag_width("brokers"), 0);
    cr_expect_eq(weir_conf_flag_width("--"), 0);
    cr_expect_eq(weir_conf_flag_width("--=x"), 0);
}

Test(conf, a_flag_without_its_value_is_refused)
{
    cr_assert_eq(load(NULL, NULL, TEXTS("--workers")), WEIR_INVALID);
    cr_expect_not_null(strstr(error.message, "--workers: the flag needs a value."));
    cr_assert_eq(load(NULL, NULL, TEXTS("--set", "workers")), WEIR_INVALID);
    cr_expect_not_null(strstr(error.message, "name=value"));
}

Test(conf, librdkafka_properties_pass_through_by_client)
{
    const char *yaml = "kafka:\n  security.protocol: SASL_SSL\n  consumer: {fetch.max.bytes: 1000}\n  producer:\n"
                       "    linger.ms: 3\n";
    cr_assert_eq(load(yaml,
                      TEXTS("WEIR_KAFKA_SSL_CA_LOCATION=/ca.pem", "WEIR_KAFKA_CONSUMER_SSL__KEY=k",
                            "WEIR_KAFKA_SECURITY_PROTOCOL=SSL"),
                      NULL),
                 WEIR_OK, "%s", error.message);
    static const struct {
        weir_conf_scope scope;
        const char *name, *value;
    } WANTED[] = {{WEIR_CONF_FOR_BOTH, "security.protocol", "SSL"},
                  {WEIR_CONF_FOR_BOTH, "ssl.ca.location", "/ca.pem"},
                  {WEIR_CONF_FOR_CONSUMER, "fetch.max.bytes", "1000"},
                  {WEIR_CONF_FOR_CONSUMER, "ssl_key", "k"},
                  {WEIR_CONF_FOR_PRODUCER, "linger.ms", "3"}};
    cr_assert_eq(conf.property_count, 5);
    for (size_t i = 0; i < 5; i++) {
        cr_expect_eq(conf.properties[i].scope, WANTED[i].scope);
        cr_expect_str_eq(conf.properties[i].name, WANTED[i].name);
        cr_expect_str_eq(conf.properties[i].value, WANTED[i].value);
    }
    weir_conf_deinit(&conf);
    expect_refusal("kafka.Bad-Name: 1\n", ":1:17: ", "cannot be the name");
}

Test(conf, slips_in_the_environment_are_warned_of_and_other_peoples_variables_are_not)
{
    cr_assert_eq(load(NULL,
                      TEXTS("WEIR_TOPICS_ALERT=x", "WEIR_SERVICE_HOST=10.0.0.1", "WEIR_PORT=tcp://10.0.0.1:9464",
                            "WEIR_PORT_9464_TCP_ADDR=10.0.0.1"),
                      NULL),
                 WEIR_OK);
    cr_assert_eq(conf.warnings.count, 1);
    cr_expect_str_eq(conf.warnings.items[0],
                     "The variable WEIR_TOPICS_ALERT is not an option; did you mean WEIR_TOPICS_ALERTS?");
    weir_conf_deinit(&conf);
}

static char *shown(void)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    weir_conf_show(&conf, out);
    fclose(out);
    return text;
}

Test(conf, show_says_where_each_value_came_from)
{
    cr_assert_eq(load("workers: 2\n", TEXTS("WEIR_BROKERS=a:1"), TEXTS("--linger", "5ms")), WEIR_OK);
    char *text = shown();
    cr_expect_not_null(strstr(text, "\nbrokers: a:1"), "%s", text);
    cr_expect_not_null(strstr(text, "# WEIR_BROKERS\n"));
    cr_expect_not_null(strstr(text, "\nworkers: 2"));
    cr_expect_not_null(strstr(text, ":1:10\n"));
    cr_expect_not_null(strstr(text, "# --linger\n"));
    cr_expect_not_null(strstr(text, "\nstate.horizon: 30d"));
    cr_expect_not_null(strstr(text, "# default\n"));
    free(text);
    weir_conf_deinit(&conf);
}

Test(conf, what_show_prints_loads_again_and_shows_the_same)
{
    const char *yaml = "brokers: \"a: b # c\"\nmodel: 'null'\nclient.id: \"\\\"q\\\" \\\\ \xc3\xa9\"\n"
                       "stages: [card, x]\n"
                       "dead_letters.share_max: 0.1\nlinger: 1500us\nstate.memory: 20MB\nkafka.a: \"x: y\"\n";
    cr_assert_eq(load(yaml, NULL, NULL), WEIR_OK, "%s", error.message);
    cr_expect_str_eq(conf.model, "null");
    char *first = shown();
    weir_conf_deinit(&conf);
    cr_assert_eq(load(first, NULL, NULL), WEIR_OK, "%s in\n%s", error.message, first);
    cr_expect_str_eq(conf.brokers, "a: b # c");
    cr_expect_str_eq(conf.model, "null");
    cr_expect_str_eq(conf.client_id, "\"q\" \\ \xc3\xa9");
    cr_expect_eq(conf.stages.count, 2);
    cr_expect_eq(conf.dead_letters_share_max, 0.1);
    cr_expect_eq(conf.linger_us, 1500);
    cr_expect_eq(conf.state_memory_bytes, 20000000);
    cr_expect_str_eq(conf.properties[0].value, "x: y");
    free(first);
    weir_conf_deinit(&conf);
}

Test(conf, secrets_are_shown_to_nobody)
{
    const char *yaml = "http.token: hunter2-hunter2-hunter2\nkafka.sasl.password: hunter2\n"
                       "kafka.consumer.ssl.key.pem: hunter2\nkafka.ssl.key.location: /etc/key\n";
    cr_assert_eq(load(yaml, NULL, NULL), WEIR_OK, "%s", error.message);
    cr_expect_str_eq(conf.http_token, "hunter2-hunter2-hunter2");
    char *text = shown();
    cr_expect_null(strstr(text, "hunter2"), "%s", text);
    cr_expect_not_null(strstr(text, "# http.token: *****"));
    cr_expect_not_null(strstr(text, "# kafka.sasl.password: *****"));
    cr_expect_not_null(strstr(text, "\nkafka.ssl.key.location: /etc/key"));
    free(text);
    weir_conf_deinit(&conf);
    cr_assert_eq(load(NULL, TEXTS("WEIR_HTTP_TOKEN=hunter2\n"), NULL), WEIR_INVALID);
    cr_expect_null(strstr(error.message, "hunter2"), "%s", error.message);
}

Test(conf, properties_that_let_somebody_in_are_secret)
{
    static const char *const SECRET[] = {"sasl.password", "ssl.key.password", "ssl.keystore.password", "ssl.key.pem",
                                         "sasl.oauthbearer.client.secret", "sasl.jaas.config", "ssl_key"};
    static const char *const OPEN[] = {"security.protocol", "ssl.ca.location", "ssl.key.location", "linger.ms",
                                       "sasl.oauthbearer.token.endpoint.url", "ssl.certificate.pem"};
    for (size_t i = 0; i < sizeof SECRET / sizeof *SECRET; i++)
        cr_expect(weir_conf_property_is_secret(SECRET[i]), "%s", SECRET[i]);
    for (size_t i = 0; i < sizeof OPEN / sizeof *OPEN; i++)
        cr_expect(!weir_conf_property_is_secret(OPEN[i]), "%s", OPEN[i]);
}

static void check_finds(const char *yaml, const char *words)
{
    cr_assert_eq(load(yaml, NULL, NULL), WEIR_OK, "%s", error.message);
    problem_count = 0;
    size_t count = weir_conf_check(&conf, note, NULL);
    cr_assert_eq(count, problem_count);
    bool found = words == NULL;
    for (size_t i = 0; words && i < problem_count; i++)
        found |= strstr(problems[i], words) != NULL;
    cr_expect(found, "%s is not found; first is %s", words, problem_count ? problems[0] : "nothing");
    cr_expect(words || count == 0, "%s", problems[0]);
    weir_conf_deinit(&conf);
}

Test(conf, check_finds_what_values_cannot_say_alone)
{
#define GOOD "brokers: a:1\nmodel: m.json\n"
    check_finds(GOOD, NULL);
    check_finds("model: m.json\n", "brokers is empty");
    check_finds("brokers: a:1\n", "model is empty");
    check_finds(GOOD "topics.transactions: \"\"\n", "topics.transactions is empty");
    check_finds(GOOD "topics.alerts: transactions\n", "topics.transactions and topics.alerts are both");
    check_finds(GOOD "topics.scores: alerts\n", "topics.alerts and topics.scores are both");
    check_finds(GOOD "topics.alerts: \"a b\"\n", "Kafka allows");
    check_finds(GOOD "topics.alerts: ..\n", "Kafka allows");
    check_finds(GOOD "output.framing: confluent\n", "output.alerts_schema_id");
    check_finds(GOOD "output.framing: confluent\noutput.alerts_schema_id: 4\n", NULL);
    check_finds(GOOD "output: {framing: confluent, alerts_schema_id: 4}\ntopics.scores: s\n",
                "output.scores_schema_id");
    check_finds(GOOD "topics.labels: alerts\n", "topics.labels and topics.alerts are both");
    check_finds(GOOD "topics.labels: transactions\n", "topics.transactions and topics.labels are both");
    check_finds(GOOD "topics.labels: labels\n", NULL);
    check_finds(GOOD "replication_factor: 0\n", "replication_factor");
    check_finds(GOOD "topics: {alerts: \"\", scores: \"\", dead_letters: \"\"}\n", NULL);
}

Test(conf, stages_are_any_chain_of_entities_that_begins_with_card)
{
    check_finds(GOOD "stages: [card]\n", NULL);
    check_finds(GOOD "stages: [card, terminal]\n", NULL);
    check_finds(GOOD "stages: [card, device, merchant, terminal]\n", NULL);
    check_finds(GOOD "stages: []\n", "stages begins with \"\"; wanted card first");
    check_finds(GOOD "stages: [terminal, card]\n", "stages begins with \"terminal\"; wanted card first");
    check_finds(GOOD "stages: [card, branch]\n", "\"branch\"; wanted card, then any of terminal, merchant, device.");
    check_finds(GOOD "stages: [card, terminal, terminal]\n", "\"terminal\" twice");
    check_finds(GOOD "stages: [card, card]\n", "\"card\" twice");
}

Test(conf, internal_topics_are_not_to_be_had)
{
    check_finds(GOOD "topics.alerts: weir.clock\n", "topics.alerts is \"weir.clock\"");
    check_finds(GOOD "topics.labels: weir.stage.terminal\n", "topics.labels is \"weir.stage.terminal\"");
    check_finds(GOOD "group.id: g\ntopics.transactions: g.stage.card\n", "internal topics in group g.");
    check_finds(GOOD "group.id: g\ntopics.labels: weir.clock\n", NULL);
    check_finds(GOOD "topics.labels: weir.clocks\n", NULL);
    check_finds(GOOD "topics.labels: weir.staged\n", NULL);
    check_finds(GOOD "topics.labels: weir\n", NULL);
}

Test(conf, alignment_is_bounded)
{
    cr_assert_eq(load("alignment: {drift_max: 2h, idle_timeout: 5s}\n", NULL, NULL), WEIR_OK, "%s", error.message);
    cr_expect_eq(conf.alignment_drift_max_us, 2 * WEIR_US_PER_HOUR);
    cr_expect_eq(conf.alignment_idle_us, 5 * WEIR_US_PER_SECOND);
    weir_conf_deinit(&conf);
    cr_assert_eq(load(NULL, NULL, NULL), WEIR_OK);
    cr_expect_eq(conf.alignment_drift_max_us, WEIR_US_PER_HOUR);
    cr_expect_eq(conf.alignment_idle_us, 60 * WEIR_US_PER_SECOND);
    cr_expect_str_eq(conf.topics_labels, "");
    weir_conf_deinit(&conf);
    expect_refusal("alignment.drift_max: 10ms\n", ":1:22: ", "from 1s to 3650d");
    expect_refusal("alignment.idle_timeout: 2h\n", ":1:25: ", "from 1s to 1h");
}

Test(conf, rows_are_sound)
{
    size_t count;
    const weir_conf_option *options = weir_conf_options(&count);
    cr_assert_eq(load(NULL, NULL, NULL), WEIR_OK);
    for (size_t i = 0; i < count; i++) {
        const weir_conf_option *option = &options[i];
        cr_expect_eq(weir_conf_option_named(option->name), option);
        cr_expect(option->doc && *option->doc && option->doc[strlen(option->doc) - 1] != '.', "%s", option->name);
        cr_expect_eq(option->type == WEIR_CONF_CHOICE, option->choices != NULL);
        cr_expect_eq(!option->least, !option->most);
        char text[512];
        weir_conf_value_text(&conf, option, text, sizeof text);
        cr_expect(*text, "%s", option->name);
        for (size_t k = 0; k < i; k++) {
            cr_expect_str_neq(options[k].name, option->name);
            cr_expect_neq(options[k].field, option->field, "%s and %s share a field", options[k].name, option->name);
            cr_expect(!option->flag || !options[k].flag || strcmp(options[k].flag, option->flag) != 0);
        }
    }
    weir_conf_deinit(&conf);
}

Test(conf, the_documentation_holds_every_row)
{
    char *text = NULL;
    size_t size = 0, count;
    FILE *out = open_memstream(&text, &size);
    weir_conf_print_options(out);
    fclose(out);
    const weir_conf_option *options = weir_conf_options(&count);
    for (size_t i = 0; i < count; i++) {
        cr_expect_not_null(strstr(text, options[i].name));
        cr_expect_not_null(strstr(text, options[i].doc + 1)); /* printed with a capital */
    }
    free(text);
}
