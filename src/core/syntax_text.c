/* Trees back to text: the canonical spelling of a feature. */
#include "core/syntax.h"

#include "weir/base/check.h"
#include "weir/base/units.h"

#include <stdio.h>
#include <stdlib.h>

typedef struct writer {
    char *text;
    size_t capacity, used; /* used counts what did not fit as well */
} writer;

static void put_text(writer *out, const char *text)
{
    for (; *text; text++, out->used++)
        if (out->used + 1 < out->capacity)
            out->text[out->used] = *text;
}

/* The fewest digits that read back as the same number. */
static void put_number(writer *out, double number)
{
    char text[32];
    int digits = 1;
    if (number < 1e15 && number == (double)(int64_t)number)
        snprintf(text, sizeof text, "%.0f", number);
    else
        do
            snprintf(text, sizeof text, "%.*g", digits, number);
        while (strtod(text, NULL) != number && ++digits <= 17);
    put_text(out, text);
}

static void put_duration(writer *out, int64_t us)
{
    char text[32];
    weir_units_format_duration(us, text, sizeof text);
    put_text(out, text);
}

static void put_node(writer *out, const weir_node *node);

static unsigned binds(const weir_node *node)
{
    return node->kind == WEIR_NODE_NUMERIC ? node->function->binds : WEIR_BINDS_CALL;
}

/* An operand, in parentheses when it would otherwise be read as something else. */
static void put_operand(writer *out, const weir_node *node, bool parenthesise)
{
    put_text(out, parenthesise ? "(" : "");
    put_node(out, node);
    put_text(out, parenthesise ? ")" : "");
}

static void put_operator(writer *out, const weir_node *node)
{
    unsigned strength = node->function->binds;
    if (node->argument_count == 1) {
        put_text(out, node->function->name);
        put_text(out, strength == WEIR_BINDS_NOT ? " " : "");
        put_operand(out, node->arguments[0], binds(node->arguments[0]) < strength);
        return;
    }
    bool chains = strength != WEIR_BINDS_COMPARE;
    put_operand(out, node->arguments[0], binds(node->arguments[0]) < strength + !chains);
    put_text(out, " ");
    put_text(out, node->function->name);
    put_text(out, " ");
    put_operand(out, node->arguments[1], binds(node->arguments[1]) <= strength);
}

static void put_comma(writer *out, bool *first)
{
    put_text(out, *first ? "" : ", ");
    *first = false;
}

static void put_call(writer *out, const weir_node *node)
{
    put_text(out, node->function->name);
    put_text(out, "(");
    bool first = true;
    for (size_t i = 0; i < node->argument_count; i++) {
        put_comma(out, &first);
        put_node(out, node->arguments[i]);
    }
    put_text(out, ")");
}

static void put_calendar(writer *out, const weir_node *node)
{
    char text[32] = "";
    int64_t minutes = node->offset_us / WEIR_US_PER_MINUTE;
    if (minutes)
        snprintf(text, sizeof text, "%c%02d:%02d", minutes < 0 ? '-' : '+', abs((int)minutes) / 60,
                 abs((int)minutes) % 60);
    put_text(out, node->function->name);
    put_text(out, "(");
    put_text(out, text);
    put_text(out, ")");
}

static void put_is(writer *out, const weir_node *node)
{
    put_text(out, "is(");
    put_text(out, node->field->name);
    for (size_t i = 0; i < node->code_count; i++) {
        char text[WEIR_FIELD_CODE_TEXT_SIZE];
        node->field->format_code(node->codes[i], text);
        put_text(out, ", ");
        put_text(out, text);
    }
    put_text(out, ")");
}

static void put_positionals(writer *out, const weir_node *node, bool *first)
{
    size_t conditions = 0;
    for (const char *letter = node->function->arguments; *letter; letter++) {
        put_comma(out, first);
        if (*letter == 'w')
            put_duration(out, node->window_us);
        else if (*letter == 'a' || *letter == 'f')
            put_text(out, node->field->name);
        else
            put_node(out, node->arguments[conditions++]);
    }
}

static void put_aggregate(writer *out, const weir_node *node)
{
    if (node->entity != WEIR_ENTITY_CARD) {
        put_text(out, weir_entity_kind_name(node->entity));
        put_text(out, ".");
    }
    put_text(out, node->function->name);
    put_text(out, "(");
    bool first = true;
    put_positionals(out, node, &first);
    if (node->where) {
        put_comma(out, &first);
        put_text(out, "where ");
        put_node(out, node->where);
    }
    if (node->delay_us) {
        put_comma(out, &first);
        put_text(out, "delay ");
        put_duration(out, node->delay_us);
    }
    put_text(out, ")");
}

static void put_node(writer *out, const weir_node *node)
{
    switch (node->kind) {
    case WEIR_NODE_NUMBER:
        put_number(out, node->number);
        return;
    case WEIR_NODE_FIELD:
        put_text(out, node->field->name);
        return;
    case WEIR_NODE_CALENDAR:
        put_calendar(out, node);
        return;
    case WEIR_NODE_IS:
        put_is(out, node);
        return;
    case WEIR_NODE_AGGREGATE:
        put_aggregate(out, node);
        return;
    case WEIR_NODE_NUMERIC:
    case WEIR_NODE_PRIOR:
        if (node->function->kind == WEIR_FUNCTION_OPERATOR)
            put_operator(out, node);
        else
            put_call(out, node);
        return;
    }
}

size_t weir_syntax_format(const weir_node *node, char *text_out, size_t capacity)
{
    weir_check(capacity > 0);
    writer out = {.text = text_out, .capacity = capacity};
    put_node(&out, node);
    text_out[out.used < capacity ? out.used : capacity - 1] = '\0';
    return out.used;
}
