/* The transaction decoder held against protobuf-c, for any bytes whatever. Header-only: unit tests and the
 * fuzz target share it.
 *
 * Two differences are meant, and are the only ones:
 *   field number 0      protobuf-c lets it pass, the specification and weir do not
 *   repeated location   protobuf-c 1.4.1 keeps the last, the specification and weir merge them
 */
#ifndef WEIR_SUPPORT_TRANSACTION_ORACLE_H
#define WEIR_SUPPORT_TRANSACTION_ORACLE_H

#include "weir/base/hash.h"
#include "weir/codec/transaction.h"
#include "weir/v1/transaction.pb-c.h"

#include <stdio.h>
#include <stdlib.h>

/* A message type without fields: protobuf-c unpacks anything as it and hands back every field raw. */
static inline const ProtobufCMessageDescriptor *oracle_no_fields(void)
{
    static const ProtobufCIntRange ranges[] = {{0, 0}};
    static const ProtobufCMessageDescriptor descriptor = {
        .magic = PROTOBUF_C__MESSAGE_DESCRIPTOR_MAGIC,
        .name = "NoFields",
        .sizeof_message = sizeof(ProtobufCMessage),
        .n_fields = 0,
        .n_field_ranges = 0,
        .field_ranges = ranges,
    };
    return &descriptor;
}

/* The payload of a length-delimited field as protobuf-c keeps it: the length comes first. */
static inline weir_span oracle_payload(const ProtobufCMessageUnknownField *field)
{
    size_t at = 0;
    while (field->data[at++] & 0x80)
        ;
    return weir_span_of(field->data + at, field->len - at);
}

static inline bool oracle_has_field_zero(const ProtobufCMessage *message)
{
    for (unsigned i = 0; i < message->n_unknown_fields; i++)
        if (message->unknown_fields[i].tag == 0)
            return true;
    return false;
}

/* Every payload of field `number`, end to end: by protobuf's rules, the merged sub-message. False when one of them has
 * a field 0. *bytes_out has room for all of them. */
static inline bool oracle_join(const ProtobufCMessage *raw, uint32_t number, uint8_t *bytes_out, size_t *size_out,
                               size_t *count_out)
{
    *size_out = 0;
    *count_out = 0;
    for (unsigned i = 0; i < raw->n_unknown_fields; i++) {
        const ProtobufCMessageUnknownField *field = &raw->unknown_fields[i];
        if (field->tag != number || field->wire_type != PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED)
            continue;
        weir_span payload = oracle_payload(field);
        ProtobufCMessage *inner = protobuf_c_message_unpack(oracle_no_fields(), NULL, payload.size, payload.data);
        bool bad = inner && oracle_has_field_zero(inner);
        if (inner)
            protobuf_c_message_free_unpacked(inner, NULL);
        if (bad)
            return false;
        memcpy(bytes_out + *size_out, payload.data, payload.size);
        *size_out += payload.size;
        ++*count_out;
    }
    return true;
}

/* protobuf-c ends text at its first NUL. */
static inline bool oracle_same_text(weir_span ours, const char *theirs)
{
    size_t size = ours.size ? strnlen((const char *)ours.data, ours.size) : 0;
    return size == strlen(theirs) && memcmp(theirs, size ? (const char *)ours.data : "", size) == 0;
}

static inline const char *oracle_compare_fields(const weir_transaction_fields *ours,
                                                const Weir__V1__Transaction *theirs)
{
    const struct {
        const char *name;
        weir_span ours;
        const char *theirs;
    } texts[] = {
        {"transaction_id", ours->transaction_id, theirs->transaction_id},
        {"card_token", ours->card_token, theirs->card_token},
        {"currency", ours->currency, theirs->currency},
        {"merchant_id", ours->merchant_id, theirs->merchant_id},
        {"terminal_id", ours->terminal_id, theirs->terminal_id},
        {"merchant_country", ours->merchant_country, theirs->merchant_country},
        {"device_id", ours->device_id, theirs->device_id},
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (!oracle_same_text(texts[i].ours, texts[i].theirs))
            return texts[i].name;
    if (ours->event_time_us != theirs->event_time_us)
        return "event_time_us";
    if (ours->amount_minor != theirs->amount_minor)
        return "amount_minor";
    if (ours->mcc != theirs->mcc)
        return "mcc";
    if (ours->channel != (int)theirs->channel)
        return "channel";
    if (ours->entry_mode != (int)theirs->entry_mode)
        return "entry_mode";
    return ours->outcome != (int)theirs->outcome ? "outcome" : NULL;
}

static inline const char *oracle_compare_location(const weir_transaction_fields *ours, const uint8_t *joined,
                                                  size_t size, size_t count)
{
    if (ours->has_location != (count > 0))
        return "location";
    Weir__V1__Transaction__Location *theirs = (Weir__V1__Transaction__Location *)protobuf_c_message_unpack(
        &weir__v1__transaction__location__descriptor, NULL, size, joined);
    bool same = theirs && memcmp(&ours->latitude, &theirs->latitude, sizeof(double)) == 0 &&
                memcmp(&ours->longitude, &theirs->longitude, sizeof(double)) == 0;
    if (theirs)
        protobuf_c_message_free_unpacked(&theirs->base, NULL);
    return same ? NULL : "location";
}

/* The checked event against protobuf-c's values, for an accepted transaction. */
static inline const char *oracle_compare_event(const weir_transaction *ours, const Weir__V1__Transaction *theirs)
{
    const weir_event *event = &ours->event;
    bool channel_known = (uint32_t)theirs->channel < WEIR_CHANNEL_COUNT;
    bool entry_known = (uint32_t)theirs->entry_mode < WEIR_ENTRY_COUNT;
    bool outcome_known = (uint32_t)theirs->outcome < WEIR_OUTCOME_COUNT;
    char currency[4], country[4];
    weir_code_unpack(event->currency, currency);
    weir_code_unpack(event->country, country);
    if (event->time_us != theirs->event_time_us || event->amount_minor != theirs->amount_minor)
        return "event: time or amount";
    if (event->mcc != theirs->mcc || strcmp(currency, theirs->currency) != 0 ||
        strcmp(country, theirs->merchant_country) != 0)
        return "event: mcc, currency or country";
    if (event->channel != (channel_known ? theirs->channel : 0u) ||
        event->entry != (entry_known ? theirs->entry_mode : 0u) ||
        event->outcome != (outcome_known ? theirs->outcome : 0u))
        return "event: channel, entry or outcome";
    if (event->transaction != weir_hash48(weir_span_text(theirs->transaction_id)) ||
        event->card != weir_hash48(weir_span_text(theirs->card_token)) ||
        ours->card_hash != weir_hash(weir_span_text(theirs->card_token)) ||
        event->merchant != weir_hash48(weir_span_text(theirs->merchant_id)) ||
        event->terminal != weir_hash48(weir_span_text(theirs->terminal_id)) ||
        weir_event_device(event) != weir_hash48(weir_span_text(theirs->device_id)))
        return "event: hashes";
    if (event->label_delay_us != WEIR_LABEL_NONE || event->flags != 0)
        return "event: label";
    return weir_event_has_location(event) == (theirs->location != NULL) ? NULL : "event: location";
}

static inline const char *oracle_compare(weir_span message, const Weir__V1__Transaction *theirs,
                                         const ProtobufCMessage *raw, uint8_t *memory)
{
    static const weir_decode_limits limits = {
        .framing = WEIR_FRAMING_RAW, .payload_size_max = SIZE_MAX, .future_us_max = INT64_MAX};
    weir_transaction_fields fields;
    size_t joined_size = 0, location_count = 0;
    bool accepted = theirs && !oracle_has_field_zero(raw) &&
                    oracle_join(raw, 12, memory, &joined_size, &location_count);
    if (weir_transaction_read(message, &fields) != accepted)
        return accepted ? "protobuf-c accepts, weir does not" : "weir accepts, protobuf-c does not";
    weir_transaction transaction;
    weir_reject reject = weir_transaction_decode(message, &limits, 0, &transaction);
    weir_reject unread = message.size ? WEIR_REJECT_UNDECODABLE : WEIR_REJECT_EMPTY;
    if ((reject == unread) != (!accepted || message.size == 0))
        return "weir_transaction_read and weir_transaction_decode disagree";
    if (!accepted)
        return NULL;
    const char *difference = oracle_compare_fields(&fields, theirs);
    if (!difference)
        difference = oracle_compare_location(&fields, memory, joined_size, location_count);
    if (!difference && reject == WEIR_ACCEPTED)
        difference = oracle_compare_event(&transaction, theirs);
    return difference;
}

/* What weir and protobuf-c disagree on for these bytes as a weir.v1.Transaction, or NULL. */
static inline const char *oracle_disagreement(weir_span message)
{
    uint8_t *memory = malloc(message.size + 1);
    Weir__V1__Transaction *theirs = weir__v1__transaction__unpack(NULL, message.size, message.data);
    ProtobufCMessage *raw = protobuf_c_message_unpack(oracle_no_fields(), NULL, message.size, message.data);
    const char *difference = oracle_compare(message, raw ? theirs : NULL, raw, memory);
    if (raw)
        protobuf_c_message_free_unpacked(raw, NULL);
    weir__v1__transaction__free_unpacked(theirs, NULL);
    free(memory);
    return difference;
}

#endif
