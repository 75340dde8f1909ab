#include "weir/http/http.h"

#include "http/address.h"
#include "weir/base/check.h"

#include <errno.h>
#include <microhttpd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    TOKEN_SIZE_MIN = 16,
    HEADER_SIZE_MAX = 16 * 1024, /* request line and headers; libmicrohttpd answers 413, 414 or 431 beyond */
    BODY_SIZE_MAX = 64 * 1024,
    CONNECTION_MAX = 64,
    TIMEOUT_S = 10
};

struct weir_http {
    weir_http_options options;
    char *token; /* NULL: none is asked for */
    struct MHD_Daemon *daemon;
    uint16_t port;
};

/* One request from its first callback to its completion. */
typedef struct exchange {
    char *body;
    size_t size;
    bool oversized, failed;
} exchange;

/* ---- the token ---- */

bool weir_http_token_equal(const char *given, const char *wanted)
{
    size_t wanted_size = strlen(wanted);
    size_t given_size = strlen(given);
    unsigned difference = given_size != wanted_size;
    /* Past its end `wanted` is read from its start again: the time shows the length of what was given, no more. */
    for (size_t i = 0; i < given_size; i++)
        difference |= (unsigned char)given[i] ^ (unsigned char)(wanted_size ? wanted[i % wanted_size] : 0);
    return difference == 0;
}

static bool has_token(const weir_http *http, struct MHD_Connection *connection)
{
    static const char SCHEME[] = "Bearer ";
    const char *header = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_AUTHORIZATION);
    return header && strncasecmp(header, SCHEME, sizeof SCHEME - 1) == 0 &&
           weir_http_token_equal(header + sizeof SCHEME - 1, http->token);
}

/* ---- routes ---- */

static bool is_method(const weir_http_route *route, const char *method)
{
    return strcmp(route->method, method) == 0 || (strcmp(method, "HEAD") == 0 && strcmp(route->method, "GET") == 0);
}

/* The route of a path and method, or NULL; *allow_out lists the methods of the path ("" when there is no such path). */
static const weir_http_route *find_route(const weir_http *http, const char *path, const char *method, char *allow_out,
                                         size_t capacity)
{
    size_t used = 0;
    *allow_out = '\0';
    for (size_t i = 0; i < http->options.route_count; i++) {
        const weir_http_route *route = &http->options.routes[i];
        if (strcmp(route->path, path) != 0)
            continue;
        if (is_method(route, method))
            return route;
        bool head = strcmp(route->method, "GET") == 0;
        int size = snprintf(allow_out + used, capacity - used, "%s%s%s", used ? ", " : "", route->method,
                            head ? ", HEAD" : "");
        used += size > 0 && used + (size_t)size < capacity ? (size_t)size : 0;
    }
    return NULL;
}

/* ---- answers ---- */

static enum MHD_Result send_response(struct MHD_Connection *connection, weir_http_response *response,
                                     const char *header, const char *header_value)
{
    if (response->failed) {
        free(response->body);
        *response = (weir_http_response){.code = 500, .content_type = "application/json"};
    }
    struct MHD_Response *sent = MHD_create_response_from_buffer(response->size, response->body, MHD_RESPMEM_MUST_FREE);
    if (!sent) {
        free(response->body);
        return MHD_NO;
    }
    MHD_add_response_header(sent, MHD_HTTP_HEADER_CONTENT_TYPE, response->content_type);
    MHD_add_response_header(sent, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    MHD_add_response_header(sent, "X-Content-Type-Options", "nosniff");
    if (header)
        MHD_add_response_header(sent, header, header_value);
    enum MHD_Result result = MHD_queue_response(connection, (unsigned)response->code, sent);
    MHD_destroy_response(sent);
    return result;
}

/* Answers {"error": "..."}. */
static enum MHD_Result refuse(struct MHD_Connection *connection, int code, const char *sentence, const char *header,
                              const char *header_value)
{
    weir_http_response response = {.code = code, .content_type = "application/json"};
    weir_http_print(&response, "{\"error\": ");
    weir_http_append_json(&response, sentence);
    weir_http_print(&response, "}\n");
    return send_response(connection, &response, header, header_value);
}

static enum MHD_Result answer(weir_http *http, struct MHD_Connection *connection, const char *path, const char *method,
                              const exchange *it)
{
    char allow[128];
    const weir_http_route *route = find_route(http, path, method, allow, sizeof allow);
    if (http->token && !(route && route->open) && !has_token(http, connection))
        return refuse(connection, 401, "This needs the token: Authorization: Bearer TOKEN.",
                      MHD_HTTP_HEADER_WWW_AUTHENTICATE, "Bearer");
    if (!route && *allow)
        return refuse(connection, 405, "The path does not take this method.", MHD_HTTP_HEADER_ALLOW, allow);
    if (!route)
        return refuse(connection, 404, "There is nothing at this path.", NULL, NULL);
    if (it->oversized)
        return refuse(connection, 413, "The body is too large.", NULL, NULL);
    if (it->failed)
        return refuse(connection, 503, "There is no memory for the body.", NULL, NULL);
    weir_http_request request = {
        .method = method, .path = path, .body = weir_span_of(it->body, it->size), .handle = connection};
    weir_http_response response = {.code = 200, .content_type = "application/json"};
    route->handler(http->options.context, &request, &response);
    weir_check(response.code >= 200 && response.code < 600 && response.content_type);
    return send_response(connection, &response, NULL, NULL);
}

/* ---- libmicrohttpd's callbacks: once when the headers are in, once a piece of body, once at its end ---- */

static void take_piece(const weir_http *http, exchange *it, const char *piece, size_t size)
{
    it->oversized |= it->size + size > http->options.body_size_max;
    if (it->oversized || it->failed)
        return;
    char *body = realloc(it->body, it->size + size);
    if (!body) {
        it->failed = true;
        return;
    }
    it->body = body;
    memcpy(it->body + it->size, piece, size);
    it->size += size;
}

static enum MHD_Result handle(void *context, struct MHD_Connection *connection, const char *path, const char *method,
                              const char *version, const char *piece, size_t *piece_size, void **exchange_at)
{
    (void)version;
    weir_http *http = context;
    exchange *it = *exchange_at;
    if (!it) {
        *exchange_at = calloc(1, sizeof *it);
        return *exchange_at ? MHD_YES : MHD_NO;
    }
    if (*piece_size > 0) {
        take_piece(http, it, piece, *piece_size);
        *piece_size = 0;
        return MHD_YES;
    }
    return answer(http, connection, path, method, it);
}

static void complete(void *context, struct MHD_Connection *connection, void **exchange_at,
                     enum MHD_RequestTerminationCode why)
{
    (void)context;
    (void)connection;
    (void)why;
    exchange *it = *exchange_at;
    if (it)
        free(it->body);
    free(it);
    *exchange_at = NULL;
}

const char *weir_http_query(const weir_http_request *request, const char *name)
{
    const char *value;
    size_t size;
    if (MHD_lookup_connection_value_n(request->handle, MHD_GET_ARGUMENT_KIND, name, strlen(name), &value, &size) ==
        MHD_NO)
        return NULL;
    return value ? value : "";
}

/* ---- opening ---- */

static weir_status check_exposure(const weir_http_options *options, const weir_http_address *address, weir_error *error)
{
    bool all_open = true;
    for (size_t i = 0; i < options->route_count; i++)
        all_open &= options->routes[i].open;
    bool has_one = options->token && *options->token;
    if (has_one && strlen(options->token) < TOKEN_SIZE_MIN)
        return weir_error_set(error, WEIR_REFUSED, "http.token has %zu characters; wanted at least %d.",
                              strlen(options->token), TOKEN_SIZE_MIN);
    if (!has_one && !all_open && !weir_http_address_is_loopback(address))
        return weir_error_set(error, WEIR_REFUSED,
                              "http.listen is %.100s, which others can reach, and http.token is empty; set a token "
                              "(WEIR_HTTP_TOKEN) or listen on 127.0.0.1.",
                              options->listen);
    return WEIR_OK;
}

/* A listening socket of our own, so that a failure has its errno to show. */
static weir_status listen_on(const weir_http_options *options, const weir_http_address *address, int *socket_out,
                             weir_error *error)
{
    const int yes = 1;
    int file = socket(address->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (file >= 0 && setsockopt(file, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) == 0 &&
        bind(file, &address->any, address->size) == 0 && listen(file, 64) == 0) {
        *socket_out = file;
        return WEIR_OK;
    }
    weir_status status = weir_error_set(error, WEIR_IO, "http.listen %.100s cannot be had: %s.", options->listen,
                                        strerror(errno));
    if (file >= 0)
        close(file);
    return status;
}

static uint16_t port_of(int file)
{
    weir_http_address address = {.size = sizeof address.v6};
    if (getsockname(file, &address.any, &address.size) != 0)
        return 0;
    return ntohs(address.any.sa_family == AF_INET ? address.v4.sin_port : address.v6.sin6_port);
}

/* Starts the thread with every signal blocked: signals are for the threads that wait for them. */
static struct MHD_Daemon *start(weir_http *http, int file)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    struct MHD_Daemon *daemon = MHD_start_daemon(
        MHD_USE_EPOLL_INTERNAL_THREAD, 0, NULL, NULL, handle, http, MHD_OPTION_LISTEN_SOCKET, file,
        MHD_OPTION_NOTIFY_COMPLETED, complete, NULL, MHD_OPTION_CONNECTION_LIMIT, http->options.connection_max,
        MHD_OPTION_CONNECTION_TIMEOUT, http->options.timeout_s, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        (size_t)HEADER_SIZE_MAX, MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_END);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return daemon;
}

static void fill_defaults(weir_http_options *options)
{
    options->body_size_max = options->body_size_max ? options->body_size_max : BODY_SIZE_MAX;
    options->connection_max = options->connection_max ? options->connection_max : CONNECTION_MAX;
    options->timeout_s = options->timeout_s ? options->timeout_s : TIMEOUT_S;
}

weir_status weir_http_open(const weir_http_options *options, weir_http **http_out, weir_error *error)
{
    weir_http_address address;
    int file = -1;
    weir_status status = weir_http_address_parse(options->listen, &address, error);
    if (status == WEIR_OK)
        status = check_exposure(options, &address, error);
    if (status != WEIR_OK)
        return status;
    weir_http *http = calloc(1, sizeof *http);
    bool has_token_option = options->token && *options->token;
    if (!http || (has_token_option && !(http->token = strdup(options->token)))) {
        status = weir_error_set(error, WEIR_FULL, "There is no memory for the HTTP server.");
        goto failed;
    }
    http->options = *options;
    fill_defaults(&http->options);
    status = listen_on(options, &address, &file, error);
    if (status != WEIR_OK)
        goto failed;
    http->port = port_of(file);
    http->daemon = start(http, file);
    if (!http->daemon) {
        close(file);
        status = weir_error_set(error, WEIR_IO, "The HTTP server on %.100s could not start.", options->listen);
        goto failed;
    }
    *http_out = http;
    return WEIR_OK;
failed:
    weir_http_close(http);
    return status;
}

uint16_t weir_http_port(const weir_http *http)
{
    return http->port;
}

void weir_http_close(weir_http *http)
{
    if (!http)
        return;
    if (http->daemon)
        MHD_stop_daemon(http->daemon);
    free(http->token);
    free(http);
}
