#include "http/address.h"

#include "weir/http/http.h"

#include <arpa/inet.h>
#include <stdlib.h>

enum { HOST_SIZE = 64 };

/* Splits "host:port" and "[host]:port" at the last colon. */
static bool split(const char *listen, char host_out[HOST_SIZE], const char **port_out)
{
    const char *colon = strrchr(listen, ':');
    if (!colon)
        return false;
    size_t size = (size_t)(colon - listen);
    bool bracketed = size >= 2 && listen[0] == '[' && listen[size - 1] == ']';
    const char *begin = bracketed ? listen + 1 : listen;
    size -= bracketed ? 2 : 0;
    if (size == 0 || size >= HOST_SIZE || (!bracketed && memchr(begin, ':', size)))
        return false;
    memcpy(host_out, begin, size);
    host_out[size] = '\0';
    *port_out = colon + 1;
    return true;
}

static bool parse_port(const char *text, in_port_t *port_out)
{
    size_t size = strlen(text);
    if (size == 0 || size > 5 || text[strspn(text, "0123456789")])
        return false;
    long port = strtol(text, NULL, 10);
    *port_out = htons((uint16_t)port);
    return port <= 65535;
}

weir_status weir_http_address_parse(const char *listen, weir_http_address *address_out, weir_error *error)
{
    char host[HOST_SIZE];
    const char *port_text;
    in_port_t port;
    weir_http_address address = {0};
    if (!split(listen, host, &port_text) || !parse_port(port_text, &port))
        goto invalid;
    const char *number = strcmp(host, "localhost") == 0 ? "127.0.0.1" : host;
    if (inet_pton(AF_INET, number, &address.v4.sin_addr) == 1) {
        address.v4.sin_family = AF_INET;
        address.v4.sin_port = port;
        address.size = sizeof address.v4;
    } else if (inet_pton(AF_INET6, number, &address.v6.sin6_addr) == 1) {
        address.v6.sin6_family = AF_INET6;
        address.v6.sin6_port = port;
        address.size = sizeof address.v6;
    } else {
        goto invalid;
    }
    *address_out = address;
    return WEIR_OK;
invalid:
    return weir_error_set(error, WEIR_INVALID,
                          "http.listen is \"%.100s\"; wanted ADDRESS:PORT, such as 127.0.0.1:9464, 0.0.0.0:9464 or "
                          "[::1]:9464.",
                          listen);
}

bool weir_http_address_is_loopback(const weir_http_address *address)
{
    if (address->any.sa_family == AF_INET)
        return ntohl(address->v4.sin_addr.s_addr) >> 24 == 127;
    const struct in6_addr *v6 = &address->v6.sin6_addr;
    return IN6_IS_ADDR_LOOPBACK(v6) || (IN6_IS_ADDR_V4MAPPED(v6) && v6->s6_addr[12] == 127);
}

weir_status weir_http_is_loopback(const char *listen, bool *loopback_out, weir_error *error)
{
    weir_http_address address;
    weir_status status = weir_http_address_parse(listen, &address, error);
    if (status == WEIR_OK)
        *loopback_out = weir_http_address_is_loopback(&address);
    return status;
}
