/* The load: transactions of bench/support/stream.h, either as many as asked as fast as they go, or at a fixed rate.
 *
 *     bench_loadgen --brokers HOST:PORT --topic NAME --count N
 *     bench_loadgen --brokers HOST:PORT --topic NAME --rate EVENTS_A_SECOND --seconds S
 *
 * As fast as it goes, an event's time is the moment it was sent; with --days D they are spread evenly over the D days
 * up to the beginning instead, as a backlog's are. With --labels one event in LABEL_EVERY is labelled fraud there,
 * LABEL_DELAY_DAYS after its time, if that has come by now.
 *
 * At a fixed rate the loop is open: event i is due at begin + i / rate whatever the receiver does, and its event time
 * is the moment it was due, by the wall clock. A generator that falls behind is therefore part of the latency measured,
 * not hidden by it (Tene's "coordinated omission"). The generator wakes every WAKE_US, and the sender lingers, 5 ms
 * unless told: librdkafka sends a request a partition, and without lingering the requests drown a small broker.
 *
 * Prints one JSON object. Exits 1 when a record was not acknowledged. */
#include "../support/arguments.h"
#include "../support/bench.h"
#include "../support/stream.h"
#include "weir/base/check.h"
#include "weir/base/hash.h"
#include "weir/base/units.h"
#include "weir/broker/client.h"
#include "weir/codec/label.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* Payloads are made beforehand and used again and again with a new id and time written into them, so that making them
 * costs next to nothing while the clock runs. The encoder's layout is checked before it is relied on:
 *
 *    0 1          2 ........... 17   18 19        20 .......... 35   36     37 .............. 44
 *    0a 10 (id)   16 hex digits      12 10 (card) 16 letters         18 (t) varint of 8 bytes
 */
enum {
    ID_AT = 2, CARD_AT = 20, TIME_AT = 37, TOKEN_SIZE = 16, TIME_SIZE = 8,
    TEMPLATE_COUNT = 1 << 17, CARD_COUNT = 100000, TERMINAL_COUNT = 10000, FLUSH_S = 60,
    LABEL_EVERY = 200, LABEL_DELAY_DAYS = 7, LABEL_SIZE_MAX = 128
};
#define WAKE_US 200

typedef struct load {
    bench_feed feed;
    int32_t *partitions; /* by template */
    weir_sender *sender, *label_sender; /* the latter NULL without labels */
    uint64_t sent, labelled;
    int64_t late_us_max;
} load;

static const char *brokers, *topic, *labels = "";
static double count, days, rate, seconds, linger_ms = 5, seed = 1;

static int64_t wall_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static void check_layout(const uint8_t *payload)
{
    weir_check(payload[0] == 0x0a && payload[1] == TOKEN_SIZE);
    weir_check(payload[CARD_AT - 2] == 0x12 && payload[CARD_AT - 1] == TOKEN_SIZE && payload[TIME_AT - 1] == 0x18);
    weir_check(payload[TIME_AT + TIME_SIZE - 2] >= 0x80 && payload[TIME_AT + TIME_SIZE - 1] < 0x80);
}

static void make_templates(load *it)
{
    bench_stream stream;
    bench_stream_open(&stream, (uint64_t)seed, CARD_COUNT, 0, 1);
    stream.time_us = wall_us();
    stream.terminal_count = TERMINAL_COUNT;
    bench_feed_open(&it->feed, TEMPLATE_COUNT);
    bench_feed_fill(&it->feed, &stream);
    bench_stream_close(&stream);
    it->partitions = bench_take(TEMPLATE_COUNT * sizeof *it->partitions);
    for (size_t i = 0; i < TEMPLATE_COUNT; i++) {
        check_layout(bench_feed_payload(&it->feed, i).data);
        it->partitions[i] =
            weir_hash_partition(weir_span_of(bench_feed_payload(&it->feed, i).data + CARD_AT, TOKEN_SIZE),
                                weir_sender_partition_count(it->sender));
    }
}

/* Ids differ between events and between runs: the run's beginning in the upper half. */
static void write_id(uint8_t *at, uint64_t run_id, uint64_t number)
{
    uint64_t id = run_id << 36 ^ number;
    for (size_t i = TOKEN_SIZE; i-- > 0; id >>= 4)
        at[i] = (uint8_t) "0123456789abcdef"[id & 15];
}

static void write_time(uint8_t *at, int64_t time_us)
{
    uint64_t value = (uint64_t)time_us;
    for (size_t i = 0; i < TIME_SIZE; i++, value >>= 7)
        at[i] = (uint8_t)((value & 0x7f) | (i + 1 < TIME_SIZE ? 0x80 : 0));
    weir_check(value == 0);
}

static void send_one(load *it, uint64_t run_id, int64_t time_us)
{
    size_t index = it->sent % TEMPLATE_COUNT;
    weir_span payload = bench_feed_payload(&it->feed, index);
    uint8_t *bytes = it->feed.bytes + index * BENCH_PAYLOAD_SIZE;
    write_id(bytes + ID_AT, run_id, it->sent);
    write_time(bytes + TIME_AT, time_us);
    bench_require(
        weir_sender_send(it->sender, it->partitions[index], weir_span_of(bytes + CARD_AT, TOKEN_SIZE), payload, -1),
        "sending", NULL);
    it->sent++;
}

/* The event sent last, whose id and card are still in its template, turned out to be fraud. */
static void send_label(load *it, int64_t time_us, int64_t now_us)
{
    size_t index = (it->sent - 1) % TEMPLATE_COUNT;
    const uint8_t *bytes = bench_feed_payload(&it->feed, index).data;
    weir_label label = {.transaction_id = weir_span_of(bytes + ID_AT, TOKEN_SIZE),
                        .card_token = weir_span_of(bytes + CARD_AT, TOKEN_SIZE),
                        .label_time_us = time_us + LABEL_DELAY_DAYS * WEIR_US_PER_DAY,
                        .event_time_us = time_us,
                        .verdict = WEIR_LABEL_FRAUD};
    if (label.label_time_us > now_us)
        return;
    uint8_t memory[LABEL_SIZE_MAX];
    weir_writer writer = weir_writer_of(memory, sizeof memory);
    weir_label_encode(&label, &writer);
    weir_check(!writer.failed);
    bench_require(weir_sender_send(it->label_sender, it->partitions[index], label.card_token,
                                   weir_span_of(memory, writer.used), -1),
                  "sending a label", NULL);
    it->labelled++;
}

static void send_all_now(load *it, int64_t begin_us)
{
    double span_us = days * (double)WEIR_US_PER_DAY, step_us = span_us / count;
    int64_t time_us = begin_us;
    while (it->sent < (uint64_t)count && !bench_stopped) {
        if (days > 0)
            time_us = begin_us + (int64_t)((double)it->sent * step_us - span_us);
        else if (it->sent % 64 == 0)
            time_us = wall_us();
        send_one(it, (uint64_t)begin_us, time_us);
        if (it->label_sender && it->sent % LABEL_EVERY == 0)
            send_label(it, time_us, begin_us);
    }
}

static void send_at_rate(load *it, int64_t begin_us)
{
    uint64_t total = (uint64_t)(rate * seconds);
    while (it->sent < total && !bench_stopped) {
        int64_t now_us = wall_us();
        int64_t due_us = begin_us + (int64_t)((double)it->sent / rate * 1e6);
        if (now_us - due_us > it->late_us_max)
            it->late_us_max = now_us - due_us;
        for (; due_us <= now_us && it->sent < total; due_us = begin_us + (int64_t)((double)it->sent / rate * 1e6))
            send_one(it, (uint64_t)begin_us, due_us);
        int64_t sleep_us = due_us - wall_us() > WAKE_US ? due_us - wall_us() : WAKE_US;
        nanosleep(&(struct timespec){.tv_sec = sleep_us / 1000000, .tv_nsec = sleep_us % 1000000 * 1000}, NULL);
    }
}

static weir_sender *open_sender(const char *to)
{
    weir_sender *sender;
    weir_error error = {0};
    bench_require(weir_sender_open(brokers, to, (int64_t)(linger_ms * 1000), NULL, 0, &sender, &error), to, &error);
    return sender;
}

/* Returns how many records were not acknowledged. */
static uint64_t flush(weir_sender *sender)
{
    return sender ? weir_sender_flush(sender, FLUSH_S * INT64_C(1000000)) : 0;
}

int main(int argc, char **argv)
{
    const bench_argument rows[] = {
        {"brokers", &brokers, NULL, "HOST:PORT"},
        {"topic", &topic, NULL, "where to send"},
        {"count", NULL, &count, "sends so many as fast as it goes"},
        {"days", NULL, &days, "over how many days up to now their times are spread, with --count (0: now)"},
        {"labels", &labels, NULL, "topic for labels, with --count (none)"},
        {"rate", NULL, &rate, "events a second, with --seconds"},
        {"seconds", NULL, &seconds, "for how long"},
        {"linger-ms", NULL, &linger_ms, "how long the sender gathers a batch (5)"},
        {"seed", NULL, &seed, "of the traffic (1)"},
        {0}};
    bench_arguments("bench_loadgen", rows, argc, argv);
    if ((count > 0) == (rate > 0 && seconds > 0)) {
        fprintf(stderr, "bench_loadgen: either --count, or --rate and --seconds\n");
        return 2;
    }
    bench_stop_on_signal();
    load it = {0};
    it.sender = open_sender(topic);
    it.label_sender = *labels ? open_sender(labels) : NULL;
    make_templates(&it);
    int64_t begin_us = wall_us();
    if (count > 0)
        send_all_now(&it, begin_us);
    else
        send_at_rate(&it, begin_us);
    uint64_t undelivered = flush(it.sender) + flush(it.label_sender);
    double took_s = (double)(wall_us() - begin_us) * 1e-6;
    printf("{\"sent\":%" PRIu64 ",\"labelled\":%" PRIu64 ",\"undelivered\":%" PRIu64
           ",\"seconds\":%.3f,\"rate\":%.0f,\"late_max_ms\":%.3f}\n",
           it.sent, it.labelled, undelivered, took_s, (double)it.sent / took_s, (double)it.late_us_max * 1e-3);
    weir_sender_close(it.sender);
    weir_sender_close(it.label_sender);
    bench_feed_close(&it.feed);
    free(it.partitions);
    return undelivered ? 1 : 0;
}
