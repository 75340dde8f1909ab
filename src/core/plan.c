/* Names to a plan, and registers to features. */
#include "core/builder.h"
#include "core/plan_internal.h"

#include "weir/base/check.h"
#include "weir/base/hash.h"
#include "weir/base/units.h"

#include <math.h>

#define HORIZON_US_DEFAULT (30 * WEIR_US_PER_DAY)

static const char *const ENTITY_NAMES[WEIR_ENTITY_COUNT] = {
    [WEIR_ENTITY_CARD] = "card",
    [WEIR_ENTITY_TERMINAL] = "terminal",
    [WEIR_ENTITY_MERCHANT] = "merchant",
    [WEIR_ENTITY_DEVICE] = "device",
};

const char *weir_entity_kind_name(weir_entity_kind kind)
{
    weir_check(kind < WEIR_ENTITY_COUNT);
    return ENTITY_NAMES[kind];
}

weir_entity_kind weir_entity_kind_named(const char *name)
{
    int kind = 0;
    while (kind < WEIR_ENTITY_COUNT && strcmp(ENTITY_NAMES[kind], name) != 0)
        kind++;
    return (weir_entity_kind)kind;
}

uint64_t weir_event_entity(const weir_event *event, weir_entity_kind kind)
{
    switch (kind) {
    case WEIR_ENTITY_CARD:
        return event->card;
    case WEIR_ENTITY_TERMINAL:
        return event->terminal;
    case WEIR_ENTITY_MERCHANT:
        return event->merchant;
    case WEIR_ENTITY_DEVICE:
        return weir_event_device(event);
    case WEIR_ENTITY_COUNT:
        break;
    }
    weir_check(false);
    return 0;
}

/* --- compiling --- */

static weir_status arena_full(weir_error *error)
{
    return weir_error_set(error, WEIR_FULL, "the active models' features do not fit the memory for compiling them");
}

static weir_status set_stages(weir_plan *plan, const weir_plan_options *options, weir_error *error)
{
    static const weir_entity_kind CARD_ALONE[] = {WEIR_ENTITY_CARD};
    const weir_entity_kind *entities = options->stages ? options->stages : CARD_ALONE;
    plan->stage_count = options->stages ? options->stage_count : 1;
    bool seen[WEIR_ENTITY_COUNT] = {0};
    if (plan->stage_count == 0 || plan->stage_count > WEIR_ENTITY_COUNT)
        return weir_error_set(error, WEIR_INVALID, "%zu stages: expected 1 to %d", plan->stage_count,
                              WEIR_ENTITY_COUNT);
    for (size_t i = 0; i < plan->stage_count; i++) {
        weir_check(entities[i] < WEIR_ENTITY_COUNT);
        if (seen[entities[i]])
            return weir_error_set(error, WEIR_INVALID, "stages: '%s' is named twice", ENTITY_NAMES[entities[i]]);
        seen[entities[i]] = true;
        plan->stages[i] = (weir_stage){.entity = entities[i], .index = (uint32_t)i, .serial = plan->serial};
    }
    return WEIR_OK;
}

/* An aggregate in the tree whose entity has no stage, or NULL. */
static const weir_node *find_unstaged(const weir_plan *plan, const weir_node *node)
{
    if (!node->has_aggregate)
        return NULL;
    if (node->kind == WEIR_NODE_AGGREGATE) {
        for (size_t i = 0; i < plan->stage_count; i++)
            if (plan->stages[i].entity == node->entity)
                return NULL;
        return node;
    }
    for (size_t i = 0; i < node->argument_count; i++) {
        const weir_node *found = find_unstaged(plan, node->arguments[i]);
        if (found)
            return found;
    }
    return NULL;
}

static weir_status add_root(weir_plan *plan, const weir_node *root, weir_arena *arena, size_t *index_out)
{
    for (size_t i = 0; i < plan->feature_count; i++)
        if (plan->roots[i] == root) {
            *index_out = i;
            return WEIR_OK;
        }
    char probe[1];
    size_t size = weir_syntax_format(root, probe, sizeof probe) + 1;
    char *name = weir_arena_take(arena, size);
    if (!name || plan->feature_count == WEIR_PLAN_FEATURE_MAX)
        return WEIR_FULL;
    weir_syntax_format(root, name, size);
    plan->roots[plan->feature_count] = root;
    plan->names[plan->feature_count] = name;
    *index_out = plan->feature_count++;
    return WEIR_OK;
}

static weir_status refuse_entity(const char *name, const char *entity, weir_error *error)
{
    return weir_error_set(error, WEIR_REFUSED, "feature '%.200s' asks about a %s, and there is no %s stage: add %s to "
                          "stages", name, entity, entity, entity);
}

static weir_status parse_names(weir_plan *plan, weir_syntax *syntax, const char *const *names, size_t count,
                               weir_error *error)
{
    for (size_t i = 0; i < count; i++) {
        const weir_node *root;
        weir_status status = weir_syntax_parse(syntax, weir_span_text(names[i]), &root, error);
        if (status != WEIR_OK)
            return status;
        const weir_node *unstaged = find_unstaged(plan, root);
        if (unstaged)
            return refuse_entity(names[i], ENTITY_NAMES[unstaged->entity], error);
        plan->given_names[i] = weir_arena_copy_text(syntax->arena, weir_span_text(names[i]));
        if (!plan->given_names[i] || add_root(plan, root, syntax->arena, &plan->given_features[i]) != WEIR_OK)
            return arena_full(error);
        plan->given_count = i + 1;
    }
    return WEIR_OK;
}

/* A window asks for delay + window; a look at everything retained that is delayed asks for as much retention
 * behind the delay as there is without it. */
static int64_t find_horizon(const weir_syntax *syntax, int64_t least_us)
{
    int64_t horizon_us = least_us;
    for (const weir_node *node = syntax->first; node; node = node->next) {
        if (node->kind != WEIR_NODE_AGGREGATE)
            continue;
        int64_t back_us = node->delay_us + (node->window_us == WEIR_WINDOW_ALL ? least_us : node->window_us);
        horizon_us = back_us > horizon_us ? back_us : horizon_us;
    }
    return horizon_us;
}

static weir_instruction instruction_of(const weir_node *node)
{
    weir_instruction instruction = {.node = node, .slot = node->slot};
    if (node->kind != WEIR_NODE_NUMERIC)
        return instruction;
    instruction.function = node->function;
    instruction.argument_count = node->argument_count;
    for (size_t i = 0; i < node->argument_count; i++)
        instruction.arguments[i] = node->arguments[i]->slot;
    return instruction;
}

/* Registers for the nodes that are computed from others, in an order in which arguments come first. */
static weir_status plan_code(weir_plan *plan, weir_syntax *syntax, uint32_t slot)
{
    size_t count = 0;
    for (const weir_node *node = syntax->first; node; node = node->next)
        count += !node->past;
    plan->code = weir_arena_take(syntax->arena, (count + 1) * sizeof *plan->code);
    plan->slots = weir_arena_take(syntax->arena, (plan->feature_count + 1) * sizeof *plan->slots);
    if (!plan->code || !plan->slots)
        return WEIR_FULL;
    for (weir_node *node = syntax->first; node; node = node->next) {
        if (node->past || node->kind == WEIR_NODE_AGGREGATE)
            continue;
        node->slot = node->kind == WEIR_NODE_PRIOR ? node->arguments[0]->slot : slot++;
        if (node->kind != WEIR_NODE_PRIOR)
            plan->code[plan->code_count++] = instruction_of(node);
    }
    for (size_t i = 0; i < plan->feature_count; i++)
        plan->slots[i] = plan->roots[i]->slot;
    plan->register_count = slot;
    return WEIR_OK;
}

enum { LAYOUT_TEXT_SIZE = 1024 };

/* Texts beyond the buffer are told apart by their length, and by what of them fits. */
static uint64_t find_layout(const weir_plan *plan, const weir_syntax *syntax)
{
    uint64_t layout = plan->stage_count;
    for (size_t i = 0; i < plan->stage_count; i++)
        layout = layout * WEIR_ENTITY_COUNT + plan->stages[i].entity;
    for (const weir_node *node = syntax->first; node; node = node->next) {
        if (node->kind != WEIR_NODE_AGGREGATE)
            continue;
        char text[LAYOUT_TEXT_SIZE];
        size_t size = weir_syntax_format(node, text, sizeof text);
        size_t kept = size < sizeof text ? size : sizeof text - 1;
        uint64_t words[] = {layout, size, node->entity, node->prior, node->slot,
                            weir_hash(weir_span_of((const uint8_t *)text, kept))};
        layout = weir_hash(weir_span_of((const uint8_t *)words, sizeof words));
    }
    return layout;
}

static weir_status compile(weir_plan *plan, weir_syntax *syntax, const char *const *names, size_t count,
                           const weir_plan_options *options, weir_error *error)
{
    weir_status status = set_stages(plan, options, error);
    if (status == WEIR_OK)
        status = parse_names(plan, syntax, names, count, error);
    if (status != WEIR_OK)
        return status;
    int64_t least_us = options->horizon_us_min ? options->horizon_us_min : HORIZON_US_DEFAULT;
    plan->horizon_us = find_horizon(syntax, least_us);
    uint32_t slot = 0;
    for (size_t i = 0; i < plan->stage_count; i++) {
        plan->stages[i].horizon_us = plan->horizon_us;
        plan->stages[i].retention_us = plan->horizon_us + (i > 0 ? options->drift_us : 0);
        if (weir_builder_stage(syntax, &slot, &plan->stages[i]) != WEIR_OK)
            return arena_full(error);
    }
    plan->layout = find_layout(plan, syntax);
    return plan_code(plan, syntax, slot) == WEIR_OK ? WEIR_OK : arena_full(error);
}

weir_status weir_plan_compile(const char *const *names, size_t count, const weir_plan_options *options,
                              weir_arena *arena, const weir_plan **plan_out, weir_error *error)
{
    weir_check(options->serial > 0);
    weir_check(options->drift_us >= 0 && options->drift_us <= WEIR_LAG_US_MAX);
    if (options->horizon_us_min < 0 || options->horizon_us_min > WEIR_LAG_US_MAX)
        return weir_error_set(error, WEIR_INVALID, "horizon: expected a duration of at most 36525d");
    size_t roots = count < WEIR_PLAN_FEATURE_MAX ? count : WEIR_PLAN_FEATURE_MAX;
    weir_plan *plan = weir_arena_take(arena, sizeof *plan);
    weir_syntax *syntax = weir_arena_take(arena, sizeof *syntax);
    if (!plan || !syntax || count > SIZE_MAX / 16)
        return arena_full(error);
    plan->serial = options->serial;
    plan->roots = weir_arena_take(arena, roots * sizeof *plan->roots);
    plan->names = weir_arena_take(arena, roots * sizeof *plan->names);
    plan->given_names = weir_arena_take(arena, count * sizeof *plan->given_names);
    plan->given_features = weir_arena_take(arena, count * sizeof *plan->given_features);
    if (!plan->roots || !plan->names || !plan->given_names || !plan->given_features)
        return arena_full(error);
    weir_syntax_init(syntax, arena);
    weir_status status = compile(plan, syntax, names, count, options, error);
    if (status == WEIR_OK)
        *plan_out = plan;
    return status;
}

/* --- asking --- */

uint32_t weir_plan_serial(const weir_plan *plan)
{
    return plan->serial;
}

size_t weir_plan_feature_count(const weir_plan *plan)
{
    return plan->feature_count;
}

const char *weir_plan_feature_name(const weir_plan *plan, size_t index)
{
    weir_check(index < plan->feature_count);
    return plan->names[index];
}

size_t weir_plan_feature_index(const weir_plan *plan, const char *name)
{
    for (size_t i = 0; i < plan->given_count; i++)
        if (strcmp(plan->given_names[i], name) == 0)
            return plan->given_features[i];
    return SIZE_MAX;
}

int64_t weir_plan_horizon_us(const weir_plan *plan)
{
    return plan->horizon_us;
}

int64_t weir_plan_retention_us(const weir_plan *plan, size_t stage)
{
    weir_check(stage < plan->stage_count);
    return plan->stages[stage].retention_us;
}

size_t weir_plan_register_count(const weir_plan *plan)
{
    return plan->register_count;
}

size_t weir_plan_stage_count(const weir_plan *plan)
{
    return plan->stage_count;
}

weir_entity_kind weir_plan_stage_entity(const weir_plan *plan, size_t stage)
{
    weir_check(stage < plan->stage_count);
    return plan->stages[stage].entity;
}

uint64_t weir_plan_layout(const weir_plan *plan)
{
    return plan->layout;
}

void weir_plan_stage_registers(const weir_plan *plan, size_t stage, size_t *first_out, size_t *count_out)
{
    weir_check(stage < plan->stage_count);
    *first_out = plan->stages[stage].slot_first;
    *count_out = plan->stages[stage].slot_count;
}

void weir_plan_skip(const weir_plan *plan, size_t stage, double *registers)
{
    weir_check(stage < plan->stage_count);
    for (uint32_t i = 0; i < plan->stages[stage].slot_count; i++)
        registers[plan->stages[stage].slot_first + i] = NAN;
}

/* --- computing --- */

static double compute(const weir_instruction *instruction, const weir_event *event, const double *registers)
{
    if (!instruction->function)
        return weir_node_evaluate(instruction->node, event, event->time_us);
    double arguments[WEIR_FUNCTION_ARGUMENT_MAX];
    for (size_t i = 0; i < instruction->argument_count; i++)
        arguments[i] = registers[instruction->arguments[i]];
    return weir_function_numeric(instruction->function, arguments, instruction->argument_count);
}

void weir_plan_compute(const weir_plan *plan, const weir_event *event, double *registers)
{
    const weir_instruction *end = plan->code + plan->code_count;
    for (const weir_instruction *instruction = plan->code; instruction < end; instruction++)
        registers[instruction->slot] = compute(instruction, event, registers);
}

const uint32_t *weir_plan_feature_registers(const weir_plan *plan)
{
    return plan->slots;
}

void weir_plan_finish(const weir_plan *plan, const weir_event *event, double *registers, double *values_out)
{
    weir_plan_compute(plan, event, registers);
    for (size_t i = 0; i < plan->feature_count; i++)
        values_out[i] = registers[plan->slots[i]];
}
