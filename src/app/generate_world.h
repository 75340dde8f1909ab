/* The world the generator's cards live in: cities, trades and merchants. A merchant is a function of its number, a city
 * of its index; nothing of them is stored. How many merchants are open follows from how much is bought, so that a shop
 * and its terminals are as busy in a small stream as in a large one. */
#ifndef WEIR_APP_GENERATE_WORLD_H
#define WEIR_APP_GENERATE_WORLD_H

#include "weir/base/rng.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct generate_city {
    const char *country;  /* ISO 3166-1 alpha-2 */
    const char *currency; /* of cards issued there */
    float latitude, longitude;
    uint8_t home_weight; /* how many cards live there; 0 = only visited */
} generate_city;

/* What a merchant sells: its category code and what people spend. */
typedef struct generate_trade {
    uint16_t mcc;
    uint8_t weight;      /* how many merchants there are of it */
    float amount_median; /* major units */
    float amount_spread; /* sigma of the logarithm */
} generate_trade;

typedef struct generate_merchant {
    uint32_t number;
    bool online;
    uint16_t city; /* index; of an online merchant, where it is registered */
    uint16_t terminal_count;
    const generate_trade *trade;
    double latitude, longitude;
} generate_merchant;

enum {
    GENERATE_CITY_MAX = 40,
    GENERATE_CITY_MERCHANT_COUNT = 600,
    GENERATE_ONLINE_MERCHANT_COUNT = 3000,
    GENERATE_MCC_CASH = 6011, /* cash machines, at a place of their own in each city */
};

/* How many merchants are open: the first of each list; the world's people know no others. */
typedef struct generate_world {
    uint16_t online_count;
    uint16_t local_count[GENERATE_CITY_MAX], cash_machine_count[GENERATE_CITY_MAX]; /* by city */
} generate_world;

/* A world for so many purchases a day in all. */
generate_world generate_world_for(double events_per_day);

uint32_t generate_city_count(void);
const generate_city *generate_city_at(uint32_t index);

/* A home by weight; a city other than `from`, near ones more often. */
uint32_t generate_pick_home(weir_rng *rng);
uint32_t generate_pick_destination(weir_rng *rng, uint32_t from);

/* Great-circle distance in kilometres. */
double generate_city_distance_km(uint32_t from, uint32_t to);

/* Known merchants are picked more often than obscure ones. */
uint32_t generate_pick_local(const generate_world *world, weir_rng *rng, uint32_t city);
uint32_t generate_pick_online(const generate_world *world, weir_rng *rng);
uint32_t generate_pick_cash_machine(const generate_world *world, weir_rng *rng, uint32_t city);

/* One of those many people go to: the first quarter of a list, or a cash machine. */
bool generate_is_busy(const generate_world *world, uint32_t merchant);

/* An online or local merchant selling one of the (zero-ended) category codes, or after some tries any. */
uint32_t generate_pick_selling(const generate_world *world, weir_rng *rng, bool online, uint32_t city,
                               const uint16_t *mccs);

generate_merchant generate_merchant_at(uint32_t number);

/* ---- chance ---- */

/* About normal, mean 0 and deviation 1, within +-3.5: four uniforms summed, no libm. */
double generate_normal(weir_rng *rng);
/* Exponential of this mean. */
double generate_exponential(weir_rng *rng, double mean);
bool generate_chance(weir_rng *rng, double probability);
double generate_between(weir_rng *rng, double low, double high);
/* low .. high, both included. */
uint32_t generate_count(weir_rng *rng, uint32_t low, uint32_t high);
/* A bijection of 64 bits: distinct numbers stay distinct and look random. */
uint64_t generate_mix(uint64_t value);

#endif
