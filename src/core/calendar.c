#include "core/calendar.h"

#include "weir/base/units.h"

/* Division that rounds down, so that times before 1970 have an hour and a weekday as well. */
static int64_t days_since_1970(int64_t us)
{
    return us / WEIR_US_PER_DAY - (us % WEIR_US_PER_DAY < 0);
}

int weir_calendar_hour(int64_t local_us)
{
    return (int)((local_us - days_since_1970(local_us) * WEIR_US_PER_DAY) / WEIR_US_PER_HOUR);
}

int weir_calendar_weekday(int64_t local_us)
{
    enum { THURSDAY = 3 }; /* 1970-01-01 */
    int weekday = (int)((days_since_1970(local_us) + THURSDAY) % 7);
    return weekday < 0 ? weekday + 7 : weekday;
}
