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
    {"enable.gapless.guarantee", "true: an error that would leave a gap among a partition's records stops the sender"},
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
    {"fetch.wait.max.ms", "20"}, /* a request for lanes that are at their end keeps the others waiting so long */
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
static const weir_kafka_property FIXED_MEMBER[] = {
    {"enable.auto.commit", "false"},
    {"enable.auto.offset.store", "false"},
    {"partition.assignment.strategy", "cooperative-sticky"},
    {"auto.offset.reset", "error"},
    {"isolation.level", "read_committed"},
    {"enable.partition.eof", "false"},
};
/* Of a handle in no group nobody asks how often it polls; the user's may be below librdkafka's session timeout, which
 * it would refuse. */
#define NO_POLL_INTERVAL {"max.poll.interval.ms", "86400000"}
static const weir_kafka_property FIXED_LABELS[] = {
    NO_POLL_INTERVAL,
    {"enable.auto.commit", "false"},
    {"auto.offset.reset", "error"},
    {"isolation.level", "read_committed"},
    {"enable.partition.eof", "true"},
};
static const weir_kafka_property FIXED_READER[] = {
    NO_POLL_INTERVAL,
    {"enable.auto.commit", "false"},
    {"auto.offset.reset", "error"},
    {"isolation.level", "read_committed"},
    {"enable.partition.eof", "true"},
    {"queued.min.messages", "200000"}, /* a full queue stops fetching for up to a second */
    {"queued.max.messages.kbytes", "32768"},
};
/* Gossip is of the moment: what was missed is not looked for. */
static const weir_kafka_property FIXED_LISTENER[] = {
    NO_POLL_INTERVAL,
    {"enable.auto.commit", "false"},
    {"auto.offset.reset", "latest"},
    {"enable.partition.eof", "false"},
    {"fetch.wait.max.ms", "10"},
    {"queued.max.messages.kbytes", "1024"},
};
static const weir_kafka_property FIXED_PRODUCER[] = {
    {"enable.idempotence", "true"},
    {"enable.gapless.guarantee", "true"},
    {"acks", "all"},
    {"delivery.timeout.ms", "0"}, /* kafka_producer.c gives up, on everything after it too */
    {"queue.buffering.max.messages", "100000"},
    {"queue.buffering.max.kbytes", "32768"}, /* a producer a worker; hops fill it while the broker is behind */
};
static const weir_kafka_property FIXED_SENDER[] = {
    {"enable.idempotence", "true"},
    {"acks", "all"},
    {"delivery.timeout.ms", "30000"},
    {"queue.buffering.max.messages", "100000"},
    {"queue.buffering.max.kbytes", "65536"},
};
static const weir_kafka_property FIXED_SPEAKER[] = {
    {"enable.idempotence", "false"},
    {"acks", "1"},
    {"linger.ms", "1"}, /* with 0, librdkafka 2.0.2 spins while a request is under way */
    {"delivery.timeout.ms", "2000"},
    {"queue.buffering.max.messages", "1000"},
};
enum { LABELS_SHARE = 16 }; /* one part in so many of the fetch bound */
#define ROWS(table) (table), sizeof(table) / sizeof *(table)

size_t weir_kafka_owned_properties(const weir_kafka_owned **rows_out)
{
    *rows_out = OWNED;
    return sizeof OWNED / sizeof *OWNED;
}

/* The row of a property weir owns, or NULL. */
static const weir_kafka_owned *find_owned(const char *name, size_t size)
{
    for (size_t i = 0; i < sizeof OWNED / sizeof *OWNED; i++)
        if (strlen(OWNED[i].name) == size && memcmp(OWNED[i].name, name, size) == 0)
            return &OWNED[i];
    return NULL;
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
    for (size_t i = 0; i < count; i++) {
        const weir_kafka_owned *owned = find_owned(rows[i].name, strlen(rows[i].name));
        if (owned)
            return weir_error_set(error, WEIR_INVALID, "Kafka property %s is weir's to set: %s", owned->name,
                                  owned->reason);
    }
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

static uint64_t clamp(uint64_t value, uint64_t low, uint64_t high)
{
    return value < low ? low : value > high ? high : value;
}

/* Every lane has a queue of its own, and librdkafka holds each of them to these: the bound is divided by all lanes
 * there are, since one instance may come to own them all. Labels are few: they get a sixteenth of it together. A
 * waiting message costs about 300 bytes of bookkeeping beside its own (about 420 in all at 125 bytes, measured): seven
 * tenths of a lane's share go to bookkeeping, three to bytes, and a response may overshoot by a quarter of the latter.
 * A response that carries several lanes at once may be larger, but not by lane. */
static weir_status set_fetch_bounds(rd_kafka_conf_t *conf, uint64_t bytes, int32_t lane_count, weir_error *error)
{
    weir_check(lane_count > 0);
    uint64_t lane_bytes = bytes / (uint64_t)lane_count;
    uint64_t response = clamp(bytes * 3 / 10 / 4, 1 << 20, 16 << 20);
    const struct {
        const char *name;
        uint64_t value;
    } bounds[] = {
        {"queued.min.messages", clamp(lane_bytes * 7 / 10 / KAFKA_RECORD_OVERHEAD, 1000, 10000000)},
        {"queued.max.messages.kbytes", clamp(lane_bytes * 3 / 10 / 1024, 256, 2097151)},
        {"fetch.max.bytes", response},
        {"fetch.message.max.bytes", clamp(lane_bytes * 3 / 10 / 4, 64 << 10, clamp(response, 0, 4 << 20))},
    };
    weir_status status = WEIR_OK;
    for (size_t i = 0; i < sizeof bounds / sizeof *bounds && status == WEIR_OK; i++)
        status = set_number(conf, bounds[i].name, bounds[i].value, error);
    char ignored[KAFKA_ERROR_TEXT_SIZE]; /* earlier versions do not know it: kafka_nudge.c */
    rd_kafka_conf_set(conf, KAFKA_QUEUE_BACKOFF, "10", ignored, sizeof ignored);
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

static weir_status fill_member(rd_kafka_conf_t *conf, const weir_kafka_options *options, int32_t lane_count,
                               weir_error *error)
{
    uint64_t bytes = options->fetch_queue_bytes_max;
    rd_kafka_conf_set_events(conf, RD_KAFKA_EVENT_REBALANCE | RD_KAFKA_EVENT_OFFSET_COMMIT | RD_KAFKA_EVENT_ERROR);
    weir_status status = set_fetch_bounds(conf, options->labels_topic ? bytes - bytes / LABELS_SHARE : bytes,
                                          lane_count, error);
    return status == WEIR_OK ? set_membership(conf, options, error) : status;
}

static weir_status fill_labels(rd_kafka_conf_t *conf, const weir_kafka_options *options, int32_t lane_count,
                               weir_error *error)
{
    return set_fetch_bounds(conf, options->fetch_queue_bytes_max / LABELS_SHARE, lane_count, error);
}

static weir_status fill_linger(rd_kafka_conf_t *conf, const weir_kafka_options *options, int32_t lane_count,
                               weir_error *error)
{
    (void)lane_count;
    char linger[32];
    snprintf(linger, sizeof linger, "%.3f", (double)options->linger_us / 1000.0);
    return set(conf, "linger.ms", linger, error);
}

/* What a kind of handle has of its own, beside the rows. May be NULL. */
typedef weir_status fill(rd_kafka_conf_t *conf, const weir_kafka_options *options, int32_t lane_count,
                         weir_error *error);

static const struct {
    const weir_kafka_property *fixed;
    size_t fixed_count;
    bool produces;
    fill *fill;
} KINDS[KAFKA_KIND_COUNT] = {
    [KAFKA_MEMBER] = {ROWS(FIXED_MEMBER), false, fill_member},
    [KAFKA_LABELS] = {ROWS(FIXED_LABELS), false, fill_labels},
    [KAFKA_READER] = {ROWS(FIXED_READER), false, NULL},
    [KAFKA_LISTENER] = {ROWS(FIXED_LISTENER), false, NULL},
    [KAFKA_PRODUCER] = {ROWS(FIXED_PRODUCER), true, fill_linger},
    [KAFKA_SENDER] = {ROWS(FIXED_SENDER), true, fill_linger},
    [KAFKA_SPEAKER] = {ROWS(FIXED_SPEAKER), true, NULL},
};

static weir_status set_defaults(rd_kafka_conf_t *conf, bool produces, weir_error *error)
{
    weir_status status = set_all(conf, ROWS(DEFAULTS_COMMON), error);
    if (status != WEIR_OK)
        return status;
    return produces ? set_all(conf, ROWS(DEFAULTS_PRODUCER), error) : set_all(conf, ROWS(DEFAULTS_CONSUMER), error);
}

weir_status kafka_config(kafka_kind kind, const weir_kafka_options *options, int32_t lane_count,
                         rd_kafka_conf_t **conf_out, weir_error *error)
{
    bool produces = KINDS[kind].produces;
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    weir_status status = set_defaults(conf, produces, error);
    if (status == WEIR_OK && KINDS[kind].fill)
        status = KINDS[kind].fill(conf, options, lane_count, error);
    if (status == WEIR_OK)
        status = produces ? set_user(conf, options->producer_properties, options->producer_property_count, error)
                          : set_user(conf, options->consumer_properties, options->consumer_property_count, error);
    if (status == WEIR_OK)
        status = set_identity(conf, options, error);
    if (status == WEIR_OK)
        status = set_all(conf, KINDS[kind].fixed, KINDS[kind].fixed_count, error);
    if (status == WEIR_OK)
        *conf_out = conf;
    else
        rd_kafka_conf_destroy(conf);
    return status;
}

/* librdkafka warns of some properties at every start ("... is experimental"). Of those that weir sets and nobody else
 * can, nobody needs to be warned. */
static int level_of(int level, const char *facility, const char *text)
{
    static const char OPENING[] = "Configuration property ";
    enum { SYSLOG_DEBUG = 7 };
    const char *opening = strcmp(facility, "CONFWARN") == 0 ? strstr(text, OPENING) : NULL;
    if (!opening)
        return level;
    const char *name = opening + sizeof OPENING - 1;
    return find_owned(name, strcspn(name, " ")) ? SYSLOG_DEBUG : level;
}

static void log_line(const rd_kafka_t *rk, int level, const char *facility, const char *text)
{
    const kafka_handle *handle = rd_kafka_opaque(rk);
    if (handle && handle->log)
        handle->log(handle->log_context, level_of(level, facility, text), facility, text);
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

weir_status kafka_open(kafka_kind kind, const weir_kafka_options *options, int32_t lane_count, kafka_handle *handle,
                       rd_kafka_t **rk_out, weir_error *error)
{
    rd_kafka_conf_t *conf = NULL;
    weir_status status = kafka_config(kind, options, lane_count, &conf, error);
    rd_kafka_type_t type = KINDS[kind].produces ? RD_KAFKA_PRODUCER : RD_KAFKA_CONSUMER;
    return status == WEIR_OK ? kafka_config_open(type, conf, handle, rk_out, error) : status;
}
