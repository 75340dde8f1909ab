/* The engine over a file instead of a topic: the same decode, table, features and scores, through the same chain of
 * stages, in one process, in log order.
 *
 * Messages are dealt to partitions as a Kafka producer would deal them (murmur2 of the card token) and numbered per
 * partition, so that an alert made here has the id and the content it has in a topic that was filled in the
 * same order. A label takes its place in time: it is there for the first transaction that happened at its label time
 * or later, and for none before. Nothing is durable: the state is RAM alone.
 */
#ifndef WEIR_APP_OFFLINE_H
#define WEIR_APP_OFFLINE_H

#include "weir/app/pipeline.h"
#include "weir/app/rules.h"

/* Called for each message in the order of push, once its batch is through. Everything is borrowed until it returns. */
typedef weir_status weir_offline_visit(void *context, const weir_job *job, const weir_source *source, uint64_t number);

/* The next label in the order of their times; false when there is none left. Text is borrowed until the next call. */
typedef bool weir_offline_labels(void *context, weir_label *label_out);

typedef struct weir_offline_options {
    const weir_rules *rules;
    const char *topic;           /* in alert ids; borrowed */
    int32_t partition_count;     /* >= 1 */
    weir_decode_limits limits;   /* payloads below 64 KiB; a larger message is cut there, and so oversized */
    weir_offline_visit *visit;   /* a failure it returns ends the run */
    void *context;
    weir_offline_labels *labels; /* NULL: there are none */
    void *labels_context;
} weir_offline_options;

typedef struct weir_offline weir_offline;

WEIR_MUST_USE weir_status weir_offline_open(const weir_offline_options *options, weir_offline **offline_out,
                                            weir_error *error);

/* Takes one message (copied); `number` comes back with the visit (a line number, say). now_us judges the far future. */
WEIR_MUST_USE weir_status weir_offline_push(weir_offline *offline, weir_span message, uint64_t number, int64_t now_us,
                                            weir_error *error);

/* How many labels had each outcome so far. */
void weir_offline_labellings(const weir_offline *offline, uint64_t counts_out[WEIR_LABELLING_COUNT]);

/* Runs what is still waiting for a full batch. */
WEIR_MUST_USE weir_status weir_offline_flush(weir_offline *offline, weir_error *error);

void weir_offline_close(weir_offline *offline);

#endif
