#include "weir/log/log.h"

#include "log/line.h"
#include "weir/base/check.h"

#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <time.h>
#include <unistd.h>

enum { REFILL_US = 1000000 }; /* a site's sustained rate: one line in this time */

static int64_t system_clock_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* One log a process: what to write where is decided in main, before the threads that write. */
static struct {
    pthread_mutex_t lock; /* held around the system calls: lines do not interleave, and poll's answer stays true */
    int file;
    bool text;
    int64_t (*clock_us)(void);
    _Atomic int level;
    _Atomic uint64_t dropped; /* since the process started */
    uint64_t told;            /* how many of them a line has told of; under the lock */
} the_log = {.lock = PTHREAD_MUTEX_INITIALIZER, .file = 2, .clock_us = system_clock_us, .level = WEIR_LOG_INFO};

static const char *const LEVEL_NAMES[WEIR_LOG_LEVEL_COUNT] = {"debug", "info", "warn", "error"};

const char *weir_log_level_name(weir_log_level level)
{
    weir_check((unsigned)level < WEIR_LOG_LEVEL_COUNT);
    return LEVEL_NAMES[level];
}

void weir_log_setup(const weir_log_options *options)
{
    weir_check((unsigned)options->level < WEIR_LOG_LEVEL_COUNT && (unsigned)options->format < WEIR_LOG_FORMAT_COUNT);
    the_log.file = options->file;
    the_log.text = options->format == WEIR_LOG_TEXT || (options->format == WEIR_LOG_AUTO && isatty(options->file));
    the_log.clock_us = options->clock_us ? options->clock_us : system_clock_us;
    weir_log_set_level(options->level);
}

void weir_log_set_level(weir_log_level level)
{
    atomic_store_explicit(&the_log.level, (int)level, memory_order_relaxed);
}

weir_log_level weir_log_current_level(void)
{
    return (weir_log_level)atomic_load_explicit(&the_log.level, memory_order_relaxed);
}

uint64_t weir_log_dropped_count(void)
{
    return atomic_load_explicit(&the_log.dropped, memory_order_relaxed);
}

/* Whether the site may write now. A leaky bucket in one word: next_us is the moment at which everything the site has
 * written would have been written at the sustained rate; it may run ahead of the clock by a burst. A clock set back
 * must not silence a site: what is further ahead than a full bucket is treated as just that. */
static bool admit(weir_log_site *site, int64_t now_us)
{
    const int64_t burst_us = (int64_t)WEIR_LOG_BURST * REFILL_US;
    int64_t next_us = atomic_load_explicit(&site->next_us, memory_order_relaxed);
    for (;;) {
        int64_t from_us = next_us < now_us || next_us > now_us + burst_us ? now_us : next_us;
        if (from_us + REFILL_US > now_us + burst_us) {
            atomic_fetch_add_explicit(&site->suppressed, 1, memory_order_relaxed);
            return false;
        }
        if (atomic_compare_exchange_weak_explicit(&site->next_us, &next_us, from_us + REFILL_US, memory_order_relaxed,
                                                  memory_order_relaxed))
            return true;
    }
}

/* A pipe that polls writable takes a line of up to PIPE_BUF (4096 on Linux) bytes whole and at once. */
static bool would_block(int file)
{
    struct pollfd want = {.fd = file, .events = POLLOUT};
    return poll(&want, 1, 0) == 0;
}

static bool write_once(const weir_log_line *line)
{
    return !would_block(the_log.file) && write(the_log.file, line->bytes, line->size) == (ssize_t)line->size;
}

void weir_log_write(weir_log_site *site, weir_log_level level, const char *event, const weir_log_field *fields)
{
    weir_check((unsigned)level < WEIR_LOG_LEVEL_COUNT);
    int64_t now_us = the_log.clock_us();
    if (!admit(site, now_us))
        return;
    weir_log_entry entry = {
        .time_us = now_us,
        .level = LEVEL_NAMES[level],
        .event = event,
        .file = site->file,
        .line = site->line,
        .suppressed = atomic_exchange_explicit(&site->suppressed, 0, memory_order_relaxed),
        .fields = fields,
    };
    weir_log_line line;
    pthread_mutex_lock(&the_log.lock);
    uint64_t dropped = atomic_load_explicit(&the_log.dropped, memory_order_relaxed);
    entry.dropped = dropped - the_log.told;
    weir_log_format_line(&entry, the_log.text, &line);
    if (write_once(&line))
        the_log.told = dropped;
    else
        atomic_fetch_add_explicit(&the_log.dropped, 1, memory_order_relaxed);
    pthread_mutex_unlock(&the_log.lock);
}
