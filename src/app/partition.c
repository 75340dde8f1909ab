#include "weir/app/partition.h"

#include "weir/base/check.h"

const char *weir_phase_name(weir_phase phase)
{
    static const char *const NAMES[WEIR_PHASE_COUNT] = {
        [WEIR_PHASE_NONE] = "none", [WEIR_PHASE_OPEN] = "open",     [WEIR_PHASE_REPLAYING] = "replaying",
        [WEIR_PHASE_LIVE] = "live", [WEIR_PHASE_BRAKED] = "braked", [WEIR_PHASE_DRAINING] = "draining",
    };
    weir_check(phase >= 0 && phase < WEIR_PHASE_COUNT);
    return NAMES[phase];
}

void weir_brake_init(weir_brake *brake, uint32_t window, double share_max)
{
    weir_check(window > 0 && window <= WEIR_BRAKE_WINDOW_MAX);
    *brake = (weir_brake){.window = window, .share_max = share_max};
}

bool weir_brake_note(weir_brake *brake, bool rejected)
{
    brake->rejected -= brake->ring[brake->at];
    brake->ring[brake->at] = rejected;
    brake->rejected += rejected;
    brake->at = brake->at + 1 == brake->window ? 0 : brake->at + 1;
    if (brake->seen < brake->window)
        brake->seen++;
    return brake->seen * 10 >= brake->window && brake->rejected > brake->share_max * brake->seen;
}

void weir_brake_reset(weir_brake *brake)
{
    weir_brake_init(brake, brake->window, brake->share_max);
}
