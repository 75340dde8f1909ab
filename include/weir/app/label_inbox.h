/* Labels of one source partition that have come and not yet been applied: they wait for their time.
 *
 *   label log ... [applied ─────────][in the inbox, some done ──][not fetched ...
 *                                    applied_next                fetched_next
 *
 * A bounded ring in the log's order, which is that of label times. One may be done before those in front of it; it
 * leaves with them. Text is copied. Thread: the worker's.
 */
#ifndef WEIR_APP_LABEL_INBOX_H
#define WEIR_APP_LABEL_INBOX_H

#include "weir/base/status.h"
#include "weir/broker/broker.h"
#include "weir/codec/label.h"

/* The ring (a power of two), and how full it may get before its lane is held: one more poll finds room. */
enum {
    WEIR_LABEL_INBOX_SIZE = 2 * WEIR_POLL_LANE_MAX,
    WEIR_LABEL_INBOX_FULL = WEIR_LABEL_INBOX_SIZE - WEIR_POLL_LANE_MAX - 1
};

typedef struct weir_label_slot weir_label_slot;

typedef struct weir_label_inbox {
    weir_label_slot *slots; /* NULL until the first label comes */
    uint32_t head, count;
    int64_t applied_next, fetched_next; /* offsets in the label log */
} weir_label_inbox;

void weir_label_inbox_init(weir_label_inbox *inbox, int64_t from);
void weir_label_inbox_deinit(weir_label_inbox *inbox);

/* Takes in a label. Expects: room (checked) and an offset not below fetched_next. Fails: WEIR_FULL without memory. */
WEIR_MUST_USE weir_status weir_label_inbox_put(weir_label_inbox *inbox, const weir_label *label, int64_t offset);
/* Notes that the record at `offset` is no label worth keeping. */
void weir_label_inbox_pass(weir_label_inbox *inbox, int64_t offset);

/* The label at a place (0: the oldest) and its offset; NULL when it is done. Borrowed until it is. The oldest is
 * never done. */
const weir_label *weir_label_inbox_at(const weir_label_inbox *inbox, uint32_t place, int64_t *offset_out);
/* The label at a place is done with. It leaves when all before it have: see drop. */
void weir_label_inbox_done(weir_label_inbox *inbox, uint32_t place);
/* Lets go what is done at the front. */
void weir_label_inbox_drop(weir_label_inbox *inbox);

#endif
