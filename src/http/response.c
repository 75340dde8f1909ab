/* A response's body: a buffer that grows, and remembers when it could not. */
#include "weir/http/http.h"

#include "weir/base/escape.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* Makes room for `size` more bytes and a NUL. */
static bool reserve(weir_http_response *response, size_t size)
{
    if (response->failed)
        return false;
    if (response->capacity - response->size > size)
        return true;
    size_t capacity = response->capacity ? response->capacity : 1024;
    while (capacity - response->size <= size)
        capacity *= 2;
    char *body = realloc(response->body, capacity);
    if (!body) {
        response->failed = true;
        return false;
    }
    response->body = body;
    response->capacity = capacity;
    return true;
}

void weir_http_append(weir_http_response *response, weir_span bytes)
{
    if (!reserve(response, bytes.size))
        return;
    if (bytes.size)
        memcpy(response->body + response->size, bytes.data, bytes.size);
    response->size += bytes.size;
    response->body[response->size] = '\0';
}

void weir_http_print(weir_http_response *response, const char *format, ...)
{
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    int size = vsnprintf(NULL, 0, format, arguments);
    if (size < 0) {
        response->failed = true;
    } else if (reserve(response, (size_t)size)) {
        vsnprintf(response->body + response->size, (size_t)size + 1, format, again);
        response->size += (size_t)size;
    }
    va_end(again);
    va_end(arguments);
}

void weir_http_append_json(weir_http_response *response, const char *text)
{
    size_t worst = 6 * strlen(text) + 2; /* a control character becomes six bytes */
    if (!reserve(response, worst))
        return;
    weir_writer writer = weir_writer_of(response->body + response->size, worst);
    weir_write_bytes(&writer, "\"", 1);
    (void)weir_escape_json(&writer, weir_span_text(text));
    weir_write_bytes(&writer, "\"", 1);
    response->size += writer.used;
    response->body[response->size] = '\0';
}

void weir_http_take_body(weir_http_response *response, char *body, size_t size)
{
    free(response->body);
    response->body = body;
    response->size = response->capacity = size;
}
