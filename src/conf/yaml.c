/* YAML as a configuration uses it: mappings of scalars, and sequences of them for lists. Nested names join with dots.
 *
 * Read as events, so that every value knows its line and column. What a configuration has no use for (anchors, aliases,
 * tags, several documents, keys that are not plain text) is refused rather than half understood; depth and size are
 * bounded, so that no file can take the process down. */
#include "conf/loader.h"

#include "conf/value.h"

#include <stdlib.h>
#include <string.h>
#include <yaml.h>

enum { DEPTH_MAX = 16 };

/* A name under construction: "topics.alerts", cut back to the parent's length when a mapping ends. */
typedef struct walk {
    weir_conf_loader *loader;
    yaml_parser_t parser;
    const char *file;
    char name[WEIR_CONF_NAME_MAX];
    size_t name_sizes[DEPTH_MAX]; /* of the enclosing mappings' names */
    size_t depth;                 /* mappings open */
    bool stopped;                 /* the rest of the file cannot be made sense of */
} walk;

static weir_conf_place place_of(const walk *at, yaml_mark_t mark)
{
    return (weir_conf_place){WEIR_CONF_FROM_FILE, at->file, (int)mark.line + 1, (int)mark.column + 1};
}

static void stop(walk *at, yaml_mark_t mark, const char *sentence)
{
    weir_conf_place place = place_of(at, mark);
    weir_conf_report(at->loader, WEIR_INVALID, &place, "%s", sentence);
    at->stopped = true;
}

static bool next(walk *at, yaml_event_t *event_out)
{
    if (yaml_parser_parse(&at->parser, event_out))
        return true;
    weir_conf_place place = place_of(at, at->parser.problem_mark);
    weir_conf_report(at->loader, WEIR_INVALID, &place, "this is not YAML: %s.",
                     at->parser.problem ? at->parser.problem : "it cannot be read");
    at->stopped = true;
    return false;
}

/* The scalar's text, or NULL when it is something a value cannot be. */
static const char *plain_text(walk *at, const yaml_event_t *event)
{
    if (event->type == YAML_ALIAS_EVENT || event->data.scalar.anchor)
        stop(at, event->start_mark, "anchors and aliases are not understood here.");
    else if (event->type != YAML_SCALAR_EVENT)
        stop(at, event->start_mark, "a plain value is wanted here.");
    else if (event->data.scalar.tag)
        stop(at, event->start_mark, "tags are not understood here.");
    else if (strlen((const char *)event->data.scalar.value) != event->data.scalar.length)
        stop(at, event->start_mark, "a value cannot hold a NUL.");
    else
        return (const char *)event->data.scalar.value;
    return NULL;
}

/* YAML's ways of saying nothing are the empty text. */
static const char *value_of(const yaml_event_t *event, const char *text)
{
    bool plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    return plain && (strcmp(text, "~") == 0 || strcmp(text, "null") == 0) ? "" : text;
}

static bool may_be_sequence(const char *name)
{
    const weir_conf_option *option = weir_conf_option_named(name);
    return !option || option->type == WEIR_CONF_LIST || option->type == WEIR_CONF_TEXT;
}

/* Adds an item to a comma-separated text. */
static void join(walk *at, const yaml_event_t *item, char *text, size_t capacity)
{
    const char *value = plain_text(at, item);
    if (!value)
        return;
    size_t used = strlen(text), size = strlen(value);
    if (strchr(value, ',') || used + size + 2 > capacity) {
        stop(at, item->start_mark, "an item of a list cannot hold a comma, nor the list more than 4,000 characters.");
        return;
    }
    if (used > 0)
        text[used++] = ',';
    memcpy(text + used, value, size + 1);
}

static void read_sequence(walk *at, yaml_mark_t mark)
{
    char text[WEIR_CONF_VALUE_MAX] = "";
    weir_conf_place place = place_of(at, mark);
    if (!may_be_sequence(at->name)) {
        weir_conf_report(at->loader, WEIR_INVALID, &place, "%.100s takes one value, not a list.", at->name);
        at->stopped = true;
    }
    while (!at->stopped) {
        yaml_event_t event;
        if (!next(at, &event))
            return;
        bool ended = event.type == YAML_SEQUENCE_END_EVENT;
        if (!ended)
            join(at, &event, text, sizeof text);
        yaml_event_delete(&event);
        if (ended) {
            weir_conf_assign(at->loader, at->name, text, &place);
            return;
        }
    }
}

/* Puts a key after the enclosing mapping's name. */
static void extend_name(walk *at, const yaml_event_t *key)
{
    const char *text = plain_text(at, key);
    if (!text)
        return;
    size_t begin = at->name_sizes[at->depth - 1], size = strlen(text);
    if (size == 0 || begin + size + 2 > sizeof at->name) {
        stop(at, key->start_mark, "a name has from 1 to 200 characters.");
        return;
    }
    if (begin > 0)
        at->name[begin++] = '.';
    memcpy(at->name + begin, text, size + 1);
}

static void open_mapping(walk *at, const yaml_event_t *event)
{
    if (event->data.mapping_start.anchor || event->data.mapping_start.tag)
        stop(at, event->start_mark, "anchors and tags are not understood here.");
    else if (at->depth == DEPTH_MAX)
        stop(at, event->start_mark, "mappings are nested too deeply.");
    else
        at->name_sizes[at->depth++] = strlen(at->name);
}

/* What stands after a key: a value, a list, or a mapping to go into. */
static void read_value(walk *at)
{
    yaml_event_t event;
    if (!next(at, &event))
        return;
    if (event.type == YAML_MAPPING_START_EVENT)
        open_mapping(at, &event);
    else if (event.type == YAML_SEQUENCE_START_EVENT)
        read_sequence(at, event.start_mark);
    else {
        const char *text = plain_text(at, &event);
        weir_conf_place place = place_of(at, event.start_mark);
        if (text)
            weir_conf_assign(at->loader, at->name, value_of(&event, text), &place);
    }
    yaml_event_delete(&event);
}

/* Key and value by turns until the outermost mapping ends. */
static void read_mappings(walk *at)
{
    while (at->depth > 0 && !at->stopped) {
        yaml_event_t event;
        if (!next(at, &event))
            return;
        bool ended = event.type == YAML_MAPPING_END_EVENT;
        if (ended)
            at->depth--;
        else
            extend_name(at, &event);
        yaml_event_delete(&event);
        if (!ended && !at->stopped)
            read_value(at);
    }
}

/* The document's root: a mapping, or nothing at all (a file of comments). */
static void read_root(walk *at)
{
    yaml_event_t event;
    if (!next(at, &event))
        return;
    if (event.type == YAML_MAPPING_START_EVENT)
        open_mapping(at, &event);
    else if (event.type != YAML_SCALAR_EVENT || event.data.scalar.length > 0)
        stop(at, event.start_mark, "a configuration is a mapping of options to values.");
    yaml_event_delete(&event);
    read_mappings(at);
}

static void read_stream(walk *at)
{
    size_t document_count = 0;
    for (bool ended = false; !ended && !at->stopped;) {
        yaml_event_t event;
        if (!next(at, &event))
            return;
        ended = event.type == YAML_STREAM_END_EVENT;
        bool document = event.type == YAML_DOCUMENT_START_EVENT;
        if (document && document_count++ > 0)
            stop(at, event.start_mark, "a configuration is one YAML document.");
        yaml_event_delete(&event);
        if (document && !at->stopped)
            read_root(at);
    }
}

void weir_conf_read_yaml(weir_conf_loader *loader, const char *name, weir_span text)
{
    walk at = {.loader = loader, .file = name};
    if (!yaml_parser_initialize(&at.parser)) {
        weir_conf_report(loader, WEIR_FULL, NULL, "There is no memory to read %.200s.", name);
        return;
    }
    yaml_parser_set_encoding(&at.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&at.parser, text.data, text.size);
    read_stream(&at);
    yaml_parser_delete(&at.parser);
}
