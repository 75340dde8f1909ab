/* JSON fields of a model file: the parts weir.linear/v1 and the metadata of an ONNX file have in common.
 *
 * An object's fields are rows of (key, setter). A key without a row is refused by name: a typo must not
 * silently become a default. `where` names the object in messages, e.g. "features[3]". */
#ifndef WEIR_RELEASE_FIELDS_H
#define WEIR_RELEASE_FIELDS_H

#include "draft.h"

#include <jansson.h>

enum { WEIR_FIELD_TEXT_MAX = 200 }; /* bytes of a name, version, description, source */

typedef weir_status (*weir_field_setter)(void *target, weir_draft *draft, const char *where, const json_t *value,
                                         weir_error *error);

typedef struct weir_field {
    const char *key;
    weir_field_setter set; /* NULL: free for the writer, not looked at */
    bool required;
} weir_field;

/* Sets each field of `object` through its row. */
WEIR_MUST_USE weir_status weir_fields_read(const weir_field *fields, size_t field_count, const json_t *object,
                                           const char *where, void *target, weir_draft *draft, weir_error *error);

/* One value each; `where` names it. A number is finite and within WEIR_MODEL_MAGNITUDE_MAX. */
WEIR_MUST_USE weir_status weir_fields_number(const json_t *value, const char *where, double *number_out,
                                             weir_error *error);
WEIR_MUST_USE weir_status weir_fields_text(const json_t *value, const char *where, weir_draft *draft,
                                           const char **text_out, weir_error *error);
WEIR_MUST_USE weir_status weir_fields_array(const json_t *value, const char *where, size_t count_max,
                                            weir_error *error);

/* Numbers into an array of exactly `count`; null, where allowed, becomes NaN. */
WEIR_MUST_USE weir_status weir_fields_numbers(const json_t *value, const char *where, size_t count, bool null_allowed,
                                              double *numbers_out, weir_error *error);

/* Setters of whole sections; `target` is not looked at. Samples need the feature count set. */
weir_status weir_fields_set_name(void *target, weir_draft *draft, const char *where, const json_t *value,
                                 weir_error *error);
weir_status weir_fields_set_version(void *target, weir_draft *draft, const char *where, const json_t *value,
                                    weir_error *error);
weir_status weir_fields_set_description(void *target, weir_draft *draft, const char *where, const json_t *value,
                                        weir_error *error);
weir_status weir_fields_set_thresholds(void *target, weir_draft *draft, const char *where, const json_t *value,
                                       weir_error *error);
weir_status weir_fields_set_training(void *target, weir_draft *draft, const char *where, const json_t *value,
                                     weir_error *error);
weir_status weir_fields_set_samples(void *target, weir_draft *draft, const char *where, const json_t *value,
                                    weir_error *error);
weir_status weir_fields_set_tolerance(void *target, weir_draft *draft, const char *where, const json_t *value,
                                      weir_error *error);

#endif
