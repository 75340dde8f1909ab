/* The bare relay: librdkafka and nothing else. Reads a topic as a member of a group, with the consumer and producer
 * settings weir itself uses (src/broker/kafka_config.c), and sends one record in N on, unchanged, to the same partition
 * of another topic. What weir costs on top of it is weir.
 *
 *     bench_relay --brokers HOST:PORT --in TOPIC --out TOPIC [--group NAME] [--every 50] [--idle-exit-ms 0]
 *                 [--middle TOPIC]
 *
 * With --middle it is two such relays in one process, a thread each: the first sends every record on, keyed by its
 * terminal, and the second reads them from there and sends one in N to the output. That is what an event goes through
 * whose features are about two entities, with nothing in it that computes them.
 *
 * Ends on SIGTERM, or once nothing has come for --idle-exit-ms after the first record, and prints one JSON object: the
 * rate at the first relay from its first record to the last record of all, and the process's CPU time. */
#include "../support/arguments.h"
#include "../support/bench.h"
#include "broker/kafka_private.h"
#include "weir/base/check.h"
#include "weir/base/hash.h"
#include "weir/codec/transaction.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

enum { BATCH_MAX = 256, WAIT_MS = 20, FLUSH_MS = 10000, NAME_SIZE = 256, HOP_MAX = 2 };

/* One of the relays: from a topic to a topic. */
typedef struct relay {
    const char *from, *to;
    char group[NAME_SIZE];
    bool by_terminal; /* to whose partition; else to the record's own */
    uint64_t every;
    kafka_handle handle;
    rd_kafka_t *consumer, *producer;
    rd_kafka_queue_t *queue;
    rd_kafka_topic_t *out;
    int32_t out_partition_count;
    uint64_t read_count, sent_count, failed_count;
    int64_t first_ns, last_ns;
} relay;

static const char *brokers, *input, *output, *middle = "", *group_id = "bench-relay";
static double every = 50, idle_exit_ms, linger_ms;

static void count_failure(rd_kafka_t *rk, const rd_kafka_message_t *message, void *opaque)
{
    (void)rk;
    uint64_t *failed_count = ((kafka_handle *)opaque)->log_context;
    *failed_count += message->err != 0;
}

/* --- open and close ---------------------------------------------------------------------------------------------- */

static weir_kafka_options options_of(const relay *it)
{
    return (weir_kafka_options){.bootstrap_servers = brokers,
                                .group_id = it->group,
                                .worker_count = 1,
                                .linger_us = (int64_t)(linger_ms * 1000),
                                .fetch_queue_bytes_max = UINT64_C(1) << 30}; /* more than it takes in a second */
}

static void open_producer(relay *it)
{
    rd_kafka_conf_t *conf = NULL;
    weir_error error = {0};
    weir_kafka_options options = options_of(it);
    bench_require(kafka_config(KAFKA_PRODUCER, &options, 0, &conf, &error), "producer settings", &error);
    rd_kafka_conf_set_dr_msg_cb(conf, count_failure);
    bench_require(kafka_config_open(RD_KAFKA_PRODUCER, conf, &it->handle, &it->producer, &error), "producer", &error);
    it->out = rd_kafka_topic_new(it->producer, it->to, NULL);
    bench_require(kafka_topic_partitions(it->producer, it->to, &it->out_partition_count, &error), "output", &error);
}

static void open_consumer(relay *it)
{
    rd_kafka_conf_t *conf = NULL;
    weir_error error = {0};
    char text[256];
    int32_t partition_count;
    weir_kafka_options options = options_of(it);
    bench_require(kafka_topic_partitions(it->producer, it->from, &partition_count, &error), "input", &error);
    bench_require(kafka_config(KAFKA_MEMBER, &options, partition_count, &conf, &error), "consumer settings", &error);
    rd_kafka_conf_set_events(conf, 0); /* librdkafka answers rebalances itself ... */
    rd_kafka_conf_set(conf, "auto.offset.reset", "earliest", text, sizeof text); /* ... so it needs a place to begin */
    bench_require(kafka_config_open(RD_KAFKA_CONSUMER, conf, &it->handle, &it->consumer, &error), "consumer", &error);
    rd_kafka_poll_set_consumer(it->consumer);
    it->queue = rd_kafka_queue_get_consumer(it->consumer);
    rd_kafka_topic_partition_list_t *topics = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(topics, it->from, RD_KAFKA_PARTITION_UA);
    bench_require(kafka_status(rd_kafka_subscribe(it->consumer, topics)), "subscribing", NULL);
    rd_kafka_topic_partition_list_destroy(topics);
}

static void open_relay(relay *it)
{
    it->handle = (kafka_handle){.log_context = &it->failed_count};
    open_producer(it);
    open_consumer(it);
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

static void close_relay(relay *it)
{
    leave(it);
    rd_kafka_topic_destroy(it->out);
    rd_kafka_destroy(it->producer);
}

/* --- passing on -------------------------------------------------------------------------------------------------- */

/* The terminal of a bare transaction; empty when it has none. */
static weir_span terminal_of(weir_span payload)
{
    enum { TERMINAL_FIELD = 7, VARINT = 0, FIXED64 = 1, BYTES = 2 };
    weir_reader reader = weir_reader_of(payload);
    while (weir_reader_left(&reader) && !reader.failed) {
        uint64_t tag = weir_read_varint(&reader);
        if ((tag & 7) == VARINT) {
            (void)weir_read_varint(&reader);
            continue;
        }
        weir_check((tag & 7) == BYTES || (tag & 7) == FIXED64);
        weir_span value = weir_read_bytes(&reader, (tag & 7) == FIXED64 ? 8 : weir_read_varint(&reader));
        if (tag >> 3 == TERMINAL_FIELD)
            return value;
    }
    return (weir_span){0};
}

static void send_on(relay *it, const rd_kafka_message_t *message)
{
    weir_span key = weir_span_of(message->key, message->key_len);
    int32_t partition = message->partition;
    if (it->by_terminal) {
        key = terminal_of(weir_span_of(message->payload, message->len));
        partition = weir_hash_partition(key, it->out_partition_count);
    }
    while (rd_kafka_produce(it->out, partition, RD_KAFKA_MSG_F_COPY, message->payload, message->len, key.data, key.size,
                            NULL)) {
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

static void *run(void *context)
{
    relay *it = context;
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
    return NULL;
}

static void print_result(const relay *first, const relay *last)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    double cpu_s = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                   (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1e-6;
    double seconds = (double)(last->last_ns - first->first_ns) * 1e-9;
    printf("{\"events\":%" PRIu64 ",\"sent\":%" PRIu64 ",\"failed\":%" PRIu64
           ",\"seconds\":%.3f,\"rate\":%.0f,\"cpu_s\":%.3f}\n",
           first->read_count, last->sent_count, first->failed_count + (first == last ? 0 : last->failed_count), seconds,
           seconds > 0 ? (double)first->read_count / seconds : 0.0, cpu_s);
}

/* One relay, or two with a topic between them. Returns how many. */
static size_t plan(relay relays[HOP_MAX])
{
    size_t count = *middle ? 2 : 1;
    for (size_t i = 0; i < count; i++) {
        bool is_last = i + 1 == count;
        relays[i] = (relay){.from = i == 0 ? input : middle,
                            .to = is_last ? output : middle,
                            .by_terminal = !is_last,
                            .every = is_last && every >= 1 ? (uint64_t)every : 1};
        snprintf(relays[i].group, NAME_SIZE, i == 0 ? "%s" : "%s-middle", group_id);
    }
    return count;
}

int main(int argc, char **argv)
{
    const bench_argument rows[] = {
        {"brokers", &brokers, NULL, "HOST:PORT"},
        {"in", &input, NULL, "topic to read from its beginning"},
        {"out", &output, NULL, "topic to write, with at least as many partitions"},
        {"middle", &middle, NULL, "topic in between, by terminal, for a relay of two hops (none)"},
        {"group", &group_id, NULL, "consumer group (bench-relay)"},
        {"every", NULL, &every, "sends one record in N on (50)"},
        {"linger-ms", NULL, &linger_ms, "how long the sender gathers a batch (0)"},
        {"idle-exit-ms", NULL, &idle_exit_ms, "ends when nothing came for so long; 0 = never (0)"},
        {0}};
    bench_arguments("bench_relay", rows, argc, argv);
    bench_stop_on_signal();
    relay relays[HOP_MAX];
    size_t count = plan(relays);
    relay *first = &relays[0], *last = &relays[count - 1];
    for (size_t i = 0; i < count; i++)
        open_relay(&relays[i]);
    pthread_t thread;
    weir_check(first == last || pthread_create(&thread, NULL, run, first) == 0);
    run(last);
    weir_check(first == last || pthread_join(thread, NULL) == 0);
    print_result(first, last);
    uint64_t failed_count = 0;
    for (size_t i = 0; i < count; i++) {
        failed_count += relays[i].failed_count;
        close_relay(&relays[i]);
    }
    return failed_count ? 1 : 0;
}
