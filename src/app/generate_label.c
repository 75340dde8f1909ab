#include "app/generate_label.h"

#include "weir/base/check.h"
#include "weir/base/units.h"
#include "weir/codec/label.h"

#include <math.h>

/* Why something becomes known, and how long that takes: log-normal, within bounds. */
typedef struct label_cause {
    weir_label_verdict verdict;
    const char *source;
    float days_median, days_spread /* sigma of the logarithm */, days_min, days_max;
} label_cause;

/* The rows of fraud are those of the patterns. */
enum {
    CAUSE_INVESTIGATED = WEIR_FRAUD_COUNT, /* it looked odd, and was not */
    CAUSE_DISPUTED,                        /* the cardholder does not recognise it, */
    CAUSE_WITHDRAWN,                       /* and then does */
    CAUSE_COUNT
};

/* A card used up is noticed by its owner, half of it within three days. A place is found out by chargebacks. */
static const label_cause CAUSES[CAUSE_COUNT] = {
    [WEIR_FRAUD_CARD_TESTING] = {WEIR_LABEL_FRAUD, "cardholder", 3, 1, 0.01f, 90},
    [WEIR_FRAUD_ACCOUNT_TAKEOVER] = {WEIR_LABEL_FRAUD, "cardholder", 3, 1, 0.01f, 90},
    [WEIR_FRAUD_STOLEN_FAR] = {WEIR_LABEL_FRAUD, "cardholder", 3, 1, 0.01f, 90},
    [WEIR_FRAUD_BUST_OUT] = {WEIR_LABEL_FRAUD, "collections", 3, 1, 0.01f, 90},
    [WEIR_FRAUD_COMPROMISED_TERMINAL] = {WEIR_LABEL_FRAUD, "chargeback", 3.5f, 0.6f, 1, 10},
    [WEIR_FRAUD_COMPROMISED_MERCHANT] = {WEIR_LABEL_FRAUD, "chargeback", 4, 0.6f, 1, 14},
    [CAUSE_INVESTIGATED] = {WEIR_LABEL_CLEARED, "fraud desk", 0.3f, 1, 0.02f, 4},
    [CAUSE_DISPUTED] = {WEIR_LABEL_FRAUD, "dispute", 3, 0.6f, 0.5f, 10},
    [CAUSE_WITHDRAWN] = {WEIR_LABEL_CLEARED, "dispute withdrawn", 5, 0.6f, 1, 20},
};

/* Of honest transactions that look odd, those somebody looks into, and of these, those disputed first. */
static const double INVESTIGATED_SHARE = 0.12, DISPUTED_SHARE = 0.08;
enum { ODD_AMOUNT_MIN = 250 };

size_t generate_labels_capacity(double events_per_day, double fraud_share)
{
    enum { DAYS_PENDING = 6, CLEARED_PER_THOUSAND = 10, MARGIN = 3, SMALL = 4096 };
    double labelled_share = fraud_share + CLEARED_PER_THOUSAND / 1e3;
    return SMALL + (size_t)(MARGIN * events_per_day * labelled_share * DAYS_PENDING);
}

/* ---- the heap ---------------------------------------------------------------------------------------------- */

static bool is_before(const generate_label *a, const generate_label *b)
{
    return a->label_time_us != b->label_time_us ? a->label_time_us < b->label_time_us : a->sequence < b->sequence;
}

static void push(generate_labels *labels, generate_label label)
{
    weir_check(labels->count < labels->capacity);
    size_t at = labels->count++;
    for (; at > 0 && is_before(&label, &labels->items[(at - 1) / 2]); at = (at - 1) / 2)
        labels->items[at] = labels->items[(at - 1) / 2];
    labels->items[at] = label;
}

static void sift_down(generate_labels *labels, generate_label moved)
{
    size_t at = 0;
    for (size_t child = 1; child < labels->count; child = 2 * at + 1) {
        if (child + 1 < labels->count && is_before(&labels->items[child + 1], &labels->items[child]))
            child++;
        if (!is_before(&labels->items[child], &moved))
            break;
        labels->items[at] = labels->items[child];
        at = child;
    }
    labels->items[at] = moved;
}

bool generate_labels_take(generate_labels *labels, int64_t until_us, generate_label *label_out)
{
    if (labels->count == 0 || labels->items[0].label_time_us > until_us)
        return false;
    *label_out = labels->items[0];
    labels->count--;
    if (labels->count > 0)
        sift_down(labels, labels->items[labels->count]);
    return true;
}

/* ---- what becomes known ------------------------------------------------------------------------------------ */

static int64_t delay_us(weir_rng *rng, const label_cause *cause)
{
    double days = cause->days_median * exp(cause->days_spread * generate_normal(rng));
    double bounded = days < cause->days_min ? cause->days_min : days > cause->days_max ? cause->days_max : days;
    return (int64_t)(bounded * WEIR_US_PER_DAY);
}

/* Large, or in another country than usual: what a rule at the bank would stop at. */
static bool looks_odd(const generate_card *card, const generate_purchase *purchase)
{
    generate_merchant merchant = generate_merchant_at(purchase->merchant);
    const char *home = generate_city_at(card->home)->country, *here = generate_city_at(merchant.city)->country;
    bool is_abroad = purchase->terminal && (home[0] != here[0] || home[1] != here[1]);
    return is_abroad || purchase->amount >= ODD_AMOUNT_MIN;
}

/* Row of the cause for which this transaction is first heard of; WEIR_FRAUD_NONE = never. */
static uint8_t first_cause(weir_rng *rng, const generate_card *card, const generate_purchase *purchase)
{
    if (purchase->pattern != WEIR_FRAUD_NONE)
        return (uint8_t)purchase->pattern;
    if (!looks_odd(card, purchase) || !generate_chance(rng, INVESTIGATED_SHARE))
        return WEIR_FRAUD_NONE;
    return generate_chance(rng, DISPUTED_SHARE) ? CAUSE_DISPUTED : CAUSE_INVESTIGATED;
}

static generate_label keep(generate_labels *labels, weir_rng *rng, generate_label about, uint8_t cause)
{
    about.cause = cause;
    about.verdict = (uint8_t)CAUSES[cause].verdict;
    about.label_time_us += delay_us(rng, &CAUSES[cause]);
    push(labels, about);
    return about;
}

generate_label generate_labels_add(generate_labels *labels, const generate_card *card,
                                   const generate_purchase *purchase, generate_label about)
{
    enum { LABELS_AT_MOST = 2 };
    about.label_time_us = about.event_time_us;
    weir_rng rng = {.state = generate_mix(labels->seed + about.sequence)};
    uint8_t cause = first_cause(&rng, card, purchase);
    if (cause == WEIR_FRAUD_NONE || labels->capacity - labels->count < LABELS_AT_MOST)
        return (generate_label){0};
    generate_label first = keep(labels, &rng, about, cause);
    if (cause == CAUSE_DISPUTED)
        (void)keep(labels, &rng, first, CAUSE_WITHDRAWN);
    return first;
}

const char *generate_label_source(const generate_label *label)
{
    weir_check(label->cause < CAUSE_COUNT && CAUSES[label->cause].source);
    return CAUSES[label->cause].source;
}
