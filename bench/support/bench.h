/* What every micro bench needs: a clock, a pinned core, a median, and one way to print a row.
 *
 * A row is one JSON object a line on standard output: {"name":"decode_ns","value":41.2,"unit":"ns"}. Everything
 * for people goes to standard error. A bench that cannot run says why and exits 1: it never prints a made-up row.
 */
#ifndef BENCH_SUPPORT_BENCH_H
#define BENCH_SUPPORT_BENCH_H

#include "weir/base/status.h"

#include <stddef.h>
#include <stdint.h>

enum { BENCH_RUN_COUNT = 5 }; /* timed runs a figure; the median is reported */

/* Monotonic nanoseconds. */
int64_t bench_now_ns(void);

/* Nanoseconds this thread has had a core, kernel included: what a bench that only computes is timed with, so that
 * somebody else's turn on the core is not counted. */
int64_t bench_cpu_ns(void);

/* Pins the thread to the last core it may run on (the first one takes most interrupts) and describes the machine
 * on standard error. */
void bench_begin(const char *bench_name);

/* Prints one row. */
void bench_row(const char *name, double value, const char *unit);

/* The middle one of `count` values, which are sorted in place; count > 0. */
double bench_median(double *values, size_t count);

/* Ends the process with the message when a status is not WEIR_OK. */
void bench_require(weir_status status, const char *what, const weir_error *error);

/* Memory of the heap aligned to a cache line, zeroed; ends the process when there is none. Freed with free(). */
void *bench_take(size_t size);

#endif
