#include "worker_rig.h"

#include "weir/app/worker_thread.h"

#include <pthread.h>
#include <unistd.h>

static worker_rig it;

typedef struct seen {
    pthread_t thread;
    weir_worker *worker;
    int calls;
} seen;

static void note(weir_worker *worker, void *context)
{
    seen *into = context;
    into->thread = pthread_self();
    into->worker = worker;
    into->calls++;
}

static void add_and_begin(weir_worker *worker, void *context)
{
    (void)worker, (void)context;
    rig_begin(&it, 0, 0, 0, 0);
    for (int64_t offset = 0; offset < 100; offset++)
        rig_add(&it, 0, offset, (uint64_t)offset % 7, 500);
}

static void begin_and_fail(weir_worker *worker, void *context)
{
    it.port.failure = WEIR_FENCED;
    add_and_begin(worker, context);
}

static void drain(weir_worker *worker, void *context)
{
    weir_error error = {0};
    cr_expect_eq(weir_worker_drain_partition(worker, 0, WEIR_US_PER_SECOND, &error), WEIR_OK, "%s", error.message);
    *(int64_t *)context = rig_acked_below(&it, 0);
}

static weir_worker_thread *start(void)
{
    rig_prepare(&it);
    it.options.clock = weir_clock_system();
    rig_start(&it);
    weir_worker_thread *thread;
    weir_error error = {0};
    cr_assert_eq(weir_worker_thread_start(it.worker, -1, &thread, &error), WEIR_OK, "%s", error.message);
    return thread;
}

Test(worker_thread, calls_run_on_the_workers_own_thread_one_after_the_other)
{
    weir_worker_thread *thread = start();
    seen first = {0}, second = {0};
    for (int i = 0; i < 200; i++)
        weir_worker_thread_call(thread, note, i % 2 ? &second : &first);
    cr_expect_eq(first.calls, 100);
    cr_expect_eq(second.calls, 100);
    cr_expect_eq(first.worker, it.worker);
    cr_expect(pthread_equal(first.thread, second.thread));
    cr_expect_not(pthread_equal(first.thread, pthread_self()));
    weir_worker_thread_stop(thread);
    rig_stop(&it);
}

/* What the service does, with the thread sanitizer watching: begin, look at the published offsets while the worker is
 * at work, tell it what is committed, drain. */
Test(worker_thread, the_service_looks_on_while_it_works)
{
    weir_worker_thread *thread = start();
    weir_worker_thread_call(thread, add_and_begin, NULL);
    const weir_partition *partition = weir_worker_partition(it.worker, 0);
    cr_assert_not_null(partition);
    int64_t acked = 0;
    for (int i = 0; i < 5000 && acked < 100; i++) {
        acked = atomic_load(&partition->acked_below);
        weir_worker_committed(it.worker, 0, acked);
        weir_error error;
        cr_assert_eq(weir_worker_failure(it.worker, &error), WEIR_OK);
        usleep(1000);
    }
    cr_expect_eq(acked, 100);
    int64_t drained = -1;
    weir_worker_thread_call(thread, drain, &drained);
    cr_expect_eq(drained, 100);
    weir_worker_thread_stop(thread);
    rig_stop(&it);
}

Test(worker_thread, its_heart_beats)
{
    weir_worker_thread *thread = start();
    int64_t begun_us = weir_worker_thread_beat_us(thread), beat_us = begun_us;
    for (int i = 0; i < 5000 && beat_us == begun_us; i++) {
        usleep(1000);
        beat_us = weir_worker_thread_beat_us(thread);
    }
    cr_expect_gt(beat_us, begun_us);
    weir_worker_thread_stop(thread);
    rig_stop(&it);
}

Test(worker_thread, a_failed_worker_still_answers_calls)
{
    weir_worker_thread *thread = start();
    weir_worker_thread_call(thread, begin_and_fail, NULL);
    weir_error error = {0};
    for (int i = 0; i < 5000 && weir_worker_failure(it.worker, &error) == WEIR_OK; i++)
        usleep(1000);
    cr_expect_eq(error.status, WEIR_FENCED);
    seen into = {0};
    weir_worker_thread_call(thread, note, &into);
    cr_expect_eq(into.calls, 1);
    weir_worker_thread_stop(thread);
    weir_worker_thread_stop(NULL);
    rig_stop(&it);
}
