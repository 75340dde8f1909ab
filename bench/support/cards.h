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

/* One case of a bench of features: cards that have lived through a horizon of traffic, an event each step_us, then
 * BENCH_RUN_COUNT runs of event_count events; the median of nanoseconds an event. longest_us scales the windows; 0 = as
 * the model has them. */
typedef struct bench_cards_case {
    const char *model_path;
    size_t card_count, event_count;
    int64_t horizon_us, longest_us, step_us;
} bench_cards_case;
double bench_cards_time(const bench_cards_case *one);

#endif
