/* SPDX-License-Identifier: BSD-3-Clause */
/* The job that creates, deletes and formats namespaces, and gives them to the host and takes them from it. */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <libnvme.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/hw/linux/pf.h"

#define NAMESPACE_ALL 0xffffffffu

/* The LBA format without metadata for blocks of so many bytes (0: the smallest such); -1: there is none. */
static int find_format(const struct nvme_id_ns *data, uint32_t block_bytes)
{
    int found = -1;

    for (unsigned i = 0; i <= data->nlbaf && i < sizeof(data->lbaf) / sizeof(data->lbaf[0]); i++) {
        unsigned shift = data->lbaf[i].ds;

        if (shift < 9 || shift > 31 || data->lbaf[i].ms)
            continue;
        if (block_bytes ? 1u << shift == block_bytes : found < 0 || shift < data->lbaf[found].ds)
            found = (int)i;
    }
    return found;
}

static void create(struct physical *physical, const struct hw_namespace_change *change,
                   struct helper_output *output)
{
    struct nvme_id_ns common, wanted = {0};
    uint32_t id = 0;

    if (pf_refused(nvme_identify_ns(physical->fd, NAMESPACE_ALL, &common), "Identify Namespace", output))
        return;

    int format = find_format(&common, change->block_bytes);

    if (format < 0) {
        helper_fail(output, -EINVAL, "the SSD has no format of %u B a block without metadata",
                    change->block_bytes);
        return;
    }
    wanted.nsze = wanted.ncap = htole64(change->bytes >> common.lbaf[format].ds);
    /* Formats above the 16th have their upper bits elsewhere (NVMe Base 2.0, FLBAS). */
    wanted.flbas = (uint8_t)((format & 0xf) | (format >> 4) << 5);
    wanted.nmic = change->shareable;
    if (pf_refused(nvme_ns_mgmt_create(physical->fd, &wanted, &id, NVME_DEFAULT_IOCTL_TIMEOUT, NVME_CSI_NVM),
                   "creating a namespace", output))
        return;
    memcpy(output->data, &id, sizeof(id));
    output->bytes = sizeof(id);
}

static int attach(struct physical *physical, uint32_t id, bool attach)
{
    struct nvme_ctrl_list list;
    struct nvme_id_ctrl controller;
    int r = nvme_identify_ctrl(physical->fd, &controller);

    if (r != 0)
        return r;

    uint16_t own = le16toh(controller.cntlid);

    memset(&list, 0, sizeof(list));
    nvme_init_ctrl_list(&list, 1, &own);
    r = attach ? nvme_ns_attach_ctrls(physical->fd, id, &list)
               : nvme_ns_detach_ctrls(physical->fd, id, &list);
    if (r == 0)
        nvme_ns_rescan(physical->fd);
    return r;
}

/* Whether somebody holds a block device for himself: 1, 0, or -errno where that cannot be told. */
static int held(const char *path)
{
    int fd = open(path, O_RDONLY | O_EXCL | O_CLOEXEC);

    if (fd < 0)
        return errno == EBUSY ? 1 : errno == ENOENT || errno == ENXIO || errno == ENODEV ? 0 : -errno;
    close(fd);
    return 0;
}

static bool has_id(const char *entry, uint32_t id)
{
    char path[PATH_MAX], number[16];

    snprintf(path, sizeof(path), "%s/nsid", entry);
    FILE *file = fopen(path, "re");
    bool same = file && fgets(number, sizeof(number), file) && strtoul(number, NULL, 10) == id;
    if (file)
        fclose(file);
    return same;
}

/*
 * Whether the host uses the namespace's block device: a file system, a volume or somebody else holds it for
 * himself. Where the SSD can have several controllers the device is named after the subsystem, and the
 * controller's own entry is a hidden path (nvme0c0n2). 1, 0 or -errno; *ret_attached: the kernel has it at
 * all.
 */
static int in_use(const struct sysfs_controller *controller, uint32_t id, bool *ret_attached)
{
    char pattern[PATH_MAX], path[PATH_MAX];
    glob_t found;
    int used = 0;

    *ret_attached = false;
    snprintf(pattern, sizeof(pattern), "/sys/class/nvme/%s/nvme*n*", controller->name);
    if (glob(pattern, 0, NULL, &found) != 0)
        return 0;
    for (size_t i = 0; i < found.gl_pathc && used == 0; i++) {
        unsigned subsystem, instance;
        const char *name = strrchr(found.gl_pathv[i], '/') + 1;

        if (!has_id(found.gl_pathv[i], id))
            continue;
        *ret_attached = true;
        if (sscanf(name, "nvme%uc%*un%u", &subsystem, &instance) == 2)
            snprintf(path, sizeof(path), "/dev/nvme%un%u", subsystem, instance);
        else
            snprintf(path, sizeof(path), "/dev/%s", name);
        used = held(path);
    }
    globfree(&found);
    return used;
}

static void format(struct physical *physical, const struct hw_namespace_change *change, bool attached,
                   struct helper_output *output)
{
    struct nvme_id_ctrl controller;
    struct nvme_id_ns data;

    if (pf_refused(nvme_identify_ctrl(physical->fd, &controller), "Identify Controller", output))
        return;
    if (controller.fna & NVME_CTRL_FNA_FMT_ALL_NAMESPACES) {
        helper_fail(output, -EOPNOTSUPP, "this SSD formats all of its namespaces at once");
        return;
    }
    /* A controller formats only what is attached to it. */
    if (!attached && pf_refused(attach(physical, change->id, true), "attaching the namespace", output))
        return;
    if (pf_refused(nvme_identify_ns(physical->fd, change->id, &data), "Identify Namespace", output))
        return;

    int number = change->block_bytes ? find_format(&data, change->block_bytes) : data.flbas & 0xf;
    struct nvme_format_nvm_args arguments = {
        .args_size = sizeof(arguments),
        .fd = physical->fd,
        .timeout = HW_FORMAT_MILLISECONDS,
        .nsid = change->id,
        .ses = NVME_FORMAT_SES_NONE,
    };

    if (number < 0) {
        helper_fail(output, -EINVAL, "the SSD has no format of %u B a block without metadata",
                    change->block_bytes);
    } else {
        arguments.lbaf = (uint8_t)number;
        pf_refused(nvme_format_nvm(&arguments), "formatting the namespace", output);
    }
    if (!attached)
        attach(physical, change->id, false);
    else
        nvme_ns_rescan(physical->fd);
}

void job_change_namespace(const struct helper_input *input, struct helper_output *output)
{
    const struct job_namespace *job = input->data;
    const struct hw_namespace_change *change = &job->change;
    bool takes = change->act != HW_NAMESPACE_CREATE && change->act != HW_NAMESPACE_ATTACH, attached = false;
    struct physical physical;

    if (pf_open(&job->device, &physical, output) < 0)
        return;
    int used = takes ? in_use(&physical.controller, change->id, &attached) : 0;
    if (used > 0)
        helper_fail(output, -EBUSY, "the host uses namespace %u", change->id);
    else if (used < 0)
        helper_fail(output, used, "whether the host uses namespace %u", change->id);
    else if (change->act == HW_NAMESPACE_CREATE)
        create(&physical, change, output);
    else if (change->act == HW_NAMESPACE_DELETE)
        pf_refused(nvme_ns_mgmt_delete(physical.fd, change->id), "deleting the namespace", output);
    else if (change->act == HW_NAMESPACE_FORMAT)
        format(&physical, change, attached, output);
    else
        pf_refused(attach(&physical, change->id, change->act == HW_NAMESPACE_ATTACH),
                   change->act == HW_NAMESPACE_ATTACH ? "attaching the namespace" : "detaching the namespace",
                   output);
    close(physical.fd);
}
