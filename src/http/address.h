/* "127.0.0.1:9464" as a socket address. Names other than localhost are not looked up: what a server binds to must not
 * depend on a resolver. */
#ifndef WEIR_HTTP_ADDRESS_H
#define WEIR_HTTP_ADDRESS_H

#include "weir/base/status.h"

#include <netinet/in.h>
#include <stdbool.h>

typedef struct weir_http_address {
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    };
    socklen_t size;
} weir_http_address;

/* Fails: WEIR_INVALID with what was found and wanted. */
WEIR_MUST_USE weir_status weir_http_address_parse(const char *listen, weir_http_address *address_out,
                                                  weir_error *error);

/* 127.0.0.0/8 and ::1 (also as ::ffff:127.0.0.1). */
bool weir_http_address_is_loopback(const weir_http_address *address);

#endif
