#include "bench.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>

static int64_t read_clock_ns(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

int64_t bench_now_ns(void)
{
    return read_clock_ns(CLOCK_MONOTONIC);
}

int64_t bench_cpu_ns(void)
{
    return read_clock_ns(CLOCK_THREAD_CPUTIME_ID);
}

static int pin_to_last_core(void)
{
    cpu_set_t allowed, one;
    if (sched_getaffinity(0, sizeof allowed, &allowed) != 0)
        return -1;
    for (int cpu = CPU_SETSIZE - 1; cpu >= 0; cpu--) {
        if (!CPU_ISSET(cpu, &allowed))
            continue;
        CPU_ZERO(&one);
        CPU_SET(cpu, &one);
        return sched_setaffinity(0, sizeof one, &one) == 0 ? cpu : -1;
    }
    return -1;
}

/* The processor's name as /proc/cpuinfo has it, or "unknown processor". */
static void read_processor(char *name_out, size_t capacity)
{
    snprintf(name_out, capacity, "unknown processor");
    FILE *file = fopen("/proc/cpuinfo", "r");
    if (!file)
        return;
    char line[256];
    while (fgets(line, sizeof line, file)) {
        char *value = strchr(line, ':');
        if (strncmp(line, "model name", 10) != 0 || !value)
            continue;
        value[strcspn(value, "\n")] = 0;
        snprintf(name_out, capacity, "%s", value + 2);
        break;
    }
    fclose(file);
}

void bench_begin(const char *bench_name)
{
    char processor[128];
    struct utsname kernel = {0};
    read_processor(processor, sizeof processor);
    uname(&kernel);
    int cpu = pin_to_last_core();
    fprintf(stderr, "# %s on %s, %s %s, pinned to core %d\n", bench_name, processor, kernel.sysname, kernel.release,
            cpu);
}

void bench_row(const char *name, double value, const char *unit)
{
    printf("{\"name\":\"%s\",\"value\":%.6g,\"unit\":\"%s\"}\n", name, value, unit);
    fflush(stdout);
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double bench_median(double *values, size_t count)
{
    qsort(values, count, sizeof *values, compare_doubles);
    return values[count / 2];
}

void bench_require(weir_status status, const char *what, const weir_error *error)
{
    if (status == WEIR_OK)
        return;
    fprintf(stderr, "bench: %s: %s%s%s\n", what, weir_status_name(status), error ? ": " : "",
            error ? error->message : "");
    exit(WEIR_EXIT_FAILED);
}

void *bench_take(size_t size)
{
    size_t rounded = (size + 63) / 64 * 64;
    void *memory = aligned_alloc(64, rounded ? rounded : 64);
    if (!memory)
        bench_require(WEIR_FULL, "out of memory", NULL);
    return memset(memory, 0, rounded);
}
