#include "weir/base/hash.h"

#include "weir/base/check.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

enum { HASH_SEED = 0x77656972 }; /* "weir" */

uint64_t weir_hash(weir_span bytes)
{
    return XXH3_64bits_withSeed(bytes.data, bytes.size, HASH_SEED);
}

uint64_t weir_hash48(weir_span identifier)
{
    return identifier.size ? weir_hash48_of(weir_hash(identifier)) : 0;
}

/* Source: org.apache.kafka.common.utils.Utils.murmur2 (32-bit MurmurHash2, seed 0x9747b28c). */
static uint32_t murmur2(weir_span key)
{
    const uint32_t m = 0x5bd1e995;
    uint32_t h = 0x9747b28cu ^ (uint32_t)key.size;
    size_t at = 0;
    for (; at + 4 <= key.size; at += 4) {
        uint32_t k = (uint32_t)key.data[at] | (uint32_t)key.data[at + 1] << 8 | (uint32_t)key.data[at + 2] << 16 |
                     (uint32_t)key.data[at + 3] << 24;
        k *= m;
        k ^= k >> 24;
        k *= m;
        h = h * m ^ k;
    }
    size_t left = key.size - at;
    if (left > 2)
        h ^= (uint32_t)key.data[at + 2] << 16;
    if (left > 1)
        h ^= (uint32_t)key.data[at + 1] << 8;
    if (left > 0)
        h = (h ^ key.data[at]) * m;
    h ^= h >> 13;
    h *= m;
    h ^= h >> 15;
    return h;
}

int32_t weir_hash_partition(weir_span key, int32_t partition_count)
{
    weir_check(partition_count > 0);
    return (int32_t)((murmur2(key) & 0x7fffffffu) % (uint32_t)partition_count);
}

#ifdef __SSE4_2__

uint32_t weir_hash_crc32c(weir_span bytes)
{
    uint64_t crc = 0xffffffffu;
    size_t at = 0;
    for (; at + 8 <= bytes.size; at += 8) {
        uint64_t word;
        memcpy(&word, bytes.data + at, sizeof word);
        crc = __builtin_ia32_crc32di(crc, word);
    }
    for (; at < bytes.size; at++)
        crc = __builtin_ia32_crc32qi((uint32_t)crc, bytes.data[at]);
    return ~(uint32_t)crc;
}

#else

/* A nibble a step: small and plain, for machines without the instruction. */
uint32_t weir_hash_crc32c(weir_span bytes)
{
    static const uint32_t NIBBLES[16] = {
        0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3, 0x61c69362, 0x7198540d,
        0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9, 0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75,
    };
    uint32_t crc = 0xffffffffu;
    for (size_t i = 0; i < bytes.size; i++) {
        crc ^= bytes.data[i];
        crc = crc >> 4 ^ NIBBLES[crc & 15];
        crc = crc >> 4 ^ NIBBLES[crc & 15];
    }
    return ~crc;
}

#endif
