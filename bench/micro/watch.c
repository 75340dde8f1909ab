/* Watches a running weir get through a backlog, from outside: reads a counter from /metrics every few milliseconds
 * until it has reached a number, then prints one JSON object with what it took.
 *
 *     bench_watch PORT PID METRIC UNTIL TIMEOUT_S [FROM_METRIC]
 *
 * rate counts from the first moment the counter (or FROM_METRIC, for what begins before the counter moves) was seen
 * to move to the moment it was complete, less what the counter said at the former; cpu_s, rss_peak_mib and
 * rss_anon_mib (without mapped files, at the end) are the whole process's, from /proc. Exits 75 when the time is up
 * first, 1 when the process is gone. */
#include "../support/bench.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { PAGE_SIZE_MAX = 1 << 20, POLL_INTERVAL_MS = 20 };

typedef struct target {
    uint16_t port;
    int pid;
    const char *metric, *from_metric;
    double until;
} target;

/* --- the metrics page -------------------------------------------------------------------------------------------- */

static int connect_loopback(uint16_t port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
}

/* Reads the page as text into `page`; false when nobody answers (yet). */
static bool fetch_page(uint16_t port, char *page, size_t capacity)
{
    static const char request[] = "GET /metrics HTTP/1.0\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    int fd = connect_loopback(port);
    if (fd < 0)
        return false;
    size_t used = 0;
    ssize_t size = write(fd, request, sizeof request - 1) < 0 ? -1 : 1;
    while (size > 0 && used + 1 < capacity && (size = read(fd, page + used, capacity - 1 - used)) > 0)
        used += (size_t)size;
    close(fd);
    page[used] = 0;
    return used > 0;
}

/* The sum of a metric's series over all labels; 0 when it is not there. */
static double sum_series(const char *page, const char *metric)
{
    size_t size = strlen(metric);
    double sum = 0;
    for (const char *line = page; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, metric, size) != 0 || (line[size] != ' ' && line[size] != '{'))
            continue;
        const char *value = line[size] == '{' ? strstr(line, "} ") : line + size;
        if (value)
            sum += strtod(value + (*value == '}'), NULL);
    }
    return sum;
}

/* --- the process ------------------------------------------------------------------------------------------------- */

static bool read_proc(int pid, const char *file, char *text, size_t capacity)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/%s", pid, file);
    FILE *stream = fopen(path, "r");
    if (!stream)
        return false;
    size_t size = fread(text, 1, capacity - 1, stream);
    fclose(stream);
    text[size] = 0;
    return size > 0;
}

/* User and system time; fields 14 and 15 of stat, counted from behind the name (proc(5)). -1 when it is gone. */
static double cpu_seconds(int pid)
{
    char text[1024];
    unsigned long user, kernel;
    if (!read_proc(pid, "stat", text, sizeof text))
        return -1;
    const char *rest = strrchr(text, ')');
    if (!rest || sscanf(rest + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &kernel) != 2)
        return -1;
    return (double)(user + kernel) / (double)sysconf(_SC_CLK_TCK);
}

/* A line of status, such as "VmHWM:"; -1 when it is gone. */
static double memory_mib(int pid, const char *name)
{
    char text[4096];
    if (!read_proc(pid, "status", text, sizeof text))
        return -1;
    const char *line = strstr(text, name);
    return line ? strtod(line + strlen(name), NULL) / 1024 : -1;
}

/* --- watching ---------------------------------------------------------------------------------------------------- */

static int print_result(const target *watched, double first_count, double count, double seconds)
{
    double cpu = cpu_seconds(watched->pid), anon = memory_mib(watched->pid, "RssAnon:");
    double peak = memory_mib(watched->pid, "VmHWM:");
    if (cpu < 0 || anon < 0 || peak < 0) {
        fprintf(stderr, "bench_watch: process %d is gone\n", watched->pid);
        return WEIR_EXIT_FAILED;
    }
    double rate = seconds > 0 ? (count - first_count) / seconds : 0;
    printf("{\"count\":%.0f,\"seconds\":%.3f,\"rate\":%.0f,\"cpu_s\":%.2f,", count, seconds, rate, cpu);
    printf("\"rss_peak_mib\":%.1f,\"rss_anon_mib\":%.1f}\n", peak, anon);
    return WEIR_EXIT_OK;
}

static int watch(const target *watched, int64_t deadline_ns)
{
    static char page[PAGE_SIZE_MAX];
    const struct timespec pause = {.tv_nsec = POLL_INTERVAL_MS * 1000000};
    double first_count = -1, count = 0;
    int64_t first_ns = 0;
    for (; bench_now_ns() < deadline_ns; nanosleep(&pause, NULL)) {
        if (cpu_seconds(watched->pid) < 0) {
            fprintf(stderr, "bench_watch: process %d is gone at %s %.0f\n", watched->pid, watched->metric, count);
            return WEIR_EXIT_FAILED;
        }
        if (!fetch_page(watched->port, page, sizeof page))
            continue;
        int64_t now_ns = bench_now_ns();
        count = sum_series(page, watched->metric);
        if (first_count < 0 && sum_series(page, watched->from_metric) > 0) {
            first_count = count;
            first_ns = now_ns;
        }
        if (count >= watched->until)
            return print_result(watched, first_count, count, (double)(now_ns - first_ns) * 1e-9);
    }
    fprintf(stderr, "bench_watch: time is up at %s %.0f of %.0f\n", watched->metric, count, watched->until);
    return WEIR_EXIT_TEMPORARY;
}

int main(int argc, char **argv)
{
    if (argc != 6 && argc != 7) {
        fprintf(stderr, "usage: bench_watch PORT PID METRIC UNTIL TIMEOUT_S [FROM_METRIC]\n");
        return WEIR_EXIT_USAGE;
    }
    target watched = {
        .port = (uint16_t)strtoul(argv[1], NULL, 10),
        .pid = (int)strtol(argv[2], NULL, 10),
        .metric = argv[3],
        .from_metric = argc == 7 ? argv[6] : argv[3],
        .until = strtod(argv[4], NULL),
    };
    return watch(&watched, bench_now_ns() + (int64_t)(strtod(argv[5], NULL) * 1e9));
}
