#include "weir/base/iso_time.h"

#include "weir/base/units.h"

#include <stdio.h>

/* Days since 1970-01-01 of a date of the proleptic Gregorian calendar, and back. Years begin in March here, so that
 * the leap day is the last. Source: Howard Hinnant, "chrono-compatible low-level date algorithms", 2013. */
static int64_t days_of(int64_t year, int month, int day)
{
    year -= month <= 2;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t year_of_era = year - era * 400;
    int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719468;
}

static void date_of(int64_t days, int *year_out, int *month_out, int *day_out)
{
    days += 719468;
    int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    int64_t day_of_era = days - era * 146097;
    int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t month = (5 * day_of_year + 2) / 153;
    *day_out = (int)(day_of_year - (153 * month + 2) / 5 + 1);
    *month_out = (int)(month < 10 ? month + 3 : month - 9);
    *year_out = (int)(year_of_era + era * 400 + (*month_out <= 2));
}

void weir_iso_time_format(int64_t time_us, char text_out[WEIR_ISO_TIME_SIZE])
{
    int64_t first_us = days_of(0, 1, 1) * WEIR_US_PER_DAY;
    int64_t last_us = days_of(10000, 1, 1) * WEIR_US_PER_DAY - 1;
    time_us = time_us < first_us ? first_us : time_us > last_us ? last_us : time_us;
    int64_t days = time_us / WEIR_US_PER_DAY - (time_us % WEIR_US_PER_DAY < 0);
    int64_t rest_us = time_us - days * WEIR_US_PER_DAY;
    int year, month, day;
    date_of(days, &year, &month, &day);
    snprintf(text_out, WEIR_ISO_TIME_SIZE, "%04u-%02u-%02uT%02u:%02u:%02u.%06uZ", (unsigned)year % 10000,
             (unsigned)month % 100, (unsigned)day % 100, (unsigned)(rest_us / WEIR_US_PER_HOUR) % 100,
             (unsigned)(rest_us / WEIR_US_PER_MINUTE % 60), (unsigned)(rest_us / WEIR_US_PER_SECOND % 60),
             (unsigned)(rest_us % WEIR_US_PER_SECOND));
}

/* ---- parsing: each step takes its piece off the front, or fails for good ---- */

typedef struct scanner {
    const uint8_t *at, *end;
    bool failed;
} scanner;

static bool accept(scanner *scan, const char *any_of)
{
    for (; *any_of && scan->at < scan->end; any_of++)
        if (*scan->at == (uint8_t)*any_of) {
            scan->at++;
            return true;
        }
    return false;
}

static void expect(scanner *scan, const char *any_of)
{
    scan->failed |= !accept(scan, any_of);
}

/* A number of exactly `width` digits within [least, most]. */
static int number(scanner *scan, int width, int least, int most)
{
    int value = 0;
    for (int i = 0; i < width; i++) {
        bool digit = scan->at < scan->end && *scan->at >= '0' && *scan->at <= '9';
        scan->failed |= !digit;
        value = digit ? value * 10 + (*scan->at++ - '0') : value;
    }
    scan->failed |= value < least || value > most;
    return value;
}

static int64_t date(scanner *scan)
{
    static const int DAYS[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int year = number(scan, 4, 0, 9999);
    expect(scan, "-");
    int month = number(scan, 2, 1, 12);
    expect(scan, "-");
    int day = number(scan, 2, 1, 31);
    if (scan->failed)
        return 0;
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    scan->failed |= day > DAYS[month - 1] || (month == 2 && day == 29 && !leap);
    return days_of(year, month, day) * WEIR_US_PER_DAY;
}

static int64_t fraction(scanner *scan)
{
    int64_t us = number(scan, 1, 0, 9);
    int digits = 1;
    for (; digits < 6; digits++) {
        bool digit = scan->at < scan->end && *scan->at >= '0' && *scan->at <= '9';
        us = us * 10 + (digit ? *scan->at++ - '0' : 0);
    }
    return us;
}

static int64_t zone(scanner *scan)
{
    if (accept(scan, "Zz"))
        return 0;
    int sign = accept(scan, "-") ? -1 : 1;
    if (sign > 0)
        expect(scan, "+");
    int hours = number(scan, 2, 0, 23);
    expect(scan, ":");
    int minutes = number(scan, 2, 0, 59);
    return sign * (hours * WEIR_US_PER_HOUR + minutes * WEIR_US_PER_MINUTE);
}

static int64_t time_of_day(scanner *scan)
{
    int64_t us = number(scan, 2, 0, 23) * WEIR_US_PER_HOUR;
    expect(scan, ":");
    us += number(scan, 2, 0, 59) * WEIR_US_PER_MINUTE;
    expect(scan, ":");
    us += number(scan, 2, 0, 60) * WEIR_US_PER_SECOND;
    if (accept(scan, "."))
        us += fraction(scan);
    return us - zone(scan);
}

weir_status weir_iso_time_parse(weir_span text, int64_t *time_us_out)
{
    scanner scan = {.at = text.data, .end = text.data + text.size};
    int64_t time_us = date(&scan);
    if (!scan.failed && scan.at < scan.end) {
        expect(&scan, "Tt ");
        time_us += time_of_day(&scan);
    }
    if (scan.failed || scan.at != scan.end)
        return WEIR_INVALID;
    *time_us_out = time_us;
    return WEIR_OK;
}
