#include "weir/codec/label.h"

#include "limits.h"
#include "utf8.h"
#include "weir/base/check.h"
#include "weir/base/hash.h"
#include "wire.h"

/* Field numbers of weir.v1.Label. */
enum { TRANSACTION_ID = 1, CARD_TOKEN, LABEL_TIME_US, VERDICT, EVENT_TIME_US, SOURCE, FIELD_END };

static const char *const VERDICTS[WEIR_LABEL_VERDICT_COUNT] = {
    [WEIR_LABEL_UNSPECIFIED] = "unspecified",
    [WEIR_LABEL_FRAUD] = "fraud",
    [WEIR_LABEL_CLEARED] = "cleared",
};

const char *weir_label_verdict_name(weir_label_verdict verdict)
{
    weir_check(verdict < WEIR_LABEL_VERDICT_COUNT);
    return VERDICTS[verdict];
}

/* ---- the wire -------------------------------------------------------------------------------------------- */

/* What the wire said, a slot a field number. */
typedef struct wire_message {
    uint64_t numbers[FIELD_END];
    weir_span texts[FIELD_END];
} wire_message;

static const uint8_t WIRE_TYPES[FIELD_END] = {
    [TRANSACTION_ID] = WEIR_WIRE_BYTES, [CARD_TOKEN] = WEIR_WIRE_BYTES,     [LABEL_TIME_US] = WEIR_WIRE_VARINT,
    [VERDICT] = WEIR_WIRE_VARINT,       [EVENT_TIME_US] = WEIR_WIRE_VARINT, [SOURCE] = WEIR_WIRE_BYTES,
};

/* A known field of another wire type makes the message undecodable, as in protobuf-c. Labels are few beside
 * transactions: one loop will do. */
static bool read_message(weir_span bytes, wire_message *message)
{
    weir_reader reader = weir_reader_of(bytes);
    weir_wire_field field = {0};
    while (weir_wire_next(&reader, &field)) {
        if (field.number >= FIELD_END)
            continue;
        if (field.type != WIRE_TYPES[field.number])
            return false;
        if (field.type == WEIR_WIRE_VARINT)
            message->numbers[field.number] = field.value;
        else
            message->texts[field.number] = field.bytes;
    }
    return !reader.failed;
}

void weir_label_encode(const weir_label *label, weir_writer *writer)
{
    int64_t event_time_us = label->event_time_us == INT64_MIN ? 0 : label->event_time_us;
    weir_wire_put_bytes(writer, TRANSACTION_ID, label->transaction_id);
    weir_wire_put_bytes(writer, CARD_TOKEN, label->card_token);
    weir_wire_put_integer(writer, LABEL_TIME_US, (uint64_t)label->label_time_us);
    weir_wire_put_integer(writer, VERDICT, (uint64_t)(int64_t)(int32_t)label->verdict);
    weir_wire_put_integer(writer, EVENT_TIME_US, (uint64_t)event_time_us);
    weir_wire_put_bytes(writer, SOURCE, label->source);
}

/* ---- the meaning ----------------------------------------------------------------------------------------- */

/* The source is for people: as long as the payload allows. */
static const struct {
    uint8_t number;
    bool is_identifier; /* required, and of at most WEIR_IDENTIFIER_SIZE_MAX bytes */
    const char *name;
} TEXTS[] = {
    {TRANSACTION_ID, true, "transaction_id"},
    {CARD_TOKEN, true, "card_token"},
    {SOURCE, false, "source"},
};
enum { TEXT_COUNT = sizeof TEXTS / sizeof *TEXTS };

static weir_reject fault(weir_label *label, weir_reject reject, const char *field)
{
    label->reject_field = field;
    return reject;
}

static weir_reject check_texts(const wire_message *wire, weir_label *label)
{
    for (size_t i = 0; i < TEXT_COUNT; i++)
        if (!weir_utf8_is_text(wire->texts[TEXTS[i].number]))
            return fault(label, WEIR_REJECT_INVALID_UTF8, TEXTS[i].name);
    for (size_t i = 0; i < TEXT_COUNT; i++)
        if (TEXTS[i].is_identifier && wire->texts[TEXTS[i].number].size == 0)
            return fault(label, WEIR_REJECT_MISSING_FIELD, TEXTS[i].name);
    return WEIR_ACCEPTED;
}

/* A verdict this version does not know is no verdict it could act on: absurd, not unspecified. */
static const char *absurd_field(const wire_message *wire, const weir_decode_limits *limits)
{
    int64_t label_time_us = (int64_t)wire->numbers[LABEL_TIME_US];
    int64_t event_time_us = (int64_t)wire->numbers[EVENT_TIME_US];
    for (size_t i = 0; i < TEXT_COUNT; i++)
        if (TEXTS[i].is_identifier && wire->texts[TEXTS[i].number].size > WEIR_IDENTIFIER_SIZE_MAX)
            return TEXTS[i].name;
    if ((uint32_t)wire->numbers[VERDICT] >= WEIR_LABEL_VERDICT_COUNT)
        return "verdict";
    if (event_time_us != 0 && weir_limits_is_absurd_time(event_time_us, limits))
        return "event_time_us";
    if (weir_limits_is_absurd_time(label_time_us, limits) || (event_time_us != 0 && label_time_us < event_time_us))
        return "label_time_us";
    return NULL;
}

/* In the order of weir_transaction_decode: the card number, text, what is missing, what makes no sense, the clock. */
static weir_reject check_meaning(const wire_message *wire, const weir_decode_limits *limits, int64_t now_us,
                                 weir_label *label)
{
    if (weir_is_card_number(label->card_token))
        return fault(label, WEIR_REJECT_CARD_NUMBER, "card_token");
    weir_reject reject = check_texts(wire, label);
    if (reject != WEIR_ACCEPTED)
        return reject;
    if (wire->numbers[LABEL_TIME_US] == 0)
        return fault(label, WEIR_REJECT_MISSING_FIELD, "label_time_us");
    if ((uint32_t)wire->numbers[VERDICT] == WEIR_LABEL_UNSPECIFIED)
        return fault(label, WEIR_REJECT_MISSING_FIELD, "verdict");
    const char *absurd = absurd_field(wire, limits);
    if (absurd)
        return fault(label, WEIR_REJECT_ABSURD_FIELD, absurd);
    if (weir_limits_is_far_future((int64_t)wire->numbers[LABEL_TIME_US], limits, now_us))
        return fault(label, WEIR_REJECT_FAR_FUTURE, "label_time_us");
    return WEIR_ACCEPTED;
}

static void fill_label(const wire_message *wire, weir_label *label)
{
    label->transaction = weir_hash48(label->transaction_id);
    label->card_hash = weir_hash(label->card_token);
    label->label_time_us = (int64_t)wire->numbers[LABEL_TIME_US];
    if (wire->numbers[EVENT_TIME_US] != 0)
        label->event_time_us = (int64_t)wire->numbers[EVENT_TIME_US];
    label->verdict = (weir_label_verdict)(uint32_t)wire->numbers[VERDICT];
}

weir_reject weir_label_decode(weir_span payload, const weir_decode_limits *limits, int64_t now_us,
                              weir_label *label_out)
{
    wire_message wire = {0};
    weir_span message;
    *label_out = (weir_label){.event_time_us = INT64_MIN};
    weir_reject reject = weir_limits_strip(payload, limits, &message);
    if (reject != WEIR_ACCEPTED)
        return reject;
    if (!read_message(message, &wire))
        return WEIR_REJECT_UNDECODABLE;
    label_out->transaction_id = wire.texts[TRANSACTION_ID];
    label_out->card_token = wire.texts[CARD_TOKEN];
    label_out->source = wire.texts[SOURCE];
    reject = check_meaning(&wire, limits, now_us, label_out);
    if (reject == WEIR_ACCEPTED)
        fill_label(&wire, label_out);
    return reject;
}
