#include "weir/app/generate.h"

#include "weir/base/hash.h"
#include "weir/base/units.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

#define START_US (INT64_C(1735689600) * WEIR_US_PER_SECOND) /* the default */

enum { MESSAGE_SIZE_MAX = 512 };

static weir_generator *open_generator(weir_generator_config config)
{
    weir_generator *generator = NULL;
    weir_error error = {0};
    cr_assert_eq(weir_generator_open(&config, &generator, &error), WEIR_OK, "%s", error.message);
    return generator;
}

static weir_generator_config month(uint64_t seed, uint32_t card_count)
{
    return (weir_generator_config){.seed = seed, .card_count = card_count, .duration_us = 30 * WEIR_US_PER_DAY};
}

/* Everything a generator says, labels as they become known included, as one number. */
static uint64_t fingerprint(weir_generator_config config, uint64_t *count_out)
{
    weir_generator *generator = open_generator(config);
    weir_transaction_fields fields;
    weir_generated_label label;
    uint64_t print = 0;
    for (*count_out = 0; weir_generator_next(generator, &fields, &label); ++*count_out) {
        uint8_t bytes[MESSAGE_SIZE_MAX];
        weir_writer writer = weir_writer_of(bytes, sizeof bytes);
        weir_transaction_encode(&fields, &writer);
        weir_write_varint(&writer, label.pattern);
        weir_write_varint(&writer, (uint64_t)label.label_time_us);
        for (weir_label known; weir_generator_next_label(generator, &known);)
            print = print * 31 + weir_hash(known.transaction_id) + (uint64_t)known.label_time_us + known.verdict;
        cr_assert_not(writer.failed);
        print = print * 31 + weir_hash(weir_span_of(bytes, writer.used));
    }
    weir_generator_close(generator);
    return print;
}

Test(generate, the_same_seed_gives_the_same_bytes)
{
    uint64_t count, again;
    uint64_t print = fingerprint(month(7, 200), &count);
    cr_expect_eq(fingerprint(month(7, 200), &again), print);
    cr_expect_eq(again, count);
    cr_expect_neq(fingerprint(month(8, 200), &again), print);
    cr_expect_neq(fingerprint(month(7, 201), &again), print);
}

Test(generate, a_shorter_stream_is_the_beginning_of_a_longer_one)
{
    weir_generator_config config = month(3, 50);
    weir_generator *whole = open_generator(config);
    config.duration_us = 0;
    weir_generator *endless = open_generator(config);
    weir_transaction_fields a, b;
    weir_generated_label label;
    while (weir_generator_next(whole, &a, &label)) {
        cr_assert(weir_generator_next(endless, &b, &label));
        cr_assert_eq(a.event_time_us, b.event_time_us);
        cr_assert(weir_span_equal(a.transaction_id, b.transaction_id));
    }
    cr_assert_not(weir_generator_next(whole, &a, &label));
    cr_assert(weir_generator_next(endless, &b, &label));
    cr_assert(b.event_time_us >= START_US + config.duration_us);
    weir_generator_close(whole);
    weir_generator_close(endless);
}

Test(generate, whoever_takes_no_labels_sees_the_same_transactions)
{
    weir_generator_config config = month(4, 2000);
    config.fraud_share = 0.2; /* more labels than there is room for */
    weir_generator *heard = open_generator(config), *unheard = open_generator(config);
    weir_transaction_fields a, b;
    weir_generated_label first, second;
    weir_label known;
    uint64_t forgotten = 0;
    while (weir_generator_next(heard, &a, &first)) {
        cr_assert(weir_generator_next(unheard, &b, &second));
        cr_assert(weir_span_equal(a.transaction_id, b.transaction_id) && a.amount_minor == b.amount_minor);
        cr_assert(a.event_time_us == b.event_time_us && first.pattern == second.pattern);
        cr_assert(first.verdict == second.verdict || second.verdict == WEIR_LABEL_UNSPECIFIED);
        forgotten += first.verdict != second.verdict;
        while (weir_generator_next_label(heard, &known))
            ;
    }
    cr_expect_gt(forgotten, 0, "the room for labels was never full: nothing was tested");
    weir_generator_close(heard);
    weir_generator_close(unheard);
}

Test(generate, every_transaction_is_accepted_and_times_never_go_back)
{
    weir_generator_config config = month(1, 500);
    weir_generator *generator = open_generator(config);
    weir_decode_limits limits = {0};
    weir_transaction_fields fields;
    weir_generated_label label;
    weir_label known;
    int64_t last_us = START_US;
    while (weir_generator_next(generator, &fields, &label)) {
        uint8_t bytes[MESSAGE_SIZE_MAX];
        weir_writer writer = weir_writer_of(bytes, sizeof bytes);
        weir_transaction transaction;
        weir_transaction_encode(&fields, &writer);
        weir_reject reject =
            weir_transaction_decode(weir_span_of(bytes, writer.used), &limits, fields.event_time_us, &transaction);
        cr_assert_eq(reject, WEIR_ACCEPTED, "%s", weir_reject_code(reject));
        cr_assert(fields.event_time_us >= last_us && fields.event_time_us < START_US + config.duration_us);
        last_us = fields.event_time_us;
        bool in_person = fields.channel == WEIR_CHANNEL_POS || fields.channel == WEIR_CHANNEL_ATM;
        cr_assert_eq(fields.has_location, in_person);
        cr_assert_eq(fields.terminal_id.size > 0, in_person);
        cr_assert_eq(label.label_time_us > fields.event_time_us, label.verdict != WEIR_LABEL_UNSPECIFIED);
        cr_assert(label.pattern == WEIR_FRAUD_NONE || label.verdict == WEIR_LABEL_FRAUD);
        while (weir_generator_next_label(generator, &known))
            ;
    }
    weir_generator_close(generator);
}

static int compare_hashes(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;
    return a < b ? -1 : a > b;
}

Test(generate, transaction_ids_are_unique_and_cards_as_many_as_asked)
{
    enum { CARDS = 300, ROOM = 100000 };
    static uint64_t ids[ROOM], cards[ROOM];
    weir_generator *generator = open_generator(month(2, CARDS));
    weir_transaction_fields fields;
    weir_generated_label label;
    size_t count = 0, card_count = 1;
    for (; weir_generator_next(generator, &fields, &label); count++) {
        cr_assert(count < ROOM);
        ids[count] = weir_hash(fields.transaction_id);
        cards[count] = weir_hash(fields.card_token);
    }
    qsort(ids, count, sizeof *ids, compare_hashes);
    qsort(cards, count, sizeof *cards, compare_hashes);
    for (size_t i = 1; i < count; i++) {
        cr_assert_neq(ids[i], ids[i - 1]);
        card_count += cards[i] != cards[i - 1];
    }
    cr_expect_eq(card_count, CARDS);
    weir_generator_close(generator);
}

/* ---- what is in it ----------------------------------------------------------------------------------------- */

typedef struct tally {
    double count, declined, refunds, online, by_pattern[WEIR_FRAUD_COUNT], fraud;
} tally;

static tally tally_of(weir_generator_config config)
{
    weir_generator *generator = open_generator(config);
    weir_transaction_fields fields;
    weir_generated_label label;
    tally result = {0};
    while (weir_generator_next(generator, &fields, &label)) {
        result.count++;
        result.by_pattern[label.pattern]++;
        result.fraud += label.pattern != WEIR_FRAUD_NONE;
        result.declined += fields.outcome == WEIR_OUTCOME_DECLINED;
        result.refunds += fields.amount_minor < 0;
        result.online += fields.channel == WEIR_CHANNEL_ECOMMERCE;
    }
    weir_generator_close(generator);
    return result;
}

Test(generate, shares_are_those_of_a_believable_portfolio)
{
    tally found = tally_of(month(5, 4000));
    cr_expect(fabs(found.count / (4000 * 30) - 2) < 0.3, "%g events a card a day", found.count / (4000 * 30));
    double share = found.fraud / found.count;
    cr_expect(share > 0.005 && share < 0.01, "fraud is %g", share);
    for (int i = WEIR_FRAUD_NONE + 1; i < WEIR_FRAUD_COUNT; i++)
        cr_expect(found.by_pattern[i] > 0.05 * found.fraud, "%s: %g of %g",
                  weir_fraud_pattern_name((weir_fraud_pattern)i), found.by_pattern[i], found.fraud);
    cr_expect(found.declined / found.count > 0.01 && found.declined / found.count < 0.06);
    cr_expect(found.refunds / found.count > 0.001 && found.refunds / found.count < 0.02);
    cr_expect(found.online / found.count > 0.2 && found.online / found.count < 0.5);
}

Test(generate, rate_and_fraud_share_are_what_was_asked_for)
{
    weir_generator_config config = month(6, 500);
    config.events_per_day = 10;
    config.fraud_share = 0.03;
    tally busy = tally_of(config);
    cr_expect(fabs(busy.count / (500 * 30) - 10) < 1.5, "%g a card a day", busy.count / (500 * 30));
    cr_expect(fabs(busy.fraud / busy.count - 0.03) < 0.009, "fraud is %g", busy.fraud / busy.count);
    config.fraud_share = -1;
    cr_expect_eq(tally_of(config).fraud, 0);
}

/* ---- each pattern shows the signs it is named for ----------------------------------------------------------- */

typedef struct sighting {
    weir_transaction_fields fields;
    weir_fraud_pattern pattern;
    uint64_t card, device, merchant;
} sighting;

enum { SIGHTING_MAX = 700000 };
static sighting sightings[SIGHTING_MAX];

static int by_card_then_order(const void *left, const void *right)
{
    const sighting *a = left, *b = right;
    if (a->card != b->card)
        return a->card < b->card ? -1 : 1;
    return a->fields.event_time_us < b->fields.event_time_us ? -1 : a->fields.event_time_us > b->fields.event_time_us;
}

/* Two months of cards, each card's events together. */
static size_t collect(void)
{
    weir_generator_config config = month(9, 4000);
    config.duration_us *= 2;
    weir_generator *generator = open_generator(config);
    weir_generated_label label;
    size_t count = 0;
    for (sighting *at = sightings; weir_generator_next(generator, &at->fields, &label); at = &sightings[++count]) {
        cr_assert(count + 1 < SIGHTING_MAX);
        at->pattern = label.pattern;
        at->card = weir_hash(at->fields.card_token);
        at->device = weir_hash48(at->fields.device_id);
        at->merchant = weir_hash48(at->fields.merchant_id);
    }
    weir_generator_close(generator);
    qsort(sightings, count, sizeof *sightings, by_card_then_order);
    return count;
}

static double distance_km(const weir_transaction_fields *a, const weir_transaction_fields *b)
{
    const double degree = 3.14159265358979 / 180;
    double cosine = sin(a->latitude * degree) * sin(b->latitude * degree) +
                    cos(a->latitude * degree) * cos(b->latitude * degree) * cos((a->longitude - b->longitude) * degree);
    return 6371 * acos(cosine > 1 ? 1 : cosine);
}

/* Faster than any airliner since the card was last seen somewhere. */
static bool is_impossible_journey(size_t index)
{
    const sighting *now = &sightings[index];
    for (size_t i = index; now->fields.has_location && i > 0 && sightings[i - 1].card == now->card; i--) {
        const sighting *before = &sightings[i - 1];
        if (!before->fields.has_location)
            continue;
        double hours = (double)(now->fields.event_time_us - before->fields.event_time_us) / WEIR_US_PER_HOUR;
        return distance_km(&before->fields, &now->fields) > 900 * hours + 50;
    }
    return false;
}

static bool has_device_before(size_t index)
{
    for (size_t i = index; i > 0 && sightings[i - 1].card == sightings[index].card; i--)
        if (sightings[i - 1].device == sightings[index].device)
            return true;
    return false;
}

/* A share of the events of a pattern, and of the honest ones beside them. */
typedef struct shares {
    double of_pattern, of_honest;
} shares;

static shares share_of(size_t count, weir_fraud_pattern pattern, bool (*is_so)(size_t index))
{
    double seen[2] = {0}, so[2] = {0};
    for (size_t i = 0; i < count; i++) {
        bool honest = sightings[i].pattern == WEIR_FRAUD_NONE;
        if (!honest && sightings[i].pattern != pattern)
            continue;
        seen[honest]++;
        so[honest] += is_so(i);
    }
    cr_assert(seen[0] > 0 && seen[1] > 0);
    return (shares){so[0] / seen[0], so[1] / seen[1]};
}

static bool is_small_online_amount(size_t i)
{
    return sightings[i].fields.channel == WEIR_CHANNEL_ECOMMERCE && sightings[i].fields.amount_minor > 0 &&
           sightings[i].fields.amount_minor <= 500;
}

static bool is_declined(size_t i)
{
    return sightings[i].fields.outcome == WEIR_OUTCOME_DECLINED;
}

static bool is_new_device_online(size_t i)
{
    return sightings[i].fields.channel == WEIR_CHANNEL_ECOMMERCE && sightings[i].device && !has_device_before(i);
}

static bool is_magstripe(size_t i)
{
    return sightings[i].fields.entry_mode == WEIR_ENTRY_MAGSTRIPE;
}

static bool is_above_500(size_t i)
{
    return sightings[i].fields.amount_minor > 50000;
}

Test(generate, fraud_shows_its_signs_and_honest_cards_show_them_seldom)
{
    static const struct {
        weir_fraud_pattern pattern;
        bool (*is_so)(size_t index);
        double of_pattern_min, of_honest_max;
        const char *sign;
    } SIGNS[] = {
        {WEIR_FRAUD_CARD_TESTING, is_small_online_amount, 0.5, 0.08, "small online amounts"},
        {WEIR_FRAUD_CARD_TESTING, is_declined, 0.3, 0.05, "declines"},
        {WEIR_FRAUD_ACCOUNT_TAKEOVER, is_new_device_online, 0.08, 0.03, "a new device online"},
        {WEIR_FRAUD_STOLEN_FAR, is_magstripe, 0.5, 0.05, "magnetic stripes"},
        {WEIR_FRAUD_STOLEN_FAR, is_impossible_journey, 0.1, 0.005, "impossible journeys"},
        {WEIR_FRAUD_BUST_OUT, is_above_500, 0.4, 0.03, "large amounts"},
    };
    size_t count = collect();
    for (size_t i = 0; i < sizeof SIGNS / sizeof *SIGNS; i++) {
        shares found = share_of(count, SIGNS[i].pattern, SIGNS[i].is_so);
        cr_expect(found.of_pattern >= SIGNS[i].of_pattern_min && found.of_honest <= SIGNS[i].of_honest_max,
                  "%s of %s: %.3f, honest %.4f", SIGNS[i].sign, weir_fraud_pattern_name(SIGNS[i].pattern),
                  found.of_pattern, found.of_honest);
        cr_expect(found.of_honest > 0 || SIGNS[i].is_so == is_impossible_journey,
                  "%s must not give fraud away by themselves", SIGNS[i].sign);
    }
}

/* ---- refusals ------------------------------------------------------------------------------------------------ */

Test(generate, configurations_out_of_range_are_refused)
{
    static const weir_generator_config BAD[] = {
        {.card_count = 0},
        {.card_count = 20000001},
        {.card_count = 1, .events_per_day = -1},
        {.card_count = 1, .events_per_day = 1001},
        {.card_count = 1, .events_per_day = NAN},
        {.card_count = 1, .fraud_share = 0.3},
        {.card_count = 1, .fraud_share = NAN},
        {.card_count = 1, .start_us = 1},
        {.card_count = 1, .start_us = INT64_MAX},
        {.card_count = 1, .duration_us = -1},
        {.card_count = 1, .duration_us = INT64_MAX},
    };
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++) {
        weir_generator *generator = NULL;
        weir_error error = {0};
        cr_expect_eq(weir_generator_open(&BAD[i], &generator, &error), WEIR_INVALID, "%zu", i);
        cr_expect(error.message[0] != '\0' && generator == NULL);
    }
    weir_generator_close(NULL);
}

Test(generate, patterns_have_names)
{
    cr_expect_str_eq(weir_fraud_pattern_name(WEIR_FRAUD_NONE), "none");
    cr_expect_str_eq(weir_fraud_pattern_name(WEIR_FRAUD_CARD_TESTING), "card_testing");
    cr_expect_str_eq(weir_fraud_pattern_name(WEIR_FRAUD_ACCOUNT_TAKEOVER), "account_takeover");
    cr_expect_str_eq(weir_fraud_pattern_name(WEIR_FRAUD_STOLEN_FAR), "stolen_far");
    cr_expect_str_eq(weir_fraud_pattern_name(WEIR_FRAUD_BUST_OUT), "bust_out");
    cr_expect_str_eq(weir_fraud_pattern_name(WEIR_FRAUD_COMPROMISED_TERMINAL), "compromised_terminal");
    cr_expect_str_eq(weir_fraud_pattern_name(WEIR_FRAUD_COMPROMISED_MERCHANT), "compromised_merchant");
}
