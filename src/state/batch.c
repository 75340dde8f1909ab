#include "weir/base/check.h"
#include "weir/state/store.h"

#include <stdlib.h>

/* op, 1 | key size, 2 | value size, 4 | key | value; host order, for it never leaves the process. */
enum { OP_DELETE = 0, OP_PUT = 1, HEAD_SIZE = 7, SIZE_FIRST = 64 << 10 };

static bool reserve(weir_store_batch *batch, size_t more)
{
    if (more <= batch->size - batch->used)
        return true;
    size_t size = batch->size ? batch->size : SIZE_FIRST;
    while (size - batch->used < more)
        size *= 2;
    uint8_t *bytes = realloc(batch->bytes, size);
    if (!bytes)
        return false;
    batch->bytes = bytes;
    batch->size = size;
    return true;
}

static weir_status append(weir_store_batch *batch, uint8_t op, weir_span key, weir_span value)
{
    weir_check(key.size > 0 && key.size <= WEIR_STORE_KEY_MAX && value.size <= UINT32_MAX);
    if (!reserve(batch, HEAD_SIZE + key.size + value.size))
        return WEIR_FULL;
    uint8_t *at = batch->bytes + batch->used;
    uint16_t key_size = (uint16_t)key.size;
    uint32_t value_size = (uint32_t)value.size;
    at[0] = op;
    memcpy(at + 1, &key_size, sizeof key_size);
    memcpy(at + 3, &value_size, sizeof value_size);
    memcpy(at + HEAD_SIZE, key.data, key.size);
    if (value.size)
        memcpy(at + HEAD_SIZE + key.size, value.data, value.size);
    batch->used += HEAD_SIZE + key.size + value.size;
    batch->count++;
    return WEIR_OK;
}

weir_status weir_store_batch_put(weir_store_batch *batch, weir_span key, weir_span value)
{
    weir_check(value.data != NULL);
    return append(batch, OP_PUT, key, value);
}

weir_status weir_store_batch_delete(weir_store_batch *batch, weir_span key)
{
    return append(batch, OP_DELETE, key, (weir_span){0});
}

bool weir_store_batch_next(const weir_store_batch *batch, size_t *at, weir_span *key_out, weir_span *value_out)
{
    if (*at >= batch->used)
        return false;
    weir_check(batch->used - *at >= HEAD_SIZE);
    const uint8_t *record = batch->bytes + *at;
    uint16_t key_size;
    uint32_t value_size;
    memcpy(&key_size, record + 1, sizeof key_size);
    memcpy(&value_size, record + 3, sizeof value_size);
    weir_check(batch->used - *at - HEAD_SIZE >= (size_t)key_size + value_size);
    *key_out = weir_span_of(record + HEAD_SIZE, key_size);
    *value_out = weir_span_of(record[0] == OP_PUT ? record + HEAD_SIZE + key_size : NULL, value_size);
    *at += HEAD_SIZE + key_size + value_size;
    return true;
}

void weir_store_batch_reset(weir_store_batch *batch)
{
    batch->used = 0;
    batch->count = 0;
}

void weir_store_batch_free(weir_store_batch *batch)
{
    free(batch->bytes);
    *batch = (weir_store_batch){0};
}
