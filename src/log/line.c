#include "log/line.h"

#include "weir/base/check.h"
#include "weir/base/escape.h"
#include "weir/base/iso_time.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* Room kept free for what ends a line: `"`, `,"truncated":true}` and the newline. */
enum { TAIL_SIZE = 32, NUMBER_SIZE = 40 };

typedef struct pen {
    weir_writer writer;
    bool text;
    bool truncated; /* something did not fit; nothing more is written but the tail */
} pen;

static void put(pen *out, const char *text)
{
    weir_span bytes = weir_span_text(text);
    if (out->truncated || out->writer.used + bytes.size > out->writer.size)
        out->truncated = true;
    else
        weir_write_bytes(&out->writer, bytes.data, bytes.size);
}

/* Whether a text reads as one word in `name=value`. */
static bool is_plain(weir_span text)
{
    for (size_t i = 0; i < text.size; i++)
        if (text.data[i] <= ' ' || text.data[i] == '"' || text.data[i] == '\\' || text.data[i] >= 0x7f)
            return false;
    return text.size > 0;
}

static void put_text(pen *out, weir_span text)
{
    bool quoted = !out->text || !is_plain(text);
    if (quoted)
        put(out, "\"");
    if (out->truncated)
        return;
    bool fits = weir_escape_json(&out->writer, text);
    if (quoted) { /* the tail's room is for this quote, too */
        out->writer.size++;
        put(out, "\"");
        out->writer.size--;
    }
    out->truncated |= !fits;
}

/* The shortest decimal that reads back as the same double. */
static void format_real(double value, char text_out[NUMBER_SIZE])
{
    for (int digits = 6; digits <= 17; digits++) {
        snprintf(text_out, NUMBER_SIZE, "%.*g", digits, value);
        if (strtod(text_out, NULL) == value)
            return;
    }
}

static void put_value(pen *out, const weir_log_field *field)
{
    char number[NUMBER_SIZE] = "null";
    switch (field->kind) {
    case WEIR_LOG_FIELD_INT:
        snprintf(number, sizeof number, "%" PRId64, field->integer);
        break;
    case WEIR_LOG_FIELD_REAL:
        if (isfinite(field->real))
            format_real(field->real, number);
        break;
    case WEIR_LOG_FIELD_BOOL:
        snprintf(number, sizeof number, "%s", field->integer ? "true" : "false");
        break;
    case WEIR_LOG_FIELD_TEXT:
        put_text(out, field->text);
        return;
    case WEIR_LOG_FIELD_END:
        weir_check(!"a field's kind is not the end");
    }
    put(out, number);
}

/* A name and a value either whole, or cut inside a text, or not at all: never a name without a value. */
static void put_field(pen *out, const weir_log_field *field)
{
    if (out->truncated)
        return;
    size_t before = out->writer.used;
    put(out, out->text ? " " : ",\"");
    put(out, field->name);
    put(out, out->text ? "=" : "\":");
    size_t value_at = out->writer.used;
    put_value(out, field);
    if (out->writer.used == value_at)
        out->writer.used = before;
}

static const char *place_in_source(const char *file)
{
    const char *place = file;
    for (const char *at = file; (at = strstr(at, "src/")); at += 4)
        place = at + 4;
    return place;
}

static void put_head_json(pen *out, const weir_log_entry *entry, const char *time, const char *where)
{
    put(out, "{\"ts\":\"");
    put(out, time);
    put(out, "\",\"level\":\"");
    put(out, entry->level);
    put(out, "\",\"event\":");
    put_text(out, weir_span_text(entry->event));
    weir_log_field place = weir_log_text("where", where);
    put_field(out, &place);
}

static void put_head_text(pen *out, const weir_log_entry *entry, const char *time)
{
    char head[64];
    snprintf(head, sizeof head, "%s %-5s ", time, entry->level);
    put(out, head);
    put(out, entry->event);
}

void weir_log_format_line(const weir_log_entry *entry, bool text, weir_log_line *line_out)
{
    pen out = {.writer = weir_writer_of(line_out->bytes, sizeof line_out->bytes - TAIL_SIZE), .text = text};
    char time[WEIR_ISO_TIME_SIZE], where[128];
    weir_iso_time_format(entry->time_us, time);
    snprintf(where, sizeof where, "%s:%d", place_in_source(entry->file), entry->line);
    if (text)
        put_head_text(&out, entry, time);
    else
        put_head_json(&out, entry, time, where);
    const weir_log_field counts[] = {weir_log_int("suppressed", (int64_t)entry->suppressed),
                                     weir_log_int("dropped", (int64_t)entry->dropped)};
    for (size_t i = 0; i < 2; i++)
        if (counts[i].integer > 0)
            put_field(&out, &counts[i]);
    for (const weir_log_field *field = entry->fields; field->kind != WEIR_LOG_FIELD_END; field++)
        put_field(&out, field);
    bool truncated = out.truncated;
    out.writer.size = sizeof line_out->bytes;
    out.truncated = false;
    if (truncated)
        put(&out, text ? " truncated=true" : ",\"truncated\":true");
    put(&out, text ? "\n" : "}\n");
    weir_check(!out.truncated && !out.writer.failed);
    line_out->size = out.writer.used;
}
