/* End-to-end latency: reads an output topic from its end and takes, for each record, the moment it was received less
 * its event time, which bench_loadgen made the moment the event was due. Alerts and relayed transactions alike.
 *
 *     bench_latency --brokers HOST:PORT --topic NAME --warmup-s W --seconds S
 *
 * Counts events due in [W, S) seconds after the program began and waits for stragglers until a second passes without
 * any record. Prints one JSON object; exits 1 when nothing was counted. One clock for everything: sender, receiver and
 * broker are on the same machine. */
#include "../support/arguments.h"
#include "../support/bench.h"
#include "weir/base/cursor.h"
#include "weir/broker/client.h"
#include "weir/codec/frame.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { SAMPLE_MAX = 1 << 22 };
#define STRAGGLE_US INT64_C(1000000)
#define STRAGGLE_US_MAX INT64_C(20000000)

typedef struct samples {
    double *ms;
    size_t count, skipped;
} samples;

static const char *brokers, *topic;
static double warmup_s = 5, run_s = 15;

static int64_t wall_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* In Transaction and in Alert the event time is the first field that is a varint (fields 3 and 4; all before are text).
 * -1 when there is none. */
static int64_t event_time_us(weir_span payload)
{
    weir_span message;
    int64_t schema_id;
    if (!weir_frame_strip(WEIR_FRAMING_AUTO, payload, &message, &schema_id))
        return -1;
    weir_reader reader = weir_reader_of(message);
    while (weir_reader_left(&reader) && !reader.failed) {
        uint64_t tag = weir_read_varint(&reader);
        if ((tag & 7) == 0)
            return (int64_t)weir_read_varint(&reader);
        if ((tag & 7) != 2)
            return -1;
        (void)weir_read_bytes(&reader, weir_read_varint(&reader));
    }
    return -1;
}

static void take(samples *taken, weir_span payload, int64_t from_us, int64_t to_us)
{
    int64_t received_us = wall_us(), due_us = event_time_us(payload);
    if (due_us < from_us || due_us >= to_us || taken->count == SAMPLE_MAX)
        taken->skipped++;
    else
        taken->ms[taken->count++] = (double)(received_us - due_us) * 1e-3;
}

static void run(samples *taken, weir_tail *tail)
{
    int64_t begin_us = wall_us(), heard_us = begin_us;
    int64_t from_us = begin_us + (int64_t)(warmup_s * 1e6), to_us = begin_us + (int64_t)(run_s * 1e6);
    for (int64_t now_us = begin_us; !bench_stopped; now_us = wall_us()) {
        if (now_us > to_us && (now_us - heard_us > STRAGGLE_US || now_us - to_us > STRAGGLE_US_MAX))
            break;
        weir_record record;
        if (!weir_tail_next(tail, 100000, &record, NULL))
            continue;
        heard_us = now_us;
        take(taken, record.payload, from_us, to_us);
    }
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The nearest rank: the smallest sample that at least `share` of them do not exceed. */
static double quantile(const samples *taken, double share)
{
    size_t rank = (size_t)(share * (double)taken->count + 0.999999);
    return taken->ms[rank ? (rank < taken->count ? rank : taken->count) - 1 : 0];
}

int main(int argc, char **argv)
{
    const bench_argument rows[] = {
        {"brokers", &brokers, NULL, "HOST:PORT"},
        {"topic", &topic, NULL, "output topic: alerts, or relayed transactions"},
        {"warmup-s", NULL, &warmup_s, "leaves out events due earlier than this after the start (5)"},
        {"seconds", NULL, &run_s, "leaves out events due later than this after the start (15)"},
        {0}};
    bench_arguments("bench_latency", rows, argc, argv);
    bench_stop_on_signal();
    weir_tail *tail = NULL;
    weir_error error = {0};
    bench_require(weir_tail_open(brokers, topic, -1, NULL, 0, &tail, &error), "output topic", &error);
    samples taken = {.ms = bench_take(SAMPLE_MAX * sizeof(double))};
    run(&taken, tail);
    weir_tail_close(tail);
    if (taken.count == 0) {
        fprintf(stderr, "bench_latency: no record of %s was due in the measured time (%zu others)\n", topic,
                taken.skipped);
        return 1;
    }
    qsort(taken.ms, taken.count, sizeof *taken.ms, compare);
    printf("{\"count\":%zu,\"p50_ms\":%.3f,\"p90_ms\":%.3f,\"p99_ms\":%.3f,\"p999_ms\":%.3f,\"max_ms\":%.3f}\n",
           taken.count, quantile(&taken, 0.5), quantile(&taken, 0.9), quantile(&taken, 0.99), quantile(&taken, 0.999),
           taken.ms[taken.count - 1]);
    free(taken.ms);
    return 0;
}
