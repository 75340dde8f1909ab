/* Synthetic card transactions with labelled fraud, in event-time order, for demos, training and tests; and what becomes
 * known of them, later, in the order in which it does.
 *
 * Cards live in a city, have a spending level, favourite merchants, a phone, a rhythm of day and week; they travel,
 * mistype, get declined and buy a television now and then. Some are hit by fraud. Fraud overlaps with
 * what honest people do (bursts of app purchases, sprees, new phones, trips), so that no model finds all of it. Half of
 * the fraud sits at places: terminals that copy cards and merchants whose stored cards leaked, where purchases like any
 * others turn out, days later, not to have been the cardholder's.
 * The same configuration gives the same transactions. Nothing here is about real people, cards or merchants.
 *
 * Read next: src/app/generate_episode.c (the patterns), src/app/generate_place.c (compromised places),
 *            src/app/generate_label.c (what becomes known), src/app/generate_world.c (cities, trades, merchants).
 */
#ifndef WEIR_APP_GENERATE_H
#define WEIR_APP_GENERATE_H

#include "weir/base/status.h"
#include "weir/codec/label.h"
#include "weir/codec/transaction.h"

typedef enum weir_fraud_pattern {
    WEIR_FRAUD_NONE,
    WEIR_FRAUD_CARD_TESTING,     /* small e-commerce amounts in quick succession, many declined, then a large one */
    WEIR_FRAUD_ACCOUNT_TAKEOVER, /* another device, unknown shops, rising amounts, mostly at night */
    WEIR_FRAUD_STOLEN_FAR,       /* the card is read far away, too soon after its owner used it at home */
    WEIR_FRAUD_BUST_OUT,         /* spending creeps up for weeks, then the limit is emptied */
    WEIR_FRAUD_COMPROMISED_TERMINAL, /* ordinary purchases of many cards at one terminal, for a while */
    WEIR_FRAUD_COMPROMISED_MERCHANT, /* the same with cards on file at one online merchant */
    WEIR_FRAUD_COUNT
} weir_fraud_pattern;

/* "none", "card_testing", "account_takeover", "stolen_far", "bust_out", "compromised_terminal",
 * "compromised_merchant". */
const char *weir_fraud_pattern_name(weir_fraud_pattern pattern);

typedef struct weir_generator_config {
    uint64_t seed;
    uint32_t card_count;      /* 1 .. 20,000,000; about 200 bytes of memory each, labels to come included */
    double events_per_day;    /* a card, on average; 0 = 2; at most 1000 */
    double fraud_share;       /* of all events, about; 0 = 0.007; at most 0.2; negative = none */
    int64_t start_us;         /* 0 = 2025-01-01T00:00:00Z; from 1990 on */
    int64_t duration_us;      /* 0 = without end */
} weir_generator_config;

/* What a transaction is, and what is first said of it. */
typedef struct weir_generated_label {
    weir_fraud_pattern pattern; /* the truth; WEIR_FRAUD_NONE: an honest transaction */
    /* WEIR_LABEL_UNSPECIFIED: nothing is ever said, as of most honest ones. Some of those are looked into and
     * cleared; a few are said to be fraud, and cleared only later. */
    weir_label_verdict verdict;
    int64_t label_time_us; /* when it is said, hours to weeks later; 0 = never */
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

/* The next thing that becomes known: labels whose time is at or before that of the last transaction given, and when the
 * duration is over all the others. Times never go back. False when there is none (yet): a caller that takes
 * all of them after each transaction, and sends them before it, sends everything in the order of its time.
 *
 * Gives: text in *label_out is borrowed from the generator until the next call.
 * Room is for three times the labels to be expected; a caller that never takes any makes the later ones be forgotten,
 * and their transactions say WEIR_LABEL_UNSPECIFIED.
 * Thread: as weir_generator_next. Cost: the same. */
bool weir_generator_next_label(weir_generator *generator, weir_label *label_out);

void weir_generator_close(weir_generator *generator);

#endif
