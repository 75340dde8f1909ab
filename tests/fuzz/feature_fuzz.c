/* Feature names, one a line, through weir_plan_compile and over one event: never a crash, and what
 * compiles is spelled in a way that compiles to the same spelling. */
#include "weir/core/plan.h"

#include "weir/base/check.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ARENA_SIZE = 2 << 20, NAME_MAX = 8, REGISTER_MAX = 4096 };

static _Alignas(64) uint8_t memory[2][ARENA_SIZE];

static weir_status compile(int which, const char *const *names, size_t count, const weir_plan **plan_out)
{
    static const weir_entity_kind STAGES[] = {WEIR_ENTITY_CARD, WEIR_ENTITY_TERMINAL};
    weir_plan_options options = {.serial = 1, .stages = STAGES, .stage_count = 2};
    weir_arena arena;
    weir_error error = {0};
    weir_arena_init(&arena, memory[which], ARENA_SIZE);
    weir_status status = weir_plan_compile(names, count, &options, &arena, plan_out, &error);
    weir_check(status == WEIR_OK || error.message[0] != '\0');
    return status;
}

static void finish(const weir_plan *plan)
{
    static double registers[REGISTER_MAX], values[NAME_MAX];
    if (weir_plan_register_count(plan) > REGISTER_MAX)
        return;
    weir_event event = {.time_us = 1, .amount_minor = 123, .label_delay_us = WEIR_LABEL_NONE};
    weir_plan_skip(plan, 0, registers);
    weir_plan_skip(plan, 1, registers);
    weir_plan_finish(plan, &event, registers, values);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char text[4096];
    if (size >= sizeof text)
        return 0;
    memcpy(text, data, size);
    text[size] = '\0';
    const char *names[NAME_MAX];
    size_t count = 0;
    for (char *line = text; line && count < NAME_MAX; count++) {
        names[count] = line;
        line = strchr(line, '\n');
        if (line)
            *line++ = '\0';
    }
    const weir_plan *plan, *again;
    if (compile(0, names, count, &plan) != WEIR_OK)
        return 0;
    finish(plan);
    for (size_t i = 0; i < weir_plan_feature_count(plan); i++) {
        const char *name = weir_plan_feature_name(plan, i);
        if (strlen(name) > WEIR_FEATURE_NAME_MAX)
            continue;
        weir_check(compile(1, &name, 1, &again) == WEIR_OK);
        weir_check(strcmp(weir_plan_feature_name(again, 0), name) == 0);
    }
    return 0;
}
