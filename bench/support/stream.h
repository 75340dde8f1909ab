/* The micro benches' traffic: transactions of 125 bytes, in event-time order, of cards drawn uniformly or by Zipf's
 * law. Two in a hundred amounts are above the line of bench/models/bench32.json. The same seed gives the same bytes. */
#ifndef BENCH_SUPPORT_STREAM_H
#define BENCH_SUPPORT_STREAM_H

#include "weir/base/rng.h"
#include "weir/base/span.h"
#include "weir/core/event.h"

#include <stddef.h>
#include <stdint.h>

typedef struct bench_stream {
    weir_rng rng;
    size_t card_count, terminal_count; /* terminals: 20,000, a merchant each, unless set otherwise after open */
    double *cumulative; /* of the cards' shares by rank; NULL when uniform */
    int64_t time_us, step_us;
    uint64_t event_count;
} bench_stream;

/* zipf_exponent 0 = uniform; step_us is the event time between two events of the whole stream. */
void bench_stream_open(bench_stream *stream, uint64_t seed, size_t card_count, double zipf_exponent, int64_t step_us);
void bench_stream_close(bench_stream *stream);

enum { BENCH_PAYLOAD_SIZE = 125 }; /* what a payload comes to; the odd varint is a byte shorter */

/* A piece of the stream, held in memory so that making it is not timed. */
typedef struct bench_feed {
    size_t count, capacity;
    uint8_t *bytes;       /* BENCH_PAYLOAD_SIZE a payload, back to back */
    uint32_t *sizes;      /* of each payload */
    uint32_t *cards;      /* whose it is: 0..card_count-1 */
    weir_event *events;   /* decoded */
} bench_feed;

void bench_feed_open(bench_feed *feed, size_t capacity);
void bench_feed_close(bench_feed *feed);
/* Replaces the feed's content by the next `capacity` events of the stream. */
void bench_feed_fill(bench_feed *feed, bench_stream *stream);

static inline weir_span bench_feed_payload(const bench_feed *feed, size_t index)
{
    return weir_span_of(feed->bytes + index * BENCH_PAYLOAD_SIZE, feed->sizes[index]);
}

#endif
