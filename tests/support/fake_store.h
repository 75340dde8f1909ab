/* A store in memory for tests and simulators: a "disk" that outlives its handles and holds what was committed, and
 * nothing else; a crash is closing the handle. Commits can be made to fail. Handles may be used from two threads, as
 * the interface promises (one reader, one committer). */
#ifndef WEIR_TESTS_SUPPORT_FAKE_STORE_H
#define WEIR_TESTS_SUPPORT_FAKE_STORE_H

#include "weir/state/store.h"

#include <pthread.h>

typedef struct weir_fake_record {
    uint8_t *key, *value;
    size_t key_size, value_size;
} weir_fake_record;

typedef struct weir_fake_disk {
    pthread_mutex_t lock;
    weir_fake_record *records; /* sorted by key */
    size_t count, size;
    size_t commits_to_fail;    /* that many commits fail ... */
    weir_status failure;       /* ... with this */
    uint64_t commit_count;     /* that succeeded */
    uint64_t bytes_written;    /* keys and values put, ever */
} weir_fake_disk;

void weir_fake_disk_init(weir_fake_disk *disk);
void weir_fake_disk_deinit(weir_fake_disk *disk);

/* A handle on the disk. Closing it leaves the disk as it is. */
weir_store *weir_fake_store_open(weir_fake_disk *disk);

/* The stored value of a key (borrowed), or an empty span. */
weir_span weir_fake_disk_find(const weir_fake_disk *disk, weir_span key);

#endif
