/* SPDX-License-Identifier: BSD-3-Clause */
#include "daemon/config/build.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include "daemon/config/schema.h"
#include "daemon/peers/identity.h"

struct build {
    const struct config_files *files;
    struct config *config;
    struct config_error *error;
};

static json_object *member(json_object *object, const char *key)
{
    json_object *value = NULL;
    json_object_object_get_ex(object, key, &value);
    return value;
}

static unsigned number(json_object *object, const char *key, unsigned otherwise)
{
    json_object *value = member(object, key);
    return value ? (unsigned)json_object_get_int64(value) : otherwise;
}

static int text(json_object *object, const char *key, const char *otherwise, char **ret_text)
{
    json_object *value = member(object, key);
    const char *from = value ? json_object_get_string(value) : otherwise;
    char *copy = from ? strdup(from) : NULL;
    if (from && !copy)
        return -ENOMEM;
    *ret_text = copy;
    return 0;
}

static size_t length(json_object *array)
{
    return array ? json_object_array_length(array) : 0;
}

static struct config_place top_place(const char *key)
{
    struct config_place top = {0};
    return config_place_key(top, key);
}

static int resolve_user(const char *name, uint32_t *ret_id)
{
    const struct passwd *entry = getpwnam(name);
    if (!entry)
        return -ENOENT;
    *ret_id = entry->pw_uid;
    return 0;
}

static int resolve_group(const char *name, uint32_t *ret_id)
{
    const struct group *entry = getgrnam(name);
    if (!entry)
        return -ENOENT;
    *ret_id = entry->gr_gid;
    return 0;
}

/* Ids that the kernel shows for whoever it has no number for would let anybody in. */
static int check_id(struct build *build, const struct config_place *place, uint32_t id, bool user)
{
    if (id != (user ? build->config->overflow_uid : overflow_gid()))
        return 0;
    return config_fail(build->files, place, build->error,
                       "id %u is what the kernel calls every %s that it has no number for", id,
                       user ? "user" : "group");
}

/* A list of users or groups. uid_t and gid_t are both 32 bits wide on Linux. */
static int build_accounts(struct build *build, json_object *array, const struct config_place *place,
                          int (*resolve)(const char *name, uint32_t *ret_id), uint32_t **ret_ids,
                          size_t *ret_count)
{
    uint32_t *ids = calloc(length(array) + 1, sizeof *ids);
    if (!ids)
        return -ENOMEM;
    *ret_ids = ids;
    for (size_t i = 0; i < length(array); i++) {
        json_object *value = json_object_array_get_idx(array, i);
        struct config_place at = config_place_index(*place, i);
        if (json_object_is_type(value, json_type_int))
            ids[i] = (uint32_t)json_object_get_int64(value);
        else if (resolve(json_object_get_string(value), &ids[i]) < 0)
            return config_fail(build->files, &at, build->error, "there is no %s \"%s\" on this system",
                               resolve == resolve_user ? "user" : "group", json_object_get_string(value));
        for (size_t j = 0; j < i; j++) {
            if (ids[j] == ids[i])
                return config_fail(build->files, &at, build->error, "id %u is there twice", ids[i]);
        }
        int r = check_id(build, &at, ids[i], resolve == resolve_user);
        if (r < 0)
            return r;
        *ret_count = i + 1;
    }
    return 0;
}

static int find_device(const struct config *config, const char *name, size_t *ret_index)
{
    for (size_t i = 0; i < config->core.device_count; i++) {
        if (strcmp(config->core.devices[i].name, name) == 0) {
            *ret_index = i;
            return 0;
        }
    }
    return -ENOENT;
}

static bool same_text(const char *one, const char *other)
{
    return one && other && strcmp(one, other) == 0;
}

static int build_device(struct build *build, json_object *object, struct core_device_config *device)
{
    if (text(object, "name", NULL, &device->name) < 0 || text(object, "serial", NULL, &device->serial) < 0 ||
        text(object, "address", NULL, &device->address) < 0)
        return -ENOMEM;
    struct config_place list = top_place("devices"), at = config_place_name(list, device->name);
    if (!device->serial == !device->address)
        return config_fail(build->files, &at, build->error, "must have a serial or an address, and not both");
    device->functions = number(object, "virtualFunctions", 0);
    if (device->functions == 0)
        return config_fail(build->files, &at, build->error, "must say virtualFunctions");
    device->queue_pairs = number(object, "queuePairs", 1);
    device->interrupts = number(object, "interrupts", 0);

    const struct core_config *core = &build->config->core;
    for (const struct core_device_config *other = core->devices; other < device; other++) {
        if (same_text(other->serial, device->serial) || same_text(other->address, device->address)) {
            at = config_place_key(at, device->serial ? "serial" : "address");
            return config_fail(build->files, &at, build->error, "is that of device \"%s\" already",
                               other->name);
        }
    }
    return 0;
}

static int build_devices(struct build *build, json_object *array)
{
    struct core_config *core = &build->config->core;
    core->devices = calloc(length(array) + 1, sizeof *core->devices);
    if (!core->devices)
        return -ENOMEM;
    for (size_t i = 0; i < length(array); i++) {
        core->device_count = i + 1;
        int r = build_device(build, json_object_array_get_idx(array, i), &core->devices[i]);
        if (r < 0)
            return r;
    }
    return 0;
}

static int build_tenant_devices(struct build *build, json_object *array, const struct config_place *place,
                                struct core_tenant_config *tenant)
{
    tenant->devices = calloc(length(array) + 1, sizeof *tenant->devices);
    if (!tenant->devices)
        return -ENOMEM;
    for (size_t i = 0; i < length(array); i++) {
        const char *name = json_object_get_string(json_object_array_get_idx(array, i));
        struct config_place at = config_place_index(*place, i);
        if (find_device(build->config, name, &tenant->devices[i]) < 0)
            return config_fail(build->files, &at, build->error, "there is no device \"%s\"", name);
        for (size_t j = 0; j < i; j++) {
            if (tenant->devices[j] == tenant->devices[i])
                return config_fail(build->files, &at, build->error, "\"%s\" is there twice", name);
        }
        tenant->device_count = i + 1;
    }
    return 0;
}

static bool has_device(const struct core_tenant_config *tenant, size_t device)
{
    for (size_t i = 0; i < tenant->device_count; i++) {
        if (tenant->devices[i] == device)
            return true;
    }
    return false;
}

/* A namespace has one owner, or every owner says that it is shared, or scrubbed between them. */
static const char *namespace_conflict(const struct config *config, const struct core_tenant_config *tenant,
                                      const struct core_namespace_config *namespace)
{
    for (const struct core_tenant_config *other = config->core.tenants; other <= tenant; other++) {
        for (size_t i = 0; i < other->namespace_count; i++) {
            const struct core_namespace_config *owned = &other->namespaces[i];
            if (owned != namespace && owned->device == namespace->device && owned->id == namespace->id &&
                (other == tenant || !owned->shared || !namespace->shared) &&
                (other == tenant || !owned->scrub || !namespace->scrub))
                return other->name;
        }
    }
    return NULL;
}

static int build_namespace(struct build *build, json_object *object, const struct config_place *place,
                           const struct core_tenant_config *tenant, struct core_namespace_config *namespace)
{
    json_object *device = member(object, "device");
    struct config_place at = config_place_key(*place, "device");
    if (!device || !member(object, "id"))
        return config_fail(build->files, place, build->error, "must have a device and an id");
    if (find_device(build->config, json_object_get_string(device), &namespace->device) < 0)
        return config_fail(build->files, &at, build->error, "there is no device \"%s\"",
                           json_object_get_string(device));
    if (!has_device(tenant, namespace->device))
        return config_fail(build->files, &at, build->error, "\"%s\" is not among the tenant's devices",
                           json_object_get_string(device));
    namespace->id = number(object, "id", 0);
    namespace->shared = json_object_get_boolean(member(object, "shared"));
    json_object *scrub = member(object, "scrub");
    namespace->scrub = scrub && strcmp(json_object_get_string(scrub), "none") != 0;
    at = config_place_key(*place, "scrub");
    if (namespace->scrub && namespace->shared)
        return config_fail(build->files, &at, build->error, "does not go with \"shared\"");
    return 0;
}

static int build_namespaces(struct build *build, json_object *array, const struct config_place *place,
                            struct core_tenant_config *tenant)
{
    tenant->namespaces = calloc(length(array) + 1, sizeof *tenant->namespaces);
    if (!tenant->namespaces)
        return -ENOMEM;
    for (size_t i = 0; i < length(array); i++) {
        struct config_place at = config_place_index(*place, i);
        struct core_namespace_config *namespace = &tenant->namespaces[i];
        int r = build_namespace(build, json_object_array_get_idx(array, i), &at, tenant, namespace);
        if (r < 0)
            return r;
        tenant->namespace_count = i + 1;
        const char *owner = namespace_conflict(build->config, tenant, namespace);
        if (owner)
            return config_fail(
                build->files, &at, build->error,
                "namespace %u of \"%s\" is tenant \"%s\"'s already, and not \"shared\" or scrubbed by both",
                namespace->id, build->config->core.devices[namespace->device].name, owner);
    }
    return 0;
}

static int build_tenant(struct build *build, json_object *object, struct core_tenant_config *tenant)
{
    int r = text(object, "name", NULL, &tenant->name);
    if (r < 0)
        return r;
    struct config_place list = top_place("tenants"), place = config_place_name(list, tenant->name), at;
    uint64_t memory = UINT64_C(1) << 30;
    if (member(object, "memoryMax"))
        config_bytes(member(object, "memoryMax"), &memory);
    tenant->trusted = json_object_get_boolean(member(object, "trusted"));
    json_object *delegation = member(object, "delegation");
    tenant->direct = delegation ? strcmp(json_object_get_string(delegation), "direct") == 0 : tenant->trusted;
    tenant->functions_max = number(object, "virtualFunctionsMax", 1);
    tenant->queue_pairs_max = number(object, "queuePairsMax", 64);
    tenant->queue_pairs_per_second = number(object, "queuePairsPerSecond", 1000);
    tenant->connections_max = number(object, "connectionsMax", 64);
    tenant->regions_max = number(object, "regionsMax", 64);
    tenant->waiting_max = number(object, "waitingMax", 8);
    tenant->lease_seconds_max = number(object, "leaseSecondsMax", 0);
    tenant->memory_bytes_max = memory;

    at = config_place_key(place, "users");
    r = build_accounts(build, member(object, "users"), &at, resolve_user, &tenant->uids, &tenant->uid_count);
    if (r == 0) {
        at = config_place_key(place, "groups");
        r = build_accounts(build, member(object, "groups"), &at, resolve_group, &tenant->gids,
                           &tenant->gid_count);
    }
    if (r == 0) {
        at = config_place_key(place, "devices");
        r = build_tenant_devices(build, member(object, "devices"), &at, tenant);
    }
    if (r == 0) {
        at = config_place_key(place, "namespaces");
        r = build_namespaces(build, member(object, "namespaces"), &at, tenant);
    }
    return r;
}

static int build_tenants(struct build *build, json_object *array)
{
    struct core_config *core = &build->config->core;
    core->tenants = calloc(length(array) + 1, sizeof *core->tenants);
    if (!core->tenants)
        return -ENOMEM;
    for (size_t i = 0; i < length(array); i++) {
        core->tenant_count = i + 1;
        int r = build_tenant(build, json_object_array_get_idx(array, i), &core->tenants[i]);
        if (r < 0)
            return r;
    }
    return 0;
}

/* The default group need not be there (then only root is an operator); one that the operator names must. */
static int build_admin_group(struct build *build, json_object *value)
{
    struct config *config = build->config;
    const char *name = value ? json_object_get_string(value) : "homi";
    struct config_place at = top_place("adminGroup");
    uint32_t id = 0;
    config->admin_group_known = true;
    if (value && json_object_is_type(value, json_type_int)) {
        id = (uint32_t)json_object_get_int64(value);
    } else if (resolve_group(name, &id) < 0) {
        if (value)
            return config_fail(build->files, &at, build->error, "there is no group \"%s\" on this system",
                               name);
        config->admin_group_known = false;
    }
    config->admin_group = id;
    return check_id(build, &at, id, false);
}

static int level_of(const char *name)
{
    static const struct {
        const char *name;
        int level;
    } levels[] = {{"err", LOG_ERR}, {"warning", LOG_WARNING}, {"notice", LOG_NOTICE}, {"debug", LOG_DEBUG}};
    for (size_t i = 0; name && i < sizeof levels / sizeof levels[0]; i++) {
        if (strcmp(name, levels[i].name) == 0)
            return levels[i].level;
    }
    return LOG_INFO;
}

static int build_backend(struct build *build, json_object *backend, json_object *specification)
{
    struct config_place at = top_place("modelSpecification");
    bool model = backend && strcmp(json_object_get_string(backend), "model") == 0;
    if (specification && !model)
        return config_fail(build->files, &at, build->error, "goes with the backend \"model\" only");
    if (!model)
        return 0;
    build->config->model = strdup(specification ? json_object_get_string(specification) : "");
    return build->config->model ? 0 : -ENOMEM;
}

static int build_relay(struct build *build, json_object *relay)
{
    struct config *config = build->config;
    json_object *cores = member(relay, "cores");
    struct config_place list = config_place_key(top_place("relay"), "cores");
    if (length(cores) > HW_RELAY_CORES_MAX)
        return config_fail(build->files, &list, build->error, "must be at most %d cores", HW_RELAY_CORES_MAX);
    for (size_t i = 0; i < length(cores); i++) {
        struct config_place at = config_place_index(list, i);
        uint16_t core = (uint16_t)json_object_get_int64(json_object_array_get_idx(cores, i));
        for (size_t j = 0; j < i; j++) {
            if (config->relay_cores[j] == core)
                return config_fail(build->files, &at, build->error, "core %u is there twice", core);
        }
        config->relay_cores[i] = core;
        config->relay_core_count = (unsigned)i + 1;
    }
    return 0;
}

/* It is mounted under its own name. */
static int build_library(struct build *build, json_object *value)
{
    struct config_place at = top_place("containerLibrary");
    const char *path = value ? json_object_get_string(value) : NULL;
    if (path && path[strlen(path) - 1] == '/')
        return config_fail(build->files, &at, build->error, "must name a file, not a folder");
    build->config->container_library = path ? strdup(path) : NULL;
    return path && !build->config->container_library ? -ENOMEM : 0;
}

int config_build(const struct config_files *files, json_object *merged, struct config *config,
                 struct config_error *ret_error)
{
    struct build build = {.files = files, .config = config, .error = ret_error};
    json_object *limits = member(merged, "limits"), *level = member(merged, "logLevel");
    config->limits.connections = number(limits, "connections", 4096);
    config->limits.connections_per_uid = number(limits, "connectionsPerUid", 256);
    config->limits.connections_per_lease = number(limits, "connectionsPerLease", 64);
    config->limits.lease_sockets = number(limits, "leaseSockets", 64);
    config->limits.admin_connections = number(limits, "adminConnections", 64);
    config->limits.monitors = number(limits, "monitors", 64);
    config->limits.monitors_per_uid = number(limits, "monitorsPerUid", 32);
    config->core.retry_seconds = number(merged, "retrySeconds", 10);
    config->core.wait_milliseconds_max = number(merged, "waitMillisecondsMax", 60000);
    config->overflow_uid = overflow_uid();
    config->log_level = level_of(level ? json_object_get_string(level) : NULL);
    int r = text(merged, "tenantSocket", "/run/homi/tenant.sock", &config->tenant_socket);
    if (r == 0)
        r = text(merged, "adminSocket", "/run/homi/admin.sock", &config->admin_socket);
    if (r == 0)
        r = text(merged, "containerDirectory", "/run/cdi", &config->container_directory);
    if (r == 0)
        r = build_library(&build, member(merged, "containerLibrary"));
    if (r == 0)
        r = build_admin_group(&build, member(merged, "adminGroup"));
    if (r == 0)
        r = build_backend(&build, member(merged, "backend"), member(merged, "modelSpecification"));
    if (r == 0)
        r = build_relay(&build, member(merged, "relay"));
    if (r == 0)
        r = build_devices(&build, member(merged, "devices"));
    if (r == 0)
        r = build_tenants(&build, member(merged, "tenants"));
    return r;
}
