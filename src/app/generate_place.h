/* Compromised places: fraud that sits at terminals and merchants, not at cards.
 *
 * Somebody has put a skimmer on a cash machine, or stolen the cards an online shop keeps on file. For days to weeks a
 * large share of what looks like ordinary purchases there, on many cards, is fraud. No single card shows it: the
 * amounts, shops and hours are its owner's own. What gives the place away is what is learned of it later.
 */
#ifndef WEIR_APP_GENERATE_PLACE_H
#define WEIR_APP_GENERATE_PLACE_H

#include "app/generate_card.h"

/* How many places are compromised. None is stored: each is a function of the seed, the place and the time. */
typedef struct generate_places {
    uint64_t seed;
    double terminal_chance, merchant_chance; /* of a busy place, each GENERATE_PLACE_CYCLE_DAYS */
} generate_places;

enum { GENERATE_PLACE_CYCLE_DAYS = 60 };

/* Places so that `fraud_share` of all transactions (about) is fraud of theirs. *given_out is the share they can give:
 * less than was asked for when that would compromise every busy place all the time. */
generate_places generate_places_for(uint64_t seed, double fraud_share, double *given_out);

/* What an honest purchase made now turns out to be: WEIR_FRAUD_COMPROMISED_TERMINAL, WEIR_FRAUD_COMPROMISED_MERCHANT,
 * or WEIR_FRAUD_NONE when the place is sound or this one was the cardholder's after all. */
weir_fraud_pattern generate_place_pattern(const generate_places *places, generate_card *card,
                                          const generate_purchase *purchase, int64_t at_us);

#endif
