/* Any bytes as a transaction: weir's decoder and protobuf-c agree, and framing does not get in the way. */
#include "support/transaction_oracle.h"
#include "weir/base/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    weir_span message = weir_span_of(data, size);
    const char *difference = oracle_disagreement(message);
    if (difference)
        fprintf(stderr, "transaction: %s\n", difference);
    weir_check(difference == NULL);

    /* Whatever the framing, what is decoded lies inside the payload. */
    for (int framing = 0; framing < WEIR_FRAMING_COUNT; framing++) {
        weir_decode_limits limits = {.framing = (weir_framing)framing};
        weir_transaction transaction;
        weir_reject reject = weir_transaction_decode(message, &limits, INT64_C(1700000000000000), &transaction);
        weir_check(reject < WEIR_REJECT_COUNT);
        weir_check(reject == WEIR_ACCEPTED || transaction.event.time_us == 0);
        if (reject == WEIR_ACCEPTED)
            weir_check(transaction.card_token.data >= data &&
                       transaction.card_token.data + transaction.card_token.size <= data + size);
    }
    return 0;
}
