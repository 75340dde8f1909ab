#include "app/generate_card.h"

#include "weir/base/units.h"

#include <math.h>

/* How busy each hour of the day is, on average 1 (local time; the night is quiet but not empty). */
static const float HOURS[24] = {0.22f, 0.12f, 0.08f, 0.06f, 0.06f, 0.12f, 0.35f, 0.75f, 1.05f, 1.15f, 1.25f, 1.45f,
                                1.75f, 1.60f, 1.35f, 1.35f, 1.50f, 1.85f, 2.00f, 1.80f, 1.45f, 1.20f, 0.85f, 0.63f};
/* And each day of the week, Thursday (1970-01-01) first. */
static const float DAYS[7] = {1.0f, 1.15f, 1.25f, 0.85f, 0.9f, 0.9f, 0.95f};
static const double BUSIEST = 2.0 * 1.25;

enum { FLIGHT_KM_PER_HOUR = 650 };

/* Episodes began before the stream does: on its first day some cards are in the middle of one. */
#define WARM_UP_US (35 * WEIR_US_PER_DAY)

static double local_days(const generate_card *card, int64_t time_us)
{
    double shift_hours = generate_city_at(card->city)->longitude / 15 - card->night_shift;
    return (double)time_us / WEIR_US_PER_DAY + shift_hours / 24;
}

double generate_card_hour(const generate_card *card, int64_t time_us)
{
    double days = local_days(card, time_us);
    return 24 * (days - floor(days));
}

static double busyness(const generate_card *card, int64_t time_us)
{
    double days = local_days(card, time_us);
    double whole = floor(days);
    return HOURS[(int)(24 * (days - whole)) % 24] * DAYS[(int64_t)whole % 7];
}

/* A Poisson process whose rate follows the busyness, by thinning.
 * Source: Lewis and Shedler, "Simulation of nonhomogeneous Poisson processes by thinning", 1979. */
static int64_t next_purchase_us(generate_card *card, int64_t from_us)
{
    double gap_us = (double)WEIR_US_PER_DAY / (card->events_per_day * BUSIEST);
    int64_t at_us = from_us;
    do
        at_us += 1 + (int64_t)generate_exponential(&card->rng, gap_us);
    while (!generate_chance(&card->rng, busyness(card, at_us) / BUSIEST));
    return at_us;
}

generate_card generate_card_of(uint64_t seed, const generate_pace *pace, int64_t start_us)
{
    generate_card card = {.world = &pace->world, .rng = {.state = generate_mix(seed)}};
    weir_rng *rng = &card.rng;
    card.home = card.city = (uint16_t)generate_pick_home(rng);
    card.events_per_day = (float)(pace->events_per_day * exp(0.5 * generate_normal(rng) - 0.125));
    card.spending = (float)(0.4 * generate_normal(rng));
    card.online_share = (float)generate_between(rng, 0.08, 0.5);
    card.night_shift = (float)(generate_chance(rng, 0.05) ? 9 : generate_between(rng, -1.5, 2));
    card.device = weir_rng_next(rng);
    for (int i = 0; i < GENERATE_FAVOURITE_COUNT; i++)
        card.favourites[i] = generate_pick_local(card.world, rng, card.home);
    for (int i = 0; i < GENERATE_ONLINE_FAVOURITE_COUNT; i++)
        card.online_favourites[i] = generate_pick_online(card.world, rng);
    card.next_us = next_purchase_us(&card, start_us);
    generate_episode_schedule(&card, pace, start_us - WARM_UP_US);
    while (card.episode_next_us < start_us)
        (void)generate_episode_step(&card, pace, &(generate_purchase){0});
    return card;
}

double generate_card_amount(generate_card *card, const generate_merchant *merchant)
{
    const generate_trade *trade = merchant->trade;
    double z = generate_normal(&card->rng);
    return trade->amount_median * exp(card->spending + trade->amount_spread * z);
}

generate_purchase generate_online_purchase(generate_card *card, uint32_t number)
{
    generate_merchant merchant = generate_merchant_at(number);
    return (generate_purchase){
        .merchant = number,
        .channel = WEIR_CHANNEL_ECOMMERCE,
        .entry = generate_chance(&card->rng, 0.45) ? WEIR_ENTRY_CREDENTIAL_ON_FILE : WEIR_ENTRY_MANUAL,
        .with_device = generate_chance(&card->rng, 0.93),
        .device = card->device,
        .amount = generate_card_amount(card, &merchant),
    };
}

static weir_entry pick_entry(generate_card *card, const generate_merchant *merchant, double amount)
{
    bool is_american = generate_city_at(merchant->city)->currency[0] == 'U';
    if (generate_chance(&card->rng, is_american ? 0.06 : 0.01))
        return WEIR_ENTRY_MAGSTRIPE;
    return amount < 50 && generate_chance(&card->rng, 0.75) ? WEIR_ENTRY_CONTACTLESS : WEIR_ENTRY_CHIP;
}

generate_purchase generate_local_purchase(generate_card *card, uint32_t number)
{
    generate_merchant merchant = generate_merchant_at(number);
    generate_purchase purchase = {
        .merchant = number, .channel = WEIR_CHANNEL_POS, .amount = generate_card_amount(card, &merchant)};
    purchase.entry = pick_entry(card, &merchant, purchase.amount);
    return purchase;
}

/* ---- kinds of ordinary purchase -------------------------------------------------------------------------- */

static generate_purchase buy_online(generate_card *card)
{
    weir_rng *rng = &card->rng;
    bool known = generate_chance(rng, 0.72);
    uint32_t merchant = known ? card->online_favourites[weir_rng_below(rng, GENERATE_ONLINE_FAVOURITE_COUNT)]
                              : generate_pick_online(card->world, rng);
    generate_purchase purchase = generate_online_purchase(card, merchant);
    if (generate_chance(rng, 0.012)) /* a friend's computer, the office */
        purchase.device = weir_rng_next(rng);
    return purchase;
}

/* A subscription: the same shop takes the same amount. */
static generate_purchase buy_recurring(generate_card *card)
{
    uint32_t merchant = card->online_favourites[weir_rng_below(&card->rng, 2)];
    return (generate_purchase){
        .merchant = merchant,
        .channel = WEIR_CHANNEL_RECURRING,
        .entry = WEIR_ENTRY_CREDENTIAL_ON_FILE,
        .amount = 4.99 + (double)(generate_mix(merchant ^ (uint64_t)card->home << 32) % 20),
    };
}

static generate_purchase buy_cash(generate_card *card)
{
    static const double NOTES[] = {20, 40, 50, 60, 80, 100, 100, 150, 200, 300};
    return (generate_purchase){
        .merchant = generate_pick_cash_machine(card->world, &card->rng, card->city),
        .channel = WEIR_CHANNEL_ATM,
        .entry = WEIR_ENTRY_CHIP,
        .amount = NOTES[weir_rng_below(&card->rng, sizeof NOTES / sizeof *NOTES)],
    };
}

static generate_purchase buy_by_phone(generate_card *card)
{
    uint32_t merchant = generate_pick_local(card->world, &card->rng, card->home);
    generate_purchase purchase = generate_local_purchase(card, merchant);
    purchase.channel = WEIR_CHANNEL_MOTO;
    purchase.entry = WEIR_ENTRY_MANUAL;
    return purchase;
}

static generate_purchase buy_in_person(generate_card *card)
{
    bool known = card->city == card->home && generate_chance(&card->rng, 0.65);
    uint32_t merchant = known ? card->favourites[weir_rng_below(&card->rng, GENERATE_FAVOURITE_COUNT)]
                              : generate_pick_local(card->world, &card->rng, card->city);
    return generate_local_purchase(card, merchant);
}

/* People shop online in the evening and at night. */
static double online_share_now(const generate_card *card)
{
    double hour = generate_card_hour(card, card->next_us);
    double share = card->online_share * (hour >= 20 || hour < 6 ? 1.8 : 1);
    return card->goes_shopping ? 0 : share;
}

static generate_purchase pick_purchase(generate_card *card)
{
    double ticket = weir_rng_unit(&card->rng);
    double online = online_share_now(card);
    if (ticket < online)
        return buy_online(card);
    if (card->goes_shopping)
        return buy_in_person(card);
    ticket = (ticket - online) / (1 - online);
    if (ticket < 0.04)
        return buy_recurring(card);
    if (ticket < 0.09)
        return buy_cash(card);
    return ticket < 0.10 ? buy_by_phone(card) : buy_in_person(card);
}

/* Now and then a refund, or something dear. */
static void vary_amount(generate_card *card, generate_purchase *purchase)
{
    double ticket = weir_rng_unit(&card->rng);
    if (purchase->channel == WEIR_CHANNEL_ATM || purchase->channel == WEIR_CHANNEL_RECURRING)
        return;
    if (ticket < 0.006)
        purchase->amount = -purchase->amount;
    else if (ticket < 0.02)
        purchase->amount *= generate_between(&card->rng, 3, 12);
}

/* ---- trips ----------------------------------------------------------------------------------------------- */

static void move_to(generate_card *card, uint32_t city)
{
    double hours = 1.5 + generate_city_distance_km(card->city, city) / FLIGHT_KM_PER_HOUR;
    card->city = (uint16_t)city;
    card->next_us = next_purchase_us(card, card->next_us + (int64_t)(hours * WEIR_US_PER_HOUR));
}

/* After a purchase: off on a trip, or back home. Whoever travels buys nothing on the way. */
static void travel(generate_card *card)
{
    if (card->trip_end_us && card->next_us > card->trip_end_us) {
        card->trip_end_us = 0;
        move_to(card, card->home);
    } else if (!card->trip_end_us && generate_chance(&card->rng, 0.012 / (1 + card->events_per_day))) {
        card->trip_end_us = card->next_us + (int64_t)(generate_between(&card->rng, 1, 12) * WEIR_US_PER_DAY);
        move_to(card, generate_pick_destination(&card->rng, card->home));
    }
}

generate_purchase generate_card_buy(generate_card *card)
{
    generate_purchase purchase = pick_purchase(card);
    int64_t at_us = card->next_us;
    card->goes_shopping = false;
    vary_amount(card, &purchase);
    purchase.declined = purchase.amount > 0 && generate_chance(&card->rng, purchase.amount > 800 ? 0.12 : 0.018);
    card->next_us = next_purchase_us(card, at_us);
    travel(card);
    if (purchase.declined)
        generate_episode_retry(card, &purchase, at_us);
    return purchase;
}
