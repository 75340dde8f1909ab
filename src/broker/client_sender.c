#include "weir/broker/client.h"

#include "kafka_private.h"
#include "weir/base/check.h"
#include "weir/base/hash.h"

#include <stdlib.h>

struct weir_sender {
    kafka_handle handle;
    rd_kafka_t *producer;
    rd_kafka_topic_t *topic;
    int32_t partition_count;
    uint64_t undelivered_count;
    unsigned sent_since_poll;
};

enum { POLL_EVERY = 64 }; /* messages between two looks for acknowledgements, which cost a lock each */

static void delivered(rd_kafka_t *rk, const rd_kafka_message_t *message, void *opaque)
{
    (void)rk, (void)opaque;
    weir_sender *sender = rd_kafka_topic_opaque(message->rkt);
    sender->undelivered_count += message->err != 0;
}

static weir_status open_topic(weir_sender *sender, const char *topic, weir_error *error)
{
    rd_kafka_topic_conf_t *conf = rd_kafka_default_topic_conf_dup(sender->producer);
    rd_kafka_topic_conf_set_opaque(conf, sender);
    sender->topic = rd_kafka_topic_new(sender->producer, topic, conf);
    if (!sender->topic) {
        rd_kafka_topic_conf_destroy(conf);
        return kafka_error(error, rd_kafka_last_error(), "topic %s", topic);
    }
    return kafka_topic_partitions(sender->producer, topic, &sender->partition_count, error);
}

weir_status weir_sender_open(const char *bootstrap, const char *topic, int64_t linger_us,
                             const weir_kafka_property *properties, size_t property_count, weir_sender **sender_out,
                             weir_error *error)
{
    weir_kafka_options options = {.bootstrap_servers = bootstrap,
                                  .client_id = "weir-sender",
                                  .linger_us = linger_us,
                                  .producer_properties = properties,
                                  .producer_property_count = property_count};
    rd_kafka_conf_t *conf = NULL;
    weir_status status = kafka_config(KAFKA_SENDER, &options, 0, &conf, error);
    if (status != WEIR_OK)
        return status;
    rd_kafka_conf_set_dr_msg_cb(conf, delivered);
    weir_sender *sender = calloc(1, sizeof *sender);
    if (!sender) {
        rd_kafka_conf_destroy(conf);
        return weir_error_set(error, WEIR_FULL, "no memory for a sender");
    }
    status = kafka_config_open(RD_KAFKA_PRODUCER, conf, &sender->handle, &sender->producer, error);
    if (status == WEIR_OK)
        status = open_topic(sender, topic, error);
    if (status == WEIR_OK)
        *sender_out = sender;
    else
        weir_sender_close(sender);
    return status;
}

int32_t weir_sender_partition_count(const weir_sender *sender)
{
    return sender->partition_count;
}

/* librdkafka stamps a message itself unless given a time, and only producev takes one. */
static rd_kafka_resp_err_t enqueue(weir_sender *sender, int32_t partition, weir_span key, weir_span payload,
                                int64_t timestamp_us)
{
    if (timestamp_us >= 0)
        return rd_kafka_producev(sender->producer, RD_KAFKA_V_RKT(sender->topic), RD_KAFKA_V_PARTITION(partition),
                                 RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
                                 RD_KAFKA_V_VALUE((void *)(uintptr_t)payload.data, payload.size),
                                 RD_KAFKA_V_KEY((void *)(uintptr_t)key.data, key.size),
                                 RD_KAFKA_V_TIMESTAMP(timestamp_us / 1000), RD_KAFKA_V_END);
    int failed = rd_kafka_produce(sender->topic, partition, RD_KAFKA_MSG_F_COPY, (void *)(uintptr_t)payload.data,
                                  payload.size, key.data, key.size, NULL);
    return failed ? rd_kafka_last_error() : RD_KAFKA_RESP_ERR_NO_ERROR;
}

weir_status weir_sender_send(weir_sender *sender, int32_t partition, weir_span key, weir_span payload,
                             int64_t timestamp_us)
{
    if (partition < 0)
        partition = weir_hash_partition(key, sender->partition_count);
    rd_kafka_resp_err_t code;
    while ((code = enqueue(sender, partition, key, payload, timestamp_us)) == RD_KAFKA_RESP_ERR__QUEUE_FULL)
        rd_kafka_poll(sender->producer, 10);
    if (++sender->sent_since_poll >= POLL_EVERY) {
        sender->sent_since_poll = 0;
        rd_kafka_poll(sender->producer, 0);
    }
    return kafka_status(code);
}

uint64_t weir_sender_flush(weir_sender *sender, int64_t timeout_us)
{
    rd_kafka_flush(sender->producer, kafka_ms(timeout_us));
    return sender->undelivered_count + (uint64_t)rd_kafka_outq_len(sender->producer);
}

void weir_sender_close(weir_sender *sender)
{
    if (!sender)
        return;
    if (sender->topic)
        rd_kafka_topic_destroy(sender->topic);
    if (sender->producer) {
        rd_kafka_purge(sender->producer, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
        rd_kafka_flush(sender->producer, 100);
        rd_kafka_destroy(sender->producer);
    }
    free(sender);
}
