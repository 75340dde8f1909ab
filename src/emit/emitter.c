#include "weir/emit/emitter.h"

#include "weir/base/arena.h"
#include "weir/base/check.h"
#include "weir/codec/dead_letter.h"

#include <stdlib.h>
#include <string.h>

enum {
    ALERT_SIZE_MAX = 16 * 1024,
    SCORE_SIZE_MAX = 32 * 1024, /* 1,024 features of 8 bytes and change */
    TOPIC_SIZE_MAX = 250
};

struct weir_emitter {
    weir_port *port;
    weir_emitter_options options;
    char input_topic[TOPIC_SIZE_MAX], group_id[256];
    _Alignas(16) uint8_t letter_memory[WEIR_DEAD_LETTER_MEMORY_SIZE];
    uint8_t scratch[SCORE_SIZE_MAX];
};

_Static_assert((int)ALERT_SIZE_MAX <= (int)SCORE_SIZE_MAX, "one scratch serves both");

weir_status weir_emitter_open(const weir_emitter_options *options, weir_port *port, weir_emitter **emitter_out)
{
    weir_emitter *emitter = calloc(1, sizeof *emitter);
    if (!emitter)
        return WEIR_FULL;
    emitter->port = port;
    emitter->options = *options;
    strncpy(emitter->input_topic, options->input_topic, sizeof emitter->input_topic - 1);
    strncpy(emitter->group_id, options->group_id, sizeof emitter->group_id - 1);
    *emitter_out = emitter;
    return WEIR_OK;
}

void weir_emitter_close(weir_emitter *emitter)
{
    free(emitter);
}

bool weir_emitter_enabled(const weir_emitter *emitter, weir_output output)
{
    return emitter->options.enabled[output];
}

static weir_status send(weir_emitter *emitter, const weir_cause *cause, weir_outgoing *outgoing, bool *sent_out)
{
    outgoing->lane = cause->lane;
    outgoing->marker = weir_ledger_life_marker(cause->ledger, cause->sequence);
    outgoing->partition = cause->partition;
    weir_status status = weir_ledger_reserve(cause->ledger, outgoing->output);
    if (status == WEIR_OK)
        status = emitter->port->ops->produce(emitter->port, outgoing);
    if (status == WEIR_OK)
        weir_ledger_sent(cause->ledger, outgoing->output, cause->sequence);
    *sent_out = status == WEIR_OK;
    return status;
}

static bool may_send(const weir_emitter *emitter, const weir_cause *cause, weir_output output)
{
    return emitter->options.enabled[output] && weir_ledger_may_emit(cause->ledger, output, cause->sequence) &&
           !weir_emitted_has(&cause->ledger->emitted, output, cause->partition, cause->offset);
}

typedef void encode(const weir_transaction *transaction, const weir_verdict *verdict, const weir_source *source,
                    bool with_features, weir_writer *writer);

static void encode_alert(const weir_transaction *transaction, const weir_verdict *verdict, const weir_source *source,
                         bool with_features, weir_writer *writer)
{
    (void)with_features;
    weir_alert_encode(transaction, verdict, source, writer);
}

static weir_status send_message(weir_emitter *emitter, const weir_cause *cause, weir_output output,
                                encode *encode_message, const weir_transaction *transaction,
                                const weir_verdict *verdict, bool *sent_out)
{
    *sent_out = false;
    if (!may_send(emitter, cause, output))
        return WEIR_OK;
    weir_writer writer = weir_writer_of(emitter->scratch, sizeof emitter->scratch);
    if (emitter->options.framing == WEIR_FRAMING_CONFLUENT)
        weir_frame_write(&writer, emitter->options.schema_ids[output]);
    weir_source source = {.topic = emitter->input_topic, .partition = cause->partition, .offset = cause->offset};
    encode_message(transaction, verdict, &source, emitter->options.score_features, &writer);
    weir_check(!writer.failed); /* identifiers and feature counts are bounded, so the scratch always suffices */
    weir_outgoing outgoing = {
        .output = output,
        .key = transaction->card_token,
        .payload = weir_span_of(writer.base, writer.used),
    };
    return send(emitter, cause, &outgoing, sent_out);
}

weir_status weir_emitter_alert(weir_emitter *emitter, const weir_cause *cause, const weir_transaction *transaction,
                               const weir_verdict *verdict, bool *sent_out)
{
    return send_message(emitter, cause, WEIR_OUTPUT_ALERTS, encode_alert, transaction, verdict, sent_out);
}

weir_status weir_emitter_score(weir_emitter *emitter, const weir_cause *cause, const weir_transaction *transaction,
                               const weir_verdict *verdict, bool *sent_out)
{
    return send_message(emitter, cause, WEIR_OUTPUT_SCORES, weir_score_encode, transaction, verdict, sent_out);
}

weir_status weir_emitter_dead_letter(weir_emitter *emitter, const weir_cause *cause, const char *topic,
                                     const weir_record *record, weir_reject reject, const char *reject_field,
                                     bool *sent_out)
{
    *sent_out = false;
    if (!may_send(emitter, cause, WEIR_OUTPUT_DEAD_LETTERS))
        return WEIR_OK;
    weir_dead_letter_cause why = {
        .source = {.topic = topic, .partition = record->partition, .offset = record->offset},
        .key = record->key,
        .payload = record->payload,
        .group = emitter->group_id,
        .task = emitter->options.task,
        .reject = reject,
        .reject_field = reject_field,
    };
    weir_arena arena;
    weir_arena_init(&arena, emitter->letter_memory, sizeof emitter->letter_memory);
    weir_dead_letter letter;
    weir_status status = weir_dead_letter_format(&why, &arena, &letter);
    if (status != WEIR_OK)
        return status;
    weir_header headers[WEIR_DEAD_LETTER_HEADER_COUNT];
    for (size_t i = 0; i < WEIR_DEAD_LETTER_HEADER_COUNT; i++)
        headers[i] = (weir_header){letter.headers[i].name, weir_span_text(letter.headers[i].value)};
    weir_outgoing outgoing = {
        .output = WEIR_OUTPUT_DEAD_LETTERS,
        .key = letter.key,
        .payload = letter.payload,
        .headers = headers,
        .header_count = WEIR_DEAD_LETTER_HEADER_COUNT,
    };
    status = send(emitter, cause, &outgoing, sent_out);
    if (status != WEIR_INVALID)
        return status;
    /* With its headers it is larger than the topic takes. Where it stands has to do: a record that cannot be set
     * aside would hold up the partition for good. */
    outgoing.key = outgoing.payload = (weir_span){0};
    return send(emitter, cause, &outgoing, sent_out);
}
