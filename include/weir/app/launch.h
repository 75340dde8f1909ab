/* From a configuration to a running service: opens log, metrics, model, broker, workers and HTTP in order, runs, and
 * takes everything down again in reverse. What `weir run` and `weir demo` share. */
#ifndef WEIR_APP_LAUNCH_H
#define WEIR_APP_LAUNCH_H

#include "weir/app/service.h"
#include "weir/conf/conf.h"

typedef struct weir_launch {
    const weir_conf *conf;
    const _Atomic bool *stop;
    /* Called once the service is about to join, on the launching thread, and with NULL just before it is taken
     * down; lets the demo look at the metrics. May be NULL. */
    void (*running)(void *context, weir_metrics *metrics);
    void *context;
} weir_launch;

/* Runs the service until *stop. Fails: what stopped it, as a sentence. */
WEIR_MUST_USE weir_status weir_launch_run(const weir_launch *launch, weir_error *error);

#endif
