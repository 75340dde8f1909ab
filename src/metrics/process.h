/* What the kernel says of this process, as Prometheus clients everywhere show it. */
#ifndef WEIR_METRICS_PROCESS_H
#define WEIR_METRICS_PROCESS_H

#include <stdbool.h>

typedef struct weir_metrics_process {
    double cpu_seconds, start_time_seconds; /* the latter since 1970 UTC */
    double resident_bytes, virtual_bytes;
    double open_fds, max_fds;
} weir_metrics_process;

/* Reads /proc/self. False when it cannot be read (then nothing is shown). */
bool weir_metrics_process_read(weir_metrics_process *process_out);

#endif
