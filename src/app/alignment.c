#include "weir/app/alignment.h"

#include <stdlib.h>

enum { VERSION = 1 };

weir_status weir_alignment_init(weir_alignment *alignment, int32_t partition_count, int64_t drift_us_max,
                                int64_t idle_us, int64_t now_us)
{
    *alignment = (weir_alignment){.partition_count = partition_count,
                                  .drift_us_max = drift_us_max,
                                  .idle_us = idle_us,
                                  .begun_us = now_us};
    alignment->entries = calloc((size_t)partition_count, sizeof *alignment->entries);
    return alignment->entries ? WEIR_OK : WEIR_FULL;
}

void weir_alignment_deinit(weir_alignment *alignment)
{
    free(alignment->entries);
    *alignment = (weir_alignment){0};
}

void weir_alignment_note(weir_alignment *alignment, int32_t partition, weir_pace pace, int64_t clock_us,
                         int64_t now_us)
{
    if (partition < 0 || partition >= alignment->partition_count)
        return;
    weir_alignment_entry *entry = &alignment->entries[partition];
    if (pace != WEIR_PACE_BEHIND || entry->pace != pace || entry->clock_us != clock_us)
        entry->moved_us = now_us;
    entry->pace = pace;
    entry->clock_us = clock_us;
}

/* Whether others wait for this partition. */
static bool is_waited_for(const weir_alignment *alignment, const weir_alignment_entry *entry, int64_t now_us)
{
    if (entry->pace == WEIR_PACE_CURRENT)
        return false;
    int64_t since_us = entry->pace == WEIR_PACE_UNHEARD ? alignment->begun_us : entry->moved_us;
    return now_us - since_us < alignment->idle_us;
}

int64_t weir_alignment_limit(const weir_alignment *alignment, int64_t now_us)
{
    int64_t limit_us = INT64_MAX;
    for (int32_t i = 0; i < alignment->partition_count; i++) {
        const weir_alignment_entry *entry = &alignment->entries[i];
        if (!is_waited_for(alignment, entry, now_us))
            continue;
        int64_t bound_us = INT64_MIN;
        if (entry->pace != WEIR_PACE_UNHEARD && entry->clock_us != INT64_MIN &&
            __builtin_add_overflow(entry->clock_us, alignment->drift_us_max, &bound_us))
            bound_us = INT64_MAX;
        limit_us = bound_us < limit_us ? bound_us : limit_us;
    }
    return limit_us;
}

void weir_alignment_say_begin(weir_writer *message)
{
    weir_write_fixed(message, VERSION, 1);
}

void weir_alignment_say(weir_writer *message, int32_t partition, weir_pace pace, int64_t clock_us)
{
    weir_write_varint(message, (uint64_t)partition);
    weir_write_fixed(message, pace, 1);
    weir_write_fixed(message, (uint64_t)clock_us, 8);
}

bool weir_alignment_hear(weir_alignment *alignment, weir_span message, int64_t now_us)
{
    for (int pass = 0; pass < 2; pass++) { /* the first looks whether all of it makes sense */
        weir_reader reader = weir_reader_of(message);
        if (weir_read_fixed(&reader, 1) != VERSION)
            return false;
        while (weir_reader_left(&reader) > 0) {
            uint64_t partition = weir_read_varint(&reader), pace = weir_read_fixed(&reader, 1);
            int64_t clock_us = (int64_t)weir_read_fixed(&reader, 8);
            if (reader.failed || partition > INT32_MAX || pace >= WEIR_PACE_COUNT)
                return false;
            if (pass == 1)
                weir_alignment_note(alignment, (int32_t)partition, (weir_pace)pace, clock_us, now_us);
        }
    }
    return true;
}
