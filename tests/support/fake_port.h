/* A worker's port in memory: records are put in by the test, what is produced is kept for it to look at, and every
 * trouble a producer can make is a field. One thread at a time. */
#ifndef WEIR_TESTS_SUPPORT_FAKE_PORT_H
#define WEIR_TESTS_SUPPORT_FAKE_PORT_H

#include "weir/broker/broker.h"

enum { WEIR_FAKE_LANES = 48 };

typedef struct weir_fake_sent { /* one record produced; everything in it is a copy */
    weir_output output;
    int32_t lane, partition;
    size_t stage;
    int64_t marker, offset; /* offset: its place in its output's partition */
    weir_span key, payload;
    char *header_names[WEIR_HEADER_MAX], *header_values[WEIR_HEADER_MAX];
    size_t header_count;
    bool acknowledged;
} weir_fake_sent;

typedef struct weir_fake_port {
    weir_port base;
    weir_record *inbox;
    bool *taken;             /* which of them were polled */
    size_t inbox_count, inbox_size;
    int32_t partition_count; /* of a topic, to tell a record's partition from its lane; 0 = one topic */
    weir_fake_sent *sent;
    size_t sent_count, sent_size;
    int64_t ends[WEIR_OUTPUT_COUNT][WEIR_FAKE_LANES]; /* by partition; of hops by the lane they go to */
    size_t flight_max;         /* more unacknowledged records than this are refused with WEIR_FULL; 0 = no bound */
    size_t refused_count;      /* how often that happened */
    size_t payload_size_max;   /* larger ones are refused with WEIR_INVALID; 0 = no bound */
    weir_status failure;       /* what produce answers once `sent_count` has come to fail_at; WEIR_OK = never */
    size_t fail_at;
    bool hold_acks;            /* nothing is acknowledged */
    int64_t undelivered;       /* the index in `sent` of one that is reported as given up; -1 = none */
    bool held[WEIR_FAKE_LANES];
    size_t hold_count;             /* calls of hold */
    int64_t lags[WEIR_FAKE_LANES]; /* records of a lane that are still to come; -1 = not heard yet */
    size_t unread_count;           /* records given back */
    size_t borrowed_count;     /* records polled and not yet released */
    size_t poll_count;
} weir_fake_port;

void weir_fake_port_init(weir_fake_port *port);
void weir_fake_port_deinit(weir_fake_port *port);

/* Puts a record (copied) where the next poll finds it. */
void weir_fake_port_add(weir_fake_port *port, int32_t lane, int64_t offset, weir_span key, weir_span payload);

/* How many records were produced to an output. */
size_t weir_fake_port_count(const weir_fake_port *port, weir_output output);

/* The index-th record produced to an output, or NULL. */
const weir_fake_sent *weir_fake_port_sent(const weir_fake_port *port, weir_output output, size_t index);

/* The value of a header, or NULL. */
const char *weir_fake_sent_header(const weir_fake_sent *sent, const char *name);

#endif
