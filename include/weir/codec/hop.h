/* What travels from one stage to the next: a batch of events with the values gathered so far, and of labels, from one
 * source to one partition of the next stage's internal topic.
 *
 *   record   version | layout of the plan | source partition | sequence base | registers an event | base | entries ...
 *   event    sequence beyond the base | origin partition, offset, unless it is the source's | registers, packed
 *            | the transaction, decoded, as a difference from the base (src/codec/hop_transaction.h)
 *   label    sequence | which transaction, of which entities | label time or "cleared"
 *
 * A *sequence* is an entry's place in its source's log. It rises from event to event of one source, and nearly so from
 * label to label: the receiving stage remembers what it has had of each and drops the rest. Registers are packed by
 * value: missing, a small whole number, hundredths (money, as a rule), a double; they come back to the bit.
 *
 * The form is weir's own and internal: only instances of one group read it. Version 1.
 */
#ifndef WEIR_CODEC_HOP_H
#define WEIR_CODEC_HOP_H

#include "weir/base/cursor.h"
#include "weir/codec/transaction.h"
#include "weir/core/plan.h"

typedef struct weir_hop_head {
    uint64_t layout;          /* weir_plan_layout of the sender's plan */
    int32_t source_partition; /* of the sending stage's input topic */
    int64_t sequence_base;    /* no event of the record is before it */
    uint32_t register_count;  /* an event */
    weir_event base;          /* what the events are like: time, currency, country, codes */
} weir_hop_head;

typedef enum weir_hop_kind { WEIR_HOP_EVENT, WEIR_HOP_LABEL } weir_hop_kind;

typedef struct weir_hop_event {
    int32_t origin_partition; /* of the transactions topic */
    int64_t origin_offset;
    const double *registers;  /* register_count of the head; writing borrows, reading fills the caller's */
    const weir_transaction *transaction; /* as decoded; writing borrows, reading fills the caller's: no device id */
} weir_hop_event;

typedef struct weir_hop_label {
    uint64_t transaction;                  /* hash, as in weir_event */
    uint64_t entities[WEIR_ENTITY_COUNT];  /* of the event it marks; 0 = none */
    int64_t event_time_us, label_time_us;  /* label_time_us INT64_MAX: cleared */
    int64_t known_us;                      /* when the label itself became known */
} weir_hop_label;

typedef struct weir_hop_entry {
    weir_hop_kind kind;
    int64_t sequence; /* >= 0 */
    union {
        weir_hop_event event;
        weir_hop_label label;
    };
} weir_hop_entry;

/* Makes a head that of a batch: of entries whose events have a sequence not before this one and are like `like`, which
 * may be NULL: the closer, the smaller is the record. */
void weir_hop_rebase(weir_hop_head *head, int64_t sequence, const weir_event *like);

/* Each appends to a record begun by weir_hop_begin. Sticky failure of the writer. */
void weir_hop_begin(weir_writer *record, const weir_hop_head *head);
void weir_hop_write(weir_writer *record, const weir_hop_head *head, const weir_hop_entry *entry);

/* Bytes that the head, and an entry, may need. */
enum { WEIR_HOP_HEAD_SIZE_MAX = 112 };
size_t weir_hop_entry_size_max(const weir_hop_head *head, const weir_hop_entry *entry);

/* Opens a record for reading. False when it is not one, or of a version this weir does not know. */
bool weir_hop_open(weir_span record, weir_reader *reader_out, weir_hop_head *head_out);

/* The next entry; an event's registers go to registers_out (register_count of them), its transaction to
 * transaction_out, with text borrowed from the record. False at the end and on malformed bytes: `reader->failed` tells
 * which. */
bool weir_hop_next(weir_reader *reader, const weir_hop_head *head, double *registers_out,
                   weir_transaction *transaction_out, weir_hop_entry *entry_out);

#endif
