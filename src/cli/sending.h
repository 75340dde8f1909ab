/* Messages to a topic, keyed by card token so that a card's messages share a partition in order, each checked first as
 * the service would check it: what it would refuse is not sent but reported. `weir send` and `weir label` differ in
 * the kind. */
#ifndef WEIR_CLI_SENDING_H
#define WEIR_CLI_SENDING_H

#include "cli/client.h"
#include "cli/messages.h"

#include "weir/codec/transaction.h"

/* What is sent. `check` is the service's: it gives the card token, or the field at fault (may be NULL). */
typedef struct sending_kind {
    const char *command, *plural; /* "send", "transactions" */
    weir_message_type type;
    weir_reject (*check)(weir_span message, const weir_decode_limits *limits, weir_span *key_out,
                         const char **field_out);
} sending_kind;

/* Where to, and how fast. */
typedef struct sending_target {
    const weir_conf *conf;
    const char *topic;
    double rate; /* messages a second; 0 = as fast as it goes */
} sending_target;

/* Sends all there is in a file, or one message. Waits for the acknowledgements, says on standard error what became of
 * everything and returns the exit code: failed when not all was acknowledged, with problems when a message was
 * refused. */
int sending_file(const sending_kind *kind, const sending_target *target, const messages_format *format,
                 const char *path);
int sending_message(const sending_kind *kind, const sending_target *target, weir_span message);

#endif
