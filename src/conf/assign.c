/* From a name and a text to a field: the one door every source goes through. */
#include "conf/loader.h"

#include "conf/value.h"
#include "weir/base/nearest.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

void weir_conf_place_text(const weir_conf_place *place, char text_out[WEIR_CONF_PLACE_MAX])
{
    if (place->origin == WEIR_CONF_FROM_FILE)
        snprintf(text_out, WEIR_CONF_PLACE_MAX, "%.250s:%d:%d", place->name, place->line, place->column);
    else
        snprintf(text_out, WEIR_CONF_PLACE_MAX, "%.250s", place->name ? place->name : "default");
}

void weir_conf_report(weir_conf_loader *loader, weir_status status, const weir_conf_place *place, const char *format,
                      ...)
{
    weir_error error = {.status = status};
    size_t used = 0;
    if (place) {
        char text[WEIR_CONF_PLACE_MAX];
        weir_conf_place_text(place, text);
        used = (size_t)snprintf(error.message, sizeof error.message, "%s: ", text);
    }
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error.message + used, sizeof error.message - used, format, arguments);
    va_end(arguments);
    if (loader->problem_count++ == 0)
        loader->first = error;
    if (loader->problem)
        loader->problem(loader->problem_context, error.message);
}

static bool take_source(weir_conf_source *source, const weir_conf_place *place)
{
    char *name = place->name ? strdup(place->name) : NULL;
    if (place->name && !name)
        return false;
    free(source->name);
    *source = (weir_conf_source){place->origin, name, place->line, place->column};
    return true;
}

static void report_unknown(weir_conf_loader *loader, const char *name, const weir_conf_place *place)
{
    size_t count;
    const weir_conf_option *options = weir_conf_options(&count);
    weir_nearest nearest = weir_nearest_of(name);
    for (size_t i = 0; i < count; i++)
        weir_nearest_offer(&nearest, options[i].name);
    const char *meant = weir_nearest_found(&nearest);
    if (meant)
        weir_conf_report(loader, WEIR_INVALID, place, "\"%.100s\" is not an option; did you mean \"%s\"?", name, meant);
    else
        weir_conf_report(loader, WEIR_INVALID, place,
                         "\"%.100s\" is not an option; `weir config options` lists those there are.", name);
}

/* Each file may set an option once; a later file, the environment and the flags go over it. */
static bool is_given_twice(const weir_conf_source *source, const weir_conf_place *place)
{
    return place->origin == WEIR_CONF_FROM_FILE && source->origin == WEIR_CONF_FROM_FILE &&
           strcmp(source->name, place->name) == 0;
}

static void report_twice(weir_conf_loader *loader, const char *name, const weir_conf_source *first,
                         const weir_conf_place *place)
{
    weir_conf_report(loader, WEIR_INVALID, place, "%.100s is given twice; the first is at line %d.", name, first->line);
}

static void report_value(weir_conf_loader *loader, const weir_conf_option *option, const char *text,
                         const weir_conf_place *place)
{
    char wanted[WEIR_CONF_WANTED_MAX];
    weir_conf_value_wanted(option, wanted);
    if (option->secret)
        weir_conf_report(loader, WEIR_INVALID, place, "the value of %s (a secret, not shown) is not %s.", option->name,
                         wanted);
    else
        weir_conf_report(loader, WEIR_INVALID, place, "%s is \"%.80s\"; wanted %s.", option->name, text, wanted);
}

static void assign_option(weir_conf_loader *loader, const weir_conf_option *option, const char *text,
                          const weir_conf_place *place)
{
    weir_conf_source *source = &loader->conf->sources[weir_conf_option_index(option)];
    if (is_given_twice(source, place)) {
        report_twice(loader, option->name, source, place);
        return;
    }
    weir_status status = weir_conf_value_set(loader->conf, option, text);
    if (status == WEIR_INVALID)
        report_value(loader, option, text, place);
    else if (status != WEIR_OK || !take_source(source, place))
        weir_conf_report(loader, WEIR_FULL, place, "there is no memory for the value of %s.", option->name);
}

void weir_conf_assign(weir_conf_loader *loader, const char *name, const char *text, const weir_conf_place *place)
{
    const weir_conf_option *option = weir_conf_option_named(name);
    if (option)
        assign_option(loader, option, text, place);
    else if (strncmp(name, "kafka.", 6) == 0)
        weir_conf_property_set(loader, name + 6, text, place);
    else
        report_unknown(loader, name, place);
}

/* ---- kafka.*: what passes through to librdkafka ---- */

static const struct {
    const char *prefix;
    weir_conf_scope scope;
} SCOPES[] = {{"consumer.", WEIR_CONF_FOR_CONSUMER}, {"producer.", WEIR_CONF_FOR_PRODUCER}, {"", WEIR_CONF_FOR_BOTH}};

static weir_conf_scope scope_of(const char **name)
{
    for (size_t i = 0;; i++) {
        size_t size = strlen(SCOPES[i].prefix);
        if (strncmp(*name, SCOPES[i].prefix, size) != 0)
            continue;
        *name += size;
        return SCOPES[i].scope;
    }
}

/* Those for both clients stand first, so that applied in order the narrower scope wins. */
static weir_conf_property *insert(weir_conf *conf, weir_conf_scope scope)
{
    weir_conf_property *properties = realloc(conf->properties, (conf->property_count + 1) * sizeof *properties);
    if (!properties)
        return NULL;
    conf->properties = properties;
    size_t at = conf->property_count++;
    for (; at > 0 && properties[at - 1].scope > scope; at--)
        properties[at] = properties[at - 1];
    properties[at] = (weir_conf_property){.scope = scope};
    return &properties[at];
}

static weir_conf_property *find(weir_conf *conf, weir_conf_scope scope, const char *name)
{
    for (size_t i = 0; i < conf->property_count; i++)
        if (conf->properties[i].scope == scope && strcmp(conf->properties[i].name, name) == 0)
            return &conf->properties[i];
    return NULL;
}

static bool is_property_name(const char *name)
{
    return *name && !name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789._")];
}

void weir_conf_property_set(weir_conf_loader *loader, const char *name, const char *value, const weir_conf_place *place)
{
    const char *given = name;
    weir_conf_scope scope = scope_of(&name);
    if (!is_property_name(name)) {
        weir_conf_report(loader, WEIR_INVALID, place, "\"kafka.%.100s\" cannot be the name of a librdkafka property.",
                         given);
        return;
    }
    if (!weir_conf_property_is_secret(name) && strlen(value) >= WEIR_CONF_VALUE_MAX) {
        weir_conf_report(loader, WEIR_INVALID, place, "the value of kafka.%.100s has more than 4,095 characters.",
                         given);
        return;
    }
    weir_conf_property *property = find(loader->conf, scope, name);
    if (property && is_given_twice(&property->source, place)) {
        report_twice(loader, name, &property->source, place);
        return;
    }
    char *name_copy = property ? property->name : strdup(name);
    char *value_copy = strdup(value);
    if (!property && name_copy && value_copy)
        property = insert(loader->conf, scope);
    if (!property || !value_copy) {
        if (!property)
            free(name_copy);
        free(value_copy);
        weir_conf_report(loader, WEIR_FULL, place, "there is no memory for kafka.%.100s.", given);
        return;
    }
    free(property->value);
    property->name = name_copy;
    property->value = value_copy;
    if (!take_source(&property->source, place))
        weir_conf_report(loader, WEIR_FULL, place, "there is no memory for kafka.%.100s.", given);
}

bool weir_conf_property_is_secret(const char *property_name)
{
    /* Parts of librdkafka's names whose values let somebody in; ssl.key.location and the like are only paths. */
    static const char *const PARTS[] = {"password", "secret", "key.pem", "keystore.pem", "jaas", "token", "ssl_key",
                                        "oauthbearer.config", "sasl.username", "client.credentials"};
    if (strstr(property_name, "location") || strstr(property_name, ".url"))
        return false;
    for (size_t i = 0; i < sizeof PARTS / sizeof *PARTS; i++)
        if (strcasestr(property_name, PARTS[i]))
            return true;
    return false;
}
