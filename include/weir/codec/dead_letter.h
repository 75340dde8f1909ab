/* A dead letter: the record as it came, with headers that say why it could not be processed.
 *
 * The headers are named as Kafka Connect names them (KIP-298), so that the tools people have for Connect's
 * dead-letter topics read weir's. A card number is the exception to "as it came": neither payload nor key
 * is kept, only where the record stands in its topic.
 */
#ifndef WEIR_CODEC_DEAD_LETTER_H
#define WEIR_CODEC_DEAD_LETTER_H

#include "weir/base/arena.h"
#include "weir/base/status.h"
#include "weir/codec/output.h"
#include "weir/codec/transaction.h"

enum { WEIR_DEAD_LETTER_HEADER_COUNT = 9, WEIR_DEAD_LETTER_MEMORY_SIZE = 1024 };

typedef struct weir_dead_letter_header {
    const char *name;
    const char *value;
} weir_dead_letter_header;

typedef struct weir_dead_letter {
    weir_span key, payload; /* borrowed from the record; NULL data when withheld */
    weir_dead_letter_header headers[WEIR_DEAD_LETTER_HEADER_COUNT];
} weir_dead_letter;

/* The record at fault and who found it. */
typedef struct weir_dead_letter_cause {
    weir_source source;
    weir_span key, payload;
    const char *group;        /* the consumer group: __connect.errors.connector.name */
    int32_t task;             /* the worker: __connect.errors.task.id */
    weir_reject reject;       /* not WEIR_ACCEPTED */
    const char *reject_field; /* weir_transaction.reject_field, or NULL */
} weir_dead_letter_cause;

/* Lays out the dead letter of one record.
 *
 * Gives:  *letter_out borrows key and payload from the cause and header values from the arena, which needs
 *         WEIR_DEAD_LETTER_MEMORY_SIZE bytes for Kafka's longest names (249 characters for topic and group).
 *         The payload is withheld for WEIR_REJECT_CARD_NUMBER; the key then, and whenever it is a card number itself.
 * Fails:  WEIR_FULL when the arena is.
 */
WEIR_MUST_USE weir_status weir_dead_letter_format(const weir_dead_letter_cause *cause, weir_arena *arena,
                                                  weir_dead_letter *letter_out);

#endif
