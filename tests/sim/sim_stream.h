/* The transactions and labels of a run, and what should come of them: what the offline engine makes of the same logs.
 */
#ifndef WEIR_TESTS_SIM_STREAM_H
#define WEIR_TESTS_SIM_STREAM_H

#include "sim/sim_broker.h"

#include "weir/app/rules.h"
#include "weir/base/rng.h"

typedef enum sim_quirk { /* of a stream */
    SIM_EVEN,
    SIM_EMPTY_PARTITION, /* the last partition has no cards */
    SIM_EARLY_END,       /* the cards of the last but one stop after a third of the time */
    SIM_QUIRK_COUNT
} sim_quirk;

typedef struct sim_stream {
    size_t event_count;
    int64_t step_us;     /* event time from one transaction to the next */
    int64_t late_us_max; /* one in ten is up to that late */
    sim_quirk quirk;
} sim_stream;

typedef struct sim_wanted { /* one message of an output */
    int64_t offset;         /* of its transaction */
    weir_span payload;      /* owned */
} sim_wanted;

typedef struct sim_wanted_list { /* of an output's partition, by offset */
    sim_wanted *items;
    size_t count, size;
} sim_wanted_list;

typedef struct sim_expected {
    sim_wanted_list outputs[SIM_TOPIC_OUTPUTS][SIM_PARTITIONS];
} sim_expected;

/* Fills the cluster's logs as producers would, and works out what should come of them. */
void sim_stream_fill(const sim_stream *stream, const weir_rules *rules, bool score_features, weir_rng *rng,
                     sim_cluster *cluster, sim_expected *expected_out);
void sim_expected_deinit(sim_expected *expected);

/* Whether the cluster's outputs hold what was expected, once each and byte for byte; with one stage also in order.
 * Says what is wrong first, after `who`. */
bool sim_expected_met(const sim_expected *expected, const sim_cluster *cluster, const char *who);

/* The clock of all simulated processes: weir_clock's two readings. */
extern int64_t sim_now_us;
int64_t sim_wall_us(void);

#endif
