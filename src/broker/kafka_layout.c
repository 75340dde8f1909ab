#include "kafka_private.h"

#include "weir/base/check.h"
#include "weir/base/units.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* What a topic is to weir, and so what must be true of it. */
enum role { OUTPUT, LABELS, STAGE, CLOCK, ROLE_COUNT };

static const struct {
    const char *name;
    bool internal; /* weir's own: made without asking */
    const char *reason; /* for its partition count */
} ROLES[ROLE_COUNT] = {
    [OUTPUT] = {"output topic", false, "an alert goes to its transaction's partition number"},
    [LABELS] = {"labels topic", false,
                "a card's labels are looked for in the partition number of its transactions; make it anew so, keyed by "
                "card as the transactions are"},
    [STAGE] = {"stage topic", true,
               "entities are spread over stages alike; it is weir's own: use another group.id, or delete it together "
               "with the state of its stage"},
    [CLOCK] = {"clock topic", true, "what members say is heard in one order; it is weir's own: delete it"},
};

enum { MAX_NAMES = WEIR_OUTPUT_COUNT + WEIR_STAGE_TOPIC_MAX + 3 };

static weir_status check_distinct(const char *const *names, size_t count, weir_error *error)
{
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < i; j++)
            if (strcmp(names[i], names[j]) == 0)
                return weir_error_set(error, WEIR_INVALID, "topic %s is named twice: every stream needs its own",
                                      names[i]);
    return WEIR_OK;
}

weir_status kafka_layout_names(const weir_kafka_options *options, weir_error *error)
{
    weir_check(options->stage_count >= 1 && options->stage_count <= WEIR_STAGE_TOPIC_MAX);
    if (!options->input_topic || !*options->input_topic)
        return weir_error_set(error, WEIR_INVALID, "topics.transactions is empty: name the topic to read");
    if (!options->group_id || !*options->group_id)
        return weir_error_set(error, WEIR_INVALID, "group.id is empty: state and emit mark belong to a group");
    const char *names[MAX_NAMES];
    size_t count = 0;
    names[count++] = options->input_topic;
    for (size_t i = 1; i < options->stage_count; i++) {
        weir_check(options->stage_topics[i]);
        names[count++] = options->stage_topics[i];
    }
    for (size_t i = 0; i < WEIR_OUTPUT_COUNT; i++)
        if (options->output_topics[i])
            names[count++] = options->output_topics[i];
    if (options->labels_topic)
        names[count++] = options->labels_topic;
    if (options->clock_topic)
        names[count++] = options->clock_topic;
    return check_distinct(names, count, error);
}

/* ---- what a stage's topic must keep ---- */

static int64_t retention_ms_wanted(const weir_kafka_options *options)
{
    return options->stage_retention_us / WEIR_US_PER_MS;
}

/* A week more than the horizon, so that a stage that was down over a holiday finds everything; -1 = for ever. */
static int64_t retention_ms_made(const weir_kafka_options *options)
{
    int64_t total_us;
    if (__builtin_add_overflow(options->stage_retention_us, 7 * WEIR_US_PER_DAY, &total_us))
        return -1;
    return total_us / WEIR_US_PER_MS;
}

/* Refuses a topic whose log would be cut before its stage has done with it. What the broker does not tell passes. */
static weir_status check_kept(const char *topic, const weir_kafka_options *options, const kafka_setting *policy,
                              const kafka_setting *age, const kafka_setting *size, weir_error *error)
{
    static const char *const CHANGE = "kafka-configs --alter --entity-type topics --entity-name";
    if (*policy->value && strcmp(policy->value, "delete") != 0)
        return weir_error_set(error, WEIR_REFUSED,
                              "stage topic %s has cleanup.policy=%s and needs delete: compaction drops events a "
                              "history is rebuilt from; %s %s --add-config cleanup.policy=delete",
                              topic, policy->value, CHANGE, topic);
    int64_t wanted_ms = retention_ms_wanted(options), age_ms = *age->value ? strtoll(age->value, NULL, 10) : -1;
    if (age_ms >= 0 && age_ms < wanted_ms)
        return weir_error_set(error, WEIR_REFUSED,
                              "stage topic %s has retention.ms=%" PRId64 " and the horizon needs %" PRId64
                              ": %s %s --add-config retention.ms=%" PRId64,
                              topic, age_ms, wanted_ms, CHANGE, topic, retention_ms_made(options));
    if (*size->value && strtoll(size->value, NULL, 10) >= 0)
        return weir_error_set(error, WEIR_REFUSED,
                              "stage topic %s has retention.bytes=%s and needs -1: events would go by size, whatever "
                              "their age; %s %s --add-config retention.bytes=-1",
                              topic, size->value, CHANGE, topic);
    return WEIR_OK;
}

static weir_status check_settings(rd_kafka_t *rk, const weir_kafka_options *options, const char *topic,
                                  weir_error *error)
{
    kafka_setting found[] = {{.name = "cleanup.policy"}, {.name = "retention.ms"}, {.name = "retention.bytes"}};
    weir_error untold = {0};
    weir_status status = kafka_topic_settings(rk, topic, found, sizeof found / sizeof *found, &untold);
    if (status == WEIR_UNSUPPORTED) /* brokers before 0.11, and the embedded cluster */
        return WEIR_OK;
    return status == WEIR_OK ? check_kept(topic, options, &found[0], &found[1], &found[2], error)
                             : weir_error_set(error, status, "%s", untold.message);
}

/* ---- one topic, then all ---- */

static weir_status make(rd_kafka_t *rk, const weir_kafka_options *options, enum role role, const char *topic,
                        int32_t partition_count, weir_error *error)
{
    kafka_setting settings[] = {
        {"cleanup.policy", "delete"}, {.name = "retention.ms"}, {"retention.bytes", "-1"}};
    int64_t age_ms = role == CLOCK ? WEIR_US_PER_HOUR / WEIR_US_PER_MS : retention_ms_made(options);
    snprintf(settings[1].value, sizeof settings[1].value, "%" PRId64, age_ms);
    size_t setting_count = ROLES[role].internal ? sizeof settings / sizeof *settings : 0;
    return kafka_topic_create(rk, topic, partition_count, options->replication_factor, settings, setting_count, error);
}

static weir_status check_count(const weir_kafka_options *options, enum role role, const char *topic, int32_t count,
                               int32_t wanted, weir_error *error)
{
    if (count == wanted)
        return WEIR_OK;
    if (role == CLOCK)
        return weir_error_set(error, WEIR_REFUSED, "clock topic %s has %d partitions and needs 1: %s", topic, count,
                              ROLES[role].reason);
    return weir_error_set(error, WEIR_REFUSED,
                          "%s %s has %d partitions and input topic %s has %d: they must be the same, since %s",
                          ROLES[role].name, topic, count, options->input_topic, wanted, ROLES[role].reason);
}

static weir_status check_topic(rd_kafka_t *rk, const weir_kafka_options *options, enum role role, const char *topic,
                               int32_t input_count, weir_error *error)
{
    if (!topic)
        return WEIR_OK;
    int32_t count = 0, wanted = role == CLOCK ? 1 : input_count;
    weir_status status = kafka_topic_partitions(rk, topic, &count, error);
    if (status == WEIR_NOT_FOUND && !ROLES[role].internal && !options->create_topics)
        return weir_error_set(error, WEIR_NOT_FOUND,
                              "%s %s does not exist: create it with %d partitions, or set create_topics",
                              ROLES[role].name, topic, wanted);
    if (status == WEIR_NOT_FOUND) {
        status = make(rk, options, role, topic, wanted, error);
        if (status == WEIR_OK)
            status = kafka_topic_partitions(rk, topic, &count, error);
    }
    if (status == WEIR_OK)
        status = check_count(options, role, topic, count, wanted, error);
    return status == WEIR_OK && role == STAGE ? check_settings(rk, options, topic, error) : status;
}

weir_status kafka_layout_check(rd_kafka_t *rk, const weir_kafka_options *options, int32_t *partition_count_out,
                               weir_error *error)
{
    int32_t count = 0;
    weir_status status = kafka_topic_partitions(rk, options->input_topic, &count, error);
    if (status != WEIR_OK)
        return weir_error_wrap(error, "input");
    if ((int64_t)count * (int64_t)(options->stage_count + (options->labels_topic != NULL)) > WEIR_LANE_MAX)
        return weir_error_set(error, WEIR_REFUSED, "topic %s has %d partitions: with %zu stages weir reads %d at most",
                              options->input_topic, count, options->stage_count,
                              WEIR_LANE_MAX / (int)(options->stage_count + (options->labels_topic != NULL)));
    for (size_t i = 0; i < WEIR_OUTPUT_COUNT && status == WEIR_OK; i++)
        status = check_topic(rk, options, OUTPUT, options->output_topics[i], count, error);
    if (status == WEIR_OK)
        status = check_topic(rk, options, LABELS, options->labels_topic, count, error);
    for (size_t i = 1; i < options->stage_count && status == WEIR_OK; i++)
        status = check_topic(rk, options, STAGE, options->stage_topics[i], count, error);
    if (status == WEIR_OK)
        status = check_topic(rk, options, CLOCK, options->clock_topic, count, error);
    if (status == WEIR_OK)
        *partition_count_out = count;
    return status;
}
