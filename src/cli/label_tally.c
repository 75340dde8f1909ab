#include "cli/label_tally.h"

#include "weir/base/check.h"
#include "weir/base/hash.h"
#include "weir/codec/json.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

weir_status label_tally_open(label_tally *tally, size_t record_max, weir_error *error)
{
    weir_check(record_max > 0 && record_max < UINT32_MAX);
    *tally = (label_tally){.record_max = record_max, .chain_count = 1};
    while (tally->chain_count < record_max)
        tally->chain_count *= 2;
    tally->records = calloc(record_max, sizeof *tally->records);
    tally->chains = calloc(tally->chain_count, sizeof *tally->chains);
    if (tally->records && tally->chains)
        return WEIR_OK;
    label_tally_close(tally);
    return weir_error_set(error, WEIR_FULL, "no memory to remember %zu transactions", record_max);
}

void label_tally_close(label_tally *tally)
{
    free(tally->records);
    free(tally->chains);
    *tally = (label_tally){0};
}

/* ---- records --------------------------------------------------------------------------------------------- */

static uint32_t *chain_of(label_tally *tally, uint64_t transaction)
{
    return &tally->chains[transaction & (tally->chain_count - 1)];
}

static void forget_oldest(label_tally *tally)
{
    const label_record *record = &tally->records[tally->oldest];
    uint32_t *link = chain_of(tally, record->transaction);
    while (*link != tally->oldest + 1) {
        weir_check(*link != 0);
        link = &tally->records[*link - 1].next;
    }
    *link = record->next;
    tally->forgotten++;
}

/* The index of a free record: one never used, or the oldest's. */
static size_t make_room(label_tally *tally)
{
    if (tally->record_count < tally->record_max)
        return tally->record_count++;
    size_t index = tally->oldest;
    forget_oldest(tally);
    tally->oldest = (index + 1) % tally->record_max;
    return index;
}

/* The transaction's record; a new one says neither alerted nor labelled. */
static label_record *find_or_add(label_tally *tally, weir_span transaction_id)
{
    uint64_t transaction = weir_hash(transaction_id);
    uint32_t *chain = chain_of(tally, transaction);
    for (uint32_t at = *chain; at != 0; at = tally->records[at - 1].next)
        if (tally->records[at - 1].transaction == transaction)
            return &tally->records[at - 1];
    size_t index = make_room(tally);
    tally->records[index] = (label_record){.transaction = transaction, .next = *chain};
    *chain = (uint32_t)index + 1;
    return &tally->records[index];
}

/* Models name a handful; one too many, or too long a name, is not known. */
static uint8_t severity_of(label_tally *tally, weir_span name)
{
    if (name.size >= LABEL_TALLY_SEVERITY_SIZE)
        return 0;
    for (int i = 0; i < LABEL_TALLY_SEVERITY_MAX; i++) {
        if (i > 0 && tally->severities[i][0] == '\0')
            memcpy(tally->severities[i], name.data, name.size);
        if (weir_span_is(name, tally->severities[i]))
            return (uint8_t)i;
    }
    return 0;
}

/* ---- counting -------------------------------------------------------------------------------------------- */

static uint64_t *count_of(label_tally *tally, const label_record *record)
{
    return &tally->counts[record->fraud][record->alerted];
}

void label_tally_alert(label_tally *tally, weir_span transaction_id, double score, weir_span severity)
{
    label_record *record = find_or_add(tally, transaction_id);
    if (record->labelled)
        --*count_of(tally, record);
    record->alerted = true;
    record->score = score;
    record->severity = severity_of(tally, severity);
    if (record->labelled)
        ++*count_of(tally, record);
}

const label_record *label_tally_label(label_tally *tally, weir_span transaction_id, bool fraud)
{
    label_record *record = find_or_add(tally, transaction_id);
    if (record->labelled)
        --*count_of(tally, record);
    record->labelled = true;
    record->fraud = fraud;
    ++*count_of(tally, record);
    return record;
}

/* ---- writing --------------------------------------------------------------------------------------------- */

static void write_literal(weir_writer *json, const char *text)
{
    weir_write_bytes(json, text, strlen(text));
}

void label_tally_write_record(const label_tally *tally, const label_record *record, weir_writer *json)
{
    const char *severity = tally->severities[record->severity];
    write_literal(json, record->alerted ? "\"alerted\":true,\"severity\":" : "\"alerted\":false,\"severity\":");
    if (record->alerted && *severity)
        weir_json_write_text(json, weir_span_text(severity));
    else
        write_literal(json, "null");
    write_literal(json, ",\"score\":");
    weir_json_write_double(json, record->alerted ? record->score : NAN);
}

/* NaN, which JSON has as null, of nothing. */
static double share(uint64_t part, uint64_t rest)
{
    return part + rest ? (double)part / (double)(part + rest) : NAN;
}

void label_tally_write(const label_tally *tally, weir_writer *json)
{
    uint64_t true_positives = tally->counts[1][1], false_positives = tally->counts[0][1];
    uint64_t false_negatives = tally->counts[1][0], true_negatives = tally->counts[0][0];
    char text[256];
    int size = snprintf(text, sizeof text,
                        "{\"labels\":%" PRIu64 ",\"true_positives\":%" PRIu64 ",\"false_positives\":%" PRIu64
                        ",\"false_negatives\":%" PRIu64 ",\"true_negatives\":%" PRIu64 ",\"precision\":",
                        true_positives + false_positives + false_negatives + true_negatives, true_positives,
                        false_positives, false_negatives, true_negatives);
    weir_check(size > 0 && (size_t)size < sizeof text);
    write_literal(json, text);
    weir_json_write_double(json, share(true_positives, false_positives));
    write_literal(json, ",\"recall\":");
    weir_json_write_double(json, share(true_positives, false_negatives));
    write_literal(json, "}");
}
