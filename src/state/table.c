#include "table.h"

#include "memory.h"
#include "weir/base/check.h"
#include "weir/base/prefetch.h"

enum { SLOT_COUNT_FIRST = 1 << 14, MOVE_PER_INSERT = 64 };

/* Grows past five eighths: a probe then looks at 1.8 slots on average for a hit, within one line mostly. */
static size_t capacity_of(const weir_table_slots *slots)
{
    return (slots->mask + 1) / 8 * 5;
}

static weir_entity MOVED_MARK;
#define MOVED (&MOVED_MARK)

_Static_assert(sizeof(weir_table_slot) == 16, "four slots are one cache line");

static bool slots_open(weir_table_slots *slots, weir_memory *memory, size_t count)
{
    *slots = (weir_table_slots){.items = weir_memory_map(memory, count * sizeof(weir_table_slot)), .mask = count - 1};
    return slots->items != NULL;
}

static void slots_close(weir_table_slots *slots, weir_memory *memory)
{
    weir_memory_unmap(memory, slots->items, (slots->mask + 1) * sizeof(weir_table_slot));
    *slots = (weir_table_slots){0};
}

weir_status weir_table_init(weir_table *table, weir_memory *memory)
{
    *table = (weir_table){.memory = memory};
    return slots_open(&table->current, memory, SLOT_COUNT_FIRST) ? WEIR_OK : WEIR_FULL;
}

void weir_table_deinit(weir_table *table)
{
    if (table->old.items)
        slots_close(&table->old, table->memory);
    if (table->current.items)
        slots_close(&table->current, table->memory);
    table->count = 0;
}

static uint64_t word_at(const uint8_t *at)
{
    uint64_t word;
    memcpy(&word, at, sizeof word);
    return word;
}

/* Reads the key's bytes and no others: memcmp loads a vector, masked, and so waits for the line behind the entity too,
 * which nobody has asked the cache for (50 ns an event with a million cards). */
static bool has_key(const weir_entity *entity, weir_span key)
{
    enum { WORD = sizeof(uint64_t) };
    const uint8_t *a = entity->key, *b = key.data;
    uint64_t difference = 0;
    if (entity->key_size != key.size)
        return false;
    if (key.size < WORD) {
        for (size_t i = 0; i < key.size; i++)
            difference |= a[i] ^ b[i];
        return difference == 0;
    }
    for (size_t i = 0; i + WORD < key.size; i += WORD)
        difference |= word_at(a + i) ^ word_at(b + i);
    return (difference | (word_at(a + key.size - WORD) ^ word_at(b + key.size - WORD))) == 0;
}

/* The slot of that hash (and key, when given one), or NULL. MOVED slots never match: their hash is kept, so look at
 * the pointer as well. */
static weir_table_slot *slots_find(const weir_table_slots *slots, uint64_t hash, const weir_span *key)
{
    if (!slots->items)
        return NULL;
    for (size_t at = hash & slots->mask;; at = (at + 1) & slots->mask) {
        weir_table_slot *slot = &slots->items[at];
        if (!slot->entity)
            return NULL;
        if (slot->hash == hash && slot->entity != MOVED && (!key || has_key(slot->entity, *key)))
            return slot;
    }
}

weir_entity *weir_table_find(const weir_table *table, uint64_t hash, weir_span key)
{
    weir_table_slot *slot = slots_find(&table->current, hash, &key);
    if (!slot)
        slot = slots_find(&table->old, hash, &key);
    return slot ? slot->entity : NULL;
}

weir_entity *weir_table_peek(const weir_table *table, uint64_t hash)
{
    weir_table_slot *slot = slots_find(&table->current, hash, NULL);
    if (!slot)
        slot = slots_find(&table->old, hash, NULL);
    return slot ? slot->entity : NULL;
}

void weir_table_prefetch(const weir_table *table, uint64_t hash)
{
    weir_prefetch(&table->current.items[hash & table->current.mask]);
    if (table->old.items)
        weir_prefetch(&table->old.items[hash & table->old.mask]);
}

static void slots_put(weir_table_slots *slots, uint64_t hash, weir_entity *entity)
{
    size_t at = hash & slots->mask;
    while (slots->items[at].entity)
        at = (at + 1) & slots->mask;
    slots->items[at] = (weir_table_slot){.hash = hash, .entity = entity};
    slots->used++;
}

/* Moves some old slots over; the last one takes the old array with it. */
static void move_some(weir_table *table, size_t limit)
{
    weir_table_slots *old = &table->old;
    size_t end = table->moved_to + limit;
    for (; table->moved_to < end && table->moved_to <= old->mask; table->moved_to++) {
        weir_table_slot *slot = &old->items[table->moved_to];
        if (!slot->entity || slot->entity == MOVED)
            continue;
        slots_put(&table->current, slot->hash, slot->entity);
        slot->entity = MOVED;
    }
    if (table->moved_to > old->mask)
        slots_close(old, table->memory);
}

static weir_status grow(weir_table *table)
{
    while (table->old.items) /* not reached with MOVE_PER_INSERT slots an insertion, yet must not be assumed */
        move_some(table, SLOT_COUNT_FIRST);
    weir_table_slots doubled;
    if (!slots_open(&doubled, table->memory, 2 * (table->current.mask + 1)))
        return WEIR_FULL;
    table->old = table->current;
    table->current = doubled;
    table->moved_to = 0;
    return WEIR_OK;
}

weir_status weir_table_insert(weir_table *table, weir_entity *entity)
{
    if (table->count + 1 > capacity_of(&table->current)) {
        weir_status status = grow(table);
        if (status)
            return status;
    }
    if (table->old.items)
        move_some(table, MOVE_PER_INSERT);
    slots_put(&table->current, entity->hash, entity);
    table->count++;
    return WEIR_OK;
}

/* Closes the gap at `hole`: whatever behind it may live earlier moves up. Source: Knuth, TAOCP 6.4, algorithm R. */
static void close_gap(weir_table_slots *slots, size_t hole)
{
    for (size_t at = (hole + 1) & slots->mask; slots->items[at].entity; at = (at + 1) & slots->mask) {
        size_t home = slots->items[at].hash & slots->mask;
        if (((at - home) & slots->mask) < ((at - hole) & slots->mask))
            continue; /* its home lies behind the hole */
        slots->items[hole] = slots->items[at];
        hole = at;
    }
    slots->items[hole] = (weir_table_slot){0};
    slots->used--;
}

void weir_table_remove(weir_table *table, const weir_entity *entity)
{
    weir_span key = weir_span_of(entity->key, entity->key_size);
    weir_table_slot *slot = slots_find(&table->current, entity->hash, &key);
    if (slot) {
        weir_check(slot->entity == entity);
        close_gap(&table->current, (size_t)(slot - table->current.items));
    } else {
        slot = slots_find(&table->old, entity->hash, &key);
        weir_check(slot && slot->entity == entity);
        slot->entity = MOVED;
    }
    weir_check(table->count > 0);
    table->count--;
}
