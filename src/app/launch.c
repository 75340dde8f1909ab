#include "weir/app/launch.h"

#include "weir/app/admin.h"
#include "weir/app/properties.h"
#include "weir/broker/kafka.h"
#include "weir/log/log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    IDLE_WAIT_US = 10000,
    STEP_CARD_MAX = 64,
    BATCH_CARD_MAX = 4096, /* twice that is what a store keeps of pages freed and not yet used again */
    BATCH_SIZE_MAX = 2 << 20, /* a partition may hold two */
    PATH_SIZE_MAX = 4096,
    TOPIC_SIZE_MAX = 250
};

/* Everything that is open, so that one function takes it down from wherever opening stopped. */
typedef struct launched {
    const weir_launch *launch;
    weir_rules rules;
    weir_metrics *metrics;
    weir_service *service;
    weir_admin admin;
    weir_chain chain;
    char stage_names[WEIR_ENTITY_COUNT][TOPIC_SIZE_MAX], clock_topic[TOPIC_SIZE_MAX];
    const char *stage_topics[WEIR_ENTITY_COUNT];
    weir_kafka_property *consumer_properties, *producer_properties;
    size_t consumer_property_count, producer_property_count;
    size_t worker_count;
} launched;

/* ---- the disk seam ---------------------------------------------------------------------------------------- */

static weir_status make_directories(char *path, weir_error *error)
{
    for (char *at = path + 1;; at++) {
        if (*at != '/' && *at != '\0')
            continue;
        char kept = *at;
        *at = '\0';
        bool failed = mkdir(path, 0750) != 0 && errno != EEXIST;
        if (failed)
            return weir_error_set(error, WEIR_IO, "%s: cannot create the directory: %s", path, strerror(errno));
        *at = kept;
        if (kept == '\0')
            return WEIR_OK;
    }
}

/* Copies of the configuration's words: `state.dir`/<topic>/<partition>. */
static weir_status open_store(void *context, const char *topic, int32_t partition, weir_store **store_out,
                              weir_error *error)
{
    const weir_conf *conf = context;
    char path[PATH_SIZE_MAX];
    int size = snprintf(path, sizeof path, "%s/%s/%" PRId32, conf->state_dir, topic, partition);
    if (size < 0 || (size_t)size >= sizeof path)
        return weir_error_set(error, WEIR_INVALID, "state.dir is too long a path");
    weir_status status = make_directories(path, error);
    return status == WEIR_OK ? weir_store_open_lmdb(path, false, store_out, error) : status;
}

/* ---- options, from the configuration's words to the modules' ---------------------------------------------- */

static const char *or_null(const char *text)
{
    return text && *text ? text : NULL;
}

static weir_status gather_properties(launched *it, weir_error *error)
{
    const weir_conf *conf = it->launch->conf;
    weir_status status = weir_properties_gather(conf, WEIR_CONF_FOR_CONSUMER, &it->consumer_properties,
                                                &it->consumer_property_count, error);
    if (status != WEIR_OK)
        return status;
    return weir_properties_gather(conf, WEIR_CONF_FOR_PRODUCER, &it->producer_properties, &it->producer_property_count,
                                  error);
}

static void log_kafka(void *context, int level, const char *facility, const char *text)
{
    (void)context;
    enum { SYSLOG_WARNING = 4, SYSLOG_ERROR = 3, SYSLOG_INFO = 6 };
    weir_log_level ours = level <= SYSLOG_ERROR     ? WEIR_LOG_ERROR
                          : level <= SYSLOG_WARNING ? WEIR_LOG_WARN
                          : level <= SYSLOG_INFO    ? WEIR_LOG_INFO
                                                    : WEIR_LOG_DEBUG;
    weir_log(ours, "librdkafka", weir_log_text("facility", facility), weir_log_text("text", text));
}

/* The chain, and the topics it reads: the transactions, then `<group>.stage.<entity>` for each stage behind the
 * card's. */
static weir_status name_stages(launched *it, weir_error *error)
{
    const weir_conf *conf = it->launch->conf;
    weir_status status =
        weir_chain_parse((const char *const *)conf->stages.items, conf->stages.count, &it->chain, error);
    if (status != WEIR_OK)
        return status;
    it->chain.drift_us = conf->alignment_drift_max_us;
    it->stage_topics[0] = conf->topics_transactions;
    for (size_t stage = 1; stage < it->chain.count; stage++) {
        int size = snprintf(it->stage_names[stage], TOPIC_SIZE_MAX, "%s.stage.%s", conf->group_id,
                            weir_entity_kind_name(it->chain.stages[stage]));
        if (size >= TOPIC_SIZE_MAX)
            return weir_error_set(error, WEIR_INVALID, "group.id is too long to name the stages' topics after it");
        it->stage_topics[stage] = it->stage_names[stage];
    }
    snprintf(it->clock_topic, sizeof it->clock_topic, "%.*s.clock", TOPIC_SIZE_MAX - 8, conf->group_id);
    return WEIR_OK;
}

static weir_status open_group(launched *it, weir_group **group_out, weir_error *error)
{
    const weir_conf *conf = it->launch->conf;
    weir_kafka_options options = {
        .bootstrap_servers = conf->brokers,
        .group_id = conf->group_id,
        .group_instance_id = or_null(conf->group_instance_id),
        .client_id = conf->client_id,
        .input_topic = conf->topics_transactions,
        .stage_count = it->chain.count,
        .stage_retention_us = weir_plan_retention_us(it->rules.plan, it->chain.count - 1),
        .labels_topic = or_null(conf->topics_labels),
        .clock_topic = it->chain.count > 1 ? it->clock_topic : NULL,
        .output_topics = {[WEIR_OUTPUT_ALERTS] = or_null(conf->topics_alerts),
                          [WEIR_OUTPUT_SCORES] = or_null(conf->topics_scores),
                          [WEIR_OUTPUT_DEAD_LETTERS] = or_null(conf->topics_dead_letters)},
        .worker_count = it->worker_count,
        .create_topics = conf->create_topics,
        .replication_factor = (int16_t)conf->replication_factor,
        .fetch_queue_bytes_max = (uint64_t)conf->fetch_memory_bytes,
        .session_timeout_us = conf->session_timeout_us,
        .linger_us = conf->linger_us,
        .consumer_properties = it->consumer_properties,
        .consumer_property_count = it->consumer_property_count,
        .producer_properties = it->producer_properties,
        .producer_property_count = it->producer_property_count,
        .log = log_kafka,
    };
    memcpy(options.stage_topics, it->stage_topics, sizeof it->stage_topics);
    return weir_kafka_open(&options, group_out, error);
}

/* What of state.memory is for cards and histories: the rest, an eighth a stage of what the workers do not need at the
 * least, is for checkpoints being written, what is under way to the broker, and whatever else comes and goes beside. */
static uint64_t histories_share(const launched *it)
{
    enum { ASIDE_SHARE = 8, ASIDE_MAX = 128 << 20 };
    int64_t bytes = it->launch->conf->state_memory_bytes;
    int64_t aside = (bytes - (int64_t)it->worker_count * WEIR_MEMORY_BYTES_MIN) / ASIDE_SHARE;
    aside = aside < 0 ? 0 : aside < ASIDE_MAX ? aside : ASIDE_MAX;
    return (uint64_t)(bytes - (int64_t)it->chain.count * aside);
}

static weir_worker_options worker_template(const launched *it)
{
    const weir_conf *conf = it->launch->conf;
    weir_worker_options options = {
        .stage_topics = it->stage_topics,
        .drift_us_max = conf->alignment_drift_max_us,
        .idle_us = conf->alignment_idle_us,
        .batch_events_max = (size_t)conf->batch_event_max,
        .idle_wait_us = IDLE_WAIT_US,
        .limits = {.framing = (weir_framing)conf->input_framing,
                   .payload_size_max = (size_t)conf->input_payload_max_bytes,
                   .future_us_max = conf->input_future_max_us},
        .brake_window = (uint32_t)conf->dead_letters_window_count,
        .brake_share_max = conf->dead_letters_share_max,
        .memory_bytes_max = histories_share(it) / it->worker_count,
        .memory_prefault = conf->state_prefault,
        .state = {.sweep_interval_us = conf->state_checkpoint_interval_us,
                  .step_card_max = STEP_CARD_MAX,
                  .batch_card_max = BATCH_CARD_MAX,
                  .batch_size_max = BATCH_SIZE_MAX},
        .open_store = open_store,
        .open_store_context = (void *)conf,
        .emitter = {.input_topic = conf->topics_transactions,
                    .group_id = conf->group_id,
                    .enabled = {[WEIR_OUTPUT_ALERTS] = *conf->topics_alerts != '\0',
                                [WEIR_OUTPUT_SCORES] = *conf->topics_scores != '\0',
                                [WEIR_OUTPUT_DEAD_LETTERS] = *conf->topics_dead_letters != '\0'},
                    .score_features = conf->scores_features,
                    .framing = (weir_framing)conf->output_framing,
                    .schema_ids = {[WEIR_OUTPUT_ALERTS] = (uint32_t)conf->output_alerts_schema_id,
                                   [WEIR_OUTPUT_SCORES] = (uint32_t)conf->output_scores_schema_id}},
        .clock = weir_clock_system(),
    };
    return options;
}

static void show_model(const launched *it)
{
    char id[WEIR_RELEASE_ID_TEXT_SIZE];
    weir_release_id_text(it->rules.release, id);
    const weir_model *model = &it->rules.release->model;
    const char *labels[] = {model->name, model->version, id};
    weir_metrics_set_series(it->metrics, WEIR_METRIC_MODEL_INFO, labels, 1);
    weir_log(WEIR_LOG_INFO, "model_loaded", weir_log_text("name", model->name),
             weir_log_text("version", model->version), weir_log_text("id", id),
             weir_log_int("features", (int64_t)model->feature_count),
             weir_log_int("golden_samples", (int64_t)it->rules.release->sample_count));
}

/* ---- open in order, close in reverse ---------------------------------------------------------------------- */

static weir_status open_all(launched *it, weir_error *error)
{
    const weir_conf *conf = it->launch->conf;
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    it->worker_count = conf->workers > 0 ? (size_t)conf->workers : cores > 0 ? (size_t)cores : 1;
    weir_status status = name_stages(it, error);
    if (status == WEIR_OK)
        status = weir_rules_open(conf->model, &it->chain, conf->state_horizon_us, &it->rules, error);
    if (status == WEIR_OK)
        status = weir_metrics_open(it->worker_count + 1, &it->metrics, error);
    if (status == WEIR_OK)
        status = gather_properties(it, error);
    weir_group *group = NULL;
    if (status == WEIR_OK)
        status = open_group(it, &group, error);
    if (status != WEIR_OK)
        return status;
    show_model(it);
    weir_service_options options = {
        .group = group,
        .rules = &it->rules,
        .worker = worker_template(it),
        .worker_count = it->worker_count,
        .pin_workers = conf->pin_workers,
        .state_dir = conf->state_dir,
        .commit_interval_us = conf->commit_interval_us,
        .drain_timeout_us = conf->drain_timeout_us,
        .metrics = it->metrics,
        .stop = it->launch->stop,
    };
    status = weir_service_open(&options, &it->service, error);
    if (status != WEIR_OK)
        return status;
    it->admin = (weir_admin){.service = it->service, .metrics = it->metrics, .rules = &it->rules};
    return weir_admin_open(&it->admin, conf->http_listen, conf->http_token, error);
}

static void close_all(launched *it)
{
    weir_admin_close(&it->admin);
    weir_service_close(it->service);
    weir_metrics_close(it->metrics);
    free(it->consumer_properties);
    free(it->producer_properties);
    weir_rules_close(&it->rules);
}

weir_status weir_launch_run(const weir_launch *launch, weir_error *error)
{
    launched it = {.launch = launch};
    weir_status status = open_all(&it, error);
    if (status == WEIR_OK) {
        if (it.admin.http)
            weir_log(WEIR_LOG_INFO, "http_listening", weir_log_int("port", weir_http_port(it.admin.http)));
        if (launch->running)
            launch->running(launch->context, it.metrics);
        status = weir_service_run(it.service, error);
        if (launch->running)
            launch->running(launch->context, NULL);
    }
    close_all(&it);
    return status;
}
