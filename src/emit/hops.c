#include "weir/emit/hops.h"

#include "weir/base/check.h"

#include <stdlib.h>

/* A record's memory doubles as it fills. At the maximum the record goes; a larger one has a single entry. What a lane
 * keeps for the next records is bounded: there may be hundreds of lanes, with hundreds of partitions to send to. */
enum { RECORD_SIZE_FIRST = 4 * 1024, RECORD_SIZE_MAX = 64 * 1024, KEPT_SIZE_MAX = 8 * RECORD_SIZE_MAX };

typedef struct outbox { /* the record being filled for one partition */
    weir_writer writer;
    uint32_t entry_count;
} outbox;

struct weir_hops {
    weir_hops_options options;
    outbox *outboxes;      /* by partition */
    int32_t *filled;       /* partitions whose outbox has entries */
    int32_t filled_count;
    bool begun;
    size_t kept_size;      /* of outboxes' memory without a record */
    uint64_t record_count; /* sent */
};

weir_status weir_hops_open(const weir_hops_options *options, weir_hops **hops_out)
{
    weir_hops *hops = calloc(1, sizeof *hops);
    if (!hops)
        return WEIR_FULL;
    hops->options = *options;
    hops->outboxes = calloc((size_t)options->partition_count, sizeof *hops->outboxes);
    hops->filled = calloc((size_t)options->partition_count, sizeof *hops->filled);
    if (!hops->outboxes || !hops->filled) {
        weir_hops_close(hops);
        return WEIR_FULL;
    }
    *hops_out = hops;
    return WEIR_OK;
}

void weir_hops_close(weir_hops *hops)
{
    if (!hops)
        return;
    for (int32_t i = 0; hops->outboxes && i < hops->options.partition_count; i++)
        free(hops->outboxes[i].writer.base);
    free(hops->outboxes);
    free(hops->filled);
    free(hops);
}

void weir_hops_begin(weir_hops *hops, int64_t sequence, const weir_event *like)
{
    if (hops->begun)
        return;
    hops->begun = true;
    weir_hop_rebase(&hops->options.head, sequence, like);
}

bool weir_hops_begun(const weir_hops *hops)
{
    return hops->begun;
}

/* Empties an outbox whose record has gone. */
static void empty(weir_hops *hops, outbox *box)
{
    if (hops->kept_size + box->writer.size > KEPT_SIZE_MAX) {
        free(box->writer.base);
        *box = (outbox){0};
        return;
    }
    hops->kept_size += box->writer.size;
    box->writer.used = 0;
    box->entry_count = 0;
}

static weir_status send(weir_hops *hops, int32_t partition)
{
    outbox *box = &hops->outboxes[partition];
    weir_ledger *ledger = hops->options.ledger;
    weir_port *port = hops->options.port;
    int64_t sequence = hops->options.head.sequence_base;
    weir_outgoing outgoing = {
        .output = WEIR_OUTPUT_HOPS,
        .lane = hops->options.lane,
        .marker = weir_ledger_life_marker(ledger, sequence),
        .stage = hops->options.stage,
        .partition = partition,
        .payload = weir_span_of(box->writer.base, box->writer.used),
    };
    weir_status status = weir_ledger_reserve(ledger, WEIR_OUTPUT_HOPS);
    if (status == WEIR_OK)
        status = port->ops->produce(port, &outgoing);
    if (status != WEIR_OK)
        return status;
    weir_ledger_sent(ledger, WEIR_OUTPUT_HOPS, sequence);
    empty(hops, box);
    hops->record_count++;
    return WEIR_OK;
}

/* Room for an entry in a record that takes it. */
static weir_status make_room(outbox *box, size_t entry_size)
{
    size_t wanted = box->writer.used + entry_size, size = box->writer.size ? box->writer.size : RECORD_SIZE_FIRST;
    if (box->writer.base && wanted <= size)
        return WEIR_OK;
    while (size < wanted)
        size *= 2;
    uint8_t *memory = realloc(box->writer.base, size);
    if (!memory)
        return WEIR_IO;
    size_t used = box->writer.used;
    box->writer = weir_writer_of(memory, size);
    box->writer.used = used;
    return WEIR_OK;
}

static weir_status begin_record(weir_hops *hops, outbox *box, size_t entry_size)
{
    if (box->writer.base)
        hops->kept_size -= box->writer.size;
    weir_status status = make_room(box, WEIR_HOP_HEAD_SIZE_MAX + entry_size);
    if (status == WEIR_OK)
        weir_hop_begin(&box->writer, &hops->options.head);
    return status;
}

weir_status weir_hops_add(weir_hops *hops, int32_t partition, const weir_hop_entry *entry)
{
    weir_check(hops->begun && partition >= 0 && partition < hops->options.partition_count);
    outbox *box = &hops->outboxes[partition];
    size_t entry_size = weir_hop_entry_size_max(&hops->options.head, entry);
    weir_status status = WEIR_OK;
    bool was_filled = box->entry_count > 0;
    if (box->entry_count == WEIR_HOP_ENTRY_MAX || (was_filled && box->writer.used + entry_size > RECORD_SIZE_MAX))
        status = send(hops, partition);
    if (status == WEIR_OK)
        status = box->entry_count > 0 ? make_room(box, entry_size) : begin_record(hops, box, entry_size);
    if (status != WEIR_OK)
        return status;
    if (!was_filled)
        hops->filled[hops->filled_count++] = partition;
    weir_hop_write(&box->writer, &hops->options.head, entry);
    weir_check(!box->writer.failed); /* room for a whole entry was there */
    box->entry_count++;
    return WEIR_OK;
}

weir_status weir_hops_flush(weir_hops *hops)
{
    for (; hops->filled_count > 0; hops->filled_count--) {
        int32_t partition = hops->filled[hops->filled_count - 1];
        weir_status status = hops->outboxes[partition].entry_count > 0 ? send(hops, partition) : WEIR_OK;
        if (status != WEIR_OK)
            return status;
    }
    hops->begun = false;
    return WEIR_OK;
}

uint64_t weir_hops_record_count(const weir_hops *hops)
{
    return hops->record_count;
}
