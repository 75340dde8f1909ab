#include "weir/core/engine.h"

#include "weir/base/check.h"

#include <cblas.h>
#include <math.h>
#include <string.h>

enum {
    LINE_SIZE = 64,
    PREFETCH_LEVEL_COUNT = 3,
    PREFETCH_DISTANCE = 4, /* items between two levels of prefetching: about as long as memory takes */
};

/* A row of weights a model, a place a column of the plan; 0 where the model has no such feature. `missing_logits` is
 * column_count x WEIR_MODEL_COLUMNS and holds w * impute. */
struct weir_ruleset {
    const weir_plan *plan;
    const weir_model *models[WEIR_MODEL_COLUMNS];
    size_t model_count;
    size_t column_count;          /* the plan's features */
    double *weights;              /* model after model, column_count each */
    double *missing_logits;       /* column_count x WEIR_MODEL_COLUMNS */
    double biases[WEIR_MODEL_COLUMNS];
    uint32_t *champion_columns;   /* the plan column of each champion feature */
    uint8_t *champion_uses;       /* a plan column: 1 when the champion has a feature there */
};

struct weir_engine {
    size_t column_max, register_max;
    double *registers; /* WEIR_BATCH_MAX rows, of which a plan of one stage uses the first alone: it stays warm */
    double *values;    /* WEIR_BATCH_MAX rows of the plan's values, as handed out */
};

/* --- ruleset ------------------------------------------------------------------------------------------------- */

static weir_status check_model(const weir_model *model, weir_error *error)
{
    weir_check(model->threshold_count <= WEIR_THRESHOLD_MAX && (unsigned)model->link < WEIR_LINK_COUNT);
    if (model->feature_count > WEIR_PLAN_FEATURE_MAX)
        return weir_error_set(error, WEIR_INVALID, "model %s has %zu features, more than %d", model->name,
                              model->feature_count, WEIR_PLAN_FEATURE_MAX);
    bool bounded = !weir_model_is_missing(model->bias);
    for (size_t i = 0; i < model->feature_count; i++)
        bounded = bounded && !weir_model_is_missing(model->weights[i]) && !weir_model_is_missing(model->means[i]) &&
                  !weir_model_is_missing(model->imputes[i]);
    return bounded ? WEIR_OK
                   : weir_error_set(error, WEIR_INVALID, "model %s has a number that is not finite or beyond %g",
                                    model->name, WEIR_MODEL_MAGNITUDE_MAX);
}

/* Adds one model's weights as column `index` of the matrices. Two names that mean the same feature share a row. */
static weir_status place_model(weir_ruleset *ruleset, size_t index, weir_error *error)
{
    const weir_model *model = ruleset->models[index];
    weir_status status = check_model(model, error);
    if (status != WEIR_OK)
        return status;
    for (size_t i = 0; i < model->feature_count; i++) {
        size_t column = weir_plan_feature_index(ruleset->plan, model->feature_names[i]);
        if (column == SIZE_MAX)
            return weir_error_set(error, WEIR_INVALID, "model %s: feature \"%s\" is not in the plan", model->name,
                                  model->feature_names[i]);
        weir_check(column < ruleset->column_count);
        ruleset->weights[index * ruleset->column_count + column] += model->weights[i];
        ruleset->missing_logits[column * WEIR_MODEL_COLUMNS + index] += model->weights[i] * model->imputes[i];
        if (index == 0) {
            ruleset->champion_columns[i] = (uint32_t)column;
            ruleset->champion_uses[column] = 1;
        }
    }
    ruleset->biases[index] = model->bias;
    return WEIR_OK;
}

static bool take_matrices(weir_ruleset *ruleset, weir_arena *arena)
{
    size_t matrix_size = ruleset->column_count * WEIR_MODEL_COLUMNS * sizeof(double);
    ruleset->weights = weir_arena_take(arena, matrix_size);
    ruleset->missing_logits = weir_arena_take(arena, matrix_size);
    ruleset->champion_columns = weir_arena_take(arena, ruleset->models[0]->feature_count * sizeof(uint32_t));
    ruleset->champion_uses = weir_arena_take(arena, ruleset->column_count);
    return ruleset->weights && ruleset->missing_logits && ruleset->champion_columns && ruleset->champion_uses;
}

weir_status weir_ruleset_build(const weir_plan *plan, const weir_model *const *models, size_t model_count,
                               weir_arena *arena, const weir_ruleset **ruleset_out, weir_error *error)
{
    weir_check(model_count >= 1 && model_count <= WEIR_MODEL_COLUMNS);
    weir_ruleset *ruleset = weir_arena_take(arena, sizeof *ruleset);
    if (!ruleset)
        return weir_error_set(error, WEIR_FULL, "no memory left for the ruleset");
    ruleset->plan = plan;
    ruleset->model_count = model_count;
    ruleset->column_count = weir_plan_feature_count(plan);
    weir_check(ruleset->column_count <= WEIR_PLAN_FEATURE_MAX);
    memcpy(ruleset->models, models, model_count * sizeof *models);
    if (!take_matrices(ruleset, arena))
        return weir_error_set(error, WEIR_FULL, "no memory left for the weights of %zu features",
                              ruleset->column_count);
    for (size_t i = 0; i < model_count; i++) {
        weir_status status = place_model(ruleset, i, error);
        if (status != WEIR_OK)
            return status;
    }
    *ruleset_out = ruleset;
    return WEIR_OK;
}

const weir_plan *weir_ruleset_plan(const weir_ruleset *ruleset)
{
    return ruleset->plan;
}

size_t weir_ruleset_model_count(const weir_ruleset *ruleset)
{
    return ruleset->model_count;
}

const weir_model *weir_ruleset_model(const weir_ruleset *ruleset, size_t index)
{
    weir_check(index < ruleset->model_count);
    return ruleset->models[index];
}

/* --- engine memory ------------------------------------------------------------------------------------------- */

static size_t line_up(size_t size)
{
    return (size + LINE_SIZE - 1) / LINE_SIZE * LINE_SIZE;
}

static size_t doubles_size(size_t count)
{
    return line_up(count * sizeof(double));
}

size_t weir_engine_size(size_t feature_count_max, size_t register_count_max)
{
    return line_up(sizeof(weir_engine)) + doubles_size(WEIR_BATCH_MAX * register_count_max) +
           doubles_size(WEIR_BATCH_MAX * feature_count_max);
}

weir_engine *weir_engine_init(void *memory, size_t feature_count_max, size_t register_count_max)
{
    weir_check(((uintptr_t)memory & (LINE_SIZE - 1)) == 0);
    weir_engine *engine = memory;
    memset(engine, 0, sizeof *engine);
    engine->column_max = feature_count_max;
    engine->register_max = register_count_max;
    uint8_t *at = (uint8_t *)memory + line_up(sizeof *engine);
    engine->registers = (double *)at;
    at += doubles_size(WEIR_BATCH_MAX * register_count_max);
    engine->values = (double *)at;
    return engine;
}

/* --- scoring ------------------------------------------------------------------------------------------------- */

/* cblas_dgemm takes its scratch from a pool that serial OpenBLAS does not lock: with two workers, one product in some
 * hundred thousand came out with another's numbers. cblas_ddot has no scratch, and a row's bits depend on nothing but
 * the row. */
static void multiply_row(const weir_ruleset *ruleset, const double *row, double products[WEIR_MODEL_COLUMNS])
{
    for (size_t m = 0; m < ruleset->model_count; m++)
        products[m] =
            cblas_ddot((int)ruleset->column_count, row, 1, ruleset->weights + m * ruleset->column_count, 1);
}

void weir_engine_warm(weir_engine *engine, const weir_ruleset *ruleset)
{
    double products[WEIR_MODEL_COLUMNS];
    weir_check(ruleset->column_count <= engine->column_max);
    memset(engine->values, 0, ruleset->column_count * sizeof *engine->values);
    multiply_row(ruleset, engine->values, products);
}

/* The features' values in a row, and 0 where one is missing. Lists those; returns how many.
 * A branch beat two ways without one (71 against 97 ns an event). */
static size_t take_values(const weir_ruleset *ruleset, const double *registers, double *values,
                          uint16_t missing_out[WEIR_PLAN_FEATURE_MAX])
{
    const uint32_t *sources = weir_plan_feature_registers(ruleset->plan);
    size_t count = ruleset->column_count, missing_count = 0;
    for (size_t i = 0; i < count; i++) {
        double value = registers[sources[i]];
        values[i] = value;
        if (weir_model_is_missing(value)) {
            values[i] = 0;
            missing_out[missing_count++] = (uint16_t)i;
        }
    }
    return missing_count;
}

/* Scores an item by its values: 0 where missing, with what each model counts a missing value as summed aside in
 * column order, because models may impute the same column differently. */
static void score_item(const weir_ruleset *ruleset, weir_engine_item *item, double *values)
{
    double products[WEIR_MODEL_COLUMNS] = {0}, corrections[WEIR_MODEL_COLUMNS] = {0};
    uint16_t missing[WEIR_PLAN_FEATURE_MAX];
    size_t missing_count = take_values(ruleset, item->registers, values, missing);
    multiply_row(ruleset, values, products);
    item->values = values;
    item->missing_count = 0;
    for (size_t i = 0; i < missing_count; i++) {
        size_t column = missing[i];
        values[column] = NAN;
        item->missing_count += ruleset->champion_uses[column];
        for (size_t m = 0; m < WEIR_MODEL_COLUMNS; m++)
            corrections[m] += ruleset->missing_logits[column * WEIR_MODEL_COLUMNS + m];
    }
    for (size_t m = 0; m < WEIR_MODEL_COLUMNS; m++)
        item->logits[m] = products[m] + (ruleset->biases[m] + corrections[m]);
    item->score = weir_model_score(ruleset->models[0], item->logits[0]);
    item->threshold = weir_model_threshold(ruleset->models[0], item->score);
}

static void leave_unscored(weir_engine_item *item)
{
    item->missing_count = 0;
    item->values = NULL;
    memset(item->logits, 0, sizeof item->logits);
    item->score = 0;
    item->threshold = -1;
}

/* Each level runs ahead of the next. `ahead` counts from the item that level 0 has come to. */
static void prefetch(const weir_plan *plan, size_t stage, weir_engine_item *items, size_t count, size_t ahead)
{
    for (int level = 0; level < PREFETCH_LEVEL_COUNT; level++) {
        size_t index = ahead - (size_t)level * PREFETCH_DISTANCE;
        if (index < count && items[index].history) /* wraps when the level has not begun */
            weir_plan_prefetch(plan, stage, items[index].history, &items[index].event, level, &items[index].moving);
    }
}

static weir_status gather(const weir_plan *plan, size_t stage, weir_engine_item *item)
{
    if (item->history && !item->aside)
        return weir_plan_gather(plan, stage, item->history, item->slab, &item->event, item->registers, &item->arrival);
    weir_plan_skip(plan, stage, item->registers);
    item->arrival = WEIR_ARRIVAL_APPENDED;
    if (!item->history)
        return WEIR_OK;
    return weir_plan_keep(plan, stage, item->history, item->slab, &item->event, &item->arrival);
}

/* Gathers item `index` and, in the last stage, scores it; or marks it a duplicate. */
static weir_status take_item(weir_engine *engine, const weir_ruleset *ruleset, size_t stage, weir_engine_item *items,
                             size_t index)
{
    const weir_plan *plan = ruleset->plan;
    size_t stage_count = weir_plan_stage_count(plan);
    weir_engine_item *item = &items[index];
    item->registers = engine->registers + (stage_count > 1 ? index * weir_plan_register_count(plan) : 0);
    if (stage > 0)
        memcpy(item->registers, item->registers_in, weir_engine_inherited(ruleset, stage) * sizeof(double));
    weir_status status = gather(plan, stage, item);
    if (status != WEIR_OK)
        return status;
    if (item->arrival == WEIR_ARRIVAL_DUPLICATE || stage + 1 < stage_count) {
        leave_unscored(item);
        return WEIR_OK;
    }
    weir_plan_compute(plan, &item->event, item->registers);
    score_item(ruleset, item, engine->values + index * ruleset->column_count);
    return WEIR_OK;
}

size_t weir_engine_inherited(const weir_ruleset *ruleset, size_t stage)
{
    size_t first, count;
    weir_plan_stage_registers(ruleset->plan, stage, &first, &count);
    return first;
}

static void flag_alerts(weir_engine_item *items, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (items[i].threshold >= 0 && items[i].history)
            weir_history_flag(items[i].history, items[i].event.transaction, items[i].event.time_us,
                              WEIR_EVENT_ALERTED);
}

weir_status weir_engine_step(weir_engine *engine, const weir_ruleset *ruleset, size_t stage, weir_engine_item *items,
                             size_t count, size_t *done_out)
{
    weir_check(count <= WEIR_BATCH_MAX);
    weir_check(ruleset->column_count <= engine->column_max);
    weir_check(weir_plan_register_count(ruleset->plan) <= engine->register_max);
    weir_check(stage < weir_plan_stage_count(ruleset->plan));
    weir_status status = WEIR_OK;
    size_t done = 0;
    enum { AHEAD = PREFETCH_LEVEL_COUNT * PREFETCH_DISTANCE };
    for (size_t i = 0; i < AHEAD; i++)
        prefetch(ruleset->plan, stage, items, count, i);
    for (; done < count; done++) {
        prefetch(ruleset->plan, stage, items, count, done + AHEAD);
        status = take_item(engine, ruleset, stage, items, done);
        if (status != WEIR_OK)
            break;
    }
    flag_alerts(items, done);
    *done_out = done;
    return status;
}

void weir_engine_values(const weir_ruleset *ruleset, const weir_engine_item *item, double *values_out)
{
    for (size_t i = 0; i < ruleset->models[0]->feature_count; i++)
        values_out[i] = item->values[ruleset->champion_columns[i]];
}

size_t weir_engine_reasons(const weir_ruleset *ruleset, const weir_engine_item *item,
                           weir_reason reasons_out[WEIR_REASON_MAX])
{
    if (!item->values)
        return 0;
    double values[WEIR_PLAN_FEATURE_MAX];
    weir_engine_values(ruleset, item, values);
    return weir_model_reasons(ruleset->models[0], values, reasons_out);
}
