#include "cli/client.h"

#include "weir/app/properties.h"

#include <stdlib.h>
#include <unistd.h>

int client_load_conf(const weir_cli_usage *usage, const weir_cli_operands *operands, weir_conf *conf_out)
{
    weir_error error = {0};
    weir_conf_inputs inputs = {.environment = (const char *const *)environ,
                               .arguments = operands->conf_arguments,
                               .argument_count = operands->conf_argument_count};
    if (weir_conf_load(&inputs, conf_out, &error) != WEIR_OK)
        return weir_cli_fail(&error);
    if (conf_out->brokers[0])
        return WEIR_CLI_GO_ON;
    weir_conf_deinit(conf_out);
    return weir_cli_misused(usage, "--brokers HOST:PORT says which cluster.");
}

weir_status client_open_sender(const weir_conf *conf, const char *topic, int64_t linger_us, weir_sender **sender_out,
                               weir_error *error)
{
    weir_kafka_property *properties;
    size_t count;
    weir_status status = weir_properties_gather(conf, WEIR_CONF_FOR_PRODUCER, &properties, &count, error);
    if (status != WEIR_OK)
        return status;
    status = weir_sender_open(conf->brokers, topic, linger_us, properties, count, sender_out, error);
    free(properties);
    return status;
}

weir_status client_open_tail(const weir_conf *conf, const char *topic, int64_t from, weir_tail **tail_out,
                             weir_error *error)
{
    weir_kafka_property *properties;
    size_t count;
    weir_status status = weir_properties_gather(conf, WEIR_CONF_FOR_CONSUMER, &properties, &count, error);
    if (status != WEIR_OK)
        return status;
    status = weir_tail_open(conf->brokers, topic, from, properties, count, tail_out, error);
    free(properties);
    return status;
}
