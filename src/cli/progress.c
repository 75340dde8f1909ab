/* One line that says how far a long command is, for whoever sits before the terminal. */
#include "cli/cli.h"

#include "weir/base/units.h"

#include <inttypes.h>
#include <time.h>
#include <unistd.h>

enum { REDRAW_US = 200000 };

static int64_t clock_us(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * WEIR_US_PER_SECOND + now.tv_nsec / 1000;
}

int64_t weir_cli_wall_us(void)
{
    return clock_us(CLOCK_REALTIME);
}

int64_t weir_cli_steady_us(void)
{
    return clock_us(CLOCK_MONOTONIC);
}

weir_cli_progress weir_cli_progress_begin(const char *label, uint64_t total)
{
    int64_t now_us = weir_cli_steady_us();
    return (weir_cli_progress){
        .label = label, .total = total, .begin_us = now_us, .drawn_us = now_us, .shown = isatty(STDERR_FILENO)};
}

void weir_cli_progress_update(weir_cli_progress *progress, uint64_t done)
{
    int64_t now_us = weir_cli_steady_us();
    if (!progress->shown || now_us - progress->drawn_us < REDRAW_US)
        return;
    progress->drawn_us = now_us;
    double seconds = (double)(now_us - progress->begin_us) / 1e6;
    double rate = (double)done / seconds;
    fprintf(stderr, "\r\033[K%" PRIu64, done);
    if (progress->total)
        fprintf(stderr, " of %" PRIu64 " (%.0f%%)", progress->total, 100.0 * (double)done / (double)progress->total);
    fprintf(stderr, " %s, %.0f/s", progress->label, rate);
    if (progress->total > done && rate > 0)
        fprintf(stderr, ", %.0f s left", (double)(progress->total - done) / rate);
    fflush(stderr);
}

void weir_cli_progress_end(weir_cli_progress *progress)
{
    if (progress->shown)
        fprintf(stderr, "\r\033[K");
    progress->shown = false;
}
