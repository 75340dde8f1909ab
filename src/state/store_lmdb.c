/* The LMDB store: one environment a partition, in LMDB's default, fully synced mode.
 *
 * No NOSYNC, no WRITEMAP, no MAPASYNC: 84 to 100 % of simulated power cuts corrupted an environment opened with them,
 * and none corrupted one opened without. Beside LMDB's own lock, which does not stop a second process, a flock on
 * weir.lock says whose environment this is; the kernel drops it with the process, kill -9 included. */
#include "weir/base/check.h"
#include "weir/state/store.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#ifdef __SANITIZE_THREAD__
#define MAP_SIZE ((size_t)1 << 34) /* its shadow leaves no room for more */
#else
#define MAP_SIZE ((size_t)1 << 40)
#endif

/* Where a batch's record is, and the first bytes of its key after the type, big-endian: the hash. */
typedef struct item {
    uint64_t prefix;
    size_t at;
} item;

typedef struct lmdb_store {
    weir_store base;
    MDB_env *env;
    MDB_dbi dbi;
    MDB_txn *reader; /* the worker's, reset between gets */
    int lock_fd;     /* -1 when read-only */
    item *order; /* scratch of commit */
    size_t order_size;
    char directory[PATH_MAX];
} lmdb_store;

static lmdb_store *of(weir_store *store)
{
    return (lmdb_store *)store;
}

static weir_status status_of(int code)
{
    switch (code) {
    case MDB_SUCCESS:
        return WEIR_OK;
    case MDB_NOTFOUND:
    case ENOENT:
        return WEIR_NOT_FOUND;
    case MDB_MAP_FULL:
    case MDB_TXN_FULL:
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
    case ENOMEM:
        return WEIR_FULL;
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND:
    case MDB_INVALID:
    case MDB_VERSION_MISMATCH:
        return WEIR_CORRUPT;
    default:
        return WEIR_IO;
    }
}

static weir_status fail(const lmdb_store *store, int code, const char *doing, weir_error *error)
{
    return weir_error_set(error, status_of(code), "state store %.300s: cannot %s: %s", store->directory, doing,
                          mdb_strerror(code));
}

/* ---- reading ---- */

static MDB_val val_of(weir_span span)
{
    return (MDB_val){.mv_data = (void *)span.data, .mv_size = span.size};
}

static weir_span span_of(MDB_val val)
{
    return weir_span_of(val.mv_data, val.mv_size);
}

/* A read transaction kept open makes the file grow, so it lives for one call; reset and renew keep its slot. */
static int begin_read(lmdb_store *store)
{
    return store->reader ? mdb_txn_renew(store->reader) : mdb_txn_begin(store->env, NULL, MDB_RDONLY, &store->reader);
}

static weir_status lmdb_get(weir_store *base, weir_span key, void (*visit)(void *, weir_span), void *context)
{
    lmdb_store *store = of(base);
    int code = begin_read(store);
    if (code)
        return status_of(code);
    MDB_val name = val_of(key), value;
    code = mdb_get(store->reader, store->dbi, &name, &value);
    if (!code)
        visit(context, span_of(value));
    mdb_txn_reset(store->reader);
    return status_of(code);
}

static weir_status lmdb_scan(weir_store *base, weir_span from, bool (*visit)(void *, weir_span, weir_span),
                             void *context)
{
    lmdb_store *store = of(base);
    int code = begin_read(store);
    if (code)
        return status_of(code);
    MDB_cursor *cursor = NULL;
    code = mdb_cursor_open(store->reader, store->dbi, &cursor);
    MDB_val key = val_of(from), value;
    if (!code)
        code = mdb_cursor_get(cursor, &key, &value, from.size ? MDB_SET_RANGE : MDB_FIRST);
    while (!code && visit(context, span_of(key), span_of(value)))
        code = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
    if (cursor)
        mdb_cursor_close(cursor);
    mdb_txn_reset(store->reader);
    return code == MDB_NOTFOUND ? WEIR_OK : status_of(code);
}

/* ---- writing ---- */

/* Cards arrive in the order they were touched. Sorted by key, neighbours share a page while it is at hand: the
 * transaction copies the same pages, but finds each once. */
static int by_prefix(const void *a, const void *b)
{
    const item *left = a, *right = b;
    if (left->prefix != right->prefix)
        return left->prefix < right->prefix ? -1 : 1;
    return (left->at > right->at) - (left->at < right->at); /* keeps the order of a key's own puts and deletes */
}

static uint64_t prefix_of(weir_span key)
{
    uint64_t prefix = 0;
    if (key.size > 1)
        memcpy(&prefix, key.data + 1, key.size - 1 < sizeof prefix ? key.size - 1 : sizeof prefix);
    return __builtin_bswap64(prefix);
}

static bool sort_batch(lmdb_store *store, const weir_store_batch *batch)
{
    if (batch->count > store->order_size) {
        item *order = realloc(store->order, batch->count * sizeof *order);
        if (!order)
            return false;
        store->order = order;
        store->order_size = batch->count;
    }
    size_t count = 0;
    weir_span key, value;
    for (size_t at = 0, before = 0; weir_store_batch_next(batch, &at, &key, &value); before = at)
        store->order[count++] = (item){.prefix = prefix_of(key), .at = before};
    weir_check(count == batch->count);
    qsort(store->order, count, sizeof *store->order, by_prefix);
    return true;
}

static int apply(MDB_txn *txn, MDB_dbi dbi, weir_span key, weir_span value)
{
    MDB_val name = val_of(key), data = val_of(value);
    if (value.data)
        return mdb_put(txn, dbi, &name, &data, 0);
    int code = mdb_del(txn, dbi, &name, NULL);
    return code == MDB_NOTFOUND ? MDB_SUCCESS : code;
}

/* A disk that fills up in the middle of LMDB's write shows as a short write, which LMDB calls an I/O error. Whether
 * there was room is asked of the file system itself, on weir's own lock file: a page a record is what a batch of
 * scattered cards can take. Where that cannot be asked, it stays an I/O error. */
static int explain(const lmdb_store *store, const weir_store_batch *batch, int code)
{
    if (code != EIO || store->lock_fd < 0)
        return code;
    off_t wanted = (off_t)(batch->used + batch->count * 4096);
    int failure = fallocate(store->lock_fd, 0, 0, wanted) ? errno : 0;
    bool emptied = ftruncate(store->lock_fd, 0) == 0;
    return emptied && (failure == ENOSPC || failure == EDQUOT || failure == EFBIG) ? failure : code;
}

static weir_status lmdb_commit(weir_store *base, const weir_store_batch *batch, weir_error *error)
{
    lmdb_store *store = of(base);
    if (!sort_batch(store, batch))
        return weir_error_set(error, WEIR_FULL, "no memory to sort a batch of %zu records", batch->count);
    MDB_txn *txn;
    int code = mdb_txn_begin(store->env, NULL, 0, &txn);
    if (code)
        return fail(store, code, "begin a write", error);
    for (size_t i = 0; i < batch->count && !code; i++) {
        size_t at = store->order[i].at;
        weir_span key, value;
        weir_check(weir_store_batch_next(batch, &at, &key, &value));
        code = apply(txn, store->dbi, key, value);
    }
    if (code) {
        mdb_txn_abort(txn);
        return fail(store, explain(store, batch, code), "write a batch", error);
    }
    code = mdb_txn_commit(txn);
    return code ? fail(store, explain(store, batch, code), "commit a batch", error) : WEIR_OK;
}

static uint64_t lmdb_size(weir_store *base)
{
    struct stat info;
    int fd;
    if (mdb_env_get_fd(of(base)->env, &fd) || fstat(fd, &info))
        return 0;
    return (uint64_t)info.st_blocks * 512;
}

/* ---- opening ---- */

static void lmdb_close(weir_store *base)
{
    lmdb_store *store = of(base);
    if (store->reader)
        mdb_txn_abort(store->reader);
    if (store->env)
        mdb_env_close(store->env);
    if (store->lock_fd >= 0)
        close(store->lock_fd);
    free(store->order);
    free(store);
}

/* mkdir -p. */
static int make_directories(const char *directory)
{
    char path[PATH_MAX];
    size_t size = strlen(directory);
    if (size >= sizeof path)
        return ENAMETOOLONG;
    memcpy(path, directory, size + 1);
    for (size_t i = 1; i <= size; i++) {
        if (path[i] != '/' && path[i] != '\0')
            continue;
        char kept = path[i];
        path[i] = '\0';
        if (mkdir(path, 0750) && errno != EEXIST)
            return errno;
        path[i] = kept;
    }
    return 0;
}

static weir_status take_lock(lmdb_store *store, weir_error *error)
{
    char path[PATH_MAX + 16];
    snprintf(path, sizeof path, "%s/weir.lock", store->directory);
    store->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0640);
    if (store->lock_fd < 0)
        return fail(store, errno, "open weir.lock", error);
    if (flock(store->lock_fd, LOCK_EX | LOCK_NB) == 0)
        return WEIR_OK;
    if (errno != EWOULDBLOCK)
        return fail(store, errno, "lock weir.lock", error);
    return weir_error_set(error, WEIR_REFUSED,
                          "state store %.300s is in use by another process (it holds weir.lock); stop that one, or "
                          "give this one a state directory of its own", store->directory);
}

static weir_status open_environment(lmdb_store *store, bool read_only, weir_error *error)
{
    int code = mdb_env_create(&store->env);
    if (!code)
        code = mdb_env_set_mapsize(store->env, MAP_SIZE);
    unsigned flags = MDB_NOTLS | MDB_NORDAHEAD | (read_only ? MDB_RDONLY : 0);
    if (!code)
        code = mdb_env_open(store->env, store->directory, flags, 0640);
    if (code)
        return fail(store, code, "open", error);
    int dead;
    mdb_reader_check(store->env, &dead); /* slots of killed readers would pin old pages */
    MDB_txn *txn;
    code = mdb_txn_begin(store->env, NULL, read_only ? MDB_RDONLY : 0, &txn);
    if (code)
        return fail(store, code, "begin", error);
    code = mdb_dbi_open(txn, NULL, 0, &store->dbi);
    if (code) {
        mdb_txn_abort(txn);
        return fail(store, code, "open the database", error);
    }
    code = mdb_txn_commit(txn);
    return code ? fail(store, code, "commit", error) : WEIR_OK;
}

static const weir_store_ops LMDB_OPS = {
    .get = lmdb_get, .scan = lmdb_scan, .commit = lmdb_commit, .size = lmdb_size, .close = lmdb_close};

weir_status weir_store_open_lmdb(const char *directory, bool read_only, weir_store **store_out, weir_error *error)
{
    if (strlen(directory) >= PATH_MAX)
        return weir_error_set(error, WEIR_INVALID, "state directory name is longer than %d bytes", PATH_MAX);
    lmdb_store *store = calloc(1, sizeof *store);
    if (!store)
        return weir_error_set(error, WEIR_FULL, "no memory for a store");
    store->base.ops = &LMDB_OPS;
    store->lock_fd = -1;
    strcpy(store->directory, directory);
    int code = read_only ? 0 : make_directories(directory);
    weir_status status = code ? fail(store, code, "create the directory", error) : WEIR_OK;
    if (!status && !read_only)
        status = take_lock(store, error);
    if (!status)
        status = open_environment(store, read_only, error);
    if (status) {
        lmdb_close(&store->base);
        return status;
    }
    *store_out = &store->base;
    return WEIR_OK;
}
