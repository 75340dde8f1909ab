#include "weir/base/hash.h"

#include <criterion/criterion.h>

/* Stored in LMDB and in retained events: these may never change. Computed with Python's xxhash 4.1,
 * xxh3_64_intdigest(text, seed=0x77656972). */
Test(hash, values_are_fixed_for_ever)
{
    char x[100], y[300];
    memset(x, 'x', sizeof x);
    memset(y, 'y', sizeof y);
    cr_expect_eq(weir_hash((weir_span){0}), UINT64_C(0x3750b093a5d4c067));
    cr_expect_eq(weir_hash(weir_span_text("a")), UINT64_C(0xbde825cbdc6cab63));
    cr_expect_eq(weir_hash(weir_span_text("tok_9f86d081884c7d65")), UINT64_C(0x4bfd31009a0729ca));
    cr_expect_eq(weir_hash(weir_span_of(x, sizeof x)), UINT64_C(0x063320702924ac8f));
    cr_expect_eq(weir_hash(weir_span_of(y, sizeof y)), UINT64_C(0xbee566bdb19c2ad5));
}

Test(hash, identifiers_are_the_upper_48_bits_and_zero_means_absent)
{
    cr_expect_eq(weir_hash48(weir_span_text("a")), UINT64_C(0xbde825cbdc6c));
    cr_expect_eq(weir_hash48((weir_span){0}), 0);
    cr_expect_eq(weir_hash48(weir_span_text("")), 0);
    cr_expect_eq(weir_hash48_of(weir_hash(weir_span_text("a"))), weir_hash48(weir_span_text("a")));
    cr_expect_eq(weir_hash48_of(UINT64_C(0xffff)), 1);
}

/* Source: org.apache.kafka.common.utils.UtilsTest.testMurmur2. */
Test(hash, partitions_are_those_of_kafkas_own_clients)
{
    static const struct {
        const char *key;
        int32_t murmur2;
    } CASES[] = {
        {"21", -973932308},
        {"foobar", -790332482},
        {"a-little-bit-long-string", -985981536},
        {"a-little-bit-longer-string", -1486304829},
        {"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971},
        {"abc", 479470107},
    };
    static const int32_t COUNTS[] = {1, 2, 3, 12, 64, 1000, INT32_MAX};
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++)
        for (size_t j = 0; j < sizeof COUNTS / sizeof *COUNTS; j++)
            cr_expect_eq(weir_hash_partition(weir_span_text(CASES[i].key), COUNTS[j]),
                         (CASES[i].murmur2 & 0x7fffffff) % COUNTS[j], "%s", CASES[i].key);
}

/* Source: RFC 3720 appendix B.4, and the check value of the catalogue of CRC algorithms. */
Test(hash, crc32c_is_castagnoli)
{
    uint8_t zeros[32] = {0}, ones[32], up[32], down[32];
    memset(ones, 0xff, sizeof ones);
    for (size_t i = 0; i < 32; i++) {
        up[i] = (uint8_t)i;
        down[i] = (uint8_t)(31 - i);
    }
    cr_expect_eq(weir_hash_crc32c(weir_span_of(zeros, 32)), 0x8a9136aau);
    cr_expect_eq(weir_hash_crc32c(weir_span_of(ones, 32)), 0x62a8ab43u);
    cr_expect_eq(weir_hash_crc32c(weir_span_of(up, 32)), 0x46dd794eu);
    cr_expect_eq(weir_hash_crc32c(weir_span_of(down, 32)), 0x113fdb5cu);
    cr_expect_eq(weir_hash_crc32c(weir_span_text("123456789")), 0xe3069283u);
    cr_expect_eq(weir_hash_crc32c((weir_span){0}), 0);
}

Test(hash, crc32c_notices_every_single_bit)
{
    uint8_t bytes[64];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i * 37);
    uint32_t whole = weir_hash_crc32c(weir_span_of(bytes, sizeof bytes));
    for (size_t bit = 0; bit < 8 * sizeof bytes; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        cr_expect_neq(weir_hash_crc32c(weir_span_of(bytes, sizeof bytes)), whole);
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
}
