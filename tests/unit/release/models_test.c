/* The models that are committed, and the one the documentation shows: all of them load. */
#include "weir/release/release.h"

#include <criterion/criterion.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>

static const char *const PATTERNS[] = {
    WEIR_SOURCE_DIR "/models/*.json",
    WEIR_SOURCE_DIR "/models/*.onnx",
    WEIR_SOURCE_DIR "/bench/models/*.json",
};

Test(models, every_committed_model_loads)
{
    size_t count = 0;
    for (size_t p = 0; p < sizeof PATTERNS / sizeof *PATTERNS; p++) {
        glob_t found = {0};
        if (glob(PATTERNS[p], 0, NULL, &found) != 0)
            continue;
        for (size_t i = 0; i < found.gl_pathc; i++, count++) {
            weir_release *release = NULL;
            weir_error error = {0};
            cr_assert_eq(weir_release_load_file(found.gl_pathv[i], NULL, &release, &error), WEIR_OK, "%s",
                         error.message);
            weir_release_close(release);
        }
        globfree(&found);
    }
    cr_assert_gt(count, 0);
}

Test(models, the_example_of_the_readme_loads)
{
    enum { CAPACITY = 1 << 20 };
    static const char FENCE[] = "```json\n";
    char *text = calloc(1, CAPACITY);
    FILE *in = fopen(WEIR_SOURCE_DIR "/models/README.md", "r");
    cr_assert(text && in);
    cr_assert_gt(fread(text, 1, CAPACITY - 1, in), 0);
    fclose(in);
    char *begin = strstr(text, FENCE);
    cr_assert_not_null(begin);
    begin += sizeof FENCE - 1;
    char *end = strstr(begin, "```");
    cr_assert_not_null(end);
    weir_release *release = NULL;
    weir_error error = {0};
    cr_assert_eq(weir_release_load(weir_span_of(begin, (size_t)(end - begin)), NULL, &release, &error), WEIR_OK, "%s",
                 error.message);
    cr_assert_eq(release->model.feature_count, 2);
    weir_release_close(release);
    free(text);
}
