#include "weir/base/rng.h"
#include "weir/state/store.h"

#include <criterion/criterion.h>

static weir_span text(const char *words)
{
    return weir_span_text(words);
}

Test(batch, gives_back_puts_and_deletes_in_order)
{
    weir_store_batch batch = {0};
    cr_assert_eq(weir_store_batch_put(&batch, text("a"), text("one")), WEIR_OK);
    cr_assert_eq(weir_store_batch_delete(&batch, text("bb")), WEIR_OK);
    cr_assert_eq(weir_store_batch_put(&batch, text("ccc"), weir_span_of("", 0)), WEIR_OK);
    size_t at = 0;
    weir_span key, value;
    cr_assert(weir_store_batch_next(&batch, &at, &key, &value) && weir_span_is(key, "a") && weir_span_is(value, "one"));
    cr_assert(weir_store_batch_next(&batch, &at, &key, &value) && weir_span_is(key, "bb") && !value.data);
    cr_assert(weir_store_batch_next(&batch, &at, &key, &value) && weir_span_is(key, "ccc"));
    cr_assert(value.data && value.size == 0, "an empty value is a put, not a delete");
    cr_assert_not(weir_store_batch_next(&batch, &at, &key, &value));
    cr_assert_eq(batch.count, 3);
    weir_store_batch_free(&batch);
}

Test(batch, grows_and_keeps_its_memory_through_reset)
{
    weir_store_batch batch = {0};
    uint8_t value[1000] = {0};
    for (uint32_t round = 0; round < 2; round++) {
        for (uint32_t i = 0; i < 1000; i++) {
            memcpy(value, &i, sizeof i);
            cr_assert_eq(weir_store_batch_put(&batch, weir_span_of(&i, 4), weir_span_of(value, sizeof value)), WEIR_OK);
        }
        uint32_t seen = 0;
        weir_span key, got;
        for (size_t at = 0; weir_store_batch_next(&batch, &at, &key, &got); seen++)
            cr_assert(weir_span_equal(key, weir_span_of(&seen, 4)) && !memcmp(got.data, &seen, 4) && got.size == 1000);
        cr_assert_eq(seen, 1000);
        weir_store_batch_reset(&batch);
        cr_assert(batch.count == 0 && batch.used == 0 && batch.size >= 1000000);
    }
    weir_store_batch_free(&batch);
}
