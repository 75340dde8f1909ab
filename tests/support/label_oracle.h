/* The label decoder held against protobuf-c, for any bytes whatever. Header-only: unit test and fuzz target share it.
 * One difference is meant: protobuf-c lets field number 0 pass, the specification and weir do not. */
#ifndef WEIR_SUPPORT_LABEL_ORACLE_H
#define WEIR_SUPPORT_LABEL_ORACLE_H

#include "support/transaction_oracle.h"
#include "weir/codec/label.h"
#include "weir/v1/label.pb-c.h"

/* Years 1990 to 9999, as weir/codec/transaction.h has them. */
static inline bool oracle_is_absurd_time(int64_t time_us)
{
    return time_us < INT64_C(631152000000000) || time_us >= INT64_C(253402300800000000);
}

/* What weir has to say of a label that protobuf-c read, text apart: its strings end at the first NUL, so that it
 * cannot tell. */
static inline weir_reject oracle_judge_label(const Weir__V1__Label *theirs)
{
    if (weir_is_card_number(weir_span_text(theirs->card_token)))
        return WEIR_REJECT_CARD_NUMBER;
    if (!*theirs->transaction_id || !*theirs->card_token || theirs->label_time_us == 0 || theirs->verdict == 0)
        return WEIR_REJECT_MISSING_FIELD;
    if (strlen(theirs->transaction_id) > 128 || strlen(theirs->card_token) > 128)
        return WEIR_REJECT_ABSURD_FIELD;
    if (theirs->verdict != 1 && theirs->verdict != 2)
        return WEIR_REJECT_ABSURD_FIELD;
    if (theirs->event_time_us != 0 &&
        (oracle_is_absurd_time(theirs->event_time_us) || theirs->label_time_us < theirs->event_time_us))
        return WEIR_REJECT_ABSURD_FIELD;
    return oracle_is_absurd_time(theirs->label_time_us) ? WEIR_REJECT_ABSURD_FIELD : WEIR_ACCEPTED;
}

static inline const char *oracle_compare_label(const weir_label *ours, const Weir__V1__Label *theirs)
{
    if (!oracle_same_text(ours->transaction_id, theirs->transaction_id) ||
        ours->transaction != weir_hash48(weir_span_text(theirs->transaction_id)))
        return "transaction_id";
    if (!oracle_same_text(ours->card_token, theirs->card_token) ||
        ours->card_hash != weir_hash(weir_span_text(theirs->card_token)))
        return "card_token";
    if (!oracle_same_text(ours->source, theirs->source))
        return "source";
    if (ours->label_time_us != theirs->label_time_us)
        return "label_time_us";
    if (ours->event_time_us != (theirs->event_time_us ? theirs->event_time_us : INT64_MIN))
        return "event_time_us";
    return (int)ours->verdict != (int)theirs->verdict ? "verdict" : NULL;
}

static inline const char *oracle_compare_label_message(weir_span message, const Weir__V1__Label *theirs,
                                                       bool well_formed)
{
    static const weir_decode_limits limits = {
        .framing = WEIR_FRAMING_RAW, .payload_size_max = SIZE_MAX, .future_us_max = INT64_MAX};
    weir_label label;
    weir_reject reject = weir_label_decode(message, &limits, 0, &label);
    if (message.size == 0)
        return reject == WEIR_REJECT_EMPTY ? NULL : "an empty payload";
    if ((reject != WEIR_REJECT_UNDECODABLE) != well_formed)
        return well_formed ? "protobuf-c accepts, weir does not" : "weir accepts, protobuf-c does not";
    if (!well_formed || reject == WEIR_REJECT_INVALID_UTF8)
        return NULL;
    bool has_nul = label.card_token.size && memchr(label.card_token.data, 0, label.card_token.size);
    if (!has_nul && reject != oracle_judge_label(theirs))
        return "the reason it is refused for";
    return reject == WEIR_ACCEPTED ? oracle_compare_label(&label, theirs) : NULL;
}

/* What weir and protobuf-c disagree on for these bytes as a weir.v1.Label, or NULL. */
static inline const char *oracle_label_disagreement(weir_span message)
{
    Weir__V1__Label *theirs = weir__v1__label__unpack(NULL, message.size, message.data);
    ProtobufCMessage *raw = protobuf_c_message_unpack(oracle_no_fields(), NULL, message.size, message.data);
    bool well_formed = theirs && raw && !oracle_has_field_zero(raw);
    const char *difference = oracle_compare_label_message(message, theirs, well_formed);
    if (raw)
        protobuf_c_message_free_unpacked(raw, NULL);
    weir__v1__label__free_unpacked(theirs, NULL);
    return difference;
}

#endif
