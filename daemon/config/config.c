/* SPDX-License-Identifier: BSD-3-Clause */
#include "daemon/config/config.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/config/build.h"
#include "daemon/config/file.h"
#include "daemon/config/schema.h"

static int is_fragment(const struct dirent *entry)
{
    size_t length = strlen(entry->d_name);
    return entry->d_name[0] != '.' && length > 5 && strcmp(entry->d_name + length - 5, ".conf") == 0;
}

static int by_name(const struct dirent **one, const struct dirent **other)
{
    return strcmp((*one)->d_name, (*other)->d_name);
}

static int read_next(struct config_files *files, const char *path, struct config_error *ret_error)
{
    struct config_file *list = realloc(files->list, (files->count + 1) * sizeof *list);
    if (!list)
        return -ENOMEM;
    files->list = list;
    int r = config_file_read(path, &list[files->count], ret_error);
    if (r < 0)
        return r;
    files->count++;
    return config_schema_check(files, files->count - 1, ret_error);
}

static int read_fragments(struct config_files *files, const char *path, struct config_error *ret_error)
{
    char *folder = NULL;
    struct dirent **entries = NULL;
    int count = 0, r = 0;
    if (asprintf(&folder, "%s.d", path) < 0)
        return -ENOMEM;
    count = scandir(folder, &entries, is_fragment, by_name);
    if (count < 0 && errno != ENOENT) {
        r = -errno;
        snprintf(ret_error->text, sizeof ret_error->text, "%s: %s", folder, strerror(-r));
    }
    for (int i = 0; i < count; i++) {
        char *file = NULL;
        if (r == 0)
            r = asprintf(&file, "%s/%s", folder, entries[i]->d_name) < 0 ? -ENOMEM
                                                                         : read_next(files, file, ret_error);
        free(file);
        free(entries[i]);
    }
    free(entries);
    free(folder);
    return r;
}

int config_load(const char *path, struct config **ret_config, struct config_error *ret_error)
{
    struct config_files files = {0};
    json_object *merged = json_object_new_object();
    struct config *config = calloc(1, sizeof *config);
    int r = merged && config ? 0 : -ENOMEM;
    ret_error->text[0] = '\0';
    if (r == 0)
        r = read_next(&files, path, ret_error);
    if (r == 0)
        r = read_fragments(&files, path, ret_error);
    for (size_t i = 0; r == 0 && i < files.count; i++)
        r = config_schema_merge(merged, files.list[i].root);
    if (r == 0)
        r = config_build(&files, merged, config, ret_error);
    if (r == 0) {
        *ret_config = config;
        config = NULL;
    } else if (!ret_error->text[0]) {
        snprintf(ret_error->text, sizeof ret_error->text, "%s: %s", path, strerror(-r));
    }
    config_free(config);
    json_object_put(merged);
    config_files_clear(&files);
    return r;
}

void config_free(struct config *config)
{
    if (!config)
        return;
    for (size_t i = 0; i < config->core.device_count; i++) {
        free(config->core.devices[i].name);
        free(config->core.devices[i].serial);
        free(config->core.devices[i].address);
    }
    for (size_t i = 0; i < config->core.tenant_count; i++) {
        free(config->core.tenants[i].name);
        free(config->core.tenants[i].uids);
        free(config->core.tenants[i].gids);
        free(config->core.tenants[i].devices);
        free(config->core.tenants[i].namespaces);
    }
    free(config->core.devices);
    free(config->core.tenants);
    free(config->tenant_socket);
    free(config->admin_socket);
    free(config->container_directory);
    free(config->container_library);
    free(config->model);
    free(config);
}

/* ---- while homid runs ---- */

static bool same_text(const char *one, const char *other)
{
    return one && other ? strcmp(one, other) == 0 : one == other;
}

static bool same_device(const struct core_device_config *one, const struct core_device_config *other)
{
    return same_text(one->name, other->name) && same_text(one->serial, other->serial) &&
           same_text(one->address, other->address) && one->functions == other->functions &&
           one->queue_pairs == other->queue_pairs && one->interrupts == other->interrupts;
}

int config_reloadable(const struct config *running, const struct config *config,
                      struct config_error *ret_error)
{
    const struct core_config *one = &running->core, *other = &config->core;
    for (size_t i = 0; i < one->device_count || i < other->device_count; i++) {
        if (i < one->device_count && i < other->device_count &&
            same_device(&one->devices[i], &other->devices[i]))
            continue;
        snprintf(ret_error->text, sizeof ret_error->text,
                 "devices[%s]: a change of the devices needs a restart",
                 i < other->device_count ? other->devices[i].name : one->devices[i].name);
        return -EINVAL;
    }
    return 0;
}

static void note_kept(const char *key, char kept[CONFIG_KEPT_BYTES])
{
    size_t used = strlen(kept);
    snprintf(kept + used, CONFIG_KEPT_BYTES - used, "%s%s", used ? ", " : "", key);
}

static void swap_text(char **one, char **other, const char *key, char kept[CONFIG_KEPT_BYTES])
{
    char *text = *one;
    if (!same_text(*one, *other))
        note_kept(key, kept);
    *one = *other;
    *other = text;
}

void config_keep(struct config *config, struct config *running, char kept[CONFIG_KEPT_BYTES])
{
    struct config_limits limits = config->limits;
    kept[0] = '\0';
    swap_text(&config->tenant_socket, &running->tenant_socket, "tenantSocket", kept);
    swap_text(&config->admin_socket, &running->admin_socket, "adminSocket", kept);
    swap_text(&config->container_directory, &running->container_directory, "containerDirectory", kept);
    swap_text(&config->model, &running->model, "backend", kept);
    if (limits.monitors != running->limits.monitors)
        note_kept("limits.monitors", kept);
    if (limits.monitors_per_uid != running->limits.monitors_per_uid)
        note_kept("limits.monitorsPerUid", kept);
    if (limits.lease_sockets != running->limits.lease_sockets)
        note_kept("limits.leaseSockets", kept);
    if (limits.admin_connections != running->limits.admin_connections)
        note_kept("limits.adminConnections", kept);
    if (config->relay_core_count != running->relay_core_count ||
        memcmp(config->relay_cores, running->relay_cores, sizeof config->relay_cores) != 0)
        note_kept("relay.cores", kept);
    config->limits.monitors = running->limits.monitors;
    config->limits.monitors_per_uid = running->limits.monitors_per_uid;
    config->limits.lease_sockets = running->limits.lease_sockets;
    config->limits.admin_connections = running->limits.admin_connections;
}
