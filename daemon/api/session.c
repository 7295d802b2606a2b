/* SPDX-License-Identifier: BSD-3-Clause */
#include "daemon/api/session.h"

#include <stdlib.h>
#include <string.h>

#include "daemon/api/admin.h"
#include "daemon/api/call.h"
#include "daemon/api/events.h"
#include "daemon/api/list.h"
#include "daemon/api/tenant.h"
#include "proto/interfaces.h"
#include "proto/protocol.h"

int api_context_init(struct api_context *context)
{
    static const struct varlink_service_info info = {
        .vendor = "HOMI",
        .product = "homid",
        .version = HOMI_VERSION,
        .url = "man:homid(8)",
    };
    const char *const texts[] = {
        [API_TENANT] = interface_io_homi_tenant,
        [API_ADMIN] = interface_io_homi_admin,
    };
    const struct varlink_method_entry *const methods[] = {
        [API_TENANT] = tenant_methods,
        [API_ADMIN] = admin_methods,
    };
    int r = 0;
    for (unsigned kind = 0; kind < 2 && r == 0; kind++) {
        r = varlink_service_new(&info, &context->services[kind]);
        if (r == 0)
            r = protocol_add(context->services[kind]);
        if (r == 0)
            r = varlink_service_add(context->services[kind], texts[kind], methods[kind]);
    }
    return r;
}

void api_context_clear(struct api_context *context)
{
    for (unsigned kind = 0; kind < 2; kind++) {
        varlink_service_free(context->services[kind]);
        context->services[kind] = NULL;
    }
}

/* What everybody may ask of every service. */
static bool is_introspection(const char *method)
{
    static const char *const prefixes[] = {"org.varlink.service.", "io.homi.Protocol."};
    for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++) {
        if (strncmp(method, prefixes[i], strlen(prefixes[i])) == 0)
            return true;
    }
    return false;
}

int api_session_dispatch(struct api_session *session, struct varlink_message *message)
{
    if (session->kind == API_ADMIN && !session->operator&& !is_introspection(message->method))
        return varlink_error_permission_denied(session->connection);
    session->context->began = api_now();
    return varlink_service_dispatch(session->context->services[session->kind], session->connection, message,
                                    session);
}

void api_session_close(struct api_session *session)
{
    events_forget(session);
    api_list_forget(session);
    free(session->metrics_text);
    session->metrics_text = NULL;
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
