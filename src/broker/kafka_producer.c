#include "kafka_private.h"

#include "weir/base/check.h"

#include <stdlib.h>

/* An acknowledgement must name output, lane, marker, partition and offset. Nothing is allocated for it: the topic
 * handle's opaque is the outlet, the message knows its partition and, once written, its offset, and its own opaque is
 * lane and marker:
 *
 *     63      48 47                                           0
 *    | 0 | lane  | marker + 1                                  |
 */
_Static_assert(sizeof(void *) == sizeof(uint64_t), "lane and marker travel in a pointer");
_Static_assert(WEIR_LANE_MAX <= 1 << 15, "a lane is 15 bits");

enum { MARKER_BITS = 48 };
#define MARKER_MASK ((UINT64_C(1) << MARKER_BITS) - 1)

static void *pack(const weir_outgoing *outgoing)
{
    weir_check(outgoing->lane >= 0 && outgoing->lane < WEIR_LANE_MAX);
    weir_check(outgoing->marker >= -1 && outgoing->marker <= WEIR_MARKER_MAX);
    return (void *)(uintptr_t)((uint64_t)outgoing->lane << MARKER_BITS | (uint64_t)(outgoing->marker + 1));
}

static void unpack(const void *opaque, weir_ack *ack_out)
{
    uint64_t word = (uint64_t)(uintptr_t)opaque;
    ack_out->lane = (int32_t)(word >> MARKER_BITS);
    ack_out->marker = (int64_t)(word & MARKER_MASK) - 1;
}

/* What is under way to one partition of one topic. */
typedef struct kafka_flight {
    uint64_t count;
    int64_t since_us; /* the last acknowledgement, or when it took off */
} kafka_flight;

/* ---- outlets: one a topic written to ---- */

static size_t outlet_of(const weir_outgoing *outgoing)
{
    if (outgoing->output != WEIR_OUTPUT_HOPS)
        return outgoing->output;
    weir_check(outgoing->stage >= 1 && outgoing->stage < WEIR_STAGE_TOPIC_MAX);
    return WEIR_OUTPUT_HOPS + outgoing->stage - 1;
}

static const char *outlet_topic(const kafka_group *group, size_t outlet)
{
    if (outlet < WEIR_OUTPUT_HOPS)
        return group->output_topics[outlet];
    size_t stage = outlet - WEIR_OUTPUT_HOPS + 1;
    return stage < group->stage_count ? group->topics[stage] : NULL;
}

/* Asks for the topic's metadata on this handle, so that the first alert does not wait for it. */
static weir_status open_outlet(kafka_port *port, size_t outlet, weir_error *error)
{
    const char *name = outlet_topic(port->group, outlet);
    if (!name)
        return WEIR_OK;
    rd_kafka_topic_conf_t *conf = rd_kafka_default_topic_conf_dup(port->producer);
    rd_kafka_topic_conf_set_opaque(conf, (void *)(uintptr_t)outlet);
    port->outlets[outlet] = rd_kafka_topic_new(port->producer, name, conf);
    if (!port->outlets[outlet]) {
        rd_kafka_topic_conf_destroy(conf);
        return kafka_error(error, rd_kafka_last_error(), "output topic %s", name);
    }
    int32_t partition_count;
    return kafka_topic_partitions(port->producer, name, &partition_count, error);
}

weir_status kafka_producer_open(kafka_port *port, weir_error *error)
{
    port->flights = calloc((size_t)KAFKA_OUTLET_MAX * (size_t)port->group->partition_count, sizeof *port->flights);
    if (!port->flights)
        return weir_error_set(error, WEIR_FULL, "no memory for a worker's port");
    rd_kafka_conf_t *conf = rd_kafka_conf_dup(port->group->producer_conf);
    rd_kafka_conf_set_dr_msg_cb(conf, kafka_producer_delivered);
    weir_status status = kafka_config_open(RD_KAFKA_PRODUCER, conf, &port->handle, &port->producer, error);
    for (size_t i = 0; i < KAFKA_OUTLET_MAX && status == WEIR_OK; i++)
        status = open_outlet(port, i, error);
    return status;
}

/* ---- giving up ---- */

enum { LOOK_EVERY_US = 100000 };

static kafka_flight *flight_of(kafka_port *port, size_t outlet, int32_t partition)
{
    weir_check(partition >= 0 && partition < port->group->partition_count);
    return &port->flights[outlet * (size_t)port->group->partition_count + (size_t)partition];
}

static void take_off(kafka_flight *flight)
{
    if (flight->count++ == 0)
        flight->since_us = kafka_now_us();
}

static void land(kafka_flight *flight, int64_t now_us)
{
    weir_check(flight->count > 0);
    flight->count--;
    flight->since_us = now_us;
}

/* librdkafka's own timeout would give up one record and still send those behind it, should the broker come back just
 * then: a gap, which a reader that drops what is not newer would never see filled. So it has none (kafka_config.c),
 * and a partition without an acknowledgement for the delivery timeout ends everything this producer has under way. */
static void give_up_overdue(kafka_port *port)
{
    port->now_us = kafka_now_us();
    if (port->now_us < port->next_look_us)
        return;
    port->next_look_us = port->now_us + LOOK_EVERY_US;
    size_t flight_count = (size_t)KAFKA_OUTLET_MAX * (size_t)port->group->partition_count;
    bool overdue = false;
    for (size_t i = 0; i < flight_count && !overdue; i++)
        overdue = port->flights[i].count > 0 &&
                  port->now_us - port->flights[i].since_us > port->group->delivery_timeout_us;
    if (!overdue)
        return;
    rd_kafka_purge(port->producer, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
    rd_kafka_poll(port->producer, 0);
}

/* ---- producing ---- */

static rd_kafka_headers_t *copy_headers(const weir_outgoing *outgoing)
{
    if (outgoing->header_count == 0)
        return NULL;
    rd_kafka_headers_t *headers = rd_kafka_headers_new(outgoing->header_count);
    for (size_t i = 0; i < outgoing->header_count; i++) {
        const weir_header *header = &outgoing->headers[i];
        rd_kafka_header_add(headers, header->name, -1, header->value.data, (ssize_t)header->value.size);
    }
    return headers;
}

static rd_kafka_resp_err_t enqueue_with_headers(kafka_port *port, const weir_outgoing *outgoing)
{
    rd_kafka_headers_t *headers = copy_headers(outgoing);
    rd_kafka_resp_err_t code = rd_kafka_producev(
        port->producer, RD_KAFKA_V_RKT(port->outlets[outlet_of(outgoing)]), RD_KAFKA_V_PARTITION(outgoing->partition),
        RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
        RD_KAFKA_V_VALUE((void *)(uintptr_t)outgoing->payload.data, outgoing->payload.size),
        RD_KAFKA_V_KEY((void *)(uintptr_t)outgoing->key.data, outgoing->key.size), RD_KAFKA_V_OPAQUE(pack(outgoing)),
        RD_KAFKA_V_HEADERS(headers), RD_KAFKA_V_END);
    if (code && headers)
        rd_kafka_headers_destroy(headers); /* taken only on success */
    return code;
}

static rd_kafka_resp_err_t enqueue(kafka_port *port, const weir_outgoing *outgoing)
{
    if (outgoing->header_count)
        return enqueue_with_headers(port, outgoing);
    int failed = rd_kafka_produce(port->outlets[outlet_of(outgoing)], outgoing->partition, RD_KAFKA_MSG_F_COPY,
                                  (void *)(uintptr_t)outgoing->payload.data, outgoing->payload.size,
                                  outgoing->key.data, outgoing->key.size, pack(outgoing));
    return failed ? rd_kafka_last_error() : RD_KAFKA_RESP_ERR_NO_ERROR;
}

/* A fatal producer stays fatal: whether another took over, or its sequence was lost, the port is done. */
static weir_status fatal_status(kafka_port *port)
{
    char text[KAFKA_ERROR_TEXT_SIZE];
    weir_status status = kafka_status(rd_kafka_fatal_error(port->producer, text, sizeof text));
    return status == WEIR_FENCED ? WEIR_FENCED : WEIR_IO;
}

weir_status kafka_producer_produce(weir_port *base, const weir_outgoing *outgoing)
{
    kafka_port *port = (kafka_port *)base;
    weir_check(outgoing->output < WEIR_OUTPUT_COUNT && port->outlets[outlet_of(outgoing)]);
    weir_check(outgoing->header_count <= WEIR_HEADER_MAX);
    kafka_flight *flight = flight_of(port, outlet_of(outgoing), outgoing->partition);
    rd_kafka_resp_err_t code = enqueue(port, outgoing);
    switch (code) {
    case RD_KAFKA_RESP_ERR_NO_ERROR:
        take_off(flight);
        return WEIR_OK;
    case RD_KAFKA_RESP_ERR__FATAL:
        return fatal_status(port);
    case RD_KAFKA_RESP_ERR__QUEUE_FULL:
        return WEIR_FULL;
    case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
        return WEIR_INVALID;
    default:
        return WEIR_IO;
    }
}

/* ---- acknowledgements ---- */

/* librdkafka calls this from rd_kafka_poll and rd_kafka_flush, so on the port's own thread. */
void kafka_producer_delivered(rd_kafka_t *rk, const rd_kafka_message_t *message, void *opaque)
{
    (void)rk;
    kafka_port *port = ((kafka_handle *)opaque)->port;
    size_t outlet = (size_t)(uintptr_t)rd_kafka_topic_opaque(message->rkt);
    weir_check(outlet < KAFKA_OUTLET_MAX);
    land(flight_of(port, outlet, message->partition), port->now_us);
    if (!port->heard)
        return;
    weir_ack ack = {
        .output = outlet < WEIR_OUTPUT_HOPS ? (weir_output)outlet : WEIR_OUTPUT_HOPS,
        .partition = message->partition,
        .offset = !message->err && message->offset >= 0 ? message->offset : WEIR_OFFSET_NONE,
        .delivered = !message->err,
    };
    unpack(message->_private, &ack);
    port->heard_count++;
    port->heard(port->heard_context, &ack);
}

size_t kafka_producer_acks(weir_port *base, int64_t wait_us, void (*heard)(void *context, const weir_ack *ack),
                           void *context)
{
    kafka_port *port = (kafka_port *)base;
    weir_check(heard && !port->heard);
    port->heard = heard;
    port->heard_context = context;
    port->heard_count = 0;
    port->now_us = kafka_now_us();
    rd_kafka_poll(port->producer, kafka_ms(wait_us));
    give_up_overdue(port); /* after hearing what came in while the worker was busy elsewhere */
    port->heard = NULL;
    return port->heard_count;
}

void kafka_port_flush(kafka_port *port, int64_t timeout_us)
{
    if (rd_kafka_flush(port->producer, kafka_ms(timeout_us)) == RD_KAFKA_RESP_ERR_NO_ERROR)
        return;
    /* What is left must not reach the topic after the partition's next owner has looked at its end. */
    rd_kafka_purge(port->producer, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
    rd_kafka_flush(port->producer, 0);
}

void kafka_producer_close(kafka_port *port)
{
    for (size_t i = 0; i < KAFKA_OUTLET_MAX; i++)
        if (port->outlets[i])
            rd_kafka_topic_destroy(port->outlets[i]);
    if (port->producer)
        rd_kafka_destroy(port->producer);
    free(port->flights);
}
