/* Text to trees: recursive descent over the grammar in core/syntax.h, never deeper than
 * WEIR_SYNTAX_DEPTH_MAX. The first refusal is kept; after it every step returns NULL. */
#include "core/lexer.h"
#include "core/syntax.h"

#include "weir/base/check.h"
#include "weir/base/units.h"

#include <stdio.h>
#include <stdlib.h>

typedef struct parser {
    weir_syntax *syntax;
    weir_lexer lexer;
    weir_token token; /* the one being looked at */
    weir_span name;
    weir_error *error;
    weir_status status;
    unsigned depth;
    bool past, prior;
} parser;

static const weir_node *parse_expression(parser *p, unsigned binds_min);

/* --- refusals --- */

static const weir_node *refuse_at(parser *p, weir_token token, const char *expected)
{
    if (p->status != WEIR_OK)
        return NULL;
    int shown = p->name.size > 160 ? 160 : (int)p->name.size;
    size_t found = token.text.size > 60 ? 60 : token.text.size;
    const char *rest = p->name.size > 160 ? "..." : "", *name = (const char *)p->name.data;
    const char *quote = token.kind == WEIR_TOKEN_END ? "" : "'";
    weir_span what = token.kind == WEIR_TOKEN_END ? weir_span_text("the end") : weir_span_of(token.text.data, found);
    p->status = weir_error_set(p->error, WEIR_INVALID, "feature '%.*s'%s: column %zu: expected %s, found %s%.*s%s",
                               shown, name, rest, token.column, expected, quote, WEIR_SPAN_ARGS(what), quote);
    return NULL;
}

static const weir_node *refuse(parser *p, const char *expected)
{
    return refuse_at(p, p->token, expected);
}

static const weir_node *intern(parser *p, const weir_node *draft)
{
    if (p->status != WEIR_OK)
        return NULL;
    const weir_node *node = weir_syntax_intern(p->syntax, draft);
    if (!node)
        p->status = weir_error_set(p->error, WEIR_FULL, "feature '%.*s': the memory for compiling features is full",
                                   (int)p->name.size, (const char *)p->name.data);
    return node;
}

/* --- tokens --- */

static void advance(parser *p)
{
    p->token = weir_lexer_next(&p->lexer);
}

static bool at_symbol(const parser *p, const char *symbol)
{
    return p->token.kind == WEIR_TOKEN_SYMBOL && weir_span_is(p->token.text, symbol);
}

static bool at_word(const parser *p, const char *word)
{
    return p->token.kind == WEIR_TOKEN_WORD && weir_span_is(p->token.text, word);
}

static bool accept(parser *p, const char *symbol)
{
    bool there = p->status == WEIR_OK && at_symbol(p, symbol);
    if (there)
        advance(p);
    return there;
}

static bool expect(parser *p, const char *symbol, const char *expected)
{
    if (accept(p, symbol))
        return true;
    refuse(p, expected);
    return false;
}

static const weir_node *close_call(parser *p, const weir_node *draft)
{
    return expect(p, ")", "')'") ? intern(p, draft) : NULL;
}

/* --- leaves --- */

static const weir_node *parse_number(parser *p)
{
    char text[WEIR_FEATURE_NAME_MAX + 1];
    weir_check(p->token.text.size < sizeof text);
    memcpy(text, p->token.text.data, p->token.text.size);
    text[p->token.text.size] = '\0';
    weir_node draft = {.kind = WEIR_NODE_NUMBER, .past = p->past, .number = strtod(text, NULL)};
    if (draft.number > 1e300)
        return refuse(p, "a number below 1e300");
    advance(p);
    return intern(p, &draft);
}

static const weir_node *parse_field(parser *p)
{
    const weir_field *field = weir_field_find(p->token.text);
    if (!field)
        return refuse(p, "a field, a function or a number");
    if (!field->number)
        return refuse(p, "a number (this field only has equality: use it in is, distinct, same or new)");
    advance(p);
    weir_node draft = {.kind = WEIR_NODE_FIELD, .past = p->past, .field = field};
    return intern(p, &draft);
}

static bool parse_duration(parser *p, int64_t least_us, int64_t *us_out)
{
    if (p->status != WEIR_OK)
        return false;
    bool parsed =
        p->token.kind == WEIR_TOKEN_DURATION && weir_units_parse_duration(p->token.text, us_out) == WEIR_OK;
    if (!parsed || *us_out < least_us || *us_out > WEIR_LAG_US_MAX) {
        refuse(p, least_us > 0 ? "a window such as 90s, 24h or 7d (at most 36525d)"
                               : "a delay such as 90s, 24h or 7d (at most 36525d)");
        return false;
    }
    advance(p);
    return true;
}

/* --- calls --- */

static const weir_node *parse_is(parser *p, const weir_function *function)
{
    uint64_t codes[WEIR_SYNTAX_CODE_MAX];
    weir_node draft = {.kind = WEIR_NODE_IS, .past = p->past, .function = function, .codes = codes};
    draft.field = p->token.kind == WEIR_TOKEN_WORD ? weir_field_find(p->token.text) : NULL;
    if (!draft.field || !draft.field->parse_code)
        return refuse(p, "a field with codes: mcc, country, currency, channel, entry or outcome");
    advance(p);
    if (!at_symbol(p, ","))
        return refuse(p, "',' and a code");
    while (accept(p, ",")) {
        uint64_t code = draft.field->parse_code(p->token.text);
        if (code == 0)
            return refuse(p, draft.field->codes);
        if (draft.code_count == WEIR_SYNTAX_CODE_MAX)
            return refuse(p, "at most 64 codes");
        codes[draft.code_count++] = code;
        advance(p);
    }
    return close_call(p, &draft);
}

static const weir_node *parse_prior(parser *p, const weir_function *function)
{
    if (p->past)
        return refuse(p, "a condition on past events (prior is of the event being scored)");
    weir_token inside = p->token;
    bool outer = p->prior;
    p->prior = true;
    weir_node draft = {.kind = WEIR_NODE_PRIOR, .function = function, .argument_count = 1};
    draft.arguments[0] = parse_expression(p, WEIR_BINDS_OR);
    p->prior = outer;
    if (draft.arguments[0] && !draft.arguments[0]->has_aggregate)
        return refuse_at(p, inside, "something of the history, such as count(1h)");
    return close_call(p, &draft);
}

/* [+-]hh:mm */
static bool parse_offset(parser *p, int64_t *us_out)
{
    if (!at_symbol(p, "+") && !at_symbol(p, "-"))
        return true;
    int64_t sign = at_symbol(p, "-") ? -1 : 1;
    int64_t part[2] = {0};
    advance(p);
    for (int i = 0; i < 2; i++) {
        weir_span text = p->token.text;
        bool two_digits = p->token.kind == WEIR_TOKEN_NUMBER && text.size == 2;
        part[i] = two_digits ? (text.data[0] - '0') * 10 + (text.data[1] - '0') : 60;
        if (part[i] > (i == 0 ? 14 : 59)) {
            refuse(p, "an offset from UTC such as +02:00");
            return false;
        }
        advance(p);
        if (i == 0 && !expect(p, ":", "':' and minutes"))
            return false;
    }
    *us_out = sign * (part[0] * WEIR_US_PER_HOUR + part[1] * WEIR_US_PER_MINUTE);
    return true;
}

static const weir_node *parse_calendar(parser *p, const weir_function *function)
{
    weir_node draft = {.kind = WEIR_NODE_CALENDAR, .past = p->past, .function = function};
    return parse_offset(p, &draft.offset_us) ? close_call(p, &draft) : NULL;
}

static const weir_node *parse_numeric(parser *p, const weir_function *function)
{
    weir_node draft = {.kind = WEIR_NODE_NUMERIC, .past = p->past, .function = function};
    do {
        if (draft.argument_count == function->argument_max)
            return refuse(p, function->usage);
        const weir_node *argument = parse_expression(p, WEIR_BINDS_OR);
        if (!argument)
            return NULL;
        draft.arguments[draft.argument_count++] = argument;
    } while (accept(p, ","));
    if (draft.argument_count < function->argument_min)
        return refuse(p, function->usage);
    return close_call(p, &draft);
}

/* --- aggregates --- */

static const weir_node *parse_past(parser *p)
{
    p->past = true;
    const weir_node *node = parse_expression(p, WEIR_BINDS_OR);
    p->past = false;
    return node;
}

static bool parse_field_argument(parser *p, char letter, weir_node *draft)
{
    const weir_field *field = p->token.kind == WEIR_TOKEN_WORD ? weir_field_find(p->token.text) : NULL;
    if (letter == 'a' && (!field || field->number != weir_field_find(weir_span_text("amount"))->number)) {
        refuse(p, "amount");
        return false;
    }
    if (letter == 'f' && (!field || !field->key)) {
        refuse(p, "a field such as merchant, terminal, device, country or mcc");
        return false;
    }
    draft->field = field;
    advance(p);
    return true;
}

static bool parse_positional(parser *p, char letter, weir_node *draft)
{
    if (letter == 'w')
        return parse_duration(p, 1, &draft->window_us);
    if (letter == 'a' || letter == 'f')
        return parse_field_argument(p, letter, draft);
    const weir_node *argument = parse_past(p);
    draft->arguments[draft->argument_count++] = argument;
    return argument != NULL;
}

static bool parse_option(parser *p, weir_node *draft)
{
    if (at_word(p, "where") && !draft->where) {
        advance(p);
        return (draft->where = parse_past(p)) != NULL;
    }
    if (at_word(p, "delay") && draft->delay_us == 0) {
        advance(p);
        return parse_duration(p, 0, &draft->delay_us);
    }
    refuse(p, "'where <condition>' or 'delay <duration>', once each");
    return false;
}

static const weir_node *parse_aggregate(parser *p, const weir_function *function, weir_entity_kind entity)
{
    weir_node draft = {
        .kind = WEIR_NODE_AGGREGATE, .function = function, .entity = entity, .window_us = WEIR_WINDOW_ALL};
    if (p->past)
        return refuse(p, "a condition on the past event alone (no aggregate inside a condition)");
    bool first = true;
    for (const char *letter = function->arguments; *letter; letter++) {
        if (!first && !expect(p, ",", function->usage))
            return NULL;
        if (!parse_positional(p, *letter, &draft))
            return NULL;
        first = false;
    }
    while (function->options && !at_symbol(p, ")")) {
        if (!first && !expect(p, ",", "',' or ')'"))
            return NULL;
        if (!parse_option(p, &draft))
            return NULL;
        first = false;
    }
    draft.prior = (p->prior || function->always_prior) && draft.delay_us == 0;
    return close_call(p, &draft);
}

/* min and max have two forms; the aggregate's second argument is a duration. */
static bool is_amount_window(const parser *p)
{
    weir_lexer ahead = p->lexer;
    if (!at_word(p, "amount"))
        return false;
    weir_token comma = weir_lexer_next(&ahead);
    return weir_span_is(comma.text, ",") && weir_lexer_next(&ahead).kind == WEIR_TOKEN_DURATION;
}

static const weir_node *parse_call(parser *p, weir_token name)
{
    const weir_function *numeric = weir_function_find(name.text, WEIR_FUNCTION_NUMERIC);
    const weir_function *aggregate = weir_function_find(name.text, WEIR_FUNCTION_AGGREGATE);
    const weir_function *calendar = weir_function_find(name.text, WEIR_FUNCTION_CALENDAR);
    const weir_function *special = weir_function_find(name.text, WEIR_FUNCTION_SPECIAL);
    if (aggregate && (!numeric || is_amount_window(p)))
        return parse_aggregate(p, aggregate, WEIR_ENTITY_CARD);
    if (numeric)
        return parse_numeric(p, numeric);
    if (calendar)
        return parse_calendar(p, calendar);
    if (!special)
        return refuse_at(p, name, "a function");
    return weir_span_is(name.text, "is") ? parse_is(p, special) : parse_prior(p, special);
}

/* Behind "terminal.": an aggregate of that entity. */
static const weir_node *parse_of_entity(parser *p, weir_token prefix)
{
    int entity = 0;
    while (entity < WEIR_ENTITY_COUNT && !weir_span_is(prefix.text, weir_entity_kind_name((weir_entity_kind)entity)))
        entity++;
    if (entity == WEIR_ENTITY_COUNT)
        return refuse_at(p, prefix, "card, terminal, merchant or device before the '.'");
    const weir_function *aggregate =
        p->token.kind == WEIR_TOKEN_WORD ? weir_function_find(p->token.text, WEIR_FUNCTION_AGGREGATE) : NULL;
    if (!aggregate)
        return refuse(p, "a function of the history, such as count");
    advance(p);
    return expect(p, "(", "'('") ? parse_aggregate(p, aggregate, (weir_entity_kind)entity) : NULL;
}

/* --- expressions --- */

static const weir_node *parse_word(parser *p)
{
    weir_token name = p->token;
    parser ahead = *p;
    advance(&ahead);
    if (at_symbol(&ahead, "(")) {
        *p = ahead;
        advance(p);
        return parse_call(p, name);
    }
    if (at_symbol(&ahead, ".")) {
        *p = ahead;
        advance(p);
        return parse_of_entity(p, name);
    }
    return parse_field(p);
}

static const weir_node *parse_unary(parser *p, const weir_function *operator)
{
    advance(p);
    weir_node draft = {.kind = WEIR_NODE_NUMERIC, .past = p->past, .function = operator, .argument_count = 1};
    draft.arguments[0] = parse_expression(p, operator->binds);
    return draft.arguments[0] ? intern(p, &draft) : NULL;
}

static const weir_node *parse_operand(parser *p, unsigned binds_min)
{
    if (p->status != WEIR_OK)
        return NULL;
    const weir_function *unary = weir_function_operator(p->token.text, 1);
    if (unary && unary->binds < binds_min)
        return refuse(p, "parentheses around 'not' as an operand");
    if (unary)
        return parse_unary(p, unary);
    if (accept(p, "(")) {
        const weir_node *inside = parse_expression(p, WEIR_BINDS_OR);
        return inside && expect(p, ")", "')'") ? inside : NULL;
    }
    switch (p->token.kind) {
    case WEIR_TOKEN_NUMBER:
        return parse_number(p);
    case WEIR_TOKEN_WORD:
        return parse_word(p);
    default:
        return refuse(p, "a field, a function or a number");
    }
}

static const weir_node *parse_binary(parser *p, unsigned binds_min)
{
    const weir_node *left = parse_operand(p, binds_min);
    bool compared = false;
    while (left && p->token.text.size > 0) {
        const weir_function *operator = weir_function_operator(p->token.text, 2);
        if (!operator || operator->binds < binds_min)
            break;
        if (compared && operator->binds == WEIR_BINDS_COMPARE)
            return refuse(p, "'and' between two comparisons (they do not chain)");
        compared = operator->binds == WEIR_BINDS_COMPARE;
        advance(p);
        weir_node draft = {.kind = WEIR_NODE_NUMERIC, .past = p->past, .function = operator, .argument_count = 2};
        draft.arguments[0] = left;
        draft.arguments[1] = parse_expression(p, operator->binds + 1u);
        left = draft.arguments[1] ? intern(p, &draft) : NULL;
    }
    return left;
}

static const weir_node *parse_expression(parser *p, unsigned binds_min)
{
    if (p->depth == WEIR_SYNTAX_DEPTH_MAX)
        return refuse(p, "fewer levels of nesting (at most 48)");
    p->depth++;
    const weir_node *node = parse_binary(p, binds_min);
    p->depth--;
    return node;
}

weir_status weir_syntax_parse(weir_syntax *syntax, weir_span name, const weir_node **root_out, weir_error *error)
{
    parser p = {.syntax = syntax, .lexer = {.text = name}, .name = name, .error = error};
    if (name.size > WEIR_FEATURE_NAME_MAX)
        return weir_error_set(error, WEIR_INVALID, "feature '%.*s...': %zu bytes long, expected at most %d", 100,
                              (const char *)name.data, name.size, WEIR_FEATURE_NAME_MAX);
    advance(&p);
    const weir_node *root = parse_expression(&p, WEIR_BINDS_OR);
    if (root && p.token.kind != WEIR_TOKEN_END)
        root = refuse(&p, "an operator or the end");
    if (!root)
        return p.status;
    *root_out = root;
    return WEIR_OK;
}
