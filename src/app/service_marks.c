#include "service_internal.h"

#include "weir/codec/output.h"

#include <inttypes.h>
#include <stdlib.h>

static const char *const OUTPUT_NAMES[WEIR_OUTPUT_COUNT] = {"alerts", "scores", "dead letters", "hops"};

static bool is_enabled(const weir_service *service, weir_output output)
{
    return output != WEIR_OUTPUT_HOPS && service->options.worker.emitter.enabled[output];
}

static weir_status not_ours(weir_output output, int32_t partition, weir_error *error)
{
    return weir_error_set(error, WEIR_REFUSED,
                          "a record at the end of the %s topic, partition %" PRId32
                          ", is not weir's: something else writes there; give weir an output topic of its own",
                          OUTPUT_NAMES[output], partition);
}

static bool read_source(weir_output output, weir_span payload, int32_t *partition_out, int64_t *offset_out)
{
    weir_span message;
    int64_t schema_id;
    if (!weir_frame_strip(WEIR_FRAMING_AUTO, payload, &message, &schema_id))
        return false;
    return output == WEIR_OUTPUT_ALERTS ? weir_alert_source(message, partition_out, offset_out)
                                        : weir_score_source(message, partition_out, offset_out);
}

/* ---- one lane a partition: the last record tells ---- */

typedef struct last_source {
    weir_output output;
    int64_t offset;
    bool readable;
} last_source;

static bool read_digits(weir_span text, int64_t *offset_out)
{
    char digits[24] = {0};
    if (text.size == 0 || text.size >= sizeof digits)
        return false;
    memcpy(digits, text.data, text.size);
    char *end;
    *offset_out = strtoll(digits, &end, 10);
    return *end == '\0' && *offset_out >= 0;
}

static void note_last(void *context, weir_span payload, weir_span dead_letter_offset)
{
    last_source *last = context;
    int32_t partition;
    last->readable = last->output == WEIR_OUTPUT_DEAD_LETTERS
                         ? read_digits(dead_letter_offset, &last->offset)
                         : read_source(last->output, payload, &partition, &last->offset);
}

/* Dead letters come from the first stage alone; alerts and scores from the last, which is the same lane only when there
 * is no other. */
static bool tells(const weir_service *service, weir_output output, int32_t lane)
{
    if (!is_enabled(service, output))
        return false;
    return output == WEIR_OUTPUT_DEAD_LETTERS ? weir_service_stage(service, lane) == 0
                                              : service->shape.stage_count == 1;
}

weir_status weir_service_read_last(weir_service *service, int32_t lane, weir_recovery_facts *facts, weir_error *error)
{
    weir_group *group = service->options.group;
    for (int output = 0; output < WEIR_OUTPUT_COUNT; output++) {
        facts->last_outputs[output] = -1;
        if (!tells(service, (weir_output)output, lane))
            continue;
        last_source last = {.output = (weir_output)output, .offset = -1, .readable = true};
        weir_status status = group->ops->last_output(group, (weir_output)output, facts->partition,
                                                     "__connect.errors.offset", note_last, &last, error);
        if (status != WEIR_OK)
            return status;
        if (!last.readable)
            return not_ours((weir_output)output, facts->partition, error);
        facts->last_outputs[output] = last.offset;
    }
    return WEIR_OK;
}

/* ---- many lanes a partition: everything behind the committed note ---- */

typedef struct collection {
    weir_emitted *emitted;
    weir_output output;
    weir_status status;
} collection;

static void collect(void *context, int64_t offset, weir_span payload)
{
    (void)offset;
    collection *it = context;
    int32_t partition;
    int64_t source;
    if (it->status != WEIR_OK)
        return;
    it->status = read_source(it->output, payload, &partition, &source)
                     ? weir_emitted_add(it->emitted, it->output, partition, source)
                     : WEIR_REFUSED;
}

/* The lowest end a lane's note names for each output partition; a lane without one has to look at everything. */
static weir_status find_starts(weir_service *service, const int32_t *lanes, size_t count,
                               const weir_lane_bounds *bounds, size_t ends_count, int64_t *starts, weir_error *error)
{
    int64_t *noted = calloc(ends_count, sizeof *noted);
    if (!noted)
        return weir_error_set(error, WEIR_FULL, "no memory for the ends of %zu output partitions", ends_count);
    for (size_t i = 0; i < count; i++) {
        if (weir_service_stage(service, lanes[i]) + 1 < service->shape.stage_count)
            continue;
        bool known = weir_note_parse(bounds[i].note, service->shape.partition_count, noted);
        for (size_t k = 0; k < ends_count; k++) {
            int64_t start = known ? noted[k] : 0;
            starts[k] = start < starts[k] ? start : starts[k];
        }
    }
    free(noted);
    return WEIR_OK;
}

static weir_status read_output(weir_service *service, weir_output output, const int64_t *starts, const int64_t *ends,
                               weir_service_marks *marks, weir_error *error)
{
    weir_group *group = service->options.group;
    for (int32_t partition = 0; partition < service->shape.partition_count; partition++) {
        if (starts[partition] >= ends[partition])
            continue;
        collection it = {.emitted = &marks->emitted, .output = output, .status = WEIR_OK};
        weir_status status =
            group->ops->read_output(group, output, partition, starts[partition], collect, &it, error);
        weir_service_beat(service);
        if (status != WEIR_OK)
            return status;
        if (it.status == WEIR_REFUSED)
            return not_ours(output, partition, error);
        if (it.status != WEIR_OK)
            return weir_error_set(error, it.status, "no memory for what was emitted before");
    }
    return WEIR_OK;
}

weir_status weir_service_read_marks(weir_service *service, const int32_t *lanes, size_t count,
                                    const weir_lane_bounds *bounds, weir_service_marks *marks_out, weir_error *error)
{
    weir_group *group = service->options.group;
    size_t partition_count = (size_t)service->shape.partition_count;
    *marks_out = (weir_service_marks){0};
    if (service->shape.stage_count == 1)
        return WEIR_OK;
    marks_out->ends_count = 2 * partition_count;
    marks_out->ends = calloc(marks_out->ends_count, sizeof *marks_out->ends);
    int64_t *starts = marks_out->starts = calloc(marks_out->ends_count, sizeof *starts);
    weir_status status = marks_out->ends && starts
                             ? WEIR_OK
                             : weir_error_set(error, WEIR_FULL, "no memory for the ends of the outputs");
    for (int output = WEIR_OUTPUT_ALERTS; output <= WEIR_OUTPUT_SCORES && status == WEIR_OK; output++)
        if (is_enabled(service, (weir_output)output))
            status = group->ops->output_ends(group, (weir_output)output,
                                             marks_out->ends + (size_t)output * partition_count, error);
    if (status == WEIR_OK) {
        memcpy(starts, marks_out->ends, marks_out->ends_count * sizeof *starts);
        status = find_starts(service, lanes, count, bounds, marks_out->ends_count, starts, error);
    }
    for (int output = WEIR_OUTPUT_ALERTS; output <= WEIR_OUTPUT_SCORES && status == WEIR_OK; output++)
        if (is_enabled(service, (weir_output)output))
            status = read_output(service, (weir_output)output, starts + (size_t)output * partition_count,
                                 marks_out->ends + (size_t)output * partition_count, marks_out, error);
    if (status != WEIR_OK)
        weir_service_drop_marks(marks_out);
    return status;
}

void weir_service_drop_marks(weir_service_marks *marks)
{
    weir_emitted_clear(&marks->emitted);
    free(marks->ends);
    free(marks->starts);
    *marks = (weir_service_marks){0};
}
