/* The sources in their order: defaults, files, environment, flags. */
#include "conf/loader.h"
#include "conf/value.h"

#include "weir/base/check.h"
#include "weir/base/nearest.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

void weir_conf_load_defaults(weir_conf_loader *loader)
{
    size_t count;
    const weir_conf_option *options = weir_conf_options(&count);
    const weir_conf_place place = {.origin = WEIR_CONF_FROM_DEFAULT};
    for (size_t i = 0; i < count; i++)
        weir_conf_assign(loader, options[i].name, options[i].fallback, &place);
}

/* ---- files ---- */

static void load_file(weir_conf_loader *loader, const char *path)
{
    char *text = malloc(WEIR_CONF_FILE_MAX + 1);
    FILE *file = text ? fopen(path, "re") : NULL;
    size_t size = file ? fread(text, 1, WEIR_CONF_FILE_MAX + 1, file) : 0;
    if (!text)
        weir_conf_report(loader, WEIR_FULL, NULL, "There is no memory to read %.200s.", path);
    else if (!file || ferror(file))
        weir_conf_report(loader, WEIR_IO, NULL, "The configuration %.200s cannot be read: %s.", path, strerror(errno));
    else if (size > WEIR_CONF_FILE_MAX)
        weir_conf_report(loader, WEIR_INVALID, NULL, "The configuration %.200s is larger than 1MiB.", path);
    else
        weir_conf_read_yaml(loader, path, weir_span_of(text, size));
    if (file)
        fclose(file);
    free(text);
}

/* ---- environment ---- */

/* "topics.alerts" -> "WEIR_TOPICS_ALERTS" */
static void variable_of(const char *option_name, char text_out[WEIR_CONF_NAME_MAX])
{
    size_t used = (size_t)snprintf(text_out, WEIR_CONF_NAME_MAX, "WEIR_%s", option_name);
    for (size_t i = 0; i < used && i < WEIR_CONF_NAME_MAX; i++)
        text_out[i] = text_out[i] == '.' ? '_' : (char)toupper((unsigned char)text_out[i]);
}

/* "KAFKA_SSL_CA_LOCATION" -> "kafka.ssl.ca.location"; a double underscore is a single one. */
static void property_of(const char *variable, char text_out[WEIR_CONF_NAME_MAX])
{
    size_t used = 0;
    for (; *variable && used + 1 < WEIR_CONF_NAME_MAX; variable++) {
        bool twice = variable[0] == '_' && variable[1] == '_';
        variable += twice;
        text_out[used++] = *variable == '_' && !twice ? '.' : (char)tolower((unsigned char)*variable);
    }
    text_out[used] = '\0';
}

static void add_warning(weir_conf_loader *loader, const char *variable, const char *meant)
{
    weir_conf_list *warnings = &loader->conf->warnings;
    char **items = realloc(warnings->items, (warnings->count + 1) * sizeof *items);
    if (!items)
        return;
    warnings->items = items;
    char **item = &items[warnings->count];
    if (asprintf(item, "The variable %.200s is not an option; did you mean %s?", variable, meant) > 0)
        warnings->count++;
}

/* A variable that begins with WEIR_ need not be ours (Kubernetes makes WEIR_SERVICE_HOST for a service named weir), so
 * only what looks like a slip is worth a word, and none is worth a refusal. */
static void load_variable(weir_conf_loader *loader, const char *variable, const char *value)
{
    size_t count;
    const weir_conf_option *options = weir_conf_options(&count);
    const weir_conf_place place = {.origin = WEIR_CONF_FROM_ENVIRONMENT, .name = variable};
    char names[WEIR_CONF_OPTION_MAX][WEIR_CONF_NAME_MAX];
    weir_nearest nearest = weir_nearest_of(variable);
    for (size_t i = 0; i < count; i++) {
        variable_of(options[i].name, names[i]);
        if (strcmp(names[i], variable) == 0) {
            weir_conf_assign(loader, options[i].name, value, &place);
            return;
        }
        weir_nearest_offer(&nearest, names[i]);
    }
    if (strncmp(variable, "WEIR_KAFKA_", 11) == 0) {
        char name[WEIR_CONF_NAME_MAX];
        property_of(variable + 5, name);
        weir_conf_assign(loader, name, value, &place);
    } else if (weir_nearest_found(&nearest)) {
        add_warning(loader, variable, weir_nearest_found(&nearest));
    }
}

static void load_environment(weir_conf_loader *loader, const char *const *environment)
{
    for (; environment && *environment; environment++) {
        const char *equals = strchr(*environment, '=');
        if (strncmp(*environment, "WEIR_", 5) != 0 || !equals || strncmp(*environment, "WEIR_CONFIG=", 12) == 0)
            continue;
        char variable[WEIR_CONF_NAME_MAX];
        if ((size_t)(equals - *environment) >= sizeof variable)
            continue;
        memcpy(variable, *environment, (size_t)(equals - *environment));
        variable[equals - *environment] = '\0';
        load_variable(loader, variable, equals + 1);
    }
}

static const char *find_variable(const char *const *environment, const char *name_and_equals)
{
    size_t size = strlen(name_and_equals);
    for (; environment && *environment; environment++)
        if (strncmp(*environment, name_and_equals, size) == 0)
            return *environment + size;
    return NULL;
}

/* ---- flags ---- */

typedef struct flag {
    char name[WEIR_CONF_NAME_MAX]; /* without dashes and value */
    const char *value;             /* NULL: none was given with it */
    int width;                     /* arguments it takes */
} flag;

/* Splits "--name=value"; false when it is not a flag. */
static bool split(const char *argument, flag *flag_out)
{
    if (strncmp(argument, "--", 2) != 0 || !argument[2])
        return false;
    size_t size = strcspn(argument + 2, "=");
    if (size == 0 || size >= sizeof flag_out->name)
        return false;
    memcpy(flag_out->name, argument + 2, size);
    flag_out->name[size] = '\0';
    flag_out->value = argument[2 + size] == '=' ? argument + 3 + size : NULL;
    return true;
}

static const weir_conf_option *option_of_flag(const char *name)
{
    size_t count;
    const weir_conf_option *options = weir_conf_options(&count);
    for (size_t i = 0; i < count; i++)
        if (options[i].flag && strcmp(options[i].flag, name) == 0)
            return &options[i];
    return weir_conf_option_named(name);
}

/* Whether it is the configuration's, and how many arguments it takes. */
static bool recognise(const char *argument, flag *flag_out)
{
    if (!split(argument, flag_out))
        return false;
    const weir_conf_option *option = option_of_flag(flag_out->name);
    bool ours = option || strcmp(flag_out->name, "config") == 0 || strcmp(flag_out->name, "set") == 0 ||
                strncmp(flag_out->name, "kafka.", 6) == 0;
    bool alone = flag_out->value || (option && option->type == WEIR_CONF_BOOL);
    flag_out->width = alone ? 1 : 2;
    return ours;
}

int weir_conf_flag_width(const char *argument)
{
    flag parts;
    return recognise(argument, &parts) ? parts.width : 0;
}

static void assign_pair(weir_conf_loader *loader, const char *pair)
{
    char name[WEIR_CONF_NAME_MAX];
    size_t size = strcspn(pair, "=");
    const weir_conf_place place = {.origin = WEIR_CONF_FROM_FLAG, .name = "--set"};
    if (pair[size] != '=' || size == 0 || size >= sizeof name) {
        weir_conf_report(loader, WEIR_INVALID, &place, "wanted name=value, as in --set topics.alerts=alerts.");
        return;
    }
    memcpy(name, pair, size);
    name[size] = '\0';
    weir_conf_assign(loader, name, pair + size + 1, &place);
}

static void load_flag(weir_conf_loader *loader, const flag *given, const char *value)
{
    char text[WEIR_CONF_NAME_MAX + 2];
    snprintf(text, sizeof text, "--%s", given->name);
    const weir_conf_place place = {.origin = WEIR_CONF_FROM_FLAG, .name = text};
    const weir_conf_option *option = option_of_flag(given->name);
    if (strcmp(given->name, "config") == 0)
        return; /* read among the files */
    if (strcmp(given->name, "set") == 0)
        assign_pair(loader, value);
    else
        weir_conf_assign(loader, option ? option->name : given->name, value, &place);
}

/* Walks the flags: with `files_only` loads what --config names, else everything else. Returns the files found. */
static size_t load_flags(weir_conf_loader *loader, const weir_conf_inputs *inputs, bool files_only)
{
    size_t file_count = 0;
    for (size_t i = 0; i < inputs->argument_count;) {
        flag given;
        const weir_conf_place place = {.origin = WEIR_CONF_FROM_FLAG, .name = inputs->arguments[i]};
        bool ours = recognise(inputs->arguments[i], &given);
        if (!ours || i + (size_t)given.width > inputs->argument_count) {
            if (!files_only && ours)
                weir_conf_report(loader, WEIR_INVALID, &place, "the flag needs a value.");
            else if (!files_only && split(inputs->arguments[i], &given))
                weir_conf_assign(loader, given.name, "", &place); /* says that there is no such option */
            else if (!files_only)
                weir_conf_report(loader, WEIR_INVALID, &place, "this is not a flag.");
            i++;
            continue;
        }
        const char *value = given.width == 2 ? inputs->arguments[i + 1] : given.value ? given.value : "true";
        bool is_file = strcmp(given.name, "config") == 0;
        if (files_only && is_file)
            load_file(loader, value);
        else if (!files_only)
            load_flag(loader, &given, value);
        file_count += is_file;
        i += (size_t)given.width;
    }
    return file_count;
}

/* ---- all of it ---- */

weir_status weir_conf_load(const weir_conf_inputs *inputs, weir_conf *conf_out, weir_error *error)
{
    weir_conf conf = {0};
    weir_conf_loader loader = {
        .conf = &conf, .problem = inputs->problem, .problem_context = inputs->problem_context};
    weir_conf_load_defaults(&loader);
    weir_check(loader.problem_count == 0 || loader.first.status == WEIR_FULL);
    for (size_t i = 0; i < inputs->file_count; i++)
        load_file(&loader, inputs->files[i]);
    size_t file_count = inputs->file_count + load_flags(&loader, inputs, true);
    const char *path = find_variable(inputs->environment, "WEIR_CONFIG=");
    if (file_count == 0 && path && *path)
        load_file(&loader, path);
    load_environment(&loader, inputs->environment);
    (void)load_flags(&loader, inputs, false);
    if (loader.problem_count > 0) {
        weir_conf_deinit(&conf);
        return weir_error_set(error, loader.first.status, "%s", loader.first.message);
    }
    *conf_out = conf;
    return WEIR_OK;
}

void weir_conf_deinit(weir_conf *conf)
{
    size_t count;
    const weir_conf_option *options = weir_conf_options(&count);
    for (size_t i = 0; i < count; i++) {
        weir_conf_value_clear(conf, &options[i]);
        free(conf->sources[i].name);
    }
    for (size_t i = 0; i < conf->property_count; i++) {
        free(conf->properties[i].name);
        free(conf->properties[i].value);
        free(conf->properties[i].source.name);
    }
    free(conf->properties);
    for (size_t i = 0; i < conf->warnings.count; i++)
        free(conf->warnings.items[i]);
    free(conf->warnings.items);
    memset(conf, 0, sizeof *conf);
}
