/* The configuration and its table for people to read. */
#include "conf/loader.h"
#include "conf/value.h"

#include "weir/base/check.h"
#include "weir/base/escape.h"

#include <ctype.h>
#include <string.h>

enum { COMMENT_COLUMN = 48 };

static const char MASK[] = "*****";

/* What JSON lets stand and YAML takes for a line break, a mark or nothing it may read: C1 controls (U+0085 among them),
 * the separators U+2028 and U+2029, U+FEFF, and the last two of the plane. 0 for any other character. */
static unsigned unreadable(const uint8_t *character, size_t size)
{
    unsigned point = 0;
    if (size == 2)
        point = (character[0] & 0x1fu) << 6 | (character[1] & 0x3fu);
    else if (size == 3)
        point = (character[0] & 0x0fu) << 12 | (character[1] & 0x3fu) << 6 | (character[2] & 0x3fu);
    bool marks = point == 0x2028 || point == 0x2029 || point == 0xfeff || point == 0xfffe || point == 0xffff;
    return marks || (point >= 0x80 && point < 0xa0) ? point : 0;
}

static void escape(weir_writer *writer, weir_span text)
{
    while (text.size > 0) {
        size_t size = weir_escape_utf8_size(text);
        size_t taken = size ? size : 1;
        unsigned point = unreadable(text.data, size);
        char code[8];
        if (point)
            weir_write_bytes(writer, code, (size_t)snprintf(code, sizeof code, "\\u%04x", point));
        else
            (void)weir_escape_json(writer, weir_span_of(text.data, taken));
        text = weir_span_of(text.data + taken, text.size - taken);
    }
    weir_check(!writer->failed);
}

/* Text as YAML reads it back: plain where that is beyond doubt, else in double quotes (JSON's are YAML's). */
static size_t quote(const char *text, char *text_out, size_t capacity)
{
    static const char PLAIN[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-/:";
    bool plain = (isalnum((unsigned char)*text) || *text == '/') && !text[strspn(text, PLAIN)] &&
                 text[strlen(text) - 1] != ':' && strcmp(text, "null") != 0;
    if (plain)
        return (size_t)snprintf(text_out, capacity, "%s", text);
    char escaped[WEIR_CONF_QUOTED_MAX];
    weir_writer writer = weir_writer_of(escaped, sizeof escaped);
    escape(&writer, weir_span_text(text));
    return (size_t)snprintf(text_out, capacity, "\"%.*s\"", (int)writer.used, escaped);
}

/* [card, "a b"]: each item quoted by itself. */
static size_t quote_list(const weir_conf_list *list, char *text_out, size_t capacity)
{
    size_t used = (size_t)snprintf(text_out, capacity, "[");
    for (size_t i = 0; i < list->count; i++) {
        char item[WEIR_CONF_QUOTED_MAX];
        quote(list->items[i], item, sizeof item);
        size_t at = used < capacity ? used : capacity;
        used += (size_t)snprintf(text_out + at, capacity - at, "%s%s", i ? ", " : "", item);
    }
    size_t at = used < capacity ? used : capacity;
    return used + (size_t)snprintf(text_out + at, capacity - at, "]");
}

size_t weir_conf_value_text(const weir_conf *conf, const weir_conf_option *option, char *text_out, size_t capacity)
{
    char text[WEIR_CONF_VALUE_MAX];
    size_t size = weir_conf_value_format(conf, option, text, sizeof text);
    if (option->secret && size > 0)
        return (size_t)snprintf(text_out, capacity, "%s", MASK);
    if (option->type == WEIR_CONF_LIST)
        return quote_list(weir_conf_field(conf, option), text_out, capacity);
    return weir_conf_type_is_text(option->type) ? quote(text, text_out, capacity)
                                                : (size_t)snprintf(text_out, capacity, "%s", text);
}

/* One line: `name: value   # place`. What is masked is a comment as a whole, so that it never loads as a value. */
static void print_line(FILE *out, const char *name, const char *value, bool masked, const weir_conf_source *source)
{
    char place[WEIR_CONF_PLACE_MAX];
    weir_conf_place at = {source->origin, source->name, source->line, source->column};
    weir_conf_place_text(&at, place);
    int width = fprintf(out, "%s%s: %s", masked ? "# " : "", name, value);
    fprintf(out, "%*s# %s\n", width < COMMENT_COLUMN ? COMMENT_COLUMN - width : 1, "", place);
}

static void show_property(const weir_conf_property *property, FILE *out)
{
    static const char *const SCOPES[] = {"kafka.", "kafka.consumer.", "kafka.producer."};
    char name[WEIR_CONF_NAME_MAX + 32], value[WEIR_CONF_QUOTED_MAX];
    snprintf(name, sizeof name, "%s%s", SCOPES[property->scope], property->name);
    bool secret = weir_conf_property_is_secret(property->name);
    if (secret)
        snprintf(value, sizeof value, "%s", MASK);
    else
        quote(property->value, value, sizeof value);
    print_line(out, name, value, secret, &property->source);
}

void weir_conf_show(const weir_conf *conf, FILE *out)
{
    size_t count;
    const weir_conf_option *options = weir_conf_options(&count);
    for (size_t i = 0; i < count; i++) {
        if (i == 0 || options[i].section != options[i - 1].section)
            fprintf(out, "%s# %s\n", i ? "\n" : "", options[i].section);
        char value[WEIR_CONF_QUOTED_MAX];
        weir_conf_value_text(conf, &options[i], value, sizeof value);
        print_line(out, options[i].name, value, strcmp(value, MASK) == 0 && options[i].secret, &conf->sources[i]);
    }
    if (conf->property_count > 0)
        fprintf(out, "\n# passed through to librdkafka\n");
    for (size_t i = 0; i < conf->property_count; i++)
        show_property(&conf->properties[i], out);
}

static void print_option(const weir_conf_option *option, FILE *out)
{
    char wanted[WEIR_CONF_WANTED_MAX];
    weir_conf_value_wanted(option, wanted);
    fprintf(out, "  %s", option->name);
    if (option->flag)
        fprintf(out, "  (--%s)", option->flag);
    fprintf(out, "\n      %c%s.\n", toupper((unsigned char)*option->doc), option->doc + 1);
    fprintf(out, "      %c%s. Default: %s.%s\n\n", toupper((unsigned char)*wanted), wanted + 1,
            *option->fallback ? option->fallback : "empty", option->secret ? " Secret: never printed." : "");
}

void weir_conf_print_options(FILE *out)
{
    size_t count;
    const weir_conf_option *options = weir_conf_options(&count);
    fprintf(out, "Each option goes into a YAML file (nested or with dots), the environment (WEIR_ and the name in\n"
                 "capitals with _ for dots) or a flag (--NAME VALUE); the later of these wins.\n\n");
    for (size_t i = 0; i < count; i++) {
        if (i == 0 || options[i].section != options[i - 1].section)
            fprintf(out, "%s\n\n", options[i].section);
        print_option(&options[i], out);
    }
    fprintf(out, "librdkafka\n\n"
                 "  kafka.PROPERTY, kafka.consumer.PROPERTY, kafka.producer.PROPERTY\n"
                 "      Any librdkafka property, for both clients or one of them; in the environment\n"
                 "      WEIR_KAFKA_SECURITY_PROTOCOL. Those weir decides itself are refused with the reason.\n");
}
