#include "fake_store.h"

#include "weir/base/check.h"

#include <stdlib.h>

typedef struct fake_store {
    weir_store base;
    weir_fake_disk *disk;
} fake_store;

static weir_fake_disk *disk_of(weir_store *store)
{
    return ((fake_store *)store)->disk;
}

static int compare(const weir_fake_record *record, weir_span key)
{
    size_t shared = record->key_size < key.size ? record->key_size : key.size;
    int order = shared ? memcmp(record->key, key.data, shared) : 0;
    return order ? order : (record->key_size > key.size) - (record->key_size < key.size);
}

/* The first record whose key is not below `key`. */
static size_t lower_bound(const weir_fake_disk *disk, weir_span key)
{
    size_t low = 0, high = disk->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (compare(&disk->records[middle], key) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool is_at(const weir_fake_disk *disk, size_t index, weir_span key)
{
    return index < disk->count && compare(&disk->records[index], key) == 0;
}

weir_span weir_fake_disk_find(const weir_fake_disk *disk, weir_span key)
{
    size_t index = lower_bound(disk, key);
    if (!is_at(disk, index, key))
        return (weir_span){0};
    return weir_span_of(disk->records[index].value, disk->records[index].value_size);
}

static uint8_t *copy_of(weir_span bytes)
{
    uint8_t *copy = malloc(bytes.size + 1);
    weir_check(copy);
    if (bytes.size)
        memcpy(copy, bytes.data, bytes.size);
    return copy;
}

static void put(weir_fake_disk *disk, weir_span key, weir_span value)
{
    size_t index = lower_bound(disk, key);
    if (is_at(disk, index, key)) {
        free(disk->records[index].value);
    } else {
        if (disk->count == disk->size) {
            disk->size = disk->size ? 2 * disk->size : 64;
            disk->records = realloc(disk->records, disk->size * sizeof *disk->records);
            weir_check(disk->records);
        }
        memmove(disk->records + index + 1, disk->records + index, (disk->count - index) * sizeof *disk->records);
        disk->records[index] = (weir_fake_record){.key = copy_of(key), .key_size = key.size};
        disk->count++;
    }
    disk->records[index].value = copy_of(value);
    disk->records[index].value_size = value.size;
    disk->bytes_written += key.size + value.size;
}

static void drop(weir_fake_disk *disk, weir_span key)
{
    size_t index = lower_bound(disk, key);
    if (!is_at(disk, index, key))
        return;
    free(disk->records[index].key);
    free(disk->records[index].value);
    disk->count--;
    memmove(disk->records + index, disk->records + index + 1, (disk->count - index) * sizeof *disk->records);
}

static weir_status fake_get(weir_store *store, weir_span key, void (*visit)(void *, weir_span), void *context)
{
    weir_fake_disk *disk = disk_of(store);
    pthread_mutex_lock(&disk->lock);
    size_t index = lower_bound(disk, key);
    bool found = is_at(disk, index, key);
    if (found)
        visit(context, weir_span_of(disk->records[index].value, disk->records[index].value_size));
    pthread_mutex_unlock(&disk->lock);
    return found ? WEIR_OK : WEIR_NOT_FOUND;
}

static weir_status fake_scan(weir_store *store, weir_span from, bool (*visit)(void *, weir_span, weir_span),
                             void *context)
{
    weir_fake_disk *disk = disk_of(store);
    pthread_mutex_lock(&disk->lock);
    for (size_t i = lower_bound(disk, from); i < disk->count; i++) {
        const weir_fake_record *record = &disk->records[i];
        if (!visit(context, weir_span_of(record->key, record->key_size), weir_span_of(record->value,
                                                                                      record->value_size)))
            break;
    }
    pthread_mutex_unlock(&disk->lock);
    return WEIR_OK;
}

static weir_status fake_commit(weir_store *store, const weir_store_batch *batch, weir_error *error)
{
    weir_fake_disk *disk = disk_of(store);
    pthread_mutex_lock(&disk->lock);
    weir_status status = WEIR_OK;
    if (disk->commits_to_fail) {
        disk->commits_to_fail--;
        status = weir_error_set(error, disk->failure, "the fake disk fails as it was told to");
    }
    weir_span key, value;
    for (size_t at = 0; !status && weir_store_batch_next(batch, &at, &key, &value);) {
        if (value.data)
            put(disk, key, value);
        else
            drop(disk, key);
    }
    disk->commit_count += !status;
    pthread_mutex_unlock(&disk->lock);
    return status;
}

static uint64_t fake_size(weir_store *store)
{
    weir_fake_disk *disk = disk_of(store);
    uint64_t size = 0;
    for (size_t i = 0; i < disk->count; i++)
        size += disk->records[i].key_size + disk->records[i].value_size;
    return size;
}

static void fake_close(weir_store *store)
{
    free(store);
}

static const weir_store_ops FAKE_OPS = {
    .get = fake_get, .scan = fake_scan, .commit = fake_commit, .size = fake_size, .close = fake_close};

void weir_fake_disk_init(weir_fake_disk *disk)
{
    *disk = (weir_fake_disk){.failure = WEIR_FULL};
    pthread_mutex_init(&disk->lock, NULL);
}

void weir_fake_disk_deinit(weir_fake_disk *disk)
{
    for (size_t i = 0; i < disk->count; i++) {
        free(disk->records[i].key);
        free(disk->records[i].value);
    }
    free(disk->records);
    pthread_mutex_destroy(&disk->lock);
}

weir_store *weir_fake_store_open(weir_fake_disk *disk)
{
    fake_store *store = malloc(sizeof *store);
    weir_check(store);
    *store = (fake_store){.base = {.ops = &FAKE_OPS}, .disk = disk};
    return &store->base;
}
