/* Hashes of identifiers. XXH3-64 with a fixed seed: the values are stored in
 * LMDB and in the retained events, so the function may never change under a
 * stored format version. Source: xxHash specification, XXH3 64-bit. */
#ifndef WEIR_BASE_HASH_H
#define WEIR_BASE_HASH_H

#include "weir/base/span.h"

#include <stdint.h>

/* The whole 64-bit hash; an empty span hashes to a fixed value like any other. */
uint64_t weir_hash(weir_span bytes);

/* The upper 48 bits, as the retained event stores identifiers; 0 is kept for
 * "absent", so a present identifier never hashes to 0 and an empty span always does. */
uint64_t weir_hash48(weir_span identifier);

/* The same from the whole hash of a present identifier, when that is at hand. */
static inline uint64_t weir_hash48_of(uint64_t hash)
{
    return hash >> 16 ? hash >> 16 : 1;
}

/* Kafka's default partitioner: murmur2 of the key, sign bit cleared, modulo
 * `partition_count`. Equals the Java client and librdkafka's `murmur2`. */
int32_t weir_hash_partition(weir_span key, int32_t partition_count);

/* The partition of a stage's internal topic that an entity's events go to, from the 48-bit hash they carry. */
static inline int32_t weir_stage_partition(uint64_t hash48, int32_t partition_count)
{
    return (int32_t)(hash48 % (uint64_t)partition_count);
}

/* CRC-32C (Castagnoli), the checksum of stored records. Source: RFC 3720 B.4. */
uint32_t weir_hash_crc32c(weir_span bytes);

#endif
