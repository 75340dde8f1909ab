/* Turns the aggregates of one stage into what its histories keep (core/running.h): each row's `plan`
 * function asks for measures, sets and frontier state, and equal wishes share one place.
 *
 * The first wish that does not fit sets `full`; what is returned after that means nothing.
 */
#ifndef WEIR_SRC_CORE_BUILDER_H
#define WEIR_SRC_CORE_BUILDER_H

#include "core/running.h"

typedef struct weir_builder {
    weir_syntax *syntax;
    weir_stage *stage;
    int64_t *lags; /* ascending */
    weir_edge_op *ops;
    uint32_t op_count;
    weir_frontier_op *frontier_ops;
    uint32_t frontier_op_count;
    uint32_t aggregate_count; /* bounds all of the above */
    uint32_t holes[2];        /* places of 4 and of 8 bytes that aligning left free; 0: none */
    bool full;
} weir_builder;

/* Makes a stage, whose entity, index, serial, horizon and retention are given in *stage, from the aggregates of all
 * parsed features; sets the nodes' slots from *slot on. Fails: WEIR_FULL when the arena is. */
WEIR_MUST_USE weir_status weir_builder_stage(weir_syntax *syntax, uint32_t *slot, weir_stage *stage);

/* The number of a condition; NULL, for every event, is 0. */
uint16_t weir_builder_predicate(weir_builder *builder, const weir_node *condition);

/* The same for "a and b". */
uint16_t weir_builder_both(weir_builder *builder, const weir_node *a, const weir_node *b);

/* The byte offset of a prefix count, sum or sum of squares at an edge. */
uint32_t weir_builder_measure(weir_builder *builder, weir_measure measure, uint16_t edge, uint16_t predicate);

/* The index of the multiset of a field between two edges. */
uint32_t weir_builder_multiset(weir_builder *builder, const weir_field *field, uint16_t predicate, uint16_t head,
                               uint16_t tail);

/* The index of frontier state; op.index is ignored. */
uint32_t weir_builder_frontier(weir_builder *builder, weir_frontier_op op);

#endif
