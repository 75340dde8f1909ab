/* Appends records of a topic to it once more, as a producer would that has lost its memory: what a stage has to see
 * through.
 *
 *   kafka_redeliver BROKERS TOPIC PARTITIONS COUNT     the newest COUNT records of each partition, in their order
 */
#include "weir/broker/client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PARTITION_MAX = 64, COUNT_MAX = 4096 };

typedef struct kept { /* a ring of the newest records of one partition */
    uint8_t *payloads[COUNT_MAX];
    size_t sizes[COUNT_MAX];
    size_t count;
} kept;

static kept partitions[PARTITION_MAX];

static void keep(const weir_record *record, size_t wanted)
{
    kept *ring = &partitions[record->partition];
    size_t at = ring->count++ % wanted;
    free(ring->payloads[at]);
    ring->payloads[at] = malloc(record->payload.size + 1);
    if (!ring->payloads[at])
        abort();
    memcpy(ring->payloads[at], record->payload.data, record->payload.size);
    ring->sizes[at] = record->payload.size;
}

static int fail(const weir_error *error)
{
    fprintf(stderr, "redeliver: %s\n", error->message);
    return 1;
}

int main(int argc, char **argv)
{
    if (argc != 5)
        return 2;
    int partition_count = atoi(argv[3]);
    size_t wanted = strtoul(argv[4], NULL, 10), sent = 0;
    weir_error error;
    weir_tail *tail;
    weir_sender *sender;
    if (partition_count < 1 || partition_count > PARTITION_MAX || wanted < 1 || wanted > COUNT_MAX)
        return 2;
    if (weir_tail_open(argv[1], argv[2], -2, NULL, 0, &tail, &error) != WEIR_OK)
        return fail(&error);
    weir_record record;
    for (bool ended = false; !ended;)
        if (weir_tail_next(tail, 100000, &record, &ended))
            keep(&record, wanted);
    weir_tail_close(tail);
    if (weir_sender_open(argv[1], argv[2], 5000, NULL, 0, &sender, &error) != WEIR_OK)
        return fail(&error);
    for (int32_t partition = 0; partition < partition_count; partition++) {
        kept *ring = &partitions[partition];
        size_t first = ring->count > wanted ? ring->count - wanted : 0;
        for (size_t i = first; i < ring->count; i++, sent++)
            if (weir_sender_send(sender, partition, (weir_span){0},
                                 weir_span_of(ring->payloads[i % wanted], ring->sizes[i % wanted]), -1) != WEIR_OK)
                return 1;
    }
    uint64_t lost = weir_sender_flush(sender, 30 * 1000000);
    weir_sender_close(sender);
    printf("%zu\n", sent);
    return lost != 0;
}
