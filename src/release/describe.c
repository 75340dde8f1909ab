#include "weir/release/release.h"

#include "weir/base/check.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>

static const char *const LINK_NAMES[WEIR_LINK_COUNT] = {"logistic", "identity"};

/* Weight times standard deviation: what one deviation of the feature adds to the logit. NaN = not known. */
static double effect_of(const weir_release *release, size_t feature)
{
    return release->model.weights[feature] * release->stds[feature];
}

/* --- text ---------------------------------------------------------------------------------------------------- */

static void print_training(const weir_release_training *training, FILE *out)
{
    fprintf(out, "trained    %s to %s", training->from, training->to);
    if (training->rows >= 0)
        fprintf(out, ", %lld rows", (long long)training->rows);
    if (training->positives >= 0)
        fprintf(out, ", %lld of them fraud", (long long)training->positives);
    if (training->source)
        fprintf(out, ", from %s", training->source);
    fputc('\n', out);
}

static void print_head(const weir_release *release, FILE *out)
{
    const weir_model *model = &release->model;
    char id[WEIR_RELEASE_ID_TEXT_SIZE];
    weir_release_id_text(release, id);
    fprintf(out, "model      %s %s (%s)\n", model->name, model->version, weir_release_format_name(release->format));
    if (release->description)
        fprintf(out, "           %s\n", release->description);
    fprintf(out, "sha-256    %s\n", id);
    print_training(&release->training, out);
    fprintf(out, "score      %s of %zu features and the bias %.6g, clipped to [%g, %g]\n", LINK_NAMES[model->link],
            model->feature_count, model->bias, model->clip_low, model->clip_high);
    fputs("thresholds ", out);
    for (size_t i = 0; i < model->threshold_count; i++)
        fprintf(out, "%s%s at %g", i ? ", " : "", model->thresholds[i].name, model->thresholds[i].score);
    fprintf(out, "\nsamples    %zu reproduce; largest difference %.2g, allowed %g\n", release->sample_count,
            release->sample_error_max, release->sample_tolerance);
}

static void print_features(const weir_release *release, FILE *out)
{
    const weir_model *model = &release->model;
    fprintf(out, "\n%12s %12s %12s %12s  %s\n", "weight", "effect", "mean", "if missing", "feature");
    for (size_t i = 0; i < model->feature_count; i++) {
        double effect = effect_of(release, i);
        char text[32] = "-";
        if (!isnan(effect))
            snprintf(text, sizeof text, "%.6g", effect);
        fprintf(out, "%12.6g %12s %12.6g %12.6g  %s\n", model->weights[i], text, model->means[i], model->imputes[i],
                model->feature_names[i]);
    }
}

static void print_nodes(const weir_release *release, FILE *out)
{
    if (release->node_count == 0)
        return;
    fprintf(out, "\n%-8s %-32s %s\n", "node", "operator", "name");
    for (size_t i = 0; i < release->node_count; i++)
        fprintf(out, "%-8s %-32s %s\n", release->nodes[i].folded ? "folded" : "unused", release->nodes[i].op,
                release->nodes[i].name);
}

void weir_release_describe_text(const weir_release *release, FILE *out)
{
    print_head(release, out);
    print_features(release, out);
    print_nodes(release, out);
}

/* --- JSON ---------------------------------------------------------------------------------------------------- */

/* Numbers and texts that may be absent become null. */
static json_t *real_or_null(double number)
{
    return isnan(number) ? json_null() : json_real(number);
}

static json_t *count_or_null(int64_t count)
{
    return count < 0 ? json_null() : json_integer(count);
}

static json_t *thresholds_json(const weir_model *model)
{
    json_t *list = json_array();
    for (size_t i = 0; i < model->threshold_count; i++)
        json_array_append_new(
            list, json_pack("{s:s, s:f}", "name", model->thresholds[i].name, "score", model->thresholds[i].score));
    return list;
}

static json_t *features_json(const weir_release *release)
{
    const weir_model *model = &release->model;
    json_t *list = json_array();
    for (size_t i = 0; i < model->feature_count; i++)
        json_array_append_new(list, json_pack("{s:s, s:f, s:o, s:f, s:f}", "name", model->feature_names[i], "weight",
                                              model->weights[i], "effect", real_or_null(effect_of(release, i)), "mean",
                                              model->means[i], "impute", model->imputes[i]));
    return list;
}

static json_t *nodes_json(const weir_release *release)
{
    json_t *list = json_array();
    for (size_t i = 0; i < release->node_count; i++)
        json_array_append_new(list, json_pack("{s:s, s:s, s:b}", "name", release->nodes[i].name, "op",
                                              release->nodes[i].op, "folded", (int)release->nodes[i].folded));
    return list;
}

static json_t *training_json(const weir_release_training *training)
{
    return json_pack("{s:s, s:s, s:o, s:o, s:s?}", "from", training->from, "to", training->to, "rows",
                     count_or_null(training->rows), "positives", count_or_null(training->positives), "source",
                     training->source);
}

static json_t *release_json(const weir_release *release)
{
    const weir_model *model = &release->model;
    char id[WEIR_RELEASE_ID_TEXT_SIZE];
    weir_release_id_text(release, id);
    return json_pack("{s:s, s:s, s:s, s:s, s:s?, s:s, s:f, s:[f,f], s:o, s:o, s:{s:i, s:f, s:f}, s:o, s:o}", "name",
                     model->name, "version", model->version, "sha256", id, "format",
                     weir_release_format_name(release->format), "description", release->description, "link",
                     LINK_NAMES[model->link], "bias", model->bias, "clip", model->clip_low, model->clip_high,
                     "thresholds", thresholds_json(model), "training", training_json(&release->training), "samples",
                     "count", (int)release->sample_count, "tolerance", release->sample_tolerance, "largest_difference",
                     release->sample_error_max, "features", features_json(release), "nodes", nodes_json(release));
}

weir_status weir_release_describe_json(const weir_release *release, FILE *out)
{
    json_t *json = release_json(release);
    char *text = json ? json_dumps(json, JSON_COMPACT | JSON_REAL_PRECISION(17)) : NULL;
    json_decref(json);
    if (!text)
        return WEIR_FULL;
    fputs(text, out);
    fputc('\n', out);
    free(text);
    return WEIR_OK;
}
