#include "cli/messages.h"

#include "weir/codec/delimited.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK_SIZE = 2 * WEIR_DELIMITED_SIZE_MAX }; /* so that a whole message always fits */

/* The next line that has something in it. */
static messages_taken take_line(messages *from, weir_span *line_out, weir_error *error)
{
    while (weir_cli_lines_next(&from->lines, line_out)) {
        from->number = from->lines.line_number;
        if (line_out->size > 0)
            return MESSAGES_MESSAGE;
    }
    if (!from->lines.failed)
        return MESSAGES_END;
    weir_error_set(error, WEIR_IO, "%s cannot be read beyond line %" PRIu64, from->lines.name, from->number);
    return MESSAGES_BROKEN;
}

static messages_taken take_json(messages *from, weir_span *message_out, weir_error *error)
{
    weir_span line;
    messages_taken result = take_line(from, &line, error);
    if (result != MESSAGES_MESSAGE)
        return result;
    weir_writer writer = weir_writer_of(from->message, sizeof from->message);
    if (weir_json_to_message(from->type, line, &writer, error) != WEIR_OK)
        return MESSAGES_REFUSED;
    *message_out = weir_span_of(from->message, writer.used);
    return MESSAGES_MESSAGE;
}

static messages_taken take_csv(messages *from, weir_span *message_out, weir_error *error)
{
    weir_span line;
    messages_taken result = take_line(from, &line, error);
    if (result == MESSAGES_MESSAGE && !from->csv) {
        if (weir_csv_open(from->type, line, &from->csv, error) != WEIR_OK)
            return MESSAGES_BROKEN;
        result = take_line(from, &line, error);
    }
    if (result != MESSAGES_MESSAGE)
        return result;
    weir_writer writer = weir_writer_of(from->message, sizeof from->message);
    if (weir_csv_row(from->csv, line, &writer, error) != WEIR_OK)
        return MESSAGES_REFUSED;
    *message_out = weir_span_of(from->message, writer.used);
    return MESSAGES_MESSAGE;
}

/* Moves what is left to the front and reads more behind it; false when there is no more. */
static bool refill_block(messages *from)
{
    memmove(from->block, from->block + from->block_at, from->block_end - from->block_at);
    from->block_end -= from->block_at;
    from->block_at = 0;
    size_t size = fread(from->block + from->block_end, 1, BLOCK_SIZE - from->block_end, from->lines.file);
    from->block_end += size;
    return size > 0;
}

static messages_taken take_delimited(messages *from, weir_span *message_out, weir_error *error)
{
    for (;;) {
        weir_span rest = weir_span_of(from->block + from->block_at, from->block_end - from->block_at);
        weir_reader reader = weir_reader_of(rest);
        weir_delimited found = weir_delimited_next(&reader, message_out);
        if (found == WEIR_DELIMITED_MESSAGE) {
            from->block_at += (size_t)(reader.at - rest.data);
            from->number++;
            return MESSAGES_MESSAGE;
        }
        if (found != WEIR_DELIMITED_CORRUPT && refill_block(from))
            continue;
        if (found == WEIR_DELIMITED_END && !ferror(from->lines.file))
            return MESSAGES_END;
        weir_error_set(error, WEIR_CORRUPT,
                       "%s: message %" PRIu64 " is cut short, or this is not a file of size-delimited messages",
                       from->lines.name, from->number + 1);
        return MESSAGES_BROKEN;
    }
}

static const messages_format FORMATS[] = {
    {"jsonl", ".jsonl", take_json, "line"},
    {"csv", ".csv", take_csv, "line"},
    {"pb", ".pb", take_delimited, "message"},
};

enum { FORMAT_COUNT = sizeof FORMATS / sizeof FORMATS[0] };

const messages_format *messages_format_find(const char *name, const char *path)
{
    const char *extension = strrchr(path, '.');
    for (size_t i = 0; i < FORMAT_COUNT; i++) {
        if (name ? strcmp(FORMATS[i].name, name) == 0 : extension && strcmp(FORMATS[i].extension, extension) == 0)
            return &FORMATS[i];
    }
    return name ? NULL : &FORMATS[0];
}

weir_status messages_open(messages *from, weir_message_type type, const messages_format *format, const char *path,
                          weir_error *error)
{
    memset(from, 0, sizeof *from);
    from->type = type;
    from->format = format;
    from->block = malloc(BLOCK_SIZE);
    if (!from->block)
        return weir_error_set(error, WEIR_FULL, "no memory to read %s", path);
    return weir_cli_lines_open(path, &from->lines, error);
}

void messages_close(messages *from)
{
    if (from->lines.file)
        weir_cli_lines_close(&from->lines);
    if (from->csv)
        weir_csv_close(from->csv);
    free(from->block);
}

messages_taken messages_next(messages *from, weir_span *message_out, weir_error *error)
{
    return from->format->take(from, message_out, error);
}
