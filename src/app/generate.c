#include "weir/app/generate.h"

#include "app/generate_card.h"
#include "app/generate_label.h"
#include "app/generate_place.h"
#include "weir/base/check.h"
#include "weir/base/hash.h"
#include "weir/base/units.h"

#include <math.h>
#include <stdlib.h>

#define START_US_DEFAULT (INT64_C(1735689600) * WEIR_US_PER_SECOND) /* 2025-01-01T00:00:00Z */
#define START_US_MIN (INT64_C(631152000) * WEIR_US_PER_SECOND)      /* 1990-01-01T00:00:00Z */
#define START_US_MAX (INT64_C(4102444800) * WEIR_US_PER_SECOND)     /* 2100-01-01T00:00:00Z */
#define DURATION_US_MAX (36500 * WEIR_US_PER_DAY)

enum { CARD_COUNT_MAX = 20000000, TEXT_SIZE = 24 };

static const char *const PATTERN_NAMES[WEIR_FRAUD_COUNT] = {
    [WEIR_FRAUD_NONE] = "none",
    [WEIR_FRAUD_CARD_TESTING] = "card_testing",
    [WEIR_FRAUD_ACCOUNT_TAKEOVER] = "account_takeover",
    [WEIR_FRAUD_STOLEN_FAR] = "stolen_far",
    [WEIR_FRAUD_BUST_OUT] = "bust_out",
    [WEIR_FRAUD_COMPROMISED_TERMINAL] = "compromised_terminal",
    [WEIR_FRAUD_COMPROMISED_MERCHANT] = "compromised_merchant",
};

/* When a card is next heard of. */
typedef struct turn {
    int64_t at_us;
    uint32_t card;
} turn;

struct weir_generator {
    uint64_t seed, sequence;
    generate_pace pace;
    generate_places places;
    generate_labels labels;
    int64_t end_us, known_until_us; /* the last transaction's time: labels up to here are due */
    uint32_t card_count;
    generate_card *cards;
    turn *turns; /* a binary heap, the earliest first */
    char transaction_id[TEXT_SIZE], card_token[TEXT_SIZE], merchant_id[TEXT_SIZE], terminal_id[TEXT_SIZE],
        device_id[TEXT_SIZE];
    char label_transaction_id[TEXT_SIZE], label_card_token[TEXT_SIZE];
};

const char *weir_fraud_pattern_name(weir_fraud_pattern pattern)
{
    weir_check(pattern < WEIR_FRAUD_COUNT);
    return PATTERN_NAMES[pattern];
}

/* ---- turns ------------------------------------------------------------------------------------------------ */

static bool is_before(turn a, turn b)
{
    return a.at_us != b.at_us ? a.at_us < b.at_us : a.card < b.card;
}

static void sift_down(turn *turns, uint32_t count, uint32_t at)
{
    turn moved = turns[at];
    for (;;) {
        uint64_t child = 2 * (uint64_t)at + 1;
        if (child >= count)
            break;
        if (child + 1 < count && is_before(turns[child + 1], turns[child]))
            child++;
        if (!is_before(turns[child], moved))
            break;
        turns[at] = turns[child];
        at = (uint32_t)child;
    }
    turns[at] = moved;
}

static int64_t next_turn_us(const generate_card *card)
{
    return card->next_us < card->episode_next_us ? card->next_us : card->episode_next_us;
}

/* ---- opening ---------------------------------------------------------------------------------------------- */

static weir_status check_config(const weir_generator_config *config, weir_error *error)
{
    if (config->card_count < 1 || config->card_count > CARD_COUNT_MAX)
        return weir_error_set(error, WEIR_INVALID, "%u cards: wanted 1 to %d", config->card_count, CARD_COUNT_MAX);
    if (!(config->events_per_day >= 0 && config->events_per_day <= 1000))
        return weir_error_set(error, WEIR_INVALID, "%g events a card a day: wanted more than 0 and at most 1000",
                              config->events_per_day);
    if (!(config->fraud_share <= 0.2))
        return weir_error_set(error, WEIR_INVALID, "a fraud share of %g: wanted at most 0.2", config->fraud_share);
    if (config->start_us && (config->start_us < START_US_MIN || config->start_us > START_US_MAX))
        return weir_error_set(error, WEIR_INVALID, "the start lies outside the years 1990 to 2099");
    if (config->duration_us < 0 || config->duration_us > DURATION_US_MAX)
        return weir_error_set(error, WEIR_INVALID, "a duration beyond 100 years");
    return WEIR_OK;
}

static double events_per_day_of(const weir_generator_config *config)
{
    return config->events_per_day > 0 ? config->events_per_day : 2;
}

static double fraud_share_of(const weir_generator_config *config)
{
    double share = config->fraud_share == 0 ? 0.007 : config->fraud_share;
    return share > 0 ? share : 0;
}

/* Half of the fraud is at places; what they cannot give, cards do. */
static void set_pace(weir_generator *generator, const weir_generator_config *config)
{
    static const double PLACE_SHARE = 0.5;
    double events_per_day = events_per_day_of(config), share = fraud_share_of(config), at_places;
    generator->labels.seed = generate_mix(config->seed ^ config->seed << 32);
    generator->places = generate_places_for(generate_mix(~config->seed), PLACE_SHARE * share, &at_places);
    generator->pace = (generate_pace){
        .events_per_day = events_per_day,
        .fraud_scale = (share - at_places) * events_per_day / generate_episode_fraud_rate(),
        .world = generate_world_for(events_per_day * config->card_count),
    };
}

static void begin_cards(weir_generator *generator, int64_t start_us)
{
    for (uint32_t i = 0; i < generator->card_count; i++) {
        uint64_t seed = generate_mix(generator->seed) + i;
        generator->cards[i] = generate_card_of(seed, &generator->pace, start_us);
        generator->turns[i] = (turn){next_turn_us(&generator->cards[i]), i};
    }
    for (uint32_t i = generator->card_count / 2; i > 0; i--)
        sift_down(generator->turns, generator->card_count, i - 1);
}

weir_status weir_generator_open(const weir_generator_config *config, weir_generator **generator_out, weir_error *error)
{
    weir_status status = check_config(config, error);
    if (status != WEIR_OK)
        return status;
    int64_t start_us = config->start_us ? config->start_us : START_US_DEFAULT;
    weir_generator *generator = calloc(1, sizeof *generator);
    if (generator) {
        generator->cards = calloc(config->card_count, sizeof *generator->cards);
        generator->turns = calloc(config->card_count, sizeof *generator->turns);
        generator->labels.capacity =
            generate_labels_capacity(events_per_day_of(config) * config->card_count, fraud_share_of(config));
        generator->labels.items = malloc(generator->labels.capacity * sizeof *generator->labels.items);
    }
    if (!generator || !generator->cards || !generator->turns || !generator->labels.items) {
        weir_generator_close(generator);
        return weir_error_set(error, WEIR_FULL, "no memory for %u synthetic cards", config->card_count);
    }
    generator->seed = config->seed;
    generator->end_us = config->duration_us ? start_us + config->duration_us : INT64_MAX;
    generator->card_count = config->card_count;
    set_pace(generator, config);
    begin_cards(generator, start_us);
    *generator_out = generator;
    return WEIR_OK;
}

void weir_generator_close(weir_generator *generator)
{
    if (!generator)
        return;
    free(generator->cards);
    free(generator->turns);
    free(generator->labels.items);
    free(generator);
}

/* ---- writing a purchase as a transaction -------------------------------------------------------------------- */

static weir_span write_id(char *text_out, const char *prefix, uint64_t value, unsigned digits)
{
    size_t size = strlen(prefix);
    memcpy(text_out, prefix, size);
    for (unsigned i = digits; i > 0; i--)
        text_out[size++] = "0123456789abcdef"[value >> 4 * (i - 1) & 15];
    weir_check(size < TEXT_SIZE);
    return weir_span_of(text_out, size);
}

static weir_span write_number(char *text_out, const char *prefix, uint32_t value, unsigned digits)
{
    size_t begin = strlen(prefix);
    memcpy(text_out, prefix, begin);
    for (unsigned i = digits; i > 0; i--, value /= 10)
        text_out[begin + i - 1] = (char)('0' + value % 10);
    return weir_span_of(text_out, begin + digits);
}

static weir_span write_transaction_id(const weir_generator *generator, char *text_out, uint64_t sequence)
{
    return write_id(text_out, "tx", generate_mix(generate_mix(generator->seed) + sequence), 16);
}

static weir_span write_card_token(const weir_generator *generator, char *text_out, uint32_t card)
{
    return write_id(text_out, "tok_", generate_mix(~generate_mix(generator->seed) + card), 16);
}

static void write_place(weir_generator *generator, const generate_merchant *merchant, uint32_t terminal,
                        weir_transaction_fields *fields_out)
{
    fields_out->terminal_id = write_number(generator->terminal_id, "t", merchant->number * 10 + terminal - 1, 8);
    fields_out->has_location = true;
    fields_out->latitude = merchant->latitude;
    fields_out->longitude = merchant->longitude;
}

static void write_transaction(weir_generator *generator, uint32_t index, int64_t at_us,
                              const generate_purchase *purchase, weir_transaction_fields *fields_out)
{
    const generate_card *card = &generator->cards[index];
    generate_merchant merchant = generate_merchant_at(purchase->merchant);
    *fields_out = (weir_transaction_fields){
        .transaction_id = write_transaction_id(generator, generator->transaction_id, generator->sequence),
        .card_token = write_card_token(generator, generator->card_token, index),
        .event_time_us = at_us,
        .amount_minor = (int64_t)round(purchase->amount * 100),
        .currency = weir_span_text(generate_city_at(card->home)->currency),
        .merchant_id = write_number(generator->merchant_id, "m", merchant.number, 6),
        .mcc = merchant.trade->mcc,
        .merchant_country = weir_span_text(generate_city_at(merchant.city)->country),
        .channel = (int)purchase->channel,
        .entry_mode = (int)purchase->entry,
        .outcome = purchase->declined ? WEIR_OUTCOME_DECLINED : WEIR_OUTCOME_APPROVED,
    };
    if (purchase->with_device)
        fields_out->device_id = write_id(generator->device_id, "d", purchase->device >> 16, 12);
    if (purchase->terminal)
        write_place(generator, &merchant, purchase->terminal, fields_out);
}

/* ---- the stream --------------------------------------------------------------------------------------------- */

/* Where the purchase is made (one of the shop's few terminals), and whether that place is sound. */
static void settle_place(const weir_generator *generator, generate_card *card, int64_t at_us,
                         generate_purchase *purchase)
{
    bool in_person = purchase->channel == WEIR_CHANNEL_POS || purchase->channel == WEIR_CHANNEL_ATM;
    if (in_person)
        purchase->terminal =
            1 + (uint32_t)weir_rng_below(&card->rng, generate_merchant_at(purchase->merchant).terminal_count);
    if (purchase->pattern == WEIR_FRAUD_NONE)
        purchase->pattern = generate_place_pattern(&generator->places, card, purchase, at_us);
}

/* Gives a purchase away as a transaction, and keeps what will become known of it. */
static void give(weir_generator *generator, turn now, generate_purchase *purchase,
                 weir_transaction_fields *fields_out, weir_generated_label *label_out)
{
    generate_card *card = &generator->cards[now.card];
    settle_place(generator, card, now.at_us, purchase);
    write_transaction(generator, now.card, now.at_us, purchase, fields_out);
    generate_label about = {.event_time_us = now.at_us, .sequence = generator->sequence, .card = now.card};
    generate_label first = generate_labels_add(&generator->labels, card, purchase, about);
    *label_out = (weir_generated_label){.pattern = purchase->pattern,
                                        .verdict = (weir_label_verdict)first.verdict,
                                        .label_time_us = first.label_time_us};
    generator->known_until_us = now.at_us;
    generator->sequence++;
}

bool weir_generator_next(weir_generator *generator, weir_transaction_fields *fields_out,
                         weir_generated_label *label_out)
{
    bool bought = false;
    while (!bought && generator->turns[0].at_us < generator->end_us) {
        turn now = generator->turns[0];
        generate_card *card = &generator->cards[now.card];
        generate_purchase purchase = {0};
        bought = true;
        if (card->next_us <= card->episode_next_us)
            purchase = generate_card_buy(card);
        else
            bought = generate_episode_step(card, &generator->pace, &purchase);
        weir_check(next_turn_us(card) >= now.at_us);
        if (bought)
            give(generator, now, &purchase, fields_out, label_out);
        generator->turns[0].at_us = next_turn_us(card);
        sift_down(generator->turns, generator->card_count, 0);
    }
    if (!bought)
        generator->known_until_us = INT64_MAX;
    return bought;
}

bool weir_generator_next_label(weir_generator *generator, weir_label *label_out)
{
    generate_label label;
    if (!generate_labels_take(&generator->labels, generator->known_until_us, &label))
        return false;
    weir_span transaction_id = write_transaction_id(generator, generator->label_transaction_id, label.sequence);
    weir_span card_token = write_card_token(generator, generator->label_card_token, label.card);
    *label_out = (weir_label){.transaction_id = transaction_id,
                              .card_token = card_token,
                              .source = weir_span_text(generate_label_source(&label)),
                              .transaction = weir_hash48(transaction_id),
                              .card_hash = weir_hash(card_token),
                              .label_time_us = label.label_time_us,
                              .event_time_us = label.event_time_us,
                              .verdict = (weir_label_verdict)label.verdict};
    return true;
}
