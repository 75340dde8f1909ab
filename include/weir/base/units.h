/* Numbers with units, as people write them in options and feature names. */
#ifndef WEIR_BASE_UNITS_H
#define WEIR_BASE_UNITS_H

#include "weir/base/span.h"
#include "weir/base/status.h"

#define WEIR_US_PER_MS INT64_C(1000)
#define WEIR_US_PER_SECOND INT64_C(1000000)
#define WEIR_US_PER_MINUTE (60 * WEIR_US_PER_SECOND)
#define WEIR_US_PER_HOUR (60 * WEIR_US_PER_MINUTE)
#define WEIR_US_PER_DAY (24 * WEIR_US_PER_HOUR)

/* "250us", "5ms", "30s", "15m", "24h", "7d", "2w" -> microseconds. A whole non-negative number and a
 * unit, no spaces; below 2^62. Fails: WEIR_INVALID for anything else, a missing unit included. */
WEIR_MUST_USE weir_status weir_units_parse_duration(weir_span text, int64_t *us_out);

/* "4096", "64KiB", "512MiB", "2GiB", also "k/M/G" decimal with B ("10MB") -> bytes. */
WEIR_MUST_USE weir_status weir_units_parse_size(weir_span text, uint64_t *bytes_out);

/* The shortest exact text of a duration, in the largest unit that divides it ("24h" prints as "1d"). */
size_t weir_units_format_duration(int64_t us, char *text_out, size_t capacity);

/* The shortest exact text of a size ("512MiB"). */
size_t weir_units_format_size(uint64_t bytes, char *text_out, size_t capacity);

#endif
