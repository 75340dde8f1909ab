#include "cli/sending.h"

#include "weir/base/units.h"

#include <inttypes.h>
#include <time.h>

enum {
    PROGRESS_EVERY = 1024 /* messages between two looks at the clock */
};

#define LINGER_US (5 * WEIR_US_PER_MS) /* a request a partition and message would drown a broker */
#define FLUSH_US (60 * WEIR_US_PER_SECOND)

typedef struct sending {
    const sending_kind *kind;
    weir_sender *sender;
    weir_decode_limits limits; /* the service's */
    double rate;
    int64_t begin_us;
    uint64_t sent, refused;
} sending;

/* ---- one message ---- */

/* `from` tells where a message stands in a file, and is NULL for one of the command line. */
static void say_refused(sending *it, const messages *from, const char *field, const char *reason)
{
    it->refused++;
    fprintf(stderr, "weir %s: ", it->kind->command);
    if (from)
        fprintf(stderr, "%s: %s %" PRIu64 " ", from->lines.name, from->format->unit, from->number);
    fprintf(stderr, "refused: %s%s%s\n", field ? field : "", field ? ": " : "", reason);
}

/* Waits until the next message is due. */
static void keep_rate(const sending *it)
{
    int64_t due_us = it->begin_us + (int64_t)((double)it->sent / it->rate * 1e6);
    int64_t early_us = due_us - weir_cli_steady_us();
    if (early_us < WEIR_US_PER_MS)
        return;
    struct timespec pause = {.tv_sec = early_us / WEIR_US_PER_SECOND, .tv_nsec = early_us % WEIR_US_PER_SECOND * 1000};
    nanosleep(&pause, NULL);
}

/* Sends it, or says why not: a message refused is no failure. */
static weir_status push(sending *it, const messages *from, weir_span message, weir_error *error)
{
    weir_span key;
    const char *field;
    weir_reject reject = it->kind->check(message, &it->limits, &key, &field);
    if (reject != WEIR_ACCEPTED) {
        say_refused(it, from, field, weir_reject_text(reject));
        return WEIR_OK;
    }
    if (it->rate > 0)
        keep_rate(it);
    weir_status status = weir_sender_send(it->sender, -1, key, message, -1);
    if (status != WEIR_OK)
        return weir_error_set(error, status, "%s %" PRIu64 " could not be sent: %s",
                              from ? from->format->unit : "message", from ? from->number : 1, weir_status_name(status));
    it->sent++;
    return WEIR_OK;
}

/* ---- all of them ---- */

static weir_status push_all(sending *it, messages *from, weir_error *error)
{
    weir_cli_progress progress = weir_cli_progress_begin(it->kind->plural, 0);
    weir_status status = WEIR_OK;
    while (status == WEIR_OK) {
        weir_span message;
        messages_taken taken = messages_next(from, &message, error);
        if (taken == MESSAGES_END)
            break;
        if (taken == MESSAGES_MESSAGE)
            status = push(it, from, message, error);
        else if (taken == MESSAGES_REFUSED)
            say_refused(it, from, NULL, error->message);
        else
            status = error->status;
        if ((it->sent + it->refused) % PROGRESS_EVERY == 0)
            weir_cli_progress_update(&progress, it->sent);
    }
    weir_cli_progress_end(&progress);
    return status;
}

/* Waits for the acknowledgements, also after a failure, and says what became of everything. */
static int finish(sending *it, weir_status status, const weir_error *error)
{
    const char *command = it->kind->command;
    int code = status == WEIR_OK ? WEIR_EXIT_OK : weir_cli_fail(error);
    uint64_t lost = weir_sender_flush(it->sender, FLUSH_US);
    double seconds = (double)(weir_cli_steady_us() - it->begin_us) * 1e-6;
    fprintf(stderr, "weir %s: %" PRIu64 " sent, %" PRIu64 " refused, %.1f s, %.0f a second\n", command,
            it->sent - lost, it->refused, seconds, seconds > 0 ? (double)it->sent / seconds : 0);
    if (lost > 0) {
        fprintf(stderr, "weir %s: %" PRIu64 " were not acknowledged: they may or may not be in the topic\n", command,
                lost);
        return WEIR_EXIT_FAILED;
    }
    return code == WEIR_EXIT_OK && it->refused > 0 ? WEIR_EXIT_PROBLEMS : code;
}

/* Opens what is sent to, pushes the file's messages or the one, and finishes. */
static int run(const sending_kind *kind, const sending_target *target, messages *from, weir_span message)
{
    weir_error error = {0};
    sending it = {.kind = kind,
                  .rate = target->rate,
                  .limits = {.framing = (weir_framing)target->conf->input_framing,
                             .payload_size_max = (size_t)target->conf->input_payload_max_bytes,
                             .future_us_max = target->conf->input_future_max_us}};
    if (client_open_sender(target->conf, target->topic, LINGER_US, &it.sender, &error) != WEIR_OK)
        return weir_cli_fail(&error);
    it.begin_us = weir_cli_steady_us();
    weir_status status = from ? push_all(&it, from, &error) : push(&it, NULL, message, &error);
    int code = finish(&it, status, &error);
    weir_sender_close(it.sender);
    return code;
}

int sending_file(const sending_kind *kind, const sending_target *target, const messages_format *format,
                 const char *path)
{
    static messages from; /* large */
    weir_error error = {0};
    int code = messages_open(&from, kind->type, format, path, &error) == WEIR_OK
                   ? run(kind, target, &from, (weir_span){0})
                   : weir_cli_fail(&error);
    messages_close(&from);
    return code;
}

int sending_message(const sending_kind *kind, const sending_target *target, weir_span message)
{
    return run(kind, target, NULL, message);
}
