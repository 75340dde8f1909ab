#include "weir/app/label_inbox.h"

#include "weir/base/check.h"

#include <stdlib.h>

enum { TEXT_SIZE = 128 }; /* identifiers are no longer */

struct weir_label_slot {
    weir_label label; /* its text is `transaction_id` and `card_token` below */
    int64_t offset;
    bool done;
    uint8_t transaction_id[TEXT_SIZE], card_token[TEXT_SIZE];
};

void weir_label_inbox_init(weir_label_inbox *inbox, int64_t from)
{
    *inbox = (weir_label_inbox){.applied_next = from, .fetched_next = from};
}

void weir_label_inbox_deinit(weir_label_inbox *inbox)
{
    free(inbox->slots);
    *inbox = (weir_label_inbox){0};
}

static weir_span keep(weir_span text, uint8_t *memory)
{
    weir_check(text.size <= TEXT_SIZE);
    memcpy(memory, text.data, text.size);
    return weir_span_of(memory, text.size);
}

weir_status weir_label_inbox_put(weir_label_inbox *inbox, const weir_label *label, int64_t offset)
{
    weir_check(inbox->count < WEIR_LABEL_INBOX_SIZE && offset >= inbox->fetched_next);
    if (!inbox->slots && !(inbox->slots = calloc(WEIR_LABEL_INBOX_SIZE, sizeof *inbox->slots)))
        return WEIR_FULL;
    weir_label_slot *slot = &inbox->slots[(inbox->head + inbox->count++) % WEIR_LABEL_INBOX_SIZE];
    slot->label = *label;
    slot->label.transaction_id = keep(label->transaction_id, slot->transaction_id);
    slot->label.card_token = keep(label->card_token, slot->card_token);
    slot->label.source = (weir_span){0};
    slot->offset = offset;
    slot->done = false;
    inbox->fetched_next = offset + 1;
    return WEIR_OK;
}

/* With nothing waiting before it, what is passed over is done with; else it goes with the label after it. */
void weir_label_inbox_pass(weir_label_inbox *inbox, int64_t offset)
{
    inbox->fetched_next = offset + 1;
    if (inbox->count == 0)
        inbox->applied_next = inbox->fetched_next;
}

static weir_label_slot *slot_at(const weir_label_inbox *inbox, uint32_t place)
{
    weir_check(place < inbox->count);
    return &inbox->slots[(inbox->head + place) % WEIR_LABEL_INBOX_SIZE];
}

const weir_label *weir_label_inbox_at(const weir_label_inbox *inbox, uint32_t place, int64_t *offset_out)
{
    const weir_label_slot *slot = slot_at(inbox, place);
    *offset_out = slot->offset;
    return slot->done ? NULL : &slot->label;
}

void weir_label_inbox_done(weir_label_inbox *inbox, uint32_t place)
{
    slot_at(inbox, place)->done = true;
}

void weir_label_inbox_drop(weir_label_inbox *inbox)
{
    while (inbox->count > 0 && inbox->slots[inbox->head].done) {
        inbox->applied_next = inbox->slots[inbox->head].offset + 1;
        inbox->head = (inbox->head + 1) % WEIR_LABEL_INBOX_SIZE;
        inbox->count--;
    }
    if (inbox->count == 0)
        inbox->applied_next = inbox->fetched_next;
}
