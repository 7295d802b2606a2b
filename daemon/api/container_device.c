/* SPDX-License-Identifier: BSD-3-Clause */
#include "daemon/api/container_device.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "daemon/api/value.h"

#define CDI_VERSION   "0.5.0" /* the first with all that is said here */
#define PREFIX        "homi-"
#define SUFFIX        ".json"
#define VFIO          "/dev/vfio/"
#define CONTAINERS    "/dev/vfio/vfio" /* VFIO's other node: it is everybody's */
#define SOCKET_INNER  "/run/homi/tenant.sock"
#define LIBRARY_INNER "/run/homi/lib"

static void path_of(const char *directory, const char *lease, const char *suffix, char path[PATH_MAX])
{
    snprintf(path, PATH_MAX, "%s/" PREFIX "%s%s", directory, lease, suffix);
}

static void add_node(json_object *nodes, const char *path, int64_t user)
{
    json_object *node = json_object_new_object();
    value_put_text(node, "path", path);
    value_put_text(node, "permissions", "rw");
    if (user >= 0)
        value_put_integer(node, "uid", user);
    value_append(nodes, node);
}

static json_object *describe_nodes(const struct container_device *device)
{
    json_object *nodes = json_object_new_array();
    bool vfio = false;
    for (size_t i = 0; i < device->grant->function_count; i++) {
        const struct hw_nodes *own = device->grant->functions[i].nodes;
        for (unsigned n = 0; own && n < own->count; n++) {
            add_node(nodes, own->paths[n], device->grant->user);
            vfio = vfio || strncmp(own->paths[n], VFIO, strlen(VFIO)) == 0;
        }
    }
    if (vfio)
        add_node(nodes, CONTAINERS, -1);
    return nodes;
}

static void add_mount(json_object *mounts, const char *outer, const char *inner, const char *access)
{
    json_object *mount = json_object_new_object(), *options = json_object_new_array();
    value_append(options, json_object_new_string("bind"));
    value_append(options, json_object_new_string(access));
    value_put_text(mount, "hostPath", outer);
    value_put_text(mount, "containerPath", inner);
    value_put(mount, "options", options);
    value_append(mounts, mount);
}

static json_object *describe_mounts(const struct container_device *device, json_object *variables)
{
    json_object *mounts = json_object_new_array();
    char inner[PATH_MAX];
    add_mount(mounts, device->socket, SOCKET_INNER, "rw");
    value_append(variables, json_object_new_string("HOMI_TENANT_SOCKET=" SOCKET_INNER));
    if (device->library) {
        snprintf(inner, sizeof inner, LIBRARY_INNER "/%s", strrchr(device->library, '/') + 1);
        add_mount(mounts, device->library, inner, "ro");
        value_append(variables, json_object_new_string("HOMI_LIBRARY=" LIBRARY_INNER));
    }
    return mounts;
}

static json_object *describe(const struct container_device *device)
{
    json_object *root = json_object_new_object(), *devices = json_object_new_array();
    json_object *entry = json_object_new_object(), *edits = json_object_new_object();
    json_object *variables = json_object_new_array(), *nodes = describe_nodes(device);
    char variable[CORE_NAME_BYTES + 16];
    snprintf(variable, sizeof variable, "HOMI_LEASE=%s", device->grant->lease);
    value_append(variables, json_object_new_string(variable));
    if (json_object_array_length(nodes)) {
        value_put(edits, "deviceNodes", nodes);
    } else {
        json_object_put(nodes);
        value_put(edits, "mounts", describe_mounts(device, variables));
    }
    value_put(edits, "env", variables);
    value_put_text(entry, "name", device->grant->lease);
    value_put(entry, "containerEdits", edits);
    value_append(devices, entry);
    value_put_text(root, "cdiVersion", CDI_VERSION);
    value_put_text(root, "kind", CONTAINER_KIND);
    value_put(root, "devices", devices);
    return root;
}

static int write_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);
    if (fd < 0)
        return -errno;
    size_t length = strlen(text);
    ssize_t written = write(fd, text, length);
    int r = written < 0 ? -errno : (size_t)written < length ? -ENOSPC : 0;
    if (close(fd) < 0 && r == 0)
        r = -errno;
    return r;
}

int container_device_write(const char *directory, const struct container_device *device,
                           char ret_name[CONTAINER_NAME_BYTES])
{
    char path[PATH_MAX], unfinished[PATH_MAX];
    json_object *root = describe(device);
    const char *text = json_object_to_json_string_ext(root, JSON_C_TO_STRING_PLAIN);
    path_of(directory, device->grant->lease, SUFFIX, path);
    path_of(directory, device->grant->lease, ".unfinished", unfinished);
    int r = text ? write_file(unfinished, text) : -ENOMEM;
    json_object_put(root);
    if (r == 0 && rename(unfinished, path) < 0)
        r = -errno;
    if (r < 0)
        unlink(unfinished);
    else
        snprintf(ret_name, CONTAINER_NAME_BYTES, CONTAINER_KIND "=%s", device->grant->lease);
    return r;
}

void container_device_remove(const char *directory, const char *lease)
{
    char path[PATH_MAX];
    path_of(directory, lease, SUFFIX, path);
    unlink(path);
}

struct search {
    const char *file;
    bool found;
};

static void compare(void *user, const struct core_lease_view *view)
{
    struct search *search = user;
    char file[NAME_MAX + 1];
    snprintf(file, sizeof file, PREFIX "%s" SUFFIX, view->name);
    search->found = search->found || strcmp(file, search->file) == 0;
}

void container_device_clear(const char *directory, struct core *core)
{
    struct dirent *entry;
    DIR *files = opendir(directory);
    while (files && (entry = readdir(files))) {
        struct search search = {.file = entry->d_name};
        if (strncmp(entry->d_name, PREFIX, strlen(PREFIX)) != 0)
            continue;
        core_each_lease(core, compare, &search);
        if (!search.found)
            unlinkat(dirfd(files), entry->d_name, 0);
    }
    if (files)
        closedir(files);
}
