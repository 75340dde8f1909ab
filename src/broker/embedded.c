#include "weir/broker/embedded.h"

#include "weir/base/check.h"

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <stdlib.h>

/* The mock cluster runs on a thread of the handle it was made from; that handle does nothing else. */
struct weir_embedded {
    rd_kafka_t *host;
    rd_kafka_mock_cluster_t *cluster;
    int broker_count;
};

static void log_nothing(const rd_kafka_t *rk, int level, const char *facility, const char *text)
{
    (void)rk, (void)level, (void)facility, (void)text;
}

weir_status weir_embedded_open(size_t broker_count, weir_embedded **embedded_out, weir_error *error)
{
    weir_check(broker_count >= 1 && broker_count <= 100);
    weir_embedded *embedded = calloc(1, sizeof *embedded);
    if (!embedded)
        return weir_error_set(error, WEIR_FULL, "no memory for an embedded broker");
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set_log_cb(conf, log_nothing);
    char text[256];
    embedded->host = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof text);
    if (!embedded->host) {
        rd_kafka_conf_destroy(conf);
        free(embedded);
        return weir_error_set(error, WEIR_IO, "cannot start the embedded broker: %s", text);
    }
    embedded->broker_count = (int)broker_count;
    embedded->cluster = rd_kafka_mock_cluster_new(embedded->host, embedded->broker_count);
    if (!embedded->cluster) {
        weir_embedded_close(embedded);
        return weir_error_set(error, WEIR_IO, "cannot open loopback ports for the embedded broker");
    }
    *embedded_out = embedded;
    return WEIR_OK;
}

const char *weir_embedded_bootstrap(const weir_embedded *embedded)
{
    return rd_kafka_mock_cluster_bootstraps(embedded->cluster);
}

weir_status weir_embedded_topic(weir_embedded *embedded, const char *topic, int32_t partition_count, weir_error *error)
{
    rd_kafka_resp_err_t code =
        rd_kafka_mock_topic_create(embedded->cluster, topic, partition_count, embedded->broker_count);
    if (!code)
        return WEIR_OK;
    weir_status status = code == RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS ? WEIR_EXISTS : WEIR_INVALID;
    return weir_error_set(error, status, "embedded topic %s: %s", topic, rd_kafka_err2str(code));
}

void weir_embedded_fail(weir_embedded *embedded, int16_t api_key, size_t count, int16_t code)
{
    for (size_t i = 0; i < count; i++)
        rd_kafka_mock_push_request_errors(embedded->cluster, api_key, 1, (rd_kafka_resp_err_t)code);
}

void weir_embedded_delay(weir_embedded *embedded, int32_t broker_id, int rtt_ms)
{
    weir_check(!rd_kafka_mock_broker_set_rtt(embedded->cluster, broker_id, rtt_ms));
}

void weir_embedded_leader(weir_embedded *embedded, const char *topic, int32_t partition, int32_t broker_id)
{
    weir_check(!rd_kafka_mock_partition_set_leader(embedded->cluster, topic, partition, broker_id));
}

void weir_embedded_broker(weir_embedded *embedded, int32_t broker_id, int up)
{
    weir_check(!(up ? rd_kafka_mock_broker_set_up(embedded->cluster, broker_id)
                    : rd_kafka_mock_broker_set_down(embedded->cluster, broker_id)));
}

void weir_embedded_close(weir_embedded *embedded)
{
    if (!embedded)
        return;
    if (embedded->cluster)
        rd_kafka_mock_cluster_destroy(embedded->cluster);
    rd_kafka_destroy(embedded->host);
    free(embedded);
}
