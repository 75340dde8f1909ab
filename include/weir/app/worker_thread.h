/* The thread around a worker: turns while there is nothing else to do, calls in between. */
#ifndef WEIR_APP_WORKER_THREAD_H
#define WEIR_APP_WORKER_THREAD_H

#include "weir/app/worker.h"

typedef struct weir_worker_thread weir_worker_thread;

/* Starts the thread; cpu >= 0 pins it there. Borrows the worker until stop. */
WEIR_MUST_USE weir_status weir_worker_thread_start(weir_worker *worker, int cpu, weir_worker_thread **thread_out,
                                                   weir_error *error);

/* Runs `function` on the worker's thread, between turns, and waits for it. One caller at a time. */
void weir_worker_thread_call(weir_worker_thread *thread, void (*function)(weir_worker *worker, void *context),
                             void *context);

/* The worker's heartbeat (weir_worker_beat_us). Any thread. */
int64_t weir_worker_thread_beat_us(const weir_worker_thread *thread);

/* Ends the thread after its current turn. The worker stays the caller's. */
void weir_worker_thread_stop(weir_worker_thread *thread);

#endif
