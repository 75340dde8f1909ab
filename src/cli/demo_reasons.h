/* Which stage an alert is owed to: its reasons name features, and a feature names the entity it asks. */
#ifndef WEIR_CLI_DEMO_REASONS_H
#define WEIR_CLI_DEMO_REASONS_H

#include "weir/conf/conf.h"

#include "weir/v1/alert.pb-c.h"

enum { DEMO_STAGE_MAX = 4 };

/* Stages by their index in the configuration; 0 is the card, whose features have no prefix. */
typedef struct demo_reasons {
    uint8_t top; /* stage of the strongest reason */
    /* The logit less what this stage's features added to it, as far as the alert's (at most four) reasons tell. */
    float logit_without[DEMO_STAGE_MAX];
} demo_reasons;

demo_reasons demo_reasons_of(const Weir__V1__Alert *alert, const weir_conf_list *stages);

/* The logit of a probability. */
float demo_logit(double score);

#endif
