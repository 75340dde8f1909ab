/* What the commands that talk to the cluster without being the service (send, label, tail) share: a configuration that
 * says where it is, and a sender and a tail with the librdkafka properties that pass through it. */
#ifndef WEIR_CLI_CLIENT_H
#define WEIR_CLI_CLIENT_H

#include "cli/cli.h"

#include "weir/broker/client.h"
#include "weir/conf/conf.h"

/* Loads the configuration and sees to it that it has brokers. Returns WEIR_CLI_GO_ON, and *conf_out is then the
 * caller's to deinit; or an exit code, when what is wrong has been said. */
int client_load_conf(const weir_cli_usage *usage, const weir_cli_operands *operands, weir_conf *conf_out);

/* weir_sender_open and weir_tail_open by the configuration. */
WEIR_MUST_USE weir_status client_open_sender(const weir_conf *conf, const char *topic, int64_t linger_us,
                                             weir_sender **sender_out, weir_error *error);
WEIR_MUST_USE weir_status client_open_tail(const weir_conf *conf, const char *topic, int64_t from,
                                           weir_tail **tail_out, weir_error *error);

#endif
