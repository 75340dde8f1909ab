#include "timestamp.h"

#include "weir/base/units.h"

#include <stddef.h>

/* Reads exactly `count` digits; moves the text on. -1 when they are not there. */
static int64_t digits(const char **text, size_t count)
{
    int64_t number = 0;
    for (size_t i = 0; i < count; i++, (*text)++) {
        if (**text < '0' || **text > '9')
            return -1;
        number = number * 10 + (**text - '0');
    }
    return number;
}

static bool skip(const char **text, char wanted)
{
    if (**text != wanted)
        return false;
    (*text)++;
    return true;
}

static bool is_leap(int64_t year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

/* Source: Hinnant, "chrono-compatible low-level date algorithms", days_from_civil; years 0000-9999. */
static int64_t days_since_1970(int64_t year, int64_t month, int64_t day)
{
    year -= month <= 2;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t year_of_era = year - era * 400;
    int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719468;
}

static bool parse_date(const char **text, int64_t *days_out)
{
    static const int MONTH_DAYS[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int64_t year = digits(text, 4);
    if (year < 0 || !skip(text, '-'))
        return false;
    int64_t month = digits(text, 2);
    if (month < 1 || month > 12 || !skip(text, '-'))
        return false;
    int64_t day = digits(text, 2);
    if (day < 1 || day > MONTH_DAYS[month - 1] || (month == 2 && day == 29 && !is_leap(year)))
        return false;
    *days_out = days_since_1970(year, month, day);
    return true;
}

/* ".5" -> 500000; digits beyond the sixth are read and dropped. */
static bool parse_fraction(const char **text, int64_t *us_out)
{
    *us_out = 0;
    if (!skip(text, '.'))
        return true;
    int64_t unit = WEIR_US_PER_SECOND;
    size_t count = 0;
    for (; **text >= '0' && **text <= '9'; (*text)++, count++) {
        unit /= 10;
        *us_out += (**text - '0') * unit;
    }
    return count > 0;
}

static bool parse_clock(const char **text, int64_t *us_out)
{
    int64_t hour = digits(text, 2), minute = -1, second = -1, fraction;
    if (skip(text, ':'))
        minute = digits(text, 2);
    if (skip(text, ':'))
        second = digits(text, 2);
    bool in_range = hour >= 0 && hour < 24 && minute >= 0 && minute < 60 && second >= 0 && second < 60;
    if (!in_range || !parse_fraction(text, &fraction) || !skip(text, 'Z'))
        return false;
    *us_out = hour * WEIR_US_PER_HOUR + minute * WEIR_US_PER_MINUTE + second * WEIR_US_PER_SECOND + fraction;
    return true;
}

bool weir_timestamp_parse(const char *text, int64_t *time_us_out)
{
    int64_t days, clock_us = 0;
    if (!parse_date(&text, &days))
        return false;
    if (skip(&text, 'T') && !parse_clock(&text, &clock_us))
        return false;
    if (*text != '\0')
        return false;
    *time_us_out = days * WEIR_US_PER_DAY + clock_us;
    return true;
}
