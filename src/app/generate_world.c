#include "app/generate_world.h"

#include "weir/base/check.h"

#include <math.h>

static const generate_city CITIES[] = {
    {"DE", "EUR", 52.520f, 13.405f, 9},   {"DE", "EUR", 48.137f, 11.576f, 6},   {"DE", "EUR", 53.551f, 9.994f, 5},
    {"DE", "EUR", 50.938f, 6.960f, 4},    {"FR", "EUR", 48.857f, 2.352f, 8},    {"FR", "EUR", 45.764f, 4.836f, 3},
    {"FR", "EUR", 43.296f, 5.370f, 2},    {"NL", "EUR", 52.368f, 4.904f, 4},    {"BE", "EUR", 50.851f, 4.357f, 3},
    {"ES", "EUR", 40.417f, -3.704f, 5},   {"ES", "EUR", 41.385f, 2.173f, 4},    {"IT", "EUR", 41.903f, 12.496f, 4},
    {"IT", "EUR", 45.464f, 9.190f, 4},    {"AT", "EUR", 48.208f, 16.374f, 3},   {"IE", "EUR", 53.350f, -6.260f, 2},
    {"PT", "EUR", 38.722f, -9.139f, 2},   {"GB", "GBP", 51.507f, -0.128f, 9},   {"GB", "GBP", 53.481f, -2.243f, 3},
    {"GB", "GBP", 55.953f, -3.188f, 2},   {"CH", "CHF", 47.377f, 8.542f, 3},    {"US", "USD", 40.713f, -74.006f, 9},
    {"US", "USD", 41.878f, -87.630f, 5},  {"US", "USD", 34.052f, -118.244f, 6}, {"US", "USD", 29.760f, -95.370f, 4},
    {"US", "USD", 25.762f, -80.192f, 3},  {"CA", "CAD", 43.653f, -79.383f, 3},  {"AU", "AUD", -33.869f, 151.209f, 3},
    {"TR", "", 41.008f, 28.978f, 0},      {"AE", "", 25.205f, 55.271f, 0},      {"TH", "", 13.756f, 100.502f, 0},
    {"JP", "", 35.676f, 139.650f, 0},     {"SG", "", 1.352f, 103.820f, 0},      {"BR", "", -23.551f, -46.633f, 0},
    {"MX", "", 19.433f, -99.133f, 0},     {"NG", "", 6.524f, 3.379f, 0},        {"ZA", "", -26.204f, 28.047f, 0},
    {"GR", "", 37.984f, 23.728f, 0},      {"PL", "", 52.230f, 21.012f, 0},      {"MA", "", 33.573f, -7.590f, 0},
};
enum { CITY_COUNT = sizeof CITIES / sizeof *CITIES };

static const generate_trade LOCAL_TRADES[] = {
    {5411, 24, 32, 0.75f}, {5812, 16, 27, 0.6f},  {5814, 14, 9, 0.5f},   {5541, 9, 46, 0.4f},  {5912, 7, 16, 0.7f},
    {5311, 5, 48, 0.8f},   {5651, 6, 55, 0.7f},   {4111, 6, 4, 0.6f},    {5732, 2, 140, 0.9f}, {5200, 3, 38, 0.9f},
    {7832, 2, 19, 0.4f},   {5944, 1, 150, 0.9f},  {7011, 2, 130, 0.5f},  {5921, 2, 17, 0.6f},  {7230, 2, 30, 0.5f},
};
static const generate_trade ONLINE_TRADES[] = {
    {5942, 10, 21, 0.6f},  {5732, 7, 120, 0.9f}, {5815, 10, 6, 0.6f},  {5816, 6, 9, 0.8f},   {4899, 6, 12, 0.3f},
    {5999, 16, 31, 0.8f},  {5734, 6, 32, 0.8f},  {4722, 5, 240, 0.8f}, {5651, 12, 52, 0.6f}, {5814, 8, 24, 0.4f},
    {7995, 3, 28, 0.9f},   {6051, 2, 110, 0.9f}, {4816, 5, 16, 0.4f},  {5947, 4, 45, 0.7f},
};
enum {
    LOCAL_TRADE_COUNT = sizeof LOCAL_TRADES / sizeof *LOCAL_TRADES,
    ONLINE_TRADE_COUNT = sizeof ONLINE_TRADES / sizeof *ONLINE_TRADES,
    CASH_MACHINE_COUNT = 40, /* the last numbers of each city */
};
_Static_assert(sizeof CITIES / sizeof *CITIES <= GENERATE_CITY_MAX, "a place for each city in generate_world");
static const generate_trade CASH = {GENERATE_MCC_CASH, 0, 80, 0.6f};

/* ---- chance ---------------------------------------------------------------------------------------------- */

double generate_normal(weir_rng *rng)
{
    uint64_t bits = weir_rng_next(rng);
    uint32_t sum = (uint32_t)(bits & 0xffff) + (uint32_t)(bits >> 16 & 0xffff) + (uint32_t)(bits >> 32 & 0xffff) +
                   (uint32_t)(bits >> 48);
    return ((double)sum / 65535 - 2) * 1.7320508075688772; /* variance of the sum: 4/12 */
}

double generate_exponential(weir_rng *rng, double mean)
{
    return -mean * log(1 - weir_rng_unit(rng));
}

bool generate_chance(weir_rng *rng, double probability)
{
    return weir_rng_unit(rng) < probability;
}

double generate_between(weir_rng *rng, double low, double high)
{
    return low + (high - low) * weir_rng_unit(rng);
}

uint32_t generate_count(weir_rng *rng, uint32_t low, uint32_t high)
{
    return low + (uint32_t)weir_rng_below(rng, high - low + 1);
}

uint64_t generate_mix(uint64_t value)
{
    weir_rng rng = {.state = value};
    return weir_rng_next(&rng);
}

/* ---- cities ---------------------------------------------------------------------------------------------- */

uint32_t generate_city_count(void)
{
    return CITY_COUNT;
}

const generate_city *generate_city_at(uint32_t index)
{
    weir_check(index < CITY_COUNT);
    return &CITIES[index];
}

static uint32_t home_weight_total(void)
{
    uint32_t total = 0;
    for (uint32_t i = 0; i < CITY_COUNT; i++)
        total += CITIES[i].home_weight;
    return total;
}

uint32_t generate_pick_home(weir_rng *rng)
{
    uint32_t ticket = (uint32_t)weir_rng_below(rng, home_weight_total());
    uint32_t city = 0;
    while (ticket >= CITIES[city].home_weight)
        ticket -= CITIES[city++].home_weight;
    return city;
}

double generate_city_distance_km(uint32_t from, uint32_t to)
{
    static const double DEGREE = 0.017453292519943295;
    const generate_city *a = generate_city_at(from), *b = generate_city_at(to);
    double half_latitude = sin((b->latitude - a->latitude) * DEGREE / 2);
    double half_longitude = sin((b->longitude - a->longitude) * DEGREE / 2);
    double chord = half_latitude * half_latitude +
                   cos(a->latitude * DEGREE) * cos(b->latitude * DEGREE) * half_longitude * half_longitude;
    return 2 * 6371.0 * asin(sqrt(chord < 1 ? chord : 1));
}

uint32_t generate_pick_destination(weir_rng *rng, uint32_t from)
{
    for (;;) {
        uint32_t city = (uint32_t)weir_rng_below(rng, CITY_COUNT);
        double near_share = 800 / (200 + generate_city_distance_km(from, city));
        if (city != from && generate_chance(rng, near_share))
            return city;
    }
}

/* ---- how many merchants there are ------------------------------------------------------------------------ */

enum { LOCAL_COUNT_MIN = 40, ONLINE_COUNT_MIN = 120, LOCALS_PER_CASH_MACHINE = 16 };

static uint16_t count_within(double count, uint32_t least, uint32_t most)
{
    return (uint16_t)(count < least ? least : count > most ? most : count);
}

generate_world generate_world_for(double events_per_day)
{
    /* On average a local shop has two customers a day, an online one three. About 0.6 of all purchases are local. */
    double local_shops = 0.6 * events_per_day / 2, online_shops = 0.35 * events_per_day / 3;
    generate_world world = {.online_count =
                                count_within(online_shops, ONLINE_COUNT_MIN, GENERATE_ONLINE_MERCHANT_COUNT)};
    for (uint32_t i = 0; i < CITY_COUNT; i++) {
        double share = (double)CITIES[i].home_weight / home_weight_total();
        world.local_count[i] =
            count_within(share * local_shops, LOCAL_COUNT_MIN, GENERATE_CITY_MERCHANT_COUNT - CASH_MACHINE_COUNT);
        double cash_machines = (double)world.local_count[i] / LOCALS_PER_CASH_MACHINE;
        world.cash_machine_count[i] = count_within(cash_machines, 2, CASH_MACHINE_COUNT);
    }
    return world;
}

/* ---- merchants ------------------------------------------------------------------------------------------- */

static uint32_t first_of_city(uint32_t city)
{
    return GENERATE_ONLINE_MERCHANT_COUNT + city * GENERATE_CITY_MERCHANT_COUNT;
}

/* A place on a list of `count`, the first far more often than the last. */
static uint32_t pick_known(weir_rng *rng, uint32_t count)
{
    double u = weir_rng_unit(rng);
    return (uint32_t)(u * u * count);
}

static bool is_cash_machine(uint32_t place_in_city)
{
    return place_in_city >= GENERATE_CITY_MERCHANT_COUNT - CASH_MACHINE_COUNT;
}

uint32_t generate_pick_local(const generate_world *world, weir_rng *rng, uint32_t city)
{
    return first_of_city(city) + pick_known(rng, world->local_count[city]);
}

uint32_t generate_pick_online(const generate_world *world, weir_rng *rng)
{
    return pick_known(rng, world->online_count);
}

uint32_t generate_pick_cash_machine(const generate_world *world, weir_rng *rng, uint32_t city)
{
    return first_of_city(city + 1) - 1 - (uint32_t)weir_rng_below(rng, world->cash_machine_count[city]);
}

bool generate_is_busy(const generate_world *world, uint32_t merchant)
{
    if (merchant < GENERATE_ONLINE_MERCHANT_COUNT)
        return merchant < world->online_count / 4u;
    uint32_t place = merchant - GENERATE_ONLINE_MERCHANT_COUNT;
    uint32_t city = place / GENERATE_CITY_MERCHANT_COUNT, place_in_city = place % GENERATE_CITY_MERCHANT_COUNT;
    weir_check(city < CITY_COUNT);
    return is_cash_machine(place_in_city) || place_in_city < world->local_count[city] / 4u;
}

uint32_t generate_pick_selling(const generate_world *world, weir_rng *rng, bool online, uint32_t city,
                               const uint16_t *mccs)
{
    enum { TRIES = 60 };
    uint32_t number = 0;
    for (int i = 0; i < TRIES; i++) {
        number = online ? generate_pick_online(world, rng) : generate_pick_local(world, rng, city);
        uint16_t mcc = generate_merchant_at(number).trade->mcc;
        for (const uint16_t *wanted = mccs; *wanted; wanted++)
            if (mcc == *wanted)
                return number;
    }
    return number;
}

static const generate_trade *pick_trade(const generate_trade *trades, uint32_t count, uint64_t hash)
{
    uint32_t total = 0;
    for (uint32_t i = 0; i < count; i++)
        total += trades[i].weight;
    uint32_t ticket = (uint32_t)(hash % total);
    uint32_t at = 0;
    while (ticket >= trades[at].weight)
        ticket -= trades[at++].weight;
    return &trades[at];
}

/* Within about 12 km of the centre, to a metre, so that it prints short. */
static double around(double centre, uint64_t hash)
{
    double offset = (double)(hash & 0xffff) / 65535 - 0.5;
    return round((centre + 0.2 * offset) * 1e5) / 1e5;
}

generate_merchant generate_merchant_at(uint32_t number)
{
    uint64_t hash = generate_mix(number);
    generate_merchant merchant = {.number = number, .online = number < GENERATE_ONLINE_MERCHANT_COUNT};
    if (merchant.online) {
        merchant.city = (uint16_t)(hash >> 32 & 0xffff) % CITY_COUNT;
        merchant.trade = pick_trade(ONLINE_TRADES, ONLINE_TRADE_COUNT, hash >> 48);
        return merchant;
    }
    uint32_t place = number - GENERATE_ONLINE_MERCHANT_COUNT;
    bool is_cash = is_cash_machine(place % GENERATE_CITY_MERCHANT_COUNT);
    merchant.city = (uint16_t)(place / GENERATE_CITY_MERCHANT_COUNT);
    weir_check(merchant.city < CITY_COUNT);
    merchant.terminal_count = is_cash ? 1 : 1 + (hash >> 40) % 3;
    merchant.trade = is_cash ? &CASH : pick_trade(LOCAL_TRADES, LOCAL_TRADE_COUNT, hash >> 48);
    merchant.latitude = around(CITIES[merchant.city].latitude, hash);
    merchant.longitude = around(CITIES[merchant.city].longitude, hash >> 16);
    return merchant;
}
