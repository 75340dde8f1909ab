/* Text inside a JSON string literal: quotes, backslashes and control characters escaped (RFC 8259), bytes that are
 * not UTF-8 replaced by U+FFFD, so that a line of JSON stays one whatever a stranger's text holds. */
#ifndef WEIR_BASE_ESCAPE_H
#define WEIR_BASE_ESCAPE_H

#include "weir/base/cursor.h"

/* Writes the escaped text without the quotes. When it does not fit, as many whole characters as do are written and
 * false is returned; the writer has not failed then. */
bool weir_escape_json(weir_writer *writer, weir_span text);

/* The size in bytes of the UTF-8 character at the front of `text` (RFC 3629: no surrogates, nothing overlong), or 0
 * when there is none. */
size_t weir_escape_utf8_size(weir_span text);

#endif
