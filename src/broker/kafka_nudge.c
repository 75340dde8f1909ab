/* librdkafka's consumer stops fetching when its queues are full, and does not hear of it when they are emptied: a
 * broker's thread that finds all its partitions' queues full sleeps until something happens to it, for up to a second
 * (seen in 2.0.2; rdkafka_broker.c, rd_kafka_broker_consumer_serve). A backlog is then read in gulps of fetch.memory a
 * second.
 *
 * So whoever takes records wakes those threads each time it took a part of what makes a queue full. The public call
 * that wakes them, and sends nothing, is rd_kafka_sasl_set_credentials: it is given the credentials there are. Versions
 * that know fetch.queue.backoff.ms look for themselves (kafka_config.c sets it), and are left alone. */
#include "kafka_private.h"

#include <stdlib.h>

enum { VALUE_SIZE_MAX = 4096, PARTS = 4 };

/* A setting in force, or NULL when it has no value. The caller frees it. */
static char *setting(const rd_kafka_t *rk, const char *name)
{
    char value[VALUE_SIZE_MAX];
    size_t size = sizeof value;
    bool found = rd_kafka_conf_get(rd_kafka_conf((rd_kafka_t *)rk), name, value, &size) == RD_KAFKA_CONF_OK;
    return found ? strdup(value) : NULL;
}

static uint64_t number(const rd_kafka_t *rk, const char *name)
{
    char *text = setting(rk, name);
    uint64_t value = text ? strtoull(text, NULL, 10) : 0;
    free(text);
    return value;
}

static char *credential(const rd_kafka_t *rk, const char *name)
{
    char *value = setting(rk, name);
    return value ? value : strdup("");
}

weir_status kafka_nudge_open(kafka_nudge *nudge, rd_kafka_t *rk, weir_error *error)
{
    size_t size = 0;
    *nudge = (kafka_nudge){.rk = rk};
    if (rd_kafka_conf_get(rd_kafka_conf(rk), KAFKA_QUEUE_BACKOFF, NULL, &size) == RD_KAFKA_CONF_OK)
        return WEIR_OK;
    nudge->record_max = number(rk, "queued.min.messages") / PARTS;
    nudge->byte_max = number(rk, "queued.max.messages.kbytes") * 1024 / PARTS;
    nudge->username = credential(rk, "sasl.username");
    nudge->password = credential(rk, "sasl.password");
    return nudge->username && nudge->password ? WEIR_OK
                                              : weir_error_set(error, WEIR_FULL, "no memory for a consumer");
}

static void forget(char *secret)
{
    if (secret)
        explicit_bzero(secret, strlen(secret));
    free(secret);
}

void kafka_nudge_close(kafka_nudge *nudge)
{
    forget(nudge->username);
    forget(nudge->password);
    *nudge = (kafka_nudge){0};
}

void kafka_nudge_count(const kafka_nudge *nudge, kafka_taken *taken, uint64_t records, uint64_t bytes)
{
    taken->records += records;
    taken->bytes += bytes;
    taken->due |= nudge->username && (taken->records >= nudge->record_max || taken->bytes >= nudge->byte_max);
}

void kafka_nudge_if_due(const kafka_nudge *nudge, kafka_taken *taken)
{
    if (!taken->due)
        return;
    *taken = (kafka_taken){0};
    rd_kafka_error_t *refused = rd_kafka_sasl_set_credentials(nudge->rk, nudge->username, nudge->password);
    if (refused) /* fetching goes on a second later */
        rd_kafka_error_destroy(refused);
}
