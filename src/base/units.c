#include "weir/base/units.h"

#include <inttypes.h>
#include <stdio.h>

typedef struct unit {
    const char *name;
    uint64_t scale;
} unit;

/* Largest first, so that formatting takes the first that divides. */
static const unit DURATIONS[] = {
    {"w", 7 * WEIR_US_PER_DAY},  {"d", WEIR_US_PER_DAY}, {"h", WEIR_US_PER_HOUR}, {"m", WEIR_US_PER_MINUTE},
    {"s", WEIR_US_PER_SECOND},   {"ms", WEIR_US_PER_MS}, {"us", 1},
};
static const unit SIZES[] = {
    {"TiB", UINT64_C(1) << 40}, {"GiB", UINT64_C(1) << 30}, {"MiB", UINT64_C(1) << 20},
    {"KiB", UINT64_C(1) << 10}, {"TB", UINT64_C(1000000000000)}, {"GB", 1000000000},
    {"MB", 1000000},            {"kB", 1000},               {"B", 1},
    {"", 1},
};
enum {
    DURATION_COUNT = sizeof DURATIONS / sizeof *DURATIONS,
    SIZE_COUNT = sizeof SIZES / sizeof *SIZES,
    BINARY_SIZE_COUNT = 4
};

static weir_status parse(weir_span text, const unit *units, size_t unit_count, uint64_t *value_out)
{
    uint64_t number = 0;
    size_t digits = 0;
    for (; digits < text.size && text.data[digits] >= '0' && text.data[digits] <= '9'; digits++) {
        if (number > (UINT64_C(1) << 62) / 10)
            return WEIR_INVALID;
        number = number * 10 + (uint64_t)(text.data[digits] - '0');
    }
    if (digits == 0)
        return WEIR_INVALID;
    weir_span name = weir_span_of(text.data + digits, text.size - digits);
    for (size_t i = 0; i < unit_count; i++) {
        if (!weir_span_is(name, units[i].name))
            continue;
        if (number > (UINT64_C(1) << 62) / units[i].scale)
            return WEIR_INVALID;
        *value_out = number * units[i].scale;
        return WEIR_OK;
    }
    return WEIR_INVALID;
}

static size_t format(uint64_t value, const unit *units, size_t unit_count, char *text_out, size_t capacity)
{
    size_t i = 0;
    while (i + 1 < unit_count && (value % units[i].scale != 0 || value == 0))
        i++;
    int size = snprintf(text_out, capacity, "%" PRIu64 "%s", value / units[i].scale, units[i].name);
    return size < 0 ? 0 : (size_t)size;
}

weir_status weir_units_parse_duration(weir_span text, int64_t *us_out)
{
    uint64_t us;
    weir_status status = parse(text, DURATIONS, DURATION_COUNT, &us);
    if (status == WEIR_OK)
        *us_out = (int64_t)us;
    return status;
}

weir_status weir_units_parse_size(weir_span text, uint64_t *bytes_out)
{
    return parse(text, SIZES, SIZE_COUNT, bytes_out);
}

size_t weir_units_format_duration(int64_t us, char *text_out, size_t capacity)
{
    return us == 0 ? (size_t)snprintf(text_out, capacity, "0s")
                   : format((uint64_t)us, DURATIONS, DURATION_COUNT, text_out, capacity);
}

size_t weir_units_format_size(uint64_t bytes, char *text_out, size_t capacity)
{
    if (bytes == 0 || bytes % 1024 != 0)
        return (size_t)snprintf(text_out, capacity, "%" PRIu64 "B", bytes);
    return format(bytes, SIZES, BINARY_SIZE_COUNT, text_out, capacity);
}
