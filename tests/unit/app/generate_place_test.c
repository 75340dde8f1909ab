/* Compromised terminals and merchants: many cards, ordinary amounts, for a while. */
#include "weir/app/generate.h"

#include "weir/base/hash.h"
#include "weir/base/units.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

typedef struct sighting {
    uint64_t place, card;
    int64_t event_time_us, amount_minor;
    weir_fraud_pattern pattern;
} sighting;

enum { SIGHTING_MAX = 600000 };
static sighting sightings[SIGHTING_MAX];

/* What may happen at a compromised place of the pattern: approved purchases at a terminal, or with a card on file. */
static bool is_eligible(const weir_transaction_fields *fields, weir_fraud_pattern pattern)
{
    if (fields->outcome != WEIR_OUTCOME_APPROVED || fields->amount_minor <= 0)
        return false;
    return pattern == WEIR_FRAUD_COMPROMISED_TERMINAL ? fields->terminal_id.size > 0
                                                      : fields->entry_mode == WEIR_ENTRY_CREDENTIAL_ON_FILE;
}

static int by_place_then_time(const void *left, const void *right)
{
    const sighting *a = left, *b = right;
    if (a->place != b->place)
        return a->place < b->place ? -1 : 1;
    return a->event_time_us < b->event_time_us ? -1 : a->event_time_us > b->event_time_us;
}

/* The eligible purchases of two months, honest or of the pattern, each place's together. */
static size_t collect(weir_fraud_pattern pattern, uint32_t card_count)
{
    weir_generator_config config = {.seed = 21, .card_count = card_count, .duration_us = 60 * WEIR_US_PER_DAY};
    weir_generator *generator = NULL;
    weir_error error = {0};
    cr_assert_eq(weir_generator_open(&config, &generator, &error), WEIR_OK, "%s", error.message);
    weir_transaction_fields fields;
    weir_generated_label label;
    size_t count = 0;
    while (weir_generator_next(generator, &fields, &label)) {
        cr_assert(label.pattern != pattern || is_eligible(&fields, pattern));
        if (!is_eligible(&fields, pattern) || (label.pattern != pattern && label.pattern != WEIR_FRAUD_NONE))
            continue;
        cr_assert(count < SIGHTING_MAX);
        bool at_terminal = pattern == WEIR_FRAUD_COMPROMISED_TERMINAL;
        sightings[count++] = (sighting){.place = weir_hash(at_terminal ? fields.terminal_id : fields.merchant_id),
                                        .card = weir_hash(fields.card_token),
                                        .event_time_us = fields.event_time_us,
                                        .amount_minor = fields.amount_minor,
                                        .pattern = label.pattern};
    }
    weir_generator_close(generator);
    qsort(sightings, count, sizeof *sightings, by_place_then_time);
    return count;
}

/* One place's purchases: sightings[begin .. end). */
typedef struct place_view {
    size_t begin, end;
    double fraud, during; /* fraud, and all purchases from the first fraud to the last */
    double days;
    bool many_cards; /* the fraud is on at least three */
} place_view;

/* Up to so many different cards; more need not be told apart. */
enum { CARDS_ENOUGH = 3 };
typedef struct card_set {
    uint64_t cards[CARDS_ENOUGH];
    size_t count;
} card_set;

static void add_card(card_set *set, uint64_t card)
{
    for (size_t i = 0; i < set->count; i++)
        if (set->cards[i] == card)
            return;
    if (set->count < CARDS_ENOUGH)
        set->cards[set->count++] = card;
}

static place_view view_of(size_t begin, size_t count)
{
    place_view view = {.begin = begin, .end = begin};
    size_t first = SIZE_MAX, last = 0;
    card_set cards = {0};
    for (; view.end < count && sightings[view.end].place == sightings[begin].place; view.end++) {
        const sighting *at = &sightings[view.end];
        if (at->pattern == WEIR_FRAUD_NONE)
            continue;
        view.fraud++;
        first = first == SIZE_MAX ? view.end : first;
        last = view.end;
        add_card(&cards, at->card);
    }
    view.many_cards = cards.count == CARDS_ENOUGH;
    if (view.fraud > 0) {
        view.during = (double)(last - first + 1);
        view.days = (double)(sightings[last].event_time_us - sightings[first].event_time_us) / WEIR_US_PER_DAY;
    }
    return view;
}

static void expect_places(weir_fraud_pattern pattern, uint32_t card_count)
{
    const char *name = weir_fraud_pattern_name(pattern);
    size_t count = collect(pattern, card_count);
    double places = 0, compromised = 0, shared = 0, fraud = 0, during = 0, short_lived = 0;
    for (size_t begin = 0; begin < count;) {
        place_view view = view_of(begin, count);
        begin = view.end;
        places++;
        if (view.fraud < 5)
            continue;
        compromised++;
        shared += view.many_cards;
        short_lived += view.days <= 30;
        fraud += view.fraud;
        during += view.during;
    }
    cr_expect(compromised >= 4 && compromised < 0.2 * places, "%s: %g of %g places", name, compromised, places);
    cr_expect(shared >= 0.8 * compromised, "%s: many cards at %g of %g places", name, shared, compromised);
    cr_expect(short_lived >= 0.8 * compromised, "%s: within a month at %g of %g", name, short_lived, compromised);
    cr_expect(fraud / during > 0.5 && fraud / during < 0.95, "%s: %g of what passes is fraud", name, fraud / during);
}

Test(generate_place, terminals_copy_many_cards_for_a_while)
{
    expect_places(WEIR_FRAUD_COMPROMISED_TERMINAL, 1500);
    expect_places(WEIR_FRAUD_COMPROMISED_TERMINAL, 4000);
}

Test(generate_place, merchants_lose_many_stored_cards_for_a_while)
{
    expect_places(WEIR_FRAUD_COMPROMISED_MERCHANT, 1500);
    expect_places(WEIR_FRAUD_COMPROMISED_MERCHANT, 4000);
}

/* Mean and deviation of the logarithm of what is paid, honest (false) or of the pattern. */
typedef struct amounts {
    double mean, deviation;
} amounts;

static amounts amounts_of(size_t count, bool of_pattern)
{
    double seen = 0, sum = 0, squares = 0;
    for (size_t i = 0; i < count; i++) {
        if ((sightings[i].pattern != WEIR_FRAUD_NONE) != of_pattern)
            continue;
        double x = log((double)sightings[i].amount_minor);
        seen++;
        sum += x;
        squares += x * x;
    }
    cr_assert_gt(seen, 100);
    return (amounts){sum / seen, sqrt(squares / seen - sum / seen * sum / seen)};
}

Test(generate_place, amounts_are_those_of_honest_purchases)
{
    static const weir_fraud_pattern AT_PLACES[] = {WEIR_FRAUD_COMPROMISED_TERMINAL, WEIR_FRAUD_COMPROMISED_MERCHANT};
    for (size_t i = 0; i < sizeof AT_PLACES / sizeof *AT_PLACES; i++) {
        size_t count = collect(AT_PLACES[i], 4000);
        amounts honest = amounts_of(count, false), fraud = amounts_of(count, true);
        cr_expect(fabs(honest.mean - fraud.mean) < 0.6 * honest.deviation, "%s: e^%g, honest e^%g",
                  weir_fraud_pattern_name(AT_PLACES[i]), fraud.mean, honest.mean);
    }
}
