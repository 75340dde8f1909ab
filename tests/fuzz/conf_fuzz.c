/* Any bytes as a configuration file: it is refused with sentences, or taken; and what was taken, shown, loads again and
 * shows the same. */
#include "conf/loader.h"

#include "weir/base/check.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static void is_a_sentence(void *context, const char *sentence)
{
    (void)context;
    weir_check(strncmp(sentence, "input", 5) == 0 || strncmp(sentence, "There is no memory", 18) == 0);
}

static bool load(weir_span text, weir_conf *conf)
{
    weir_conf_loader loader = {.conf = conf, .problem = is_a_sentence};
    weir_conf_load_defaults(&loader);
    weir_conf_read_yaml(&loader, "input", text);
    return loader.problem_count == 0;
}

/* `show` without the comments of where values came from, which differ between the two readings. */
static char *shown(const weir_conf *conf, size_t *size_out)
{
    char *text = NULL;
    FILE *out = open_memstream(&text, size_out);
    weir_check(out != NULL);
    weir_conf_show(conf, out);
    fclose(out);
    return text;
}

static const weir_conf_property *find(const weir_conf *conf, const weir_conf_property *wanted)
{
    for (size_t i = 0; i < conf->property_count; i++)
        if (conf->properties[i].scope == wanted->scope && strcmp(conf->properties[i].name, wanted->name) == 0)
            return &conf->properties[i];
    return NULL;
}

static bool has_same_properties(const weir_conf *a, const weir_conf *b)
{
    for (size_t i = 0; i < a->property_count; i++) {
        const weir_conf_property *other = find(b, &a->properties[i]);
        bool secret = weir_conf_property_is_secret(a->properties[i].name);
        if (secret ? other != NULL : !other || strcmp(other->value, a->properties[i].value) != 0)
            return false;
    }
    return true;
}

/* All but the secrets, which are never shown. */
static bool is_same(const weir_conf *a, const weir_conf *b)
{
    size_t count;
    const weir_conf_option *options = weir_conf_options(&count);
    static char a_text[32768], b_text[32768];
    for (size_t i = 0; i < count; i++) {
        if (options[i].secret)
            continue;
        weir_conf_value_text(a, &options[i], a_text, sizeof a_text);
        weir_conf_value_text(b, &options[i], b_text, sizeof b_text);
        if (strcmp(a_text, b_text) != 0)
            return false;
    }
    return has_same_properties(a, b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    weir_conf first = {0}, second = {0};
    if (size <= WEIR_CONF_FILE_MAX && load(weir_span_of(data, size), &first)) {
        size_t text_size;
        char *text = shown(&first, &text_size);
        weir_check(load(weir_span_of(text, text_size), &second));
        weir_check(is_same(&first, &second));
        (void)weir_conf_check(&first, NULL, NULL);
        free(text);
    }
    weir_conf_deinit(&first);
    weir_conf_deinit(&second);
    return 0;
}
