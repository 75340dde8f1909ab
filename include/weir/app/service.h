/* The running service: a consumer-group member with pinned workers.
 *
 * The service thread (the caller of weir_service_run) polls the group, opens and drains partitions on their workers,
 * commits what is acknowledged, and keeps readiness and metrics; everything on the event path is the workers'.
 *
 *   ASSIGN: bounds ─> worker opens state ─> marks read back ─> recovery_decide ─> start, begin ─> settle
 *   REVOKE: worker drains ─> commit ─> worker flushes and closes ─> settle
 *   LOST:   worker closes, nothing committed ─> settle
 */
#ifndef WEIR_APP_SERVICE_H
#define WEIR_APP_SERVICE_H

#include "weir/app/rules.h"
#include "weir/app/worker_thread.h"
#include "weir/broker/broker.h"
#include "weir/metrics/metrics.h"

#include <stdatomic.h>

typedef struct weir_service_options {
    weir_group *group;                /* opened, not joined; the service owns it */
    const weir_rules *rules;
    weir_worker_options worker;       /* the template: index, port, committer, ruleset, metrics are filled in */
    size_t worker_count;
    bool pin_workers;
    bool threadless; /* no worker threads: whoever steps the service turns the workers (the simulator) */
    const char *state_dir;            /* for messages; where open_store looks is its own business */
    int64_t commit_interval_us;       /* between commits of acknowledged offsets */
    int64_t drain_timeout_us;         /* for acknowledgements at a revocation or at the end */
    weir_metrics *metrics;            /* worker_count + 1 shards; the last is the service's */
    const _Atomic bool *stop;         /* set (by a signal handler) to drain and end */
} weir_service_options;

typedef struct weir_service weir_service;

/* Owns: the group, from here on, also when this fails. Fails: the group's reasons for not describing the topic. */
WEIR_MUST_USE weir_status weir_service_open(const weir_service_options *options, weir_service **service_out,
                                            weir_error *error);

/* Joins the group and works until *stop is set or something fails for good.
 * Gives:  WEIR_OK after a clean drain.
 * Fails:  what stopped it; the state left behind is that of a crash, which is fine. */
WEIR_MUST_USE weir_status weir_service_run(weir_service *service, weir_error *error);

void weir_service_close(weir_service *service);

/* ---- what weir_service_run is made of, for whoever drives a threadless service by hand ---- */

/* Opens the workers and joins the group. */
WEIR_MUST_USE weir_status weir_service_begin(weir_service *service, weir_error *error);
/* Hears and answers one group event, waiting up to wait_us for it; commits and shows when their time has come. */
WEIR_MUST_USE weir_status weir_service_step(weir_service *service, int64_t wait_us, weir_error *error);
/* Drains every partition, commits and writes the final checkpoints. */
void weir_service_drain(weir_service *service);
weir_worker *weir_service_worker(weir_service *service, size_t index);

/* ---- any thread (HTTP) ---- */

/* Whether the service is fit to be sent traffic; reasons as a JSON array of sentences (NUL-terminated, cut to
 * capacity). */
bool weir_service_ready(const weir_service *service, char *reasons_json_out, size_t capacity);
/* Whether the service thread and every worker have shown a sign of life within the last minute (the
 * service thread: that and a drain's timeout). */
bool weir_service_alive(const weir_service *service);
/* Asks the service to let braked partitions go on (taken up within a poll). */
void weir_service_resume(weir_service *service);

#endif
