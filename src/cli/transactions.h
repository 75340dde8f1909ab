/* Transactions read from a file or standard input, in any of the formats the commands take: JSON lines, CSV with a
 * header of field names, size-delimited protobuf. What comes out is always one protobuf message, so that everything
 * after takes the service's own path. */
#ifndef WEIR_CLI_TRANSACTIONS_H
#define WEIR_CLI_TRANSACTIONS_H

#include "cli/cli.h"

#include "weir/codec/json.h"

/* Bytes a line may come to; the service's own limit is looked at after. */
enum { TRANSACTIONS_MESSAGE_MAX = 64 * 1024 };

typedef enum transactions_taken {
    TRANSACTIONS_MESSAGE,
    TRANSACTIONS_END,
    TRANSACTIONS_REFUSED, /* this one cannot be read but the next may */
    TRANSACTIONS_BROKEN   /* nothing more can be read */
} transactions_taken;

typedef struct transactions transactions;

/* One input format. The file's extension tells which when the user does not. */
typedef struct transactions_format {
    const char *name, *extension;
    transactions_taken (*take)(transactions *from, weir_span *message_out, weir_error *error);
    const char *unit; /* what `number` counts */
} transactions_format;

struct transactions {
    const transactions_format *format;
    weir_cli_lines lines;
    uint64_t number; /* of the line or message last taken, from 1 */
    weir_csv *csv;   /* NULL until the header has been read */
    uint8_t *block;  /* of a binary file: [block_at, block_end) is still to be taken */
    size_t block_at, block_end;
    uint8_t message[TRANSACTIONS_MESSAGE_MAX];
};

/* By its name, else by the extension of the path, else JSON lines; NULL for a name that is none. */
const transactions_format *transactions_format_find(const char *name, const char *path);

/* Opens a file, or standard input for "-". close is due whatever this returns. */
WEIR_MUST_USE weir_status transactions_open(transactions *from, const transactions_format *format, const char *path,
                                            weir_error *error);

/* The next message, borrowed until the next call. `error` tells of one refused and of the end of a broken file. */
transactions_taken transactions_next(transactions *from, weir_span *message_out, weir_error *error);

void transactions_close(transactions *from);

#endif
