#include "kafka_private.h"

#include <limits.h>
#include <stdio.h>
#include <time.h>

/* Codes that mean something other than "try again": everything else is WEIR_TEMPORARY, since a Kafka
 * client's normal weather (leader moves, coordinator loads, timeouts) passes by itself. */
static const struct {
    rd_kafka_resp_err_t code;
    weir_status status;
} MEANINGS[] = {
    {RD_KAFKA_RESP_ERR__FATAL, WEIR_FENCED},
    {RD_KAFKA_RESP_ERR__FENCED, WEIR_FENCED},
    {RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID, WEIR_FENCED},
    {RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH, WEIR_FENCED},
    {RD_KAFKA_RESP_ERR_PRODUCER_FENCED, WEIR_FENCED},
    {RD_KAFKA_RESP_ERR__QUEUE_FULL, WEIR_FULL},
    {RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, WEIR_NOT_FOUND},
    {RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC, WEIR_NOT_FOUND},
    {RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION, WEIR_NOT_FOUND},
    {RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS, WEIR_EXISTS},
    {RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET, WEIR_REFUSED},
    {RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE, WEIR_REFUSED},
    {RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, WEIR_REFUSED},
    {RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED, WEIR_REFUSED},
    {RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED, WEIR_REFUSED},
    {RD_KAFKA_RESP_ERR__AUTHENTICATION, WEIR_REFUSED},
    {RD_KAFKA_RESP_ERR_INCONSISTENT_GROUP_PROTOCOL, WEIR_REFUSED},
    {RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, WEIR_INVALID},
    {RD_KAFKA_RESP_ERR__INVALID_ARG, WEIR_INVALID},
    {RD_KAFKA_RESP_ERR_INVALID_PARTITIONS, WEIR_INVALID},
    {RD_KAFKA_RESP_ERR_INVALID_REPLICATION_FACTOR, WEIR_INVALID},
    {RD_KAFKA_RESP_ERR__BAD_MSG, WEIR_CORRUPT},
    {RD_KAFKA_RESP_ERR__UNSUPPORTED_FEATURE, WEIR_UNSUPPORTED},
};

weir_status kafka_status(rd_kafka_resp_err_t code)
{
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
        return WEIR_OK;
    for (size_t i = 0; i < sizeof MEANINGS / sizeof *MEANINGS; i++)
        if (MEANINGS[i].code == code)
            return MEANINGS[i].status;
    return WEIR_TEMPORARY;
}

weir_status kafka_error(weir_error *error, rd_kafka_resp_err_t code, const char *format, ...)
{
    char what[256];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(what, sizeof what, format, arguments);
    va_end(arguments);
    return weir_error_set(error, kafka_status(code), "%s: %s (%s)", what, rd_kafka_err2str(code),
                          rd_kafka_err2name(code));
}

weir_status kafka_error_take(weir_error *error, rd_kafka_error_t *raised, const char *what)
{
    if (!raised)
        return WEIR_OK;
    weir_status status = weir_error_set(error, kafka_status(rd_kafka_error_code(raised)), "%s: %s (%s)", what,
                                        rd_kafka_error_string(raised), rd_kafka_error_name(raised));
    rd_kafka_error_destroy(raised);
    return status;
}

int kafka_ms(int64_t us)
{
    if (us <= 0)
        return 0;
    int64_t ms = us / 1000 + (us % 1000 != 0);
    return ms > INT_MAX ? INT_MAX : (int)ms;
}

int64_t kafka_now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}
