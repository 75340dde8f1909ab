/* Dates and UTC times of model files: RFC 3339, "2026-01-31" or "2026-01-31T12:34:56Z" (fractions allowed). */
#ifndef WEIR_RELEASE_TIMESTAMP_H
#define WEIR_RELEASE_TIMESTAMP_H

#include <stdbool.h>
#include <stdint.h>

/* Microseconds since 1970 UTC. Returns false for anything else, dates that do not exist included. */
bool weir_timestamp_parse(const char *text, int64_t *time_us_out);

#endif
