#include "stream.h"

#include "bench.h"
#include "weir/base/check.h"
#include "weir/base/cursor.h"
#include "weir/codec/transaction.h"

#include <math.h>
#include <stdlib.h>

#define START_US INT64_C(1767225600000000) /* 2026-01-01T00:00:00Z */

enum { TERMINAL_COUNT = 20000, LARGE_PER_THOUSAND = 20, LARGE_MINOR = 90000, SMALL_MINOR = 50000 };

void bench_stream_open(bench_stream *stream, uint64_t seed, size_t card_count, double zipf_exponent, int64_t step_us)
{
    *stream = (bench_stream){.rng = {seed},
                             .card_count = card_count,
                             .terminal_count = TERMINAL_COUNT,
                             .time_us = START_US,
                             .step_us = step_us};
    if (zipf_exponent == 0)
        return;
    stream->cumulative = bench_take(card_count * sizeof(double));
    double sum = 0;
    for (size_t i = 0; i < card_count; i++)
        stream->cumulative[i] = sum += pow((double)(i + 1), -zipf_exponent);
}

void bench_stream_close(bench_stream *stream)
{
    free(stream->cumulative);
    *stream = (bench_stream){0};
}

static size_t draw_card(bench_stream *stream)
{
    if (!stream->cumulative)
        return weir_rng_below(&stream->rng, stream->card_count);
    double wanted = weir_rng_unit(&stream->rng) * stream->cumulative[stream->card_count - 1];
    size_t low = 0, high = stream->card_count - 1;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (stream->cumulative[middle] > wanted)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

static weir_span write_hex(char *text, uint64_t value, size_t digit_count)
{
    for (size_t i = digit_count; i-- > 0; value >>= 4)
        text[i] = "0123456789abcdef"[value & 15];
    return weir_span_of(text, digit_count);
}

/* 16 characters; the letter in front, because digits alone could pass for a card number and be refused. */
static weir_span write_token(char text[16], size_t card)
{
    text[0] = 'c';
    write_hex(text + 1, (card + 1) * 0x9e3779b97f4a7c15u, 15);
    return weir_span_of(text, 16);
}

/* One of the two in a hundred that the bench model alerts on, or an everyday amount. */
static int64_t draw_amount_minor(weir_rng *rng)
{
    if (weir_rng_below(rng, 1000) < LARGE_PER_THOUSAND)
        return LARGE_MINOR + (int64_t)weir_rng_below(rng, LARGE_MINOR);
    return 100 + (int64_t)weir_rng_below(rng, SMALL_MINOR);
}

static size_t write_payload(bench_stream *stream, size_t card, uint8_t *payload_out)
{
    char id[16], token[16], merchant[8], terminal[8], device[16];
    uint64_t shop = weir_rng_below(&stream->rng, stream->terminal_count);
    weir_transaction_fields fields = {
        .transaction_id = write_hex(id, stream->event_count, sizeof id),
        .card_token = write_token(token, card),
        .currency = weir_span_text("EUR"),
        .merchant_id = write_hex(merchant, shop, sizeof merchant),
        .terminal_id = write_hex(terminal, shop * 4, sizeof terminal),
        .merchant_country = weir_span_text("DE"),
        .device_id = write_hex(device, card, sizeof device),
        .event_time_us = stream->time_us,
        .amount_minor = draw_amount_minor(&stream->rng),
        .mcc = 5411,
        .channel = WEIR_CHANNEL_POS,
        .entry_mode = WEIR_ENTRY_CHIP,
        .outcome = WEIR_OUTCOME_APPROVED,
        .has_location = true,
        .latitude = 52.5 + (double)shop * 1e-6,
        .longitude = 13.4,
    };
    weir_writer writer = weir_writer_of(payload_out, BENCH_PAYLOAD_SIZE);
    weir_transaction_encode(&fields, &writer);
    weir_check(!writer.failed);
    return writer.used;
}

void bench_feed_open(bench_feed *feed, size_t capacity)
{
    *feed = (bench_feed){
        .capacity = capacity,
        .bytes = bench_take(capacity * BENCH_PAYLOAD_SIZE),
        .sizes = bench_take(capacity * sizeof(uint32_t)),
        .cards = bench_take(capacity * sizeof(uint32_t)),
        .events = bench_take(capacity * sizeof(weir_event)),
    };
}

void bench_feed_close(bench_feed *feed)
{
    free(feed->bytes);
    free(feed->sizes);
    free(feed->cards);
    free(feed->events);
    *feed = (bench_feed){0};
}

void bench_feed_fill(bench_feed *feed, bench_stream *stream)
{
    const weir_decode_limits limits = {.future_us_max = INT64_MAX};
    for (size_t i = 0; i < feed->capacity; i++) {
        size_t card = draw_card(stream);
        feed->cards[i] = (uint32_t)card;
        feed->sizes[i] = (uint32_t)write_payload(stream, card, feed->bytes + i * BENCH_PAYLOAD_SIZE);
        weir_transaction decoded;
        weir_reject reject = weir_transaction_decode(bench_feed_payload(feed, i), &limits, 0, &decoded);
        weir_check(reject == WEIR_ACCEPTED);
        feed->events[i] = decoded.event;
        stream->time_us += stream->step_us;
        stream->event_count++;
    }
    feed->count = feed->capacity;
}
