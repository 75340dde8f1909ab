/* Transactions as they arrive: bytes in, a checked event out, or the reason why not.
 *
 * The decoder is hand-written for the event path (39 ns against protobuf-c's 146-198 ns) and is
 * held against protobuf-c on every input of the fuzz corpus. It accepts what protobuf accepts
 * (unknown fields, repeated scalars: last wins, merged sub-messages) and then checks meaning.
 */
#ifndef WEIR_CODEC_TRANSACTION_H
#define WEIR_CODEC_TRANSACTION_H

#include "weir/base/span.h"
#include "weir/codec/frame.h"
#include "weir/core/event.h"

/* Why a record cannot be processed. Codes are stable: they are metric labels and dead-letter headers. */
typedef enum weir_reject {
    WEIR_ACCEPTED = 0,
    WEIR_REJECT_EMPTY,         /* no payload (a tombstone) */
    WEIR_REJECT_OVERSIZED,     /* payload larger than the limit */
    WEIR_REJECT_BAD_FRAME,
    WEIR_REJECT_UNDECODABLE,   /* not the message of its topic: a weir.v1.Transaction, a weir.v1.Label */
    WEIR_REJECT_INVALID_UTF8,  /* a text field is not UTF-8, or has a NUL in it */
    WEIR_REJECT_MISSING_FIELD, /* a transaction's id, card_token, event_time_us or currency; a label's (label.h) */
    WEIR_REJECT_ABSURD_FIELD,  /* out of any sensible range; the detail names the field */
    WEIR_REJECT_CARD_NUMBER,   /* the token is a card number: 13-19 digits passing Luhn; payload and key are withheld */
    WEIR_REJECT_FAR_FUTURE,    /* event time further ahead of the clock than allowed */
    WEIR_REJECT_COUNT
} weir_reject;

/* Stable snake_case code ("card_number") and one sentence for people, from the same row. */
const char *weir_reject_code(weir_reject reject);
const char *weir_reject_text(weir_reject reject);

typedef struct weir_decode_limits {
    weir_framing framing;
    size_t payload_size_max;  /* bytes; 0 = 4096 */
    int64_t future_us_max;    /* how far ahead of now_us an event may be; 0 = one hour; INT64_MAX = any */
    int64_t event_time_us_min; /* older is absurd; 0 = 1990-01-01. Past the year 9999 is absurd in any case */
} weir_decode_limits;

typedef struct weir_transaction {
    weir_event event;
    weir_span transaction_id, card_token, merchant_id, terminal_id, device_id; /* borrowed from the payload */
    uint64_t card_hash;       /* weir_hash(card_token), for the table */
    const char *reject_field; /* the field at fault, or NULL; static text */
} weir_transaction;

/* Strips the frame, decodes, checks. Identifiers may be up to 128 bytes each.
 *
 * Units:  now_us is the wall clock in microseconds since 1970 UTC.
 * Gives:  *transaction_out (also partly on rejection: reject_field).
 * Thread: any. Cost: tens of nanoseconds, no allocation.
 */
weir_reject weir_transaction_decode(weir_span payload, const weir_decode_limits *limits, int64_t now_us,
                                    weir_transaction *transaction_out);

/* Fills in the hashes that a transaction's text is known by (the event's, and card_hash), but for the device's. */
void weir_transaction_hash_texts(weir_transaction *transaction);

/* Whether text is 13-19 digits (single spaces or dashes between are ignored) that pass Luhn. */
bool weir_is_card_number(weir_span text);

/* Every wire field as plain values, for writing. Text is borrowed; NULL/empty text and zero numbers are left out. */
typedef struct weir_transaction_fields {
    weir_span transaction_id, card_token, currency, merchant_id, terminal_id, merchant_country, device_id;
    int64_t event_time_us, amount_minor;
    uint32_t mcc;
    int channel, entry_mode, outcome;
    bool has_location;
    double latitude, longitude;
} weir_transaction_fields;

/* Reads the wire only (no frame, no checks of meaning): text is borrowed from `message`.
 * False when the bytes are not a weir.v1.Transaction; *fields_out is then untouched. */
bool weir_transaction_read(weir_span message, weir_transaction_fields *fields_out);

/* Writes the protobuf message (no frame), byte-identical to protobuf-c's packing. Sticky failure of the writer. */
void weir_transaction_encode(const weir_transaction_fields *fields, weir_writer *writer);

#endif
