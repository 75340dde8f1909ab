#include "weir/http/http.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

/* ---- routes under test ---- */

static void answer_ready(void *context, const weir_http_request *request, weir_http_response *response)
{
    (void)request;
    int *count = context;
    (*count)++;
    response->code = 503;
    weir_http_print(response, "{\"ready\": %s}", "false");
}

static void answer_echo(void *context, const weir_http_request *request, weir_http_response *response)
{
    (void)context;
    const char *name = weir_http_query(request, "name");
    response->content_type = "text/plain";
    weir_http_print(response, "%s %s name=%s body=", request->method, request->path, name ? name : "(none)");
    weir_http_append(response, request->body);
}

static void answer_large(void *context, const weir_http_request *request, weir_http_response *response)
{
    (void)context;
    (void)request;
    char *body = malloc(1 << 20);
    memset(body, 'x', 1 << 20);
    weir_http_print(response, "replaced");
    weir_http_take_body(response, body, 1 << 20);
}

static void answer_json(void *context, const weir_http_request *request, weir_http_response *response)
{
    (void)context;
    weir_http_append_json(response, weir_http_query(request, "text"));
}

static const weir_http_route ROUTES[] = {
    {"GET", "/readyz", true, answer_ready},   {"GET", "/echo", false, answer_echo},
    {"POST", "/echo", false, answer_echo},    {"GET", "/large", false, answer_large},
    {"POST", "/only-post", false, answer_echo}, {"GET", "/json", false, answer_json},
};

static int ready_count;
static weir_http *http;
static weir_error error;

static weir_status open_server(const char *listen, const char *token, size_t route_count)
{
    weir_http_options options = {.listen = listen,
                                 .token = token,
                                 .routes = ROUTES,
                                 .route_count = route_count,
                                 .context = &ready_count,
                                 .body_size_max = 1000,
                                 .timeout_s = 1};
    return weir_http_open(&options, &http, &error);
}

static void serve(const char *token)
{
    weir_status status = open_server("127.0.0.1:0", token, sizeof ROUTES / sizeof *ROUTES);
    cr_assert_eq(status, WEIR_OK, "%s", error.message);
    cr_assert_neq(weir_http_port(http), 0);
}

/* ---- a client of a few lines ---- */

static char answer[2 << 20];
static size_t answer_size;

static int connected(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(weir_http_port(http)),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int file = socket(AF_INET, SOCK_STREAM, 0);
    struct timeval limit = {.tv_sec = 10};
    setsockopt(file, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    cr_assert_eq(connect(file, (struct sockaddr *)&address, sizeof address), 0, "%s", strerror(errno));
    return file;
}

static void receive(int file)
{
    answer_size = 0;
    for (ssize_t got; (got = recv(file, answer + answer_size, sizeof answer - 1 - answer_size, 0)) > 0;)
        answer_size += (size_t)got;
    answer[answer_size] = '\0';
    close(file);
}

/* Sends a whole request and returns the status; `answer` has all of it. */
static int ask(const char *method, const char *target, const char *headers, const char *body)
{
    static char request[256 * 1024];
    int file = connected();
    int size = snprintf(request, sizeof request,
                        "%s %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %zu\r\n%s\r\n%s", method,
                        target, strlen(body), headers, body);
    cr_assert_eq(send(file, request, (size_t)size, MSG_NOSIGNAL), size);
    receive(file);
    int code = 0;
    sscanf(answer, "HTTP/1.1 %d", &code);
    return code;
}

static const char *body_of(void)
{
    const char *end = strstr(answer, "\r\n\r\n");
    return end ? end + 4 : "";
}

/* ---- claims ---- */

Test(http, answers_routes_with_what_their_handlers_say)
{
    serve(NULL);
    cr_expect_eq(ask("GET", "/readyz", "", ""), 503);
    cr_expect_str_eq(body_of(), "{\"ready\": false}");
    cr_expect_not_null(strstr(answer, "Content-Type: application/json\r\n"));
    cr_expect_eq(ready_count, 1);
    cr_expect_eq(ask("GET", "/echo?name=a%20b&x", "", ""), 200);
    cr_expect_str_eq(body_of(), "GET /echo name=a b body=");
    cr_expect_not_null(strstr(answer, "Content-Type: text/plain\r\n"));
    cr_expect_eq(ask("GET", "/echo?name", "", ""), 200);
    cr_expect_str_eq(body_of(), "GET /echo name= body=");
    cr_expect_eq(ask("POST", "/echo", "", "hello"), 200);
    cr_expect_str_eq(body_of(), "POST /echo name=(none) body=hello");
    weir_http_close(http);
}

Test(http, head_has_the_headers_of_get_and_no_body)
{
    serve(NULL);
    cr_expect_eq(ask("HEAD", "/readyz", "", ""), 503);
    cr_expect_str_empty(body_of());
    cr_expect_not_null(strstr(answer, "Content-Length: 16\r\n"), "%s", answer);
    cr_expect_eq(ask("HEAD", "/only-post", "", ""), 405);
    weir_http_close(http);
}

Test(http, unknown_paths_and_methods_are_told_apart)
{
    serve(NULL);
    cr_expect_eq(ask("GET", "/nothing", "", ""), 404);
    cr_expect_str_eq(body_of(), "{\"error\": \"There is nothing at this path.\"}\n");
    cr_expect_eq(ask("GET", "/readyz/", "", ""), 404);
    cr_expect_eq(ask("DELETE", "/echo", "", ""), 405);
    cr_expect_not_null(strstr(answer, "Allow: GET, HEAD, POST\r\n"), "%s", answer);
    cr_expect_eq(ask("GET", "/only-post", "", ""), 405);
    cr_expect_not_null(strstr(answer, "Allow: POST\r\n"));
    weir_http_close(http);
}

Test(http, large_answers_arrive_whole)
{
    serve(NULL);
    cr_expect_eq(ask("GET", "/large", "", ""), 200);
    const char *body = body_of();
    cr_expect_eq(strlen(body), 1 << 20);
    cr_expect_eq(strspn(body, "x"), 1 << 20);
    weir_http_close(http);
}

Test(http, text_in_json_is_escaped)
{
    serve(NULL);
    cr_expect_eq(ask("GET", "/json?text=a%22b%0a%ff", "", ""), 200);
    cr_expect_str_eq(body_of(), "\"a\\\"b\\n\xef\xbf\xbd\"");
    weir_http_close(http);
}

Test(http, a_body_over_the_limit_is_refused)
{
    serve(NULL);
    static char body[100001];
    memset(body, 'b', 1000);
    cr_expect_eq(ask("POST", "/echo", "", body), 200);
    memset(body, 'b', 1001);
    cr_expect_eq(ask("POST", "/echo", "", body), 413);
    memset(body, 'b', 100000);
    cr_expect_eq(ask("POST", "/echo", "", body), 413);
    weir_http_close(http);
}

Test(http, endless_headers_are_refused)
{
    serve(NULL);
    static char header[40000];
    strcpy(header, "X-Long: ");
    memset(header + 8, 'h', sizeof header - 11);
    strcpy(header + sizeof header - 3, "\r\n");
    int code = ask("GET", "/readyz", header, "");
    cr_expect(code >= 400 && code < 500, "%d", code);
    cr_expect_eq(ask("GET", "/readyz", "", ""), 503, "the server lives on");
    weir_http_close(http);
}

static double seconds_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

Test(http, a_client_that_says_nothing_is_hung_up_on)
{
    serve(NULL);
    int file = connected();
    const char begun[] = "GET /readyz HTTP/1.1\r\nHost:";
    cr_assert_eq(send(file, begun, sizeof begun - 1, MSG_NOSIGNAL), (ssize_t)(sizeof begun - 1));
    double began = seconds_now();
    receive(file);
    double waited = seconds_now() - began;
    cr_expect(waited < 8, "%f s", waited);
    cr_expect_eq(ready_count, 0);
    weir_http_close(http);
}

#define TOKEN "0123456789abcdef"

Test(http, with_a_token_only_open_routes_go_without)
{
    serve(TOKEN);
    cr_expect_eq(ask("GET", "/readyz", "", ""), 503);
    cr_expect_eq(ask("GET", "/echo", "", ""), 401);
    cr_expect_not_null(strstr(answer, "WWW-Authenticate: Bearer\r\n"));
    cr_expect_eq(ask("GET", "/echo", "Authorization: Bearer " TOKEN "\r\n", ""), 200);
    cr_expect_eq(ask("GET", "/echo", "Authorization: bearer " TOKEN "\r\n", ""), 200);
    static const char *const WRONG[] = {"Bearer 0123456789abcdee", "Bearer 0123456789abcde", "Bearer " TOKEN "0",
                                        "Bearer", "Bearer ", "Basic " TOKEN, TOKEN, "Bearer " TOKEN TOKEN};
    for (size_t i = 0; i < sizeof WRONG / sizeof *WRONG; i++) {
        char header[128];
        snprintf(header, sizeof header, "Authorization: %s\r\n", WRONG[i]);
        cr_expect_eq(ask("GET", "/echo", header, ""), 401, "%s", WRONG[i]);
    }
    weir_http_close(http);
}

Test(http, without_the_token_nobody_learns_which_paths_there_are)
{
    serve(TOKEN);
    cr_expect_eq(ask("GET", "/nothing", "", ""), 401);
    cr_expect_eq(ask("DELETE", "/echo", "", ""), 401);
    cr_expect_eq(ask("GET", "/nothing", "Authorization: Bearer " TOKEN "\r\n", ""), 404);
    weir_http_close(http);
}

Test(http, off_loopback_it_will_not_start_without_a_token)
{
    cr_expect_eq(open_server("0.0.0.0:0", NULL, 6), WEIR_REFUSED);
    cr_expect_not_null(strstr(error.message, "http.token is empty"));
    cr_expect_eq(open_server("0.0.0.0:0", "", 6), WEIR_REFUSED);
    cr_expect_eq(open_server("[::]:0", NULL, 6), WEIR_REFUSED);
    cr_expect_eq(open_server("0.0.0.0:0", "short", 6), WEIR_REFUSED);
    cr_expect_null(strstr(error.message, "short"));
    cr_expect_eq(open_server("0.0.0.0:0", TOKEN, 6), WEIR_OK);
    weir_http_close(http);
    cr_expect_eq(open_server("0.0.0.0:0", NULL, 1), WEIR_OK, "probes only");
    weir_http_close(http);
}

Test(http, addresses_are_read_strictly)
{
    static const struct {
        const char *listen;
        int loopback; /* -1: refused */
    } CASES[] = {
        {"127.0.0.1:9464", 1}, {"127.9.9.9:1", 1}, {"localhost:0", 1}, {"[::1]:9464", 1}, {"[::ffff:127.0.0.1]:1", 1},
        {"0.0.0.0:9464", 0},   {"10.0.0.1:80", 0}, {"[::]:80", 0},     {"[fe80::1]:80", 0},
        {"", -1},              {"9464", -1},       {":9464", -1},      {"127.0.0.1", -1}, {"127.0.0.1:", -1},
        {"127.0.0.1:65536", -1}, {"127.0.0.1:-1", -1}, {"127.0.0.1:80x", -1}, {"::1:80", -1}, {"[::1:80", -1},
        {"example.com:80", -1}, {"127.0.0.1:000080", -1}, {"[]:80", -1},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        bool loopback = false;
        weir_status status = weir_http_is_loopback(CASES[i].listen, &loopback, &error);
        cr_expect_eq(status == WEIR_OK, CASES[i].loopback >= 0, "%s", CASES[i].listen);
        cr_expect_eq(loopback, CASES[i].loopback > 0, "%s", CASES[i].listen);
    }
}

Test(http, a_port_in_use_is_named)
{
    serve(NULL);
    weir_http *first = http;
    char listen[32];
    snprintf(listen, sizeof listen, "127.0.0.1:%u", weir_http_port(first));
    cr_expect_eq(open_server(listen, NULL, 6), WEIR_IO);
    cr_expect_not_null(strstr(error.message, "Address already in use"), "%s", error.message);
    cr_expect_not_null(strstr(error.message, listen));
    weir_http_close(first);
}

Test(http, tokens_are_equal_only_when_they_are)
{
    cr_expect(weir_http_token_equal("abc", "abc"));
    cr_expect(!weir_http_token_equal("abd", "abc"));
    cr_expect(!weir_http_token_equal("ab", "abc"));
    cr_expect(!weir_http_token_equal("abcabc", "abc"));
    cr_expect(!weir_http_token_equal("", "abc"));
    cr_expect(weir_http_token_equal("", ""));
    cr_expect(!weir_http_token_equal("a", ""));
}

static void *hammer(void *unused)
{
    (void)unused;
    for (int i = 0; i < 50; i++) {
        int file = connected();
        const char request[] = "GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
        cr_assert_eq(send(file, request, sizeof request - 1, MSG_NOSIGNAL), (ssize_t)(sizeof request - 1));
        char bytes[512];
        ssize_t size = recv(file, bytes, sizeof bytes - 1, 0);
        cr_assert_gt(size, 20);
        bytes[size] = '\0';
        cr_assert_not_null(strstr(bytes, "503"));
        close(file);
    }
    return NULL;
}

Test(http, many_clients_are_served_and_a_close_amid_them_is_clean)
{
    serve(NULL);
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, hammer, NULL);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    int open = connected();
    weir_http_close(http);
    cr_expect_eq(ready_count, 200);
    close(open);
}
