/* Episodes: short scripts a card goes through beside its ordinary life. Half the table is fraud; the other half is what
 * honest people do that looks like it, so that a model has something to get wrong. To add one: a row and a step. */
#include "app/generate_card.h"

#include "weir/base/check.h"
#include "weir/base/units.h"

#include <math.h>

#define MINUTES(n) ((int64_t)((n) * (double)WEIR_US_PER_MINUTE))
#define HOURS(n) ((int64_t)((n) * (double)WEIR_US_PER_HOUR))

typedef struct episode_kind {
    weir_fraud_pattern pattern; /* of what is labelled fraud in it */
    double per_year;            /* how often a card meets with it */
    double fraud_event_count;   /* labelled events in one, on average; 0 for honest ones */
    /* Sets up the script; returns how long after the beginning the first step is. */
    int64_t (*begin)(generate_card *card, generate_script *script);
    /* Draws up one purchase; returns how long until the next. */
    int64_t (*step)(generate_card *card, generate_script *script, generate_purchase *purchase_out);
} episode_kind;

static bool is_last(const generate_script *script)
{
    return script->step + 1 == script->step_count;
}

/* Time until the given hour of the card's day. */
static int64_t until_hour(const generate_card *card, double hour)
{
    double now = generate_card_hour(card, card->episode_next_us);
    return HOURS(hour > now ? hour - now : hour - now + 24);
}

/* ---- card testing: does the number work? ----------------------------------------------------------------- */

static int64_t begin_card_testing(generate_card *card, generate_script *script)
{
    script->mild = generate_chance(&card->rng, 0.2);
    script->step_count = (uint8_t)(script->mild ? generate_count(&card->rng, 3, 5) : generate_count(&card->rng, 5, 12));
    script->merchant = generate_pick_online(card->world, &card->rng);
    script->device = weir_rng_next(&card->rng);
    return 0;
}

static int64_t step_card_testing(generate_card *card, generate_script *script, generate_purchase *purchase_out)
{
    static const uint16_t WORTH_MUCH[] = {5732, 6051, 4722, 5947, 0};
    weir_rng *rng = &card->rng;
    bool cashing_in = is_last(script) || (script->step + 2 == script->step_count && generate_chance(rng, 0.4));
    if (generate_chance(rng, 0.35))
        script->merchant = generate_pick_online(card->world, rng);
    uint32_t merchant = cashing_in ? generate_pick_selling(card->world, rng, true, 0, WORTH_MUCH) : script->merchant;
    *purchase_out = generate_online_purchase(card, merchant);
    purchase_out->entry = WEIR_ENTRY_MANUAL;
    purchase_out->with_device = generate_chance(rng, 0.6);
    purchase_out->device = script->device;
    purchase_out->amount =
        cashing_in ? generate_between(rng, 120, 900) : generate_between(rng, 0.5, script->mild ? 12 : 5);
    purchase_out->declined = generate_chance(rng, cashing_in ? 0.3 : 0.45);
    purchase_out->pattern = WEIR_FRAUD_CARD_TESTING;
    return script->mild ? MINUTES(generate_between(rng, 6, 50)) : MINUTES(generate_between(rng, 0.15, 2.5));
}

/* ---- account takeover: somebody else is logged in --------------------------------------------------------- */

static int64_t begin_account_takeover(generate_card *card, generate_script *script)
{
    weir_rng *rng = &card->rng;
    script->mild = generate_chance(rng, 0.2);
    script->step_count = (uint8_t)generate_count(rng, 5, 12);
    script->device = script->mild && generate_chance(rng, 0.4) ? card->device : weir_rng_next(rng);
    script->amount = generate_between(rng, script->mild ? 20 : 60, script->mild ? 60 : 150);
    return generate_chance(rng, script->mild ? 0.5 : 0.85) ? until_hour(card, generate_between(rng, 0.5, 4)) : 0;
}

static int64_t step_account_takeover(generate_card *card, generate_script *script, generate_purchase *purchase_out)
{
    static const uint16_t EASILY_SOLD[] = {5732, 6051, 5947, 5734, 5651, 4722, 0};
    weir_rng *rng = &card->rng;
    uint32_t merchant = generate_chance(rng, 0.9) ? generate_pick_selling(card->world, rng, true, 0, EASILY_SOLD)
                                                  : generate_pick_online(card->world, rng);
    *purchase_out = generate_online_purchase(card, merchant);
    purchase_out->with_device = true;
    purchase_out->device = script->device;
    purchase_out->amount = script->amount * generate_between(rng, 0.8, 1.3);
    purchase_out->declined = generate_chance(rng, 0.03 + 0.03 * script->step);
    purchase_out->pattern = WEIR_FRAUD_ACCOUNT_TAKEOVER;
    script->amount *= script->mild ? 1.15 : 1.3;
    return script->mild ? HOURS(generate_between(rng, 0.3, 5)) : MINUTES(generate_between(rng, 1, 12));
}

/* ---- stolen and used far away ----------------------------------------------------------------------------- */

/* The owner pays at home; soon after, somebody pays with a copy in another city. (Next to an owner who does not pay
 * within a day, it is only a far city.) */
static int64_t begin_stolen_far(generate_card *card, generate_script *script)
{
    weir_rng *rng = &card->rng;
    script->mild = generate_chance(rng, 0.2);
    script->step_count = (uint8_t)generate_count(rng, 3, 7);
    double far_km = script->mild ? 250 : 1500;
    do
        script->city = (uint16_t)weir_rng_below(rng, generate_city_count());
    while (generate_city_distance_km(card->city, script->city) < far_km);
    int64_t until_owner_pays = card->next_us - card->episode_next_us;
    card->goes_shopping = until_owner_pays <= WEIR_US_PER_DAY;
    return (card->goes_shopping ? until_owner_pays : 0) +
           (script->mild ? HOURS(generate_between(rng, 2, 9)) : MINUTES(generate_between(rng, 12, 110)));
}

static int64_t step_stolen_far(generate_card *card, generate_script *script, generate_purchase *purchase_out)
{
    static const uint16_t EASILY_SOLD[] = {5732, 5944, 5311, 5651, 5541, 0};
    weir_rng *rng = &card->rng;
    bool cash = generate_chance(rng, 0.15);
    uint32_t merchant = cash ? generate_pick_cash_machine(card->world, rng, script->city)
                             : generate_pick_selling(card->world, rng, false, script->city, EASILY_SOLD);
    *purchase_out = generate_local_purchase(card, merchant);
    purchase_out->channel = cash ? WEIR_CHANNEL_ATM : WEIR_CHANNEL_POS;
    if (generate_chance(rng, script->mild ? 0.35 : 0.9))
        purchase_out->entry = WEIR_ENTRY_MAGSTRIPE;
    purchase_out->amount = cash           ? 100.0 * generate_count(rng, 1, 5)
                           : script->mild ? generate_between(rng, 25, 180)
                                          : generate_between(rng, 80, 560);
    purchase_out->declined = generate_chance(rng, 0.2);
    purchase_out->pattern = WEIR_FRAUD_STOLEN_FAR;
    return MINUTES(generate_between(rng, 3, 25));
}

/* ---- bust-out: build up, then empty ------------------------------------------------------------------------ */

enum { BUST_OUT_RAMP_MIN = 18, BUST_OUT_RAMP_MAX = 28, BUST_OUT_FINALE = 8 };

static int64_t begin_bust_out(generate_card *card, generate_script *script)
{
    script->step_count = (uint8_t)(generate_count(&card->rng, BUST_OUT_RAMP_MIN, BUST_OUT_RAMP_MAX) + BUST_OUT_FINALE);
    script->amount = generate_between(&card->rng, 25, 60);
    return until_hour(card, generate_between(&card->rng, 9, 18));
}

/* Most of the ramp cannot be told from a pay rise, and nobody labels it. */
static int64_t step_bust_out(generate_card *card, generate_script *script, generate_purchase *purchase_out)
{
    static const uint16_t WORTH_MUCH[] = {5732, 6051, 5944, 4722, 0};
    weir_rng *rng = &card->rng;
    int left = script->step_count - script->step;
    bool finale = left <= BUST_OUT_FINALE;
    bool online = generate_chance(rng, finale ? 0.8 : card->online_share);
    uint32_t merchant = finale ? generate_pick_selling(card->world, rng, online, card->city, WORTH_MUCH)
                        : online ? generate_pick_online(card->world, rng)
                                 : generate_pick_local(card->world, rng, card->city);
    *purchase_out = online ? generate_online_purchase(card, merchant) : generate_local_purchase(card, merchant);
    double ramp = (double)script->step / (script->step_count - BUST_OUT_FINALE);
    purchase_out->amount = finale ? generate_between(rng, 700, 2500)
                                  : script->amount * (1 + 10 * ramp * ramp) * generate_between(rng, 0.6, 1.5);
    purchase_out->declined = generate_chance(rng, finale ? 0.5 - 0.06 * left : 0.01);
    purchase_out->pattern = ramp > 0.85 ? WEIR_FRAUD_BUST_OUT : WEIR_FRAUD_NONE;
    if (finale)
        return MINUTES(generate_between(rng, 4, 45));
    int64_t gap = HOURS(generate_between(rng, 8, 26));
    double hour = generate_card_hour(card, card->episode_next_us + gap);
    return hour < 8 ? gap + HOURS(8 - hour) : gap; /* 2-3 weeks in all, asleep at night */
}

/* ---- honest: lives for sale ------------------------------------------------------------------------------- */

static int64_t begin_app_burst(generate_card *card, generate_script *script)
{
    static const uint16_t GAMES[] = {5815, 5816, 0};
    script->step_count = (uint8_t)generate_count(&card->rng, 3, 7);
    script->merchant = generate_pick_selling(card->world, &card->rng, true, 0, GAMES);
    return until_hour(card, generate_between(&card->rng, 17, 24.5));
}

static int64_t step_app_burst(generate_card *card, generate_script *script, generate_purchase *purchase_out)
{
    *purchase_out = generate_online_purchase(card, script->merchant);
    purchase_out->amount = 0.99 + generate_count(&card->rng, 0, 9);
    purchase_out->declined = generate_chance(&card->rng, 0.06);
    return MINUTES(generate_between(&card->rng, 0.5, 14));
}

/* ---- honest: an afternoon in town -------------------------------------------------------------------------- */

static int64_t begin_spree(generate_card *card, generate_script *script)
{
    script->step_count = (uint8_t)generate_count(&card->rng, 3, 8);
    return until_hour(card, generate_between(&card->rng, 10, 16));
}

static int64_t step_spree(generate_card *card, generate_script *script, generate_purchase *purchase_out)
{
    (void)script;
    *purchase_out = generate_local_purchase(card, generate_pick_local(card->world, &card->rng, card->city));
    purchase_out->amount *= generate_between(&card->rng, 0.8, 3);
    purchase_out->declined = generate_chance(&card->rng, 0.03);
    return MINUTES(generate_between(&card->rng, 8, 50));
}

/* ---- honest: a new phone, and setting it up ---------------------------------------------------------------- */

static int64_t begin_new_phone(generate_card *card, generate_script *script)
{
    script->step_count = (uint8_t)generate_count(&card->rng, 2, 5);
    card->device = weir_rng_next(&card->rng);
    return until_hour(card, generate_between(&card->rng, 18, 26));
}

static int64_t step_new_phone(generate_card *card, generate_script *script, generate_purchase *purchase_out)
{
    (void)script;
    *purchase_out = generate_online_purchase(card, generate_pick_online(card->world, &card->rng));
    purchase_out->with_device = true;
    purchase_out->declined = generate_chance(&card->rng, 0.04);
    return MINUTES(generate_between(&card->rng, 4, 120));
}

/* ---- honest: declined, once more --------------------------------------------------------------------------- */

/* Begun by generate_episode_retry alone, which sets up the script. */
static int64_t begin_retry(generate_card *card, generate_script *script)
{
    (void)card, (void)script;
    return 0;
}

static int64_t step_retry(generate_card *card, generate_script *script, generate_purchase *purchase_out)
{
    bool online = generate_merchant_at(script->merchant).online;
    *purchase_out = online ? generate_online_purchase(card, script->merchant)
                           : generate_local_purchase(card, script->merchant);
    purchase_out->amount = script->amount;
    purchase_out->declined = generate_chance(&card->rng, 0.35);
    return MINUTES(generate_between(&card->rng, 0.4, 4));
}

/* ---- the table --------------------------------------------------------------------------------------------- */

enum { EPISODE_RETRY, EPISODE_COUNT = 8 };

static const episode_kind EPISODES[EPISODE_COUNT] = {
    [EPISODE_RETRY] = {WEIR_FRAUD_NONE, 0, 0, begin_retry, step_retry},
    {WEIR_FRAUD_CARD_TESTING, 0.20, 7.2, begin_card_testing, step_card_testing},
    {WEIR_FRAUD_ACCOUNT_TAKEOVER, 0.15, 8.5, begin_account_takeover, step_account_takeover},
    {WEIR_FRAUD_STOLEN_FAR, 0.19, 5, begin_stolen_far, step_stolen_far},
    {WEIR_FRAUD_BUST_OUT, 0.06, 11.5, begin_bust_out, step_bust_out},
    {WEIR_FRAUD_NONE, 2.5, 0, begin_app_burst, step_app_burst},
    {WEIR_FRAUD_NONE, 3.0, 0, begin_spree, step_spree},
    {WEIR_FRAUD_NONE, 0.6, 0, begin_new_phone, step_new_phone},
};

static double episodes_per_year(const episode_kind *kind, const generate_pace *pace)
{
    return kind->per_year * (kind->pattern == WEIR_FRAUD_NONE ? 1 : pace->fraud_scale);
}

double generate_episode_fraud_rate(void)
{
    double per_year = 0;
    for (int i = 0; i < EPISODE_COUNT; i++)
        per_year += EPISODES[i].per_year * EPISODES[i].fraud_event_count;
    return per_year / 365;
}

static double all_per_year(const generate_pace *pace)
{
    double total = 0;
    for (int i = 0; i < EPISODE_COUNT; i++)
        total += episodes_per_year(&EPISODES[i], pace);
    return total;
}

void generate_episode_schedule(generate_card *card, const generate_pace *pace, int64_t from_us)
{
    double mean_us = 365.0 * WEIR_US_PER_DAY / all_per_year(pace);
    card->in_episode = false;
    card->episode_next_us = from_us + 1 + (int64_t)generate_exponential(&card->rng, mean_us);
}

static uint8_t pick_kind(generate_card *card, const generate_pace *pace)
{
    double ticket = weir_rng_unit(&card->rng) * all_per_year(pace);
    uint8_t kind = EPISODE_COUNT - 1;
    for (uint8_t i = 0; i < EPISODE_COUNT - 1; i++) {
        ticket -= episodes_per_year(&EPISODES[i], pace);
        if (ticket < 0) {
            kind = i;
            break;
        }
    }
    return kind;
}

bool generate_episode_step(generate_card *card, const generate_pace *pace, generate_purchase *purchase_out)
{
    generate_script *script = &card->script;
    if (!card->in_episode) {
        *script = (generate_script){.kind = pick_kind(card, pace)};
        card->in_episode = true;
        card->episode_next_us += 1 + EPISODES[script->kind].begin(card, script);
        return false;
    }
    int64_t at_us = card->episode_next_us;
    card->episode_next_us += 1 + EPISODES[script->kind].step(card, script, purchase_out);
    weir_check(script->step < script->step_count && card->episode_next_us > at_us);
    script->step++;
    if (script->step == script->step_count)
        generate_episode_schedule(card, pace, at_us);
    return true;
}

void generate_episode_retry(generate_card *card, const generate_purchase *declined, int64_t at_us)
{
    if (card->in_episode || !generate_chance(&card->rng, 0.5))
        return;
    card->in_episode = true;
    card->script = (generate_script){.kind = EPISODE_RETRY,
                                     .step_count = (uint8_t)generate_count(&card->rng, 1, 3),
                                     .merchant = declined->merchant,
                                     .amount = declined->amount};
    card->episode_next_us = at_us + 1 + MINUTES(generate_between(&card->rng, 0.3, 3));
}
