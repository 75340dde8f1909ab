/* The part of weir_memory that only state/ needs: whole mappings beside the slab, for tables. */
#ifndef WEIR_STATE_MEMORY_H
#define WEIR_STATE_MEMORY_H

#include "weir/state/state.h"

/* `size` zeroed bytes, page-aligned, counted against the bound; NULL when the system has none.
 * Tables may pass the soft bound: cards are evicted to make room again. */
void *weir_memory_map(weir_memory *memory, size_t size);
void weir_memory_unmap(weir_memory *memory, void *mapping, size_t size);

#endif
