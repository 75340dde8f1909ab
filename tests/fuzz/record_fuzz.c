/* Any bytes as stored records. The first byte says how they are read:
 *
 *   bit 0  the checksums are made right first, so that what lies behind them is reached
 *   bit 1  the rest is the card record of a busy card and its chunks: u16 sizes, little-endian, in front of each
 *
 * Whatever loads must encode to a record that loads to the same history, and whatever does not must leak nothing. */
#include "state/record.h"

#include "weir/base/check.h"
#include "weir/base/hash.h"
#include "weir/state/state.h"

#include <stdlib.h>

enum { CORRECT = 1, CHUNKED = 2, CHUNK_MAX = 64 };

static const uint64_t HASH = 42;

static uint64_t chunk_binding(uint32_t id) /* as record.c ties a chunk to its card */
{
    return HASH + (id + UINT64_C(1)) * UINT64_C(0x9e3779b97f4a7c15);
}

static weir_span corrected(uint8_t *bytes, size_t size, weir_record_kind kind, uint64_t binding, bool correct)
{
    if (correct && size >= WEIR_RECORD_HEAD_SIZE)
        weir_record_seal(bytes, size, kind, binding);
    return weir_span_of(bytes, size);
}

static bool take_piece(weir_reader *reader, weir_span *piece_out)
{
    size_t size = (size_t)weir_read_fixed(reader, 2);
    *piece_out = weir_read_bytes(reader, size);
    return !reader->failed;
}

static weir_status load_pieces(weir_record_loader *loader, weir_slab *slab, weir_reader *reader, bool correct)
{
    weir_span piece;
    if (!take_piece(reader, &piece))
        return WEIR_CORRUPT;
    weir_span card = corrected((uint8_t *)piece.data, piece.size, WEIR_RECORD_CARD, HASH, correct);
    weir_status status = weir_record_load_card(loader, slab, HASH, card);
    for (uint32_t id = 0; !status && id < CHUNK_MAX && take_piece(reader, &piece); id++) {
        weir_span chunk = corrected((uint8_t *)piece.data, piece.size, WEIR_RECORD_CHUNK, chunk_binding(id), correct);
        status = weir_record_load_chunk(loader, id, chunk);
    }
    return status;
}

/* Encodes what was loaded, all inline, and loads it again. */
static void round_trip(weir_slab *slab, const weir_history *history, int64_t applied_offset)
{
    static const weir_record_runs NO_RUNS;
    if (history->event_count > WEIR_RECORD_INLINE_EVENT_MAX)
        return;
    uint8_t *value = malloc(weir_record_card_size_max(0));
    weir_check(value);
    size_t size = weir_record_encode_card(value, HASH, applied_offset, history, history->first, &NO_RUNS);
    weir_record_loader loader;
    weir_history back;
    int64_t applied_back;
    weir_check(weir_record_load_card(&loader, slab, HASH, weir_span_of(value, size)) == WEIR_OK);
    weir_check(weir_record_load_finish(&loader, &back, &applied_back) == WEIR_OK);
    weir_check(applied_back == applied_offset && back.event_count == history->event_count);
    weir_check(back.newest_time_us == history->newest_time_us && back.next_chunk_id == history->next_chunk_id);
    weir_history_cursor left = weir_history_begin(history), right = weir_history_begin(&back);
    for (const weir_event *event; (event = weir_history_next(&left));)
        weir_check(memcmp(event, weir_history_next(&right), sizeof *event) == 0);
    weir_history_clear(&back, slab);
    free(value);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static weir_memory *memory;
    if (!memory)
        weir_check(weir_memory_open(64 << 20, &memory, NULL) == WEIR_OK);
    if (size < 1)
        return 0;
    weir_slab *slab = weir_memory_slab(memory);
    uint64_t used = weir_memory_used(memory);
    uint8_t *copy = malloc(size);
    weir_check(copy);
    memcpy(copy, data + 1, size - 1);
    weir_reader reader = weir_reader_of(weir_span_of(copy, size - 1));
    bool correct = data[0] & CORRECT;
    weir_record_loader loader = {0};
    weir_status status;
    if (data[0] & CHUNKED)
        status = load_pieces(&loader, slab, &reader, correct);
    else
        status = weir_record_load_card(&loader, slab, HASH, corrected(copy, size - 1, WEIR_RECORD_CARD, HASH, correct));
    weir_history history;
    int64_t applied_offset;
    if (status)
        weir_record_load_drop(&loader);
    else if (weir_record_load_finish(&loader, &history, &applied_offset) == WEIR_OK) {
        round_trip(slab, &history, applied_offset);
        weir_history_clear(&history, slab);
    }
    weir_check(weir_memory_used(memory) == used);
    free(copy);
    return 0;
}
