/* librdkafka starts its threads with C11's thrd_create, which gcc 12's ThreadSanitizer does not intercept: such a
 * thread has no state of the sanitizer's and dies at its first intercepted call. These stand in front of the C
 * library's and go through pthread_create, which is intercepted. CMakeLists.txt has the linker take them
 * (--undefined). */
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <threads.h>

typedef struct beginning {
    thrd_start_t function;
    void *argument;
} beginning;

static void *begin(void *context)
{
    beginning it = *(beginning *)context;
    free(context);
    return (void *)(intptr_t)it.function(it.argument);
}

int thrd_create(thrd_t *thread_out, thrd_start_t function, void *argument)
{
    beginning *context = malloc(sizeof *context);
    if (!context)
        return thrd_nomem;
    *context = (beginning){function, argument};
    if (pthread_create(thread_out, NULL, begin, context) == 0)
        return thrd_success;
    free(context);
    return thrd_error;
}

int thrd_join(thrd_t thread, int *result_out)
{
    void *result;
    if (pthread_join(thread, &result) != 0)
        return thrd_error;
    if (result_out)
        *result_out = (int)(intptr_t)result;
    return thrd_success;
}

int thrd_detach(thrd_t thread)
{
    return pthread_detach(thread) == 0 ? thrd_success : thrd_error;
}
