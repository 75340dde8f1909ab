/* What weir said of transactions, held against what was learned of them later: alerts and labels in any order, a record
 * a transaction, in bounded memory. A label of a transaction nobody remembers counts as not alerted.
 *
 * Records are a ring in order of arrival; chains of them by hash find one. When the ring is full the oldest record is
 * forgotten: what it counted for stays counted.
 */
#ifndef WEIR_CLI_LABEL_TALLY_H
#define WEIR_CLI_LABEL_TALLY_H

#include "weir/base/cursor.h"
#include "weir/base/status.h"

enum { LABEL_TALLY_SEVERITY_MAX = 64, LABEL_TALLY_SEVERITY_SIZE = 32 };

typedef struct label_record {
    uint64_t transaction; /* weir_hash of its id */
    double score;         /* of the alert */
    uint32_t next;        /* in its chain: index + 1; 0 = it is the last */
    uint8_t severity;     /* index in severities */
    bool alerted, labelled, fraud;
} label_record;

_Static_assert(sizeof(label_record) == 24, "millions are kept");

typedef struct label_tally {
    label_record *records;
    uint32_t *chains; /* by hash: index + 1 of the first record; 0 = none */
    size_t record_max, chain_count;
    size_t record_count;
    size_t oldest; /* index of the record to forget next, once the ring is full */
    uint64_t forgotten;
    uint64_t counts[2][2]; /* transactions, by [fraud][alerted] */
    char severities[LABEL_TALLY_SEVERITY_MAX][LABEL_TALLY_SEVERITY_SIZE]; /* [0] is "": not known */
} label_tally;

/* Room for record_max transactions, taken from the system as it is used. Fails: WEIR_FULL. */
WEIR_MUST_USE weir_status label_tally_open(label_tally *tally, size_t record_max, weir_error *error);
void label_tally_close(label_tally *tally);

/* Notes an alert; also one that comes after its label. */
void label_tally_alert(label_tally *tally, weir_span transaction_id, double score, weir_span severity);

/* Notes a label, in place of an earlier one of the transaction. Gives its record, valid until the next call. */
const label_record *label_tally_label(label_tally *tally, weir_span transaction_id, bool fraud);

/* Appends `"alerted":true,"severity":"block","score":0.98` for a record, with nulls when there was no alert. */
void label_tally_write_record(const label_tally *tally, const label_record *record, weir_writer *json);

/* Appends the tally as an object: labels, true_positives, false_positives, false_negatives, true_negatives, precision
 * and recall; the last two are null while there is nothing to take a share of. */
void label_tally_write(const label_tally *tally, weir_writer *json);

#endif
