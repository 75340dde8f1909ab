/* Histories by card number: what a bench of features alone needs, without a table to find them in. */
#ifndef BENCH_SUPPORT_CARDS_H
#define BENCH_SUPPORT_CARDS_H

#include "rules.h"
#include "stream.h"
#include "weir/state/state.h"

typedef struct bench_cards {
    size_t count;
    weir_history *histories;
    weir_memory *memory;
} bench_cards;

void bench_cards_open(bench_cards *cards, size_t count);
void bench_cards_close(bench_cards *cards);

/* Runs the feed through the engine in batches; gives nanoseconds an event. Every event must be new to its card. */
double bench_cards_score(bench_cards *cards, const bench_rules *rules, const bench_feed *feed);

/* Fills `feed` from the stream and runs it, untimed, until the stream has moved on by `span_us`. */
void bench_cards_warm(bench_cards *cards, const bench_rules *rules, bench_feed *feed, bench_stream *stream,
                      int64_t span_us);

#endif
