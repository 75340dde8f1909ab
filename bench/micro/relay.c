/* The bare relay: librdkafka and nothing else. Reads a topic as a member of a group, with the consumer and producer
 * settings weir itself uses (src/broker/kafka_config.c), and sends one record in N on, unchanged, to the same partition
 * of another topic. What weir costs on top of it is weir.
 *
 *     bench_relay --brokers HOST:PORT --in TOPIC --out TOPIC [--group NAME] [--every 50] [--idle-exit-ms 0]
 *
 * Ends on SIGTERM, or once nothing has come for --idle-exit-ms after the first record, and prints one JSON object: the
 * rate from the first record to the last, and the process's CPU time. */
#include "../support/arguments.h"
#include "../support/bench.h"
#include "broker/kafka_private.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

enum { BATCH_MAX = 256, WAIT_MS = 20, FLUSH_MS = 10000 };

typedef struct relay {
    rd_kafka_t *consumer, *producer;
    rd_kafka_queue_t *queue;
    rd_kafka_topic_t *out;
    uint64_t every, read_count, sent_count, failed_count;
    int64_t first_ns, last_ns;
} relay;

static const char *brokers, *input, *output, *group_id = "bench-relay";
static double every = 50, idle_exit_ms, linger_ms;

static void count_failure(rd_kafka_t *rk, const rd_kafka_message_t *message, void *opaque)
{
    (void)rk;
    uint64_t *failed_count = ((kafka_handle *)opaque)->log_context;
    *failed_count += message->err != 0;
}

static void open_consumer(relay *it, const weir_kafka_options *options, kafka_handle *handle)
{
    rd_kafka_conf_t *conf = NULL;
    weir_error error = {0};
    char text[256];
    bench_require(kafka_config_consumer(options, &conf, &error), "consumer settings", &error);
    rd_kafka_conf_set_events(conf, 0); /* librdkafka answers rebalances itself ... */
    rd_kafka_conf_set(conf, "auto.offset.reset", "earliest", text, sizeof text); /* ... so it needs a place to begin */
    bench_require(kafka_config_open(RD_KAFKA_CONSUMER, conf, handle, &it->consumer, &error), "consumer", &error);
    rd_kafka_poll_set_consumer(it->consumer);
    it->queue = rd_kafka_queue_get_consumer(it->consumer);
    rd_kafka_topic_partition_list_t *topics = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(topics, input, RD_KAFKA_PARTITION_UA);
    bench_require(kafka_status(rd_kafka_subscribe(it->consumer, topics)), "subscribing", NULL);
    rd_kafka_topic_partition_list_destroy(topics);
}

static void open_producer(relay *it, const weir_kafka_options *options, kafka_handle *handle)
{
    rd_kafka_conf_t *conf = NULL;
    weir_error error = {0};
    int32_t partition_count;
    bench_require(kafka_config_producer(options, &conf, &error), "producer settings", &error);
    rd_kafka_conf_set_dr_msg_cb(conf, count_failure);
    bench_require(kafka_config_open(RD_KAFKA_PRODUCER, conf, handle, &it->producer, &error), "producer", &error);
    it->out = rd_kafka_topic_new(it->producer, output, NULL);
    bench_require(kafka_topic_partitions(it->producer, output, &partition_count, &error), "output", &error);
}

static void send_on(relay *it, const rd_kafka_message_t *message)
{
    while (rd_kafka_produce(it->out, message->partition, RD_KAFKA_MSG_F_COPY, message->payload, message->len,
                            message->key, message->key_len, NULL)) {
        if (rd_kafka_last_error() != RD_KAFKA_RESP_ERR__QUEUE_FULL)
            bench_require(kafka_status(rd_kafka_last_error()), "producing", NULL);
        rd_kafka_poll(it->producer, 1);
    }
    it->sent_count++;
}

/* As weir's port polls: what is there, or wait for one. */
static size_t take(relay *it, rd_kafka_message_t **messages)
{
    ssize_t count = rd_kafka_consume_batch_queue(it->queue, 0, messages, BATCH_MAX);
    if (count > 0)
        return (size_t)count;
    messages[0] = rd_kafka_consume_queue(it->queue, WAIT_MS);
    return messages[0] != NULL;
}

static void pass_on(relay *it, rd_kafka_message_t **messages, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (messages[i]->err)
            fprintf(stderr, "bench_relay: %s\n", rd_kafka_message_errstr(messages[i]));
        else if (it->read_count++ % it->every == 0)
            send_on(it, messages[i]);
        rd_kafka_message_destroy(messages[i]);
    }
    it->last_ns = bench_now_ns();
    if (!it->first_ns)
        it->first_ns = it->last_ns;
}

static void run(relay *it)
{
    rd_kafka_message_t *messages[BATCH_MAX];
    while (!bench_stopped) {
        size_t count = take(it, messages);
        if (count)
            pass_on(it, messages, count);
        else if (idle_exit_ms > 0 && it->first_ns && (double)(bench_now_ns() - it->last_ns) > idle_exit_ms * 1e6)
            break;
        rd_kafka_poll(it->producer, 0);
    }
    rd_kafka_flush(it->producer, FLUSH_MS);
}

/* librdkafka 2.0.2 forgets to leave a cooperative group when it is closed while partitions are assigned, and a next
 * member would wait for the session to time out: give them back first. */
static void leave(relay *it)
{
    rd_kafka_unsubscribe(it->consumer);
    for (int tries = 0, held = 1; held && tries < 100; tries++) {
        rd_kafka_message_t *message = rd_kafka_consume_queue(it->queue, WAIT_MS);
        if (message)
            rd_kafka_message_destroy(message);
        rd_kafka_topic_partition_list_t *assigned = NULL;
        held = !rd_kafka_assignment(it->consumer, &assigned) && assigned->cnt > 0;
        if (assigned)
            rd_kafka_topic_partition_list_destroy(assigned);
    }
    rd_kafka_queue_destroy(it->queue);
    rd_kafka_consumer_close(it->consumer);
    rd_kafka_destroy(it->consumer);
}

static void print_result(const relay *it)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    double cpu_s = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                   (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1e-6;
    double seconds = (double)(it->last_ns - it->first_ns) * 1e-9;
    printf("{\"events\":%" PRIu64 ",\"sent\":%" PRIu64 ",\"failed\":%" PRIu64
           ",\"seconds\":%.3f,\"rate\":%.0f,\"cpu_s\":%.3f}\n",
           it->read_count, it->sent_count, it->failed_count, seconds,
           seconds > 0 ? (double)it->read_count / seconds : 0.0, cpu_s);
}

int main(int argc, char **argv)
{
    const bench_argument rows[] = {
        {"brokers", &brokers, NULL, "HOST:PORT"},
        {"in", &input, NULL, "topic to read from its beginning"},
        {"out", &output, NULL, "topic to write, with at least as many partitions"},
        {"group", &group_id, NULL, "consumer group (bench-relay)"},
        {"every", NULL, &every, "sends one record in N on (50)"},
        {"linger-ms", NULL, &linger_ms, "how long the sender gathers a batch (0)"},
        {"idle-exit-ms", NULL, &idle_exit_ms, "ends when nothing came for so long; 0 = never (0)"},
        {0}};
    bench_arguments("bench_relay", rows, argc, argv);
    bench_stop_on_signal();
    weir_kafka_options options = {.bootstrap_servers = brokers,
                                  .group_id = group_id,
                                  .worker_count = 1,
                                  .linger_us = (int64_t)(linger_ms * 1000),
                                  .fetch_queue_bytes_max = UINT64_C(256) << 20};
    relay it = {.every = every >= 1 ? (uint64_t)every : 1};
    kafka_handle handle = {.log_context = &it.failed_count};
    open_producer(&it, &options, &handle);
    open_consumer(&it, &options, &handle);
    run(&it);
    print_result(&it);
    leave(&it);
    rd_kafka_topic_destroy(it.out);
    rd_kafka_destroy(it.producer);
    return it.failed_count ? 1 : 0;
}
