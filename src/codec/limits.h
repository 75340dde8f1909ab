/* What every message that comes in is held to, whatever its type: how large, in which frame, between which years, how
 * far ahead of the clock. Inline, because the event path stands on it. */
#ifndef WEIR_CODEC_LIMITS_H
#define WEIR_CODEC_LIMITS_H

#include "weir/base/units.h"
#include "weir/codec/transaction.h"

enum { WEIR_PAYLOAD_SIZE_MAX = 4096, WEIR_IDENTIFIER_SIZE_MAX = 128 };

#define WEIR_INPUT_TIME_US_MIN (INT64_C(631152000) * WEIR_US_PER_SECOND)    /* 1990-01-01T00:00:00Z */
#define WEIR_INPUT_TIME_US_END (INT64_C(253402300800) * WEIR_US_PER_SECOND) /* 10000-01-01: Timestamp's end */
#define WEIR_FUTURE_US_MAX WEIR_US_PER_HOUR

/* The message inside a payload of a sensible size. */
static inline weir_reject weir_limits_strip(weir_span payload, const weir_decode_limits *limits, weir_span *message_out)
{
    int64_t schema_id;
    if (payload.size == 0)
        return WEIR_REJECT_EMPTY;
    if (payload.size > (limits->payload_size_max ? limits->payload_size_max : WEIR_PAYLOAD_SIZE_MAX))
        return WEIR_REJECT_OVERSIZED;
    return weir_frame_strip(limits->framing, payload, message_out, &schema_id) ? WEIR_ACCEPTED : WEIR_REJECT_BAD_FRAME;
}

static inline bool weir_limits_is_absurd_time(int64_t time_us, const weir_decode_limits *limits)
{
    int64_t least_us = limits->event_time_us_min ? limits->event_time_us_min : WEIR_INPUT_TIME_US_MIN;
    return time_us < least_us || time_us >= WEIR_INPUT_TIME_US_END;
}

static inline bool weir_limits_is_far_future(int64_t time_us, const weir_decode_limits *limits, int64_t now_us)
{
    int64_t future_us = limits->future_us_max ? limits->future_us_max : WEIR_FUTURE_US_MAX;
    int64_t latest_us;
    return !__builtin_add_overflow(now_us, future_us, &latest_us) && time_us > latest_us;
}

#endif
