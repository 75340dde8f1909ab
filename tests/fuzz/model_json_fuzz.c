/* Any bytes as a weir.linear/v1 file: refused with a message or taken whole; what is taken can be described. */
#include "weir/base/check.h"
#include "weir/release/release.h"

#include <stdlib.h>

static void describe(const weir_release *release)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    weir_check(out != NULL);
    weir_release_describe_text(release, out);
    weir_check(weir_release_describe_json(release, out) == WEIR_OK);
    weir_check(fclose(out) == 0 && size > 0);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0 || (data[0] != '{' && data[0] != ' '))
        return 0; /* onnx_fuzz.c */
    weir_release *release = NULL;
    weir_error error = {0};
    weir_status status = weir_release_load(weir_span_of(data, size), NULL, &release, &error);
    weir_check((status == WEIR_OK) == (release != NULL));
    weir_check(status == WEIR_OK || (error.status == status && error.message[0] != '\0'));
    if (release)
        describe(release);
    weir_release_close(release);
    return 0;
}
