/* SPDX-License-Identifier: BSD-3-Clause */
#include "homictl/machine.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

__attribute__((format(printf, 3, 0))) static int make_path(char path[PATH_MAX], const char *root,
                                                           const char *format, va_list arguments)
{
    int used = snprintf(path, PATH_MAX, "%s", root);
    int more = vsnprintf(path + used, (size_t)(PATH_MAX - used), format, arguments);

    return more < 0 || more >= PATH_MAX - used ? -ENAMETOOLONG : 0;
}

static int read_path(const char *path, char ret_text[MACHINE_TEXT_BYTES])
{
    FILE *file = fopen(path, "r");

    if (!file)
        return -errno;

    size_t length = fread(ret_text, 1, MACHINE_TEXT_BYTES - 1, file);
    int error = ferror(file) ? -EIO : 0;

    fclose(file);
    while (length && strchr(" \n\t", ret_text[length - 1]))
        length--;
    ret_text[length] = '\0';
    return error;
}

int machine_read(const char *root, char ret_text[MACHINE_TEXT_BYTES], const char *format, ...)
{
    char path[PATH_MAX];
    va_list arguments;

    va_start(arguments, format);
    int error = make_path(path, root, format, arguments);
    va_end(arguments);
    return error ? error : read_path(path, ret_text);
}

int machine_number(const char *root, uint64_t *ret_number, const char *format, ...)
{
    char path[PATH_MAX], text[MACHINE_TEXT_BYTES], *end;
    va_list arguments;

    va_start(arguments, format);
    int error = make_path(path, root, format, arguments);
    va_end(arguments);
    if (!error)
        error = read_path(path, text);
    if (error)
        return error;
    errno = 0;
    uint64_t number = strtoull(text, &end, 0);
    if (errno || end == text || *end)
        return -EINVAL;
    *ret_number = number;
    return 0;
}

bool machine_exists(const char *root, const char *format, ...)
{
    char path[PATH_MAX];
    va_list arguments;

    va_start(arguments, format);
    int error = make_path(path, root, format, arguments);
    va_end(arguments);
    return !error && access(path, F_OK) == 0;
}

int machine_link(const char *root, char ret_name[MACHINE_NAME_BYTES], const char *format, ...)
{
    char path[PATH_MAX], target[PATH_MAX];
    va_list arguments;

    va_start(arguments, format);
    int error = make_path(path, root, format, arguments);
    va_end(arguments);
    if (error)
        return error;

    ssize_t length = readlink(path, target, sizeof(target) - 1);

    if (length < 0)
        return -errno;
    target[length] = '\0';

    const char *slash = strrchr(target, '/');

    if (snprintf(ret_name, MACHINE_NAME_BYTES, "%s", slash ? slash + 1 : target) >= MACHINE_NAME_BYTES)
        return -ENAMETOOLONG;
    return 0;
}

bool machine_mentions(const char *root, const char *path, const char *text)
{
    char whole[PATH_MAX], line[MACHINE_TEXT_BYTES];
    bool found = false;

    snprintf(whole, sizeof(whole), "%s%s", root, path);

    FILE *file = fopen(whole, "r");

    while (file && !found && fgets(line, sizeof(line), file))
        found = strstr(line, text) != NULL;
    if (file)
        fclose(file);
    return found;
}

unsigned machine_each(const char *root, const char *folder, void (*each)(void *user, const char *name),
                      void *user)
{
    struct dirent **entries;
    char path[PATH_MAX];
    unsigned found = 0;

    snprintf(path, sizeof(path), "%s%s", root, folder);

    int count = scandir(path, &entries, NULL, versionsort);

    for (int i = 0; i < count; i++) {
        if (entries[i]->d_name[0] != '.') {
            found++;
            if (each)
                each(user, entries[i]->d_name);
        }
        free(entries[i]);
    }
    if (count >= 0)
        free(entries);
    return found;
}

struct controllers {
    const char *root;
    void (*each)(void *user, const struct machine_controller *controller);
    void *user;
};

static void read_name(const char *root, char ret_name[MACHINE_NAME_BYTES], const char *controller,
                      const char *attribute)
{
    char text[MACHINE_TEXT_BYTES] = "";

    machine_read(root, text, "/sys/class/nvme/%s/%s", controller, attribute);
    snprintf(ret_name, MACHINE_NAME_BYTES, "%.*s", MACHINE_NAME_BYTES - 1, text);
}

static void add_controller(void *user, const char *name)
{
    const struct controllers *controllers = user;
    struct machine_controller controller = {0};

    snprintf(controller.name, sizeof(controller.name), "%.*s", MACHINE_NAME_BYTES - 1, name);
    /* NVMe over fabrics has no PCI function, and a VF that the driver took is no SSD of its own. */
    if (machine_link(controllers->root, controller.address, "/sys/class/nvme/%s/device", name) < 0 ||
        !machine_exists(controllers->root, "/sys/bus/pci/devices/%s", controller.address) ||
        machine_exists(controllers->root, "/sys/bus/pci/devices/%s/physfn", controller.address))
        return;
    read_name(controllers->root, controller.serial, name, "serial");
    read_name(controllers->root, controller.model, name, "model");
    read_name(controllers->root, controller.firmware, name, "firmware_rev");
    controllers->each(controllers->user, &controller);
}

void machine_each_controller(const char *root,
                             void (*each)(void *user, const struct machine_controller *controller),
                             void *user)
{
    struct controllers controllers = {.root = root, .each = each, .user = user};

    machine_each(root, "/sys/class/nvme", add_controller, &controllers);
}
