#include "weir/emit/emitted.h"

#include <stdlib.h>

enum { SIZE_MIN = 256 };

static uint32_t where_of(weir_output output, int32_t partition)
{
    return ((uint32_t)partition * WEIR_OUTPUT_COUNT + (uint32_t)output) + 1;
}

static size_t home_of(const weir_emitted *emitted, uint32_t where, int64_t offset)
{
    uint64_t mixed = ((uint64_t)offset + where * UINT64_C(0x9e3779b97f4a7c15)) * UINT64_C(0xbf58476d1ce4e5b9);
    return (size_t)(mixed >> 20) & (emitted->size - 1);
}

/* The entry, or the free place where it would be. */
static weir_emitted_entry *find(const weir_emitted *emitted, uint32_t where, int64_t offset)
{
    size_t at = home_of(emitted, where, offset);
    while (emitted->entries[at].where && (emitted->entries[at].where != where || emitted->entries[at].offset != offset))
        at = (at + 1) & (emitted->size - 1);
    return &emitted->entries[at];
}

static bool grow(weir_emitted *emitted)
{
    weir_emitted larger = {.size = emitted->size ? 2 * emitted->size : SIZE_MIN, .count = emitted->count};
    larger.entries = calloc(larger.size, sizeof *larger.entries);
    if (!larger.entries)
        return false;
    for (size_t i = 0; i < emitted->size; i++)
        if (emitted->entries[i].where)
            *find(&larger, emitted->entries[i].where, emitted->entries[i].offset) = emitted->entries[i];
    free(emitted->entries);
    *emitted = larger;
    return true;
}

weir_status weir_emitted_add(weir_emitted *emitted, weir_output output, int32_t partition, int64_t offset)
{
    if (4 * (emitted->count + 1) > 3 * emitted->size && !grow(emitted))
        return WEIR_FULL;
    weir_emitted_entry *entry = find(emitted, where_of(output, partition), offset);
    emitted->count += entry->where == 0;
    *entry = (weir_emitted_entry){.offset = offset, .where = where_of(output, partition)};
    return WEIR_OK;
}

bool weir_emitted_has(const weir_emitted *emitted, weir_output output, int32_t partition, int64_t offset)
{
    return emitted->count > 0 && find(emitted, where_of(output, partition), offset)->where != 0;
}

void weir_emitted_clear(weir_emitted *emitted)
{
    free(emitted->entries);
    *emitted = (weir_emitted){0};
}
