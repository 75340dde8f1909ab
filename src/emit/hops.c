#include "weir/emit/hops.h"

#include "weir/base/check.h"

#include <stdlib.h>

enum { RECORD_SIZE_MIN = 64 * 1024 };

typedef struct outbox { /* the record being filled for one partition */
    weir_writer writer;
    uint32_t entry_count;
} outbox;

struct weir_hops {
    weir_port *port;
    int32_t partition_count;
    size_t entry_size_max;
    outbox *outboxes;    /* by partition; memory is taken when a partition is first sent to */
    int32_t *filled;     /* partitions whose outbox has entries */
    int32_t filled_count;
    weir_ledger *ledger; /* of the batch */
    int32_t lane;
    size_t stage;
    weir_hop_head head;
    int64_t sequence;
    uint64_t record_count; /* sent */
};

weir_status weir_hops_open(int32_t partition_count, size_t payload_size_max, uint32_t register_count_max,
                           weir_port *port, weir_hops **hops_out)
{
    weir_hops *hops = calloc(1, sizeof *hops);
    if (!hops)
        return WEIR_FULL;
    hops->port = port;
    hops->partition_count = partition_count;
    hops->entry_size_max = weir_hop_event_size_max(register_count_max) + payload_size_max;
    hops->outboxes = calloc((size_t)partition_count, sizeof *hops->outboxes);
    hops->filled = calloc((size_t)partition_count, sizeof *hops->filled);
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
    for (int32_t i = 0; hops->outboxes && i < hops->partition_count; i++)
        free(hops->outboxes[i].writer.base);
    free(hops->outboxes);
    free(hops->filled);
    free(hops);
}

void weir_hops_begin(weir_hops *hops, weir_ledger *ledger, int32_t lane, size_t stage, const weir_hop_head *head,
                     int64_t sequence)
{
    weir_check(hops->filled_count == 0);
    hops->ledger = ledger;
    hops->lane = lane;
    hops->stage = stage;
    hops->head = *head;
    hops->sequence = sequence;
}

static weir_status send(weir_hops *hops, int32_t partition)
{
    outbox *box = &hops->outboxes[partition];
    weir_outgoing outgoing = {
        .output = WEIR_OUTPUT_HOPS,
        .lane = hops->lane,
        .marker = weir_ledger_life_marker(hops->ledger, hops->sequence),
        .stage = hops->stage,
        .partition = partition,
        .payload = weir_span_of(box->writer.base, box->writer.used),
    };
    weir_status status = weir_ledger_reserve(hops->ledger, WEIR_OUTPUT_HOPS);
    if (status == WEIR_OK)
        status = hops->port->ops->produce(hops->port, &outgoing);
    if (status != WEIR_OK)
        return status;
    weir_ledger_sent(hops->ledger, WEIR_OUTPUT_HOPS, hops->sequence);
    box->entry_count = 0;
    box->writer.used = 0;
    hops->record_count++;
    return WEIR_OK;
}

static weir_status open_outbox(weir_hops *hops, outbox *box)
{
    if (!box->writer.base) {
        size_t size = 4 * hops->entry_size_max > RECORD_SIZE_MIN ? 4 * hops->entry_size_max : RECORD_SIZE_MIN;
        uint8_t *memory = malloc(size);
        if (!memory)
            return WEIR_IO;
        box->writer = weir_writer_of(memory, size);
    }
    box->writer.used = 0;
    weir_hop_begin(&box->writer, &hops->head);
    return WEIR_OK;
}

weir_status weir_hops_add(weir_hops *hops, int32_t partition, const weir_hop_entry *entry)
{
    weir_check(partition >= 0 && partition < hops->partition_count);
    outbox *box = &hops->outboxes[partition];
    weir_status status = WEIR_OK;
    bool was_filled = box->entry_count > 0;
    if (box->entry_count == WEIR_HOP_ENTRY_MAX ||
        (was_filled && box->writer.size - box->writer.used < hops->entry_size_max))
        status = send(hops, partition);
    if (status == WEIR_OK && box->entry_count == 0)
        status = open_outbox(hops, box);
    if (status != WEIR_OK)
        return status;
    if (!was_filled)
        hops->filled[hops->filled_count++] = partition;
    weir_hop_write(&box->writer, &hops->head, entry);
    weir_check(!box->writer.failed); /* room for a whole entry was there */
    box->entry_count++;
    return WEIR_OK;
}

weir_status weir_hops_flush(weir_hops *hops)
{
    while (hops->filled_count > 0) {
        weir_status status = send(hops, hops->filled[hops->filled_count - 1]);
        if (status != WEIR_OK)
            return status;
        hops->filled_count--;
    }
    return WEIR_OK;
}

uint64_t weir_hops_record_count(const weir_hops *hops)
{
    return hops->record_count;
}
