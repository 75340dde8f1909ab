/* What is wrong with a configuration whose values are each fine. A rule says nothing or one sentence, a row each. */
#include "weir/conf/conf.h"

#include <stdarg.h>
#include <string.h>

typedef struct findings {
    void (*problem)(void *context, const char *sentence);
    void *context;
    size_t count;
} findings;

static void find(findings *found, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void find(findings *found, const char *format, ...)
{
    char sentence[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(sentence, sizeof sentence, format, arguments);
    va_end(arguments);
    found->count++;
    if (found->problem)
        found->problem(found->context, sentence);
}

static void required_are_set(const weir_conf *conf, findings *found)
{
    const struct {
        const char *name, *value, *hint;
    } REQUIRED[] = {
        {"brokers", conf->brokers, "say where the Kafka cluster is, as in --brokers localhost:9092"},
        {"model", conf->model, "say which model file decides, as in --model card-fraud.json"},
        {"group.id", conf->group_id, "name the consumer group"},
        {"topics.transactions", conf->topics_transactions, "name the topic to read"},
        {"state.dir", conf->state_dir, "say where the durable state lives"},
        {"http.listen", conf->http_listen, "say where probes and metrics are served"},
    };
    for (size_t i = 0; i < sizeof REQUIRED / sizeof *REQUIRED; i++)
        if (!*REQUIRED[i].value)
            find(found, "%s is empty; %s.", REQUIRED[i].name, REQUIRED[i].hint);
}

typedef struct topic {
    const char *option, *name;
} topic;

enum { TOPIC_COUNT = 5 };

static void list_topics(const weir_conf *conf, topic topics_out[TOPIC_COUNT])
{
    topics_out[0] = (topic){"topics.transactions", conf->topics_transactions};
    topics_out[1] = (topic){"topics.labels", conf->topics_labels};
    topics_out[2] = (topic){"topics.alerts", conf->topics_alerts};
    topics_out[3] = (topic){"topics.scores", conf->topics_scores};
    topics_out[4] = (topic){"topics.dead_letters", conf->topics_dead_letters};
}

/* Kafka's own rule: org.apache.kafka.common.internals.Topic. */
static void topics_have_legal_names(const weir_conf *conf, findings *found)
{
    static const char LEGAL[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    topic topics[TOPIC_COUNT];
    list_topics(conf, topics);
    for (size_t i = 0; i < TOPIC_COUNT; i++) {
        const char *name = topics[i].name;
        if (name[strspn(name, LEGAL)] || strlen(name) > 249 || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
            find(found,
                 "%s is \"%.80s\"; Kafka allows up to 249 letters, digits, dots, underscores and dashes in a topic.",
                 topics[i].option, name);
    }
}

static void topics_differ(const weir_conf *conf, findings *found)
{
    topic topics[TOPIC_COUNT];
    list_topics(conf, topics);
    for (size_t i = 0; i < TOPIC_COUNT; i++)
        for (size_t k = i + 1; k < TOPIC_COUNT; k++)
            if (*topics[i].name && strcmp(topics[i].name, topics[k].name) == 0)
                find(found, "%s and %s are both \"%.80s\"; each needs a topic of its own.", topics[i].option,
                     topics[k].option, topics[i].name);
}

/* `<group.id>.stage.<entity>` and `<group.id>.clock` are weir's own, whatever stages are on today. */
static bool is_internal(const weir_conf *conf, const char *name)
{
    size_t group_size = strlen(conf->group_id);
    if (strncmp(name, conf->group_id, group_size) != 0)
        return false;
    const char *rest = name + group_size;
    return strcmp(rest, ".clock") == 0 || strncmp(rest, ".stage.", strlen(".stage.")) == 0;
}

static void topics_are_not_internal(const weir_conf *conf, findings *found)
{
    topic topics[TOPIC_COUNT];
    list_topics(conf, topics);
    for (size_t i = 0; i < TOPIC_COUNT; i++)
        if (is_internal(conf, topics[i].name))
            find(found, "%s is \"%.80s\"; names of that form are weir's internal topics in group %.80s.",
                 topics[i].option, topics[i].name, conf->group_id);
}

static void framed_outputs_have_schemas(const weir_conf *conf, findings *found)
{
    const struct {
        const char *topic_option, *topic, *id_option;
        int64_t id;
    } OUTPUTS[] = {
        {"topics.alerts", conf->topics_alerts, "output.alerts_schema_id", conf->output_alerts_schema_id},
        {"topics.scores", conf->topics_scores, "output.scores_schema_id", conf->output_scores_schema_id},
    };
    for (size_t i = 0; i < sizeof OUTPUTS / sizeof *OUTPUTS; i++)
        if (conf->output_framing == WEIR_CONF_FRAMING_CONFLUENT && *OUTPUTS[i].topic && OUTPUTS[i].id == 0)
            find(found, "output.framing is confluent and %s is on, but %s is not set; register the schema first.",
                 OUTPUTS[i].topic_option, OUTPUTS[i].id_option);
}

/* What a stage may keep histories of; the first is the entity of the input topic's key. */
static const char *const ENTITIES[] = {"card", "terminal", "merchant", "device"};
enum { ENTITY_COUNT = sizeof ENTITIES / sizeof *ENTITIES };

static bool is_entity(const char *name)
{
    for (size_t i = 0; i < ENTITY_COUNT; i++)
        if (strcmp(name, ENTITIES[i]) == 0)
            return true;
    return false;
}

static void stages_are_known(const weir_conf *conf, findings *found)
{
    const weir_conf_list *stages = &conf->stages;
    const char *first = stages->count ? stages->items[0] : "";
    if (strcmp(first, ENTITIES[0]) != 0)
        find(found, "stages begins with \"%.80s\"; wanted card first, the key of the transactions.", first);
    for (size_t i = 0; i < stages->count; i++) {
        if (!is_entity(stages->items[i]))
            find(found, "stages has \"%.80s\"; wanted card, then any of terminal, merchant, device.",
                 stages->items[i]);
        for (size_t k = 0; k < i; k++)
            if (strcmp(stages->items[i], stages->items[k]) == 0)
                find(found, "stages has \"%.80s\" twice; each entity is one stage.", stages->items[i]);
    }
}

static void replicas_are_possible(const weir_conf *conf, findings *found)
{
    if (conf->replication_factor == 0)
        find(found, "replication_factor is 0; wanted -1 (the broker's default) or at least 1.");
}

static void (*const RULES[])(const weir_conf *conf, findings *found) = {
    required_are_set,        topics_have_legal_names,     topics_differ,
    topics_are_not_internal, framed_outputs_have_schemas, stages_are_known,
    replicas_are_possible,
};

size_t weir_conf_check(const weir_conf *conf, void (*problem)(void *context, const char *sentence), void *context)
{
    findings found = {.problem = problem, .context = context};
    for (size_t i = 0; i < sizeof RULES / sizeof *RULES; i++)
        RULES[i](conf, &found);
    return found.count;
}
