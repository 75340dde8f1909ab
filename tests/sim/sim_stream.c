#include "sim/sim_stream.h"

#include "weir/app/offline.h"
#include "weir/base/check.h"
#include "weir/base/hash.h"
#include "weir/base/units.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CARDS = 40, PLACES = 9, PAYLOAD_MAX = 512, RECENT = 16 };

static const weir_decode_limits LIMITS = {.framing = WEIR_FRAMING_RAW};

int64_t sim_now_us = 1;

int64_t sim_wall_us(void)
{
    return INT64_C(1800000000) * WEIR_US_PER_SECOND + sim_now_us;
}

typedef struct bytes {
    uint8_t base[PAYLOAD_MAX];
    size_t size;
} bytes;

typedef struct dated_label {
    int64_t time_us;
    int32_t partition;
    bytes it;
} dated_label;

typedef struct filling {
    const sim_stream *stream;
    weir_rng *rng;
    sim_cluster *cluster;
    bytes recent[RECENT];
    int32_t *partitions; /* of each transaction, in the order of the stream */
    dated_label *labels;
    size_t label_count, label_next;
} filling;

static weir_span span_of(const bytes *it)
{
    return weir_span_of(it->base, it->size);
}

/* ---- transactions ---- */

static int32_t partition_of(weir_span token)
{
    return weir_hash_partition(token, SIM_PARTITIONS);
}

/* Whether a partition has transactions at this point of the stream. */
static bool is_open(const sim_stream *stream, int32_t partition, uint64_t number)
{
    if (stream->quirk == SIM_EMPTY_PARTITION)
        return partition != SIM_PARTITIONS - 1;
    return stream->quirk != SIM_EARLY_END || partition != SIM_PARTITIONS - 2 || number < stream->event_count / 3;
}

static void choose_card(filling *it, uint64_t number, char token_out[32])
{
    do
        snprintf(token_out, 32, "card-%" PRIu64, weir_rng_below(it->rng, CARDS));
    while (!is_open(it->stream, partition_of(weir_span_text(token_out)), number));
}

static int64_t event_time(filling *it, uint64_t number)
{
    int64_t base_us = INT64_C(1700000000) * WEIR_US_PER_SECOND;
    int64_t late_us =
        weir_rng_below(it->rng, 10) == 0 ? (int64_t)weir_rng_below(it->rng, (uint64_t)it->stream->late_us_max) : 0;
    return base_us + (int64_t)number * (it->stream->step_us + 1) - late_us; /* + 1: no two at the same time */
}

static void add_label(filling *it, const weir_transaction_fields *transaction, int64_t delay_us,
                      weir_label_verdict verdict)
{
    dated_label *made = &it->labels[it->label_count++];
    weir_label label = {.transaction_id = transaction->transaction_id,
                        .card_token = transaction->card_token,
                        .label_time_us = transaction->event_time_us + delay_us,
                        .event_time_us = transaction->event_time_us,
                        .verdict = verdict};
    if (weir_rng_below(it->rng, 4) == 0)
        label.event_time_us = INT64_MIN; /* its sender did not say */
    weir_writer writer = weir_writer_of(made->it.base, PAYLOAD_MAX);
    weir_label_encode(&label, &writer);
    weir_check(!writer.failed);
    made->it.size = writer.used;
    made->time_us = label.label_time_us;
    made->partition = partition_of(transaction->card_token);
}

/* A tenth turns out to be fraud a week later, some of it is said again, and some of what is honest is said to be. */
static void add_labels(filling *it, const weir_transaction_fields *transaction)
{
    int64_t delay_us = 7 * WEIR_US_PER_DAY + (int64_t)weir_rng_below(it->rng, WEIR_US_PER_DAY / 2);
    uint64_t dice = weir_rng_below(it->rng, 100);
    if (!it->cluster->shape.has_labels || dice >= 14)
        return;
    add_label(it, transaction, delay_us, dice < 10 ? WEIR_LABEL_FRAUD : WEIR_LABEL_CLEARED);
    if (dice < 2)
        add_label(it, transaction, delay_us + WEIR_US_PER_DAY, WEIR_LABEL_FRAUD);
}

static void make_transaction(filling *it, uint64_t number, bytes *made)
{
    char id[32], token[32], merchant[32], terminal[32];
    choose_card(it, number, token);
    snprintf(id, sizeof id, "t-%" PRIu64, number);
    snprintf(merchant, sizeof merchant, "m-%" PRIu64, weir_rng_below(it->rng, PLACES));
    snprintf(terminal, sizeof terminal, "p-%" PRIu64, weir_rng_below(it->rng, PLACES));
    weir_transaction_fields fields = {
        .transaction_id = weir_span_text(id),
        .card_token = weir_span_text(token),
        .currency = weir_span_text("EUR"),
        .merchant_id = weir_span_text(merchant),
        .terminal_id = weir_span_text(weir_rng_below(it->rng, 12) == 0 ? "" : terminal),
        .event_time_us = event_time(it, number),
        .amount_minor = 100 + (int64_t)weir_rng_below(it->rng, 40000),
    };
    weir_writer writer = weir_writer_of(made->base, PAYLOAD_MAX);
    weir_transaction_encode(&fields, &writer);
    weir_check(!writer.failed);
    made->size = writer.used;
    add_labels(it, &fields);
}

/* One more transaction, or an earlier one again, or garbage, which goes to partition 0 as the offline engine deals
 * it. */
static void add_transaction(filling *it, uint64_t number)
{
    bytes *slot = &it->recent[number % RECENT], made;
    if (weir_rng_below(it->rng, 20) > 0 || slot->size == 0)
        make_transaction(it, number, slot);
    made = *slot;
    int32_t partition = 0;
    if (weir_rng_below(it->rng, 50) == 0) {
        made.size = 1 + weir_rng_below(it->rng, 30);
        memset(made.base, 0xff, made.size);
        slot->size = 0; /* it is not to come as a redelivery of what was never there */
    } else {
        weir_transaction transaction;
        weir_check(weir_transaction_decode(span_of(&made), &LIMITS, sim_wall_us(), &transaction) == WEIR_ACCEPTED);
        partition = partition_of(transaction.card_token);
    }
    it->partitions[number] = partition;
    sim_log_add(&it->cluster->lanes[partition].log, span_of(&made), "");
}

/* ---- labels ---- */

static int by_time(const void *a, const void *b)
{
    int64_t left = ((const dated_label *)a)->time_us, right = ((const dated_label *)b)->time_us;
    return (left > right) - (left < right);
}

static void send_labels(filling *it)
{
    if (!it->cluster->shape.has_labels)
        return;
    sim_lane *lanes = &it->cluster->lanes[weir_shape_staged_count(&it->cluster->shape)];
    qsort(it->labels, it->label_count, sizeof *it->labels, by_time);
    for (size_t i = 0; i < it->label_count; i++) {
        if (weir_rng_below(it->rng, 40) == 0)
            sim_log_add(&lanes[weir_rng_below(it->rng, SIM_PARTITIONS)].log, weir_span_text("\xff no label"), "");
        sim_log_add(&lanes[it->labels[i].partition].log, span_of(&it->labels[i].it), "");
    }
}

static bool next_label(void *context, weir_label *label_out)
{
    filling *it = context;
    if (it->label_next == it->label_count)
        return false;
    weir_check(weir_label_decode(span_of(&it->labels[it->label_next++].it), &LIMITS, sim_wall_us(), label_out) ==
               WEIR_ACCEPTED);
    return true;
}

/* ---- what should come out ---- */

static void want(sim_wanted_list *list, int64_t offset, weir_span message)
{
    if (list->count == list->size) {
        list->size = list->size ? 2 * list->size : 64;
        list->items = realloc(list->items, list->size * sizeof *list->items);
        weir_check(list->items);
    }
    uint8_t *copy = malloc(message.size + 1);
    weir_check(copy && (list->count == 0 || list->items[list->count - 1].offset < offset));
    memcpy(copy, message.data, message.size);
    list->items[list->count++] = (sim_wanted){.offset = offset, .payload = weir_span_of(copy, message.size)};
}

typedef struct expecting {
    sim_expected *expected;
    const weir_rules *rules;
    bool score_features;
} expecting;

static weir_status expect(void *context, const weir_job *job, const weir_source *source, uint64_t number)
{
    (void)number;
    const expecting *it = context;
    int32_t partition = source->partition;
    if (job->fate == WEIR_FATE_REJECTED)
        want(&it->expected->outputs[WEIR_OUTPUT_DEAD_LETTERS][partition], source->offset, job->payload);
    if (job->fate != WEIR_FATE_SCORED)
        return WEIR_OK;
    double values[WEIR_PLAN_FEATURE_MAX];
    uint8_t message[4096];
    weir_verdict verdict;
    weir_pipeline_verdict(it->rules->ruleset, job, values, &verdict);
    if (job->item->threshold >= 0) {
        weir_writer alert = weir_writer_of(message, sizeof message);
        weir_alert_encode(&job->transaction, &verdict, source, &alert);
        want(&it->expected->outputs[WEIR_OUTPUT_ALERTS][partition], source->offset,
             weir_span_of(message, alert.used));
    }
    weir_writer score = weir_writer_of(message, sizeof message);
    weir_score_encode(&job->transaction, &verdict, source, it->score_features, &score);
    want(&it->expected->outputs[WEIR_OUTPUT_SCORES][partition], source->offset, weir_span_of(message, score.used));
    return WEIR_OK;
}

static void work_out(filling *it, const weir_rules *rules, bool score_features, sim_expected *expected)
{
    expecting context = {.expected = expected, .rules = rules, .score_features = score_features};
    weir_offline_options options = {.rules = rules,
                                    .topic = "transactions",
                                    .partition_count = SIM_PARTITIONS,
                                    .limits = LIMITS,
                                    .visit = expect,
                                    .context = &context,
                                    .labels = it->cluster->shape.has_labels ? next_label : NULL,
                                    .labels_context = it};
    weir_offline *offline;
    weir_error error;
    size_t next[SIM_PARTITIONS] = {0};
    weir_check(weir_offline_open(&options, &offline, &error) == WEIR_OK);
    for (uint64_t number = 0; number < it->stream->event_count; number++) {
        int32_t partition = it->partitions[number];
        const sim_message *message = &it->cluster->lanes[partition].log.messages[next[partition]++];
        weir_check(weir_offline_push(offline, weir_span_of(message->payload, message->size), number, sim_wall_us(),
                                     &error) == WEIR_OK);
    }
    weir_check(weir_offline_flush(offline, &error) == WEIR_OK);
    weir_offline_close(offline);
}

void sim_stream_fill(const sim_stream *stream, const weir_rules *rules, bool score_features, weir_rng *rng,
                     sim_cluster *cluster, sim_expected *expected_out)
{
    filling it = {.stream = stream, .rng = rng, .cluster = cluster};
    it.partitions = calloc(stream->event_count, sizeof *it.partitions);
    it.labels = calloc(2 * stream->event_count, sizeof *it.labels);
    weir_check(it.partitions && it.labels);
    for (uint64_t number = 0; number < stream->event_count; number++)
        add_transaction(&it, number);
    send_labels(&it);
    *expected_out = (sim_expected){0};
    work_out(&it, rules, score_features, expected_out);
    free(it.labels);
    free(it.partitions);
}

void sim_expected_deinit(sim_expected *expected)
{
    for (int output = 0; output < SIM_TOPIC_OUTPUTS; output++)
        for (int p = 0; p < SIM_PARTITIONS; p++) {
            sim_wanted_list *list = &expected->outputs[output][p];
            for (size_t i = 0; i < list->count; i++)
                free((void *)list->items[i].payload.data);
            free(list->items);
            *list = (sim_wanted_list){0};
        }
}

/* ---- the comparison ---- */

static const char *const NAMES[SIM_TOPIC_OUTPUTS] = {"alerts", "scores", "dead letters"};

/* The offset of the transaction a message is about; -1 when it does not say. */
static int64_t source_of(int output, int32_t partition, const sim_message *message)
{
    weir_span payload = weir_span_of(message->payload, message->size);
    int32_t from = -1;
    int64_t offset = -1;
    if (output == WEIR_OUTPUT_DEAD_LETTERS)
        return strtoll(message->source_header, NULL, 10);
    bool known = output == WEIR_OUTPUT_ALERTS ? weir_alert_source(payload, &from, &offset)
                                              : weir_score_source(payload, &from, &offset);
    return known && from == partition ? offset : -1;
}

static size_t find(const sim_wanted_list *list, int64_t offset)
{
    size_t low = 0, high = list->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (list->items[middle].offset < offset)
            low = middle + 1;
        else
            high = middle;
    }
    return low < list->count && list->items[low].offset == offset ? low : list->count;
}

static bool same_log(const sim_wanted_list *want_list, const sim_log *log, int output, int32_t partition, bool ordered,
                     const char *who)
{
    uint8_t *seen = calloc(want_list->count + 1, 1);
    const char *fault = NULL;
    int64_t offset = -1;
    weir_check(seen);
    for (size_t i = 0; i < log->count && !fault; i++) {
        const sim_message *have = &log->messages[i];
        offset = source_of(output, partition, have);
        size_t at = find(want_list, offset);
        if (at == want_list->count)
            fault = "was not to be";
        else if (seen[at]++)
            fault = "is there twice";
        else if (ordered && at != i)
            fault = "is out of order";
        else if (!weir_span_equal(want_list->items[at].payload, weir_span_of(have->payload, have->size)))
            fault = "says something else";
    }
    for (size_t at = 0; at < want_list->count && !fault; at++)
        if (!seen[at]) {
            fault = "is missing";
            offset = want_list->items[at].offset;
        }
    if (fault)
        printf("%s: %s[%" PRId32 "]: that of offset %" PRId64 " %s (%zu wanted, %zu found)\n", who, NAMES[output],
               partition, offset, fault, want_list->count, log->count);
    free(seen);
    return !fault;
}

bool sim_expected_met(const sim_expected *expected, const sim_cluster *cluster, const char *who)
{
    for (int output = 0; output < SIM_TOPIC_OUTPUTS; output++)
        for (int32_t p = 0; p < SIM_PARTITIONS; p++) {
            bool ordered = cluster->shape.stage_count == 1 || output == WEIR_OUTPUT_DEAD_LETTERS;
            if (!same_log(&expected->outputs[output][p], &cluster->outputs[output][p], output, p, ordered, who))
                return false;
        }
    return true;
}
