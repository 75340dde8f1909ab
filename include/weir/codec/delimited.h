/* Files of protobuf messages: each is preceded by its size as a varint, as protobuf's own
 * writeDelimitedTo, Beam and ClickHouse (`Protobuf` format) have it. */
#ifndef WEIR_CODEC_DELIMITED_H
#define WEIR_CODEC_DELIMITED_H

#include "weir/base/cursor.h"

enum { WEIR_DELIMITED_SIZE_MAX = 1 << 20 }; /* bytes; a larger message means these are not such a file */

typedef enum weir_delimited {
    WEIR_DELIMITED_MESSAGE, /* one message was taken */
    WEIR_DELIMITED_END,     /* nothing is left */
    WEIR_DELIMITED_PARTIAL, /* the last message is cut short: read more, or the file is truncated */
    WEIR_DELIMITED_CORRUPT  /* no size can begin like this */
} weir_delimited;

/* Takes the next message from the buffer. The reader moves only when a message was taken, so that a
 * caller keeps what is left in front of the next block it reads.
 *
 * Gives: *message_out borrows from the reader's bytes; it may be empty.
 */
weir_delimited weir_delimited_next(weir_reader *reader, weir_span *message_out);

/* Appends size and message. Sticky failure of the writer. */
void weir_delimited_write(weir_writer *writer, weir_span message);

#endif
