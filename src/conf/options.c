/* The table of options. To add one: a row here, a field in weir/conf/conf.h, a line in the CHANGELOG. */
#include "weir/conf/conf.h"

#include <stddef.h>
#include <string.h>

static const weir_conf_choice FRAMINGS[] = {{"auto", WEIR_CONF_FRAMING_AUTO},
                                            {"confluent", WEIR_CONF_FRAMING_CONFLUENT},
                                            {"raw", WEIR_CONF_FRAMING_RAW},
                                            {NULL, 0}};
static const weir_conf_choice LOG_LEVELS[] = {{"debug", WEIR_CONF_LOG_DEBUG},
                                              {"info", WEIR_CONF_LOG_INFO},
                                              {"warn", WEIR_CONF_LOG_WARN},
                                              {"error", WEIR_CONF_LOG_ERROR},
                                              {NULL, 0}};
static const weir_conf_choice LOG_FORMATS[] = {{"auto", WEIR_CONF_LOG_AUTO},
                                               {"json", WEIR_CONF_LOG_JSON},
                                               {"text", WEIR_CONF_LOG_TEXT},
                                               {NULL, 0}};

#define AT(field_) offsetof(weir_conf, field_)

static const char STREAM[] = "stream";
static const char RECORDS[] = "records";
static const char ENGINE[] = "engine";
static const char STATE[] = "state";
static const char OPERATION[] = "operation";

static const weir_conf_option OPTIONS[] = {
    {.name = "brokers", .flag = "brokers", .section = STREAM, .type = WEIR_CONF_TEXT, .field = AT(brokers),
     .fallback = "", .doc = "where the Kafka cluster is: HOST:PORT, several with commas between; required"},
    {.name = "group.id", .flag = "group", .section = STREAM, .type = WEIR_CONF_TEXT, .field = AT(group_id),
     .fallback = "weir", .doc = "consumer group; instances with the same one share the partitions"},
    {.name = "group.instance_id", .section = STREAM, .type = WEIR_CONF_TEXT, .field = AT(group_instance_id),
     .fallback = "", .doc = "a name of this instance that survives restarts, so that its partitions wait for it"},
    {.name = "client.id", .section = STREAM, .type = WEIR_CONF_TEXT, .field = AT(client_id), .fallback = "weir",
     .doc = "the name brokers log and apply quotas to"},
    {.name = "topics.transactions", .section = STREAM, .type = WEIR_CONF_TEXT, .field = AT(topics_transactions),
     .fallback = "transactions", .doc = "input: weir.v1.Transaction, keyed by card token"},
    {.name = "topics.labels", .section = STREAM, .type = WEIR_CONF_TEXT, .field = AT(topics_labels), .fallback = "",
     .doc = "input: weir.v1.Label, keyed by card token, partitioned as the transactions; empty = none"},
    {.name = "topics.alerts", .section = STREAM, .type = WEIR_CONF_TEXT, .field = AT(topics_alerts),
     .fallback = "alerts", .doc = "output: weir.v1.Alert; empty = off"},
    {.name = "topics.scores", .section = STREAM, .type = WEIR_CONF_TEXT, .field = AT(topics_scores), .fallback = "",
     .doc = "output: weir.v1.Score of every transaction; empty = off"},
    {.name = "topics.dead_letters", .section = STREAM, .type = WEIR_CONF_TEXT, .field = AT(topics_dead_letters),
     .fallback = "transactions.dlq", .doc = "output: records that cannot be processed, with the reason; empty = off"},
    {.name = "create_topics", .section = STREAM, .type = WEIR_CONF_BOOL, .field = AT(create_topics),
     .fallback = "false", .doc = "create output topics that are missing, with as many partitions as the input"},
    {.name = "replication_factor", .section = STREAM, .type = WEIR_CONF_INT, .field = AT(replication_factor),
     .fallback = "-1", .least = "-1", .most = "32767", .doc = "of topics created; -1 = the broker's default"},
    {.name = "session_timeout", .section = STREAM, .type = WEIR_CONF_DURATION, .field = AT(session_timeout_us),
     .fallback = "10s", .least = "1s", .most = "30m",
     .doc = "silence after which the group gives an instance's partitions to others"},
    {.name = "linger", .section = STREAM, .type = WEIR_CONF_DURATION, .field = AT(linger_us), .fallback = "500us",
     .least = "0s", .most = "1s", .doc = "how long outputs wait for company; more throughput for more latency"},
    {.name = "commit_interval", .section = STREAM, .type = WEIR_CONF_DURATION, .field = AT(commit_interval_us),
     .fallback = "5s", .least = "100ms", .most = "10m",
     .doc = "time between commits of the group's offsets; a late checkpoint that waits for one has it sooner"},
    {.name = "drain_timeout", .section = STREAM, .type = WEIR_CONF_DURATION, .field = AT(drain_timeout_us),
     .fallback = "30s", .least = "1s", .most = "10m", .doc = "how long a stop waits for what is under way"},
    {.name = "fetch.memory", .section = STREAM, .type = WEIR_CONF_SIZE, .field = AT(fetch_memory_bytes),
     .fallback = "64MiB", .least = "1MiB", .most = "64GiB", .doc = "bound on records fetched and not yet processed"},

    {.name = "input.framing", .section = RECORDS, .type = WEIR_CONF_CHOICE, .field = AT(input_framing),
     .fallback = "auto", .choices = FRAMINGS, .doc = "what stands before a message; auto tells by the first byte"},
    {.name = "input.payload_max", .section = RECORDS, .type = WEIR_CONF_SIZE, .field = AT(input_payload_max_bytes),
     .fallback = "4KiB", .least = "256B", .most = "1MiB", .doc = "larger records are dead letters"},
    {.name = "input.future_max", .section = RECORDS, .type = WEIR_CONF_DURATION, .field = AT(input_future_max_us),
     .fallback = "1h", .least = "1s", .most = "365d",
     .doc = "events further ahead of the clock than this are dead letters"},
    {.name = "output.framing", .section = RECORDS, .type = WEIR_CONF_CHOICE, .field = AT(output_framing),
     .fallback = "raw", .choices = FRAMINGS + 1 /* nothing to guess when writing */,
     .doc = "what to put before alerts and scores"},
    {.name = "output.alerts_schema_id", .section = RECORDS, .type = WEIR_CONF_INT,
     .field = AT(output_alerts_schema_id), .fallback = "0", .least = "0", .most = "2147483647",
     .doc = "the registry's id of weir.v1.Alert, for Confluent framing; 0 = not set"},
    {.name = "output.scores_schema_id", .section = RECORDS, .type = WEIR_CONF_INT,
     .field = AT(output_scores_schema_id), .fallback = "0", .least = "0", .most = "2147483647",
     .doc = "the registry's id of weir.v1.Score, for Confluent framing; 0 = not set"},
    {.name = "scores.features", .section = RECORDS, .type = WEIR_CONF_BOOL, .field = AT(scores_features),
     .fallback = "true", .doc = "put the feature values as scored into every score"},
    {.name = "dead_letters.share_max", .section = RECORDS, .type = WEIR_CONF_SHARE,
     .field = AT(dead_letters_share_max), .fallback = "0.5", .least = "0", .most = "1",
     .doc = "a partition pauses when more of its latest records than this are dead letters; 1 = never"},
    {.name = "dead_letters.window", .section = RECORDS, .type = WEIR_CONF_INT, .field = AT(dead_letters_window_count),
     .fallback = "1000", .least = "10", .most = "4096", .doc = "how many latest records that share is taken of"},

    {.name = "model", .flag = "model", .section = ENGINE, .type = WEIR_CONF_PATH, .field = AT(model), .fallback = "",
     .doc = "the model file, ONNX or weir.linear/v1 JSON; required"},
    {.name = "stages", .section = ENGINE, .type = WEIR_CONF_LIST, .field = AT(stages), .fallback = "card",
     .doc = "entities to keep histories of, in the order of the hops: card, then any of terminal, merchant, device"},
    {.name = "workers", .flag = "workers", .section = ENGINE, .type = WEIR_CONF_INT, .field = AT(workers),
     .fallback = "0", .least = "0", .most = "256", .doc = "worker threads; 0 = one a core"},
    {.name = "pin_workers", .section = ENGINE, .type = WEIR_CONF_BOOL, .field = AT(pin_workers), .fallback = "false",
     .doc = "bind each worker to a core; for one instance a machine"},
    {.name = "batch.events_max", .section = ENGINE, .type = WEIR_CONF_INT, .field = AT(batch_event_max),
     .fallback = "256", .least = "1", .most = "256", .doc = "events scored in one go; batches never wait to fill"},
    {.name = "alignment.drift_max", .section = ENGINE, .type = WEIR_CONF_DURATION, .field = AT(alignment_drift_max_us),
     .fallback = "1h", .least = "1s", .most = "3650d",
     .doc = "while catching up, how far one source partition may run ahead of another in event time"},
    {.name = "alignment.idle_timeout", .section = ENGINE, .type = WEIR_CONF_DURATION, .field = AT(alignment_idle_us),
     .fallback = "60s", .least = "1s", .most = "1h",
     .doc = "a source partition silent for this long is waited for no more"},

    {.name = "state.dir", .flag = "state-dir", .section = STATE, .type = WEIR_CONF_PATH, .field = AT(state_dir),
     .fallback = "/var/lib/weir", .doc = "where the durable state lives, one directory a partition"},
    {.name = "state.memory", .flag = "state-memory", .section = STATE, .type = WEIR_CONF_SIZE,
     .field = AT(state_memory_bytes), .fallback = "1GiB", .least = "16MiB", .most = "4TiB",
     .doc = "bound on cards and histories in memory with their checkpoints, all workers together; cold cards are "
            "evicted"},
    {.name = "state.prefault", .section = STATE, .type = WEIR_CONF_BOOL, .field = AT(state_prefault),
     .fallback = "false",
     .doc = "take all of state.memory from the system at start, so that no event waits for a page of it"},
    {.name = "state.checkpoint_interval", .section = STATE, .type = WEIR_CONF_DURATION,
     .field = AT(state_checkpoint_interval_us), .fallback = "10s", .least = "100ms", .most = "1h",
     .doc = "time between checkpoints; a crash replays at most about this much"},
    {.name = "state.horizon", .section = STATE, .type = WEIR_CONF_DURATION, .field = AT(state_horizon_us),
     .fallback = "30d", .least = "1h", .most = "3650d",
     .doc = "how long events are retained; longer if the model asks for it"},

    {.name = "http.listen", .flag = "listen", .section = OPERATION, .type = WEIR_CONF_TEXT, .field = AT(http_listen),
     .fallback = "127.0.0.1:9464", .doc = "address and port of probes, metrics and administration"},
    {.name = "http.token", .section = OPERATION, .type = WEIR_CONF_TEXT, .field = AT(http_token), .fallback = "",
     .secret = true, .doc = "bearer token, 16 characters or more; required off loopback"},
    {.name = "log.level", .flag = "log-level", .section = OPERATION, .type = WEIR_CONF_CHOICE, .field = AT(log_level),
     .fallback = "info", .choices = LOG_LEVELS, .doc = "the least important lines to log"},
    {.name = "log.format", .section = OPERATION, .type = WEIR_CONF_CHOICE, .field = AT(log_format),
     .fallback = "auto", .choices = LOG_FORMATS, .doc = "auto is text on a terminal and JSON otherwise"},
};

enum { OPTION_COUNT = sizeof OPTIONS / sizeof *OPTIONS };
_Static_assert((int)OPTION_COUNT <= (int)WEIR_CONF_OPTION_MAX, "sources[] has a place for every row");

const weir_conf_option *weir_conf_options(size_t *count_out)
{
    *count_out = OPTION_COUNT;
    return OPTIONS;
}

const weir_conf_option *weir_conf_option_named(const char *name)
{
    for (size_t i = 0; i < OPTION_COUNT; i++)
        if (strcmp(OPTIONS[i].name, name) == 0)
            return &OPTIONS[i];
    return NULL;
}
