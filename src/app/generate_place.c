#include "app/generate_place.h"

#include "weir/base/units.h"

/* Of all transactions, those at busy terminals, and those with a card on file at busy online merchants: measured over
 * ten million transactions of 5,000 cards. Only these meet with a compromised place. */
static const double TERMINAL_EXPOSURE = 0.295, MERCHANT_EXPOSURE = 0.074;

/* Of the fraud at places, what is at terminals; the rest is at merchants. */
static const double TERMINAL_SHARE = 0.6;

/* How long a place stays compromised, and how much of what passes through it then is fraud. */
static const double DAYS_MIN = 7, DAYS_MAX = 30, DENSITY_MIN = 0.5, DENSITY_MAX = 0.9;

#define CYCLE_US (GENERATE_PLACE_CYCLE_DAYS * WEIR_US_PER_DAY)

/* The share of all transactions that is fraud when every exposed place is hit once a cycle. */
static double share_at_most(double exposure)
{
    double share_of_time = (DAYS_MIN + DAYS_MAX) / 2 / GENERATE_PLACE_CYCLE_DAYS;
    return exposure * share_of_time * (DENSITY_MIN + DENSITY_MAX) / 2;
}

static double chance_for(double fraud_share, double exposure)
{
    double chance = fraud_share / share_at_most(exposure);
    return chance < 1 ? chance : 1;
}

generate_places generate_places_for(uint64_t seed, double fraud_share, double *given_out)
{
    generate_places places = {
        .seed = seed,
        .terminal_chance = chance_for(fraud_share * TERMINAL_SHARE, TERMINAL_EXPOSURE),
        .merchant_chance = chance_for(fraud_share * (1 - TERMINAL_SHARE), MERCHANT_EXPOSURE),
    };
    *given_out = places.terminal_chance * share_at_most(TERMINAL_EXPOSURE) +
                 places.merchant_chance * share_at_most(MERCHANT_EXPOSURE);
    return places;
}

/* The share of purchases at the place that is fraud now; 0 while it is sound. Each place goes through cycles of its
 * own, and in some of them it is compromised once:
 *
 *    ...|--------[#######]-------------|-----------------------------|--...
 *        a cycle; compromised in it      the next; sound             each is a die of (seed, place, cycle)
 */
static double density_at(uint64_t seed, uint64_t place, double chance, int64_t at_us)
{
    uint64_t family = generate_mix(seed ^ generate_mix(place));
    uint64_t shifted_us = (uint64_t)at_us + family % CYCLE_US;
    weir_rng die = {.state = family + generate_mix(shifted_us / CYCLE_US)};
    if (!generate_chance(&die, chance))
        return 0;
    double days = generate_between(&die, DAYS_MIN, DAYS_MAX);
    double begin_day = generate_between(&die, 0, GENERATE_PLACE_CYCLE_DAYS - days);
    double day = (double)(shifted_us % CYCLE_US) / WEIR_US_PER_DAY;
    return day >= begin_day && day < begin_day + days ? generate_between(&die, DENSITY_MIN, DENSITY_MAX) : 0;
}

/* A purchase that money can be made of, at a place worth the trouble. */
static bool is_exposed(const generate_card *card, const generate_purchase *purchase)
{
    return purchase->amount > 0 && !purchase->declined && generate_is_busy(card->world, purchase->merchant);
}

weir_fraud_pattern generate_place_pattern(const generate_places *places, generate_card *card,
                                          const generate_purchase *purchase, int64_t at_us)
{
    bool online = generate_merchant_at(purchase->merchant).online;
    bool on_file = online && purchase->entry == WEIR_ENTRY_CREDENTIAL_ON_FILE;
    if ((!purchase->terminal && !on_file) || !is_exposed(card, purchase))
        return WEIR_FRAUD_NONE;
    uint64_t place = (uint64_t)purchase->merchant << 8 | purchase->terminal;
    double chance = on_file ? places->merchant_chance : places->terminal_chance;
    if (!generate_chance(&card->rng, density_at(places->seed, place, chance, at_us)))
        return WEIR_FRAUD_NONE;
    return on_file ? WEIR_FRAUD_COMPROMISED_MERCHANT : WEIR_FRAUD_COMPROMISED_TERMINAL;
}
