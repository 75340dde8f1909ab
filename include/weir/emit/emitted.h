/* What an earlier life of a lane has already sent, by the transaction it was about: a set read back from the ends
 * of the output topics when the lane begins, asked while the lane goes through what that life may have gone
 * through, and then forgotten. Needed where one output partition carries what many lanes emit, so that its last
 * record tells nothing. */
#ifndef WEIR_EMIT_EMITTED_H
#define WEIR_EMIT_EMITTED_H

#include "weir/broker/broker.h"

typedef struct weir_emitted_entry {
    int64_t offset;      /* of the transaction */
    uint32_t where;      /* its partition and the output; 0 = free */
} weir_emitted_entry;

typedef struct weir_emitted { /* a zeroed one is empty; heap */
    weir_emitted_entry *entries;
    size_t size, count; /* size: a power of two, or 0 */
} weir_emitted;

/* Notes that `output` has a record about the transaction. Fails: WEIR_FULL without memory. */
WEIR_MUST_USE weir_status weir_emitted_add(weir_emitted *emitted, weir_output output, int32_t partition,
                                           int64_t offset);
bool weir_emitted_has(const weir_emitted *emitted, weir_output output, int32_t partition, int64_t offset);
/* Forgets everything. */
void weir_emitted_clear(weir_emitted *emitted);

#endif
