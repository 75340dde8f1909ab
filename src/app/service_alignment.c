#include "service_internal.h"

#include "weir/base/hash.h"
#include "weir/base/units.h"
#include "weir/log/log.h"

/* While somebody is behind, clocks are told every few milliseconds, once they have moved by some of the drift: what a
 * partition of others may do next waits for them. */
enum { MESSAGE_SIZE_MAX = 64 * 1024, DRIFT_SHARE = 16 };
#define SAY_INTERVAL_US (3 * WEIR_US_PER_MS)
#define POLL_WAIT_US (20 * WEIR_US_PER_MS)

static void hear_clocks(void *context, weir_span message)
{
    weir_service *service = context;
    if (!weir_alignment_hear(&service->alignment, message, weir_clock_monotonic_us(service->clock)))
        weir_log(WEIR_LOG_WARN, "clock_not_understood", weir_log_text("effect", "partitions may wait for its sender"));
}

typedef struct report { /* on our own partitions */
    weir_writer message;
    uint64_t pace_hash;
    int64_t slowest_us; /* clock; INT64_MAX: all are current */
    int32_t held_count;
} report;

/* Our own partitions, into the alignment and a message. A current one's clock is nobody's concern. */
static void write_report(weir_service *service, report *it, int64_t now_us)
{
    weir_alignment_say_begin(&it->message);
    it->slowest_us = INT64_MAX;
    for (int32_t lane = 0; lane < service->shape.partition_count; lane++) {
        if (!service->held[lane])
            continue;
        const weir_partition *partition = weir_service_partition(service, lane);
        weir_pace pace = (weir_pace)atomic_load_explicit(&partition->pace, memory_order_relaxed);
        int64_t clock_us = atomic_load_explicit(&partition->clock_us, memory_order_relaxed);
        weir_alignment_note(&service->alignment, lane, pace, clock_us, now_us);
        weir_alignment_say(&it->message, lane, pace, pace == WEIR_PACE_CURRENT ? INT64_MIN : clock_us);
        uint64_t words[] = {it->pace_hash, (uint64_t)lane, pace};
        it->pace_hash = weir_hash(weir_span_of((const uint8_t *)words, sizeof words));
        if (pace != WEIR_PACE_CURRENT && clock_us < it->slowest_us)
            it->slowest_us = clock_us;
        it->held_count++;
    }
}

/* Whether others may wait for what has changed since they were last told. */
static bool is_news(const weir_service *service, const report *it)
{
    int64_t moved_us;
    if (it->held_count == service->shape.partition_count) /* there are no others */
        return false;
    if (it->pace_hash != service->said_pace_hash)
        return true;
    return __builtin_sub_overflow(it->slowest_us, service->said_slowest_us, &moved_us) || moved_us < 0 ||
           (moved_us > 0 && moved_us >= service->alignment.drift_us_max / DRIFT_SHARE);
}

static void say_clocks(weir_service *service, int64_t now_us)
{
    uint8_t memory[MESSAGE_SIZE_MAX];
    report it = {.message = weir_writer_of(memory, sizeof memory)};
    write_report(service, &it, now_us);
    int64_t silence_us = now_us - service->said_us;
    if (silence_us < (is_news(service, &it) ? SAY_INTERVAL_US : WEIR_US_PER_SECOND))
        return;
    weir_error error;
    weir_group *group = service->options.group;
    if (group->ops->say(group, weir_span_of(memory, it.message.used), &error) != WEIR_OK)
        weir_log(WEIR_LOG_WARN, "clock_not_told", weir_log_text("reason", error.message));
    service->said_us = now_us;
    service->said_pace_hash = it.pace_hash;
    service->said_slowest_us = it.slowest_us;
}

void weir_service_align(weir_service *service)
{
    if (!weir_service_aligns(service))
        return;
    int64_t now_us = weir_clock_monotonic_us(service->clock);
    service->options.group->ops->hear(service->options.group, hear_clocks, service);
    say_clocks(service, now_us);
    atomic_store_explicit(&service->limit_us, weir_alignment_limit(&service->alignment, now_us),
                          memory_order_relaxed);
}

int64_t weir_service_poll_wait_us(const weir_service *service)
{
    bool free = !weir_service_aligns(service) ||
                atomic_load_explicit(&service->limit_us, memory_order_relaxed) == INT64_MAX;
    return free ? POLL_WAIT_US : SAY_INTERVAL_US;
}
