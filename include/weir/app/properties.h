/* The librdkafka properties that pass through the configuration, as the broker's clients take them: conf knows nothing
 * of clients and broker nothing of configurations, so they meet here. */
#ifndef WEIR_APP_PROPERTIES_H
#define WEIR_APP_PROPERTIES_H

#include "weir/broker/kafka.h"
#include "weir/conf/conf.h"

/* Those for one client, consumer or producer: its own and those for both, in the configuration's order.
 *
 * Owns:  *properties_out is the caller's, to free(), also when there are none; names and values are conf's.
 * Fails: WEIR_FULL.
 */
WEIR_MUST_USE weir_status weir_properties_gather(const weir_conf *conf, weir_conf_scope client,
                                                 weir_kafka_property **properties_out, size_t *count_out,
                                                 weir_error *error);

#endif
