/* A compiled plan: its stages, and the code that turns registers into features. */
#ifndef WEIR_SRC_CORE_PLAN_INTERNAL_H
#define WEIR_SRC_CORE_PLAN_INTERNAL_H

#include "core/running.h"

typedef struct weir_instruction { /* register[slot] = function(registers[arguments]), or the node on the event */
    const weir_function *function; /* NULL: the node has no arguments */
    const weir_node *node;
    uint32_t slot, argument_count;
    uint32_t arguments[WEIR_FUNCTION_ARGUMENT_MAX];
} weir_instruction;

struct weir_plan {
    uint32_t serial;
    int64_t horizon_us;
    uint64_t layout; /* weir_plan_layout */
    weir_stage stages[WEIR_ENTITY_COUNT];
    size_t stage_count;
    size_t feature_count;
    const weir_node **roots;  /* a feature each */
    uint32_t *slots;          /* the register of each feature */
    const char **names;       /* canonical, a feature each */
    size_t given_count;
    const char **given_names; /* as passed to compile, with the feature each became */
    size_t *given_features;
    weir_instruction *code;   /* arguments first */
    size_t code_count;
    size_t register_count;    /* aggregates of stage 0, 1, ..., then a register a node of the code */
};

#endif
