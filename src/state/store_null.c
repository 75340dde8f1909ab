#include "weir/state/store.h"

static weir_status null_get(weir_store *store, weir_span key, void (*visit)(void *, weir_span), void *context)
{
    (void)store, (void)key, (void)visit, (void)context;
    return WEIR_NOT_FOUND;
}

static weir_status null_scan(weir_store *store, weir_span from, bool (*visit)(void *, weir_span, weir_span),
                             void *context)
{
    (void)store, (void)from, (void)visit, (void)context;
    return WEIR_OK;
}

static weir_status null_commit(weir_store *store, const weir_store_batch *batch, weir_error *error)
{
    (void)store, (void)batch, (void)error;
    return WEIR_OK;
}

static uint64_t null_size(weir_store *store)
{
    (void)store;
    return 0;
}

static void null_close(weir_store *store)
{
    (void)store;
}

static weir_store NULL_STORE = {.ops = &(const weir_store_ops){
                                    .get = null_get,
                                    .scan = null_scan,
                                    .commit = null_commit,
                                    .size = null_size,
                                    .close = null_close,
                                }};

weir_store *weir_store_null(void)
{
    return &NULL_STORE;
}
