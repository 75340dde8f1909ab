#include "state/table.h"

#include "support/often.h"
#include "weir/base/rng.h"

#include <criterion/criterion.h>
#include <stdlib.h>

enum { KEY_COUNT = 60000 };

typedef struct fixture {
    weir_memory *memory;
    weir_table table;
    weir_entity *entities[KEY_COUNT];
    bool present[KEY_COUNT];
} fixture;

/* Hashes collide on purpose: three keys share each, and neighbouring hashes crowd into the same lines. */
static uint64_t hash_of(size_t number)
{
    return (uint64_t)(number / 3) * 0x10001;
}

static weir_span key_of(const weir_entity *entity)
{
    return weir_span_of(entity->key, entity->key_size);
}

static void setup(fixture *f)
{
    cr_assert_eq(weir_memory_open(64 << 20, &f->memory, NULL), WEIR_OK);
    cr_assert_eq(weir_table_init(&f->table, f->memory), WEIR_OK);
    for (size_t i = 0; i < KEY_COUNT; i++) {
        weir_entity *entity = calloc(1, sizeof *entity + 8);
        uint32_t number = (uint32_t)i;
        entity->hash = hash_of(i);
        entity->key_size = 4;
        memcpy(entity->key, &number, 4);
        f->entities[i] = entity;
    }
}

static void teardown(fixture *f)
{
    weir_table_deinit(&f->table);
    weir_memory_close(f->memory);
    for (size_t i = 0; i < KEY_COUNT; i++)
        free(f->entities[i]);
    free(f);
}

static void check_key(const fixture *f, size_t i)
{
    weir_entity *found = weir_table_find(&f->table, hash_of(i), key_of(f->entities[i]));
    often_assert(found == (f->present[i] ? f->entities[i] : NULL), "key %zu", i);
}

static void check_all(const fixture *f)
{
    size_t count = 0;
    for (size_t i = 0; i < KEY_COUNT; i++) {
        check_key(f, i);
        count += f->present[i];
    }
    cr_assert_eq(f->table.count, count);
}

static void toggle(fixture *f, size_t i)
{
    if (f->present[i])
        weir_table_remove(&f->table, f->entities[i]);
    else
        often_assert(weir_table_insert(&f->table, f->entities[i]) == WEIR_OK, "key %zu cannot be added", i);
    f->present[i] = !f->present[i];
}

Test(table, agrees_with_a_naive_map_through_growth_and_removal)
{
    fixture *f = calloc(1, sizeof *f);
    setup(f);
    weir_rng rng = {.state = 7};
    size_t grew = 0;
    for (size_t range = 1000; range <= KEY_COUNT; range += 11800) {
        for (int step = 0; step < 20000; step++) {
            size_t i = weir_rng_below(&rng, range);
            toggle(f, i);
            check_key(f, i);
            check_key(f, weir_rng_below(&rng, range));
            grew += f->table.old.items != NULL;
        }
        check_all(f);
    }
    cr_assert_gt(grew, 0, "the test never saw the table growing");
    for (size_t i = 0; i < KEY_COUNT; i++)
        if (f->present[i])
            toggle(f, i);
    check_all(f);
    cr_assert_eq(f->table.current.used, 0);
    teardown(f);
}

Test(table, verifies_the_whole_key_on_a_hit)
{
    fixture *f = calloc(1, sizeof *f);
    setup(f);
    toggle(f, 0);
    cr_assert_null(weir_table_find(&f->table, hash_of(1), key_of(f->entities[1])), "same hash, another key");
    cr_assert_null(weir_table_find(&f->table, hash_of(0), weir_span_of(f->entities[0]->key, 3)), "a prefix of the key");
    cr_assert_eq(weir_table_peek(&f->table, hash_of(0)), f->entities[0]);
    cr_assert_null(weir_table_peek(&f->table, hash_of(0) + 1));
    teardown(f);
}
