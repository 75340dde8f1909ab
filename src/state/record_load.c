/* From stored records back to a history; what they look like is in record.h, what writes them in record.c. Nothing here
 * believes a number before the bytes that back it are there. */
#include "record.h"

#include "weir/core/event_pack.h"

#include <stdlib.h>

/* ---- the card record up to its events ---- */

static weir_status status_of(const weir_reader *reader, bool sound)
{
    return !reader->failed && sound ? WEIR_OK : WEIR_CORRUPT;
}

static uint64_t read_signed(weir_reader *reader)
{
    return (uint64_t)weir_zigzag_decode(weir_read_varint(reader));
}

static weir_status read_runs(weir_reader *reader, weir_record_runs *runs, uint32_t *next_id, uint64_t *chunks_out)
{
    uint64_t count = weir_read_varint(reader), chunks = 0;
    if (reader->failed || count > weir_reader_left(reader) / 2) /* a run is two bytes at least */
        return WEIR_CORRUPT;
    if (runs && !weir_record_runs_reserve(runs, count))
        return WEIR_FULL;
    for (uint64_t i = 0; i < count; i++) {
        uint64_t start = *next_id + read_signed(reader), length = weir_read_varint(reader);
        if (reader->failed || start > UINT32_MAX || length == 0 || length > UINT32_MAX - start)
            return WEIR_CORRUPT;
        if (runs)
            runs->items[runs->count++] = (weir_record_run){.start = (uint32_t)start, .length = (uint32_t)length};
        *next_id = (uint32_t)(start + length);
        chunks += length;
    }
    *chunks_out = chunks;
    return WEIR_OK;
}

/* Reads up to the tail. */
static weir_status read_card(weir_span value, uint64_t hash, weir_reader *reader, weir_record_card *card,
                             weir_record_runs *runs, uint32_t *next_id, uint64_t *sealed_count)
{
    weir_status status = weir_record_unseal(value, WEIR_RECORD_CARD, hash, reader);
    if (status)
        return status;
    uint64_t applied = weir_read_varint(reader);
    card->applied_offset = (int64_t)applied - 1;
    card->newest_time_us = (int64_t)weir_read_fixed(reader, 8);
    uint64_t next_chunk_id = weir_read_varint(reader), event_count = weir_read_varint(reader);
    if (reader->failed || applied > INT64_MAX || next_chunk_id > UINT32_MAX || event_count > UINT32_MAX)
        return WEIR_CORRUPT;
    card->next_chunk_id = (uint32_t)next_chunk_id;
    card->event_count = (uint32_t)event_count;
    *next_id = 0;
    status = read_runs(reader, runs, next_id, sealed_count);
    if (status)
        return status;
    return status_of(reader, *sealed_count <= event_count); /* a chunk retains one event at least */
}

weir_status weir_record_decode_head(weir_span value, uint64_t hash, weir_record_card *card_out,
                                    weir_record_runs *runs_out)
{
    weir_reader reader;
    weir_record_card card;
    uint32_t next_id;
    uint64_t sealed_count;
    if (runs_out)
        runs_out->count = 0;
    weir_status status = read_card(value, hash, &reader, &card, runs_out, &next_id, &sealed_count);
    if (!status)
        *card_out = card;
    return status;
}

/* ---- events ---- */

static weir_chunk *new_chunk(weir_slab *slab, uint32_t id)
{
    weir_chunk *chunk = weir_slab_take(slab, sizeof *chunk);
    if (chunk)
        *chunk = (weir_chunk){.id = id, .amount_minor_min = INT64_MAX, .amount_minor_max = INT64_MIN};
    return chunk;
}

/* Reads `count` events into the chunk; *previous moves on to the last. */
static bool read_events(weir_reader *reader, weir_chunk *chunk, unsigned count, weir_event *previous)
{
    for (unsigned i = 0; i < count; i++) {
        weir_event event = weir_event_unpack(reader, previous);
        if (reader->failed || event.time_us < previous->time_us)
            return false;
        weir_chunk_note(chunk, &event);
        chunk->events[chunk->end++] = *previous = event;
    }
    return true;
}

static void link_chunk(weir_history *history, weir_chunk *chunk)
{
    chunk->previous = history->last;
    chunk->next = NULL;
    if (history->last)
        history->last->next = chunk;
    else
        history->first = chunk;
    history->last = chunk;
    history->event_count += (uint32_t)(chunk->end - chunk->begin);
}

/* Reads the inline chunks into the loader's tail. */
static weir_status read_tail(weir_record_loader *loader, weir_reader *reader, uint32_t next_id)
{
    uint64_t count = weir_read_varint(reader);
    if (reader->failed || count > WEIR_RECORD_INLINE_EVENT_MAX) /* a chunk holds one event at least */
        return WEIR_CORRUPT;
    weir_event previous = {0};
    if (count)
        previous = weir_event_pack_origin((int64_t)((uint64_t)loader->card.newest_time_us - read_signed(reader)));
    for (uint64_t i = 0; i < count; i++) {
        uint8_t head = (uint8_t)weir_read_fixed(reader, 1);
        uint64_t id = head & WEIR_RECORD_CHUNK_ID_FOLLOWS ? next_id : weir_read_varint(reader);
        unsigned events = head & WEIR_RECORD_CHUNK_COUNT_BITS;
        if (reader->failed || events == 0 || events > WEIR_CHUNK_EVENT_MAX || id > UINT32_MAX)
            return WEIR_CORRUPT;
        weir_chunk *chunk = new_chunk(loader->slab, (uint32_t)id);
        if (!chunk)
            return WEIR_FULL;
        chunk->dirty = true;
        bool sound = read_events(reader, chunk, events, &previous);
        link_chunk(&loader->tail, chunk);
        if (!sound)
            return WEIR_CORRUPT;
        next_id = (uint32_t)id + 1;
    }
    return status_of(reader, weir_reader_left(reader) == 0);
}

typedef struct placed {
    weir_record_run run;
    uint32_t place; /* of its first chunk in the history */
} placed;

static int by_start(const void *a, const void *b)
{
    uint32_t left = ((const placed *)a)->run.start, right = ((const placed *)b)->run.start;
    return (left > right) - (left < right);
}

/* Where each run's first chunk stands in the history, then the runs sorted by id, as the store will give them. */
static bool prepare_sealed(weir_record_loader *loader, uint64_t sealed_count)
{
    weir_record_runs *runs = &loader->runs;
    placed *sorted = malloc(runs->count * sizeof *sorted);
    loader->places = malloc(runs->count * sizeof *loader->places);
    if (!sorted || !loader->places) {
        free(sorted);
        return false;
    }
    uint32_t place = 0;
    for (size_t i = 0; i < runs->count; i++) {
        sorted[i] = (placed){.run = runs->items[i], .place = place};
        place += runs->items[i].length;
    }
    qsort(sorted, runs->count, sizeof *sorted, by_start);
    for (size_t i = 0; i < runs->count; i++) {
        runs->items[i] = sorted[i].run;
        loader->places[i] = sorted[i].place;
    }
    free(sorted);
    loader->sealed_count = sealed_count;
    return true;
}

void weir_record_load_drop(weir_record_loader *loader)
{
    for (size_t i = 0; i < loader->arrived_count; i++)
        weir_slab_give(loader->slab, loader->arrived[i].chunk, sizeof(weir_chunk));
    for (weir_chunk *chunk = loader->tail.first, *next; chunk; chunk = next) {
        next = chunk->next;
        weir_slab_give(loader->slab, chunk, sizeof *chunk);
    }
    free(loader->arrived);
    free(loader->places);
    weir_record_runs_free(&loader->runs);
    *loader = (weir_record_loader){0};
}

weir_status weir_record_load_card(weir_record_loader *loader, weir_slab *slab, uint64_t hash, weir_span value)
{
    *loader = (weir_record_loader){.slab = slab, .hash = hash};
    weir_reader reader;
    uint32_t next_id;
    uint64_t sealed_count;
    weir_status status = read_card(value, hash, &reader, &loader->card, &loader->runs, &next_id, &sealed_count);
    if (!status)
        status = read_tail(loader, &reader, next_id);
    if (!status && sealed_count && !prepare_sealed(loader, sealed_count))
        status = WEIR_FULL;
    if (status)
        weir_record_load_drop(loader);
    return status;
}

/* The place of a listed id, or sealed_count. */
static size_t place_of(const weir_record_loader *loader, uint32_t id)
{
    size_t low = 0, high = loader->runs.count;
    while (low < high) { /* the first run that starts beyond id */
        size_t middle = (low + high) / 2;
        if (loader->runs.items[middle].start <= id)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == 0 || id - loader->runs.items[low - 1].start >= loader->runs.items[low - 1].length)
        return loader->sealed_count;
    return loader->places[low - 1] + (id - loader->runs.items[low - 1].start);
}

static bool reserve_arrival(weir_record_loader *loader)
{
    if (loader->arrived_count < loader->arrived_size)
        return true;
    size_t size = loader->arrived_size ? 2 * loader->arrived_size : 64;
    weir_record_arrived *arrived = realloc(loader->arrived, size * sizeof *arrived);
    if (!arrived)
        return false;
    loader->arrived = arrived;
    loader->arrived_size = size;
    return true;
}

weir_status weir_record_load_chunk(weir_record_loader *loader, uint32_t id, weir_span value)
{
    size_t place = place_of(loader, id);
    if (place == loader->sealed_count)
        return WEIR_CORRUPT;
    weir_reader reader;
    uint64_t binding = weir_record_chunk_binding(loader->hash, id);
    weir_status status = weir_record_unseal(value, WEIR_RECORD_CHUNK, binding, &reader);
    if (status)
        return status;
    uint64_t stored_id = weir_read_varint(&reader);
    weir_event previous = weir_event_pack_origin((int64_t)read_signed(&reader));
    unsigned count = (unsigned)weir_read_fixed(&reader, 1);
    if (reader.failed || stored_id != id || count == 0 || count > WEIR_CHUNK_EVENT_MAX)
        return WEIR_CORRUPT;
    if (!reserve_arrival(loader))
        return WEIR_FULL;
    weir_chunk *chunk = new_chunk(loader->slab, id);
    if (!chunk)
        return WEIR_FULL;
    chunk->stored = true;
    loader->arrived[loader->arrived_count++] = (weir_record_arrived){.chunk = chunk, .place = (uint32_t)place};
    return read_events(&reader, chunk, count, &previous) ? status_of(&reader, weir_reader_left(&reader) == 0)
                                                         : WEIR_CORRUPT;
}

static int64_t last_time(const weir_chunk *chunk)
{
    return chunk->events[chunk->end - 1].time_us;
}

static int by_place(const void *a, const void *b)
{
    uint32_t left = ((const weir_record_arrived *)a)->place, right = ((const weir_record_arrived *)b)->place;
    return (left > right) - (left < right);
}

/* Links sealed chunks and tail in order. On failure the loader still owns every chunk. */
static bool join(weir_record_loader *loader, weir_history *history)
{
    if (loader->arrived_count != loader->sealed_count)
        return false;
    if (loader->arrived_count)
        qsort(loader->arrived, loader->arrived_count, sizeof *loader->arrived, by_place);
    for (size_t i = 0; i < loader->arrived_count; i++) {
        weir_chunk *chunk = loader->arrived[i].chunk;
        bool follows = !history->last || last_time(history->last) <= chunk->events[0].time_us;
        if (loader->arrived[i].place != i || !follows)
            return false;
        link_chunk(history, chunk);
    }
    weir_chunk *tail = loader->tail.first;
    if (tail && history->last && last_time(history->last) > tail->events[0].time_us)
        return false;
    /* Events that fell out of the first chunk since it was written are told by the count alone. */
    uint32_t total = history->event_count + loader->tail.event_count;
    uint32_t gone = total - loader->card.event_count;
    weir_chunk *first = history->first ? history->first : tail;
    if (total < loader->card.event_count || gone >= (first ? first->end : 1u) || (gone && !history->first))
        return false;
    if (gone)
        first->begin = (uint8_t)gone;
    if (tail) {
        tail->previous = history->last;
        if (history->last)
            history->last->next = tail;
        else
            history->first = tail;
        history->last = loader->tail.last;
    }
    history->event_count = loader->card.event_count;
    for (weir_chunk *chunk = history->first; chunk; chunk = chunk->next)
        weir_history_note_labels(history, chunk);
    return true;
}

weir_status weir_record_load_finish(weir_record_loader *loader, weir_history *history_out, int64_t *applied_offset_out)
{
    weir_history history = {.newest_time_us = loader->card.newest_time_us, .next_chunk_id = loader->card.next_chunk_id};
    if (!join(loader, &history)) {
        weir_record_load_drop(loader);
        return WEIR_CORRUPT;
    }
    *history_out = history;
    *applied_offset_out = loader->card.applied_offset;
    loader->arrived_count = 0; /* the history owns the chunks now */
    loader->tail = (weir_history){0};
    weir_record_load_drop(loader);
    return WEIR_OK;
}
