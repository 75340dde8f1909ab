#include "weir/codec/dead_letter.h"

#include "weir/base/check.h"

#include <inttypes.h>
#include <stdio.h>

typedef void write_value(const weir_dead_letter_cause *cause, char *text_out, size_t size);

static void write_topic(const weir_dead_letter_cause *cause, char *text_out, size_t size)
{
    snprintf(text_out, size, "%s", cause->source.topic);
}

static void write_partition(const weir_dead_letter_cause *cause, char *text_out, size_t size)
{
    snprintf(text_out, size, "%" PRId32, cause->source.partition);
}

static void write_offset(const weir_dead_letter_cause *cause, char *text_out, size_t size)
{
    snprintf(text_out, size, "%" PRId64, cause->source.offset);
}

static void write_group(const weir_dead_letter_cause *cause, char *text_out, size_t size)
{
    snprintf(text_out, size, "%s", cause->group);
}

static void write_task(const weir_dead_letter_cause *cause, char *text_out, size_t size)
{
    snprintf(text_out, size, "%" PRId32, cause->task);
}

static void write_stage(const weir_dead_letter_cause *cause, char *text_out, size_t size)
{
    (void)cause;
    snprintf(text_out, size, "VALUE_CONVERTER");
}

static void write_class(const weir_dead_letter_cause *cause, char *text_out, size_t size)
{
    (void)cause;
    snprintf(text_out, size, "weir.v1.Transaction");
}

static void write_exception(const weir_dead_letter_cause *cause, char *text_out, size_t size)
{
    snprintf(text_out, size, "weir.reject.%s", weir_reject_code(cause->reject));
}

static void write_message(const weir_dead_letter_cause *cause, char *text_out, size_t size)
{
    const char *text = weir_reject_text(cause->reject);
    if (cause->reject_field)
        snprintf(text_out, size, "%s: %s", cause->reject_field, text);
    else
        snprintf(text_out, size, "%s", text);
}

/* Source: KIP-298, org.apache.kafka.connect.runtime.errors.DeadLetterQueueReporter. */
static const struct {
    const char *name;
    write_value *write;
} HEADERS[WEIR_DEAD_LETTER_HEADER_COUNT] = {
    {"__connect.errors.topic", write_topic},
    {"__connect.errors.partition", write_partition},
    {"__connect.errors.offset", write_offset},
    {"__connect.errors.connector.name", write_group},
    {"__connect.errors.task.id", write_task},
    {"__connect.errors.stage", write_stage},
    {"__connect.errors.class.name", write_class},
    {"__connect.errors.exception.class.name", write_exception},
    {"__connect.errors.exception.message", write_message},
};

weir_status weir_dead_letter_format(const weir_dead_letter_cause *cause, weir_arena *arena,
                                    weir_dead_letter *letter_out)
{
    weir_check(cause->reject > WEIR_ACCEPTED && cause->reject < WEIR_REJECT_COUNT);
    weir_dead_letter letter = {.key = cause->key, .payload = cause->payload};
    if (cause->reject == WEIR_REJECT_CARD_NUMBER)
        letter.payload = (weir_span){0};
    if (cause->reject == WEIR_REJECT_CARD_NUMBER || weir_is_card_number(cause->key))
        letter.key = (weir_span){0};
    for (size_t i = 0; i < WEIR_DEAD_LETTER_HEADER_COUNT; i++) {
        char value[256];
        HEADERS[i].write(cause, value, sizeof value);
        const char *copy = weir_arena_copy_text(arena, weir_span_text(value));
        letter.headers[i] = (weir_dead_letter_header){HEADERS[i].name, copy};
        if (!copy)
            return WEIR_FULL;
    }
    *letter_out = letter;
    return WEIR_OK;
}
