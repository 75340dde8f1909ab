/* A configuration while it is being put together: every source ends in weir_conf_assign. */
#ifndef WEIR_CONF_LOADER_H
#define WEIR_CONF_LOADER_H

#include "weir/conf/conf.h"

enum { WEIR_CONF_NAME_MAX = 256, WEIR_CONF_FILE_MAX = 1 << 20, WEIR_CONF_PLACE_MAX = 300 };

/* Where a value stands, borrowed; becomes a weir_conf_source when it is taken. */
typedef struct weir_conf_place {
    weir_conf_origin origin;
    const char *name;
    int line, column;
} weir_conf_place;

typedef struct weir_conf_loader {
    weir_conf *conf;
    void (*problem)(void *context, const char *sentence);
    void *problem_context;
    size_t problem_count;
    weir_error first; /* the first problem */
} weir_conf_loader;

/* Notes a problem: "PLACE: sentence". Without a place (NULL) the sentence alone. */
void weir_conf_report(weir_conf_loader *loader, weir_status status, const weir_conf_place *place, const char *format,
                      ...) __attribute__((format(printf, 4, 5)));

/* Gives the option or kafka.* property of that name a value. What is wrong is reported. */
void weir_conf_assign(weir_conf_loader *loader, const char *name, const char *text, const weir_conf_place *place);

/* "weir.yaml:3:5", "WEIR_MODEL", "--model". */
void weir_conf_place_text(const weir_conf_place *place, char text_out[WEIR_CONF_PLACE_MAX]);

/* Sets every option to its default. */
void weir_conf_load_defaults(weir_conf_loader *loader);

/* Reads one YAML document; `name` is what errors call it. */
void weir_conf_read_yaml(weir_conf_loader *loader, const char *name, weir_span text);

/* Sets one passed-through property; `name` is without "kafka.". */
void weir_conf_property_set(weir_conf_loader *loader, const char *name, const char *value,
                            const weir_conf_place *place);

#endif
