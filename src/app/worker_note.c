#include "worker_internal.h"

#include "weir/base/check.h"
#include "weir/base/cursor.h"
#include "weir/base/units.h"
#include "weir/codec/base64.h"

#include <stdio.h>
#include <stdlib.h>

enum { NOTE_VERSION = 1 };

/* Copying the ends is not for every turn. */
#define ENDS_INTERVAL_US WEIR_US_PER_SECOND

/* ---- milestones ---- */

static size_t ends_count(const weir_worker *worker)
{
    return WEIR_SPREAD_OUTPUT_COUNT * (size_t)worker->partition_count;
}

/* The label time before which every label has gone on. */
static int64_t labels_sent_below(const weir_worker *worker, const weir_partition *partition)
{
    weir_port *port = worker->options.port;
    if (partition->label_lane < 0)
        return INT64_MAX;
    bool all_here = port->ops->lag(port, partition->label_lane, partition->labels.fetched_next) == 0;
    return all_here || partition->labels_next_us < partition->labels_newest_us ? partition->labels_next_us
                                                                               : partition->labels_newest_us;
}

/* An event time as a clock for others, who go up to the drift beyond it and count on every label of that time. */
static int64_t clock_of(const weir_worker *worker, const weir_partition *partition, int64_t event_time_us)
{
    int64_t sent_below_us = labels_sent_below(worker, partition), clock_us;
    if (sent_below_us == INT64_MAX)
        return event_time_us;
    if (__builtin_sub_overflow(sent_below_us, worker->options.drift_us_max + 1, &clock_us))
        return INT64_MIN;
    return clock_us < event_time_us ? clock_us : event_time_us;
}

static weir_milestone milestone_now(const weir_worker *worker, const weir_partition *partition, int64_t *ends)
{
    return (weir_milestone){.position = partition->position,
                            .clock_us = clock_of(worker, partition, partition->event_clock_us),
                            .set_us = worker->received_us,
                            .ends = ends};
}

static void pass_ends(weir_worker *worker, weir_partition *partition, int64_t acked)
{
    weir_milestone *ahead = &partition->ends_ahead;
    if (!ahead->ends || acked < ahead->position || worker->received_us - ahead->set_us < ENDS_INTERVAL_US)
        return;
    weir_milestone passed = *ahead;
    *ahead = milestone_now(worker, partition, partition->ends_passed.ends);
    memcpy(ahead->ends, worker->ends, ends_count(worker) * sizeof *worker->ends);
    partition->ends_passed = passed;
}

/* With nothing under way, all is acknowledged up to the event it is held before. */
static int64_t idle_clock(const weir_worker *worker, const weir_partition *partition)
{
    return clock_of(worker, partition, weir_partition_newest_us(partition));
}

static void pass_clocks(weir_partition *partition, int64_t acked)
{
    for (; partition->clock_count > 0; partition->clock_count--) {
        const weir_milestone *oldest = &partition->clocks[partition->clock_head];
        if (acked < oldest->position)
            return;
        atomic_store_explicit(&partition->clock_us, oldest->clock_us, memory_order_relaxed);
        partition->clock_head = (partition->clock_head + 1) % WEIR_CLOCK_MAX;
    }
}

/* Where the partition is now, for when that is acknowledged; with the ring full, later. */
static void set_clock(const weir_worker *worker, weir_partition *partition)
{
    uint32_t count = partition->clock_count;
    if (count == WEIR_CLOCK_MAX)
        return;
    const weir_milestone *newest = &partition->clocks[(partition->clock_head + count - 1) % WEIR_CLOCK_MAX];
    if (count == 0 || newest->position < partition->position)
        partition->clocks[(partition->clock_head + partition->clock_count++) % WEIR_CLOCK_MAX] =
            milestone_now(worker, partition, NULL);
}

void weir_worker_pass_milestones(weir_worker *worker, weir_partition *partition)
{
    int64_t acked = weir_ledger_acked_below(&partition->ledger, partition->position);
    pass_ends(worker, partition, acked);
    if (partition->stage > 0 || !worker->options.limit_us || !weir_worker_labels_ready(worker, partition))
        return;
    if (weir_ledger_pending(&partition->ledger) > 0) {
        pass_clocks(partition, acked);
        set_clock(worker, partition);
        return;
    }
    partition->clock_count = 0;
    atomic_store_explicit(&partition->clock_us, idle_clock(worker, partition), memory_order_relaxed);
}

/* ---- the note beside a committed offset ---- */

/* Each end as the distance from the one before: partitions are alike. */
static void write_ends(weir_writer *bytes, const int64_t *ends, size_t count)
{
    int64_t before = 0;
    for (size_t i = 0; i < count; i++) {
        weir_write_varint(bytes, weir_zigzag_encode(ends[i] - before));
        before = ends[i];
    }
}

int64_t weir_worker_note(weir_worker *worker, int32_t lane, char *note_out)
{
    const weir_partition *partition = worker->partitions[lane];
    note_out[0] = '\0';
    int64_t acked = weir_sequence_offset(partition->stage, atomic_load(&partition->acked_below));
    if (!partition->ends_passed.ends)
        return acked;
    uint8_t memory[WEIR_NOTE_SIZE_MAX / 4 * 3 - 3];
    weir_writer bytes = weir_writer_of(memory, sizeof memory);
    weir_write_fixed(&bytes, NOTE_VERSION, 1);
    write_ends(&bytes, partition->ends_passed.ends, ends_count(worker));
    weir_writer text = weir_writer_of(note_out, WEIR_NOTE_SIZE_MAX - 1);
    if (!bytes.failed) /* hundreds of partitions: the next life then reads the outputs from their start */
        weir_base64_write(&text, weir_span_of(memory, bytes.used));
    note_out[text.failed ? 0 : text.used] = '\0';
    return acked;
}

bool weir_note_parse(const char *note, int32_t partition_count, int64_t *ends_out)
{
    uint8_t memory[WEIR_NOTE_SIZE_MAX];
    weir_writer bytes = weir_writer_of(memory, sizeof memory);
    if (!*note || !weir_base64_read(&bytes, weir_span_text(note)))
        return false;
    weir_reader reader = weir_reader_of(weir_span_of(memory, bytes.used));
    bool known = weir_read_fixed(&reader, 1) == NOTE_VERSION;
    int64_t before = 0;
    for (size_t i = 0; i < WEIR_SPREAD_OUTPUT_COUNT * (size_t)partition_count; i++)
        before = ends_out[i] = before + weir_zigzag_decode(weir_read_varint(&reader));
    return known && !reader.failed && weir_reader_left(&reader) == 0;
}

/* ---- the note in a checkpoint ---- */

size_t weir_checkpoint_note_write(void *context, uint8_t *note_out)
{
    const weir_partition *partition = context;
    weir_writer note = weir_writer_of(note_out, WEIR_STATE_NOTE_MAX);
    weir_write_fixed(&note, NOTE_VERSION, 1);
    if (partition->stage == 0)
        weir_write_varint(&note, partition->label_lane < 0 ? 0 : (uint64_t)partition->labels.applied_next + 1);
    for (uint32_t i = 0; i < partition->source_count; i++) {
        weir_write_varint(&note, (uint64_t)(partition->sources[i] + 1));
        weir_seen_write(&note, &partition->label_sources[i]);
    }
    weir_check(!note.failed);
    return note.used;
}

bool weir_checkpoint_note_read(weir_partition *partition, weir_span note, int64_t *labels_from_out)
{
    weir_reader reader = weir_reader_of(note);
    *labels_from_out = -1;
    if (note.size == 0)
        return true; /* written before there were notes */
    if (weir_read_fixed(&reader, 1) != NOTE_VERSION)
        return false;
    if (partition->stage == 0)
        *labels_from_out = (int64_t)weir_read_varint(&reader) - 1;
    for (uint32_t i = 0; i < partition->source_count; i++) {
        partition->sources[i] = (int64_t)weir_read_varint(&reader) - 1;
        weir_seen_read(&reader, &partition->label_sources[i]);
    }
    return !reader.failed && weir_reader_left(&reader) == 0;
}
