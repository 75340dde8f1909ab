#include "internal.h"

#include "weir/base/check.h"
#include "weir/base/cursor.h"
#include "weir/base/units.h"

#include <inttypes.h>
#include <stdio.h>

/* Identity (three texts) and six numbers; what is left of the record is the note. A record written before there were
 * notes ends where the note would begin, and so has an empty one. */
enum { META_MAX = 512, META_BINDING = 0 };
_Static_assert(META_MAX >= WEIR_RECORD_HEAD_SIZE + sizeof(weir_state_identity) + 6 * sizeof(int64_t),
               "identity and numbers fit");

static void write_text(weir_writer *writer, const char *text, size_t size)
{
    size_t length = strnlen(text, size - 1);
    weir_write_varint(writer, length);
    weir_write_bytes(writer, text, length);
}

static void read_text(weir_reader *reader, char *text_out, size_t size)
{
    size_t length = weir_read_varint(reader);
    weir_span bytes = weir_read_bytes(reader, length);
    if (bytes.size >= size) {
        reader->failed = true;
        return;
    }
    memset(text_out, 0, size);
    if (bytes.size)
        memcpy(text_out, bytes.data, bytes.size);
}

weir_status weir_meta_put(weir_store_batch *batch, const weir_meta *meta, const weir_note *note)
{
    uint8_t value[META_MAX + WEIR_STATE_NOTE_MAX];
    weir_check(note->size <= WEIR_STATE_NOTE_MAX);
    weir_writer writer = weir_writer_of(value, sizeof value);
    writer.used = WEIR_RECORD_HEAD_SIZE;
    const weir_state_identity *identity = &meta->identity;
    write_text(&writer, identity->cluster_id, sizeof identity->cluster_id);
    write_text(&writer, identity->topic, sizeof identity->topic);
    write_text(&writer, identity->entity, sizeof identity->entity);
    const int64_t numbers[] = {identity->partition, identity->partition_count, identity->horizon_us,
                               meta->replay_from,   meta->replay_from_previous, (int64_t)meta->serial};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        weir_write_fixed(&writer, (uint64_t)numbers[i], 8);
    weir_write_bytes(&writer, note->bytes, note->size);
    weir_check(!writer.failed);
    weir_record_seal(value, writer.used, WEIR_RECORD_META, META_BINDING);
    return weir_store_batch_put(batch, weir_record_meta_key(), weir_span_of(value, writer.used));
}

typedef struct decoded {
    weir_meta meta;
    weir_note *note; /* NULL: not wanted */
    weir_status status;
} decoded;

/* What is left of the record. */
static void read_note(weir_reader *reader, weir_note *note)
{
    weir_span bytes = weir_read_bytes(reader, weir_reader_left(reader));
    if (bytes.size > WEIR_STATE_NOTE_MAX) {
        reader->failed = true;
    } else if (note) {
        note->size = bytes.size;
        memcpy(note->bytes, bytes.data, bytes.size);
    }
}

static void decode(void *context, weir_span value)
{
    decoded *out = context;
    weir_reader reader;
    out->status = weir_record_unseal(value, WEIR_RECORD_META, META_BINDING, &reader);
    if (out->status)
        return;
    weir_state_identity *identity = &out->meta.identity;
    read_text(&reader, identity->cluster_id, sizeof identity->cluster_id);
    read_text(&reader, identity->topic, sizeof identity->topic);
    read_text(&reader, identity->entity, sizeof identity->entity);
    identity->partition = (int32_t)weir_read_fixed(&reader, 8);
    identity->partition_count = (int32_t)weir_read_fixed(&reader, 8);
    identity->horizon_us = (int64_t)weir_read_fixed(&reader, 8);
    out->meta.replay_from = (int64_t)weir_read_fixed(&reader, 8);
    out->meta.replay_from_previous = (int64_t)weir_read_fixed(&reader, 8);
    out->meta.serial = weir_read_fixed(&reader, 8);
    read_note(&reader, out->note);
    if (reader.failed)
        out->status = WEIR_CORRUPT;
}

weir_status weir_meta_get(weir_store *store, weir_meta *meta_out, weir_note *note_out, weir_error *error)
{
    decoded out = {.note = note_out};
    weir_status status = store->ops->get(store, weir_record_meta_key(), decode, &out);
    if (status == WEIR_NOT_FOUND)
        return weir_error_set(error, status, "the state store has no meta record: it is empty or not weir's");
    if (status)
        return weir_error_set(error, status, "cannot read the state store's meta record");
    if (out.status == WEIR_UNSUPPORTED)
        return weir_error_set(error, out.status,
                              "the state store was written by a newer weir (this one reads format %d); run that one, "
                              "or move the directory away to rebuild the state from the topic", WEIR_RECORD_VERSION);
    if (out.status)
        return weir_error_set(error, out.status,
                              "the state store's meta record fails its checksum; restore a copy of it, or move the "
                              "directory away to rebuild the state from the topic");
    *meta_out = out.meta;
    return WEIR_OK;
}

static weir_status refuse_text(const char *what, const char *stored, const char *wanted, weir_error *error)
{
    return weir_error_set(
        error, WEIR_REFUSED,
        "the state store belongs to %s \"%.80s\", not \"%.80s\"; point weir at the right one, or move "
        "the state directory away to start anew",
        what, stored, wanted);
}

static weir_status refuse_number(const char *what, int64_t stored, int64_t wanted, weir_error *error)
{
    return weir_error_set(error, WEIR_REFUSED,
                          "the state store was kept for %s %" PRId64 ", not %" PRId64 "; a changed partition count "
                          "moves cards to other partitions: move the state directory away to rebuild it from the topic",
                          what, stored, wanted);
}

static weir_status refuse_horizon(int64_t stored_us, int64_t wanted_us, weir_error *error)
{
    char stored[32], wanted[32];
    weir_units_format_duration(stored_us, stored, sizeof stored);
    weir_units_format_duration(wanted_us, wanted, sizeof wanted);
    return weir_error_set(
        error, WEIR_REFUSED,
        "the state store holds %s of history and %s are asked for; older events are gone from it: "
        "shorten the horizon or the model's windows to %s, or move the state directory away to rebuild "
        "it from the topic",
        stored, wanted, stored);
}

weir_status weir_meta_accept(const weir_state_identity *stored, const weir_state_identity *wanted, weir_error *error)
{
    if (strcmp(stored->cluster_id, wanted->cluster_id))
        return refuse_text("cluster", stored->cluster_id, wanted->cluster_id, error);
    if (strcmp(stored->topic, wanted->topic))
        return refuse_text("topic", stored->topic, wanted->topic, error);
    if (strcmp(stored->entity, wanted->entity))
        return refuse_text("entity", stored->entity, wanted->entity, error);
    if (stored->partition != wanted->partition)
        return refuse_number("partition", stored->partition, wanted->partition, error);
    if (stored->partition_count != wanted->partition_count)
        return refuse_number("a partition count of", stored->partition_count, wanted->partition_count, error);
    if (wanted->horizon_us > stored->horizon_us)
        return refuse_horizon(stored->horizon_us, wanted->horizon_us, error);
    return WEIR_OK;
}

weir_status weir_state_read_identity(weir_store *store, weir_state_identity *identity_out, int64_t *replay_from_out,
                                     weir_error *error)
{
    weir_meta meta = {0};
    weir_status status = weir_meta_get(store, &meta, NULL, error);
    if (status)
        return status;
    *identity_out = meta.identity;
    *replay_from_out = meta.replay_from;
    return WEIR_OK;
}
