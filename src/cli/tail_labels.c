/* weir tail --labels: each label as it arrives, with what weir had said of the transaction, and how it does in all. */
#include "cli/label_tally.h"
#include "cli/tail.h"

#include "weir/codec/json.h"
#include "weir/codec/label.h"
#include "weir/v1/alert.pb-c.h"

#include <inttypes.h>
#include <stdlib.h>

enum { TRANSACTION_MAX = 4000000, ALERTS_AT_ONCE = 10000 };

typedef struct follower {
    const weir_conf *conf;
    weir_tail *alerts, *labels;
    label_tally tally;
    weir_writer line;
    uint64_t label_count; /* records of the labels topic, readable or not */
    uint64_t undecodable; /* of both topics */
    bool has_forgotten;   /* and it has been said */
} follower;

static void say_undecodable(follower *it, const char *topic, const weir_record *record, const char *reason)
{
    it->undecodable++;
    fprintf(stderr, "weir tail: %s [%d] offset %" PRId64 ": %s\n", topic, record->partition, record->offset, reason);
}

static void say_when_forgetting(follower *it)
{
    if (it->has_forgotten || it->tally.forgotten == 0)
        return;
    it->has_forgotten = true;
    fprintf(stderr, "weir tail: more than %d transactions: the oldest are forgotten from here on, and a label of one "
                    "finds no alert\n", TRANSACTION_MAX);
}

/* ---- alerts ---- */

static void take_alert(follower *it, const weir_record *record)
{
    weir_span message;
    int64_t schema_id;
    bool framed = weir_frame_strip(WEIR_FRAMING_AUTO, record->payload, &message, &schema_id);
    Weir__V1__Alert *alert = framed ? weir__v1__alert__unpack(NULL, message.size, message.data) : NULL;
    if (!alert) {
        say_undecodable(it, it->conf->topics_alerts, record, "this is not a weir.v1.Alert");
        return;
    }
    label_tally_alert(&it->tally, weir_span_text(alert->transaction_id), alert->score,
                      weir_span_text(alert->severity));
    say_when_forgetting(it);
    weir__v1__alert__free_unpacked(alert, NULL);
}

/* Everything weir has said so far: a label may be about any of it. */
static void read_past_alerts(follower *it)
{
    weir_cli_progress progress = weir_cli_progress_begin("alerts", 0);
    uint64_t count = 0;
    bool ended = false;
    while (!ended && !tail_is_stopped()) {
        weir_record record;
        if (!weir_tail_next(it->alerts, TAIL_WAIT_US, &record, &ended))
            continue;
        take_alert(it, &record);
        if (++count % 1024 == 0)
            weir_cli_progress_update(&progress, count);
    }
    weir_cli_progress_end(&progress);
}

static void read_new_alerts(follower *it)
{
    weir_record record;
    for (int count = 0; count < ALERTS_AT_ONCE && weir_tail_next(it->alerts, 0, &record, NULL); count++)
        take_alert(it, &record);
}

/* ---- labels ---- */

static weir_status write_label(follower *it, weir_span message, const weir_label *label, weir_error *error)
{
    weir_status status = weir_json_from_message(WEIR_MESSAGE_LABEL, message, &it->line, error);
    if (status != WEIR_OK)
        return status;
    const label_record *record =
        label_tally_label(&it->tally, label->transaction_id, label->verdict == WEIR_LABEL_FRAUD);
    say_when_forgetting(it);
    tail_reopen(&it->line);
    label_tally_write_record(&it->tally, record, &it->line);
    weir_write_bytes(&it->line, ",\"tally\":", strlen(",\"tally\":"));
    label_tally_write(&it->tally, &it->line);
    weir_write_bytes(&it->line, "}\n", 2);
    return it->line.failed ? weir_error_set(error, WEIR_FULL, "longer than %d bytes", TAIL_LINE_MAX) : WEIR_OK;
}

/* What the service refuses counts for nothing here either. False when standard output is gone. */
static bool print_label(follower *it, const weir_record *record)
{
    const weir_decode_limits limits = {.framing = (weir_framing)it->conf->input_framing,
                                       .payload_size_max = (size_t)it->conf->input_payload_max_bytes,
                                       .future_us_max = it->conf->input_future_max_us};
    weir_label label;
    weir_span message;
    int64_t schema_id;
    weir_error error = {0};
    it->label_count++;
    weir_reject reject = weir_label_decode(record->payload, &limits, weir_cli_wall_us(), &label);
    if (reject != WEIR_ACCEPTED) {
        say_undecodable(it, it->conf->topics_labels, record, weir_reject_text(reject));
        return tail_is_heard();
    }
    it->line.used = 0;
    it->line.failed = false;
    if (!weir_frame_strip(limits.framing, record->payload, &message, &schema_id) ||
        write_label(it, message, &label, &error) != WEIR_OK) {
        say_undecodable(it, it->conf->topics_labels, record, error.message);
        return tail_is_heard();
    }
    return fwrite(it->line.base, 1, it->line.used, stdout) == it->line.used;
}

static int follow(follower *it, const tail_range *range)
{
    bool ended = false, writable = true;
    while (!tail_is_stopped() && writable && !(range->until_end && ended) &&
           (range->count < 0 || it->label_count < (uint64_t)range->count)) {
        weir_record record;
        read_new_alerts(it);
        writable = weir_tail_next(it->labels, TAIL_WAIT_US, &record, &ended) ? print_label(it, &record)
                                                                             : tail_is_heard();
    }
    return tail_finish(writable, it->undecodable);
}

/* ---- both ---- */

static weir_status open_follower(follower *it, int64_t from, weir_error *error)
{
    const weir_conf *conf = it->conf;
    if (!*conf->topics_labels || !*conf->topics_alerts)
        return weir_error_set(error, WEIR_NOT_FOUND, "%s is off in the configuration: --%s NAME says which topic",
                              *conf->topics_labels ? "topics.alerts" : "topics.labels",
                              *conf->topics_labels ? "topics.alerts" : "topics.labels");
    uint8_t *memory = malloc(TAIL_LINE_MAX);
    if (!memory)
        return weir_error_set(error, WEIR_FULL, "no memory for a line");
    it->line = weir_writer_of(memory, TAIL_LINE_MAX);
    weir_status status = label_tally_open(&it->tally, TRANSACTION_MAX, error);
    if (status == WEIR_OK)
        status = client_open_tail(conf, conf->topics_alerts, TAIL_FROM_BEGINNING, &it->alerts, error);
    if (status == WEIR_OK)
        status = client_open_tail(conf, conf->topics_labels, from, &it->labels, error);
    return status;
}

int tail_labels(const weir_conf *conf, const tail_range *range)
{
    follower it = {.conf = conf};
    weir_error error = {0};
    int code;
    tail_listen_for_signals();
    if (open_follower(&it, range->from, &error) == WEIR_OK) {
        read_past_alerts(&it);
        code = follow(&it, range);
    } else {
        code = weir_cli_fail(&error);
    }
    weir_tail_close(it.labels);
    weir_tail_close(it.alerts);
    label_tally_close(&it.tally);
    free(it.line.base);
    return code;
}
