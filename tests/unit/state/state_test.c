#include "state_fixture.h"

Test(state, an_empty_store_says_so_and_learns_where_it_begins)
{
    fixture *f = setup();
    cr_assert_eq(f->replay_from, -1);
    f->position = 1000;
    cr_assert_eq(step(f, 1000, INT64_MIN), WEIR_OK); /* the first step begins and hands over */
    cr_assert_eq(step(f, 1000, INT64_MIN), WEIR_OK); /* the second sees it committed */
    close_state(f);
    open_state(f);
    cr_assert_eq(f->replay_from, 1000);
    teardown(f);
}

Test(state, a_flushed_card_comes_back_with_every_event_and_its_offset)
{
    fixture *f = setup();
    for (int i = 0; i < 2000; i++)
        apply(f, weir_rng_below(&f->rng, 50), i * WEIR_US_PER_MINUTE);
    apply(f, 1000, 0);
    flush(f);
    cr_assert_eq(stats(f).cards_dirty, 0);
    cr_assert_eq(stats(f).replay_from, 2001);
    fixture g = *f;
    open_state(&g); /* beside the first one, over the same disk */
    cr_assert_eq(g.replay_from, 2001);
    for (uint64_t card = 0; card < 50; card++) {
        weir_entity *before = touch(f, card), *after = touch(&g, card);
        cr_assert_eq(before->applied_offset, after->applied_offset);
        cr_assert(weir_test_history_equal(&before->history, &after->history));
    }
    cr_assert_eq(touch(&g, 1000)->applied_offset, 2000);
    cr_assert_eq(touch(&g, 1001)->applied_offset, -1);
    cr_assert_eq(stats(&g).loads, 51);
    cr_assert_eq(stats(&g).load_misses, 1);
    cr_assert_eq(stats(&g).events_retained, 2001);
    close_state(&g);
    teardown(f);
}

static void expect_refusal(fixture *f, const char *word)
{
    close_state(f);
    cr_assert_eq(try_open(f), WEIR_REFUSED, "%s", word);
    cr_assert(strstr(f->error.message, word), "%s", f->error.message);
    f->options.identity = weir_test_identity();
    close_state(f);
    open_state(f);
}

Test(state, refuses_a_store_of_something_else_and_names_the_way_out)
{
    fixture *f = setup();
    strcpy(f->options.identity.cluster_id, "another");
    expect_refusal(f, "test-cluster");
    strcpy(f->options.identity.topic, "payments");
    expect_refusal(f, "payments");
    strcpy(f->options.identity.entity, "terminal");
    expect_refusal(f, "entity");
    f->options.identity.partition = 1;
    expect_refusal(f, "partition");
    f->options.identity.partition_count = 8;
    expect_refusal(f, "move the state directory away");
    f->options.identity.horizon_us = 31 * WEIR_US_PER_DAY;
    expect_refusal(f, "30d");
    f->options.identity.horizon_us = 10 * WEIR_US_PER_DAY; /* shorter is fine, and from then on what it holds */
    close_state(f);
    open_state(f);
    f->options.identity.horizon_us = 11 * WEIR_US_PER_DAY;
    close_state(f);
    cr_assert_eq(try_open(f), WEIR_REFUSED);
    teardown(f);
}

Test(state, refuses_a_damaged_meta_record_and_a_damaged_card)
{
    fixture *f = setup();
    apply(f, 1, 0);
    flush(f);
    close_state(f);
    cr_assert_eq(f->disk->count, 2);
    f->disk->records[1].value[9] ^= 1; /* the card */
    open_state(f);
    char text[32];
    weir_span token = weir_test_token(text, 1);
    weir_entity *entity = NULL;
    uint64_t used = weir_memory_used(f->memory);
    cr_assert_eq(weir_state_touch(f->state, token, weir_hash(token), &entity), WEIR_CORRUPT);
    cr_assert_null(entity);
    cr_assert_eq(weir_memory_used(f->memory), used);
    close_state(f);
    f->disk->records[0].value[20] ^= 1; /* the meta record */
    cr_assert_eq(try_open(f), WEIR_CORRUPT);
    cr_assert(strstr(f->error.message, "checksum"));
    teardown(f);
}

Test(state, clean_cold_cards_are_evicted_and_dirty_ones_are_not)
{
    fixture *f = setup();
    close_state(f);
    f->memory_max = 16 << 20;
    open_state(f);
    weir_history *kept = calloc(30000, sizeof *kept);
    weir_memory *shadow;
    cr_assert_eq(weir_memory_open(1 << 30, &shadow, NULL), WEIR_OK);
    uint64_t used_max = 0;
    for (int i = 0; i < 100000; i++) {
        uint64_t card = weir_rng_below(&f->rng, 30000);
        weir_entity *entity = apply(f, card, i * WEIR_US_PER_SECOND);
        cr_assert(weir_history_append(&kept[card], weir_memory_slab(shadow),
                                      &entity->history.last->events[entity->history.last->end - 1]));
        if (i % 64)
            continue;
        cr_assert_eq(step(f, f->position, INT64_MIN), WEIR_OK);
        weir_state_evict(f->state, 1000);
        if (weir_memory_used(f->memory) > used_max)
            used_max = weir_memory_used(f->memory);
    }
    cr_assert_gt(stats(f).evictions, 10000);
    cr_assert_gt(stats(f).loads, 10000);
    cr_assert_lt(used_max, 16 << 20);
    flush(f);
    for (uint64_t card = 0; card < 30000; card++) {
        cr_assert(weir_test_history_equal(&touch(f, card)->history, &kept[card]), "card %d", (int)card);
        weir_state_evict(f->state, 100);
    }
    for (uint64_t card = 0; card < 30000; card++)
        weir_history_clear(&kept[card], weir_memory_slab(shadow));
    weir_memory_close(shadow);
    free(kept);
    teardown(f);
}

Test(state, nothing_dirty_is_evicted_however_tight)
{
    fixture *f = setup();
    close_state(f);
    f->memory_max = 8 << 20;
    open_state(f);
    for (uint64_t card = 0; card < 11500; card++)
        apply(f, card, 0);
    cr_assert(weir_memory_tight(f->memory));
    cr_assert_eq(weir_state_evict(f->state, 100000), 0);
    flush(f);
    cr_assert_gt(weir_state_evict(f->state, 100000), 0);
    cr_assert_not(weir_memory_tight(f->memory));
    teardown(f);
}

Test(state, reads_offline_what_a_state_wrote)
{
    fixture *f = setup();
    for (int i = 0; i < 300; i++)
        apply(f, 4, i);
    flush(f);
    weir_store *store = weir_fake_store_open(f->disk);
    weir_slab *slab = weir_memory_slab(f->memory);
    weir_history history;
    int64_t applied_offset;
    cr_assert_eq(weir_state_read(store, weir_span_text("card-4"), slab, &history, &applied_offset, &f->error), WEIR_OK);
    cr_assert_eq(applied_offset, 299);
    cr_assert(weir_test_history_equal(&history, &touch(f, 4)->history));
    weir_history_clear(&history, slab);
    cr_assert_eq(weir_state_read(store, weir_span_text("card-5"), slab, &history, &applied_offset, &f->error),
                 WEIR_NOT_FOUND);
    cr_assert(strstr(f->error.message, "card-5"));
    weir_state_identity identity;
    int64_t replay_from;
    cr_assert_eq(weir_state_read_identity(store, &identity, &replay_from, &f->error), WEIR_OK);
    cr_assert_str_eq(identity.topic, "transactions");
    cr_assert_eq(replay_from, 300);
    store->ops->close(store);
    teardown(f);
}

Test(state, refuses_a_key_that_does_not_fit_a_record)
{
    fixture *f = setup();
    uint8_t token[WEIR_STORE_KEY_MAX] = {0};
    weir_entity *entity;
    cr_assert_eq(weir_state_touch(f->state, weir_span_of(token, WEIR_RECORD_TOKEN_MAX + 1), 1, &entity), WEIR_INVALID);
    cr_assert_eq(weir_state_touch(f->state, weir_span_of(token, WEIR_RECORD_TOKEN_MAX), 1, &entity), WEIR_OK);
    cr_assert_eq(weir_state_touch(f->state, (weir_span){0}, 2, &entity), WEIR_OK, "an empty key is a key");
    teardown(f);
}

/* ---- entities other than the card, and the census ---- */

Test(state, an_entity_is_found_by_the_hash_its_events_carry)
{
    fixture *f = setup();
    uint64_t hash48 = weir_hash48(weir_span_text("T-17"));
    uint8_t key[WEIR_ENTITY_KEY_SIZE];
    uint64_t hash = weir_entity_key(hash48, key);
    for (size_t i = 0; i < sizeof key; i++)
        cr_assert_eq(key[i], (hash48 >> 8 * i) & 0xff);
    cr_assert_eq(hash, weir_hash(weir_span_of(key, sizeof key)));
    weir_entity *entity;
    cr_assert_eq(weir_state_touch(f->state, weir_span_of(key, sizeof key), hash, &entity), WEIR_OK);
    weir_event event = weir_test_event(&f->rng, 1, 0, 1);
    cr_assert(weir_history_append(&entity->history, weir_memory_slab(f->memory), &event));
    weir_state_applied(f->state, entity, f->position++);
    flush(f);
    reopen(f);
    cr_assert_eq(weir_state_touch(f->state, weir_span_of(key, sizeof key), hash, &entity), WEIR_OK);
    cr_assert_eq(entity->history.event_count, 1);
    teardown(f);
}

Test(state, the_census_counts_events_and_refuses_damage)
{
    fixture *f = setup();
    for (int i = 0; i < 300; i++)
        apply(f, 4, i);
    for (int i = 0; i < 20; i++)
        apply(f, 5, i);
    flush(f);
    weir_store *store = weir_fake_store_open(f->disk);
    weir_state_census census;
    cr_assert_eq(weir_state_take_census(store, &census, &f->error), WEIR_OK);
    cr_assert_eq(census.card_count, 2);
    cr_assert_eq(census.event_count, 320);
    cr_assert_eq(census.chunk_count, 38 - WEIR_RECORD_TAIL_CHUNK_MAX);
    cr_assert_eq(census.record_bytes, store->ops->size(store));
    f->disk->records[1].value[12] ^= 1;
    cr_assert_eq(weir_state_take_census(store, &census, &f->error), WEIR_CORRUPT);
    store->ops->close(store);
    teardown(f);
}
