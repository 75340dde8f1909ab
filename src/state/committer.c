#include "committer.h"

#include "weir/base/check.h"
#include "weir/base/units.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct weir_committer {
    bool threaded, stopping;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t work, done;
    weir_commit_job *first, *last; /* queued, not begun */
};

static int64_t monotonic_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * WEIR_US_PER_SECOND + now.tv_nsec / 1000;
}

static void run(weir_commit_job *job)
{
    int64_t begun_us = monotonic_us();
    job->error = (weir_error){0};
    job->status = job->store->ops->commit(job->store, job->batch, &job->error);
    job->duration_us = monotonic_us() - begun_us;
}

static weir_commit_job *take_first(weir_committer *committer)
{
    weir_commit_job *job = committer->first;
    if (job && !(committer->first = job->next))
        committer->last = NULL;
    return job;
}

/* Runs until told to stop, and then finishes what was handed over. */
static void *thread_main(void *argument)
{
    weir_committer *committer = argument;
    pthread_mutex_lock(&committer->lock);
    for (;;) {
        weir_commit_job *job = take_first(committer);
        if (!job) {
            if (committer->stopping)
                break;
            pthread_cond_wait(&committer->work, &committer->lock);
            continue;
        }
        pthread_mutex_unlock(&committer->lock);
        run(job);
        pthread_mutex_lock(&committer->lock);
        atomic_store_explicit(&job->phase, WEIR_JOB_DONE, memory_order_release);
        pthread_cond_broadcast(&committer->done);
    }
    pthread_mutex_unlock(&committer->lock);
    return NULL;
}

weir_status weir_committer_open(bool threaded, weir_committer **committer_out, weir_error *error)
{
    weir_committer *committer = calloc(1, sizeof *committer);
    if (!committer)
        return weir_error_set(error, WEIR_FULL, "no memory for the committer");
    committer->threaded = threaded;
    pthread_mutex_init(&committer->lock, NULL);
    pthread_cond_init(&committer->work, NULL);
    pthread_cond_init(&committer->done, NULL);
    int failure = threaded ? pthread_create(&committer->thread, NULL, thread_main, committer) : 0;
    if (failure) {
        committer->threaded = false;
        weir_committer_close(committer);
        return weir_error_set(error, WEIR_FULL, "cannot start the checkpointer thread: %s", strerror(failure));
    }
    if (threaded)
        pthread_setname_np(committer->thread, "weir-checkpoint");
    *committer_out = committer;
    return WEIR_OK;
}

void weir_committer_close(weir_committer *committer)
{
    if (!committer)
        return;
    if (committer->threaded) {
        pthread_mutex_lock(&committer->lock);
        committer->stopping = true;
        pthread_cond_signal(&committer->work);
        pthread_mutex_unlock(&committer->lock);
        pthread_join(committer->thread, NULL);
    }
    weir_check(!committer->first);
    pthread_cond_destroy(&committer->done);
    pthread_cond_destroy(&committer->work);
    pthread_mutex_destroy(&committer->lock);
    free(committer);
}

void weir_committer_submit(weir_committer *committer, weir_commit_job *job)
{
    weir_check(atomic_load_explicit(&job->phase, memory_order_relaxed) == WEIR_JOB_IDLE);
    pthread_mutex_lock(&committer->lock);
    job->next = NULL;
    atomic_store_explicit(&job->phase, WEIR_JOB_QUEUED, memory_order_relaxed);
    if (committer->last)
        committer->last->next = job;
    else
        committer->first = job;
    committer->last = job;
    pthread_cond_signal(&committer->work);
    pthread_mutex_unlock(&committer->lock);
}

/* Takes a job out of the queue; false when it is not there (under way, done or idle). Lock held. */
static bool unlink_job(weir_committer *committer, weir_commit_job *job)
{
    weir_commit_job *previous = NULL, *at = committer->first;
    while (at && at != job) {
        previous = at;
        at = at->next;
    }
    if (!at)
        return false;
    if (previous)
        previous->next = job->next;
    else
        committer->first = job->next;
    if (committer->last == job)
        committer->last = previous;
    return true;
}

bool weir_committer_poll(weir_committer *committer, weir_commit_job *job)
{
    int phase = atomic_load_explicit(&job->phase, memory_order_acquire);
    if (phase == WEIR_JOB_QUEUED && !committer->threaded) {
        weir_check(unlink_job(committer, job));
        run(job);
        atomic_store_explicit(&job->phase, WEIR_JOB_DONE, memory_order_relaxed);
        return true;
    }
    return phase == WEIR_JOB_DONE;
}

void weir_committer_wait(weir_committer *committer, weir_commit_job *job)
{
    if (!committer->threaded) {
        weir_check(weir_committer_poll(committer, job));
        return;
    }
    pthread_mutex_lock(&committer->lock);
    while (atomic_load_explicit(&job->phase, memory_order_acquire) == WEIR_JOB_QUEUED)
        pthread_cond_wait(&committer->done, &committer->lock);
    pthread_mutex_unlock(&committer->lock);
}

void weir_committer_cancel(weir_committer *committer, weir_commit_job *job)
{
    pthread_mutex_lock(&committer->lock);
    bool forgotten = unlink_job(committer, job);
    while (!forgotten && atomic_load_explicit(&job->phase, memory_order_acquire) == WEIR_JOB_QUEUED)
        pthread_cond_wait(&committer->done, &committer->lock);
    atomic_store_explicit(&job->phase, WEIR_JOB_IDLE, memory_order_relaxed);
    pthread_mutex_unlock(&committer->lock);
}
