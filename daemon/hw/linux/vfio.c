/* SPDX-License-Identifier: BSD-3-Clause */
/* The jobs on a VF through VFIO (type1): opening it for homid alone, and its IOMMU mappings. */
#include <errno.h>
#include <fcntl.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "daemon/hw/iova.h"
#include "daemon/hw/linux/pf.h"
#include "daemon/hw/linux/sysfs.h"

/* Room for homid's own mappings, which no tenant's memory may overlap. */
#define ADMIN_AREA_BYTES  (UINT64_C(1) << 20)
#define ADMIN_WRITE_SHIFT 16 /* the pages that the controller writes lie 64 KiB into it */
#define PAGE              UINT64_C(4096)

struct opening {
    const char *address;
    int group, container, device, request, error;
    unsigned interrupts; /* as many vectors may be used */
    unsigned vectors;
    int vector_fds[HW_INTERRUPTS_MAX];
    struct job_opened *result;
    struct helper_output *output;
};

static int fail(struct opening *opening, const char *what)
{
    int error = errno ? -errno : -EIO;

    helper_fail(opening->output, error, "%s: %s", opening->address, what);
    return error;
}

static int refuse(struct opening *opening, int error, const char *what)
{
    errno = -error;
    return fail(opening, what);
}

static int open_group(struct opening *opening)
{
    char name[32], path[64];
    struct vfio_group_status status = {.argsz = sizeof(status)};

    int r = sysfs_link(opening->address, "iommu_group", name, sizeof(name));
    if (r < 0)
        return refuse(opening, -ENOTSUP, "in no IOMMU group");
    snprintf(path, sizeof(path), "/dev/vfio/%s", name);
    opening->group = open(path, O_RDWR | O_CLOEXEC);
    if (opening->group < 0)
        return errno == EBUSY ? fail(opening, "somebody still holds it") : fail(opening, path);
    if (ioctl(opening->group, VFIO_GROUP_GET_STATUS, &status) < 0)
        return fail(opening, "VFIO group status");
    if (!(status.flags & VFIO_GROUP_FLAGS_VIABLE))
        return refuse(opening, -EPERM, "its IOMMU group is not viable: another driver holds a device of it");
    return 0;
}

static int open_container(struct opening *opening)
{
    opening->container = open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC);
    if (opening->container < 0)
        return fail(opening, "opening /dev/vfio/vfio");
    if (ioctl(opening->container, VFIO_GET_API_VERSION) != VFIO_API_VERSION ||
        ioctl(opening->container, VFIO_CHECK_EXTENSION, VFIO_TYPE1v2_IOMMU) != 1)
        return refuse(opening, -ENOTSUP, "VFIO has no type1 IOMMU");
    if (ioctl(opening->group, VFIO_GROUP_SET_CONTAINER, &opening->container) < 0)
        return fail(opening, "VFIO container");
    if (ioctl(opening->container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU) < 0)
        return errno == EPERM ? fail(opening, "the machine cannot remap interrupts, so a VF is not isolated")
                              : fail(opening, "VFIO IOMMU");
    return 0;
}

static int check_device(struct opening *opening)
{
    struct vfio_device_info info = {.argsz = sizeof(info)};
    struct vfio_region_info bar = {.argsz = sizeof(bar), .index = VFIO_PCI_BAR0_REGION_INDEX};

    if (ioctl(opening->device, VFIO_DEVICE_GET_INFO, &info) < 0)
        return fail(opening, "VFIO device info");
    if (!(info.flags & VFIO_DEVICE_FLAGS_PCI))
        return refuse(opening, -ENOTSUP, "no PCI device");
    if (!(info.flags & VFIO_DEVICE_FLAGS_RESET))
        return refuse(opening, -ENOTSUP, "it cannot be reset, so nothing separates one tenant from the next");
    if (ioctl(opening->device, VFIO_DEVICE_GET_REGION_INFO, &bar) < 0)
        return fail(opening, "VFIO region info");
    if (bar.size < 2 * PAGE || !(bar.flags & VFIO_REGION_INFO_FLAG_MMAP))
        return refuse(opening, -ENOTSUP, "BAR 0 cannot be mapped");
    opening->result->bar_offset = bar.offset;
    opening->result->bar_bytes = bar.size;
    return 0;
}

static int enable_bus_mastering(struct opening *opening)
{
    struct vfio_region_info config = {.argsz = sizeof(config), .index = VFIO_PCI_CONFIG_REGION_INDEX};
    uint16_t command;

    if (ioctl(opening->device, VFIO_DEVICE_GET_REGION_INFO, &config) < 0)
        return fail(opening, "VFIO region info");
    off_t offset = (off_t)config.offset + PCI_COMMAND;
    if (pread(opening->device, &command, sizeof(command), offset) != sizeof(command))
        return fail(opening, "reading its PCI command register");
    command |= PCI_COMMAND_MASTER | PCI_COMMAND_MEMORY;
    if (pwrite(opening->device, &command, sizeof(command), offset) != sizeof(command))
        return fail(opening, "turning bus mastering on");
    return 0;
}

static int set_events(struct opening *opening, unsigned index, unsigned count, const int *fds)
{
    union {
        struct vfio_irq_set set;
        unsigned char bytes[sizeof(struct vfio_irq_set) + HW_INTERRUPTS_MAX * sizeof(int)];
    } request = {.set = {.argsz = (uint32_t)(sizeof(request.set) + count * sizeof(int)),
                         .flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER,
                         .index = index,
                         .count = count}};

    memcpy(request.set.data, fds, count * sizeof(int));
    return ioctl(opening->device, VFIO_DEVICE_SET_IRQS, &request);
}

/* One of the events that VFIO itself raises; a kernel or device without it is no failure. */
static int open_event(struct opening *opening, unsigned index, int *ret_fd)
{
    struct vfio_irq_info info = {.argsz = sizeof(info), .index = index};

    *ret_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (*ret_fd < 0)
        return fail(opening, "eventfd");
    if (ioctl(opening->device, VFIO_DEVICE_GET_IRQ_INFO, &info) < 0 || info.count == 0)
        return 0;
    if (set_events(opening, index, 1, ret_fd) < 0)
        return fail(opening, "VFIO device events");
    return 0;
}

/* All vectors in one call: kernel 6.1 cannot add any later. */
static int open_vectors(struct opening *opening)
{
    struct vfio_irq_info info = {.argsz = sizeof(info), .index = VFIO_PCI_MSIX_IRQ_INDEX};

    if (ioctl(opening->device, VFIO_DEVICE_GET_IRQ_INFO, &info) < 0)
        return fail(opening, "VFIO interrupt info");
    if (info.count == 0)
        return refuse(opening, -ENOTSUP, "it has no MSI-X vectors");
    unsigned count = info.count < opening->interrupts ? info.count : opening->interrupts;
    while (opening->vectors < count) {
        int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (fd < 0)
            return fail(opening, "eventfd");
        opening->vector_fds[opening->vectors++] = fd;
    }
    if (set_events(opening, VFIO_PCI_MSIX_IRQ_INDEX, count, opening->vector_fds) < 0)
        return fail(opening, "enabling its MSI-X vectors");
    opening->result->vectors = (uint16_t)count;
    return 0;
}

static unsigned read_ranges(const uint8_t *info, size_t bytes, size_t at, struct hw_iova_range *ret_ranges)
{
    struct vfio_iommu_type1_info_cap_iova_range header;
    struct vfio_iova_range range;
    unsigned count = 0;

    memcpy(&header, info + at, sizeof(header));
    for (unsigned i = 0; i < header.nr_iovas && count < HW_IOVA_RANGES_MAX; i++) {
        size_t offset = at + sizeof(header) + i * sizeof(range);
        if (offset + sizeof(range) > bytes)
            break;
        memcpy(&range, info + offset, sizeof(range));
        ret_ranges[count++] = (struct hw_iova_range){.first = range.start, .last = range.end};
    }
    return count;
}

static int find_ranges(struct opening *opening)
{
    alignas(8) uint8_t buffer[4096] = {0};
    struct vfio_iommu_type1_info *info = (struct vfio_iommu_type1_info *)buffer;
    struct vfio_info_cap_header header;

    info->argsz = sizeof(buffer);
    if (ioctl(opening->container, VFIO_IOMMU_GET_INFO, info) < 0)
        return fail(opening, "VFIO IOMMU info");
    if (!(info->flags & VFIO_IOMMU_INFO_PGSIZES) || !(info->iova_pgsizes & PAGE) ||
        info->argsz > sizeof(buffer))
        return refuse(opening, -ENOTSUP, "the IOMMU has no pages of 4 KiB");
    size_t at = info->flags & VFIO_IOMMU_INFO_CAPS ? info->cap_offset : 0;
    while (at && at + sizeof(struct vfio_iommu_type1_info_cap_iova_range) <= info->argsz) {
        memcpy(&header, buffer + at, sizeof(header));
        if (header.id == VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE) {
            opening->result->iova_range_count =
                read_ranges(buffer, info->argsz, at, opening->result->iova_ranges);
            return 0;
        }
        at = header.next;
    }
    return refuse(opening, -ENOTSUP, "the kernel does not say which IOVAs are usable");
}

/* Maps a part of a memfd. The helper's own view of it goes at once: the pages stay pinned for the device. */
static int map_pages(int container, int memfd, const struct job_map *map, uint32_t flags)
{
    int r = 0;
    void *view = mmap(NULL, map->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, memfd, (off_t)map->offset);

    if (view == MAP_FAILED)
        return -errno;
    struct vfio_iommu_type1_dma_map request = {.argsz = sizeof(request),
                                               .flags = flags,
                                               .vaddr = (uintptr_t)view,
                                               .iova = map->iova,
                                               .size = map->bytes};
    if (ioctl(container, VFIO_IOMMU_MAP_DMA, &request) < 0)
        r = -errno;
    munmap(view, map->bytes);
    return r;
}

/* The controller may read its admin SQ but not write it: what homid commands cannot be forged by DMA. */
static int map_admin(struct opening *opening, const struct helper_input *input)
{
    const struct job_open *job = input->data;
    struct job_opened *result = opening->result;
    uint64_t area;

    int r = iova_carve(result->iova_ranges, &result->iova_range_count, ADMIN_AREA_BYTES, &area);
    if (r < 0)
        return refuse(opening, r, "no room for the admin queue among the usable IOVAs");
    const struct job_map reads = {.bytes = job->read_bytes, .iova = area};
    const struct job_map writes = {.bytes = job->write_bytes, .iova = area + (1u << ADMIN_WRITE_SHIFT)};
    r = map_pages(opening->container, input->fds[0], &reads, VFIO_DMA_MAP_FLAG_READ);
    if (r == 0)
        r = map_pages(opening->container, input->fds[1], &writes, VFIO_DMA_MAP_FLAG_WRITE);
    if (r < 0)
        return refuse(opening, r, "mapping the admin queue");
    result->read_iova = reads.iova;
    result->write_iova = writes.iova;
    return 0;
}

/* The VF itself does not say how many of its vectors the PF gave resources to. */
static int check_secondary(struct opening *opening, const struct sysfs_controller *controller, unsigned index)
{
    struct hw_secondary secondary;

    opening->interrupts = HW_INTERRUPTS_MAX;
    if (!pf_secondary(controller, index, &secondary))
        return 0;
    if (!secondary.online)
        return refuse(opening, -ENETDOWN, "its secondary controller is offline");
    if (secondary.interrupts > 0 && secondary.interrupts < HW_INTERRUPTS_MAX)
        opening->interrupts = secondary.interrupts;
    return 0;
}

static int open_device(struct opening *opening)
{
    int r = open_container(opening);

    if (r < 0)
        return r;
    opening->device = ioctl(opening->group, VFIO_GROUP_GET_DEVICE_FD, opening->address);
    if (opening->device < 0)
        return fail(opening, "VFIO device");
    r = check_device(opening);
    if (r == 0)
        r = open_event(opening, VFIO_PCI_REQ_IRQ_INDEX, &opening->request);
    if (r == 0)
        r = open_event(opening, VFIO_PCI_ERR_IRQ_INDEX, &opening->error);
    if (r == 0)
        r = open_vectors(opening);
    if (r == 0)
        r = find_ranges(opening);
    return r;
}

static void hand_out(struct opening *opening, struct helper_output *output)
{
    output->fds[OPENED_GROUP] = opening->group;
    output->fds[OPENED_CONTAINER] = opening->container;
    output->fds[OPENED_DEVICE] = opening->device;
    output->fds[OPENED_REQUEST] = opening->request;
    output->fds[OPENED_ERROR] = opening->error;
    memcpy(&output->fds[OPENED_VECTORS], opening->vector_fds, opening->vectors * sizeof(int));
    output->fd_count = OPENED_VECTORS + opening->vectors;
    output->bytes = sizeof(*opening->result);
}

static void close_one(int fd)
{
    if (fd >= 0)
        close(fd);
}

static void give_up(struct opening *opening)
{
    for (unsigned i = 0; i < opening->vectors; i++)
        close(opening->vector_fds[i]);
    close_one(opening->error);
    close_one(opening->request);
    close_one(opening->device);
    close_one(opening->group);
    close_one(opening->container);
}

void job_open(const struct helper_input *input, struct helper_output *output)
{
    const struct job_open *job = input->data;
    struct sysfs_controller controller;
    struct job_opened *result = output->data;
    struct opening opening = {.address = result->address,
                              .group = -1,
                              .container = -1,
                              .device = -1,
                              .request = -1,
                              .error = -1,
                              .result = result,
                              .output = output};

    *result = (struct job_opened){0};
    if (sysfs_find(&job->device, &controller, output) < 0 ||
        sysfs_function(controller.address, job->device.index, result->address, output) < 0)
        return;
    /* Whether somebody holds it comes before whether it is online: see the backend's interface. */
    int r = open_group(&opening);
    if (r == 0)
        r = check_secondary(&opening, &controller, job->device.index);
    if (r == 0)
        r = open_device(&opening);
    if (r == 0)
        r = map_admin(&opening, input);
    if (r == 0)
        r = enable_bus_mastering(&opening);
    if (r < 0)
        give_up(&opening);
    else
        hand_out(&opening, output);
}

void job_map(const struct helper_input *input, struct helper_output *output)
{
    const struct job_map *map = input->data;

    int r = map_pages(input->fds[0], input->fds[1], map, VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE);
    if (r < 0)
        helper_fail(output, r, "mapping %llu bytes for DMA", (unsigned long long)map->bytes);
}

void job_unmap(const struct helper_input *input, struct helper_output *output)
{
    const struct job_map *map = input->data;
    struct vfio_iommu_type1_dma_unmap request = {
        .argsz = sizeof(request), .iova = map->iova, .size = map->bytes};

    if (ioctl(input->fds[0], VFIO_IOMMU_UNMAP_DMA, &request) < 0)
        helper_fail(output, -errno, "unmapping IOVA 0x%llx", (unsigned long long)map->iova);
    else if (request.size != map->bytes && !(map->perhaps && request.size == 0))
        helper_fail(output, -EIO, "unmapping IOVA 0x%llx: %llu bytes instead of %llu",
                    (unsigned long long)map->iova, (unsigned long long)request.size,
                    (unsigned long long)map->bytes);
}

/*
 * A tenant that still has the device fd keeps the container alive, but not the mappings in it. Closing the
 * last descriptor resets the VF; that happens when the job ends.
 */
void job_release(const struct helper_input *input, struct helper_output *output)
{
    const struct job_release *job = input->data;
    struct vfio_iommu_type1_dma_unmap all = {.argsz = sizeof(all), .flags = VFIO_DMA_UNMAP_FLAG_ALL};

    if (job->reset && ioctl(input->fds[OPENED_DEVICE], VFIO_DEVICE_RESET) < 0)
        helper_fail(output, -errno, "resetting the VF");
    if (ioctl(input->fds[OPENED_CONTAINER], VFIO_IOMMU_UNMAP_DMA, &all) < 0 && !output->error)
        helper_fail(output, -errno, "unmapping all memory of the VF");
}

/* A helper closes what it was given when the job ends, and one of an earlier homid does not begin another. */
void job_nothing(const struct helper_input *input, struct helper_output *output)
{
    (void)input;
    (void)output;
}

/*
 * The kernel's reset of the VF writes its MSI-X table and configuration space anew; where the PF's reset took
 * bus mastering away before the kernel could save it, it is turned on again.
 */
void job_renew(const struct helper_input *input, struct helper_output *output)
{
    struct opening opening = {.address = "the VF", .device = input->fds[0], .output = output};

    if (ioctl(opening.device, VFIO_DEVICE_RESET) < 0)
        helper_fail(output, -errno, "resetting the VF");
    else
        enable_bus_mastering(&opening);
}
