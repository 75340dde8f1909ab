#include "support/fake_port.h"

#include "weir/base/check.h"

#include <stdlib.h>

static weir_span copy_of(weir_span bytes)
{
    if (!bytes.data)
        return bytes;
    uint8_t *copy = malloc(bytes.size + 1);
    weir_check(copy);
    memcpy(copy, bytes.data, bytes.size);
    copy[bytes.size] = '\0';
    return weir_span_of(copy, bytes.size);
}

static void free_span(weir_span bytes)
{
    free((void *)bytes.data);
}

/* A lane's records in the order they were added, lane after lane. */
static size_t fake_poll(weir_port *base, weir_record *records, size_t max, int64_t wait_us)
{
    (void)wait_us;
    weir_fake_port *port = (weir_fake_port *)base;
    weir_check(port->borrowed_count == 0);
    port->poll_count++;
    size_t count = 0;
    for (int32_t lane = 0; lane < WEIR_FAKE_LANES; lane++) {
        size_t room = max - count < WEIR_POLL_LANE_MAX ? max - count : WEIR_POLL_LANE_MAX;
        for (size_t i = 0; i < port->inbox_count && room > 0 && !port->held[lane]; i++)
            if (port->inbox[i].lane == lane && !port->taken[i]) {
                port->taken[i] = true;
                records[count++] = port->inbox[i];
                room--;
            }
    }
    port->borrowed_count = count;
    return count;
}

static void fake_unread(weir_port *base, const weir_record *first, size_t count)
{
    weir_fake_port *port = (weir_fake_port *)base;
    weir_check(count > 0 && port->borrowed_count >= count);
    port->unread_count += count;
    for (size_t i = 0; i < port->inbox_count; i++)
        for (size_t k = 0; k < count; k++)
            if (port->inbox[i].lane == first[k].lane && port->inbox[i].offset == first[k].offset)
                port->taken[i] = false;
}

static void fake_release(weir_port *base)
{
    ((weir_fake_port *)base)->borrowed_count = 0;
}

static size_t in_flight(const weir_fake_port *port)
{
    size_t count = 0;
    for (size_t i = 0; i < port->sent_count; i++)
        count += !port->sent[i].acknowledged;
    return count;
}

static int64_t *end_of(weir_fake_port *port, const weir_outgoing *outgoing)
{
    size_t lane = outgoing->stage * (size_t)port->partition_count + (size_t)outgoing->partition;
    weir_check(lane < WEIR_FAKE_LANES);
    return &port->ends[outgoing->output][lane];
}

static weir_status fake_produce(weir_port *base, const weir_outgoing *outgoing)
{
    weir_fake_port *port = (weir_fake_port *)base;
    if (port->failure != WEIR_OK && port->sent_count >= port->fail_at)
        return port->failure;
    if (port->payload_size_max && outgoing->payload.size > port->payload_size_max)
        return WEIR_INVALID;
    if (port->flight_max && in_flight(port) >= port->flight_max) {
        port->refused_count++;
        return WEIR_FULL;
    }
    if (port->sent_count == port->sent_size) {
        port->sent_size = port->sent_size ? 2 * port->sent_size : 64;
        port->sent = realloc(port->sent, port->sent_size * sizeof *port->sent);
        weir_check(port->sent);
    }
    weir_fake_sent *sent = &port->sent[port->sent_count++];
    *sent = (weir_fake_sent){.output = outgoing->output,
                             .partition = outgoing->partition,
                             .lane = outgoing->lane,
                             .stage = outgoing->stage,
                             .marker = outgoing->marker,
                             .offset = (*end_of(port, outgoing))++,
                             .key = copy_of(outgoing->key),
                             .payload = copy_of(outgoing->payload),
                             .header_count = outgoing->header_count};
    for (size_t i = 0; i < outgoing->header_count; i++) {
        sent->header_names[i] = strdup(outgoing->headers[i].name);
        sent->header_values[i] = (char *)copy_of(outgoing->headers[i].value).data;
    }
    return WEIR_OK;
}

static size_t fake_acks(weir_port *base, int64_t wait_us, void (*heard)(void *context, const weir_ack *ack),
                        void *context)
{
    (void)wait_us;
    weir_fake_port *port = (weir_fake_port *)base;
    size_t count = 0;
    for (size_t i = 0; i < port->sent_count && !port->hold_acks; i++) {
        weir_fake_sent *sent = &port->sent[i];
        if (sent->acknowledged)
            continue;
        sent->acknowledged = true;
        bool delivered = (int64_t)i != port->undelivered;
        weir_ack ack = {.output = sent->output,
                        .lane = sent->lane,
                        .marker = sent->marker,
                        .partition = sent->partition,
                        .offset = delivered ? sent->offset : WEIR_OFFSET_NONE,
                        .delivered = delivered};
        heard(context, &ack);
        count++;
    }
    return count;
}

static weir_span fake_header(weir_port *base, const weir_record *record, const char *name)
{
    (void)base, (void)record, (void)name;
    return (weir_span){0};
}

static void fake_hold(weir_port *base, int32_t lane, bool held)
{
    weir_fake_port *port = (weir_fake_port *)base;
    port->held[lane] = held;
    port->hold_count++;
}

/* What is there and was not yet processed, and what the test says is still to come. */
static int64_t fake_lag(weir_port *base, int32_t lane, int64_t position)
{
    const weir_fake_port *port = (const weir_fake_port *)base;
    int64_t lag = port->lags[lane];
    for (size_t i = 0; i < port->inbox_count && lag >= 0; i++)
        lag += port->inbox[i].lane == lane && port->inbox[i].offset >= position;
    return lag;
}

static const weir_port_ops FAKE_OPS = {
    .poll = fake_poll,
    .release = fake_release,
    .produce = fake_produce,
    .acks = fake_acks,
    .header = fake_header,
    .hold = fake_hold,
    .lag = fake_lag,
    .unread = fake_unread,
};

void weir_fake_port_init(weir_fake_port *port)
{
    *port = (weir_fake_port){.base = {.ops = &FAKE_OPS}, .undelivered = -1};
}

void weir_fake_port_deinit(weir_fake_port *port)
{
    for (size_t i = 0; i < port->inbox_count; i++) {
        free_span(port->inbox[i].key);
        free_span(port->inbox[i].payload);
    }
    for (size_t i = 0; i < port->sent_count; i++) {
        weir_fake_sent *sent = &port->sent[i];
        free_span(sent->key);
        free_span(sent->payload);
        for (size_t k = 0; k < sent->header_count; k++) {
            free(sent->header_names[k]);
            free(sent->header_values[k]);
        }
    }
    free(port->inbox);
    free(port->taken);
    free(port->sent);
}

void weir_fake_port_add(weir_fake_port *port, int32_t lane, int64_t offset, weir_span key, weir_span payload)
{
    weir_check(lane >= 0 && lane < WEIR_FAKE_LANES);
    if (port->inbox_count == port->inbox_size) {
        port->inbox_size = port->inbox_size ? 2 * port->inbox_size : 64;
        port->inbox = realloc(port->inbox, port->inbox_size * sizeof *port->inbox);
        port->taken = realloc(port->taken, port->inbox_size * sizeof *port->taken);
        weir_check(port->inbox && port->taken);
    }
    port->taken[port->inbox_count] = false;
    port->inbox[port->inbox_count++] = (weir_record){.lane = lane,
                                                     .partition = port->partition_count ? lane % port->partition_count
                                                                                        : lane,
                                                     .offset = offset,
                                                     .timestamp_us = -1,
                                                     .key = copy_of(key),
                                                     .payload = copy_of(payload)};
}

size_t weir_fake_port_count(const weir_fake_port *port, weir_output output)
{
    size_t count = 0;
    for (size_t i = 0; i < port->sent_count; i++)
        count += port->sent[i].output == output;
    return count;
}

const weir_fake_sent *weir_fake_port_sent(const weir_fake_port *port, weir_output output, size_t index)
{
    for (size_t i = 0; i < port->sent_count; i++)
        if (port->sent[i].output == output && index-- == 0)
            return &port->sent[i];
    return NULL;
}

const char *weir_fake_sent_header(const weir_fake_sent *sent, const char *name)
{
    for (size_t i = 0; i < sent->header_count; i++)
        if (strcmp(sent->header_names[i], name) == 0)
            return sent->header_values[i];
    return NULL;
}
