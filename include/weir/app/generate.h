/* Synthetic card transactions with labelled fraud, in event-time order, for demos, training and tests.
 *
 * Cards live in a city, have a spending level, favourite merchants, a phone, a rhythm of day and week; they travel,
 * mistype, get declined and buy a television now and then. Some are hit by fraud. Fraud overlaps with
 * what honest people do (bursts of app purchases, sprees, new phones, trips), so that no model finds all of it.
 * The same configuration gives the same transactions. Nothing here is about real people, cards or merchants.
 *
 * Read next: src/app/generate_episode.c (the patterns), src/app/generate_world.c (cities, trades, merchants).
 */
#ifndef WEIR_APP_GENERATE_H
#define WEIR_APP_GENERATE_H

#include "weir/base/status.h"
#include "weir/codec/transaction.h"

typedef enum weir_fraud_pattern {
    WEIR_FRAUD_NONE,
    WEIR_FRAUD_CARD_TESTING,     /* small e-commerce amounts in quick succession, many declined, then a large one */
    WEIR_FRAUD_ACCOUNT_TAKEOVER, /* another device, unknown shops, rising amounts, mostly at night */
    WEIR_FRAUD_STOLEN_FAR,       /* the card is read far away, too soon after its owner used it at home */
    WEIR_FRAUD_BUST_OUT,         /* spending creeps up for weeks, then the limit is emptied */
    WEIR_FRAUD_COUNT
} weir_fraud_pattern;

/* "none", "card_testing", "account_takeover", "stolen_far", "bust_out". */
const char *weir_fraud_pattern_name(weir_fraud_pattern pattern);

typedef struct weir_generator_config {
    uint64_t seed;
    uint32_t card_count;      /* 1 .. 20,000,000; about 200 bytes of memory each */
    double events_per_day;    /* a card, on average; 0 = 2; at most 1000 */
    double fraud_share;       /* of all events, about; 0 = 0.007; at most 0.2; negative = none */
    int64_t start_us;         /* 0 = 2025-01-01T00:00:00Z; from 1990 on */
    int64_t duration_us;      /* 0 = without end */
} weir_generator_config;

typedef struct weir_generated_label {
    weir_fraud_pattern pattern; /* WEIR_FRAUD_NONE: an honest transaction */
    int64_t label_time_us;      /* when the fraud becomes known, hours to weeks later; 0 for honest ones */
} weir_generated_label;

typedef struct weir_generator weir_generator;

/* Begins a stream of transactions.
 *
 * Owns:  *generator_out is the caller's, for weir_generator_close; its memory does not grow.
 * Fails: WEIR_INVALID when a number is out of its range; WEIR_FULL when there is no memory.
 */
WEIR_MUST_USE weir_status weir_generator_open(const weir_generator_config *config, weir_generator **generator_out,
                                              weir_error *error);

/* The next transaction; false when the duration is over. Times never go back.
 * Gives: text in *fields_out is borrowed from the generator until the next call.
 * Thread: one at a time per generator. Cost: under a microsecond, no allocation. */
bool weir_generator_next(weir_generator *generator, weir_transaction_fields *fields_out,
                         weir_generated_label *label_out);

void weir_generator_close(weir_generator *generator);

#endif
