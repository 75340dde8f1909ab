/* Any bytes as an ONNX model: refused or taken whole, and one that is taken scores its own samples. */
#include "weir/base/check.h"
#include "weir/release/release.h"

#include <math.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 0 && data[0] == '{')
        return 0; /* model_json_fuzz.c */
    weir_release *release = NULL;
    weir_error error = {0};
    weir_status status = weir_release_load(weir_span_of(data, size), NULL, &release, &error);
    weir_check((status == WEIR_OK) == (release != NULL));
    weir_check(status == WEIR_OK || (error.status == status && error.message[0] != '\0'));
    if (!release)
        return 0;
    for (size_t i = 0; i < release->sample_count; i++) {
        double logit = weir_model_logit(&release->model, release->samples[i].values);
        weir_check(isfinite(logit));
        weir_check(fabs(weir_model_score(&release->model, logit) - release->samples[i].score) <=
                   release->sample_tolerance);
    }
    weir_release_close(release);
    return 0;
}
