#include "cli/demo_reasons.h"

#include <ctype.h>
#include <math.h>
#include <string.h>

/* Whether the feature's text has `entity.` in it, as a word of its own: missing(terminal.count(7d), 0). */
static bool asks(const char *feature, const char *entity)
{
    size_t size = strlen(entity);
    for (const char *at = strstr(feature, entity); at; at = strstr(at + 1, entity)) {
        bool begins = at == feature || (!isalnum((unsigned char)at[-1]) && at[-1] != '_');
        if (begins && at[size] == '.')
            return true;
    }
    return false;
}

/* The last stage the feature asks: without that one it cannot be computed. */
static uint8_t stage_of(const char *feature, const weir_conf_list *stages)
{
    uint8_t stage = 0;
    for (size_t i = 1; i < stages->count && i < DEMO_STAGE_MAX; i++)
        if (asks(feature, stages->items[i]))
            stage = (uint8_t)i;
    return stage;
}

float demo_logit(double score)
{
    const double tiny = 1e-9; /* so that 0 and 1 stay finite */
    double p = score < tiny ? tiny : score > 1 - tiny ? 1 - tiny : score;
    return (float)log(p / (1 - p));
}

demo_reasons demo_reasons_of(const Weir__V1__Alert *alert, const weir_conf_list *stages)
{
    demo_reasons found = {0};
    for (size_t stage = 0; stage < DEMO_STAGE_MAX; stage++)
        found.logit_without[stage] = demo_logit(alert->score);
    for (size_t i = 0; i < alert->n_reasons; i++) {
        uint8_t stage = stage_of(alert->reasons[i]->feature, stages);
        found.logit_without[stage] -= (float)alert->reasons[i]->contribution;
        if (i == 0)
            found.top = stage;
    }
    return found;
}
