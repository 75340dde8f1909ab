#include "weir/app/rules.h"

#include <stdlib.h>

/* Room for a plan of WEIR_PLAN_FEATURE_MAX features with long names; only touched pages cost memory. */
enum { RULES_MEMORY_SIZE = 64 << 20, RULES_ALIGNMENT = 64 };

weir_status weir_rules_open(const char *path, int64_t horizon_us_min, weir_rules *rules_out, weir_error *error)
{
    weir_plan_options options = {.horizon_us_min = horizon_us_min, .serial = 1};
    weir_rules rules = {0};
    weir_status status = weir_release_load_file(path, &options, &rules.release, error);
    if (status != WEIR_OK)
        return status;
    rules.memory = aligned_alloc(RULES_ALIGNMENT, RULES_MEMORY_SIZE);
    if (!rules.memory) {
        weir_rules_close(&rules);
        return weir_error_set(error, WEIR_FULL, "%s: no memory to compile the model", path);
    }
    weir_arena arena;
    weir_arena_init(&arena, rules.memory, RULES_MEMORY_SIZE);
    const weir_model *model = &rules.release->model;
    status = weir_plan_compile(model->feature_names, model->feature_count, &options, &arena, &rules.plan, error);
    if (status == WEIR_OK)
        status = weir_ruleset_build(rules.plan, &model, 1, &arena, &rules.ruleset, error);
    if (status != WEIR_OK) {
        weir_rules_close(&rules);
        return weir_error_wrap(error, "%s", path);
    }
    *rules_out = rules;
    return WEIR_OK;
}

void weir_rules_close(weir_rules *rules)
{
    free(rules->memory);
    weir_release_close(rules->release);
    *rules = (weir_rules){0};
}
