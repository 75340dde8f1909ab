/* What the demo knows and the engine does not: which transactions are fraud, of which pattern, and when each was sent.
 * Alerts are held against it as they arrive. One thread adds, another hears alerts: every call takes a lock. */
#ifndef WEIR_CLI_DEMO_TALLY_H
#define WEIR_CLI_DEMO_TALLY_H

#include "cli/demo_reasons.h"
#include "weir/app/generate.h"
#include "weir/metrics/histogram.h"

#include <pthread.h>

typedef struct demo_sent {
    uint64_t id_hash; /* 0 = free */
    int64_t sent_us;
    uint8_t pattern;
    bool alerted;
    demo_reasons reasons; /* of the alert */
} demo_sent;

typedef struct demo_tally {
    pthread_mutex_t lock;
    demo_sent *slots;
    size_t slot_count; /* a power of two, at least twice what is added */
    uint64_t sent[WEIR_FRAUD_COUNT], alerted[WEIR_FRAUD_COUNT];
    uint64_t alerts, repeated, unknown;
    double threshold_least;    /* of all alerts; 1 before the first */
    weir_histogram latency_us; /* sent -> alert read */
} demo_tally;

WEIR_MUST_USE weir_status demo_tally_open(demo_tally *tally, size_t transaction_max, weir_error *error);
void demo_tally_close(demo_tally *tally);

/* Notes a transaction about to be sent. */
void demo_tally_sent(demo_tally *tally, weir_span transaction_id, weir_fraud_pattern pattern, int64_t now_us);

/* Notes an alert. Gives the pattern and how long it took. False for one about a transaction never sent, or repeated. */
bool demo_tally_alert(demo_tally *tally, const Weir__V1__Alert *alert, const weir_conf_list *stages, int64_t now_us,
                      weir_fraud_pattern *pattern_out, int64_t *latency_us_out);

/* Prints precision and recall, overall and by pattern; what each stage's features caught; and the latency. */
void demo_tally_print(demo_tally *tally, const weir_conf_list *stages);

#endif
