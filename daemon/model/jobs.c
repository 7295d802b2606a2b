/* SPDX-License-Identifier: BSD-3-Clause */
#include "daemon/model/jobs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "daemon/hw/admin_queue.h"
#include "daemon/hw/iova.h"
#include "daemon/model/rules.h"

/* Room for homid's own mappings: what the controller reads, and 64 KiB above what it writes. */
#define ADMIN_AREA_BYTES  (UINT64_C(1) << 20)
#define ADMIN_WRITE_SHIFT 16
#define IOVA_LAST         ((UINT64_C(1) << 48) - 1)

struct job {
    struct world *world;
    const struct helper_input *input;
    struct helper_output *output;
    uint64_t later;
};

static struct device *find_device(const struct job *job, const struct job_device *wanted)
{
    for (size_t i = 0; i < job->world->device_count; i++) {
        struct device *device = job->world->devices[i];
        if (!device->absent && (!*wanted->serial || strcmp(wanted->serial, device->spec->serial) == 0) &&
            (!*wanted->address || strcmp(wanted->address, device->address) == 0))
            return device;
    }
    helper_fail(job->output, -ENODEV, "no model device %s%s", wanted->serial, wanted->address);
    return NULL;
}

static struct function *find_function(const struct job *job, const struct job_device *wanted)
{
    struct device *device = find_device(job, wanted);

    if (!device)
        return NULL;
    if (wanted->index < device->functions_enabled)
        return &device->functions[wanted->index];
    helper_fail(job->output, -ENODEV, "%s has no VF %u", device->address, wanted->index);
    return NULL;
}

/* The open function that a descriptor belongs to. */
static struct function *find_open(const struct job *job, int fd)
{
    struct stat status;
    struct function *function = fstat(fd, &status) == 0 ? function_of(job->world, status.st_ino) : NULL;

    if (!function)
        helper_fail(job->output, -ENODEV, "the function was closed");
    return function;
}

static bool absent(const struct job *job, const struct device *device)
{
    helper_fail(job->output, -ENODEV, "%s was removed", device->spec->serial);
    return true;
}

/* true: the step fails, or its answer waits. */
static bool faulty(struct job *job, struct device *device, enum fault_step step, int function)
{
    const struct fault_spec *fault = faults_step(&device->faults, step, function);

    if (!fault)
        return false;
    if (fault->action == FAULT_RESET || fault->action == FAULT_REMOVE) {
        if (fault->action == FAULT_RESET)
            device_reset(device);
        else
            device_remove(device, fault->milliseconds);
        return device->absent && absent(job, device);
    }
    if (fault->action == FAULT_STEP_HANG) {
        job->later = fault->milliseconds ? fault->milliseconds : JOB_NEVER;
        return job->later == JOB_NEVER;
    }
    helper_fail(job->output, -(int)fault->status, "made so by a fault");
    return true;
}

/* ---- devices ---- */

static void describe_namespaces(const struct device *device, struct hw_device_info *info)
{
    const unsigned limit = sizeof(info->namespaces[0].controllers) / sizeof(uint16_t);

    for (uint32_t id = 1; id <= SPEC_NAMESPACE_ID_MAX && info->namespace_count < HW_NAMESPACES_MAX; id++) {
        const struct namespace *space = device->namespaces[id];
        struct hw_namespace *entry = &info->namespaces[info->namespace_count];
        if (!space)
            continue;
        info->namespace_count++;
        *entry = (struct hw_namespace){.id = id,
                                       .block_bytes = 1u << space->block_shift,
                                       .blocks = space->blocks,
                                       .shareable = space->shareable};
        for (unsigned i = 0; i <= device->spec->functions && entry->controller_count < limit; i++) {
            if (namespace_attached(space, i))
                entry->controllers[entry->controller_count++] = (uint16_t)i;
        }
    }
}

static struct hw_resources resources(const struct resources_spec *spec)
{
    return (struct hw_resources){.total = (uint16_t)spec->total,
                                 .per_function = (uint16_t)spec->per_function,
                                 .granularity = (uint16_t)spec->granularity};
}

static void probe(struct job *job)
{
    const struct device *device = find_device(job, job->input->data);
    struct hw_device_info *info = job->output->data;

    if (!device || faulty(job, (struct device *)(uintptr_t)device, STEP_PROBE, FAULT_ANY))
        return;
    *info = (struct hw_device_info){.functions_total = (uint16_t)device->spec->functions,
                                    .functions_enabled = (uint16_t)device->functions_enabled,
                                    .virtualization_management = device->spec->virtualization,
                                    .namespace_management = true};
    memcpy(info->address, device->address, sizeof(info->address));
    memcpy(info->serial, device->spec->serial, sizeof(info->serial));
    memcpy(info->model, device->spec->model, sizeof(info->model));
    snprintf(info->firmware, sizeof(info->firmware), "%s", HOMI_VERSION);
    snprintf(info->controller, sizeof(info->controller), "model%u", device->number);
    if (device->spec->virtualization) {
        info->queues = resources(&device->spec->queues);
        info->interrupts = resources(&device->spec->interrupts);
    }
    describe_namespaces(device, info);
    job->output->bytes = sizeof(*info);
}

static void list_secondaries(struct job *job)
{
    const struct device *device = find_device(job, job->input->data);
    struct hw_secondary *list = job->output->data;

    if (!device)
        return;
    for (unsigned i = 0; i < device->spec->functions; i++) {
        const struct function *function = &device->functions[i];
        list[i] = (struct hw_secondary){
            .controller_id = function->controller_id,
            .function = (uint16_t)(i < device->functions_enabled ? i + 1 : 0),
            .queues = function->queues,
            .interrupts = function->interrupts,
            .online = function->online && rule(RULE_SECONDARY_LIST),
        };
    }
    job->output->bytes = device->spec->functions * sizeof(*list);
}

static void set_function_count(struct job *job)
{
    const struct job_device *wanted = job->input->data;
    struct device *device = find_device(job, wanted);

    if (!device || faulty(job, device, STEP_SET_FUNCTIONS, FAULT_ANY))
        return;
    /* As the kernel's files want it: to another number by way of 0. */
    int r = device->functions_enabled == wanted->count ? 0 : device_set_functions(device, 0);
    if (r == 0)
        r = device_set_functions(device, wanted->count);
    if (r < 0)
        helper_fail(job->output, r, "%u VFs of %s", wanted->count, device->address);
}

/* An admin command of the PF. */
static bool execute(struct job *job, struct admin_call *call, const char *what)
{
    uint16_t status = admin_execute(call);

    if (status == 0)
        return true;
    job->output->error = -EIO;
    job->output->nvme_status = status;
    snprintf(job->output->reason, sizeof(job->output->reason), "%s: %s (status 0x%x)", what,
             nvme_status_to_string(status, false), status);
    return false;
}

static void virtualization(struct job *job)
{
    const struct job_device *wanted = job->input->data;
    struct device *device = find_device(job, wanted);
    const struct nvme_command command = {
        .opcode = nvme_admin_virtual_mgmt,
        .dword10 =
            htole32((uint32_t)wanted->controller_id << 16 | (uint32_t)wanted->resource << 8 | wanted->action),
        .dword11 = htole32(wanted->count),
    };
    struct admin_call call = {.device = device, .command = &command};

    if (!device || faulty(job, device, STEP_VIRTUALIZATION, wanted->controller_id - 1))
        return;
    if (execute(job, &call, "Virtualization Management")) {
        memcpy(job->output->data, &call.value, sizeof(call.value));
        job->output->bytes = sizeof(call.value);
    }
}

static void attach_namespace(struct job *job)
{
    const struct job_device *wanted = job->input->data;
    struct device *device = find_device(job, wanted);
    const struct nvme_command command = {.opcode = nvme_admin_ns_attach,
                                         .nsid = htole32(wanted->namespace_id),
                                         .dword10 = htole32(!wanted->attach)};
    struct admin_call call = {.device = device, .command = &command};
    struct nvme_ctrl_list *list = (struct nvme_ctrl_list *)(void *)call.data;
    const struct namespace *space;

    if (!device || faulty(job, device, STEP_ATTACH_NAMESPACE, wanted->controller_id - 1))
        return;
    list->num = htole16(1);
    list->identifier[0] = htole16(wanted->controller_id);
    space = wanted->namespace_id <= SPEC_NAMESPACE_ID_MAX ? device->namespaces[wanted->namespace_id] : NULL;
    /* What is so already counts as done. */
    if (space && wanted->controller_id <= device->spec->functions &&
        namespace_attached(space, wanted->controller_id) == wanted->attach)
        return;
    execute(job, &call, wanted->attach ? "attaching a namespace" : "detaching a namespace");
}

/* NVMe's commands for it, in the order of enum hw_namespace_act. */
static void fill_change(const struct hw_namespace_change *change, struct nvme_command *command,
                        struct admin_call *call)
{
    struct nvme_ctrl_list *list = (struct nvme_ctrl_list *)(void *)call->data;
    struct nvme_id_ns *wanted = (struct nvme_id_ns *)(void *)call->data;
    bool large = change->block_bytes == 4096;

    command->nsid = htole32(change->id);
    switch (change->act) {
    case HW_NAMESPACE_CREATE:
        command->opcode = nvme_admin_ns_mgmt;
        wanted->nsze = wanted->ncap = htole64(change->bytes >> (large ? 12 : 9));
        wanted->flbas = large;
        wanted->nmic = change->shareable;
        break;
    case HW_NAMESPACE_DELETE:
        command->opcode = nvme_admin_ns_mgmt;
        command->dword10 = htole32(1);
        break;
    case HW_NAMESPACE_FORMAT:
        command->opcode = nvme_admin_format_nvm;
        command->dword10 = htole32(large);
        break;
    case HW_NAMESPACE_ATTACH:
    case HW_NAMESPACE_DETACH:
        command->opcode = nvme_admin_ns_attach;
        command->dword10 = htole32(change->act == HW_NAMESPACE_DETACH);
        list->num = htole16(1); /* the PF's controller is 0 */
        break;
    }
}

static void change_namespace(struct job *job)
{
    const struct job_namespace *wanted = job->input->data;
    struct hw_namespace_change change = wanted->change;
    struct device *device = find_device(job, &wanted->device);
    struct nvme_command command = {0};
    struct admin_call call = {.device = device, .command = &command};
    struct namespace *space = NULL;
    bool lent = false;

    if (!device || faulty(job, device, STEP_ATTACH_NAMESPACE, FAULT_ANY))
        return;
    if (change.block_bytes && change.block_bytes != 512 && change.block_bytes != 4096) {
        helper_fail(job->output, -EINVAL, "the SSD has no format of %u B a block", change.block_bytes);
        return;
    }
    if (change.act == HW_NAMESPACE_FORMAT && device->spec->format.all) {
        helper_fail(job->output, -EOPNOTSUPP, "this SSD formats all of its namespaces at once");
        return;
    }
    if (change.act != HW_NAMESPACE_CREATE && change.id <= SPEC_NAMESPACE_ID_MAX)
        space = device->namespaces[change.id];
    if (change.act == HW_NAMESPACE_FORMAT && space) {
        if (!change.block_bytes)
            change.block_bytes = 1u << space->block_shift;
        /* A controller formats only what is attached to it. */
        lent = !namespace_attached(space, 0);
        if (lent)
            namespace_attach(space, 0, true);
    }
    fill_change(&change, &command, &call);
    if (execute(job, &call, "changing a namespace") && change.act == HW_NAMESPACE_CREATE) {
        memcpy(job->output->data, &call.value, sizeof(call.value));
        job->output->bytes = sizeof(call.value);
    }
    if (lent)
        namespace_attach(space, 0, false);
}

static void bind(struct job *job)
{
    const struct job_device *wanted = job->input->data;
    const struct function *function = find_function(job, wanted);
    struct hw_function_place *place = job->output->data;

    if (!function || faulty(job, function->device, STEP_BIND, wanted->index))
        return;
    *place = (struct hw_function_place){
        .iommu_group = (int)(function->device->number * NAMESPACE_CONTROLLERS + wanted->index + 1),
        .viable = true};
    device_function_address(function->device, wanted->index, place->address);
    job->output->bytes = sizeof(*place);
}

static void unbind(struct job *job)
{
    find_function(job, job->input->data);
}

/* ---- functions ---- */

static int map_admin(struct function *function, const struct job *job, struct job_opened *opened)
{
    const struct job_open *request = job->input->data;
    uint64_t area;

    opened->iova_ranges[0] = (struct hw_iova_range){.first = 0, .last = IOVA_LAST};
    opened->iova_range_count = 1;
    int r = iova_carve(opened->iova_ranges, &opened->iova_range_count, ADMIN_AREA_BYTES, &area);
    if (r < 0)
        return r;
    opened->read_iova = area;
    opened->write_iova = area + (1u << ADMIN_WRITE_SHIFT);
    r = iommu_map(&function->iommu, job->input->fds[0], 0, request->read_bytes, opened->read_iova,
                  IOMMU_READ);
    if (r == 0)
        r = iommu_map(&function->iommu, job->input->fds[1], 0, request->write_bytes, opened->write_iova,
                      IOMMU_WRITE);
    return r;
}

static int hand_out(const struct function *function, struct helper_output *output)
{
    const int first[] = {[OPENED_GROUP] = function->wake_fd,
                         [OPENED_CONTAINER] = function->domain_fd,
                         [OPENED_DEVICE] = function->bar_fd,
                         [OPENED_REQUEST] = function->request_fd,
                         [OPENED_ERROR] = function->error_fd};
    size_t count = OPENED_VECTORS + function->vector_count;

    for (size_t i = 0; i < count; i++) {
        int fd =
            fcntl(i < OPENED_VECTORS ? first[i] : function->vectors[i - OPENED_VECTORS], F_DUPFD_CLOEXEC, 0);
        if (fd < 0)
            return -errno;
        output->fds[output->fd_count++] = fd;
    }
    return 0;
}

static void open_function(struct job *job)
{
    const struct job_open *request = job->input->data;
    struct function *function = find_function(job, &request->device);
    struct job_opened *opened = job->output->data;

    if (!function || faulty(job, function->device, STEP_OPEN, request->device.index))
        return;
    if (!function_usable(function) && !rule(RULE_OFFLINE_OPEN))
        function->queues = function->interrupts = 2;
    else if (!function_usable(function)) {
        helper_fail(job->output, -ENETDOWN, "its secondary controller is offline");
        return;
    }
    if (job->input->fd_count != 2) {
        helper_fail(job->output, -EINVAL, "the admin queue has two memfds");
        return;
    }
    /* Whoever had it before is gone, or homid would not ask; what they still map leads nowhere. */
    if (function->open)
        function_close(function);
    *opened = (struct job_opened){0};
    int r = function_open(function);
    if (r == 0)
        r = map_admin(function, job, opened);
    if (r == 0)
        r = hand_out(function, job->output);
    if (r < 0) {
        if (function->open)
            function_close(function);
        helper_fail(job->output, r, "opening VF %u", request->device.index);
        return;
    }
    device_function_address(function->device, function->index, opened->address);
    opened->bar_bytes = function->bar_bytes;
    opened->wake_offset = (uint64_t)((const volatile uint8_t *)function->wake - function->bar);
    opened->vectors = (uint16_t)function->vector_count;
    job->output->bytes = sizeof(*opened);
}

static void map(struct job *job)
{
    const struct job_map *request = job->input->data;
    struct function *function = job->input->fd_count == 2 ? find_open(job, job->input->fds[0]) : NULL;

    if (!function || faulty(job, function->device, STEP_MAP, (int)function->index))
        return;
    int r = iommu_map(&function->iommu, job->input->fds[1], request->offset, request->bytes, request->iova,
                      IOMMU_READ | IOMMU_WRITE);
    if (r < 0)
        helper_fail(job->output, r, "mapping %llu bytes for DMA", (unsigned long long)request->bytes);
    queues_resolve(function);
}

static void unmap(struct job *job)
{
    const struct job_map *request = job->input->data;
    struct function *function = job->input->fd_count == 1 ? find_open(job, job->input->fds[0]) : NULL;

    if (!function || faulty(job, function->device, STEP_UNMAP, (int)function->index))
        return;
    int r = iommu_unmap(&function->iommu, request->iova, request->bytes);
    if (r < 0 && !(request->perhaps && r == -ENOENT))
        helper_fail(job->output, r, "unmapping IOVA 0x%llx", (unsigned long long)request->iova);
    queues_resolve(function);
}

static void release(struct job *job)
{
    struct function *function = NULL;

    if (job->input->fd_count > OPENED_DEVICE)
        function = find_open(job, job->input->fds[OPENED_DEVICE]);
    if (!function)
        return;
    if (!faulty(job, function->device, STEP_RELEASE, (int)function->index))
        function_close(function);
}

/* What drives itself needs a PCI function, which the software SSD has none of. */
static void lend(struct job *job)
{
    helper_fail(job->output, -EOPNOTSUPP, "the software SSD has no device nodes");
}

/* The descriptors are closed with the request; a function that was open stays so until it is opened again. */
static void discard(struct job *job)
{
    (void)job;
}

static void take_over(struct job *job)
{
    job->later = JOB_TAKES_OVER;
}

/* The size of the BAR and the number of vectors were settled when it was opened. */
static void renew(struct job *job)
{
    const struct job_renew *request = job->input->data;
    struct function *function = job->input->fd_count == 1 ? find_open(job, job->input->fds[0]) : NULL;

    if (!function || faulty(job, function->device, STEP_OPEN, (int)function->index))
        return;
    if (!function_usable(function)) {
        helper_fail(job->output, -ENETDOWN, "its secondary controller is offline");
    } else if (function->queues != function->queue_count || request->vectors != function->vector_count ||
               function->interrupts < function->vector_count) {
        helper_fail(job->output, -ESTALE, "it has other resources than when it was opened");
    } else {
        controller_reset(function);
        controller_start(function);
    }
}

/* ---- dispatch ---- */

static const struct {
    void (*run)(struct job *job);
    size_t bytes;
} table[HW_LINUX_JOB_COUNT] = {
    [JOB_PROBE] = {probe, sizeof(struct job_device)},
    [JOB_LIST_SECONDARIES] = {list_secondaries, sizeof(struct job_device)},
    [JOB_FUNCTION_COUNT] = {set_function_count, sizeof(struct job_device)},
    [JOB_VIRTUALIZATION] = {virtualization, sizeof(struct job_device)},
    [JOB_ATTACH_NAMESPACE] = {attach_namespace, sizeof(struct job_device)},
    [JOB_CHANGE_NAMESPACE] = {change_namespace, sizeof(struct job_namespace)},
    [JOB_BIND] = {bind, sizeof(struct job_device)},
    [JOB_UNBIND] = {unbind, sizeof(struct job_device)},
    [JOB_OPEN] = {open_function, sizeof(struct job_open)},
    [JOB_MAP] = {map, sizeof(struct job_map)},
    [JOB_UNMAP] = {unmap, sizeof(struct job_map)},
    [JOB_RELEASE] = {release, sizeof(struct job_release)},
    [JOB_LEND] = {lend, sizeof(struct job_loan)},
    [JOB_WITHDRAW] = {lend, sizeof(struct job_loan)},
    [JOB_RECLAIM] = {lend, sizeof(struct job_loan)},
    [JOB_DISCARD] = {discard, 0},
    [JOB_TAKE_OVER] = {take_over, 0},
    [JOB_RENEW] = {renew, sizeof(struct job_renew)},
};

uint64_t model_job(struct world *world, unsigned number, const struct helper_input *input,
                   struct helper_output *output)
{
    struct job job = {.world = world, .input = input, .output = output};

    if (number >= HW_LINUX_JOB_COUNT || input->bytes != table[number].bytes) {
        helper_fail(output, -ENOSYS, "job %u", number);
        return 0;
    }
    world_enter(world);
    table[number].run(&job);
    world_leave(world);
    return job.later;
}
