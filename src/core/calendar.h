/* The wall clock of an event time: UTC, or a fixed offset from it.
 *
 * IANA zones are out on purpose: their rules change under a trained model. */
#ifndef WEIR_SRC_CORE_CALENDAR_H
#define WEIR_SRC_CORE_CALENDAR_H

#include <stdint.h>

/* Microseconds since 1970 (offset already added) -> hour of the day, 0..23. */
int weir_calendar_hour(int64_t local_us);

/* -> day of the week, 0 = Monday .. 6 = Sunday. */
int weir_calendar_weekday(int64_t local_us);

#endif
