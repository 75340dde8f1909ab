#include "hop_transaction.h"

#include "limits.h"
#include "weir/base/check.h"
#include "weir/core/event_pack.h"

enum { TEXT_COUNT = 4 };

_Static_assert(WEIR_IDENTIFIER_SIZE_MAX <= UINT8_MAX, "the size of an identifier is a byte");

static size_t text_size(const weir_transaction *transaction)
{
    return transaction->transaction_id.size + transaction->card_token.size + transaction->merchant_id.size +
           transaction->terminal_id.size;
}

size_t weir_hop_transaction_size_max(const weir_transaction *transaction)
{
    return WEIR_EVENT_PACKED_MAX + WEIR_EVENT_PACKED_SLACK + TEXT_COUNT + text_size(transaction);
}

static uint8_t *put_text(uint8_t *at, weir_span text)
{
    if (text.size)
        memcpy(at, text.data, text.size);
    return at + text.size;
}

void weir_hop_transaction_write(weir_writer *writer, const weir_event *base, const weir_transaction *transaction)
{
    if (writer->failed || writer->size - writer->used < weir_hop_transaction_size_max(transaction)) {
        writer->failed = true;
        return;
    }
    weir_check(transaction->event.label_delay_us == WEIR_LABEL_NONE && transaction->event.flags == 0);
    const weir_span texts[TEXT_COUNT] = {transaction->transaction_id, transaction->card_token,
                                         transaction->merchant_id, transaction->terminal_id};
    weir_event event = transaction->event;
    event.transaction = event.card = event.merchant = event.terminal = 0; /* made again from the text */
    uint8_t *at = weir_event_pack(writer->base + writer->used, base, &event, 1);
    for (int i = 0; i < TEXT_COUNT; i++) {
        weir_check(texts[i].size <= UINT8_MAX);
        *at++ = (uint8_t)texts[i].size;
    }
    for (int i = 0; i < TEXT_COUNT; i++)
        at = put_text(at, texts[i]);
    writer->used = (size_t)(at - writer->base);
}

/* As the decoder would have let it through, as far as anything depends on it. */
static bool is_decodable(const weir_transaction *transaction)
{
    const weir_event *event = &transaction->event;
    return event->time_us >= -WEIR_TIME_US_MAX && event->time_us <= WEIR_TIME_US_MAX &&
           event->label_delay_us == WEIR_LABEL_NONE && event->flags == 0 && transaction->card_token.size > 0;
}

void weir_hop_transaction_read(weir_reader *reader, const weir_event *base, weir_transaction *transaction_out)
{
    transaction_out->event = weir_event_unpack(reader, base);
    weir_span sizes = weir_read_bytes(reader, TEXT_COUNT);
    if (reader->failed)
        return;
    transaction_out->transaction_id = weir_read_bytes(reader, sizes.data[0]);
    transaction_out->card_token = weir_read_bytes(reader, sizes.data[1]);
    transaction_out->merchant_id = weir_read_bytes(reader, sizes.data[2]);
    transaction_out->terminal_id = weir_read_bytes(reader, sizes.data[3]);
    transaction_out->device_id = (weir_span){0};
    transaction_out->reject_field = NULL;
    reader->failed |= !is_decodable(transaction_out);
    if (!reader->failed)
        weir_transaction_hash_texts(transaction_out);
}
