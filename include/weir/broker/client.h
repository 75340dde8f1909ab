/* A plain producer and a plain reader for the tools (generate, demo, tail, bench): no group, no guarantees beyond
 * librdkafka's. */
#ifndef WEIR_BROKER_CLIENT_H
#define WEIR_BROKER_CLIENT_H

#include "weir/broker/broker.h"
#include "weir/broker/kafka.h"

typedef struct weir_sender weir_sender;
/* linger_us: 2-5 ms for load generators over many partitions. */
WEIR_MUST_USE weir_status weir_sender_open(const char *bootstrap, const char *topic, int64_t linger_us,
                                           const weir_kafka_property *properties, size_t property_count,
                                           weir_sender **sender_out, weir_error *error);
int32_t weir_sender_partition_count(const weir_sender *sender);
/* Sends to an explicit partition, or to weir_hash_partition(key) when partition < 0. Blocks while the queue is full.
 * timestamp_us: the record's CreateTime, or -1 for now. */
WEIR_MUST_USE weir_status weir_sender_send(weir_sender *sender, int32_t partition, weir_span key, weir_span payload,
                                           int64_t timestamp_us);
/* Waits until everything is acknowledged. Returns records that were not delivered so far. */
uint64_t weir_sender_flush(weir_sender *sender, int64_t timeout_us);
void weir_sender_close(weir_sender *sender);

typedef struct weir_tail weir_tail;
/* Reads every partition of a topic. from: offset >= 0, or -2 = beginning, -1 = end (librdkafka's numbers). */
WEIR_MUST_USE weir_status weir_tail_open(const char *bootstrap, const char *topic, int64_t from,
                                         const weir_kafka_property *properties, size_t property_count,
                                         weir_tail **tail_out, weir_error *error);
/* Next record, waiting up to wait_us; false when there was none. Borrowed until the next call. *ended_out (may be
 * NULL) tells whether every partition has been read to the end it had when the tail was opened. */
bool weir_tail_next(weir_tail *tail, int64_t wait_us, weir_record *record_out, bool *ended_out);
weir_span weir_tail_header(weir_tail *tail, const char *name); /* of the record last returned */
/* All headers of the record last returned, up to `max`; names and values are borrowed until the next call. */
size_t weir_tail_headers(weir_tail *tail, weir_header *headers_out, size_t max);
void weir_tail_close(weir_tail *tail);

#endif
