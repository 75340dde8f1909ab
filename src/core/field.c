#include "core/field.h"

#include "weir/base/check.h"
#include "weir/core/language.h"

#include <math.h>
#include <stdio.h>

double weir_field_minor_per_major(const weir_event *event)
{
    static const double SCALES[] = {1, 10, 100, 1000, 10000};
    int exponent = weir_currency_exponent(event->currency);
    weir_check(exponent >= 0 && exponent < (int)(sizeof SCALES / sizeof *SCALES));
    return SCALES[exponent];
}

double weir_field_amount(const weir_event *event)
{
    return (double)event->amount_minor / weir_field_minor_per_major(event);
}

/* --- numbers and flags --- */

static double number_amount(const weir_event *event, int64_t as_of_us)
{
    (void)as_of_us;
    return weir_field_amount(event);
}

static double number_mcc(const weir_event *event, int64_t as_of_us)
{
    (void)as_of_us;
    return event->mcc ? (double)event->mcc : NAN;
}

static double number_fraud(const weir_event *event, int64_t as_of_us)
{
    return weir_event_is_fraud_at(event, as_of_us);
}

static double number_approved(const weir_event *event, int64_t as_of_us)
{
    (void)as_of_us;
    return event->outcome == WEIR_OUTCOME_UNSPECIFIED ? NAN : event->outcome == WEIR_OUTCOME_APPROVED;
}

static double number_declined(const weir_event *event, int64_t as_of_us)
{
    (void)as_of_us;
    return event->outcome == WEIR_OUTCOME_UNSPECIFIED ? NAN : event->outcome == WEIR_OUTCOME_DECLINED;
}

static double number_located(const weir_event *event, int64_t as_of_us)
{
    (void)as_of_us;
    return weir_event_has_location(event);
}

/* --- keys --- */

#define KEY_OF(field)                                      \
    static uint64_t key_##field(const weir_event *event)   \
    {                                                      \
        return event->field;                               \
    }
KEY_OF(merchant)
KEY_OF(terminal)
KEY_OF(card)
KEY_OF(mcc)
KEY_OF(country)
KEY_OF(currency)
KEY_OF(channel)
KEY_OF(entry)
KEY_OF(outcome)

/* --- codes --- */

static uint64_t parse_letters(weir_span text, size_t size)
{
    return text.size == size ? weir_code_pack(text.data, text.size) : 0;
}

static uint64_t parse_country(weir_span text)
{
    return parse_letters(text, 2);
}

static uint64_t parse_currency(weir_span text)
{
    return parse_letters(text, 3);
}

static void format_letters(uint64_t key, char text_out[WEIR_FIELD_CODE_TEXT_SIZE])
{
    weir_code_unpack((uint16_t)key, text_out);
}

static uint64_t parse_mcc(weir_span text)
{
    uint64_t mcc = 0;
    if (text.size > 4)
        return 0;
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return 0;
        mcc = mcc * 10 + (uint64_t)(text.data[i] - '0');
    }
    return mcc;
}

static void format_mcc(uint64_t key, char text_out[WEIR_FIELD_CODE_TEXT_SIZE])
{
    snprintf(text_out, WEIR_FIELD_CODE_TEXT_SIZE, "%04u", (unsigned)key);
}

static const char *const CHANNELS[WEIR_CHANNEL_COUNT] = {
    [WEIR_CHANNEL_POS] = "pos",
    [WEIR_CHANNEL_ATM] = "atm",
    [WEIR_CHANNEL_ECOMMERCE] = "ecommerce",
    [WEIR_CHANNEL_MOTO] = "moto",
    [WEIR_CHANNEL_RECURRING] = "recurring",
};
static const char *const ENTRIES[WEIR_ENTRY_COUNT] = {
    [WEIR_ENTRY_CHIP] = "chip",
    [WEIR_ENTRY_CONTACTLESS] = "contactless",
    [WEIR_ENTRY_MAGSTRIPE] = "magstripe",
    [WEIR_ENTRY_MANUAL] = "manual",
    [WEIR_ENTRY_CREDENTIAL_ON_FILE] = "credential_on_file",
};
static const char *const OUTCOMES[WEIR_OUTCOME_COUNT] = {
    [WEIR_OUTCOME_APPROVED] = "approved",
    [WEIR_OUTCOME_DECLINED] = "declined",
};

/* Codes with names: their number is the place in the list; place 0 is "absent". */
#define NAMED_CODES(field, NAMES, COUNT)                                                    \
    static uint64_t parse_##field(weir_span text)                                           \
    {                                                                                       \
        for (uint64_t i = 1; i < COUNT; i++)                                                \
            if (weir_span_is(text, NAMES[i]))                                               \
                return i;                                                                   \
        return 0;                                                                           \
    }                                                                                       \
    static void format_##field(uint64_t key, char text_out[WEIR_FIELD_CODE_TEXT_SIZE])      \
    {                                                                                       \
        weir_check(key > 0 && key < COUNT);                                                 \
        snprintf(text_out, WEIR_FIELD_CODE_TEXT_SIZE, "%s", NAMES[key]);                    \
    }
NAMED_CODES(channel, CHANNELS, WEIR_CHANNEL_COUNT)
NAMED_CODES(entry, ENTRIES, WEIR_ENTRY_COUNT)
NAMED_CODES(outcome, OUTCOMES, WEIR_OUTCOME_COUNT)

static const weir_field FIELDS[] = {
    {.name = "amount", .number = number_amount, .doc = "the amount in major units of its currency"},
    {.name = "fraud", .number = number_fraud, .is_label = true,
     .doc = "1 if the event is known to be fraud by the time of the event being scored"},
    {.name = "approved", .number = number_approved, .doc = "1 if the issuer approved, missing if it did not say"},
    {.name = "declined", .number = number_declined, .doc = "1 if the issuer declined, missing if it did not say"},
    {.name = "located", .number = number_located, .doc = "1 if the event has a latitude and longitude"},
    {.name = "mcc", .number = number_mcc, .key = key_mcc, .parse_code = parse_mcc, .format_code = format_mcc,
     .codes = "a merchant category code from 1 to 9999", .doc = "merchant category code (ISO 18245)"},
    {.name = "country", .key = key_country, .parse_code = parse_country, .format_code = format_letters,
     .codes = "a two-letter country such as US", .doc = "the merchant's country (ISO 3166-1 alpha-2)"},
    {.name = "currency", .key = key_currency, .parse_code = parse_currency, .format_code = format_letters,
     .codes = "a three-letter currency such as EUR", .doc = "the currency (ISO 4217)"},
    {.name = "channel", .key = key_channel, .parse_code = parse_channel, .format_code = format_channel,
     .codes = "pos, atm, ecommerce, moto or recurring", .doc = "how the card and the merchant met"},
    {.name = "entry", .key = key_entry, .parse_code = parse_entry, .format_code = format_entry,
     .codes = "chip, contactless, magstripe, manual or credential_on_file", .doc = "how the card was read"},
    {.name = "outcome", .key = key_outcome, .parse_code = parse_outcome, .format_code = format_outcome,
     .codes = "approved or declined", .doc = "what the issuer said"},
    {.name = "merchant", .key = key_merchant, .doc = "the merchant"},
    {.name = "terminal", .key = key_terminal, .doc = "the terminal"},
    {.name = "device", .key = weir_event_device, .doc = "the cardholder's device"},
    {.name = "card", .key = key_card, .doc = "the card"},
};

size_t weir_field_count(void)
{
    return sizeof FIELDS / sizeof *FIELDS;
}

const weir_field *weir_field_at(size_t index)
{
    weir_check(index < weir_field_count());
    return &FIELDS[index];
}

const weir_field *weir_field_find(weir_span name)
{
    for (size_t i = 0; i < weir_field_count(); i++)
        if (weir_span_is(name, FIELDS[i].name))
            return &FIELDS[i];
    return NULL;
}

/* --- the fields as documentation (weir/core/language.h) --- */

size_t weir_feature_field_count(void)
{
    return weir_field_count();
}

weir_language_row weir_feature_field_row(size_t index)
{
    const weir_field *field = weir_field_at(index);
    return (weir_language_row){.name = field->name,
                               .usage = field->name,
                               .kind = !field->key ? "number" : field->number ? "number or key" : "key",
                               .options = field->codes ? field->codes : "",
                               .doc = field->doc};
}
