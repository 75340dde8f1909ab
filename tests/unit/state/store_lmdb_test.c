#include "weir/base/rng.h"
#include "weir/state/store.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct place {
    char root[64], directory[128];
} place;

static place new_place(void)
{
    place p;
    strcpy(p.root, "/tmp/weir-lmdb-XXXXXX");
    cr_assert(mkdtemp(p.root));
    snprintf(p.directory, sizeof p.directory, "%s/transactions/7", p.root);
    return p;
}

static void remove_place(const place *p)
{
    char command[160];
    snprintf(command, sizeof command, "rm -rf '%s'", p->root);
    cr_assert_eq(system(command), 0);
}

static weir_store *open_store(const place *p, bool read_only)
{
    weir_error error = {0};
    weir_store *store = NULL;
    cr_assert_eq(weir_store_open_lmdb(p->directory, read_only, &store, &error), WEIR_OK, "%s", error.message);
    return store;
}

static void put(weir_store_batch *batch, const char *key, const char *value)
{
    weir_status status = value ? weir_store_batch_put(batch, weir_span_text(key), weir_span_text(value))
                               : weir_store_batch_delete(batch, weir_span_text(key));
    cr_assert_eq(status, WEIR_OK);
}

static void commit(weir_store *store, weir_store_batch *batch)
{
    weir_error error = {0};
    cr_assert_eq(store->ops->commit(store, batch, &error), WEIR_OK, "%s", error.message);
    weir_store_batch_reset(batch);
}

static void copy_text(void *context, weir_span value)
{
    snprintf(context, 32, "%.*s", WEIR_SPAN_ARGS(value));
}

static const char *get(weir_store *store, const char *key)
{
    static char text[32];
    weir_status status = store->ops->get(store, weir_span_text(key), copy_text, text);
    cr_assert(status == WEIR_OK || status == WEIR_NOT_FOUND);
    return status ? NULL : text;
}

static bool join_keys(void *context, weir_span key, weir_span value)
{
    char *text = context;
    size_t used = strlen(text);
    snprintf(text + used, 64 - used, "%.*s=%.*s ", WEIR_SPAN_ARGS(key), WEIR_SPAN_ARGS(value));
    return !weir_span_is(key, "c");
}

Test(store_lmdb, keeps_what_was_committed_across_reopening)
{
    place p = new_place();
    weir_store_batch batch = {0};
    weir_store *store = open_store(&p, false);
    put(&batch, "b", "2");
    put(&batch, "a", "1");
    put(&batch, "c", "3");
    put(&batch, "d", "4");
    put(&batch, "a", NULL); /* a later operation on the same key wins */
    put(&batch, "absent", NULL);
    commit(store, &batch);
    cr_assert_null(get(store, "a"));
    cr_assert_str_eq(get(store, "b"), "2");
    store->ops->close(store);

    store = open_store(&p, false);
    cr_assert_str_eq(get(store, "d"), "4");
    char text[64] = "";
    cr_assert_eq(store->ops->scan(store, weir_span_text("aa"), join_keys, text), WEIR_OK);
    cr_assert_str_eq(text, "b=2 c=3 ", "in order, from the key asked for, until the visitor has enough");
    cr_assert_gt(store->ops->size(store), 4096);
    store->ops->close(store);
    weir_store_batch_free(&batch);
    remove_place(&p);
}

Test(store_lmdb, refuses_a_second_opener_but_lets_readers_in)
{
    place p = new_place();
    weir_store *store = open_store(&p, false), *second = NULL;
    weir_store_batch batch = {0};
    put(&batch, "a", "1");
    commit(store, &batch);
    pid_t child = fork();
    if (child == 0) {
        weir_error error;
        if (weir_store_open_lmdb(p.directory, false, &second, &error) != WEIR_REFUSED)
            _exit(1);
        if (!strstr(error.message, p.directory) || !strstr(error.message, "another process"))
            _exit(2);
        if (weir_store_open_lmdb(p.directory, true, &second, &error))
            _exit(3);
        _exit(strcmp(get(second, "a"), "1") ? 4 : 0);
    }
    int status;
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert_eq(status, 0, "exit %d", WEXITSTATUS(status));
    store->ops->close(store);
    store = open_store(&p, false);
    store->ops->close(store);
    weir_store_batch_free(&batch);
    remove_place(&p);
}

Test(store_lmdb, names_the_directory_it_cannot_open)
{
    weir_error error;
    weir_store *store = NULL;
    cr_assert_eq(weir_store_open_lmdb("/nonexistent-weir/transactions/0", true, &store, &error), WEIR_NOT_FOUND);
    cr_assert(strstr(error.message, "/nonexistent-weir/transactions/0"));
    cr_assert_neq(weir_store_open_lmdb("/proc/weir/0", false, &store, &error), WEIR_OK);
    cr_assert(strstr(error.message, "/proc/weir/0"));
    cr_assert_null(store);
}

/* The child may write 1 MiB files; a batch of 4 MiB must come back as full, and the small one after it succeed. */
static int fill_disk(const place *p)
{
    signal(SIGXFSZ, SIG_IGN);
    weir_store *store = open_store(p, false);
    weir_store_batch batch = {0};
    put(&batch, "before", "1");
    commit(store, &batch);
    struct rlimit limit = {.rlim_cur = 1 << 20, .rlim_max = RLIM_INFINITY};
    if (setrlimit(RLIMIT_FSIZE, &limit))
        return 1;
    static uint8_t value[1024];
    for (uint32_t i = 0; i < 4096; i++)
        if (weir_store_batch_put(&batch, weir_span_of(&i, sizeof i), weir_span_of(value, sizeof value)))
            return 2;
    weir_error error;
    for (int i = 0; i < 3; i++)
        if (store->ops->commit(store, &batch, &error) != WEIR_FULL)
            return 3;
    weir_store_batch small = {0};
    put(&small, "after", "2");
    if (store->ops->commit(store, &small, &error))
        return 4;
    limit.rlim_cur = RLIM_INFINITY;
    if (setrlimit(RLIMIT_FSIZE, &limit))
        return 5;
    if (store->ops->commit(store, &batch, &error)) /* room again: the same batch goes through */
        return 6;
    store->ops->close(store);
    return 0;
}

Test(store_lmdb, a_full_disk_loses_nothing_and_says_so)
{
    place p = new_place();
    pid_t child = fork();
    if (child == 0)
        _exit(fill_disk(&p));
    int status;
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert_eq(status, 0, "exit %d", WEXITSTATUS(status));
    weir_store *store = open_store(&p, false);
    cr_assert_str_eq(get(store, "before"), "1");
    cr_assert_str_eq(get(store, "after"), "2");
    store->ops->close(store);
    remove_place(&p);
}
