/* librdkafka's mock cluster as an embedded broker: for the demo and for error injection. It keeps 5 MB a
 * partition, shows aborted records and does not fence: proof of nothing about exactly-once. */
#ifndef WEIR_BROKER_EMBEDDED_H
#define WEIR_BROKER_EMBEDDED_H

#include "weir/base/status.h"

#include <stddef.h>
#include <stdint.h>

typedef struct weir_embedded weir_embedded;

/* Starts brokers on loopback ports; topics are then made with weir_embedded_topic. */
WEIR_MUST_USE weir_status weir_embedded_open(size_t broker_count, weir_embedded **embedded_out, weir_error *error);
const char *weir_embedded_bootstrap(const weir_embedded *embedded);
WEIR_MUST_USE weir_status weir_embedded_topic(weir_embedded *embedded, const char *topic, int32_t partition_count,
                                              weir_error *error);
/* Error injection: the next `count` requests of an API key (Produce 0, Fetch 1, ...) fail with Kafka error code
 * `code`. */
void weir_embedded_fail(weir_embedded *embedded, int16_t api_key, size_t count, int16_t code);
/* Round-trip delay of one broker (1-based id), and moving a partition's leader. */
void weir_embedded_delay(weir_embedded *embedded, int32_t broker_id, int rtt_ms);
void weir_embedded_leader(weir_embedded *embedded, const char *topic, int32_t partition, int32_t broker_id);
/* Takes a broker down / up. */
void weir_embedded_broker(weir_embedded *embedded, int32_t broker_id, int up);
void weir_embedded_close(weir_embedded *embedded);

#endif
