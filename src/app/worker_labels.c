#include "worker_internal.h"

#include "weir/base/check.h"
#include "weir/base/units.h"
#include "weir/log/log.h"

#include <inttypes.h>

/* How often labels that wait for an event are tried again while none comes. */
#define RETRY_US (2 * WEIR_US_PER_MS)

static bool is_counted(const weir_partition *partition)
{
    return weir_partition_phase(partition) != WEIR_PHASE_REPLAYING;
}

/* ---- taking in ---- */

static void reject_label(weir_worker *worker, const weir_partition *partition, const weir_record *record,
                         weir_reject reject, const char *field)
{
    weir_metrics_add_slot(worker->metrics, WEIR_METRIC_LABELS, worker->label_slots[WEIR_LABEL_REJECTED], 1);
    weir_log(WEIR_LOG_WARN, "label_rejected", weir_log_int("partition", partition->number),
             weir_log_int("offset", record->offset), weir_log_text("reason", weir_reject_code(reject)),
             weir_log_text("field", field ? field : ""));
}

static void hold_label_lane(weir_worker *worker, weir_partition *partition)
{
    bool full = partition->labels.count > WEIR_LABEL_INBOX_FULL;
    if (full != partition->label_lane_held)
        worker->options.port->ops->hold(worker->options.port, partition->label_lane, full);
    partition->label_lane_held = full;
}

/* The label is left for later: what may count on labels ends before it. */
static void put_off(weir_partition *partition, const weir_label *label)
{
    if (label->label_time_us < partition->labels_next_us)
        partition->labels_next_us = label->label_time_us;
}

void weir_worker_take_labels(weir_worker *worker, weir_partition *partition, const weir_record *records, size_t count)
{
    weir_label_inbox *inbox = &partition->labels;
    for (size_t i = 0; i < count && !weir_worker_failed(worker); i++) {
        const weir_record *record = &records[i];
        weir_label label;
        if (record->offset < inbox->fetched_next)
            continue;
        weir_reject reject =
            weir_label_decode(record->payload, &worker->options.limits, worker->received_wall_us, &label);
        if (reject != WEIR_ACCEPTED) {
            reject_label(worker, partition, record, reject, label.reject_field);
            weir_label_inbox_pass(inbox, record->offset);
        } else if (weir_label_inbox_put(inbox, &label, record->offset) != WEIR_OK) {
            weir_worker_fail(worker, WEIR_FULL, "partition %" PRId32 ": no memory for labels", partition->number);
        } else {
            put_off(partition, &label);
            partition->labels_newest_us = label.label_time_us;
        }
    }
    hold_label_lane(worker, partition);
}

bool weir_worker_labels_ready(weir_worker *worker, weir_partition *partition)
{
    weir_port *port = worker->options.port;
    if (partition->label_lane < 0)
        return true;
    if (partition->labels.count > 0 ||
        port->ops->lag(port, partition->label_lane, partition->labels.fetched_next) == 0) {
        partition->labels_asked_us = 0;
        return true;
    }
    if (partition->labels_asked_us == 0)
        partition->labels_asked_us = worker->received_us;
    return worker->received_us - partition->labels_asked_us >= worker->options.idle_us;
}

/* ---- the tally: what the model had said of labelled events ---- */

static weir_metric judgement(const weir_event *event, bool fraud)
{
    bool alerted = event->flags & WEIR_EVENT_ALERTED;
    if (fraud)
        return alerted ? WEIR_METRIC_TRUE_POSITIVES : WEIR_METRIC_FALSE_NEGATIVES;
    return alerted ? WEIR_METRIC_FALSE_POSITIVES : WEIR_METRIC_TRUE_NEGATIVES;
}

/* The last stage scores, and so knows. The last word on an event replaces the one before. */
static void judge(weir_worker *worker, const weir_partition *partition, weir_labelling labelling,
                  const weir_event *event, bool fraud)
{
    if (!is_counted(partition) || labelling == WEIR_LABELLING_UNKNOWN || labelling == WEIR_LABELLING_REPEATED)
        return;
    int64_t *before = &worker->judged[!fraud][(event->flags & WEIR_EVENT_ALERTED) != 0];
    worker->judged[fraud][(event->flags & WEIR_EVENT_ALERTED) != 0]++;
    weir_metrics_adjust(worker->metrics, judgement(event, fraud), 1);
    if (labelling == WEIR_LABELLING_CONTRARY && *before > 0) { /* else it was an earlier process that counted it */
        (*before)--;
        weir_metrics_adjust(worker->metrics, judgement(event, !fraud), -1);
    }
}

/* ---- applying ---- */

static weir_label_outcome outcome_of(const weir_worker *worker, const weir_partition *partition,
                                     const weir_label *label, weir_labelling labelling)
{
    int64_t horizon_us = weir_plan_horizon_us(weir_ruleset_plan(worker->ruleset));
    bool forgotten = label->event_time_us != INT64_MIN && partition->event_clock_us != INT64_MIN &&
                     label->event_time_us <= partition->event_clock_us - horizon_us;
    return labelling == WEIR_LABELLING_UNKNOWN && forgotten ? WEIR_LABEL_ORPHANED : (weir_label_outcome)labelling;
}

static void count_label(weir_worker *worker, const weir_partition *partition, const weir_label *label,
                        weir_labelling labelling)
{
    if (!is_counted(partition))
        return;
    weir_metrics_add_slot(worker->metrics, WEIR_METRIC_LABELS,
                          worker->label_slots[outcome_of(worker, partition, label, labelling)], 1);
    if (labelling != WEIR_LABELLING_UNKNOWN && label->label_time_us < partition->event_clock_us)
        weir_metrics_add(worker->metrics, WEIR_METRIC_LATE_LABELS, 1);
}

/* Sends a label to the next stage, behind the events before it. Alone, it is noted just below the position, so that a
 * checkpoint from here on, which has the label behind it, waits for its acknowledgement. */
static void send_onward(weir_worker *worker, weir_partition *partition, const weir_hop_label *label, int64_t sequence)
{
    weir_hop_entry entry = {.kind = WEIR_HOP_LABEL, .sequence = sequence, .label = *label};
    weir_entity_kind next = weir_plan_stage_entity(weir_ruleset_plan(worker->ruleset), partition->stage + 1);
    weir_hops_begin(partition->hops, partition->position - 1, NULL);
    weir_worker_hand_on(worker, partition, label->entities[next], label->entities[WEIR_ENTITY_CARD], &entry);
}

/* A label, as far as it can be applied: one whose event is not there is left unless this is its last chance. Returns
 * whether it is done with. */
static bool apply(weir_worker *worker, weir_partition *partition, const weir_label *label, int64_t offset,
                  bool last_chance)
{
    weir_labelling labelling;
    weir_hop_label onward;
    weir_event event;
    weir_error error;
    weir_status status = weir_pipeline_label(worker->ruleset, partition->state, weir_memory_slab(worker->memory),
                                             label, &labelling, &event, &onward, &error);
    if (status != WEIR_OK) {
        weir_worker_fail(worker, status, "partition %" PRId32 ", label %" PRId64 ": %s", partition->number, offset,
                         error.message);
        return false;
    }
    if (labelling == WEIR_LABELLING_UNKNOWN && !last_chance)
        return false;
    count_label(worker, partition, label, labelling);
    if (labelling == WEIR_LABELLING_UNKNOWN)
        return true;
    if (weir_worker_is_last(worker, partition))
        judge(worker, partition, labelling, &event, label->verdict == WEIR_LABEL_FRAUD);
    else
        send_onward(worker, partition, &onward, offset);
    return !weir_worker_failed(worker);
}

/* Applies labels of up to before_us. A label is given up as unknown when its own time is at or before known_us, the
 * event time up to which everything is known: until then its event may come. Fraud may be marked ahead of its time,
 * since features look at the label's own; what is cleared is cleared at once, and so not before. One that has to
 * wait does not hold up those behind it, as far as the stages that get them can tell what they have seen (seen.h). */
static void settle(weir_worker *worker, weir_partition *partition, int64_t before_us, int64_t known_us)
{
    weir_label_inbox *inbox = &partition->labels;
    int64_t ahead_us, offset, oldest = 0;
    if (partition->label_lane < 0)
        return;
    if (__builtin_add_overflow(before_us, worker->options.drift_us_max, &ahead_us))
        ahead_us = INT64_MAX;
    partition->labels_next_us = INT64_MAX;
    for (uint32_t place = 0; place < inbox->count && !weir_worker_failed(worker); place++) {
        const weir_label *label = weir_label_inbox_at(inbox, place, &offset);
        oldest = place == 0 ? offset : oldest;
        if (!label)
            continue;
        bool within = label->label_time_us <= ahead_us && offset - oldest < WEIR_SEEN_WINDOW;
        bool due = label->label_time_us <= before_us;
        bool last_chance = label->label_time_us <= known_us;
        if (!within || (!due && label->verdict != WEIR_LABEL_FRAUD))
            put_off(partition, label);
        else if (apply(worker, partition, label, offset, last_chance))
            weir_label_inbox_done(inbox, place);
        if (!within)
            break;
    }
    weir_label_inbox_drop(inbox);
    hold_label_lane(worker, partition);
}

void weir_worker_settle_labels(weir_worker *worker, weir_partition *partition, int64_t before_us)
{
    settle(worker, partition, before_us, before_us);
}

void weir_worker_settle_idle(weir_worker *worker, weir_partition *partition)
{
    weir_port *port = worker->options.port;
    if (partition->label_lane < 0 || partition->labels.count == 0 ||
        worker->received_us - partition->labels_tried_us < RETRY_US)
        return;
    partition->labels_tried_us = worker->received_us;
    bool ended = port->ops->lag(port, partition->lane, partition->position) == 0;
    int64_t clock_us = weir_partition_newest_us(partition);
    settle(worker, partition, ended ? worker->received_wall_us : clock_us, clock_us);
    if (!weir_worker_failed(worker))
        weir_worker_settle(worker, partition);
}

void weir_worker_label_onward(weir_worker *worker, weir_partition *partition, const weir_hop_label *label,
                              int64_t sequence)
{
    weir_labelling labelling;
    weir_event event;
    weir_error error;
    weir_status status =
        weir_pipeline_label_onward(worker->ruleset, partition->stage, partition->state,
                                   weir_memory_slab(worker->memory), label, &labelling, &event, &error);
    if (status != WEIR_OK)
        weir_worker_fail(worker, status, "partition %" PRId32 " of %s: %s", partition->number,
                         weir_worker_topic(worker, partition), error.message);
    else if (weir_worker_is_last(worker, partition))
        judge(worker, partition, labelling, &event, label->label_time_us != INT64_MAX);
    else
        send_onward(worker, partition, label, sequence);
}
