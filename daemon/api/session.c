/* SPDX-License-Identifier: BSD-3-Clause */
#include "daemon/api/session.h"

#include <string.h>

#include "daemon/api/admin.h"
#include "daemon/api/call.h"
#include "daemon/api/events.h"
#include "daemon/api/tenant.h"
#include "proto/interfaces.h"

int api_context_init(struct api_context *context)
{
    static const struct varlink_service_info info = {
        .vendor = "HOMI",
        .product = "homid",
        .version = HOMI_VERSION,
        .url = "man:homid(8)",
    };
    int r = varlink_service_new(&info, &context->services[API_TENANT]);
    if (r == 0)
        r = varlink_service_add(context->services[API_TENANT], interface_io_homi_tenant, tenant_methods);
    if (r == 0)
        r = varlink_service_new(&info, &context->services[API_ADMIN]);
    if (r == 0)
        r = varlink_service_add(context->services[API_ADMIN], interface_io_homi_admin, admin_methods);
    TAILQ_INIT(&context->replays);
    return r;
}

void api_context_clear(struct api_context *context)
{
    for (unsigned kind = 0; kind < 2; kind++) {
        varlink_service_free(context->services[kind]);
        context->services[kind] = NULL;
    }
}

static bool is_introspection(const char *method)
{
    static const char prefix[] = "org.varlink.service.";
    return strncmp(method, prefix, sizeof prefix - 1) == 0;
}

int api_session_dispatch(struct api_session *session, struct varlink_message *message)
{
    if (session->kind == API_ADMIN && !session->operator&& !is_introspection(message->method))
        return varlink_error_permission_denied(session->connection);
    return varlink_service_dispatch(session->context->services[session->kind], session->connection, message,
                                    session);
}

void api_session_close(struct api_session *session)
{
    events_forget(session);
    /* The descriptors go first: the core may find a function that they keep open still busy. */
    api_replay_free(session);
    core_client_gone(session->client);
    session->client = NULL;
    if (!session->call)
        return;
    /* The core drops a client's operations, but ends an operator's. */
    if (session->kind == API_TENANT) {
        api_call_free(session->call);
    } else {
        session->call->session = NULL;
        session->call = NULL;
    }
}
