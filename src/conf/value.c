#include "conf/value.h"

#include "weir/base/check.h"
#include "weir/base/units.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Any value of any type, while it is being looked at. */
typedef union value {
    int64_t integer;
    bool boolean;
    double share;
    int choice;
    char *text;
    weir_conf_list list;
} value;

/* ---- parsing ---- */

static weir_status parse_text(const weir_conf_option *option, const char *text, value *value_out)
{
    (void)option;
    if (strlen(text) >= WEIR_CONF_VALUE_MAX)
        return WEIR_INVALID;
    for (const char *at = text; *at; at++)
        if ((unsigned char)*at < ' ' || *at == 0x7f)
            return WEIR_INVALID;
    value_out->text = strdup(text);
    return value_out->text ? WEIR_OK : WEIR_FULL;
}

static weir_status parse_int(const weir_conf_option *option, const char *text, value *value_out)
{
    (void)option;
    const char *digits = text + (*text == '-');
    if (*digits < '0' || *digits > '9')
        return WEIR_INVALID;
    char *end;
    errno = 0;
    long long number = strtoll(text, &end, 10);
    if (*end || errno)
        return WEIR_INVALID;
    value_out->integer = number;
    return WEIR_OK;
}

static weir_status parse_bool(const weir_conf_option *option, const char *text, value *value_out)
{
    (void)option;
    static const struct {
        const char *name;
        bool value;
    } NAMES[] = {{"true", true},   {"false", false}, {"yes", true}, {"no", false},
                 {"on", true},     {"off", false},   {"1", true},   {"0", false}};
    for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++)
        if (strcasecmp(text, NAMES[i].name) == 0) {
            value_out->boolean = NAMES[i].value;
            return WEIR_OK;
        }
    return WEIR_INVALID;
}

static weir_status parse_duration(const weir_conf_option *option, const char *text, value *value_out)
{
    (void)option;
    return weir_units_parse_duration(weir_span_text(text), &value_out->integer);
}

/* A bare number would be bytes for base/units; an option insists on the unit. */
static weir_status parse_size(const weir_conf_option *option, const char *text, value *value_out)
{
    (void)option;
    uint64_t bytes;
    size_t size = strlen(text);
    if (size == 0 || text[size - 1] != 'B' || weir_units_parse_size(weir_span_text(text), &bytes) != WEIR_OK)
        return WEIR_INVALID;
    value_out->integer = (int64_t)bytes;
    return WEIR_OK;
}

static weir_status parse_share(const weir_conf_option *option, const char *text, value *value_out)
{
    (void)option;
    if ((*text < '0' || *text > '9') && *text != '.')
        return WEIR_INVALID;
    char *end;
    double share = strtod(text, &end);
    if (*end == '%') {
        share /= 100;
        end++;
    }
    if (end == text || *end || text[strspn(text, "0123456789.%eE-")])
        return WEIR_INVALID;
    value_out->share = share;
    return WEIR_OK;
}

static weir_status parse_choice(const weir_conf_option *option, const char *text, value *value_out)
{
    for (const weir_conf_choice *choice = option->choices; choice->name; choice++)
        if (strcmp(choice->name, text) == 0) {
            value_out->choice = choice->value;
            return WEIR_OK;
        }
    return WEIR_INVALID;
}

static void free_list(weir_conf_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->items[i]);
    free(list->items);
    *list = (weir_conf_list){0};
}

static size_t skip_blanks(const char *text)
{
    return strspn(text, " ");
}

/* "a, b" -> {"a", "b"}; an empty text is an empty list, an empty item an error. */
static weir_status parse_list(const weir_conf_option *option, const char *text, value *value_out)
{
    if (strlen(text) >= WEIR_CONF_VALUE_MAX)
        return WEIR_INVALID;
    weir_conf_list list = {0};
    size_t item_max = 1;
    for (const char *at = text; *at; at++)
        item_max += *at == ',';
    list.items = calloc(item_max, sizeof *list.items);
    if (!list.items)
        return WEIR_FULL;
    weir_status status = WEIR_OK;
    for (const char *at = text + skip_blanks(text); *at && status == WEIR_OK;) {
        size_t size = strcspn(at, ",");
        size_t kept = size;
        while (kept > 0 && at[kept - 1] == ' ')
            kept--;
        char *item = strndup(at, kept);
        value checked = {0};
        status = !item ? WEIR_FULL : kept == 0 ? WEIR_INVALID : parse_text(option, item, &checked);
        free(checked.text);
        if (status == WEIR_OK)
            list.items[list.count++] = item;
        else
            free(item);
        if (at[size] == ',' && at[size + 1 + skip_blanks(at + size + 1)] == '\0' && status == WEIR_OK)
            status = WEIR_INVALID; /* a comma at the end */
        at += size + (at[size] == ',');
        at += skip_blanks(at);
    }
    if (status == WEIR_OK)
        value_out->list = list;
    else
        free_list(&list);
    return status;
}

/* ---- formatting ---- */

static size_t format_text(const weir_conf_option *option, const value *from, char *text_out, size_t capacity)
{
    (void)option;
    return (size_t)snprintf(text_out, capacity, "%s", from->text ? from->text : "");
}

static size_t format_int(const weir_conf_option *option, const value *from, char *text_out, size_t capacity)
{
    (void)option;
    return (size_t)snprintf(text_out, capacity, "%" PRId64, from->integer);
}

static size_t format_bool(const weir_conf_option *option, const value *from, char *text_out, size_t capacity)
{
    (void)option;
    return (size_t)snprintf(text_out, capacity, "%s", from->boolean ? "true" : "false");
}

static size_t format_duration(const weir_conf_option *option, const value *from, char *text_out, size_t capacity)
{
    (void)option;
    return weir_units_format_duration(from->integer, text_out, capacity);
}

static size_t format_size(const weir_conf_option *option, const value *from, char *text_out, size_t capacity)
{
    (void)option;
    return weir_units_format_size((uint64_t)from->integer, text_out, capacity);
}

static size_t format_share(const weir_conf_option *option, const value *from, char *text_out, size_t capacity)
{
    (void)option;
    int size = 0;
    for (int digits = 3; digits <= 17; digits++) { /* the shortest that reads back */
        size = snprintf(text_out, capacity, "%.*g", digits, from->share);
        if ((size_t)size < capacity && strtod(text_out, NULL) == from->share)
            break;
    }
    return (size_t)size;
}

static size_t format_choice(const weir_conf_option *option, const value *from, char *text_out, size_t capacity)
{
    const char *name = "";
    for (const weir_conf_choice *choice = option->choices; choice->name; choice++)
        if (choice->value == from->choice)
            name = choice->name;
    return (size_t)snprintf(text_out, capacity, "%s", name);
}

static size_t format_list(const weir_conf_option *option, const value *from, char *text_out, size_t capacity)
{
    (void)option;
    size_t used = 0;
    if (capacity > 0)
        *text_out = '\0';
    for (size_t i = 0; i < from->list.count; i++)
        used += (size_t)snprintf(text_out + (used < capacity ? used : capacity), used < capacity ? capacity - used : 0,
                                 "%s%s", i ? "," : "", from->list.items[i]);
    return used;
}

/* ---- order, for ranges ---- */

static int compare_integers(const value *a, const value *b)
{
    return (a->integer > b->integer) - (a->integer < b->integer);
}

static int compare_shares(const value *a, const value *b)
{
    return (a->share > b->share) - (a->share < b->share);
}

/* ---- the types ---- */

static void clear_text(value *from)
{
    free(from->text);
}

static void clear_list(value *from)
{
    free_list(&from->list);
}

static const struct {
    const char *wanted;
    size_t size; /* of the field */
    weir_status (*parse)(const weir_conf_option *option, const char *text, value *value_out);
    size_t (*format)(const weir_conf_option *option, const value *from, char *text_out, size_t capacity);
    int (*compare)(const value *a, const value *b); /* NULL: has no range */
    void (*clear)(value *from);                     /* NULL: owns nothing */
} TYPES[WEIR_CONF_TYPE_COUNT] = {
    [WEIR_CONF_TEXT] = {"text on one line", sizeof(char *), parse_text, format_text, NULL, clear_text},
    [WEIR_CONF_PATH] = {"a path", sizeof(char *), parse_text, format_text, NULL, clear_text},
    [WEIR_CONF_INT] = {"a whole number", sizeof(int64_t), parse_int, format_int, compare_integers, NULL},
    [WEIR_CONF_BOOL] = {"true or false", sizeof(bool), parse_bool, format_bool, NULL, NULL},
    [WEIR_CONF_DURATION] = {"a duration with its unit (us, ms, s, m, h, d, w)", sizeof(int64_t), parse_duration,
                            format_duration, compare_integers, NULL},
    [WEIR_CONF_SIZE] = {"a size with its unit (B, KiB, MiB, GiB, TiB, kB, MB, GB, TB)", sizeof(int64_t), parse_size,
                        format_size, compare_integers, NULL},
    [WEIR_CONF_SHARE] = {"a share such as 0.5 or 50%", sizeof(double), parse_share, format_share, compare_shares, NULL},
    [WEIR_CONF_CHOICE] = {"one of", sizeof(int), parse_choice, format_choice, NULL, NULL},
    [WEIR_CONF_LIST] = {"names with commas between", sizeof(weir_conf_list), parse_list, format_list, NULL, clear_list},
};

bool weir_conf_type_is_text(weir_conf_type type)
{
    return type == WEIR_CONF_TEXT || type == WEIR_CONF_PATH || type == WEIR_CONF_LIST;
}

size_t weir_conf_option_index(const weir_conf_option *option)
{
    size_t count;
    const weir_conf_option *first = weir_conf_options(&count);
    size_t index = (size_t)(option - first);
    weir_check(index < count);
    return index;
}

void *weir_conf_field(const weir_conf *conf, const weir_conf_option *option)
{
    return (char *)conf + option->field;
}

static bool in_range(const weir_conf_option *option, const value *checked)
{
    value bound = {0};
    if (option->least) {
        weir_check(TYPES[option->type].parse(option, option->least, &bound) == WEIR_OK);
        if (TYPES[option->type].compare(checked, &bound) < 0)
            return false;
    }
    if (option->most) {
        weir_check(TYPES[option->type].parse(option, option->most, &bound) == WEIR_OK);
        if (TYPES[option->type].compare(checked, &bound) > 0)
            return false;
    }
    return true;
}

weir_status weir_conf_value_set(weir_conf *conf, const weir_conf_option *option, const char *text)
{
    value parsed = {0};
    weir_status status = TYPES[option->type].parse(option, text, &parsed);
    if (status != WEIR_OK)
        return status;
    if (!in_range(option, &parsed))
        return WEIR_INVALID;
    weir_conf_value_clear(conf, option);
    memcpy(weir_conf_field(conf, option), &parsed, TYPES[option->type].size);
    return WEIR_OK;
}

void weir_conf_value_clear(weir_conf *conf, const weir_conf_option *option)
{
    value old = {0};
    void *field = weir_conf_field(conf, option);
    memcpy(&old, field, TYPES[option->type].size);
    if (TYPES[option->type].clear)
        TYPES[option->type].clear(&old);
    memset(field, 0, TYPES[option->type].size);
}

size_t weir_conf_value_format(const weir_conf *conf, const weir_conf_option *option, char *text_out, size_t capacity)
{
    value from = {0};
    memcpy(&from, weir_conf_field(conf, option), TYPES[option->type].size);
    return TYPES[option->type].format(option, &from, text_out, capacity);
}

void weir_conf_value_wanted(const weir_conf_option *option, char text_out[WEIR_CONF_WANTED_MAX])
{
    size_t used = (size_t)snprintf(text_out, WEIR_CONF_WANTED_MAX, "%s", TYPES[option->type].wanted);
    for (const weir_conf_choice *choice = option->choices; choice && choice->name; choice++)
        used += (size_t)snprintf(text_out + used, WEIR_CONF_WANTED_MAX - used, "%s %s",
                                 choice == option->choices ? "" : ",", choice->name);
    if (option->least && option->most)
        snprintf(text_out + used, WEIR_CONF_WANTED_MAX - used, " from %s to %s", option->least, option->most);
}
