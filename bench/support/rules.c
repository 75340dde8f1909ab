#include "rules.h"

#include "bench.h"
#include "weir/base/arena.h"
#include "weir/base/check.h"
#include "weir/base/units.h"

#include <ctype.h>
#include <stdlib.h>

enum { ARENA_SIZE = 8 << 20, WINDOW_MAX = 16 };

/* The windows that the names mention, longest first. */
typedef struct windows {
    int64_t us[WINDOW_MAX];
    size_t count;
} windows;

const char *bench_rules_path(int argc, char **argv)
{
    return argc > 1 ? argv[1] : BENCH_MODEL_PATH;
}

/* --- scaling windows --------------------------------------------------------------------------------------------- */

/* Whether a duration such as "24h" begins at `text`, `previous` being the character before it. */
static bool duration_at(char previous, const char *text, size_t *size_out, int64_t *us_out)
{
    size_t size = 0;
    while (isalnum((unsigned char)text[size]))
        size++;
    if (isalnum((unsigned char)previous) || previous == '.' || !isdigit((unsigned char)text[0]))
        return false;
    *size_out = size;
    return weir_units_parse_duration(weir_span_of(text, size), us_out) == WEIR_OK;
}

static void note_window(windows *seen, int64_t us)
{
    size_t at = 0;
    while (at < seen->count && seen->us[at] > us)
        at++;
    if (at < seen->count && seen->us[at] == us)
        return;
    weir_check(seen->count < WINDOW_MAX);
    memmove(&seen->us[at + 1], &seen->us[at], (seen->count - at) * sizeof seen->us[0]);
    seen->us[at] = us;
    seen->count++;
}

static int64_t scaled_window(const windows *seen, int64_t us, int64_t longest_us)
{
    size_t rank = 0;
    while (seen->us[rank] != us)
        rank++;
    weir_check((longest_us >> rank << rank) == longest_us);
    return longest_us >> rank;
}

static void find_windows(const weir_model *model, windows *seen)
{
    *seen = (windows){0};
    for (size_t i = 0; i < model->feature_count; i++) {
        char previous = ' ';
        for (const char *at = model->feature_names[i]; *at; previous = *at++) {
            size_t size;
            int64_t us;
            if (duration_at(previous, at, &size, &us))
                note_window(seen, us);
        }
    }
}

static char *scaled_name(bench_rules *rules, const windows *seen, const char *name, int64_t longest_us)
{
    char text[WEIR_FEATURE_NAME_MAX * 2];
    size_t used = 0;
    char previous = ' ';
    while (*name) {
        size_t size;
        int64_t us;
        weir_check(used + 32 < sizeof text);
        if (duration_at(previous, name, &size, &us)) {
            used += weir_units_format_duration(scaled_window(seen, us, longest_us), text + used, sizeof text - used);
            name += size;
            previous = 'x';
        } else {
            text[used++] = previous = *name++;
        }
    }
    return weir_arena_copy_text(&rules->arena, weir_span_of(text, used));
}

static void scale_windows(bench_rules *rules, int64_t longest_us)
{
    windows seen;
    weir_model *model = &rules->model;
    const char **names = weir_arena_take(&rules->arena, model->feature_count * sizeof *names);
    find_windows(model, &seen);
    for (size_t i = 0; i < model->feature_count; i++)
        names[i] = scaled_name(rules, &seen, model->feature_names[i], longest_us);
    model->feature_names = names;
}

/* --- rules ------------------------------------------------------------------------------------------------------- */

static void compile(bench_rules *rules, int64_t horizon_us)
{
    weir_error error = {0};
    weir_plan_options options = {.horizon_us_min = horizon_us, .serial = 1};
    const weir_model *models[] = {&rules->model};
    bench_require(weir_plan_compile(rules->model.feature_names, rules->model.feature_count, &options, &rules->arena,
                                    &rules->plan, &error),
                  "plan", &error);
    bench_require(weir_ruleset_build(rules->plan, models, 1, &rules->arena, &rules->ruleset, &error), "ruleset",
                  &error);
}

void bench_rules_open(bench_rules *rules, const char *model_path, int64_t horizon_us, int64_t longest_us)
{
    weir_error error = {0};
    *rules = (bench_rules){0};
    weir_arena_init(&rules->arena, bench_take(ARENA_SIZE), ARENA_SIZE);
    bench_require(weir_release_load_file(model_path, NULL, &rules->release, &error), "model", &error);
    rules->model = rules->release->model;
    if (longest_us)
        scale_windows(rules, longest_us);
    compile(rules, horizon_us);
    size_t features = weir_plan_feature_count(rules->plan), registers = weir_plan_register_count(rules->plan);
    rules->engine = weir_engine_init(bench_take(weir_engine_size(features, registers)), features, registers);
}

void bench_rules_close(bench_rules *rules)
{
    free(rules->engine);
    free(rules->arena.base);
    weir_release_close(rules->release);
    *rules = (bench_rules){0};
}
