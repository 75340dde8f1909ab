/* Moments as people and logs write them: RFC 3339 in UTC with microseconds, from and to microseconds since 1970. */
#ifndef WEIR_BASE_ISO_TIME_H
#define WEIR_BASE_ISO_TIME_H

#include "weir/base/span.h"
#include "weir/base/status.h"

enum { WEIR_ISO_TIME_SIZE = 28 }; /* "2026-01-31T12:00:00.123456Z" and its NUL */

/* The years 0000 to 9999; moments outside are clamped to the first or last of them. */
void weir_iso_time_format(int64_t time_us, char text_out[WEIR_ISO_TIME_SIZE]);

/* "2026-01-31T12:00:00Z", with one to six digits of fraction, an offset such as +01:00 instead of Z, a space or t
 * instead of T; or a date alone, which is its midnight in UTC.
 * Fails: WEIR_INVALID for anything else, days that do not exist included. A leap second (:60) is the second after. */
WEIR_MUST_USE weir_status weir_iso_time_parse(weir_span text, int64_t *time_us_out);

#endif
