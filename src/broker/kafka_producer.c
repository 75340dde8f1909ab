#include "kafka_private.h"

#include "weir/base/check.h"

#include <stdlib.h>

/* An acknowledgement must name output, partition and source offset. Nothing is allocated for it: the topic
 * handle's opaque is the output, the message knows its partition, and its opaque is the source offset itself. */
_Static_assert(sizeof(void *) == sizeof(int64_t), "a source offset travels in a pointer");

/* Asks for the topic's metadata on this handle, so that the first alert does not wait for it. */
static weir_status open_topic(kafka_port *port, size_t output, weir_error *error)
{
    const char *name = port->group->output_topics[output];
    rd_kafka_topic_conf_t *conf = rd_kafka_default_topic_conf_dup(port->producer);
    rd_kafka_topic_conf_set_opaque(conf, (void *)(uintptr_t)output);
    port->topics[output] = rd_kafka_topic_new(port->producer, name, conf);
    if (!port->topics[output]) {
        rd_kafka_topic_conf_destroy(conf);
        return kafka_error(error, rd_kafka_last_error(), "output topic %s", name);
    }
    int32_t partition_count;
    return kafka_topic_partitions(port->producer, name, &partition_count, error);
}

weir_status kafka_producer_open(kafka_port *port, weir_error *error)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_dup(port->group->producer_conf);
    weir_status status = kafka_config_open(RD_KAFKA_PRODUCER, conf, &port->handle, &port->producer, error);
    for (size_t i = 0; i < WEIR_OUTPUT_COUNT && status == WEIR_OK; i++)
        if (port->group->output_topics[i])
            status = open_topic(port, i, error);
    return status;
}

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
        port->producer, RD_KAFKA_V_RKT(port->topics[outgoing->output]), RD_KAFKA_V_PARTITION(outgoing->partition),
        RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
        RD_KAFKA_V_VALUE((void *)(uintptr_t)outgoing->payload.data, outgoing->payload.size),
        RD_KAFKA_V_KEY((void *)(uintptr_t)outgoing->key.data, outgoing->key.size),
        RD_KAFKA_V_OPAQUE((void *)(intptr_t)outgoing->source_offset), RD_KAFKA_V_HEADERS(headers), RD_KAFKA_V_END);
    if (code && headers)
        rd_kafka_headers_destroy(headers); /* taken only on success */
    return code;
}

static rd_kafka_resp_err_t enqueue(kafka_port *port, const weir_outgoing *outgoing)
{
    if (outgoing->header_count)
        return enqueue_with_headers(port, outgoing);
    int failed = rd_kafka_produce(port->topics[outgoing->output], outgoing->partition, RD_KAFKA_MSG_F_COPY,
                                  (void *)(uintptr_t)outgoing->payload.data, outgoing->payload.size,
                                  outgoing->key.data, outgoing->key.size, (void *)(intptr_t)outgoing->source_offset);
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
    weir_check(outgoing->output < WEIR_OUTPUT_COUNT && port->topics[outgoing->output]);
    weir_check(outgoing->header_count <= WEIR_HEADER_MAX && outgoing->source_offset >= 0);
    rd_kafka_resp_err_t code = enqueue(port, outgoing);
    switch (code) {
    case RD_KAFKA_RESP_ERR_NO_ERROR:
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

/* librdkafka calls this from rd_kafka_poll and rd_kafka_flush, so on the port's own thread. */
void kafka_producer_delivered(rd_kafka_t *rk, const rd_kafka_message_t *message, void *opaque)
{
    (void)rk;
    kafka_port *port = ((kafka_handle *)opaque)->port;
    if (!port->heard)
        return;
    weir_ack ack = {
        .output = (weir_output)(uintptr_t)rd_kafka_topic_opaque(message->rkt),
        .partition = message->partition,
        .source_offset = (int64_t)(intptr_t)message->_private,
        .delivered = !message->err,
    };
    weir_check(ack.output < WEIR_OUTPUT_COUNT && port->topics[ack.output]);
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
    rd_kafka_poll(port->producer, kafka_ms(wait_us));
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
    for (size_t i = 0; i < WEIR_OUTPUT_COUNT; i++)
        if (port->topics[i])
            rd_kafka_topic_destroy(port->topics[i]);
    if (port->producer)
        rd_kafka_destroy(port->producer);
}
