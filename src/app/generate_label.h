/* Labels of synthetic transactions: when it becomes known what each was, kept until then in order of label time. */
#ifndef WEIR_APP_GENERATE_LABEL_H
#define WEIR_APP_GENERATE_LABEL_H

#include "app/generate_card.h"

/* One label to come; 40 bytes. */
typedef struct generate_label {
    int64_t label_time_us, event_time_us;
    uint64_t sequence; /* of the transaction */
    uint32_t card;
    uint8_t verdict; /* weir_label_verdict */
    uint8_t cause;   /* row in the table of causes */
} generate_label;

/* A binary heap, the earliest first. */
typedef struct generate_labels {
    uint64_t seed; /* what becomes known does not change what is bought */
    generate_label *items;
    size_t count, capacity;
} generate_labels;

/* Room for the labels that so many transactions a day, so much of them fraud, leave pending. */
size_t generate_labels_capacity(double events_per_day, double fraud_share);

/* Draws what becomes known of a transaction and when, and keeps it: nothing of most, one label of fraud and of what was
 * looked into, two of what was taken for fraud and was not. Without room nothing becomes known.
 * `about` says which transaction; returns its first label, zeroed when there is none. */
generate_label generate_labels_add(generate_labels *labels, const generate_card *card,
                                   const generate_purchase *purchase, generate_label about);

/* Takes the earliest if it is due. */
bool generate_labels_take(generate_labels *labels, int64_t until_us, generate_label *label_out);

/* "chargeback", "fraud desk": who said it. Static text. */
const char *generate_label_source(const generate_label *label);

#endif
