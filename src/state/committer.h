/* One job of the committer: a batch on its way to a store.
 *
 *   IDLE ──submit──> QUEUED ──thread (or poll)──> DONE ──reap──> IDLE
 *
 * A state has one job and so at most one commit under way; its other batch fills meanwhile. The batch and the store
 * belong to the committer from submit until DONE, and to the worker otherwise.
 */
#ifndef WEIR_STATE_COMMITTER_H
#define WEIR_STATE_COMMITTER_H

#include "weir/state/state.h"

#include <stdatomic.h>

typedef enum weir_job_phase { WEIR_JOB_IDLE, WEIR_JOB_QUEUED, WEIR_JOB_DONE } weir_job_phase;

typedef struct weir_commit_job {
    weir_store *store;
    const weir_store_batch *batch;
    weir_status status;  /* valid when DONE */
    weir_error error;    /* likewise */
    int64_t duration_us; /* likewise */
    _Atomic int phase;
    struct weir_commit_job *next;
} weir_commit_job;

/* Queues an IDLE job (checked). Never blocks for the disk. */
void weir_committer_submit(weir_committer *committer, weir_commit_job *job);
/* Whether the job is DONE. An unthreaded committer runs it here. */
bool weir_committer_poll(weir_committer *committer, weir_commit_job *job);
/* Waits until a QUEUED job is DONE. */
void weir_committer_wait(weir_committer *committer, weir_commit_job *job);
/* Makes the job IDLE whatever it was: one that has not begun is forgotten, one under way is waited for. */
void weir_committer_cancel(weir_committer *committer, weir_commit_job *job);

#endif
