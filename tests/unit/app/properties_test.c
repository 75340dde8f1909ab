#include "weir/app/properties.h"

#include <criterion/criterion.h>
#include <stdlib.h>

/* Those both have, and what of the consumer's and of the producer's own. */
static const char *const ARGUMENTS[] = {"--kafka.security.protocol", "ssl", "--kafka.consumer.fetch.max.bytes", "1000",
                                        "--kafka.producer.batch.size", "2000", "--kafka.ssl.ca.location", "/ca.pem"};

static weir_conf load(const char *const *arguments, size_t count)
{
    weir_conf conf;
    weir_error error = {0};
    weir_conf_inputs inputs = {.arguments = arguments, .argument_count = count};
    cr_assert_eq(weir_conf_load(&inputs, &conf, &error), WEIR_OK, "%s", error.message);
    return conf;
}

static void expect_names(const weir_conf *conf, weir_conf_scope client, const char *const *names, size_t wanted)
{
    weir_kafka_property *properties;
    size_t count;
    cr_assert_eq(weir_properties_gather(conf, client, &properties, &count, NULL), WEIR_OK);
    cr_assert_eq(count, wanted);
    for (size_t i = 0; i < count; i++)
        cr_expect_str_eq(properties[i].name, names[i]);
    free(properties);
}

Test(properties, each_client_gets_its_own_and_those_for_both)
{
    weir_conf conf = load(ARGUMENTS, sizeof ARGUMENTS / sizeof *ARGUMENTS);
    static const char *const CONSUMER[] = {"security.protocol", "ssl.ca.location", "fetch.max.bytes"};
    static const char *const PRODUCER[] = {"security.protocol", "ssl.ca.location", "batch.size"};
    expect_names(&conf, WEIR_CONF_FOR_CONSUMER, CONSUMER, 3);
    expect_names(&conf, WEIR_CONF_FOR_PRODUCER, PRODUCER, 3);
    weir_conf_deinit(&conf);
}

Test(properties, none_is_an_empty_list)
{
    weir_conf conf = load(NULL, 0);
    expect_names(&conf, WEIR_CONF_FOR_CONSUMER, NULL, 0);
    weir_conf_deinit(&conf);
}
