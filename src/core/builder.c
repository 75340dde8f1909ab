#include "core/builder.h"

#include "weir/base/check.h"

enum { OPS_PER_AGGREGATE = 10, PREDICATES_PER_AGGREGATE = 3, AGGREGATE_MAX = 8192 };

/* --- wishes --- */

uint16_t weir_builder_predicate(weir_builder *builder, const weir_node *condition)
{
    weir_stage *stage = builder->stage;
    for (uint32_t i = 0; i < stage->predicate_count; i++)
        if (stage->predicates[i] == condition)
            return (uint16_t)i;
    weir_check(stage->predicate_count <= PREDICATES_PER_AGGREGATE * builder->aggregate_count);
    stage->has_label |= condition->has_label;
    stage->predicates[stage->predicate_count] = condition;
    return (uint16_t)stage->predicate_count++;
}

uint16_t weir_builder_both(weir_builder *builder, const weir_node *a, const weir_node *b)
{
    return weir_builder_predicate(builder, weir_syntax_and(builder->syntax, a, b, &builder->full));
}

/* What aligning left free is kept for the next that fits: there is at most one hole of 4 bytes and one of 8. */
static uint32_t take_place(weir_builder *builder, uint32_t size)
{
    uint32_t *holes = builder->holes, place = builder->stage->size;
    for (uint32_t hole = 4; hole < 16; hole *= 2) {
        uint32_t *at = &holes[hole / 8];
        if (hole == size && *at) {
            place = *at;
            *at = 0;
            return place;
        }
    }
    for (uint32_t hole = 4; hole < size; hole *= 2)
        if (place & hole) {
            holes[hole / 8] = place;
            place += hole;
        }
    builder->stage->size = place + size;
    return place;
}

static weir_edge_op *add_op(weir_builder *builder, weir_edge_op op)
{
    weir_check(builder->op_count < OPS_PER_AGGREGATE * builder->aggregate_count);
    builder->ops[builder->op_count] = op;
    return &builder->ops[builder->op_count++];
}

uint32_t weir_builder_measure(weir_builder *builder, weir_measure measure, uint16_t edge, uint16_t predicate)
{
    if (measure == WEIR_MEASURE_COUNT && predicate == 0)
        return builder->stage->edge_offset +
               (uint32_t)(edge * sizeof(weir_edge) + offsetof(weir_edge, ordinal)); /* counts every event */
    for (uint32_t i = 0; i < builder->op_count; i++) {
        const weir_edge_op *op = &builder->ops[i];
        if (op->measure == measure && op->edge == edge && op->predicate == predicate)
            return op->place;
    }
    static const uint32_t SIZES[] = {[WEIR_MEASURE_COUNT] = sizeof(uint32_t),
                                     [WEIR_MEASURE_SUM] = sizeof(uint64_t),
                                     [WEIR_MEASURE_SQUARES] = sizeof(unsigned __int128)};
    return add_op(builder, (weir_edge_op){.measure = (uint8_t)measure, .edge = edge, .predicate = predicate,
                                          .sign = 1, .place = take_place(builder, SIZES[measure])})->place;
}

/* The op of a multiset at its head is followed by the one at its tail. */
uint32_t weir_builder_multiset(weir_builder *builder, const weir_field *field, uint16_t predicate, uint16_t head,
                               uint16_t tail)
{
    for (uint32_t i = 0; i < builder->op_count; i++) {
        const weir_edge_op *op = &builder->ops[i];
        if (op->measure == WEIR_MEASURE_KEY && op->sign > 0 && op->field == field && op->predicate == predicate &&
            op->edge == head && op[1].edge == tail)
            return op->place;
    }
    weir_edge_op op = {.measure = WEIR_MEASURE_KEY, .edge = head, .predicate = predicate, .sign = 1, .field = field,
                       .place = builder->stage->multiset_count++};
    add_op(builder, op);
    op.edge = tail;
    op.sign = -1;
    return add_op(builder, op)->place;
}

static bool same_frontier(const weir_frontier_op *a, const weir_frontier_op *b)
{
    return a->kind == b->kind && a->edge == b->edge && a->predicate == b->predicate && a->condition == b->condition &&
           a->negate == b->negate && a->window_us == b->window_us && a->value == b->value;
}

static bool depends_on_labels(const weir_node *node)
{
    return node && node->has_label;
}

/* What a label changes: which event is the newest match, or where a row ends, is searched again. A maximum has
 * forgotten what it would need; a value or a count that labels are part of is too much to follow. */
static void note_labels(weir_stage *stage, weir_frontier_op *op)
{
    bool which = depends_on_labels(stage->predicates[op->predicate]);
    bool row = depends_on_labels(stage->predicates[op->condition]);
    bool value = depends_on_labels(op->value);
    if (!which && !row && !value)
        return;
    op->renewed = (op->kind == WEIR_FRONTIER_LATEST && !value) || (op->kind == WEIR_FRONTIER_STREAK && !which);
    stage->has_label = true;
    stage->has_label_to_renew |= op->renewed;
    stage->has_label_at_frontier |= !op->renewed;
}

uint32_t weir_builder_frontier(weir_builder *builder, weir_frontier_op op)
{
    weir_stage *stage = builder->stage;
    for (uint32_t i = 0; i < builder->frontier_op_count; i++)
        if (same_frontier(&builder->frontier_ops[i], &op))
            return builder->frontier_ops[i].index;
    uint32_t *counts[] = {[WEIR_FRONTIER_EXTREME] = &stage->extreme_count,
                          [WEIR_FRONTIER_LATEST] = &stage->latest_count,
                          [WEIR_FRONTIER_STREAK] = &stage->streak_count};
    op.index = (*counts[op.kind])++;
    note_labels(stage, &op);
    builder->frontier_ops[builder->frontier_op_count++] = op;
    return op.index;
}

/* --- edges --- */

static void add_lag(weir_builder *builder, int64_t lag_us)
{
    uint16_t at = builder->stage->edge_count;
    while (at > 0 && builder->lags[at - 1] >= lag_us)
        at--;
    if (at < builder->stage->edge_count && builder->lags[at] == lag_us)
        return;
    memmove(&builder->lags[at + 1], &builder->lags[at], (builder->stage->edge_count - at) * sizeof *builder->lags);
    builder->lags[at] = lag_us;
    builder->stage->edge_count++;
}

static uint16_t edge_of(const weir_builder *builder, int64_t lag_us)
{
    uint16_t edge = 0;
    while (builder->lags[edge] != lag_us)
        edge++;
    weir_check(edge < builder->stage->edge_count);
    return edge;
}

static int64_t tail_lag(const weir_builder *builder, const weir_node *node)
{
    return node->window_us == WEIR_WINDOW_ALL ? builder->stage->horizon_us : node->delay_us + node->window_us;
}

static const weir_node *next_aggregate(const weir_builder *builder, const weir_node *node)
{
    for (node = node ? node->next : builder->syntax->first; node; node = node->next)
        if (node->kind == WEIR_NODE_AGGREGATE && node->entity == builder->stage->entity)
            return node;
    return NULL;
}

static void find_edges(weir_builder *builder)
{
    add_lag(builder, 0);
    add_lag(builder, builder->stage->horizon_us);
    add_lag(builder, builder->stage->retention_us);
    for (const weir_node *node = NULL; (node = next_aggregate(builder, node));) {
        add_lag(builder, node->delay_us);
        add_lag(builder, tail_lag(builder, node));
    }
}

/* --- loads --- */

static weir_spread *find_spread(weir_spread *spreads, uint32_t *count, const weir_load *load)
{
    for (uint32_t i = 0; i < *count; i++)
        if (spreads[i].head == load->head && spreads[i].tail == load->tail && spreads[i].predicate == load->predicate)
            return &spreads[i];
    weir_spread *fresh = &spreads[(*count)++];
    *fresh = (weir_spread){.head = load->head, .tail = load->tail, .predicate = load->predicate};
    memset(fresh->slots, 0xff, sizeof fresh->slots);
    return fresh;
}

/* The loads of one window's numbers agree on where its measures are, if they have them at all. */
static void join_spread(weir_spread *spread, const weir_load *load)
{
    spread->slots[load->function->spread] = load->slot;
    spread->count_head |= load->count_head;
    spread->count_tail |= load->count_tail;
    spread->sum_head |= load->sum_head;
    spread->sum_tail |= load->sum_tail;
    spread->squares_head |= load->squares_head;
    spread->squares_tail |= load->squares_tail;
}

static void plan_reading(weir_builder *builder, bool prior, weir_spread *spreads, weir_load *loads, uint32_t *slot,
                         weir_reading *reading_out)
{
    weir_reading reading = {.spreads = spreads, .loads = loads};
    for (const weir_node *node = NULL; (node = next_aggregate(builder, node));) {
        if (node->prior != prior)
            continue;
        weir_load load = {.function = node->function,
                          .slot = (*slot)++,
                          .head = edge_of(builder, node->delay_us),
                          .tail = edge_of(builder, tail_lag(builder, node)),
                          .field = node->field};
        ((weir_node *)node)->slot = load.slot;
        load.function->plan(builder, node, &load);
        if (load.function->spread)
            join_spread(find_spread(spreads, &reading.spread_count, &load), &load);
        else
            loads[reading.load_count++] = load;
    }
    *reading_out = reading;
}

static void plan_readings(weir_builder *builder, weir_spread *spreads, weir_load *loads, uint32_t *slot)
{
    weir_stage *stage = builder->stage;
    stage->slot_first = *slot;
    plan_reading(builder, true, spreads, loads, slot, &stage->prior);
    plan_reading(builder, false, spreads + stage->prior.spread_count, loads + stage->prior.load_count, slot,
                 &stage->after);
    stage->slot_count = *slot - stage->slot_first;
}

/* --- the edges' own lists --- */

static void sort_ops(weir_builder *builder)
{
    for (uint32_t i = 1; i < builder->op_count; i++) {
        weir_edge_op op = builder->ops[i];
        uint32_t at = i;
        for (; at > 0; at--) {
            const weir_edge_op *before = &builder->ops[at - 1];
            if (before->edge < op.edge || (before->edge == op.edge && before->predicate <= op.predicate))
                break;
            builder->ops[at] = *before;
        }
        builder->ops[at] = op;
    }
}

static void sort_frontier_ops(weir_builder *builder)
{
    for (uint32_t i = 1; i < builder->frontier_op_count; i++) {
        weir_frontier_op op = builder->frontier_ops[i];
        uint32_t at = i;
        for (; at > 0 && builder->frontier_ops[at - 1].edge > op.edge; at--)
            builder->frontier_ops[at] = builder->frontier_ops[at - 1];
        builder->frontier_ops[at] = op;
    }
}

/* The sums of every event leave the list of ops for their own place in the edge. */
static void take_plain_sums(weir_builder *builder, weir_edge_plan *edges)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < builder->op_count; i++) {
        const weir_edge_op *op = &builder->ops[i];
        bool plain = op->predicate == 0;
        if (plain && op->measure == WEIR_MEASURE_SUM)
            edges[op->edge].sum_place = op->place;
        else if (plain && op->measure == WEIR_MEASURE_SQUARES)
            edges[op->edge].squares_place = op->place;
        else
            builder->ops[kept++] = *op;
    }
    builder->op_count = kept;
}

static void list_key_ops(weir_builder *builder, weir_edge_op *key_ops)
{
    builder->stage->key_ops = key_ops;
    for (uint32_t i = 0; i < builder->op_count; i++)
        if (builder->ops[i].measure == WEIR_MEASURE_KEY)
            key_ops[builder->stage->key_op_count++] = builder->ops[i];
}

static void plan_edges(weir_builder *builder, weir_edge_plan *edges)
{
    take_plain_sums(builder, edges);
    sort_ops(builder);
    sort_frontier_ops(builder);
    uint32_t op = 0, frontier_op = 0;
    for (uint16_t i = 0; i < builder->stage->edge_count; i++) {
        weir_edge_plan *edge = &edges[i];
        edge->lag_us = builder->lags[i];
        edge->ops = builder->ops + op;
        edge->frontier_ops = builder->frontier_ops + frontier_op;
        for (; op < builder->op_count && builder->ops[op].edge == i; op++)
            edge->op_count++;
        for (; frontier_op < builder->frontier_op_count && builder->frontier_ops[frontier_op].edge == i; frontier_op++)
            edge->frontier_op_count++;
    }
    builder->stage->edges = edges;
}

static void lay_out_rest(weir_stage *stage)
{
    uint32_t at = (stage->size + 7) & ~UINT32_C(7);
    stage->multiset_offset = at;
    at += stage->multiset_count * (uint32_t)sizeof(weir_multiset);
    stage->extreme_offset = at;
    at += stage->extreme_count * (uint32_t)sizeof(weir_extreme);
    stage->latest_offset = at;
    at += stage->latest_count * (uint32_t)sizeof(weir_latest);
    stage->streak_offset = at;
    stage->size = at + stage->streak_count * (uint32_t)sizeof(weir_streak);
}

weir_status weir_builder_stage(weir_syntax *syntax, uint32_t *slot, weir_stage *stage_out)
{
    weir_stage stage = {.entity = stage_out->entity,
                        .index = stage_out->index,
                        .serial = stage_out->serial,
                        .horizon_us = stage_out->horizon_us,
                        .retention_us = stage_out->retention_us};
    weir_builder builder = {.syntax = syntax, .stage = &stage};
    for (const weir_node *node = NULL; (node = next_aggregate(&builder, node));)
        builder.aggregate_count++;
    if (builder.aggregate_count > AGGREGATE_MAX)
        return WEIR_FULL;
    weir_arena *arena = syntax->arena;
    uint32_t count = builder.aggregate_count + 2;
    weir_load *loads = weir_arena_take(arena, count * sizeof *loads);
    weir_spread *spreads = weir_arena_take(arena, count * sizeof *spreads);
    builder.lags = weir_arena_take(arena, 2 * count * sizeof *builder.lags);
    builder.ops = weir_arena_take(arena, OPS_PER_AGGREGATE * count * sizeof *builder.ops);
    builder.frontier_ops = weir_arena_take(arena, count * sizeof *builder.frontier_ops);
    stage.predicates = weir_arena_take(arena, PREDICATES_PER_AGGREGATE * count * sizeof *stage.predicates);
    weir_edge_plan *edges = weir_arena_take(arena, 2 * count * sizeof *edges);
    weir_edge_op *key_ops = weir_arena_take(arena, 2 * count * sizeof *key_ops);
    if (!loads || !spreads || !builder.lags || !builder.ops || !builder.frontier_ops || !stage.predicates || !edges ||
        !key_ops)
        return WEIR_FULL;
    stage.predicate_count = 1;
    find_edges(&builder);
    stage.gate_offset = (uint32_t)sizeof(weir_running);
    stage.edge_offset = stage.gate_offset + stage.edge_count * (uint32_t)sizeof(int64_t);
    stage.size = stage.edge_offset + stage.edge_count * (uint32_t)sizeof(weir_edge);
    if (stage.retention_us > stage.horizon_us) { /* sources drift: half of all events come behind another */
        stage.behind_offset = stage.size;
        stage.size += stage.edge_count * (uint32_t)sizeof(int64_t);
    }
    stage.lags_us = builder.lags;
    plan_readings(&builder, spreads, loads, slot);
    if (builder.full)
        return WEIR_FULL;
    plan_edges(&builder, edges);
    list_key_ops(&builder, key_ops);
    lay_out_rest(&stage);
    *stage_out = stage;
    return WEIR_OK;
}
