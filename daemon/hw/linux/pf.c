/* SPDX-License-Identifier: BSD-3-Clause */
/* The jobs that ask the physical function, through the kernel's nvme driver and libnvme. */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <libnvme.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "daemon/hw/identify.h"
#include "daemon/hw/linux/claim.h"
#include "daemon/hw/linux/pf.h"
#include "daemon/hw/linux/sysfs.h"

static void controller_path(const struct sysfs_controller *controller, char path[64])
{
    snprintf(path, 64, "/dev/%s", controller->name);
}

int pf_open(const struct job_device *device, struct physical *ret_physical, struct helper_output *output)
{
    char path[64];

    if (claim_device(device, &ret_physical->controller, output) < 0)
        return output->error;
    controller_path(&ret_physical->controller, path);
    ret_physical->fd = open(path, O_RDONLY | O_CLOEXEC);
    if (ret_physical->fd < 0)
        helper_fail(output, -errno, "opening %s", path);
    return output->error;
}

bool pf_refused(int r, const char *what, struct helper_output *output)
{
    if (r == 0)
        return false;
    if (r < 0) {
        helper_fail(output, errno ? -errno : -EIO, "%s", what);
        return true;
    }
    output->error = -EIO;
    output->nvme_status = (uint16_t)(r & 0x7ff);
    snprintf(output->reason, sizeof(output->reason), "%s: %s (status 0x%x)", what,
             nvme_status_to_string(r, false), (unsigned)output->nvme_status);
    return true;
}

static uint16_t at_least_one(uint16_t value)
{
    return value ? value : 1;
}

/*
 * Flexible resources tell as surely as OACS bit 7 that they can be managed, and there are devices (QEMU 7.2)
 * that have them and leave the bit out.
 */
static int probe_resources(int fd, bool announced, struct hw_device_info *info, struct helper_output *output)
{
    struct nvme_primary_ctrl_cap capabilities;

    if (!announced && !info->functions_total)
        return 0;
    int r = nvme_identify_primary_ctrl(fd, info->controller_id, &capabilities);
    if (r != 0 && !announced)
        return 0;
    if (pf_refused(r, "Identify Primary Controller Capabilities", output))
        return output->error;
    info->virtualization_management = announced || (capabilities.vqfrt && capabilities.vifrt);
    if (!info->virtualization_management)
        return 0;
    info->queues = (struct hw_resources){.total = (uint16_t)le32toh(capabilities.vqfrt),
                                         .per_function = le16toh(capabilities.vqfrsm),
                                         .granularity = at_least_one(le16toh(capabilities.vqgran))};
    info->interrupts = (struct hw_resources){.total = (uint16_t)le32toh(capabilities.vifrt),
                                             .per_function = le16toh(capabilities.vifrsm),
                                             .granularity = at_least_one(le16toh(capabilities.vigran))};
    return 0;
}

static int probe_controller(int fd, struct hw_device_info *info, struct helper_output *output)
{
    struct nvme_id_ctrl id;

    if (pf_refused(nvme_identify_ctrl(fd, &id), "Identify Controller", output))
        return output->error;
    identify_text(id.sn, sizeof(id.sn), info->serial);
    identify_text(id.mn, sizeof(id.mn), info->model);
    identify_text(id.fr, sizeof(id.fr), info->firmware);
    info->controller_id = le16toh(id.cntlid);
    info->namespace_management = le16toh(id.oacs) & NVME_CTRL_OACS_NS_MGMT;
    return probe_resources(fd, le16toh(id.oacs) & NVME_CTRL_OACS_VIRT_MGMT, info, output);
}

/* Which controllers hold the namespace; left empty where the device does not say. */
static void probe_attachments(int fd, struct hw_namespace *space)
{
    struct nvme_ctrl_list list;
    unsigned limit = sizeof(space->controllers) / sizeof(*space->controllers);

    if (nvme_identify_nsid_ctrl_list(fd, space->id, 0, &list) != 0)
        return;
    unsigned count = le16toh(list.num);
    space->controller_count = count < limit ? count : limit;
    for (unsigned i = 0; i < space->controller_count; i++)
        space->controllers[i] = le16toh(list.identifier[i]);
}

/* All that are allocated, also those which are not attached to the PF. */
static int probe_namespaces(int fd, struct hw_device_info *info, struct helper_output *output)
{
    struct nvme_ns_list list;
    struct nvme_id_ns data;
    bool allocated = info->namespace_management;
    int r = allocated ? nvme_identify_allocated_ns_list(fd, 0, &list)
                      : nvme_identify_active_ns_list(fd, 0, &list);

    if (pf_refused(r, "Identify Namespace ID list", output))
        return output->error;
    for (unsigned i = 0; i < HW_NAMESPACES_MAX && list.ns[i]; i++) {
        struct hw_namespace *space = &info->namespaces[info->namespace_count];
        uint32_t id = le32toh(list.ns[i]);
        r = allocated ? nvme_identify_allocated_ns(fd, id, &data) : nvme_identify_ns(fd, id, &data);
        if (pf_refused(r, "Identify Namespace", output))
            return output->error;
        r = identify_namespace_parse(&data, id, space);
        if (r == -ENOENT)
            continue;
        if (r < 0) {
            helper_fail(output, r, "Identify data of namespace %u", id);
            return r;
        }
        if (allocated)
            probe_attachments(fd, space);
        info->namespace_count++;
    }
    return 0;
}

void job_probe(const struct helper_input *input, struct helper_output *output)
{
    struct hw_device_info *info = output->data;
    struct physical physical;
    unsigned long total = 0, enabled = 0;

    if (pf_open(input->data, &physical, output) < 0)
        return;
    *info = (struct hw_device_info){0};
    memcpy(info->address, physical.controller.address, sizeof(info->address));
    memcpy(info->controller, physical.controller.name, sizeof(info->controller));
    if (sysfs_read_number(info->address, "sriov_totalvfs", &total) == 0 &&
        sysfs_read_number(info->address, "sriov_numvfs", &enabled) == 0) {
        info->functions_total = (uint16_t)total;
        info->functions_enabled = (uint16_t)enabled;
    }
    if (probe_controller(physical.fd, info, output) == 0 && probe_namespaces(physical.fd, info, output) == 0)
        output->bytes = sizeof(*info);
    close(physical.fd);
}

/* 0, or what libnvme returned. */
static int read_secondaries(int fd, struct hw_secondary *ret_secondaries, unsigned *ret_count)
{
    struct nvme_secondary_ctrl_list list;
    unsigned count = 0, number;
    uint16_t first = 0;

    do {
        int r = nvme_identify_secondary_ctrl_list(fd, 0, first, &list);
        if (r != 0)
            return r;
        number = list.num <= NVME_ID_SECONDARY_CTRL_MAX ? list.num : NVME_ID_SECONDARY_CTRL_MAX;
        for (unsigned i = 0; i < number && count < HW_FUNCTIONS_MAX; i++) {
            const struct nvme_secondary_ctrl *entry = &list.sc_entry[i];
            ret_secondaries[count++] = (struct hw_secondary){.controller_id = le16toh(entry->scid),
                                                             .function = le16toh(entry->vfn),
                                                             .queues = le16toh(entry->nvq),
                                                             .interrupts = le16toh(entry->nvi),
                                                             .online = entry->scs & 1};
            first = (uint16_t)(le16toh(entry->scid) + 1);
        }
    } while (number == NVME_ID_SECONDARY_CTRL_MAX && count < HW_FUNCTIONS_MAX && first != 0);
    *ret_count = count;
    return 0;
}

bool pf_secondary(const struct sysfs_controller *controller, unsigned index,
                  struct hw_secondary *ret_secondary)
{
    struct hw_secondary list[HW_FUNCTIONS_MAX];
    unsigned count = 0;
    char path[64];

    controller_path(controller, path);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    int r = read_secondaries(fd, list, &count);
    close(fd);
    for (unsigned i = 0; r == 0 && i < count; i++) {
        if (list[i].function == index + 1) {
            *ret_secondary = list[i];
            return true;
        }
    }
    return false;
}

void job_list_secondaries(const struct helper_input *input, struct helper_output *output)
{
    struct physical physical;
    unsigned count = 0;

    if (pf_open(input->data, &physical, output) < 0)
        return;
    pf_refused(read_secondaries(physical.fd, output->data, &count), "Identify Secondary Controller list",
               output);
    output->bytes = count * sizeof(struct hw_secondary);
    close(physical.fd);
}

static const char *action_name(unsigned action)
{
    switch (action) {
    case NVME_VIRT_MGMT_ACT_ASSIGN_SEC_CTRL: return "Assign";
    case NVME_VIRT_MGMT_ACT_OFFLINE_SEC_CTRL: return "Offline";
    case NVME_VIRT_MGMT_ACT_ONLINE_SEC_CTRL: return "Online";
    default: return "action";
    }
}

void job_virtualization(const struct helper_input *input, struct helper_output *output)
{
    const struct job_device *device = input->data;
    struct physical physical;
    uint32_t *result = output->data;
    char what[80];

    if (pf_open(device, &physical, output) < 0)
        return;
    *result = 0;
    struct nvme_virtual_mgmt_args arguments = {
        .result = result,
        .args_size = sizeof(arguments),
        .fd = physical.fd,
        .timeout = NVME_DEFAULT_IOCTL_TIMEOUT,
        .act = device->action,
        .rt = device->resource == HW_QUEUES ? NVME_VIRT_MGMT_RT_VQ_RESOURCE : NVME_VIRT_MGMT_RT_VI_RESOURCE,
        .cntlid = device->controller_id,
        .nr = device->count,
    };
    snprintf(what, sizeof(what), "Virtualization Management %s of controller %u", action_name(device->action),
             device->controller_id);
    if (pf_refused(nvme_virtual_mgmt(&arguments), what, output))
        ;
    else if (device->action == NVME_VIRT_MGMT_ACT_ASSIGN_SEC_CTRL && *result != device->count)
        helper_fail(output, -EIO, "%s: %u resources instead of %u", what, *result, device->count);
    else
        output->bytes = sizeof(*result);
    close(physical.fd);
}

void job_attach_namespace(const struct helper_input *input, struct helper_output *output)
{
    const struct job_device *device = input->data;
    struct nvme_ctrl_list list;
    struct physical physical;
    uint16_t controller = device->controller_id;
    char what[96];
    int r;

    if (pf_open(device, &physical, output) < 0)
        return;
    memset(&list, 0, sizeof(list));
    nvme_init_ctrl_list(&list, 1, &controller);
    snprintf(what, sizeof(what), "%s namespace %u %s controller %u",
             device->attach ? "attaching" : "detaching", device->namespace_id, device->attach ? "to" : "from",
             controller);
    r = device->attach ? nvme_ns_attach_ctrls(physical.fd, device->namespace_id, &list)
                       : nvme_ns_detach_ctrls(physical.fd, device->namespace_id, &list);
    int already = NVME_SCT_CMD_SPECIFIC << NVME_SCT_SHIFT |
                  (device->attach ? NVME_SC_NS_ALREADY_ATTACHED : NVME_SC_NS_NOT_ATTACHED);
    if (r < 0 || (r & 0x7ff) != already)
        pf_refused(r, what, output);
    close(physical.fd);
}
