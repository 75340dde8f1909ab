#include "weir/app/properties.h"

#include "weir/base/check.h"

#include <stdlib.h>

weir_status weir_properties_gather(const weir_conf *conf, weir_conf_scope client, weir_kafka_property **properties_out,
                                   size_t *count_out, weir_error *error)
{
    weir_check(client != WEIR_CONF_FOR_BOTH);
    weir_kafka_property *properties = calloc(conf->property_count + 1, sizeof *properties);
    if (!properties)
        return weir_error_set(error, WEIR_FULL, "no memory for %zu librdkafka properties", conf->property_count);
    size_t count = 0;
    for (size_t i = 0; i < conf->property_count; i++) {
        const weir_conf_property *property = &conf->properties[i];
        if (property->scope == client || property->scope == WEIR_CONF_FOR_BOTH)
            properties[count++] = (weir_kafka_property){property->name, property->value};
    }
    *properties_out = properties;
    *count_out = count;
    return WEIR_OK;
}
