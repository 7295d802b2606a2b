/* SPDX-License-Identifier: BSD-3-Clause */
#include "daemon/reload.h"

#include <string.h>

int reload(const struct reload *reload)
{
    struct config *running = *reload->config, *config = NULL;
    struct config_error error;
    char kept[CONFIG_KEPT_BYTES];
    int r = config_load(reload->path, &config, &error);
    if (r == 0)
        r = config_reloadable(running, config, &error);
    if (r < 0) {
        log_write(reload->log, LOG_ERR, NULL, "the configuration stays as it was: %s", error.text);
        config_free(config);
        return r;
    }
    config_keep(config, running, kept);
    if (reload->connections_max && config->limits.connections > reload->connections_max)
        config->limits.connections = reload->connections_max;
    r = core_reconfigure(reload->core, &config->core);
    if (r < 0) {
        config_keep(running, config, kept); /* gives back what was taken */
        log_write(reload->log, LOG_ERR, NULL, "the configuration stays as it was: %s", strerror(-r));
        config_free(config);
        return r;
    }
    server_reconfigure(reload->server, config);
    *reload->config = config;
    reload->log->level = config->log_level;
    config_free(running);
    if (kept[0])
        log_write(reload->log, LOG_WARNING, NULL, "a restart is needed to apply: %s", kept);
    log_write(reload->log, LOG_NOTICE, NULL, "the configuration was read again: %zu devices, %zu tenants",
              config->core.device_count, config->core.tenant_count);
    return 0;
}
