/* One log entry as bytes. A pure function of the entry: the clock, the file and the lock are log.c's.
 *
 * A line never exceeds WEIR_LOG_LINE_MAX bytes. What does not fit is cut at a whole character, the fields after it are
 * left out, and the line says "truncated":true; it is one valid JSON object in any case.
 */
#ifndef WEIR_LOG_LINE_H
#define WEIR_LOG_LINE_H

#include "weir/log/log.h"

typedef struct weir_log_entry {
    int64_t time_us;
    const char *level, *event;
    const char *file; /* __FILE__; shown from its last "src/" on */
    int line;
    uint64_t suppressed; /* earlier lines of the same place that were kept back */
    uint64_t dropped;    /* earlier lines of anybody that were lost */
    const weir_log_field *fields;
} weir_log_entry;

typedef struct weir_log_line {
    size_t size;
    char bytes[WEIR_LOG_LINE_MAX];
} weir_log_line;

/* Formats the entry, newline included; as text for people when `text`, else as JSON. */
void weir_log_format_line(const weir_log_entry *entry, bool text, weir_log_line *line_out);

#endif
