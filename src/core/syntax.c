#include "core/syntax.h"

#include "weir/base/check.h"
#include "weir/base/hash.h"

#include <math.h>

void weir_syntax_init(weir_syntax *syntax, weir_arena *arena)
{
    memset(syntax, 0, sizeof *syntax);
    syntax->arena = arena;
}

static uint64_t mix(uint64_t hash, uint64_t value)
{
    hash = (hash ^ value) * UINT64_C(0x9e3779b97f4a7c15);
    return hash ^ hash >> 29;
}

static uint64_t bits_of(double number)
{
    uint64_t bits;
    memcpy(&bits, &number, sizeof bits);
    return bits;
}

static unsigned bucket_of(const weir_node *node)
{
    uint64_t hash = mix(node->kind, (uint64_t)node->past << 1 | node->prior);
    hash = mix(hash, (uintptr_t)node->function);
    hash = mix(hash, (uintptr_t)node->field);
    hash = mix(hash, bits_of(node->number));
    hash = mix(hash, (uint64_t)node->window_us ^ (uint64_t)node->delay_us << 1);
    hash = mix(hash, (uintptr_t)node->where);
    for (size_t i = 0; i < node->argument_count; i++)
        hash = mix(hash, (uintptr_t)node->arguments[i]);
    return (unsigned)(hash >> 32) % WEIR_SYNTAX_BUCKET_COUNT;
}

static bool same_node(const weir_node *a, const weir_node *b)
{
    return a->kind == b->kind && a->past == b->past && a->prior == b->prior && a->entity == b->entity &&
           a->function == b->function && a->field == b->field && bits_of(a->number) == bits_of(b->number) &&
           a->window_us == b->window_us && a->delay_us == b->delay_us && a->offset_us == b->offset_us &&
           a->where == b->where && a->argument_count == b->argument_count &&
           memcmp(a->arguments, b->arguments, sizeof a->arguments) == 0 && a->code_count == b->code_count &&
           (a->code_count == 0 || memcmp(a->codes, b->codes, a->code_count * sizeof *a->codes) == 0);
}

/* What a node inherits from the nodes in it. */
static void inherit(weir_node *node)
{
    node->has_aggregate = node->kind == WEIR_NODE_AGGREGATE;
    node->has_label = (node->field && node->field->is_label) || (node->where && node->where->has_label);
    for (size_t i = 0; i < node->argument_count; i++) {
        node->has_aggregate |= node->arguments[i]->has_aggregate;
        node->has_label |= node->arguments[i]->has_label;
    }
}

const weir_node *weir_syntax_intern(weir_syntax *syntax, const weir_node *draft)
{
    weir_node **bucket = &syntax->buckets[bucket_of(draft)];
    for (weir_node *node = *bucket; node; node = node->next_in_bucket)
        if (same_node(node, draft))
            return node;
    weir_node *node = weir_arena_take(syntax->arena, sizeof *node);
    uint64_t *codes = draft->code_count ? weir_arena_take(syntax->arena, draft->code_count * sizeof *codes) : NULL;
    if (!node || (draft->code_count && !codes) || syntax->node_count == WEIR_SYNTAX_NODE_MAX)
        return NULL;
    *node = *draft;
    if (codes)
        node->codes = memcpy(codes, draft->codes, draft->code_count * sizeof *codes);
    inherit(node);
    node->next_in_bucket = *bucket;
    *bucket = node;
    *(syntax->last ? &syntax->last->next : &syntax->first) = node;
    syntax->last = node;
    syntax->node_count++;
    return node;
}

const weir_node *weir_syntax_and(weir_syntax *syntax, const weir_node *a, const weir_node *b, bool *full)
{
    if (!a || !b)
        return a ? a : b;
    weir_node both = {.kind = WEIR_NODE_NUMERIC, .past = true, .argument_count = 2, .arguments = {a, b}};
    both.function = weir_function_operator(weir_span_text("and"), 2);
    const weir_node *node = weir_syntax_intern(syntax, &both);
    *full |= !node;
    return node;
}

static double evaluate_is(const weir_node *node, const weir_event *event)
{
    uint64_t key = node->field->key(event);
    if (key == 0)
        return NAN;
    for (size_t i = 0; i < node->code_count; i++)
        if (node->codes[i] == key)
            return 1;
    return 0;
}

static double evaluate_numeric(const weir_node *node, const weir_event *event, int64_t as_of_us)
{
    double arguments[WEIR_FUNCTION_ARGUMENT_MAX];
    for (size_t i = 0; i < node->argument_count; i++)
        arguments[i] = weir_node_evaluate(node->arguments[i], event, as_of_us);
    return weir_function_numeric(node->function, arguments, node->argument_count);
}

double weir_node_evaluate(const weir_node *node, const weir_event *event, int64_t as_of_us)
{
    switch (node->kind) {
    case WEIR_NODE_NUMBER:
        return node->number;
    case WEIR_NODE_FIELD:
        return node->field->number(event, as_of_us);
    case WEIR_NODE_CALENDAR:
        return node->function->calendar(event->time_us + node->offset_us);
    case WEIR_NODE_IS:
        return evaluate_is(node, event);
    case WEIR_NODE_NUMERIC:
        return evaluate_numeric(node, event, as_of_us);
    case WEIR_NODE_AGGREGATE:
    case WEIR_NODE_PRIOR:
        break;
    }
    weir_check(!"an aggregate has no value on one event");
    return NAN;
}
