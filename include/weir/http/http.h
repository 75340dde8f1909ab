/* A small HTTP/1.1 server in its own thread: probes, metrics and administration.
 *
 * app brings a table of routes; each handler fills a response and returns. The server adds what all of them need:
 * HEAD, 404 and 405 as JSON, limits on size, time and connections, and the bearer token.
 *
 * Loopback is the default and needs no token. Listening anywhere else is refused without one, unless every route
 * is marked `open` (probes only); with a token, every route that is not open asks for it, on loopback too.
 *
 *     static const weir_http_route ROUTES[] = {
 *         {"GET", "/livez", true, answer_livez},
 *         {"GET", "/metrics", false, answer_metrics},
 *     };
 */
#ifndef WEIR_HTTP_HTTP_H
#define WEIR_HTTP_HTTP_H

#include "weir/base/span.h"
#include "weir/base/status.h"

typedef struct weir_http_request {
    const char *method, *path;
    weir_span body;     /* empty for GET */
    void *handle;       /* the server's, for weir_http_query */
} weir_http_request;

/* What a handler fills in; it starts as 200 with content type application/json and no body. */
typedef struct weir_http_response {
    int code;                 /* HTTP status */
    const char *content_type; /* static text */
    char *body;               /* written through weir_http_print / weir_http_append, freed by the server */
    size_t size, capacity;
    bool failed;              /* out of memory: answered with 500 */
} weir_http_response;

/* Runs on the server's thread, one request at a time; must not block for long. */
typedef void (*weir_http_handler)(void *context, const weir_http_request *request, weir_http_response *response);

typedef struct weir_http_route {
    const char *method; /* "GET" (which answers HEAD as well), "POST", "PUT", "DELETE" */
    const char *path;   /* exact: "/readyz" */
    bool open;          /* needs no token (probes) */
    weir_http_handler handler;
} weir_http_route;

typedef struct weir_http_options {
    const char *listen;            /* "127.0.0.1:9464", "[::1]:9464", "localhost:9464", "0.0.0.0:9464"; port 0 = any */
    const char *token;             /* NULL or "" = none */
    const weir_http_route *routes; /* borrowed until close */
    size_t route_count;
    void *context;                 /* handed to the handlers */
    size_t body_size_max;          /* larger requests get 413; 0 = 64 KiB */
    unsigned connection_max;       /* 0 = 64 */
    unsigned timeout_s;            /* of an idle or slow connection; 0 = 10 s */
} weir_http_options;

typedef struct weir_http weir_http;

/* Starts listening and serving.
 * Fails: WEIR_INVALID for an address that does not parse; WEIR_REFUSED off loopback without a token, or for a token
 *        shorter than 16 bytes; WEIR_IO when the port cannot be had (the message says why). */
WEIR_MUST_USE weir_status weir_http_open(const weir_http_options *options, weir_http **http_out, weir_error *error);

/* The port in use (interesting when 0 was asked for). */
uint16_t weir_http_port(const weir_http *http);

/* Stops the thread, answers nothing more, frees everything. NULL is allowed. */
void weir_http_close(weir_http *http);

/* Adds to the response's body: formatted text, or bytes. */
void weir_http_print(weir_http_response *response, const char *format, ...) __attribute__((format(printf, 2, 3)));
void weir_http_append(weir_http_response *response, weir_span bytes);

/* Adds a JSON string literal of `text`, quotes included (invalid UTF-8 becomes U+FFFD). */
void weir_http_append_json(weir_http_response *response, const char *text);

/* Takes the body over: `body` was malloc'ed, and is freed by the server. Replaces what was there. */
void weir_http_take_body(weir_http_response *response, char *body, size_t size);

/* A parameter of the query string, decoded ("" when given without a value), or NULL. Borrowed from the request. */
const char *weir_http_query(const weir_http_request *request, const char *name);

/* Whether two texts are the same, in time that depends on the length of `given` alone. */
bool weir_http_token_equal(const char *given, const char *wanted);

/* Whether an address of the form of `listen` is on loopback. Fails: WEIR_INVALID when it does not parse. */
WEIR_MUST_USE weir_status weir_http_is_loopback(const char *listen, bool *loopback_out, weir_error *error);

#endif
