#include "weir/core/model.h"

#include "weir/base/check.h"

#include <math.h>

static double counted_value(const weir_model *model, const double *values, size_t i)
{
    return weir_model_is_missing(values[i]) ? model->imputes[i] : values[i];
}

double weir_model_logit(const weir_model *model, const double *values)
{
    double logit = model->bias;
    for (size_t i = 0; i < model->feature_count; i++)
        logit += model->weights[i] * counted_value(model, values, i);
    return logit;
}

/* The branch keeps exp's argument negative: no overflow, and full precision where scores are small. */
static double link_logistic(double logit)
{
    if (logit >= 0)
        return 1 / (1 + exp(-logit));
    double odds = exp(logit);
    return odds / (1 + odds);
}

static double link_identity(double logit)
{
    return logit;
}

static double (*const LINKS[WEIR_LINK_COUNT])(double) = {
    [WEIR_LINK_LOGISTIC] = link_logistic,
    [WEIR_LINK_IDENTITY] = link_identity,
};

double weir_model_score(const weir_model *model, double logit)
{
    weir_check((unsigned)model->link < WEIR_LINK_COUNT);
    weir_check(!isnan(logit));
    double score = LINKS[model->link](logit);
    if (score < model->clip_low)
        return model->clip_low;
    return score > model->clip_high ? model->clip_high : score;
}

int32_t weir_model_threshold(const weir_model *model, double score)
{
    int32_t passed = -1;
    while ((size_t)(passed + 1) < model->threshold_count && score >= model->thresholds[passed + 1].score)
        passed++;
    return passed;
}

/* Keeps the list sorted by contribution, largest first; an equal contribution stays behind the earlier feature. */
static size_t insert_reason(weir_reason *reasons, size_t count, weir_reason fresh)
{
    size_t at = count;
    while (at > 0 && reasons[at - 1].contribution < fresh.contribution)
        at--;
    if (at == WEIR_REASON_MAX)
        return count;
    size_t kept = count < WEIR_REASON_MAX ? count : WEIR_REASON_MAX - 1;
    for (size_t i = kept; i > at; i--)
        reasons[i] = reasons[i - 1];
    reasons[at] = fresh;
    return kept + 1;
}

size_t weir_model_reasons(const weir_model *model, const double *values, weir_reason reasons_out[WEIR_REASON_MAX])
{
    size_t count = 0;
    for (size_t i = 0; i < model->feature_count; i++) {
        double value = counted_value(model, values, i);
        double contribution = model->weights[i] * (value - model->means[i]);
        if (contribution > 0)
            count = insert_reason(reasons_out, count, (weir_reason){i, value, contribution});
    }
    weir_check(count <= WEIR_REASON_MAX);
    return count;
}
