/* Any bytes as a label: weir's decoder and protobuf-c agree, what is accepted packs again, and framing does not get in
 * the way. */
#include "support/label_oracle.h"
#include "weir/base/check.h"

#define NOW_US INT64_C(1700000000000000)

/* decode -> encode -> decode: the same label. */
static void go_round(const weir_label *label)
{
    static uint8_t memory[8192];
    static const weir_decode_limits limits = {.framing = WEIR_FRAMING_RAW, .payload_size_max = sizeof memory};
    weir_writer writer = weir_writer_of(memory, sizeof memory);
    weir_label again;
    weir_label_encode(label, &writer);
    weir_check(!writer.failed);
    weir_check(weir_label_decode(weir_span_of(memory, writer.used), &limits, NOW_US, &again) == WEIR_ACCEPTED);
    weir_check(weir_span_equal(label->transaction_id, again.transaction_id));
    weir_check(weir_span_equal(label->card_token, again.card_token));
    weir_check(weir_span_equal(label->source, again.source));
    weir_check(label->label_time_us == again.label_time_us && label->event_time_us == again.event_time_us);
    weir_check(label->transaction == again.transaction && label->card_hash == again.card_hash);
    weir_check(label->verdict == again.verdict);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    weir_span message = weir_span_of(data, size);
    const char *difference = oracle_label_disagreement(message);
    if (difference)
        fprintf(stderr, "label: %s\n", difference);
    weir_check(difference == NULL);

    /* Whatever the framing, what is decoded lies inside the payload. */
    for (int framing = 0; framing < WEIR_FRAMING_COUNT; framing++) {
        weir_decode_limits limits = {.framing = (weir_framing)framing};
        weir_label label;
        weir_reject reject = weir_label_decode(message, &limits, NOW_US, &label);
        weir_check(reject < WEIR_REJECT_COUNT);
        weir_check(reject == WEIR_ACCEPTED || label.card_hash == 0);
        if (reject != WEIR_ACCEPTED)
            continue;
        weir_check(label.card_token.data >= data && label.card_token.data + label.card_token.size <= data + size);
        go_round(&label);
    }
    return 0;
}
