#include "weir/app/rules.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Room for a plan of WEIR_PLAN_FEATURE_MAX features with long names; only touched pages cost memory. */
enum { RULES_MEMORY_SIZE = 64 << 20, RULES_ALIGNMENT = 64 };

weir_status weir_chain_parse(const char *const *names, size_t count, weir_chain *chain_out, weir_error *error)
{
    weir_chain chain = {0};
    for (size_t i = 0; i < count; i++) {
        weir_entity_kind kind = weir_entity_kind_named(names[i]);
        if (kind == WEIR_ENTITY_COUNT)
            return weir_error_set(error, WEIR_INVALID,
                                  "stages: \"%.40s\" is no entity: they are card, terminal, merchant and device",
                                  names[i]);
        for (size_t before = 0; before < i; before++)
            if (chain.stages[before] == kind)
                return weir_error_set(error, WEIR_INVALID, "stages: %s is named twice", names[i]);
        chain.stages[chain.count++] = kind;
    }
    if (chain.count == 0 || chain.stages[0] != WEIR_ENTITY_CARD)
        return weir_error_set(error, WEIR_INVALID,
                              "stages begin with card, by which transactions and labels are keyed: card, terminal");
    *chain_out = chain;
    return WEIR_OK;
}

weir_status weir_chain_parse_list(const char *list, weir_chain *chain_out, weir_error *error)
{
    enum { NAME_SIZE = 64 };
    char copies[WEIR_ENTITY_COUNT + 1][NAME_SIZE];
    const char *names[WEIR_ENTITY_COUNT + 1];
    size_t count = 0;
    for (const char *at = list; *at && count <= WEIR_ENTITY_COUNT;) {
        at += strspn(at, " ,");
        size_t size = strcspn(at, " ,");
        if (size == 0)
            break;
        snprintf(copies[count], NAME_SIZE, "%.*s", (int)(size < NAME_SIZE ? size : NAME_SIZE - 1), at);
        names[count] = copies[count];
        count++;
        at += size;
    }
    return weir_chain_parse(names, count, chain_out, error);
}

weir_status weir_rules_open(const char *path, const weir_chain *chain, int64_t horizon_us_min, weir_rules *rules_out,
                            weir_error *error)
{
    weir_plan_options options = {.horizon_us_min = horizon_us_min, .serial = 1};
    if (chain) {
        options.stages = chain->stages;
        options.stage_count = chain->count;
        options.drift_us = chain->drift_us;
    }
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
