#include "service_internal.h"

#include "weir/base/hash.h"
#include "weir/base/units.h"
#include "weir/log/log.h"

/* While somebody is behind, clocks are told every few milliseconds: what a partition may do next waits for them. */
enum { MESSAGE_SIZE_MAX = 64 * 1024 };
#define SAY_INTERVAL_US (3 * WEIR_US_PER_MS)
#define POLL_WAIT_US (20 * WEIR_US_PER_MS)

static void hear_clocks(void *context, weir_span message)
{
    weir_service *service = context;
    if (!weir_alignment_hear(&service->alignment, message, weir_clock_monotonic_us(service->clock)))
        weir_log(WEIR_LOG_WARN, "clock_not_understood", weir_log_text("effect", "partitions may wait for its sender"));
}

/* Our own partitions, into the alignment and a message. A current one's clock is nobody's concern. */
static void write_clocks(weir_service *service, weir_writer *message, int64_t now_us)
{
    weir_alignment_say_begin(message);
    for (int32_t lane = 0; lane < service->shape.partition_count; lane++) {
        if (!service->held[lane])
            continue;
        const weir_partition *partition = weir_service_partition(service, lane);
        weir_pace pace = (weir_pace)atomic_load_explicit(&partition->pace, memory_order_relaxed);
        int64_t clock_us = atomic_load_explicit(&partition->clock_us, memory_order_relaxed);
        weir_alignment_note(&service->alignment, lane, pace, clock_us, now_us);
        weir_alignment_say(message, lane, pace, pace == WEIR_PACE_CURRENT ? INT64_MIN : clock_us);
    }
}

static void say_clocks(weir_service *service, int64_t now_us)
{
    uint8_t memory[MESSAGE_SIZE_MAX];
    weir_writer message = weir_writer_of(memory, sizeof memory);
    write_clocks(service, &message, now_us);
    uint64_t hash = weir_hash(weir_span_of(memory, message.used));
    int64_t silence_us = now_us - service->said_us;
    if (silence_us < (hash == service->said_hash ? WEIR_US_PER_SECOND : SAY_INTERVAL_US))
        return;
    weir_error error;
    weir_group *group = service->options.group;
    if (group->ops->say(group, weir_span_of(memory, message.used), &error) != WEIR_OK)
        weir_log(WEIR_LOG_WARN, "clock_not_told", weir_log_text("reason", error.message));
    service->said_us = now_us;
    service->said_hash = hash;
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
