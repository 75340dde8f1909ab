/* Which librdkafka properties pass through, and how the others are refused. No broker is needed: the refusal comes
 * before the first connection. */
#include "weir/broker/kafka.h"

#include <criterion/criterion.h>

static weir_status open_with(const weir_kafka_property *consumer, const weir_kafka_property *producer,
                             weir_error *error)
{
    weir_kafka_options options = {
        .bootstrap_servers = "127.0.0.1:1",
        .group_id = "weir",
        .input_topic = "transactions",
        .stage_count = 1,
        .worker_count = 1,
        .consumer_properties = consumer,
        .consumer_property_count = consumer != NULL,
        .producer_properties = producer,
        .producer_property_count = producer != NULL,
    };
    weir_group *group = NULL;
    weir_status status = weir_kafka_open(&options, &group, error);
    cr_assert_null(group);
    return status;
}

Test(kafka_config, every_owned_property_is_refused_with_its_reason)
{
    const weir_kafka_owned *rows;
    size_t count = weir_kafka_owned_properties(&rows);
    cr_assert_gt(count, 20);
    for (size_t i = 0; i < count; i++) {
        weir_kafka_property property = {rows[i].name, "1"};
        weir_error error = {0};
        cr_assert_eq(open_with(&property, NULL, &error), WEIR_INVALID, "%s", rows[i].name);
        cr_assert(strstr(error.message, rows[i].name) && strstr(error.message, rows[i].reason), "%s", error.message);
        cr_assert_eq(open_with(NULL, &property, &error), WEIR_INVALID, "%s", rows[i].name);
    }
}

Test(kafka_config, unknown_property_is_refused_by_name)
{
    weir_kafka_property property = {"no.such.property", "1"};
    weir_error error = {0};
    cr_assert_eq(open_with(&property, NULL, &error), WEIR_INVALID);
    cr_assert(strstr(error.message, "no.such.property"), "%s", error.message);
}

Test(kafka_config, value_out_of_range_is_refused)
{
    weir_kafka_property property = {"fetch.wait.max.ms", "-5"};
    weir_error error = {0};
    cr_assert_eq(open_with(&property, NULL, &error), WEIR_INVALID);
    cr_assert(strstr(error.message, "fetch.wait.max.ms"), "%s", error.message);
}

Test(kafka_config, topic_named_twice_is_refused)
{
    weir_kafka_options options = {.bootstrap_servers = "127.0.0.1:1", .group_id = "weir", .input_topic = "t",
                                  .stage_count = 1,
                                  .output_topics = {"a", NULL, "a"}, .worker_count = 1};
    weir_group *group = NULL;
    weir_error error = {0};
    cr_assert_eq(weir_kafka_open(&options, &group, &error), WEIR_INVALID);
    options.output_topics[2] = "t";
    cr_assert_eq(weir_kafka_open(&options, &group, &error), WEIR_INVALID);
    cr_assert(strstr(error.message, "named twice"), "%s", error.message);
    options.output_topics[2] = NULL;
    options.stage_count = 2;
    options.stage_topics[1] = "a";
    cr_assert_eq(weir_kafka_open(&options, &group, &error), WEIR_INVALID, "a stage's topic is no output");
    options.stage_topics[1] = "s";
    options.labels_topic = "s";
    cr_assert_eq(weir_kafka_open(&options, &group, &error), WEIR_INVALID, "nor the labels");
    options.labels_topic = "l";
    options.clock_topic = "l";
    cr_assert_eq(weir_kafka_open(&options, &group, &error), WEIR_INVALID, "nor the clock");
}

Test(kafka_config, group_without_a_name_is_refused)
{
    weir_kafka_options options = {.bootstrap_servers = "127.0.0.1:1", .group_id = "", .input_topic = "t",
                                  .stage_count = 1, .worker_count = 1};
    weir_group *group = NULL;
    weir_error error = {0};
    cr_assert_eq(weir_kafka_open(&options, &group, &error), WEIR_INVALID);
    cr_assert(strstr(error.message, "group.id"), "%s", error.message);
}
