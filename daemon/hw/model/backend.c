/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The software SSD as hardware. It answers the same jobs as the helpers of the Linux backend, only that the
 * helpers are connections to the model process; so everything above the jobs is shared.
 */
#include <unistd.h>

#include "daemon/hw/companion.h"
#include "daemon/hw/linux/backend.h"
#include "daemon/hw/model/news.h"

enum { CONNECTIONS_MAX = 32 };

static int start_or_join(const char *program, const char *path, const char *spec)
{
    char *const arguments[] = {(char *)(uintptr_t) "homid", (char *)(uintptr_t) "--model-process",
                               (char *)(uintptr_t)spec, NULL};
    int socket;
    int r = companion_connect(program, path, arguments, &socket);

    if (r == 0)
        close(socket);
    return r;
}

int hw_model_new(struct event_base *base, const char *program, const char *path, const char *spec,
                 uint64_t digest, const struct hw_listener *listener, struct hw_backend **ret_backend)
{
    struct linux_backend *backend;
    struct helper_pool *pool;

    int r = start_or_join(program, path, spec);
    if (r < 0)
        return r;
    r = helper_pool_new_connected(base, path, CONNECTIONS_MAX, &pool);
    if (r < 0)
        return r;
    r = backend_new(base, "model", pool, listener, &backend);
    if (r < 0)
        return r;
    r = model_news_new(backend, path, digest, &backend->news);
    if (r < 0) {
        hw_backend_free(&backend->interface);
        return r;
    }
    *ret_backend = &backend->interface;
    return 0;
}
