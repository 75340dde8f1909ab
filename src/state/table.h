/* From a key's hash to its entity in RAM.
 *
 * Open addressing with linear probing over 16-byte slots (the whole hash and a pointer), four to a cache line: a hit
 * costs one line of the table and the entity's own. It grows by doubling, and the old slots move over a few per
 * insertion, so that no event waits for a rehash of millions.
 *
 *   current  inserts and removals (which close the gap, so probes stay short)
 *   old      only while growing: looked at second; what leaves it leaves a MOVED mark behind
 */
#ifndef WEIR_STATE_TABLE_H
#define WEIR_STATE_TABLE_H

#include "weir/state/state.h"

typedef struct weir_table_slot {
    uint64_t hash;
    weir_entity *entity; /* NULL: empty */
} weir_table_slot;

typedef struct weir_table_slots {
    weir_table_slot *items; /* NULL: none */
    size_t mask;            /* slots - 1 */
    size_t used;            /* slots that are not empty */
} weir_table_slots;

typedef struct weir_table {
    weir_memory *memory;
    weir_table_slots current, old;
    size_t moved_to; /* slots of `old` below this have moved */
    size_t count;
} weir_table;

WEIR_MUST_USE weir_status weir_table_init(weir_table *table, weir_memory *memory);
void weir_table_deinit(weir_table *table);

/* The entity whose hash and whole key are these, or NULL. */
weir_entity *weir_table_find(const weir_table *table, uint64_t hash, weir_span key);
/* The first entity with that hash, its key unlooked at; NULL when there is none. */
weir_entity *weir_table_peek(const weir_table *table, uint64_t hash);
/* Asks the cache for the line where that hash is looked for. */
void weir_table_prefetch(const weir_table *table, uint64_t hash);

/* Adds an entity that is not there. Fails: WEIR_FULL when the table must grow and cannot. */
WEIR_MUST_USE weir_status weir_table_insert(weir_table *table, weir_entity *entity);
/* Takes out an entity that is there (checked). */
void weir_table_remove(weir_table *table, const weir_entity *entity);

#endif
