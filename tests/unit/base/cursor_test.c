#include "weir/base/cursor.h"

#include "weir/base/rng.h"

#include <criterion/criterion.h>

static uint8_t memory[64];

static size_t varint_size(uint64_t value)
{
    weir_writer writer = weir_writer_of(memory, sizeof memory);
    weir_write_varint(&writer, value);
    cr_assert_not(writer.failed);
    return writer.used;
}

Test(cursor, varints_are_protobufs)
{
    cr_expect_eq(varint_size(0), 1);
    cr_expect_eq(varint_size(127), 1);
    cr_expect_eq(varint_size(300), 2);
    cr_expect(memory[0] == 0xac && memory[1] == 0x02); /* the example in protobuf's "Encoding" */
    cr_expect_eq(varint_size(UINT64_MAX), 10);
}

Test(cursor, varints_of_every_length_read_back)
{
    for (unsigned shift = 0; shift < 64; shift++) {
        for (uint64_t step = 0; step < 3; step++) {
            uint64_t value = (UINT64_C(1) << shift) - 1 + step;
            weir_reader reader = weir_reader_of(weir_span_of(memory, varint_size(value)));
            cr_expect_eq(weir_read_varint(&reader), value);
            cr_expect(!reader.failed && weir_reader_left(&reader) == 0);
        }
    }
}

Test(cursor, varints_that_are_cut_or_too_long_fail)
{
    for (size_t size = 0; size < 10; size++) {
        varint_size(UINT64_MAX);
        weir_reader reader = weir_reader_of(weir_span_of(memory, size));
        cr_expect_eq(weir_read_varint(&reader), 0);
        cr_expect(reader.failed);
    }
    memset(memory, 0x80, 11);
    memory[10] = 1;
    weir_reader eleven = weir_reader_of(weir_span_of(memory, 11));
    weir_read_varint(&eleven);
    cr_expect(eleven.failed);
    memset(memory, 0xff, 9);
    memory[9] = 2; /* a 65th bit */
    weir_reader wide = weir_reader_of(weir_span_of(memory, 10));
    weir_read_varint(&wide);
    cr_expect(wide.failed);
}

Test(cursor, fixed_integers_are_little_endian)
{
    for (size_t width = 1; width <= 8; width++) {
        uint64_t value = UINT64_C(0x8877665544332211) & (UINT64_MAX >> (64 - 8 * width));
        weir_writer writer = weir_writer_of(memory, sizeof memory);
        weir_write_fixed(&writer, value, width);
        cr_expect(writer.used == width && memory[0] == 0x11 && memory[width - 1] == 0x11 * width);
        weir_reader reader = weir_reader_of(weir_span_of(memory, width));
        cr_expect_eq(weir_read_fixed(&reader, width), value);
        cr_expect_eq(weir_read_fixed(&reader, width), 0);
        cr_expect(reader.failed);
    }
}

Test(cursor, a_failed_reader_stays_failed)
{
    memory[0] = 1;
    weir_reader reader = weir_reader_of(weir_span_of(memory, 1));
    cr_expect_eq(weir_read_bytes(&reader, 2).size, 0);
    cr_expect(reader.failed);
    cr_expect_eq(weir_read_varint(&reader), 0);
    cr_expect_eq(weir_read_bytes(&reader, 1).size, 0);
}

Test(cursor, a_full_writer_keeps_what_fitted_and_takes_no_more)
{
    weir_writer writer = weir_writer_of(memory, 3);
    weir_write_bytes(&writer, "ab", 2);
    weir_write_bytes(&writer, "cd", 2);
    cr_expect(writer.failed && writer.used == 2);
    weir_write_bytes(&writer, "c", 1);
    cr_expect(writer.used == 2);
}

Test(cursor, zigzag_keeps_small_numbers_small)
{
    cr_expect_eq(weir_zigzag_encode(0), 0);
    cr_expect_eq(weir_zigzag_encode(-1), 1);
    cr_expect_eq(weir_zigzag_encode(1), 2);
    cr_expect_eq(weir_zigzag_encode(INT64_MIN), UINT64_MAX);
    weir_rng rng = {.state = 4};
    for (int i = 0; i < 10000; i++) {
        int64_t value = (int64_t)weir_rng_next(&rng) >> weir_rng_below(&rng, 64);
        cr_assert_eq(weir_zigzag_decode(weir_zigzag_encode(value)), value);
    }
}
