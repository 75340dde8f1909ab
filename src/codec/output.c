#include "weir/codec/output.h"

#include "weir/base/check.h"
#include "wire.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

/* Field numbers of weir.v1.Alert, its Reason and Source, and of weir.v1.Score. */
enum {
    ALERT_ID = 1,
    ALERT_TRANSACTION_ID,
    ALERT_CARD_TOKEN,
    ALERT_EVENT_TIME_US,
    ALERT_AMOUNT_MINOR,
    ALERT_CURRENCY,
    ALERT_MERCHANT_ID,
    ALERT_TERMINAL_ID,
    ALERT_SCORE,
    ALERT_THRESHOLD,
    ALERT_SEVERITY,
    ALERT_REASONS,
    ALERT_MODEL_NAME,
    ALERT_MODEL_VERSION,
    ALERT_MODEL_ID,
    ALERT_SOURCE
};
enum { REASON_FEATURE = 1, REASON_VALUE, REASON_CONTRIBUTION };
enum { SOURCE_TOPIC = 1, SOURCE_PARTITION, SOURCE_OFFSET };
enum {
    SCORE_TRANSACTION_ID = 1,
    SCORE_CARD_TOKEN,
    SCORE_EVENT_TIME_US,
    SCORE_SCORE,
    SCORE_MODEL_ID,
    SCORE_FEATURES,
    SCORE_MISSING_COUNT,
    SCORE_SOURCE_TOPIC,
    SCORE_SOURCE_PARTITION,
    SCORE_SOURCE_OFFSET,
    SCORE_ALERTED
};

void weir_alert_id(const weir_source *source, char id_out[WEIR_ALERT_ID_SIZE])
{
    uint8_t place_bytes[12];
    weir_writer place = weir_writer_of(place_bytes, sizeof place_bytes);
    weir_write_fixed(&place, (uint32_t)source->partition, 4);
    weir_write_fixed(&place, (uint64_t)source->offset, 8);
    XXH3_state_t state;
    XXH3_128bits_reset(&state);
    XXH3_128bits_update(&state, source->topic, strlen(source->topic) + 1);
    XXH3_128bits_update(&state, place_bytes, place.used);
    XXH128_canonical_t canonical;
    XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(&state));
    for (size_t i = 0; i < sizeof canonical.digest; i++) {
        id_out[2 * i] = "0123456789abcdef"[canonical.digest[i] >> 4];
        id_out[2 * i + 1] = "0123456789abcdef"[canonical.digest[i] & 15];
    }
}

static void put_text(weir_writer *writer, uint32_t number, const char *text)
{
    weir_wire_put_bytes(writer, number, weir_span_text(text));
}

/* int32 goes on the wire sign-extended to 64 bits. */
static void put_int32(weir_writer *writer, uint32_t number, int32_t value)
{
    weir_wire_put_integer(writer, number, (uint64_t)(int64_t)value);
}

static void put_reason(weir_writer *writer, const weir_model *model, const weir_reason *reason)
{
    weir_check(reason->feature < model->feature_count);
    size_t mark = weir_wire_begin(writer, ALERT_REASONS);
    put_text(writer, REASON_FEATURE, model->feature_names[reason->feature]);
    weir_wire_put_double(writer, REASON_VALUE, reason->value);
    weir_wire_put_double(writer, REASON_CONTRIBUTION, reason->contribution);
    weir_wire_end(writer, mark);
}

static void put_source(weir_writer *writer, const weir_source *source)
{
    size_t mark = weir_wire_begin(writer, ALERT_SOURCE);
    put_text(writer, SOURCE_TOPIC, source->topic);
    put_int32(writer, SOURCE_PARTITION, source->partition);
    weir_wire_put_integer(writer, SOURCE_OFFSET, (uint64_t)source->offset);
    weir_wire_end(writer, mark);
}

void weir_alert_encode(const weir_transaction *transaction, const weir_verdict *verdict, const weir_source *source,
                       weir_writer *writer)
{
    const weir_model *model = verdict->model;
    weir_check(verdict->threshold >= 0 && (size_t)verdict->threshold < model->threshold_count);
    weir_check(verdict->reason_count <= WEIR_REASON_MAX);
    const weir_threshold *threshold = &model->thresholds[verdict->threshold];
    char id[WEIR_ALERT_ID_SIZE], currency[4];
    weir_alert_id(source, id);
    weir_code_unpack(transaction->event.currency, currency);

    weir_wire_put_bytes(writer, ALERT_ID, weir_span_of(id, sizeof id));
    weir_wire_put_bytes(writer, ALERT_TRANSACTION_ID, transaction->transaction_id);
    weir_wire_put_bytes(writer, ALERT_CARD_TOKEN, transaction->card_token);
    weir_wire_put_integer(writer, ALERT_EVENT_TIME_US, (uint64_t)transaction->event.time_us);
    weir_wire_put_integer(writer, ALERT_AMOUNT_MINOR, (uint64_t)(int64_t)transaction->event.amount_minor);
    put_text(writer, ALERT_CURRENCY, currency);
    weir_wire_put_bytes(writer, ALERT_MERCHANT_ID, transaction->merchant_id);
    weir_wire_put_bytes(writer, ALERT_TERMINAL_ID, transaction->terminal_id);
    weir_wire_put_double(writer, ALERT_SCORE, verdict->score);
    weir_wire_put_double(writer, ALERT_THRESHOLD, threshold->score);
    put_text(writer, ALERT_SEVERITY, threshold->name);
    for (size_t i = 0; i < verdict->reason_count; i++)
        put_reason(writer, model, &verdict->reasons[i]);
    put_text(writer, ALERT_MODEL_NAME, model->name);
    put_text(writer, ALERT_MODEL_VERSION, model->version);
    weir_wire_put_bytes(writer, ALERT_MODEL_ID, weir_span_of(model->id, sizeof model->id));
    put_source(writer, source);
}

static void put_features(weir_writer *writer, const double *values, size_t count)
{
    if (count == 0)
        return;
    weir_wire_put_tag(writer, SCORE_FEATURES, WEIR_WIRE_BYTES);
    weir_write_varint(writer, count * sizeof(double));
    for (size_t i = 0; i < count; i++)
        weir_wire_write_double(writer, values[i]);
}

void weir_score_encode(const weir_transaction *transaction, const weir_verdict *verdict, const weir_source *source,
                       bool with_features, weir_writer *writer)
{
    const weir_model *model = verdict->model;
    weir_wire_put_bytes(writer, SCORE_TRANSACTION_ID, transaction->transaction_id);
    weir_wire_put_bytes(writer, SCORE_CARD_TOKEN, transaction->card_token);
    weir_wire_put_integer(writer, SCORE_EVENT_TIME_US, (uint64_t)transaction->event.time_us);
    weir_wire_put_double(writer, SCORE_SCORE, verdict->score);
    weir_wire_put_bytes(writer, SCORE_MODEL_ID, weir_span_of(model->id, sizeof model->id));
    if (with_features)
        put_features(writer, verdict->values, model->feature_count);
    weir_wire_put_integer(writer, SCORE_MISSING_COUNT, verdict->missing_count);
    put_text(writer, SCORE_SOURCE_TOPIC, source->topic);
    put_int32(writer, SCORE_SOURCE_PARTITION, source->partition);
    weir_wire_put_integer(writer, SCORE_SOURCE_OFFSET, (uint64_t)source->offset);
    weir_wire_put_integer(writer, SCORE_ALERTED, verdict->threshold >= 0);
}

/* Reads topic, partition and offset from the fields numbered from `first` on in one message.
 * True when the bytes are well formed and a topic is named, as weir always does. */
static bool read_source(weir_span bytes, uint32_t first, int32_t *partition_out, int64_t *offset_out)
{
    uint64_t place[2] = {0};
    bool named = false;
    weir_reader reader = weir_reader_of(bytes);
    weir_wire_field field = {0};
    while (weir_wire_next(&reader, &field)) {
        if (field.number < first || field.number > first + 2)
            continue;
        if (field.type != (field.number == first ? WEIR_WIRE_BYTES : WEIR_WIRE_VARINT))
            return false;
        if (field.number == first)
            named = field.bytes.size > 0;
        else
            place[field.number - first - 1] = field.value;
    }
    int32_t partition = (int32_t)(uint32_t)place[0];
    int64_t offset = (int64_t)place[1];
    if (reader.failed || !named || partition < 0 || offset < 0)
        return false;
    *partition_out = partition;
    *offset_out = offset;
    return true;
}

bool weir_alert_source(weir_span message, int32_t *partition_out, int64_t *offset_out)
{
    weir_span source = {0};
    weir_reader reader = weir_reader_of(message);
    weir_wire_field field;
    while (weir_wire_next(&reader, &field)) {
        if (field.number != ALERT_SOURCE)
            continue;
        if (field.type != WEIR_WIRE_BYTES)
            return false;
        source = field.bytes;
    }
    return !reader.failed && read_source(source, SOURCE_TOPIC, partition_out, offset_out);
}

bool weir_score_source(weir_span message, int32_t *partition_out, int64_t *offset_out)
{
    return read_source(message, SCORE_SOURCE_TOPIC, partition_out, offset_out);
}
