#include "memory.h"

#include "weir/base/check.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* Regions come from the system in pieces of up to 32 MiB, aligned to huge pages: a million scattered cards are a
 * TLB miss each otherwise. Pages the slab has not cut yet are not resident, so a large region costs nothing. */
enum { PAGE = 4096, HUGE_PAGE = 2 << 20, REGION_SIZE_MAX = 32 << 20, REGION_SHARE = 16 };

/* One batch of 256 events may take a card, two chunks and the running state each before anybody evicts. */
enum { HEADROOM_MAX = 8 << 20, HEADROOM_SHARE = 8 };

typedef struct region {
    uint8_t *base;
    size_t size, used;
} region;

struct weir_memory {
    weir_slab slab;
    uint64_t bytes_max, mapped_size; /* mapped: tables, beside the slab */
    size_t region_size;
    region *regions;
    size_t region_count;
};

static size_t rounded(size_t size, size_t unit)
{
    return (size + unit - 1) / unit * unit;
}

/* A mapping aligned to huge pages: over-allocate, then trim both ends. */
static void *map_aligned(size_t size)
{
    uint8_t *raw = mmap(NULL, size + HUGE_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                        -1, 0);
    if (raw == MAP_FAILED)
        return NULL;
    size_t skip = rounded((uintptr_t)raw, HUGE_PAGE) - (uintptr_t)raw;
    if (skip)
        munmap(raw, skip);
    if (skip < HUGE_PAGE)
        munmap(raw + skip + size, HUGE_PAGE - skip);
    madvise(raw + skip, size, MADV_HUGEPAGE); /* a wish: without it everything works, slower */
    return raw + skip;
}

static region *add_region(weir_memory *memory, size_t size)
{
    region *regions = realloc(memory->regions, (memory->region_count + 1) * sizeof *regions);
    if (!regions)
        return NULL;
    memory->regions = regions;
    size = rounded(size > memory->region_size ? size : memory->region_size, HUGE_PAGE);
    uint8_t *base = map_aligned(size);
    if (!base)
        return NULL;
    regions[memory->region_count] = (region){.base = base, .size = size};
    return &regions[memory->region_count++];
}

/* Eviction keeps the blocks in use below the bound. What the slab holds of the system may exceed that by blocks whose
 * size nobody asks for any more (a retired plan's): a quarter is allowed for them, and there it ends. */
static void *grow(void *owner, size_t size)
{
    weir_memory *memory = owner;
    if (memory->slab.reserved_size + memory->mapped_size + size > memory->bytes_max + memory->bytes_max / 4)
        return NULL;
    region *newest = memory->region_count ? &memory->regions[memory->region_count - 1] : NULL;
    if (!newest || newest->size - newest->used < size)
        newest = add_region(memory, size);
    if (!newest)
        return NULL;
    void *segment = newest->base + newest->used;
    newest->used += size;
    return segment;
}

weir_status weir_memory_open(uint64_t bytes_max, weir_memory **memory_out, weir_error *error)
{
    if (bytes_max < WEIR_MEMORY_BYTES_MIN)
        return weir_error_set(error, WEIR_INVALID, "state memory of %llu bytes is too little; at least 8MiB",
                              (unsigned long long)bytes_max);
    weir_memory *memory = calloc(1, sizeof *memory);
    if (!memory)
        return weir_error_set(error, WEIR_FULL, "no memory for the state's bookkeeping");
    memory->bytes_max = bytes_max;
    size_t share = rounded(bytes_max / REGION_SHARE + 1, HUGE_PAGE);
    memory->region_size = share < REGION_SIZE_MAX ? share : REGION_SIZE_MAX;
    weir_slab_init(&memory->slab, grow, memory);
    *memory_out = memory;
    return WEIR_OK;
}

/* In steps, each a page fault's worth: the address space is locked meanwhile. Linux before 5.14 does not know the
 * advice and has its pages written to. */
static bool populate(const region *it)
{
    for (size_t at = 0; at < it->size; at += HUGE_PAGE)
        if (madvise(it->base + at, HUGE_PAGE, MADV_POPULATE_WRITE) != 0) {
            if (errno != EINVAL)
                return false;
            memset(it->base + at, 0, HUGE_PAGE);
        }
    return true;
}

weir_status weir_memory_prefault(weir_memory *memory, weir_error *error)
{
    weir_check(memory->region_count == 0);
    const region *whole = add_region(memory, memory->bytes_max);
    if (whole && populate(whole))
        return WEIR_OK;
    return weir_error_set(error, WEIR_FULL,
                          "the system does not give %llu bytes of memory at once (%s): lower it, or do without "
                          "state.prefault",
                          (unsigned long long)memory->bytes_max, strerror(errno));
}

weir_slab *weir_memory_slab(weir_memory *memory)
{
    return &memory->slab;
}

uint64_t weir_memory_used(const weir_memory *memory)
{
    return memory->slab.used_size + memory->mapped_size;
}

bool weir_memory_tight(const weir_memory *memory)
{
    uint64_t headroom = memory->bytes_max / HEADROOM_SHARE;
    return weir_memory_used(memory) > memory->bytes_max - (headroom < HEADROOM_MAX ? headroom : HEADROOM_MAX);
}

bool weir_memory_full(const weir_memory *memory)
{
    return weir_memory_used(memory) > memory->bytes_max;
}

void *weir_memory_map(weir_memory *memory, size_t size)
{
    size = rounded(size, PAGE);
    void *mapping = map_aligned(size);
    if (mapping)
        memory->mapped_size += size;
    return mapping;
}

void weir_memory_unmap(weir_memory *memory, void *mapping, size_t size)
{
    if (!mapping)
        return;
    size = rounded(size, PAGE);
    weir_check(memory->mapped_size >= size);
    munmap(mapping, size);
    memory->mapped_size -= size;
}

void weir_memory_close(weir_memory *memory)
{
    if (!memory)
        return;
    weir_check(memory->mapped_size == 0); /* a table outlived its state */
    for (size_t i = 0; i < memory->region_count; i++)
        munmap(memory->regions[i].base, memory->regions[i].size);
    free(memory->regions);
    free(memory);
}
