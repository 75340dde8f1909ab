#include "weir/app/worker_thread.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { STOPPED_WAIT_US = 1000 };

struct weir_worker_thread {
    weir_worker *worker;
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t answered;
    void (*function)(weir_worker *worker, void *context); /* the call waiting, NULL when none */
    void *context;
    _Atomic bool called; /* a hint, so that a turn need not take the mutex */
    _Atomic bool stopping;
};

static void answer(weir_worker_thread *thread)
{
    pthread_mutex_lock(&thread->mutex);
    if (thread->function) {
        thread->function(thread->worker, thread->context);
        thread->function = NULL;
        atomic_store(&thread->called, false);
        pthread_cond_signal(&thread->answered);
    }
    pthread_mutex_unlock(&thread->mutex);
}

static void *run(void *context)
{
    weir_worker_thread *thread = context;
    while (!atomic_load_explicit(&thread->stopping, memory_order_relaxed)) {
        if (atomic_load_explicit(&thread->called, memory_order_acquire))
            answer(thread);
        weir_error failure;
        if (weir_worker_turn(thread->worker) == 0 && weir_worker_failure(thread->worker, &failure) != WEIR_OK)
            usleep(STOPPED_WAIT_US); /* a failed worker only answers calls until the service ends it */
    }
    return NULL;
}

static void name_and_pin(weir_worker_thread *thread, size_t index, int cpu)
{
    char name[16];
    snprintf(name, sizeof name, "weir-work-%zu", index % 1000);
    pthread_setname_np(thread->thread, name);
    if (cpu < 0)
        return;
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET((size_t)cpu, &set);
    /* A machine that does not let us pin is slower, not wrong. */
    (void)pthread_setaffinity_np(thread->thread, sizeof set, &set);
}

weir_status weir_worker_thread_start(weir_worker *worker, int cpu, weir_worker_thread **thread_out, weir_error *error)
{
    weir_worker_thread *thread = calloc(1, sizeof *thread);
    if (!thread)
        return weir_error_set(error, WEIR_FULL, "no memory for a worker thread");
    thread->worker = worker;
    pthread_mutex_init(&thread->mutex, NULL);
    pthread_cond_init(&thread->answered, NULL);
    int failed = pthread_create(&thread->thread, NULL, run, thread);
    if (failed) {
        pthread_cond_destroy(&thread->answered);
        pthread_mutex_destroy(&thread->mutex);
        free(thread);
        return weir_error_set(error, WEIR_IO, "cannot start a worker thread: %s", strerror(failed));
    }
    name_and_pin(thread, weir_worker_index(worker), cpu);
    *thread_out = thread;
    return WEIR_OK;
}

void weir_worker_thread_call(weir_worker_thread *thread, void (*function)(weir_worker *worker, void *context),
                             void *context)
{
    pthread_mutex_lock(&thread->mutex);
    thread->function = function;
    thread->context = context;
    atomic_store_explicit(&thread->called, true, memory_order_release);
    while (thread->function)
        pthread_cond_wait(&thread->answered, &thread->mutex);
    pthread_mutex_unlock(&thread->mutex);
}

int64_t weir_worker_thread_beat_us(const weir_worker_thread *thread)
{
    return weir_worker_beat_us(thread->worker);
}

void weir_worker_thread_stop(weir_worker_thread *thread)
{
    if (!thread)
        return;
    atomic_store(&thread->stopping, true);
    pthread_join(thread->thread, NULL);
    pthread_cond_destroy(&thread->answered);
    pthread_mutex_destroy(&thread->mutex);
    free(thread);
}
