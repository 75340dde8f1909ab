/* One decoded card transaction, as the core sees and retains it: 64 bytes, one cache line.
 *
 * Identifiers are 48-bit hashes (weir_hash48; 0 = absent): features only ask whether two
 * are equal. Codes are packed letters or the numbers the card schemes use. Everything a
 * future model may ask of a past event is here, because histories are made of these and
 * a model pushed tomorrow is exact from its first event.
 *
 * Read next: core/history.h (where events are kept), core/field.h (the fields by name).
 */
#ifndef WEIR_CORE_EVENT_H
#define WEIR_CORE_EVENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* label_delay_us when the event is not known to be fraud. */
#define WEIR_LABEL_NONE ((UINT64_C(1) << 48) - 1)

/* Latitude when the event has no location (longitude is then 0). */
#define WEIR_LATITUDE_NONE (-(INT32_C(1) << 23))

/* Amounts outside +-WEIR_AMOUNT_MINOR_MAX are absurd and never reach the core. */
#define WEIR_AMOUNT_MINOR_MAX ((INT64_C(1) << 47) - 1)

/* Event times outside +-WEIR_TIME_US_MAX (36,000 years) are absurd and never reach the core either. */
#define WEIR_TIME_US_MAX (INT64_C(1) << 60)

typedef enum weir_channel { /* how the card and the merchant met; proto weir.v1.Channel */
    WEIR_CHANNEL_UNSPECIFIED,
    WEIR_CHANNEL_POS,
    WEIR_CHANNEL_ATM,
    WEIR_CHANNEL_ECOMMERCE,
    WEIR_CHANNEL_MOTO,
    WEIR_CHANNEL_RECURRING,
    WEIR_CHANNEL_COUNT
} weir_channel;

typedef enum weir_entry { /* how the card was read (ISO 8583 field 22); proto weir.v1.EntryMode */
    WEIR_ENTRY_UNSPECIFIED,
    WEIR_ENTRY_CHIP,
    WEIR_ENTRY_CONTACTLESS,
    WEIR_ENTRY_MAGSTRIPE,
    WEIR_ENTRY_MANUAL,
    WEIR_ENTRY_CREDENTIAL_ON_FILE,
    WEIR_ENTRY_COUNT
} weir_entry;

typedef enum weir_outcome { /* what the issuer said; proto weir.v1.Outcome */
    WEIR_OUTCOME_UNSPECIFIED,
    WEIR_OUTCOME_APPROVED,
    WEIR_OUTCOME_DECLINED,
    WEIR_OUTCOME_COUNT
} weir_outcome;

/* What became of an event since it was retained. A decoded one has none. */
typedef enum weir_event_flag {
    WEIR_EVENT_ALERTED = 1, /* its score passed a threshold (known to the stage that scores) */
    WEIR_EVENT_LABELLED = 2 /* a label of either verdict has come */
} weir_event_flag;

typedef struct weir_event {
    int64_t time_us;              /* event time, microseconds since 1970 UTC */
    int64_t amount_minor : 48;    /* minor units of `currency` */
    uint64_t mcc : 16;            /* ISO 18245 merchant category code; 0 = absent */
    uint64_t transaction : 48;    /* hash of the transaction id */
    uint64_t country : 16;        /* merchant country: weir_code_pack of ISO 3166-1 alpha-2; 0 = absent */
    uint64_t card : 48;           /* hash of the card token */
    uint64_t currency : 16;       /* weir_code_pack of ISO 4217 alpha-3 */
    uint64_t merchant : 48;       /* hash of the merchant id */
    uint64_t channel : 4;         /* weir_channel */
    uint64_t entry : 4;           /* weir_entry */
    uint64_t outcome : 4;         /* weir_outcome */
    uint64_t flags : 4;           /* weir_event_flag */
    uint64_t terminal : 48;       /* hash of the terminal id */
    uint64_t device_low : 16;     /* hash of the device id, in two pieces */
    uint64_t label_delay_us : 48; /* fraud from time_us + this on; WEIR_LABEL_NONE = not known to be fraud */
    uint64_t device_mid : 16;
    int64_t latitude : 24;        /* degrees * 2^23 / 90, weir_latitude_pack */
    int64_t longitude : 24;       /* degrees * 2^23 / 180 */
    uint64_t device_high : 16;
} weir_event;

_Static_assert(sizeof(weir_event) == 64, "an event is one cache line");

static inline uint64_t weir_event_device(const weir_event *event)
{
    return (uint64_t)event->device_low | (uint64_t)event->device_mid << 16 | (uint64_t)event->device_high << 32;
}

static inline void weir_event_set_device(weir_event *event, uint64_t hash48)
{
    event->device_low = hash48 & 0xffff;
    event->device_mid = hash48 >> 16 & 0xffff;
    event->device_high = hash48 >> 32 & 0xffff;
}

/* Whether the event is known to be fraud at event time `at_us`. */
static inline bool weir_event_is_fraud_at(const weir_event *event, int64_t at_us)
{
    return event->label_delay_us != WEIR_LABEL_NONE && event->time_us + (int64_t)event->label_delay_us <= at_us;
}

static inline bool weir_event_has_location(const weir_event *event)
{
    return event->latitude != WEIR_LATITUDE_NONE;
}

/* Degrees to the stored 24 bits (2.4 m at worst) and back; latitude in [-90, 90], longitude in [-180, 180].
 * -90 exactly is stored one step north, since its code means "no location". */
int32_t weir_latitude_pack(double degrees);
int32_t weir_longitude_pack(double degrees);
double weir_latitude_unpack(int32_t packed);
double weir_longitude_unpack(int32_t packed);

/* Two or three capital letters packed five bits each (first letter highest), e.g. "US", "EUR"; 0 for
 * anything else. weir_code_unpack writes at most 4 bytes, NUL included, "" for 0. */
uint16_t weir_code_pack(const uint8_t *letters, size_t size);
void weir_code_unpack(uint16_t packed, char text_out[4]);

/* Digits after the decimal point of an ISO 4217 currency: 2 unless the table says otherwise (JPY 0, KWD 3 ...). */
int weir_currency_exponent(uint16_t packed_currency);

#endif
