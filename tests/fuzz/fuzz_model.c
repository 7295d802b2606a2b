/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The software SSD as whoever holds a VF sees it: entries of admin and I/O queues with their PRPs, doorbells,
 * registers, memory that comes and goes, and admin commands of the PF. The world's lock is held throughout,
 * so its poller looks on. Input: one byte says what happens next, and the bytes behind it with what.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "daemon/model/iommu.h"
#include "daemon/model/world.h"
#include "tests/fuzz/fuzz.h"

enum {
    PAGES = 32,
    IOVA = 0x100000, /* admin SQ, admin CQ, I/O SQ, I/O CQ, then data and PRP lists */
    ENTRIES = 32,
    ENABLE = 1 | 6 << 16 | 4 << 20,
    BUDGET = 8,
};

static const char spec_text[] =
    "{\"pollers\":1,\"devices\":[{\"serial\":\"FUZZ\",\"virtualFunctions\":2,"
    "\"virtualizationManagement\":false,\"queues\":{\"perFunction\":4,\"total\":8},"
    "\"interrupts\":{\"perFunction\":2,\"total\":4},\"namespaces\":[{\"id\":1,\"bytes\":\"64K\"},"
    "{\"id\":2,\"bytes\":\"64K\",\"blockBytes\":4096},{\"id\":3,\"bytes\":\"1G\",\"backing\":\"null\"}]}]}";

static struct model_spec *spec;
static struct world *world;
static int memory = -1;
static uint8_t *pages;

static void start(void)
{
    struct spec_error error;

    fuzz_require(spec_parse(spec_text, &spec, &error) == 0 && world_new(spec, &world) == 0);
    memory = memfd_create("fuzz-model", MFD_CLOEXEC);
    fuzz_require(memory >= 0 && ftruncate(memory, PAGES * PAGE_BYTES) == 0);
    pages = mmap(NULL, PAGES * PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
    fuzz_require(pages != MAP_FAILED);
}

static void set32(struct function *function, unsigned offset, uint32_t value)
{
    memcpy(function->bar + offset, &value, sizeof(value));
}

static void bring_up(struct function *function)
{
    struct iommu *iommu = &function->iommu;

    fuzz_require(function_open(function) == 0);
    /* The admin submission queue may only be read, as homid maps it. */
    fuzz_require(iommu_map(iommu, memory, 0, PAGE_BYTES, IOVA, IOMMU_READ) == 0);
    fuzz_require(iommu_map(iommu, memory, PAGE_BYTES, (PAGES - 1) * PAGE_BYTES, IOVA + PAGE_BYTES,
                           IOMMU_READ | IOMMU_WRITE) == 0);
    set32(function, REGISTER_AQA, (ENTRIES - 1) << 16 | (ENTRIES - 1));
    set32(function, REGISTER_ASQ, IOVA);
    set32(function, REGISTER_ACQ, IOVA + PAGE_BYTES);
    set32(function, REGISTER_CC, ENABLE);
    controller_registers(function);
    fuzz_require(function->enabled);
    completion_open(function, 1, IOVA + 3 * PAGE_BYTES, ENTRIES);
    submission_open(function, 1, IOVA + 2 * PAGE_BYTES, ENTRIES, 1);
}

/* An entry at the tail of a queue, and its doorbell. */
static void submit(struct function *function, unsigned id, struct fuzz_input *input)
{
    struct submission_queue *queue = &function->submission[id];
    struct nvme_command command;

    fuzz_take(input, &command, sizeof(command));
    if (!queue->present || queue->entries == 0)
        return;
    uint32_t tail = queue->tail % ENTRIES;
    memcpy(pages + (id ? 2 : 0) * PAGE_BYTES + tail * sizeof(command), &command, sizeof(command));
    *queue_doorbell(function, (uint16_t)id, false) = (tail + 1) % queue->entries;
    /* The host has taken all completions. */
    *queue_doorbell(function, queue->completion_id, true) = function->completion[queue->completion_id].tail;
}

static void serve(struct function *function)
{
    controller_registers(function);
    controller_tick(function, world_now());
    if (function->enabled)
        admin_serve(function);
    for (unsigned i = 0; function->enabled && i < function->active_count; i++) {
        struct submission_queue *queue = &function->submission[function->active[i]];
        if (submission_pending(function, queue))
            io_serve(function, queue, BUDGET);
    }
    device_act(function->device);
}

static void write_doorbell(struct function *function, struct fuzz_input *input)
{
    unsigned which = fuzz_byte(input);

    *queue_doorbell(function, (uint16_t)(which / 2 % function->queues), which & 1) = fuzz_u32(input);
}

static void write_memory(struct fuzz_input *input)
{
    unsigned at = fuzz_u32(input) % (PAGES * PAGE_BYTES - 256), count = fuzz_byte(input);

    fuzz_take(input, pages + at, count);
}

static void change_mappings(struct function *function, struct fuzz_input *input)
{
    unsigned what = fuzz_byte(input);
    uint64_t iova = IOVA + (uint64_t)(fuzz_byte(input) % 64) * PAGE_BYTES;

    if (what & 1)
        (void)iommu_unmap(&function->iommu, iova, (1 + what / 16) * PAGE_BYTES);
    else
        (void)iommu_map(&function->iommu, memory, (what / 16) * PAGE_BYTES, PAGE_BYTES, iova, 1 + what % 3);
    queues_resolve(function);
}

static void give_primary(struct device *device, struct fuzz_input *input)
{
    static struct admin_call call;
    struct nvme_command command;

    fuzz_take(input, &command, sizeof(command));
    call = (struct admin_call){.device = device, .command = &command};
    fuzz_take(input, call.data, 64);
    (void)admin_execute(&call);
    fuzz_require(call.data_bytes <= sizeof(call.data));
}

static void step(struct function *function, struct fuzz_input *input)
{
    switch (fuzz_byte(input) % 8) {
    case 0: submit(function, 0, input); break;
    case 1: submit(function, 1, input); break;
    case 2: write_doorbell(function, input); break;
    case 3: write_memory(input); break;
    case 4: change_mappings(function, input); break;
    case 5: give_primary(function->device, input); break;
    case 6: {
        unsigned offset = fuzz_byte(input) & 0x3c;
        set32(function, offset, fuzz_u32(input));
        break;
    }
    default: break;
    }
    serve(function);
}

int fuzz_one(const uint8_t *data, size_t bytes)
{
    struct fuzz_input input = {data, bytes};

    if (!world)
        start();
    world_enter(world);
    device_free(world->devices[0]);
    fuzz_require(device_new(world, &spec->devices[0], 0, &world->devices[0]) == 0);
    struct device *device = world->devices[0];
    fuzz_require(device_set_functions(device, 2) == 0);
    bring_up(&device->functions[0]);
    memset(pages, 0, PAGES * PAGE_BYTES);
    while (input.left > 0 && device->functions[0].open)
        step(&device->functions[0], &input);
    if (device->functions[0].open)
        function_close(&device->functions[0]);
    world_leave(world);
    return 0;
}
