#include "weir/codec/transaction.h"

#include "limits.h"
#include "utf8.h"
#include "weir/base/check.h"
#include "weir/base/hash.h"
#include "wire.h"

#include <math.h>

/* Field numbers of weir.v1.Transaction. */
enum {
    TRANSACTION_ID = 1,
    CARD_TOKEN,
    EVENT_TIME_US,
    AMOUNT_MINOR,
    CURRENCY,
    MERCHANT_ID,
    TERMINAL_ID,
    MCC,
    MERCHANT_COUNTRY,
    CHANNEL,
    ENTRY_MODE,
    LOCATION,
    DEVICE_ID,
    OUTCOME,
    FIELD_END
};
enum { LATITUDE = 1, LONGITUDE = 2 };

enum { MCC_MAX = 9999 };

static const struct {
    const char *code, *text;
} REJECTS[WEIR_REJECT_COUNT] = {
    [WEIR_ACCEPTED] = {"accepted", "The record is valid."},
    [WEIR_REJECT_EMPTY] = {"empty", "The record has no payload."},
    [WEIR_REJECT_OVERSIZED] = {"oversized", "The payload is larger than the limit."},
    [WEIR_REJECT_BAD_FRAME] = {"bad_frame", "The schema frame is cut short, missing, or names another message."},
    [WEIR_REJECT_UNDECODABLE] = {"undecodable", "The payload is not the protobuf message of its topic."},
    [WEIR_REJECT_INVALID_UTF8] = {"invalid_utf8", "A text field is not UTF-8, or has a NUL in it."},
    [WEIR_REJECT_MISSING_FIELD] = {"missing_field", "A required field is missing."},
    [WEIR_REJECT_ABSURD_FIELD] = {"absurd_field", "A field is out of any sensible range."},
    [WEIR_REJECT_CARD_NUMBER] = {"card_number", "The card token is a card number; payload and key are withheld."},
    [WEIR_REJECT_FAR_FUTURE] = {"far_future", "The time it gives is further ahead of the clock than allowed."},
};

const char *weir_reject_code(weir_reject reject)
{
    weir_check(reject < WEIR_REJECT_COUNT);
    return REJECTS[reject].code;
}

const char *weir_reject_text(weir_reject reject)
{
    weir_check(reject < WEIR_REJECT_COUNT);
    return REJECTS[reject].text;
}

/* ---- the wire -------------------------------------------------------------------------------------------- */

/* What the wire said, a slot a field number: decoding is one store a field, whatever the field. */
typedef struct wire_message {
    uint64_t numbers[FIELD_END];
    weir_span texts[FIELD_END];
    double latitude, longitude;
    bool has_location;
    uint16_t currency, country; /* packed, once the message is read; 0: absent, or not a code */
} wire_message;

static const uint8_t WIRE_TYPES[FIELD_END] = {
    [TRANSACTION_ID] = WEIR_WIRE_BYTES, [CARD_TOKEN] = WEIR_WIRE_BYTES,        [EVENT_TIME_US] = WEIR_WIRE_VARINT,
    [AMOUNT_MINOR] = WEIR_WIRE_VARINT,  [CURRENCY] = WEIR_WIRE_BYTES,          [MERCHANT_ID] = WEIR_WIRE_BYTES,
    [TERMINAL_ID] = WEIR_WIRE_BYTES,    [MCC] = WEIR_WIRE_VARINT,              [MERCHANT_COUNTRY] = WEIR_WIRE_BYTES,
    [CHANNEL] = WEIR_WIRE_VARINT,       [ENTRY_MODE] = WEIR_WIRE_VARINT,       [LOCATION] = WEIR_WIRE_BYTES,
    [DEVICE_ID] = WEIR_WIRE_BYTES,      [OUTCOME] = WEIR_WIRE_VARINT,
};

/* A second location is merged into the first, as protobuf asks (protobuf-c 1.4.1 would replace it whole). */
static bool read_location(weir_span bytes, wire_message *message)
{
    weir_reader reader = weir_reader_of(bytes);
    weir_wire_field field = {0};
    while (weir_wire_next(&reader, &field)) {
        if (field.number > LONGITUDE)
            continue;
        if (field.type != WEIR_WIRE_FIXED64)
            return false;
        if (field.number == LATITUDE)
            message->latitude = weir_wire_double(field.value);
        else
            message->longitude = weir_wire_double(field.value);
    }
    message->has_location = true;
    return !reader.failed;
}

/* The location as nearly every encoder writes it: two doubles in order, 18 bytes. */
static inline void take_location(weir_reader *reader, wire_message *message)
{
    static const uint8_t HEAD[] = {LOCATION << 3 | WEIR_WIRE_BYTES, 18, LATITUDE << 3 | WEIR_WIRE_FIXED64};
    const uint8_t *at = reader->at;
    message->has_location = false;
    message->latitude = message->longitude = 0;
    if (weir_reader_left(reader) < 20 || memcmp(at, HEAD, sizeof HEAD) != 0 ||
        at[11] != (LONGITUDE << 3 | WEIR_WIRE_FIXED64))
        return;
    memcpy(&message->latitude, at + 3, sizeof(double));
    memcpy(&message->longitude, at + 12, sizeof(double));
    message->has_location = true;
    reader->at += 20;
}

/* Takes the field when it is the next one and is written the plain way: its tag, a one-byte length, the text.
 * Anything else is left where it is, for the loop in read_message. */
static inline void take_text(weir_reader *reader, uint32_t number, wire_message *message)
{
    size_t left = weir_reader_left(reader);
    message->texts[number] = (weir_span){0};
    if (left < 2 || reader->at[0] != (number << 3 | WEIR_WIRE_BYTES) || reader->at[1] >= 0x80 ||
        reader->at[1] > left - 2)
        return;
    message->texts[number] = weir_span_of(reader->at + 2, reader->at[1]);
    reader->at += 2 + reader->at[1];
}

static inline void take_number(weir_reader *reader, uint32_t number, wire_message *message)
{
    message->numbers[number] = 0;
    if (weir_reader_left(reader) < 2 || reader->at[0] != (number << 3 | WEIR_WIRE_VARINT))
        return;
    reader->at++;
    message->numbers[number] = weir_wire_read_varint(reader);
}

/* Encoders write fields in number order, so this is nearly always the whole message: fourteen branches that
 * each go one way for one producer, where a loop has one branch that goes all ways. Sets every slot:
 * to the field, or to its default. */
static inline void take_in_order(weir_reader *reader, wire_message *message)
{
    take_text(reader, TRANSACTION_ID, message);
    take_text(reader, CARD_TOKEN, message);
    take_number(reader, EVENT_TIME_US, message);
    take_number(reader, AMOUNT_MINOR, message);
    take_text(reader, CURRENCY, message);
    take_text(reader, MERCHANT_ID, message);
    take_text(reader, TERMINAL_ID, message);
    take_number(reader, MCC, message);
    take_text(reader, MERCHANT_COUNTRY, message);
    take_number(reader, CHANNEL, message);
    take_number(reader, ENTRY_MODE, message);
    take_location(reader, message);
    take_text(reader, DEVICE_ID, message);
    take_number(reader, OUTCOME, message);
}

static uint16_t pack_code(weir_span letters)
{
    return letters.size ? weir_code_pack(letters.data, letters.size) : 0;
}

/* A known field of another wire type makes the message undecodable, as in protobuf-c. */
static bool read_message(weir_span bytes, wire_message *message)
{
    weir_reader reader = weir_reader_of(bytes);
    weir_wire_field field = {0};
    take_in_order(&reader, message);
    while (weir_wire_next(&reader, &field)) {
        if (field.number >= FIELD_END)
            continue;
        if (field.type != WIRE_TYPES[field.number])
            return false;
        if (field.type == WEIR_WIRE_VARINT)
            message->numbers[field.number] = field.value;
        else if (field.number != LOCATION)
            message->texts[field.number] = field.bytes;
        else if (!read_location(field.bytes, message))
            return false;
    }
    message->currency = pack_code(message->texts[CURRENCY]);
    message->country = pack_code(message->texts[MERCHANT_COUNTRY]);
    return !reader.failed;
}

bool weir_transaction_read(weir_span message, weir_transaction_fields *fields_out)
{
    wire_message wire;
    if (!read_message(message, &wire))
        return false;
    *fields_out = (weir_transaction_fields){
        .transaction_id = wire.texts[TRANSACTION_ID],
        .card_token = wire.texts[CARD_TOKEN],
        .currency = wire.texts[CURRENCY],
        .merchant_id = wire.texts[MERCHANT_ID],
        .terminal_id = wire.texts[TERMINAL_ID],
        .merchant_country = wire.texts[MERCHANT_COUNTRY],
        .device_id = wire.texts[DEVICE_ID],
        .event_time_us = (int64_t)wire.numbers[EVENT_TIME_US],
        .amount_minor = (int64_t)wire.numbers[AMOUNT_MINOR],
        .mcc = (uint32_t)wire.numbers[MCC],
        .channel = (int)(uint32_t)wire.numbers[CHANNEL],
        .entry_mode = (int)(uint32_t)wire.numbers[ENTRY_MODE],
        .outcome = (int)(uint32_t)wire.numbers[OUTCOME],
        .has_location = wire.has_location,
        .latitude = wire.latitude,
        .longitude = wire.longitude,
    };
    return true;
}

void weir_transaction_encode(const weir_transaction_fields *fields, weir_writer *writer)
{
    weir_wire_put_bytes(writer, TRANSACTION_ID, fields->transaction_id);
    weir_wire_put_bytes(writer, CARD_TOKEN, fields->card_token);
    weir_wire_put_integer(writer, EVENT_TIME_US, (uint64_t)fields->event_time_us);
    weir_wire_put_integer(writer, AMOUNT_MINOR, (uint64_t)fields->amount_minor);
    weir_wire_put_bytes(writer, CURRENCY, fields->currency);
    weir_wire_put_bytes(writer, MERCHANT_ID, fields->merchant_id);
    weir_wire_put_bytes(writer, TERMINAL_ID, fields->terminal_id);
    weir_wire_put_integer(writer, MCC, fields->mcc);
    weir_wire_put_bytes(writer, MERCHANT_COUNTRY, fields->merchant_country);
    weir_wire_put_integer(writer, CHANNEL, (uint64_t)(int64_t)fields->channel);
    weir_wire_put_integer(writer, ENTRY_MODE, (uint64_t)(int64_t)fields->entry_mode);
    if (fields->has_location) {
        size_t mark = weir_wire_begin(writer, LOCATION);
        weir_wire_put_double(writer, LATITUDE, fields->latitude);
        weir_wire_put_double(writer, LONGITUDE, fields->longitude);
        weir_wire_end(writer, mark);
    }
    weir_wire_put_bytes(writer, DEVICE_ID, fields->device_id);
    weir_wire_put_integer(writer, OUTCOME, (uint64_t)(int64_t)fields->outcome);
}

/* ---- the meaning ----------------------------------------------------------------------------------------- */

static const struct {
    uint8_t number;
    bool required;
    uint8_t size_max; /* bytes */
    const char *name;
} TEXTS[] = {
    {TRANSACTION_ID, true, WEIR_IDENTIFIER_SIZE_MAX, "transaction_id"},
    {CARD_TOKEN, true, WEIR_IDENTIFIER_SIZE_MAX, "card_token"},
    {CURRENCY, true, 3, "currency"},
    {MERCHANT_ID, false, WEIR_IDENTIFIER_SIZE_MAX, "merchant_id"},
    {TERMINAL_ID, false, WEIR_IDENTIFIER_SIZE_MAX, "terminal_id"},
    {MERCHANT_COUNTRY, false, 2, "merchant_country"},
    {DEVICE_ID, false, WEIR_IDENTIFIER_SIZE_MAX, "device_id"},
};
enum { TEXT_COUNT = sizeof TEXTS / sizeof *TEXTS };

static weir_reject fault(weir_transaction *transaction, weir_reject reject, const char *field)
{
    transaction->reject_field = field;
    return reject;
}

static weir_reject check_text(const wire_message *wire, weir_transaction *transaction)
{
    for (size_t i = 0; i < TEXT_COUNT; i++)
        if (!weir_utf8_is_text(wire->texts[TEXTS[i].number]))
            return fault(transaction, WEIR_REJECT_INVALID_UTF8, TEXTS[i].name);
    return WEIR_ACCEPTED;
}

static weir_reject check_presence(const wire_message *wire, weir_transaction *transaction)
{
    for (size_t i = 0; i < TEXT_COUNT; i++)
        if (TEXTS[i].required && wire->texts[TEXTS[i].number].size == 0)
            return fault(transaction, WEIR_REJECT_MISSING_FIELD, TEXTS[i].name);
    if (wire->numbers[EVENT_TIME_US] == 0)
        return fault(transaction, WEIR_REJECT_MISSING_FIELD, "event_time_us");
    return WEIR_ACCEPTED;
}

static bool is_degrees(double value, double limit)
{
    return value >= -limit && value <= limit; /* NaN is neither */
}

/* The first field out of its range, or NULL. */
static const char *absurd_field(const wire_message *wire, const weir_decode_limits *limits)
{
    for (size_t i = 0; i < TEXT_COUNT; i++)
        if (wire->texts[TEXTS[i].number].size > TEXTS[i].size_max)
            return TEXTS[i].name;
    int64_t amount_minor = (int64_t)wire->numbers[AMOUNT_MINOR];
    if (weir_limits_is_absurd_time((int64_t)wire->numbers[EVENT_TIME_US], limits))
        return "event_time_us";
    if (amount_minor < -WEIR_AMOUNT_MINOR_MAX || amount_minor > WEIR_AMOUNT_MINOR_MAX)
        return "amount_minor";
    if (wire->texts[CURRENCY].size != 3 || wire->currency == 0)
        return "currency";
    if ((uint32_t)wire->numbers[MCC] > MCC_MAX)
        return "mcc";
    if (wire->texts[MERCHANT_COUNTRY].size != 0 && wire->country == 0)
        return "merchant_country";
    if (!is_degrees(wire->latitude, 90))
        return "location.latitude";
    if (!is_degrees(wire->longitude, 180))
        return "location.longitude";
    return NULL;
}

/* A code this version does not know counts as unspecified. */
static uint64_t known(uint64_t code, uint32_t code_count)
{
    return (uint32_t)code < code_count ? (uint32_t)code : 0;
}

void weir_transaction_hash_texts(weir_transaction *transaction)
{
    weir_event *event = &transaction->event;
    event->transaction = weir_hash48(transaction->transaction_id);
    event->merchant = weir_hash48(transaction->merchant_id);
    event->terminal = weir_hash48(transaction->terminal_id);
    transaction->card_hash = weir_hash(transaction->card_token);
    event->card = weir_hash48_of(transaction->card_hash);
}

static void fill_event(const wire_message *wire, weir_transaction *transaction)
{
    weir_event *event = &transaction->event;
    event->time_us = (int64_t)wire->numbers[EVENT_TIME_US];
    event->amount_minor = (int64_t)wire->numbers[AMOUNT_MINOR];
    event->mcc = (uint32_t)wire->numbers[MCC];
    event->currency = wire->currency;
    event->country = wire->country;
    event->channel = known(wire->numbers[CHANNEL], WEIR_CHANNEL_COUNT);
    event->entry = known(wire->numbers[ENTRY_MODE], WEIR_ENTRY_COUNT);
    event->outcome = known(wire->numbers[OUTCOME], WEIR_OUTCOME_COUNT);
    event->label_delay_us = WEIR_LABEL_NONE;
    event->latitude = wire->has_location ? weir_latitude_pack(wire->latitude) : WEIR_LATITUDE_NONE;
    event->longitude = wire->has_location ? weir_longitude_pack(wire->longitude) : 0;
    weir_event_set_device(event, weir_hash48(transaction->device_id));
    weir_transaction_hash_texts(transaction);
}

/* A card number is looked for first: whatever else is wrong, such a record may not be kept. Then what the
 * sender would have to fix first: text that is not text, what is missing, what makes no sense, the clock. */
static weir_reject check_meaning(const wire_message *wire, const weir_decode_limits *limits, int64_t now_us,
                                 weir_transaction *transaction)
{
    if (weir_is_card_number(transaction->card_token))
        return fault(transaction, WEIR_REJECT_CARD_NUMBER, "card_token");
    weir_reject reject = check_text(wire, transaction);
    if (reject == WEIR_ACCEPTED)
        reject = check_presence(wire, transaction);
    if (reject != WEIR_ACCEPTED)
        return reject;
    const char *absurd = absurd_field(wire, limits);
    if (absurd)
        return fault(transaction, WEIR_REJECT_ABSURD_FIELD, absurd);
    if (weir_limits_is_far_future((int64_t)wire->numbers[EVENT_TIME_US], limits, now_us))
        return fault(transaction, WEIR_REJECT_FAR_FUTURE, "event_time_us");
    fill_event(wire, transaction);
    return WEIR_ACCEPTED;
}

weir_reject weir_transaction_decode(weir_span payload, const weir_decode_limits *limits, int64_t now_us,
                                    weir_transaction *transaction_out)
{
    wire_message wire;
    weir_span message;
    weir_reject reject = weir_limits_strip(payload, limits, &message);
    if (reject == WEIR_ACCEPTED && !read_message(message, &wire))
        reject = WEIR_REJECT_UNDECODABLE;
    if (reject != WEIR_ACCEPTED) {
        *transaction_out = (weir_transaction){0};
        return reject;
    }
    transaction_out->event = (weir_event){0};
    transaction_out->transaction_id = wire.texts[TRANSACTION_ID];
    transaction_out->card_token = wire.texts[CARD_TOKEN];
    transaction_out->merchant_id = wire.texts[MERCHANT_ID];
    transaction_out->terminal_id = wire.texts[TERMINAL_ID];
    transaction_out->device_id = wire.texts[DEVICE_ID];
    transaction_out->card_hash = 0;
    transaction_out->reject_field = NULL;
    return check_meaning(&wire, limits, now_us, transaction_out);
}
