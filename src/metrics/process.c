#include "metrics/process.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

/* When the machine started, seconds since 1970: /proc/stat's btime. */
static bool read_boot_time(double *seconds_out)
{
    FILE *file = fopen("/proc/stat", "re");
    if (!file)
        return false;
    char line[256];
    bool found = false;
    while (!found && fgets(line, sizeof line, file))
        found = sscanf(line, "btime %lf", seconds_out) == 1;
    fclose(file);
    return found;
}

/* Fields 22 to 24 of /proc/self/stat (proc(5)): start in ticks since boot, virtual bytes, resident pages. The second
 * field is the program's name in parentheses and may hold anything, so counting begins after its last one. */
static bool read_stat(double *start_ticks_out, double *virtual_bytes_out, double *resident_pages_out)
{
    FILE *file = fopen("/proc/self/stat", "re");
    if (!file)
        return false;
    char line[2048];
    size_t size = fread(line, 1, sizeof line - 1, file);
    fclose(file);
    line[size] = 0;
    char *at = strrchr(line, ')');
    for (int field = 2; at && field < 22; field++)
        at = strchr(at + 1, ' ');
    return at && sscanf(at, "%lf %lf %lf", start_ticks_out, virtual_bytes_out, resident_pages_out) == 3;
}

static double count_open_fds(void)
{
    DIR *directory = opendir("/proc/self/fd");
    if (!directory)
        return 0;
    double count = -3; /* ".", ".." and the directory itself */
    while (readdir(directory))
        count++;
    closedir(directory);
    return count;
}

static double seconds_of(struct timeval time)
{
    return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

bool weir_metrics_process_read(weir_metrics_process *process_out)
{
    double boot_seconds, start_ticks, virtual_bytes, resident_pages;
    struct rusage usage;
    struct rlimit files;
    if (!read_boot_time(&boot_seconds) || !read_stat(&start_ticks, &virtual_bytes, &resident_pages) ||
        getrusage(RUSAGE_SELF, &usage) != 0 || getrlimit(RLIMIT_NOFILE, &files) != 0)
        return false;
    *process_out = (weir_metrics_process){
        .cpu_seconds = seconds_of(usage.ru_utime) + seconds_of(usage.ru_stime),
        .start_time_seconds = boot_seconds + start_ticks / (double)sysconf(_SC_CLK_TCK),
        .resident_bytes = resident_pages * (double)sysconf(_SC_PAGESIZE),
        .virtual_bytes = virtual_bytes,
        .open_fds = count_open_fds(),
        .max_fds = (double)files.rlim_cur,
    };
    return true;
}
