/* One synthetic card: who it belongs to, what it does next, and the episode it is in, if any.
 *
 *   ordinary life (generate_card.c)      one purchase after another, by the hour of the day and the habits of the card
 *   episodes      (generate_episode.c)   short scripts beside it: fraud, and honest things that look like it
 *
 * Each draws up a purchase; generate.c takes whichever of all cards comes first, asks generate_place.c whether the
 * place it is made at is compromised, and writes it as a transaction.
 */
#ifndef WEIR_APP_GENERATE_CARD_H
#define WEIR_APP_GENERATE_CARD_H

#include "app/generate_world.h"
#include "weir/app/generate.h"

enum { GENERATE_FAVOURITE_COUNT = 8, GENERATE_ONLINE_FAVOURITE_COUNT = 5 };

/* What is about to be bought. */
typedef struct generate_purchase {
    uint32_t merchant;
    uint32_t terminal; /* 1 .. 9, of the merchant; 0 = not in person */
    weir_channel channel;
    weir_entry entry;
    bool declined;
    bool with_device;
    uint64_t device;
    double amount; /* major units; negative for a refund */
    weir_fraud_pattern pattern;
} generate_purchase;

/* What an episode keeps between its steps. */
typedef struct generate_script {
    uint8_t kind; /* row in the table of episodes */
    uint8_t step, step_count;
    bool mild; /* the careful variant, harder to tell from honest use */
    uint16_t city;
    uint32_t merchant;
    uint64_t device;
    double amount;
} generate_script;

typedef struct generate_card {
    const generate_world *world;
    weir_rng rng;
    int64_t next_us;         /* the next ordinary purchase */
    int64_t episode_next_us; /* the next step of the episode, or the beginning of the next one */
    int64_t trip_end_us;     /* home again after this; 0 = at home */
    uint64_t device;
    float events_per_day;
    float spending;     /* added to the logarithm of every amount */
    float online_share; /* of its purchases */
    float night_shift;  /* hours its day is shifted by */
    uint16_t home, city;
    bool in_episode;
    bool goes_shopping; /* the next ordinary purchase is made in person */
    generate_script script;
    uint32_t favourites[GENERATE_FAVOURITE_COUNT];
    uint32_t online_favourites[GENERATE_ONLINE_FAVOURITE_COUNT];
} generate_card;

/* How much goes on, the same for all cards. */
typedef struct generate_pace {
    double events_per_day;
    double fraud_scale; /* times the rates in the table of episodes */
    generate_world world;
} generate_pace;

/* A card that begins its life at start_us. Borrows the pace's world. */
generate_card generate_card_of(uint64_t seed, const generate_pace *pace, int64_t start_us);

/* The ordinary purchase due at card->next_us; moves next_us on. */
generate_purchase generate_card_buy(generate_card *card);

/* The hour of the day (0 .. 24) where the card is. */
double generate_card_hour(const generate_card *card, int64_t time_us);

/* What the card would spend at the merchant, as an ordinary purchase. */
double generate_card_amount(generate_card *card, const generate_merchant *merchant);

/* A purchase without or with the card in hand, at a merchant, on the card's own device, not declined. */
generate_purchase generate_online_purchase(generate_card *card, uint32_t merchant);
generate_purchase generate_local_purchase(generate_card *card, uint32_t merchant);

/* Sets when the next episode begins. */
void generate_episode_schedule(generate_card *card, const generate_pace *pace, int64_t from_us);

/* The next step of the episode at card->episode_next_us, which it moves on; begins one when none is on.
 * False when this is only a beginning: nothing is bought yet. */
bool generate_episode_step(generate_card *card, const generate_pace *pace, generate_purchase *purchase_out);

/* A declined purchase is tried again: an episode, unless one is on. */
void generate_episode_retry(generate_card *card, const generate_purchase *declined, int64_t at_us);

/* Fraud events a card a day that the table of episodes gives at fraud_scale 1. */
double generate_episode_fraud_rate(void);

#endif
