/* SPDX-License-Identifier: BSD-3-Clause */
#include "daemon/hw/linux/sysfs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CONTROLLERS "/sys/class/nvme"

static int read_path(const char *path, char *ret_text, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return -errno;
    ssize_t bytes = read(fd, ret_text, size - 1);
    int r = bytes < 0 ? -errno : 0;
    close(fd);
    if (r < 0)
        return r;
    while (bytes > 0 && (ret_text[bytes - 1] == '\n' || ret_text[bytes - 1] == ' '))
        bytes--;
    ret_text[bytes] = '\0';
    return 0;
}

int sysfs_write_path(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);

    if (fd < 0)
        return -errno;
    ssize_t bytes = write(fd, text, strlen(text));
    int r = bytes < 0 ? -errno : 0;
    close(fd);
    return r;
}

static int link_name(const char *path, char *ret_name, size_t size)
{
    char target[PATH_MAX];
    ssize_t bytes = readlink(path, target, sizeof(target) - 1);

    if (bytes < 0)
        return -errno;
    target[bytes] = '\0';
    const char *slash = strrchr(target, '/');
    const char *name = slash ? slash + 1 : target;
    if (strlen(name) >= size)
        return -ENAMETOOLONG;
    memcpy(ret_name, name, strlen(name) + 1);
    return 0;
}

static void device_path(char *path, const char *address, const char *attribute)
{
    snprintf(path, PATH_MAX, "/sys/bus/pci/devices/%s/%s", address, attribute);
}

int sysfs_read(const char *address, const char *attribute, char *ret_text, size_t size)
{
    char path[PATH_MAX];

    device_path(path, address, attribute);
    return read_path(path, ret_text, size);
}

int sysfs_read_number(const char *address, const char *attribute, unsigned long *ret_value)
{
    char text[64], *end;
    int r = sysfs_read(address, attribute, text, sizeof(text));

    if (r < 0)
        return r;
    errno = 0;
    unsigned long value = strtoul(text, &end, 0);
    if (errno || end == text || *end)
        return -EINVAL;
    *ret_value = value;
    return 0;
}

int sysfs_write(const char *address, const char *attribute, const char *text)
{
    char path[PATH_MAX];

    device_path(path, address, attribute);
    return sysfs_write_path(path, text);
}

int sysfs_link(const char *address, const char *link, char *ret_name, size_t size)
{
    char path[PATH_MAX];

    device_path(path, address, link);
    return link_name(path, ret_name, size);
}

static bool serial_matches(const char *name, const char *serial)
{
    char path[PATH_MAX], text[SERIAL_BYTES];

    if (!*serial)
        return true;
    snprintf(path, sizeof(path), CONTROLLERS "/%s/serial", name);
    return read_path(path, text, sizeof(text)) == 0 && strcmp(text, serial) == 0;
}

/* A VF that the nvme driver grabbed bears its SSD's serial too: only a device without physfn will do. */
static bool matches(const char *name, const struct job_device *device, char *ret_address)
{
    char path[PATH_MAX], address[HW_ADDRESS_BYTES], physical[HW_ADDRESS_BYTES];

    snprintf(path, sizeof(path), CONTROLLERS "/%s/device", name);
    if (link_name(path, address, sizeof(address)) < 0)
        return false;
    if (*device->address && strcmp(address, device->address) != 0)
        return false;
    if (sysfs_link(address, "physfn", physical, sizeof(physical)) != -ENOENT)
        return false;
    if (!serial_matches(name, device->serial))
        return false;
    memcpy(ret_address, address, HW_ADDRESS_BYTES);
    return true;
}

int sysfs_find(const struct job_device *device, struct sysfs_controller *ret_controller,
               struct helper_output *output)
{
    struct sysfs_controller found = {0};
    struct dirent *entry;
    DIR *directory = opendir(CONTROLLERS);

    while (directory && !*found.name && (entry = readdir(directory))) {
        if (*entry->d_name == '.' || strlen(entry->d_name) >= sizeof(found.name))
            continue;
        if (matches(entry->d_name, device, found.address))
            snprintf(found.name, sizeof(found.name), "%.31s", entry->d_name);
    }
    if (directory)
        closedir(directory);
    if (!*found.name) {
        helper_fail(output, -ENODEV, "the kernel's nvme driver has no controller with %s %s",
                    *device->address ? "address" : "serial",
                    *device->address ? device->address : device->serial);
        return -ENODEV;
    }
    *ret_controller = found;
    return 0;
}

int sysfs_function(const char *physical, unsigned index, char *ret_address, struct helper_output *output)
{
    char link[32];

    snprintf(link, sizeof(link), "virtfn%u", index);
    int r = sysfs_link(physical, link, ret_address, HW_ADDRESS_BYTES);
    if (r < 0) {
        r = r == -ENOENT ? -ENODEV : r;
        helper_fail(output, r, "VF %u of %s", index, physical);
    }
    return r;
}
