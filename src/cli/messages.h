/* Messages of one type (transactions, labels) read from a file or standard input, in any of the formats the commands
 * take: JSON lines, CSV with a header of field names, size-delimited protobuf. What comes out is always one protobuf
 * message, so that everything after takes the service's own path. */
#ifndef WEIR_CLI_MESSAGES_H
#define WEIR_CLI_MESSAGES_H

#include "cli/cli.h"

#include "weir/codec/json.h"

/* Bytes a line may come to; the service's own limit is looked at after. */
enum { MESSAGES_SIZE_MAX = 64 * 1024 };

typedef enum messages_taken {
    MESSAGES_MESSAGE,
    MESSAGES_END,
    MESSAGES_REFUSED, /* this one cannot be read but the next may */
    MESSAGES_BROKEN   /* nothing more can be read */
} messages_taken;

typedef struct messages messages;

/* One input format. The file's extension tells which when the user does not. */
typedef struct messages_format {
    const char *name, *extension;
    messages_taken (*take)(messages *from, weir_span *message_out, weir_error *error);
    const char *unit; /* what `number` counts */
} messages_format;

struct messages {
    const messages_format *format;
    weir_message_type type;
    weir_cli_lines lines;
    uint64_t number; /* of the line or message last taken, from 1 */
    weir_csv *csv;   /* NULL until the header has been read */
    uint8_t *block;  /* of a binary file: [block_at, block_end) is still to be taken */
    size_t block_at, block_end;
    uint8_t message[MESSAGES_SIZE_MAX];
};

/* By its name, else by the extension of the path, else JSON lines; NULL for a name that is none. */
const messages_format *messages_format_find(const char *name, const char *path);

/* Opens a file, or standard input for "-", of messages without lists when it is CSV. close is due whatever this
 * returns. */
WEIR_MUST_USE weir_status messages_open(messages *from, weir_message_type type, const messages_format *format,
                                        const char *path, weir_error *error);

/* The next message, borrowed until the next call. `error` tells of one refused and of the end of a broken file. */
messages_taken messages_next(messages *from, weir_span *message_out, weir_error *error);

void messages_close(messages *from);

#endif
