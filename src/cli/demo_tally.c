#include "cli/demo_tally.h"

#include "weir/base/hash.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

weir_status demo_tally_open(demo_tally *tally, size_t transaction_max, weir_error *error)
{
    *tally = (demo_tally){.slot_count = 1024, .threshold_least = 1};
    while (tally->slot_count < transaction_max * 2)
        tally->slot_count *= 2;
    tally->slots = calloc(tally->slot_count, sizeof *tally->slots);
    if (!tally->slots)
        return weir_error_set(error, WEIR_FULL, "no memory to remember %zu transactions", transaction_max);
    pthread_mutex_init(&tally->lock, NULL);
    return WEIR_OK;
}

void demo_tally_close(demo_tally *tally)
{
    if (tally->slots)
        pthread_mutex_destroy(&tally->lock);
    free(tally->slots);
    tally->slots = NULL;
}

/* The transaction's slot, or the free one where it belongs. */
static demo_sent *find(demo_tally *tally, weir_span transaction_id)
{
    uint64_t hash = weir_hash(transaction_id) | 1;
    size_t at = (size_t)(hash >> 16) & (tally->slot_count - 1);
    while (tally->slots[at].id_hash != 0 && tally->slots[at].id_hash != hash)
        at = (at + 1) & (tally->slot_count - 1);
    return &tally->slots[at];
}

void demo_tally_sent(demo_tally *tally, weir_span transaction_id, weir_fraud_pattern pattern, int64_t now_us)
{
    pthread_mutex_lock(&tally->lock);
    *find(tally, transaction_id) = (demo_sent){
        .id_hash = weir_hash(transaction_id) | 1, .sent_us = now_us, .pattern = (uint8_t)pattern};
    tally->sent[pattern]++;
    pthread_mutex_unlock(&tally->lock);
}

bool demo_tally_alert(demo_tally *tally, const Weir__V1__Alert *alert, const weir_conf_list *stages, int64_t now_us,
                      weir_fraud_pattern *pattern_out, int64_t *latency_us_out)
{
    demo_reasons reasons = demo_reasons_of(alert, stages);
    pthread_mutex_lock(&tally->lock);
    demo_sent *sent = find(tally, weir_span_text(alert->transaction_id));
    if (alert->threshold < tally->threshold_least)
        tally->threshold_least = alert->threshold;
    bool first = sent->id_hash != 0 && !sent->alerted;
    tally->alerts++;
    tally->unknown += sent->id_hash == 0;
    tally->repeated += sent->alerted;
    if (first) {
        sent->alerted = true;
        sent->reasons = reasons;
        tally->alerted[sent->pattern]++;
        *pattern_out = (weir_fraud_pattern)sent->pattern;
        *latency_us_out = now_us - sent->sent_us;
        weir_histogram_record(&tally->latency_us, *latency_us_out);
    }
    pthread_mutex_unlock(&tally->lock);
    return first;
}

static double share(uint64_t part, uint64_t whole)
{
    return whole ? (double)part / (double)whole : 0;
}

/* ---- how much was caught ---- */

static void print_row(const char *name, uint64_t fraud, uint64_t caught, uint64_t false_alerts)
{
    printf("  %-22s %8" PRIu64 " %8" PRIu64 " %9.2f %9.2f\n", name, fraud, caught, share(caught, fraud),
           share(caught, caught + false_alerts));
}

static void print_patterns(const demo_tally *tally)
{
    uint64_t fraud = 0, caught = 0, false_alerts = tally->alerted[WEIR_FRAUD_NONE];
    printf("  %-22s %8s %8s %9s %9s\n", "fraud pattern", "events", "caught", "recall", "precision");
    for (int pattern = WEIR_FRAUD_NONE + 1; pattern < WEIR_FRAUD_COUNT; pattern++) {
        print_row(weir_fraud_pattern_name((weir_fraud_pattern)pattern), tally->sent[pattern], tally->alerted[pattern],
                  false_alerts);
        fraud += tally->sent[pattern];
        caught += tally->alerted[pattern];
    }
    print_row("all", fraud, caught, false_alerts);
    printf("  %" PRIu64 " alerts on honest transactions; a pattern's precision is against all of those\n",
           false_alerts);
}

/* ---- which stage caught it ---- */

/* Of the caught fraud of one pattern, by stage. */
typedef struct stage_counts {
    uint64_t top[DEMO_STAGE_MAX];    /* it gave the strongest reason */
    uint64_t needed[DEMO_STAGE_MAX]; /* without it there had been no alert */
} stage_counts;

static void count_stages(const demo_tally *tally, stage_counts counts_out[WEIR_FRAUD_COUNT])
{
    float threshold = demo_logit(tally->threshold_least);
    for (size_t i = 0; i < tally->slot_count; i++) {
        const demo_sent *sent = &tally->slots[i];
        if (!sent->alerted)
            continue;
        stage_counts *counts = &counts_out[sent->pattern];
        counts->top[sent->reasons.top]++;
        for (size_t stage = 0; stage < DEMO_STAGE_MAX; stage++)
            counts->needed[stage] += sent->reasons.logit_without[stage] < threshold;
    }
}

static void print_stage_row(const char *name, const stage_counts *counts, size_t stage_count)
{
    printf("  %-22s", name);
    for (size_t stage = 0; stage < stage_count; stage++)
        printf("  %8" PRIu64 " %6" PRIu64, counts->top[stage], counts->needed[stage]);
    printf("\n");
}

static void print_stages(const demo_tally *tally, const weir_conf_list *stages)
{
    size_t stage_count = stages->count < DEMO_STAGE_MAX ? stages->count : DEMO_STAGE_MAX;
    stage_counts counts[WEIR_FRAUD_COUNT] = {0}, all = {0};
    count_stages(tally, counts);
    printf("\n  %-22s", "caught by features of");
    for (size_t stage = 0; stage < stage_count; stage++)
        printf("  the %-11s", stages->items[stage]);
    printf("\n  %-22s", "");
    for (size_t stage = 0; stage < stage_count; stage++)
        printf("  %8s %6s", "foremost", "needed");
    printf("\n");
    for (int pattern = WEIR_FRAUD_NONE + 1; pattern < WEIR_FRAUD_COUNT; pattern++) {
        print_stage_row(weir_fraud_pattern_name((weir_fraud_pattern)pattern), &counts[pattern], stage_count);
        for (size_t stage = 0; stage < stage_count; stage++) {
            all.top[stage] += counts[pattern].top[stage];
            all.needed[stage] += counts[pattern].needed[stage];
        }
    }
    print_stage_row("all", &all, stage_count);
    printf("  foremost: the strongest reason is one of them; needed: without them there had been no alert\n");
}

void demo_tally_print(demo_tally *tally, const weir_conf_list *stages)
{
    pthread_mutex_lock(&tally->lock);
    print_patterns(tally);
    print_stages(tally, stages);
    printf("\n  transaction sent to alert read: p50 %.1f ms, p99 %.1f ms, p99.9 %.1f ms\n",
           weir_histogram_quantile(&tally->latency_us, 0.5) / 1e3,
           weir_histogram_quantile(&tally->latency_us, 0.99) / 1e3,
           weir_histogram_quantile(&tally->latency_us, 0.999) / 1e3);
    pthread_mutex_unlock(&tally->lock);
}
