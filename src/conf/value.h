/* Values as people write them: text in, a typed field out, and back. One row a type. */
#ifndef WEIR_CONF_VALUE_H
#define WEIR_CONF_VALUE_H

#include "weir/conf/conf.h"

/* A text is shorter than VALUE_MAX bytes, so that it can be shown; quoted it is shorter than QUOTED_MAX. */
enum { WEIR_CONF_VALUE_MAX = 4096, WEIR_CONF_QUOTED_MAX = 7 * WEIR_CONF_VALUE_MAX, WEIR_CONF_WANTED_MAX = 256 };

/* The option's field in a configuration. */
void *weir_conf_field(const weir_conf *conf, const weir_conf_option *option);

/* Parses `text` into the option's field, giving back what was there.
 * Fails: WEIR_INVALID when it is not of the type or out of range, WEIR_FULL without memory; the field then keeps its
 *        value. */
WEIR_MUST_USE weir_status weir_conf_value_set(weir_conf *conf, const weir_conf_option *option, const char *text);

/* Frees what the field owns and leaves it zero. */
void weir_conf_value_clear(weir_conf *conf, const weir_conf_option *option);

/* The field as text that parses to the same value; unmasked, unquoted. Returns its length as snprintf does. */
size_t weir_conf_value_format(const weir_conf *conf, const weir_conf_option *option, char *text_out, size_t capacity);

/* What an option wants: "a duration from 100ms to 1h", "one of auto, confluent, raw". */
void weir_conf_value_wanted(const weir_conf_option *option, char text_out[WEIR_CONF_WANTED_MAX]);

/* Whether a value may stay empty. */
bool weir_conf_type_is_text(weir_conf_type type);

/* The option's index in the table and in weir_conf.sources. */
size_t weir_conf_option_index(const weir_conf_option *option);

#endif
