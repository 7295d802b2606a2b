/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The jobs that lend a VF: to a user's own driver (the VFIO group's node is the user's for as long), or
 * through the kernel's nvme driver (its namespaces' block and generic nodes are).
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include "daemon/hw/linux/claim.h"
#include "daemon/hw/linux/driver.h"
#include "daemon/hw/linux/holders.h"

enum {
    APPEAR_MILLISECONDS = 20000, /* of a controller and its namespaces, once the driver has the VF */
    UDEV_MILLISECONDS = 5000,    /* until udev has done with a new node */
    LOOK_MILLISECONDS = 20,
};

static const struct job_loan *read_loan(const struct helper_input *input, char *ret_address,
                                        struct helper_output *output)
{
    const struct job_loan *loan = input->data;
    struct sysfs_controller controller;

    if (claim_device(&loan->device, &controller, output) < 0 ||
        sysfs_function(controller.address, loan->device.index, ret_address, output) < 0)
        return NULL;
    return loan;
}

static int group_node(const char *address, char *ret_path, struct helper_output *output)
{
    char group[32];
    int r = sysfs_link(address, "iommu_group", group, sizeof(group));

    if (r < 0) {
        helper_fail(output, r, "%s is in no IOMMU group", address);
        return r;
    }
    snprintf(ret_path, HW_NODE_BYTES, "/dev/vfio/%s", group);
    return 0;
}

/* The group of a node stays: what udev decided. A node that is the user's already needs no right to give. */
static int own_node(const char *path, uid_t user, struct helper_output *output)
{
    struct stat status;
    int r = lstat(path, &status);

    if (r == 0 && status.st_uid != user && (r = lchown(path, user, (gid_t)-1)) == 0)
        r = lstat(path, &status);
    if (r < 0) {
        helper_fail(output, -errno, "giving %s to uid %u", path, (unsigned)user);
        return output->error;
    }
    if (status.st_uid != user || !(S_ISCHR(status.st_mode) || S_ISBLK(status.st_mode))) {
        helper_fail(output, -EPERM, "%s is no device node of uid %u", path, (unsigned)user);
        return output->error;
    }
    return 0;
}

/* Before anything of the VF changes: giving the group's node to who has it already needs the same right. */
static bool may_lend(const char *group_path, struct helper_output *output)
{
    struct stat status;

    if (lstat(group_path, &status) < 0 || lchown(group_path, status.st_uid, (gid_t)-1) < 0) {
        helper_fail(output, -errno, "homid may not lend (homid(8), LOANS): giving %s away", group_path);
        return false;
    }
    return true;
}

/* ---- the nodes of the kernel's driver ---- */

/* Calls `look` until it returns true. The kernel and udev give no event that a short-lived process could wait
 * for without missing what has happened already. */
static bool appears(bool (*look)(void *user), void *user, int milliseconds)
{
    const struct timespec pause = {.tv_nsec = LOOK_MILLISECONDS * 1000000L};

    for (int waited = 0; !look(user); waited += LOOK_MILLISECONDS) {
        if (waited >= milliseconds)
            return false;
        nanosleep(&pause, NULL);
    }
    return true;
}

struct kernel_side {
    const char *address;
    char controller[32]; /* "nvme1" */
    uint32_t namespace_id;
    char block[32]; /* "nvme0n2" */
};

static bool find_controller(void *user)
{
    struct kernel_side *side = user;
    char path[PATH_MAX];
    struct dirent *entry;

    snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/nvme", side->address);
    DIR *directory = opendir(path);
    side->controller[0] = '\0';
    while (directory && (entry = readdir(directory))) {
        if (strncmp(entry->d_name, "nvme", 4) == 0)
            snprintf(side->controller, sizeof(side->controller), "%.31s", entry->d_name);
    }
    if (directory)
        closedir(directory);
    return side->controller[0] != '\0';
}

static bool namespace_is(const struct kernel_side *side, const char *name)
{
    char path[PATH_MAX], text[16];

    snprintf(path, sizeof(path), "/sys/class/nvme/%s/%s/nsid", side->controller, name);
    FILE *file = fopen(path, "re");
    bool same = file && fgets(text, sizeof(text), file) && strtoul(text, NULL, 10) == side->namespace_id;
    if (file)
        fclose(file);
    return same;
}

/* A controller of a subsystem with several has a hidden path, nvme0c1n2; the disk is then nvme0n2. */
static void disk_name(const char *path_name, char ret_name[32])
{
    unsigned subsystem, controller, number;

    if (sscanf(path_name, "nvme%uc%un%u", &subsystem, &controller, &number) == 3)
        snprintf(ret_name, 32, "nvme%un%u", subsystem, number);
    else
        snprintf(ret_name, 32, "%.31s", path_name);
}

static bool find_namespace(void *user)
{
    struct kernel_side *side = user;
    char path[PATH_MAX];
    struct dirent *entry;
    bool found = false;

    snprintf(path, sizeof(path), "/sys/class/nvme/%s", side->controller);
    DIR *directory = opendir(path);
    while (directory && !found && (entry = readdir(directory))) {
        if (strncmp(entry->d_name, "nvme", 4) != 0 || !namespace_is(side, entry->d_name))
            continue;
        disk_name(entry->d_name, side->block);
        snprintf(path, sizeof(path), "/dev/%s", side->block);
        found = access(path, F_OK) == 0;
    }
    if (directory)
        closedir(directory);
    return found;
}

/* udev sets the permissions of a new node after its own rules; what it has done with is in its database. */
static bool udev_has_seen(void *user)
{
    const char *path = user;
    char entry[64];
    struct stat status;

    if (access("/run/udev/data", F_OK) < 0 || stat(path, &status) < 0)
        return true;
    snprintf(entry, sizeof(entry), "/run/udev/data/%c%u:%u", S_ISBLK(status.st_mode) ? 'b' : 'c',
             major(status.st_rdev), minor(status.st_rdev));
    return access(entry, F_OK) == 0;
}

static int add_node(struct hw_nodes *nodes, const char *path, uid_t user, struct helper_output *output)
{
    if (nodes->count == HW_NODES_MAX) {
        helper_fail(output, -E2BIG, "more than %d device nodes", HW_NODES_MAX);
        return output->error;
    }
    /* A class without rules has no entry in udev's database: then its nodes are left alone as well. */
    appears(udev_has_seen, (void *)path, UDEV_MILLISECONDS);
    if (own_node(path, user, output) < 0)
        return output->error;
    snprintf(nodes->paths[nodes->count++], HW_NODE_BYTES, "%s", path);
    return 0;
}

static int add_namespace(struct kernel_side *side, uid_t user, struct hw_nodes *nodes,
                         struct helper_output *output)
{
    char path[HW_NODE_BYTES];

    if (!appears(find_namespace, side, APPEAR_MILLISECONDS)) {
        helper_fail(output, -ENODEV, "the kernel shows no namespace %u of %s", side->namespace_id,
                    side->controller);
        return output->error;
    }
    snprintf(path, sizeof(path), "/dev/%s", side->block);
    if (add_node(nodes, path, user, output) < 0)
        return output->error;
    snprintf(path, sizeof(path), "/dev/ng%s", side->block + strlen("nvme"));
    return access(path, F_OK) < 0 ? 0 : add_node(nodes, path, user, output);
}

static int lend_kernel(const struct job_loan *loan, const char *address, struct hw_nodes *nodes,
                       struct helper_output *output)
{
    struct kernel_side side = {.address = address};

    if (driver_bind(address, DRIVER_NVME, output) < 0)
        return output->error;
    if (!appears(find_controller, &side, APPEAR_MILLISECONDS)) {
        helper_fail(output, -ENODEV, "the kernel's nvme driver made no controller of %s", address);
        return output->error;
    }
    for (uint32_t i = 0; i < loan->namespace_count; i++) {
        side.namespace_id = loan->namespaces[i];
        if (add_namespace(&side, loan->user, nodes, output) < 0)
            return output->error;
    }
    return 0;
}

void job_lend(const struct helper_input *input, struct helper_output *output)
{
    struct hw_nodes *nodes = output->data;
    char address[HW_ADDRESS_BYTES], path[HW_NODE_BYTES];
    const struct job_loan *loan = read_loan(input, address, output);

    *nodes = (struct hw_nodes){0};
    if (!loan || group_node(address, path, output) < 0 || !may_lend(path, output))
        return;
    if (loan->kind == HW_LOAN_KERNEL ? lend_kernel(loan, address, nodes, output) < 0
                                     : add_node(nodes, path, loan->user, output) < 0)
        return;
    output->bytes = sizeof(*nodes);
}

/* ---- taking it back ---- */

static void busy(const struct holder_search *search, const char *what, struct helper_output *output)
{
    char text[HOLDER_TEXT_BYTES];

    output->error = -EBUSY;
    snprintf(output->reason, sizeof(output->reason), "%.47s is held: %s", what,
             holders_name(search, text) ? text : "mounted, or by something that is not to be seen");
}

/* Takes a namespace's node away, and tells who still has it open. */
static int withdraw_node(const char *path, const struct job_loan *loan, struct helper_output *output)
{
    struct holder_search search = {.user = loan->user};
    char text[HOLDER_TEXT_BYTES];
    struct stat status;

    if (stat(path, &status) < 0)
        return 0;
    if (own_node(path, 0, output) < 0)
        return output->error;
    search.node = status.st_rdev;
    if (loan->kill)
        holders_kill(&search);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | (S_ISBLK(status.st_mode) ? O_EXCL : 0));
    int error = fd < 0 ? -errno : 0;
    if (fd >= 0)
        close(fd);
    if (error == -EBUSY || holders_name(&search, text)) {
        busy(&search, path, output);
        return output->error;
    }
    /* The driver opens none whose device is failing or going; any other reason leaves unknown who has it. */
    if (error && error != -ENXIO && error != -ENODEV && error != -EIO) {
        helper_fail(output, error, "opening %s to see whether it is held", path);
        return output->error;
    }
    return 0;
}

static int withdraw_kernel(const struct job_loan *loan, const char *address, struct helper_output *output)
{
    struct kernel_side side = {.address = address};
    char path[HW_NODE_BYTES];

    if (find_controller(&side)) {
        for (uint32_t i = 0; i < loan->namespace_count; i++) {
            side.namespace_id = loan->namespaces[i];
            if (!find_namespace(&side))
                continue;
            snprintf(path, sizeof(path), "/dev/ng%s", side.block + strlen("nvme"));
            if (withdraw_node(path, loan, output) < 0)
                return output->error;
            snprintf(path, sizeof(path), "/dev/%s", side.block);
            if (withdraw_node(path, loan, output) < 0)
                return output->error;
        }
    }
    return driver_bind(address, DRIVER_VFIO, output);
}

void job_withdraw(const struct helper_input *input, struct helper_output *output)
{
    char address[HW_ADDRESS_BYTES], path[HW_NODE_BYTES];
    const struct job_loan *loan = read_loan(input, address, output);

    if (!loan)
        return;
    if (loan->kind == HW_LOAN_KERNEL)
        withdraw_kernel(loan, address, output);
    else if (group_node(address, path, output) == 0)
        own_node(path, 0, output);
}

/* The group opens for one at a time, and only when nobody has the device or a mapping of it either. */
static bool opens(const char *path, int *ret_error)
{
    int fd = open(path, O_RDWR | O_CLOEXEC);

    *ret_error = fd < 0 ? -errno : 0;
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

void job_reclaim(const struct helper_input *input, struct helper_output *output)
{
    char address[HW_ADDRESS_BYTES], path[HW_NODE_BYTES];
    const struct job_loan *loan = read_loan(input, address, output);
    struct stat status;
    int error;

    if (!loan || group_node(address, path, output) < 0 || opens(path, &error))
        return;
    if (error != -EBUSY || stat(path, &status) < 0) {
        helper_fail(output, error, "opening %s", path);
        return;
    }
    const struct holder_search search = {.node = status.st_rdev, .vfio_device = true, .user = loan->user};
    if (loan->kill) {
        holders_kill(&search);
        if (opens(path, &error))
            return;
    }
    busy(&search, path, output);
}
