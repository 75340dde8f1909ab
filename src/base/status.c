#include "weir/base/status.h"

#include "weir/base/check.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    int exit_code;
} STATUSES[WEIR_STATUS_COUNT] = {
    [WEIR_OK] = {"ok", WEIR_EXIT_OK},
    [WEIR_INVALID] = {"invalid", WEIR_EXIT_FAILED},
    [WEIR_NOT_FOUND] = {"not_found", WEIR_EXIT_FAILED},
    [WEIR_EXISTS] = {"exists", WEIR_EXIT_FAILED},
    [WEIR_CORRUPT] = {"corrupt", WEIR_EXIT_FAILED},
    [WEIR_REFUSED] = {"refused", WEIR_EXIT_FAILED},
    [WEIR_UNSUPPORTED] = {"unsupported", WEIR_EXIT_FAILED},
    [WEIR_FULL] = {"full", WEIR_EXIT_FAILED},
    [WEIR_IO] = {"io", WEIR_EXIT_FAILED},
    [WEIR_TEMPORARY] = {"temporary", WEIR_EXIT_TEMPORARY},
    [WEIR_FENCED] = {"fenced", WEIR_EXIT_TEMPORARY},
};

const char *weir_status_name(weir_status status)
{
    weir_check(status >= 0 && status < WEIR_STATUS_COUNT);
    return STATUSES[status].name;
}

int weir_status_exit_code(weir_status status)
{
    weir_check(status >= 0 && status < WEIR_STATUS_COUNT);
    return STATUSES[status].exit_code;
}

weir_status weir_error_set(weir_error *error, weir_status status, const char *format, ...)
{
    weir_check(status > WEIR_OK && status < WEIR_STATUS_COUNT);
    if (!error)
        return status;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error->message, sizeof error->message, format, arguments);
    va_end(arguments);
    error->status = status;
    return status;
}

weir_status weir_error_wrap(weir_error *error, const char *format, ...)
{
    if (!error)
        return WEIR_INVALID;
    char cause[sizeof error->message];
    memcpy(cause, error->message, sizeof cause);
    char context[128];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(context, sizeof context, format, arguments);
    va_end(arguments);
    snprintf(error->message, sizeof error->message, "%.127s: %.380s", context, cause);
    return error->status;
}
