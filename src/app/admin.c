#include "weir/app/admin.h"

#include <stdlib.h>

static void answer_livez(void *context, const weir_http_request *request, weir_http_response *response)
{
    (void)request;
    const weir_admin *admin = context;
    bool alive = weir_service_alive(admin->service);
    response->code = alive ? 200 : 503;
    weir_http_print(response, "{\"alive\": %s}\n", alive ? "true" : "false");
}

static void answer_readyz(void *context, const weir_http_request *request, weir_http_response *response)
{
    (void)request;
    const weir_admin *admin = context;
    char reasons[2048];
    bool ready = weir_service_ready(admin->service, reasons, sizeof reasons);
    response->code = ready ? 200 : 503;
    weir_http_print(response, "{\"ready\": %s, \"reasons\": %s}\n", ready ? "true" : "false", reasons);
}

static void answer_metrics(void *context, const weir_http_request *request, weir_http_response *response)
{
    (void)request;
    const weir_admin *admin = context;
    char *text;
    size_t size;
    if (weir_metrics_write(admin->metrics, &text, &size) != WEIR_OK) {
        response->failed = true;
        return;
    }
    response->content_type = WEIR_METRICS_CONTENT_TYPE;
    weir_http_take_body(response, text, size);
}

static void answer_version(void *context, const weir_http_request *request, weir_http_response *response)
{
    (void)request;
    const weir_admin *admin = context;
    char id[WEIR_RELEASE_ID_TEXT_SIZE];
    weir_release_id_text(admin->rules->release, id);
    weir_http_print(response, "{\"version\": \"%s\", \"model\": {\"name\": ", WEIR_VERSION);
    weir_http_append_json(response, admin->rules->release->model.name);
    weir_http_print(response, ", \"version\": ");
    weir_http_append_json(response, admin->rules->release->model.version);
    weir_http_print(response, ", \"id\": \"%s\"}}\n", id);
}

static void answer_resume(void *context, const weir_http_request *request, weir_http_response *response)
{
    (void)request;
    const weir_admin *admin = context;
    weir_service_resume(admin->service);
    response->code = 202;
    weir_http_print(response, "{\"resuming\": true}\n");
}

static const weir_http_route ROUTES[] = {
    {"GET", "/livez", true, answer_livez},       {"GET", "/readyz", true, answer_readyz},
    {"GET", "/metrics", false, answer_metrics},  {"GET", "/version", false, answer_version},
    {"POST", "/admin/resume", false, answer_resume},
};

weir_status weir_admin_open(weir_admin *admin, const char *listen, const char *token, weir_error *error)
{
    admin->http = NULL;
    if (!listen || !*listen)
        return WEIR_OK;
    weir_http_options options = {.listen = listen,
                                 .token = token,
                                 .routes = ROUTES,
                                 .route_count = sizeof ROUTES / sizeof *ROUTES,
                                 .context = admin};
    return weir_http_open(&options, &admin->http, error);
}

void weir_admin_close(weir_admin *admin)
{
    if (admin->http)
        weir_http_close(admin->http);
    admin->http = NULL;
}
