#include "weir/codec/delimited.h"

#include <criterion/criterion.h>

Test(delimited, messages_come_back_in_order_with_their_sizes)
{
    static uint8_t file[8192], body[5000];
    static const size_t SIZES[] = {0, 1, 127, 128, 5000, 0, 3};
    for (size_t i = 0; i < sizeof body; i++)
        body[i] = (uint8_t)(i * 7);
    weir_writer writer = weir_writer_of(file, sizeof file);
    for (size_t i = 0; i < sizeof SIZES / sizeof *SIZES; i++)
        weir_delimited_write(&writer, weir_span_of(body, SIZES[i]));
    cr_assert_not(writer.failed);
    weir_reader reader = weir_reader_of(weir_span_of(file, writer.used));
    weir_span message;
    for (size_t i = 0; i < sizeof SIZES / sizeof *SIZES; i++) {
        cr_assert_eq(weir_delimited_next(&reader, &message), WEIR_DELIMITED_MESSAGE);
        cr_expect(weir_span_equal(message, weir_span_of(body, SIZES[i])));
    }
    cr_expect_eq(weir_delimited_next(&reader, &message), WEIR_DELIMITED_END);
}

Test(delimited, a_cut_message_leaves_the_reader_where_it_was)
{
    uint8_t file[300];
    weir_writer writer = weir_writer_of(file, sizeof file);
    uint8_t body[200] = {0};
    weir_delimited_write(&writer, weir_span_of(body, sizeof body));
    for (size_t size = 1; size < writer.used; size++) {
        weir_reader reader = weir_reader_of(weir_span_of(file, size));
        weir_span message;
        cr_assert_eq(weir_delimited_next(&reader, &message), WEIR_DELIMITED_PARTIAL, "%zu bytes", size);
        cr_assert(reader.at == file && !reader.failed);
    }
}

Test(delimited, absurd_sizes_are_corrupt_not_partial)
{
    static const uint8_t FILES[][6] = {
        {0x81, 0x80, 0x40},                   /* 1 MiB + 1 */
        {0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, /* never ends */
        {0x80, 0x80, 0x80, 0x80, 0x80, 0x00}, /* zero, at length */
    };
    for (size_t i = 0; i < sizeof FILES / sizeof *FILES; i++) {
        weir_reader reader = weir_reader_of(weir_span_of(FILES[i], 6));
        weir_span message;
        cr_expect_eq(weir_delimited_next(&reader, &message), WEIR_DELIMITED_CORRUPT);
        cr_expect(reader.at == FILES[i]);
    }
    const uint8_t most[] = {0x80, 0x80, 0x40}; /* 1 MiB exactly */
    weir_reader reader = weir_reader_of(weir_span_of(most, sizeof most));
    weir_span message;
    cr_expect_eq(weir_delimited_next(&reader, &message), WEIR_DELIMITED_PARTIAL);
}
