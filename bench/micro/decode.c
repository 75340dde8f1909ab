/* Decoding a transaction of 125 bytes: weir's decoder (with its checks and five hashes) beside protobuf-c, which
 * only unpacks onto the heap. Prints decode_ns and decode_protobuf_c_ns, each a median of five runs. */
#include "../support/bench.h"
#include "../support/stream.h"

#include "weir/base/check.h"
#include "weir/codec/transaction.h"
#include "weir/v1/transaction.pb-c.h"

enum { EVENT_COUNT = 65536, PASS_COUNT = 16 };

static void decode_with_weir(weir_span payload)
{
    static const weir_decode_limits limits = {.future_us_max = INT64_MAX};
    weir_transaction transaction;
    weir_check(weir_transaction_decode(payload, &limits, 0, &transaction) == WEIR_ACCEPTED);
}

static void decode_with_protobuf_c(weir_span payload)
{
    Weir__V1__Transaction *transaction = weir__v1__transaction__unpack(NULL, payload.size, payload.data);
    weir_check(transaction != NULL);
    weir__v1__transaction__free_unpacked(transaction, NULL);
}

static double time_run(const bench_feed *feed, void (*decode)(weir_span payload))
{
    int64_t began_ns = bench_cpu_ns();
    for (size_t pass = 0; pass < PASS_COUNT; pass++)
        for (size_t i = 0; i < feed->count; i++)
            decode(bench_feed_payload(feed, i));
    return (double)(bench_cpu_ns() - began_ns) / ((double)PASS_COUNT * (double)feed->count);
}

static double time_decoder(const bench_feed *feed, void (*decode)(weir_span payload))
{
    double runs[BENCH_RUN_COUNT];
    (void)time_run(feed, decode);
    for (size_t i = 0; i < BENCH_RUN_COUNT; i++)
        runs[i] = time_run(feed, decode);
    return bench_median(runs, BENCH_RUN_COUNT);
}

int main(void)
{
    bench_stream stream;
    bench_feed feed;
    bench_begin("decode");
    bench_stream_open(&stream, 1, 10000, 0, 1000);
    bench_feed_open(&feed, EVENT_COUNT);
    bench_feed_fill(&feed, &stream);
    bench_row("decode_ns", time_decoder(&feed, decode_with_weir), "ns");
    bench_row("decode_protobuf_c_ns", time_decoder(&feed, decode_with_protobuf_c), "ns");
    bench_feed_close(&feed);
    bench_stream_close(&stream);
    return WEIR_EXIT_OK;
}
