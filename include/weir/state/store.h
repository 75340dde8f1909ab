/* The durable form of one partition's state: the disk seam.
 *
 * A store is an ordered map of small keys to values, changed only by atomic, durable batches. Implementations:
 * LMDB (one environment a partition, fully synced) and the simulator's memory store, which can lose whatever was not
 * committed. Reads come from the worker, commits from the checkpointer thread, at the same time.
 */
#ifndef WEIR_STATE_STORE_H
#define WEIR_STATE_STORE_H

#include "weir/base/span.h"
#include "weir/base/status.h"

enum { WEIR_STORE_KEY_MAX = 511 };

/* A growing list of puts and deletes, applied together. Owned by state; memory from the heap, reused. */
typedef struct weir_store_batch {
    uint8_t *bytes; /* op (1 byte: 1 put, 0 delete), key size u16, value size u32, key, value; repeated */
    size_t size, used;
    size_t count;
} weir_store_batch;

WEIR_MUST_USE weir_status weir_store_batch_put(weir_store_batch *batch, weir_span key, weir_span value);
WEIR_MUST_USE weir_status weir_store_batch_delete(weir_store_batch *batch, weir_span key);
/* Iterates: *at starts at 0; false at the end. value.data is NULL for a delete. */
bool weir_store_batch_next(const weir_store_batch *batch, size_t *at, weir_span *key_out, weir_span *value_out);
void weir_store_batch_reset(weir_store_batch *batch);
void weir_store_batch_free(weir_store_batch *batch);

typedef struct weir_store weir_store;
typedef struct weir_store_ops {
    /* Calls visit with the value (borrowed) when the key is there. WEIR_NOT_FOUND otherwise. Worker thread. */
    weir_status (*get)(weir_store *store, weir_span key, void (*visit)(void *context, weir_span value), void *context);
    /* Visits keys >= from in order until visit returns false. Any one thread besides the committer. */
    weir_status (*scan)(weir_store *store, weir_span from, bool (*visit)(void *context, weir_span key, weir_span value),
                        void *context);
    /* Applies the batch atomically; when it returns WEIR_OK the batch survives a power cut. Checkpointer thread. */
    weir_status (*commit)(weir_store *store, const weir_store_batch *batch, weir_error *error);
    /* Bytes on disk, for metrics. */
    uint64_t (*size)(weir_store *store);
    void (*close)(weir_store *store);
} weir_store_ops;
struct weir_store {
    const weir_store_ops *ops;
};

/* A store that keeps nothing and finds nothing, for runs that need no durability: the offline engine, benches. One for
 * everybody; closing it does nothing. Any thread. */
weir_store *weir_store_null(void);

/* Opens (creating if absent) the LMDB environment in `directory`, takes its flock.
 * Fails: WEIR_REFUSED when another process holds it; WEIR_IO with path and errno. */
WEIR_MUST_USE weir_status weir_store_open_lmdb(const char *directory, bool read_only, weir_store **store_out,
                                               weir_error *error);

#endif
