/* Input by lines. */
#include "cli/cli.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/types.h>

weir_status weir_cli_lines_open(const char *path, weir_cli_lines *lines_out, weir_error *error)
{
    bool standard = strcmp(path, "-") == 0;
    FILE *file = standard ? stdin : fopen(path, "re");
    if (!file)
        return weir_error_set(error, errno == ENOENT ? WEIR_NOT_FOUND : WEIR_IO, "%.300s cannot be opened: %s.", path,
                              strerror(errno));
    *lines_out = (weir_cli_lines){.file = file, .name = standard ? "standard input" : path};
    return WEIR_OK;
}

bool weir_cli_lines_next(weir_cli_lines *lines, weir_span *line_out)
{
    ssize_t size = getline(&lines->buffer, &lines->capacity, lines->file);
    if (size < 0) {
        lines->failed = ferror(lines->file) != 0;
        return false;
    }
    if (size > 0 && lines->buffer[size - 1] == '\n')
        size--;
    if (size > 0 && lines->buffer[size - 1] == '\r')
        size--;
    lines->line_number++;
    *line_out = weir_span_of(lines->buffer, (size_t)size);
    return true;
}

void weir_cli_lines_close(weir_cli_lines *lines)
{
    if (lines->file && lines->file != stdin)
        fclose(lines->file);
    free(lines->buffer);
    *lines = (weir_cli_lines){0};
}
