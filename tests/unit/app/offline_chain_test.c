/* A chain of stages with labels, over a file, against the definition: every entity's events in a plain array, every
 * label in its turn, every feature by a scan (feature_oracle.h), the score by a sum. */
#include "rig.h"

#include "core/plan_internal.h"
#include "support/feature_oracle.h"
#include "weir/app/offline.h"
#include "weir/base/rng.h"

#include <math.h>
#include <string.h>

enum { EVENTS = 900, LABELS = 300, CARDS = 15, TERMINALS = 6, MERCHANTS = 4, FEATURE_MAX = 16, STAGES_MAX = 3 };

/* ---- a stream ---- */

typedef struct label_plan {
    uint64_t number, card;
    int64_t event_time_us, label_time_us; /* event_time_us INT64_MIN: not said */
    weir_label_verdict verdict;
} label_plan;

typedef struct stream {
    rig_fields events[EVENTS];
    uint8_t bytes[EVENTS][RIG_PAYLOAD_MAX];
    weir_span messages[EVENTS];
    label_plan labels[LABELS];
    size_t next_label;
} stream;

static rig_fields draw_event(weir_rng *rng, uint64_t number, int64_t *now_us)
{
    if (weir_rng_below(rng, 4)) /* else it is a tie */
        *now_us += (int64_t)weir_rng_below(rng, (uint64_t)WEIR_US_PER_HOUR);
    int64_t late_us = weir_rng_below(rng, 5) ? 0 : (int64_t)weir_rng_below(rng, (uint64_t)(2 * WEIR_US_PER_DAY));
    return (rig_fields){.number = number,
                        .card = weir_rng_below(rng, CARDS),
                        .merchant = weir_rng_below(rng, MERCHANTS + 1), /* 0: none */
                        .terminal = weir_rng_below(rng, TERMINALS + 1),
                        .event_time_us = *now_us - late_us,
                        .amount_minor = 100 + (int64_t)weir_rng_below(rng, 60000)};
}

/* Of some event, now and then one labelled before, and not quite in the order of label times. */
static label_plan draw_label(weir_rng *rng, const stream *of, int64_t at_us)
{
    const rig_fields *event = &of->events[weir_rng_below(rng, weir_rng_below(rng, 3) ? EVENTS : EVENTS / 20)];
    return (label_plan){.number = event->number,
                        .card = event->card,
                        .event_time_us = weir_rng_below(rng, 3) ? event->event_time_us : INT64_MIN,
                        .label_time_us = at_us + (int64_t)weir_rng_below(rng, (uint64_t)(6 * WEIR_US_PER_HOUR)),
                        .verdict = weir_rng_below(rng, 3) ? WEIR_LABEL_FRAUD : WEIR_LABEL_CLEARED};
}

static stream *make_stream(uint64_t seed)
{
    stream *it = calloc(1, sizeof *it);
    cr_assert_not_null(it);
    weir_rng rng = {.state = seed};
    int64_t now_us = RIG_START_US;
    for (uint64_t i = 0; i < EVENTS; i++) {
        it->events[i] = draw_event(&rng, i, &now_us);
        if (i > 20 && weir_rng_below(&rng, 25) == 0)
            it->events[i] = it->events[i - weir_rng_below(&rng, 20) - 1]; /* comes again */
        it->messages[i] = rig_encode(it->bytes[i], &it->events[i]);
        if (weir_rng_below(&rng, 40) == 0)
            it->messages[i] = weir_span_text("garbage");
    }
    int64_t step_us = (now_us - RIG_START_US) / LABELS;
    for (int64_t i = 0; i < LABELS; i++) {
        it->labels[i] = draw_label(&rng, it, RIG_START_US + i * step_us);
        if (it->labels[i].event_time_us > it->labels[i].label_time_us)
            it->labels[i].event_time_us = INT64_MIN; /* a label before its event is no label */
    }
    return it;
}

static bool next_label(void *context, weir_label *label_out)
{
    static uint8_t bytes[RIG_PAYLOAD_MAX];
    static const weir_decode_limits limits = {.framing = WEIR_FRAMING_RAW};
    stream *from = context;
    if (from->next_label == LABELS)
        return false;
    const label_plan *at = &from->labels[from->next_label++];
    weir_span text = rig_label(bytes, at->number, at->card, at->event_time_us, at->label_time_us, at->verdict);
    cr_assert_eq(weir_label_decode(text, &limits, RIG_NOW_US, label_out), WEIR_ACCEPTED);
    return true;
}

/* ---- what comes of it ---- */

typedef struct outcome {
    weir_fate fate;
    double score, values[FEATURE_MAX];
} outcome;

typedef struct outcomes {
    outcome items[EVENTS];
    uint64_t labellings[WEIR_LABELLING_COUNT];
    const weir_rules *rules;
} outcomes;

static weir_status note(void *context, const weir_job *job, const weir_source *source, uint64_t number)
{
    (void)source;
    outcomes *into = context;
    outcome *at = &into->items[number];
    *at = (outcome){.fate = job->fate};
    if (job->fate != WEIR_FATE_SCORED)
        return WEIR_OK;
    at->score = job->item->score;
    weir_engine_values(into->rules->ruleset, job->item, at->values);
    return WEIR_OK;
}

/* Flushes wherever the dice fall: batches of any size. seed 0: only when one is full. */
static outcomes *run(const weir_rules *rules, stream *from, int32_t partition_count, uint64_t seed)
{
    outcomes *into = calloc(1, sizeof *into);
    cr_assert_not_null(into);
    into->rules = rules;
    from->next_label = 0;
    weir_offline_options options = {.rules = rules, .topic = "transactions", .partition_count = partition_count,
                                    .limits = {.framing = WEIR_FRAMING_RAW}, .visit = note, .context = into,
                                    .labels = next_label, .labels_context = from};
    weir_offline *offline;
    weir_error error = {0};
    weir_rng rng = {.state = seed};
    cr_assert_eq(weir_offline_open(&options, &offline, &error), WEIR_OK, "%s", error.message);
    for (uint64_t i = 0; i < EVENTS; i++) {
        cr_assert_eq(weir_offline_push(offline, from->messages[i], i, RIG_NOW_US, &error), WEIR_OK, "%s",
                     error.message);
        if (seed && weir_rng_below(&rng, 7) == 0)
            cr_assert_eq(weir_offline_flush(offline, &error), WEIR_OK, "%s", error.message);
    }
    cr_assert_eq(weir_offline_flush(offline, &error), WEIR_OK, "%s", error.message);
    weir_offline_labellings(offline, into->labellings);
    weir_offline_close(offline);
    return into;
}

/* ---- the definition ---- */

typedef struct oracle {
    const weir_rules *rules;
    size_t stage_count;
    feature_oracle entities[STAGES_MAX][CARDS + TERMINALS + MERCHANTS]; /* by stage and number */
    weir_event events[EVENTS]; /* that arrived, by the number of their transaction */
    bool arrived[EVENTS], labelled[EVENTS], fraud[EVENTS];
    uint64_t labellings[WEIR_LABELLING_COUNT];
} oracle;

/* The oracle of the event's entity in a stage, or NULL when it has none. */
static feature_oracle *entity_of(oracle *o, const rig_fields *event, size_t stage)
{
    const uint64_t numbers[STAGES_MAX] = {event->card + 1, event->terminal, event->merchant};
    return numbers[stage] ? &o->entities[stage][numbers[stage] - 1] : NULL;
}

static void apply_label(oracle *o, const stream *from, const label_plan *label)
{
    uint64_t number = label->number;
    if (!o->arrived[number]) {
        o->labellings[WEIR_LABELLING_UNKNOWN]++;
        return;
    }
    bool fraud = label->verdict == WEIR_LABEL_FRAUD;
    o->labellings[!o->labelled[number]          ? WEIR_LABELLING_FIRST
                  : o->fraud[number] == fraud ? WEIR_LABELLING_REPEATED
                                              : WEIR_LABELLING_CONTRARY]++;
    o->labelled[number] = true;
    o->fraud[number] = fraud;
    for (size_t stage = 0; stage < o->stage_count; stage++) {
        feature_oracle *entity = entity_of(o, &from->events[number], stage);
        if (entity)
            cr_assert(feature_oracle_label(entity, o->events[number].transaction, o->events[number].time_us,
                                           fraud ? label->label_time_us : INT64_MAX));
    }
}

/* One entity's feature, or a quotient of two entities'. */
static double value_of(oracle *o, const rig_fields *event, const weir_node *node)
{
    if (node->kind == WEIR_NODE_NUMERIC) {
        cr_assert_str_eq(node->function->name, "/");
        double y = value_of(o, event, node->arguments[0]) / value_of(o, event, node->arguments[1]);
        return isfinite(y) ? y : NAN;
    }
    size_t stage = 0;
    while (node->kind == WEIR_NODE_AGGREGATE && weir_plan_stage_entity(o->rules->plan, stage) != node->entity)
        stage++;
    feature_oracle *entity = entity_of(o, event, stage);
    return entity ? feature_oracle_value(entity, node, weir_plan_horizon_us(o->rules->plan)) : NAN;
}

static outcome arrive(oracle *o, const stream *from, size_t i)
{
    const rig_fields *fields = &from->events[i];
    static const weir_decode_limits limits = {.framing = WEIR_FRAMING_RAW};
    weir_transaction transaction;
    outcome out = {.fate = WEIR_FATE_DUPLICATE};
    cr_assert_eq(weir_transaction_decode(from->messages[i], &limits, RIG_NOW_US, &transaction), WEIR_ACCEPTED);
    if (o->arrived[fields->number])
        return out;
    out.fate = WEIR_FATE_SCORED;
    o->arrived[fields->number] = true;
    o->events[fields->number] = transaction.event;
    for (size_t stage = 0; stage < o->stage_count; stage++)
        if (entity_of(o, fields, stage))
            feature_oracle_arrive(entity_of(o, fields, stage), &transaction.event,
                                  weir_plan_horizon_us(o->rules->plan));
    const weir_model *model = weir_ruleset_model(o->rules->ruleset, 0);
    double logit = model->bias;
    for (size_t f = 0; f < model->feature_count; f++) {
        const weir_node *root = o->rules->plan->roots[weir_plan_feature_index(o->rules->plan, model->feature_names[f])];
        out.values[f] = value_of(o, fields, root);
        logit += model->weights[f] * (isnan(out.values[f]) ? model->imputes[f] : out.values[f]);
    }
    out.score = 1 / (1 + exp(-logit));
    for (size_t stage = 0; stage < o->stage_count; stage++)
        if (entity_of(o, fields, stage))
            feature_oracle_settle(entity_of(o, fields, stage), weir_plan_horizon_us(o->rules->plan));
    return out;
}

static bool is_close(double a, double b)
{
    return isnan(a) || isnan(b) ? isnan(a) && isnan(b) : fabs(a - b) <= 1e-9 * (1 + fabs(b));
}

static void check(const weir_rules *rules, size_t stage_count, const stream *from, const outcomes *got)
{
    oracle *o = calloc(1, sizeof *o);
    cr_assert_not_null(o);
    o->rules = rules;
    o->stage_count = stage_count;
    const weir_model *model = weir_ruleset_model(rules->ruleset, 0);
    size_t fates[WEIR_FATE_COUNT] = {0}, next = 0, known_fraud = 0;
    for (size_t i = 0; i < EVENTS; i++) {
        outcome wanted = {.fate = WEIR_FATE_REJECTED};
        if (!weir_span_is(from->messages[i], "garbage")) {
            while (next < LABELS && from->labels[next].label_time_us <= from->events[i].event_time_us)
                apply_label(o, from, &from->labels[next++]);
            wanted = arrive(o, from, i);
        }
        cr_assert_eq(got->items[i].fate, wanted.fate, "event %zu", i);
        fates[wanted.fate]++;
        if (wanted.fate != WEIR_FATE_SCORED)
            continue;
        for (size_t f = 0; f < model->feature_count; f++) {
            cr_assert(is_close(got->items[i].values[f], wanted.values[f]), "event %zu: %s is %.17g, expected %.17g", i,
                      model->feature_names[f], got->items[i].values[f], wanted.values[f]);
            known_fraud += strstr(model->feature_names[f], "terminal.rate(fraud") && wanted.values[f] > 0;
        }
        cr_assert_float_eq(got->items[i].score, wanted.score, 1e-9, "event %zu", i);
    }
    for (int labelling = 0; labelling < WEIR_LABELLING_COUNT; labelling++) {
        cr_expect_eq(got->labellings[labelling], o->labellings[labelling], "labelling %d", labelling);
        cr_expect_gt(o->labellings[labelling], 5, "labelling %d occurred", labelling);
    }
    for (int fate = 0; fate < WEIR_FATE_KNOWN; fate++)
        cr_expect_gt(fates[fate], 5, "fate %d occurred", fate);
    cr_expect(stage_count == 1 || known_fraud > 50, "%zu events knew of fraud at their terminal", known_fraud);
    for (size_t stage = 0; stage < stage_count; stage++)
        for (size_t i = 0; i < CARDS + TERMINALS + MERCHANTS; i++)
            feature_oracle_free(&o->entities[stage][i]);
    free(o);
}

static void equals_the_definition(size_t stage_count)
{
    weir_rules rules;
    rig_open_chain(&rules, stage_count);
    for (uint64_t seed = 1; seed < 5; seed++) {
        stream *from = make_stream(seed);
        outcomes *got = run(&rules, from, 3, seed);
        check(&rules, stage_count, from, got);
        free(got);
        free(from);
    }
    weir_rules_close(&rules);
}

Test(offline_chain, one_stage_with_labels_equals_the_definition)
{
    equals_the_definition(1);
}

Test(offline_chain, two_stages_with_labels_equal_the_definition)
{
    equals_the_definition(2);
}

Test(offline_chain, three_stages_with_labels_equal_the_definition)
{
    equals_the_definition(3);
}

Test(offline_chain, neither_batches_nor_partitions_change_a_bit)
{
    static const struct {
        int32_t partition_count;
        uint64_t seed;
    } WAYS[] = {{1, 0}, {1, 5}, {8, 0}, {8, 6}, {64, 7}};
    weir_rules rules;
    rig_open_chain(&rules, 3);
    stream *from = make_stream(9);
    outcomes *first = run(&rules, from, WAYS[0].partition_count, WAYS[0].seed);
    for (size_t i = 1; i < sizeof WAYS / sizeof *WAYS; i++) {
        outcomes *other = run(&rules, from, WAYS[i].partition_count, WAYS[i].seed);
        for (size_t k = 0; k < EVENTS; k++)
            cr_assert_eq(memcmp(&first->items[k], &other->items[k], sizeof first->items[k]), 0, "way %zu, event %zu",
                         i, k);
        cr_expect_eq(memcmp(first->labellings, other->labellings, sizeof first->labellings), 0);
        free(other);
    }
    free(first);
    free(from);
    weir_rules_close(&rules);
}
