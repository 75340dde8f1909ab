#include "kafka_private.h"

#include "weir/base/check.h"

#include <stdlib.h>

/* A consumed error message is about fetching, not a record: the service thread hears of it. */
static size_t keep_records(kafka_port *port, kafka_lane *lane, rd_kafka_message_t **messages, size_t count,
                           weir_record *records)
{
    size_t kept = 0, bytes = 0;
    for (size_t i = 0; i < count; i++) {
        rd_kafka_message_t *message = messages[i];
        atomic_store_explicit(&lane->ended, message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF, memory_order_relaxed);
        if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
            rd_kafka_message_destroy(message);
            continue;
        }
        if (message->err) {
            kafka_rebalance_fault(port->group, lane, message);
            rd_kafka_message_destroy(message);
            continue;
        }
        bytes += message->len + message->key_len;
        messages[kept] = message;
        records[kept++] = kafka_record(message, lane->number);
    }
    if (kept)
        atomic_store_explicit(&port->record_size_mean, bytes / kept, memory_order_relaxed);
    return kept;
}

static bool has_some(const kafka_lane *lane)
{
    return atomic_load(&lane->ready) && !atomic_load_explicit(&lane->held, memory_order_relaxed);
}

/* Asked without time, a batch consume gives what is there. (With time it would return only when full or out of it.) */
static size_t take_returned(kafka_port *port, kafka_lane *lane, weir_record *records, size_t max)
{
    size_t count = lane->returned_count < max ? lane->returned_count : max;
    memcpy(port->messages + port->message_count, lane->returned, count * sizeof *lane->returned);
    lane->returned_count -= count;
    memmove(lane->returned, lane->returned + count, lane->returned_count * sizeof *lane->returned);
    for (size_t i = 0; i < count; i++)
        records[i] = kafka_record(port->messages[port->message_count + i], lane->number);
    port->message_count += count;
    return count;
}

static void count_taken(kafka_port *port, const kafka_lane *lane, size_t count)
{
    uint64_t bytes = count * atomic_load_explicit(&port->record_size_mean, memory_order_relaxed);
    if (kafka_lane_is_label(port->group, lane))
        kafka_nudge_count(&port->group->label_nudge, &port->labels_taken, count, bytes);
    else
        kafka_nudge_count(&port->group->nudge, &port->taken, count, bytes);
}

static size_t take_lane(kafka_port *port, kafka_lane *lane, weir_record *records, size_t max)
{
    if (!has_some(lane))
        return 0;
    lane->taken_at = port->sweep_count;
    max = max < WEIR_POLL_LANE_MAX ? max : WEIR_POLL_LANE_MAX;
    if (lane->returned_count > 0) /* ready stays: the queue may have more */
        return take_returned(port, lane, records, max);
    rd_kafka_message_t **messages = port->messages + port->message_count;
    atomic_store(&lane->ready, false); /* before the look: what comes after it raises the flag again */
    ssize_t taken = rd_kafka_consume_batch_queue(lane->queue, 0, messages, max);
    if (taken == (ssize_t)max)
        atomic_store(&lane->ready, true);
    size_t kept = taken > 0 ? keep_records(port, lane, messages, (size_t)taken, records) : 0;
    port->message_count += kept;
    count_taken(port, lane, kept);
    return kept;
}

/* The lane to take from next: of those that have something the one of the lowest rank not taken from in this sweep,
 * and among equals the one that comes first from `port->first` on. NULL when there is none. */
static kafka_lane *next_lane(const kafka_port *port)
{
    kafka_lane *best = NULL;
    for (size_t i = 0, at = port->first; i < port->lane_count; i++) {
        kafka_lane *lane = port->lanes[at];
        if (lane->taken_at != port->sweep_count && has_some(lane) && (!best || lane->rank < best->rank))
            best = lane;
        if (++at == port->lane_count)
            at = 0;
    }
    return best;
}

/* A look at the lanes, beginning one further than the last. A lane is taken from once: a second run of it behind
 * another lane's could be processed although the first was given back unread. */
static size_t sweep(kafka_port *port, weir_record *records, size_t max)
{
    size_t count = 0;
    pthread_mutex_lock(&port->lanes_lock);
    port->sweep_count++;
    if (++port->first >= port->lane_count)
        port->first = 0;
    for (kafka_lane *lane; count < max && (lane = next_lane(port));)
        count += take_lane(port, lane, records + count, max - count);
    pthread_mutex_unlock(&port->lanes_lock);
    kafka_nudge_if_due(&port->group->nudge, &port->taken);
    kafka_nudge_if_due(&port->group->label_nudge, &port->labels_taken);
    return count;
}

static bool anything_ready(kafka_port *port)
{
    bool found = false;
    pthread_mutex_lock(&port->lanes_lock);
    for (size_t i = 0; i < port->lane_count && !found; i++)
        found = has_some(port->lanes[i]);
    pthread_mutex_unlock(&port->lanes_lock);
    return found;
}

void kafka_port_ring(kafka_port *port)
{
    if (atomic_load(&port->asleep) && atomic_exchange(&port->asleep, false))
        rd_kafka_queue_yield(port->bell);
}

/* Sleeps until the bell or the time is up. A yield stays on record until somebody waits, so that a ring between the
 * look at the lanes and the wait is not lost; one that nobody waited for ends some later wait early, and poll waits
 * again. */
static void sleep_for(kafka_port *port, int64_t wait_us)
{
    atomic_store(&port->asleep, true);
    if (!anything_ready(port))
        rd_kafka_consume_queue(port->bell, kafka_ms(wait_us)); /* nothing is ever in it */
    atomic_store(&port->asleep, false);
}

/* The empty look at the bell counts for max.poll.interval.ms, which a look at labels or at no lane does not. */
static size_t poll_records(weir_port *base, weir_record *records, size_t max, int64_t wait_us)
{
    kafka_port *port = (kafka_port *)base;
    weir_check(port->message_count == 0);
    if (max > WEIR_POLL_MAX)
        max = WEIR_POLL_MAX;
    rd_kafka_consume_queue(port->bell, 0);
    if (max == 0)
        return 0;
    size_t count = sweep(port, records, max);
    if (count > 0 || wait_us <= 0)
        return count;
    int64_t until_us = kafka_now_us() + wait_us;
    for (int64_t left_us = wait_us; count == 0 && left_us > 0; left_us = until_us - kafka_now_us()) {
        sleep_for(port, left_us);
        count = sweep(port, records, max);
    }
    return count;
}

/* The messages move to their lane, in front of what was returned before, and are not destroyed at release. */
static void unread_records(weir_port *base, const weir_record *first, size_t count)
{
    kafka_port *port = (kafka_port *)base;
    if (count == 0)
        return;
    kafka_lane *lane = kafka_lane_at(port->group, first->lane);
    size_t at = 0, total = lane->returned_count + count;
    while (at < port->message_count && port->messages[at] != first->handle)
        at++;
    weir_check(at + count <= port->message_count);
    lane->returned = realloc(lane->returned, total * sizeof(rd_kafka_message_t *));
    weir_check(lane->returned); /* a few hundred pointers */
    memmove(lane->returned + count, lane->returned, lane->returned_count * sizeof(rd_kafka_message_t *));
    memcpy(lane->returned, port->messages + at, count * sizeof(rd_kafka_message_t *));
    lane->returned_count = total;
    port->message_count -= count;
    memmove(port->messages + at, port->messages + at + count,
            (port->message_count - at) * sizeof(rd_kafka_message_t *));
    atomic_store(&lane->ready, true);
}

static void release_records(weir_port *base)
{
    kafka_port *port = (kafka_port *)base;
    for (size_t i = 0; i < port->message_count; i++)
        rd_kafka_message_destroy(port->messages[i]);
    port->message_count = 0;
}

static weir_span record_header(weir_port *base, const weir_record *record, const char *name)
{
    (void)base;
    return kafka_record_header(record->handle, name);
}

/* librdkafka fetches on until the lane's queue holds its share of the bound, and then not. */
static void hold_lane(weir_port *base, int32_t number, bool held)
{
    kafka_lane *lane = kafka_lane_at(((kafka_port *)base)->group, number);
    atomic_store_explicit(&lane->held, held, memory_order_relaxed);
}

static void rank_lane(weir_port *base, int32_t number, int64_t rank)
{
    kafka_lane_at(((kafka_port *)base)->group, number)->rank = rank;
}

static int64_t lag(weir_port *base, int32_t number, int64_t position)
{
    return kafka_lane_lag(((kafka_port *)base)->group, number, position);
}

static const weir_port_ops PORT_OPS = {
    .poll = poll_records,
    .unread = unread_records,
    .release = release_records,
    .produce = kafka_producer_produce,
    .acks = kafka_producer_acks,
    .header = record_header,
    .hold = hold_lane,
    .rank = rank_lane,
    .lag = lag,
};

weir_status kafka_port_open(kafka_group *group, kafka_port **port_out, weir_error *error)
{
    kafka_port *port = calloc(1, sizeof *port);
    if (!port)
        return weir_error_set(error, WEIR_FULL, "no memory for a worker's port");
    port->base.ops = &PORT_OPS;
    port->group = group;
    pthread_mutex_init(&port->lanes_lock, NULL);
    port->bell = rd_kafka_queue_new(group->consumer);
    port->handle = group->handle;
    port->handle.port = port;
    port->lanes = calloc((size_t)group->lane_count, sizeof(kafka_lane *));
    weir_status status = port->lanes ? kafka_producer_open(port, error)
                                     : weir_error_set(error, WEIR_FULL, "no memory for %d lanes", group->lane_count);
    if (status == WEIR_OK)
        *port_out = port;
    else
        kafka_port_close(port);
    return status;
}

void kafka_port_close(kafka_port *port)
{
    if (!port)
        return;
    release_records(&port->base);
    rd_kafka_queue_destroy(port->bell);
    kafka_producer_close(port);
    pthread_mutex_destroy(&port->lanes_lock);
    free(port->lanes);
    free(port);
}
