/* The HTTP surface of the service: probes, metrics, version, and the few things an operator may ask of it. */
#ifndef WEIR_APP_ADMIN_H
#define WEIR_APP_ADMIN_H

#include "weir/app/service.h"
#include "weir/http/http.h"

typedef struct weir_admin {
    weir_service *service;
    weir_metrics *metrics;
    const weir_rules *rules;
    weir_http *http;
} weir_admin;

/* Starts serving on `listen` ("" = off). The admin borrows everything it points to until close. */
WEIR_MUST_USE weir_status weir_admin_open(weir_admin *admin, const char *listen, const char *token, weir_error *error);
void weir_admin_close(weir_admin *admin);

#endif
