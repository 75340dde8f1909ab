#include "kafka_private.h"

#include "weir/base/check.h"

#include <inttypes.h>
#include <stdio.h>

/* Applied in three layers: weir's defaults, the user's properties over them, and last what weir owns. A user
 * may set anything librdkafka knows except the owned names, which are refused with the reason here. */
static const weir_kafka_owned OWNED[] = {
    {"bootstrap.servers", "it is weir's own option brokers"},
    {"metadata.broker.list", "it is weir's own option brokers"},
    {"client.id", "it is weir's own option client.id"},
    {"group.id", "it is weir's own option group.id: state and emit mark belong to it"},
    {"group.instance.id", "it is weir's own option group.instance_id"},
    {"session.timeout.ms", "it is weir's own option session_timeout"},
    {"enable.auto.commit", "weir commits an offset only once its alerts are acknowledged and its state can be rebuilt"},
    {"auto.commit.enable", "weir commits an offset only once its alerts are acknowledged and its state can be rebuilt"},
    {"auto.commit.interval.ms", "weir commits offsets itself"},
    {"enable.auto.offset.store", "weir commits offsets itself"},
    {"offset.store.method", "offsets are kept in Kafka"},
    {"partition.assignment.strategy", "cooperative-sticky: partitions that stay put keep scoring through a rebalance"},
    {"group.protocol.type", "weir is a consumer group"},
    {"auto.offset.reset", "error: jumping to either end of the log would silently skip or double history"},
    {"isolation.level", "read_committed: a record of an aborted transaction must not enter a card's history"},
    {"enable.partition.eof", "weir knows the end of a partition from its offsets"},
    {"queued.min.messages", "derived from weir's own option fetch.memory"},
    {"queued.max.messages.kbytes", "derived from weir's own option fetch.memory"},
    {"enable.idempotence", "true: a retried alert must not appear twice or out of order"},
    {"enable.gapless.guarantee", "weir hears of every record that was given up on and stops the partition"},
    {"acks", "all: an alert counts as emitted once every in-sync replica has it"},
    {"request.required.acks", "all: an alert counts as emitted once every in-sync replica has it"},
    {"transactional.id", "weir names its producers itself"},
    {"max.in.flight.requests.per.connection", "idempotence needs at most five; librdkafka sets it"},
    {"max.in.flight", "idempotence needs at most five; librdkafka sets it"},
    {"delivery.timeout.ms", "30 s, then the partition stops and begins again where it had emitted"},
    {"message.timeout.ms", "30 s, then the partition stops and begins again where it had emitted"},
    {"linger.ms", "it is weir's own option linger"},
    {"queue.buffering.max.ms", "it is weir's own option linger"},
    {"queue.buffering.max.messages", "bounded by weir: a full queue holds back the partition"},
    {"queue.buffering.max.kbytes", "bounded by weir: a full queue holds back the partition"},
    {"queuing.strategy", "fifo: a card's alerts stay in order"},
    {"delivery.report.only.error", "weir moves its emit mark on every acknowledgement"},
    {"produce.offset.report", "weir moves its emit mark on every acknowledgement"},
    {"partitioner", "an alert goes to its transaction's own partition"},
    {"enabled_events", "weir handles librdkafka's events itself"},
    {"log.queue", "librdkafka's log lines go to weir's log"},
    {"topic.blacklist", "weir reads exactly the topics it is told"},
};

/* Defaults a user may replace. The reasons are in README.md ("Tuning"). */
static const weir_kafka_property DEFAULTS_COMMON[] = {
    {"socket.nagle.disable", "true"},
    {"socket.keepalive.enable", "true"},
    {"log.connection.close", "false"},
    {"reconnect.backoff.ms", "50"},
    {"reconnect.backoff.max.ms", "2000"},
    {"topic.metadata.refresh.fast.interval.ms", "100"},
};
static const weir_kafka_property DEFAULTS_CONSUMER[] = {
    {"fetch.wait.max.ms", "100"},
    {"fetch.error.backoff.ms", "20"},
    {"max.poll.interval.ms", "300000"},
    {"heartbeat.interval.ms", "1000"}, /* how soon a member hears that the group moves */
    {"check.crcs", "true"},
    {"allow.auto.create.topics", "false"},
};
static const weir_kafka_property DEFAULTS_PRODUCER[] = {
    {"retry.backoff.ms", "20"},
    {"allow.auto.create.topics", "false"},
};
static const weir_kafka_property FIXED_CONSUMER[] = {
    {"enable.auto.commit", "false"},
    {"enable.auto.offset.store", "false"},
    {"partition.assignment.strategy", "cooperative-sticky"},
    {"auto.offset.reset", "error"},
    {"isolation.level", "read_committed"},
    {"enable.partition.eof", "false"},
};
static const weir_kafka_property FIXED_READER[] = {
    {"enable.auto.commit", "false"},
    {"auto.offset.reset", "error"},
    {"isolation.level", "read_committed"},
    {"enable.partition.eof", "true"},
    {"queued.min.messages", "200000"}, /* a full queue stops fetching for up to a second */
    {"queued.max.messages.kbytes", "32768"},
};
static const weir_kafka_property FIXED_PRODUCER[] = {
    {"enable.idempotence", "true"},
    {"acks", "all"},
    {"queue.buffering.max.messages", "100000"},
    {"queue.buffering.max.kbytes", "65536"},
};
#define ROWS(table) (table), sizeof(table) / sizeof *(table)

size_t weir_kafka_owned_properties(const weir_kafka_owned **rows_out)
{
    *rows_out = OWNED;
    return sizeof OWNED / sizeof *OWNED;
}

static weir_status set(rd_kafka_conf_t *conf, const char *name, const char *value, weir_error *error)
{
    char text[KAFKA_ERROR_TEXT_SIZE];
    if (rd_kafka_conf_set(conf, name, value, text, sizeof text) == RD_KAFKA_CONF_OK)
        return WEIR_OK;
    return weir_error_set(error, WEIR_INVALID, "Kafka property %s: %s", name, text);
}

static weir_status set_all(rd_kafka_conf_t *conf, const weir_kafka_property *rows, size_t count, weir_error *error)
{
    weir_status status = WEIR_OK;
    for (size_t i = 0; i < count && status == WEIR_OK; i++)
        status = set(conf, rows[i].name, rows[i].value, error);
    return status;
}

static weir_status set_number(rd_kafka_conf_t *conf, const char *name, uint64_t value, weir_error *error)
{
    char text[24];
    snprintf(text, sizeof text, "%" PRIu64, value);
    return set(conf, name, text, error);
}

static weir_status set_user(rd_kafka_conf_t *conf, const weir_kafka_property *rows, size_t count, weir_error *error)
{
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < sizeof OWNED / sizeof *OWNED; j++)
            if (strcmp(rows[i].name, OWNED[j].name) == 0)
                return weir_error_set(error, WEIR_INVALID, "Kafka property %s is weir's to set: %s", rows[i].name,
                                      OWNED[j].reason);
    return set_all(conf, rows, count, error);
}

/* The two names every handle carries. */
static weir_status set_identity(rd_kafka_conf_t *conf, const weir_kafka_options *options, weir_error *error)
{
    if (!options->bootstrap_servers || !*options->bootstrap_servers)
        return weir_error_set(error, WEIR_INVALID, "brokers is empty: name at least one HOST:PORT");
    weir_status status = set(conf, "bootstrap.servers", options->bootstrap_servers, error);
    if (status == WEIR_OK)
        status = set(conf, "client.id", options->client_id ? options->client_id : "weir", error);
    return status;
}

/* librdkafka counts a forwarded queue as one, so these bound a worker's queue, not a partition's. A waiting
 * message costs about 300 bytes of bookkeeping beside its own (about 420 in all at 125 bytes, measured): seven
 * tenths of the bound go to bookkeeping, three to bytes, and a response may overshoot by a quarter of the latter. */
static weir_status set_fetch_bounds(rd_kafka_conf_t *conf, const weir_kafka_options *options, weir_error *error)
{
    uint64_t worker_bytes = options->fetch_queue_bytes_max / options->worker_count;
    uint64_t messages = worker_bytes * 7 / 10 / 300, kbytes = worker_bytes * 3 / 10 / 1024;
    messages = messages < 1000 ? 1000 : messages > 10000000 ? 10000000 : messages;
    kbytes = kbytes < 256 ? 256 : kbytes > 2097151 ? 2097151 : kbytes;
    uint64_t fetch_bytes = kbytes * 1024 / 4;
    fetch_bytes = fetch_bytes < (1 << 20) ? 1 << 20 : fetch_bytes > (16 << 20) ? 16 << 20 : fetch_bytes;
    weir_status status = set_number(conf, "queued.min.messages", messages, error);
    if (status == WEIR_OK)
        status = set_number(conf, "queued.max.messages.kbytes", kbytes, error);
    if (status == WEIR_OK)
        status = set_number(conf, "fetch.max.bytes", fetch_bytes, error);
    if (status == WEIR_OK)
        status = set_number(conf, "fetch.message.max.bytes", fetch_bytes < (4 << 20) ? fetch_bytes : 4 << 20, error);
    return status;
}

static weir_status set_membership(rd_kafka_conf_t *conf, const weir_kafka_options *options, weir_error *error)
{
    if (!options->group_id || !*options->group_id)
        return weir_error_set(error, WEIR_INVALID, "group.id is empty: state and emit mark belong to a group");
    weir_status status = set(conf, "group.id", options->group_id, error);
    if (status == WEIR_OK && options->group_instance_id)
        status = set(conf, "group.instance.id", options->group_instance_id, error);
    if (status == WEIR_OK && options->session_timeout_us > 0) {
        status = set_number(conf, "session.timeout.ms", (uint64_t)kafka_ms(options->session_timeout_us), error);
        if (status == WEIR_OK && options->session_timeout_us < 4000000) /* three heartbeats must fit in a session */
            status =
                set_number(conf, "heartbeat.interval.ms", (uint64_t)kafka_ms(options->session_timeout_us / 4), error);
    }
    return status;
}

static weir_status fill_consumer(rd_kafka_conf_t *conf, const weir_kafka_options *options, weir_error *error)
{
    weir_status status = set_all(conf, ROWS(DEFAULTS_COMMON), error);
    if (status == WEIR_OK)
        status = set_all(conf, ROWS(DEFAULTS_CONSUMER), error);
    if (status == WEIR_OK)
        status = set_fetch_bounds(conf, options, error);
    if (status == WEIR_OK)
        status = set_membership(conf, options, error);
    if (status == WEIR_OK)
        status = set_user(conf, options->consumer_properties, options->consumer_property_count, error);
    if (status == WEIR_OK)
        status = set_identity(conf, options, error);
    if (status == WEIR_OK)
        status = set_all(conf, ROWS(FIXED_CONSUMER), error);
    rd_kafka_conf_set_events(conf, RD_KAFKA_EVENT_REBALANCE | RD_KAFKA_EVENT_OFFSET_COMMIT | RD_KAFKA_EVENT_ERROR);
    return status;
}

static weir_status fill_reader(rd_kafka_conf_t *conf, const weir_kafka_options *options, weir_error *error)
{
    weir_status status = set_all(conf, ROWS(DEFAULTS_COMMON), error);
    if (status == WEIR_OK)
        status = set_all(conf, ROWS(DEFAULTS_CONSUMER), error);
    if (status == WEIR_OK)
        status = set_user(conf, options->consumer_properties, options->consumer_property_count, error);
    if (status == WEIR_OK)
        status = set_identity(conf, options, error);
    if (status == WEIR_OK)
        status = set_all(conf, ROWS(FIXED_READER), error);
    return status;
}

static weir_status fill_producer(rd_kafka_conf_t *conf, const weir_kafka_options *options, weir_error *error)
{
    char linger[32];
    snprintf(linger, sizeof linger, "%.3f", (double)options->linger_us / 1000.0);
    int64_t delivery_us = options->delivery_timeout_us > 0 ? options->delivery_timeout_us : 30000000;
    weir_status status = set_all(conf, ROWS(DEFAULTS_COMMON), error);
    if (status == WEIR_OK)
        status = set_all(conf, ROWS(DEFAULTS_PRODUCER), error);
    if (status == WEIR_OK)
        status = set_user(conf, options->producer_properties, options->producer_property_count, error);
    if (status == WEIR_OK)
        status = set_identity(conf, options, error);
    if (status == WEIR_OK)
        status = set_all(conf, ROWS(FIXED_PRODUCER), error);
    if (status == WEIR_OK)
        status = set(conf, "linger.ms", linger, error);
    if (status == WEIR_OK)
        status = set_number(conf, "delivery.timeout.ms", (uint64_t)kafka_ms(delivery_us), error);
    rd_kafka_conf_set_dr_msg_cb(conf, kafka_producer_delivered);
    return status;
}

typedef weir_status fill(rd_kafka_conf_t *conf, const weir_kafka_options *options, weir_error *error);

static weir_status build(fill *filled_by, const weir_kafka_options *options, rd_kafka_conf_t **conf_out,
                         weir_error *error)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    weir_status status = filled_by(conf, options, error);
    if (status == WEIR_OK)
        *conf_out = conf;
    else
        rd_kafka_conf_destroy(conf);
    return status;
}

weir_status kafka_config_consumer(const weir_kafka_options *options, rd_kafka_conf_t **conf_out, weir_error *error)
{
    return build(fill_consumer, options, conf_out, error);
}

weir_status kafka_config_reader(const weir_kafka_options *options, rd_kafka_conf_t **conf_out, weir_error *error)
{
    return build(fill_reader, options, conf_out, error);
}

weir_status kafka_config_producer(const weir_kafka_options *options, rd_kafka_conf_t **conf_out, weir_error *error)
{
    return build(fill_producer, options, conf_out, error);
}

static void log_line(const rd_kafka_t *rk, int level, const char *facility, const char *text)
{
    const kafka_handle *handle = rd_kafka_opaque(rk);
    if (handle && handle->log)
        handle->log(handle->log_context, level, facility, text);
}

weir_status kafka_config_open(rd_kafka_type_t type, rd_kafka_conf_t *conf, kafka_handle *handle, rd_kafka_t **rk_out,
                              weir_error *error)
{
    weir_check(conf && handle);
    rd_kafka_conf_set_opaque(conf, handle);
    rd_kafka_conf_set_log_cb(conf, log_line);
    char text[KAFKA_ERROR_TEXT_SIZE];
    rd_kafka_t *rk = rd_kafka_new(type, conf, text, sizeof text);
    if (!rk) {
        rd_kafka_conf_destroy(conf);
        return weir_error_set(error, WEIR_INVALID, "cannot start the Kafka client: %s", text);
    }
    *rk_out = rk;
    return WEIR_OK;
}
