/* A transaction inside a hop's record: what the stages behind the first need of it, checked already and smaller than
 * the message it came in.
 *
 *   the event, as a difference from the record's base (core/event_pack.h), without the hashes of what follows as text
 *   | sizes of transaction id, card token, merchant id, terminal id, a byte each | their text
 *
 * The device is its hash alone: no output names it.
 */
#ifndef WEIR_SRC_CODEC_HOP_TRANSACTION_H
#define WEIR_SRC_CODEC_HOP_TRANSACTION_H

#include "weir/base/cursor.h"
#include "weir/codec/transaction.h"

/* Bytes that writing may need. */
size_t weir_hop_transaction_size_max(const weir_transaction *transaction);

/* Writes a decoded transaction. Expects: no text beyond 255 bytes, no label and no flags. Sticky failure. */
void weir_hop_transaction_write(weir_writer *writer, const weir_event *base, const weir_transaction *transaction);

/* Reads one; its text is borrowed from what is read, and there is no device id. Sticky failure: also of what no decoder
 * lets through, so that whatever came over a hop is as good as decoded. */
void weir_hop_transaction_read(weir_reader *reader, const weir_event *base, weir_transaction *transaction_out);

#endif
