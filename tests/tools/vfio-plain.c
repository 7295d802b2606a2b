/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A program that drives an NVMe function by itself through vfio-pci and knows nothing of homid: what people
 * run on a passthrough lease. It resets and enables the controller, makes a queue pair, and writes or
 * verifies blocks. Usage: vfio-plain GROUP-NODE PCI-ADDRESS NSID write|verify SEED BLOCKS vfio-plain
 * GROUP-NODE PCI-ADDRESS NSID hold        (opens it, prints "holding", and waits) vfio-plain GROUP-NODE
 * PCI-ADDRESS NSID attach      (attaches the namespace to itself, as homid would) Exit status: 0 done, 1 it
 * failed, 3 data differ, 4 the node may not be opened.
 */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define PAGE         4096u
#define IOVA         UINT64_C(0x100000)
#define ENTRIES      16u
#define BLOCK        512u
#define WAIT_SECONDS 20

enum { ADMIN_SQ, ADMIN_CQ, IO_SQ, IO_CQ, DATA, PAGES };
enum {
    REG_CC = 0x14,
    REG_CSTS = 0x1c,
    REG_AQA = 0x24,
    REG_ASQ = 0x28,
    REG_ACQ = 0x30,
    REG_DOORBELLS = 0x1000
};
enum { CREATE_SQ = 1, CREATE_CQ = 5, IDENTIFY = 6, NS_ATTACH = 0x15, WRITE = 1, READ = 2 };

struct queue {
    uint8_t *sq, *cq;
    unsigned id, tail, head, phase;
};

struct device {
    int container, group, fd;
    volatile uint8_t *bar;
    uint8_t *memory;
    struct queue admin, io;
};

static void die(const char *what)
{
    int status = errno == EACCES || errno == EPERM ? 4 : 1;
    fprintf(stderr, "vfio-plain: %s: %s\n", what, strerror(errno));
    exit(status);
}

static uint32_t read32(struct device *device, unsigned offset)
{
    return le32toh(*(volatile uint32_t *)(device->bar + offset));
}

static void write32(struct device *device, unsigned offset, uint32_t value)
{
    __atomic_thread_fence(__ATOMIC_RELEASE);
    *(volatile uint32_t *)(device->bar + offset) = htole32(value);
}

static void put32(uint8_t *command, unsigned offset, uint32_t value)
{
    value = htole32(value);
    memcpy(command + offset, &value, sizeof value);
}

static void put_data(uint8_t *command, unsigned page)
{
    put32(command, 24, (uint32_t)(IOVA + page * PAGE));
}

static void open_device(struct device *device, const char *group, const char *address)
{
    struct vfio_region_info bar = {.argsz = sizeof bar, .index = VFIO_PCI_BAR0_REGION_INDEX};
    struct vfio_region_info config = {.argsz = sizeof config, .index = VFIO_PCI_CONFIG_REGION_INDEX};
    struct vfio_iommu_type1_dma_map map = {.argsz = sizeof map,
                                           .flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE};
    uint16_t command = PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER;

    device->container = open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC);
    device->group = open(group, O_RDWR | O_CLOEXEC);
    if (device->container < 0 || device->group < 0)
        die(group);
    if (ioctl(device->group, VFIO_GROUP_SET_CONTAINER, &device->container) < 0 ||
        ioctl(device->container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU) < 0)
        die("container");
    device->fd = ioctl(device->group, VFIO_GROUP_GET_DEVICE_FD, address);
    if (device->fd < 0 || ioctl(device->fd, VFIO_DEVICE_GET_REGION_INFO, &bar) < 0 ||
        ioctl(device->fd, VFIO_DEVICE_GET_REGION_INFO, &config) < 0)
        die(address);
    if (pwrite(device->fd, &command, sizeof command, (off_t)config.offset + PCI_COMMAND) != sizeof command)
        die("bus mastering");
    device->bar = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, device->fd, (off_t)bar.offset);
    device->memory = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (device->bar == MAP_FAILED || device->memory == MAP_FAILED)
        die("mmap");
    map.vaddr = (uintptr_t)device->memory;
    map.iova = IOVA;
    map.size = PAGES * PAGE;
    if (ioctl(device->container, VFIO_IOMMU_MAP_DMA, &map) < 0)
        die("DMA mapping");
}

static void wait_ready(struct device *device, uint32_t ready)
{
    time_t end = time(NULL) + WAIT_SECONDS;

    while ((read32(device, REG_CSTS) & 1) != ready) {
        if (time(NULL) > end) {
            errno = ETIMEDOUT;
            die("CSTS.RDY");
        }
    }
}

static void enable(struct device *device)
{
    write32(device, REG_CC, 0);
    wait_ready(device, 0);
    device->admin =
        (struct queue){device->memory + ADMIN_SQ * PAGE, device->memory + ADMIN_CQ * PAGE, .phase = 1};
    write32(device, REG_AQA, (ENTRIES - 1) << 16 | (ENTRIES - 1));
    write32(device, REG_ASQ, (uint32_t)(IOVA + ADMIN_SQ * PAGE));
    write32(device, REG_ASQ + 4, 0);
    write32(device, REG_ACQ, (uint32_t)(IOVA + ADMIN_CQ * PAGE));
    write32(device, REG_ACQ + 4, 0);
    write32(device, REG_CC, 4u << 20 | 6u << 16 | 1);
    wait_ready(device, 1);
}

/* One command at a time; returns its status field. */
static unsigned execute(struct device *device, struct queue *queue, const uint8_t command[64])
{
    time_t end = time(NULL) + WAIT_SECONDS;
    volatile uint8_t *entry = queue->cq + queue->head * 16;

    memcpy(queue->sq + queue->tail * 64, command, 64);
    queue->tail = (queue->tail + 1) % ENTRIES;
    write32(device, REG_DOORBELLS + queue->id * 8, queue->tail);
    while ((entry[14] & 1) != queue->phase) {
        if (time(NULL) > end) {
            errno = ETIMEDOUT;
            die("a command was not answered");
        }
    }
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    unsigned status = (unsigned)(entry[14] | entry[15] << 8) >> 1;
    queue->head = (queue->head + 1) % ENTRIES;
    if (queue->head == 0)
        queue->phase ^= 1;
    write32(device, REG_DOORBELLS + queue->id * 8 + 4, queue->head);
    return status;
}

static void must(unsigned status, const char *what)
{
    if (status == 0)
        return;
    fprintf(stderr, "vfio-plain: %s: NVMe status 0x%x\n", what, status);
    exit(1);
}

static void make_queues(struct device *device)
{
    uint8_t command[64] = {CREATE_CQ};

    device->io =
        (struct queue){device->memory + IO_SQ * PAGE, device->memory + IO_CQ * PAGE, .id = 1, .phase = 1};
    put_data(command, IO_CQ);
    put32(command, 40, (ENTRIES - 1) << 16 | 1);
    put32(command, 44, 1);
    must(execute(device, &device->admin, command), "Create I/O Completion Queue");
    command[0] = CREATE_SQ;
    put_data(command, IO_SQ);
    put32(command, 44, 1 << 16 | 1);
    must(execute(device, &device->admin, command), "Create I/O Submission Queue");
}

static bool lists(struct device *device, uint32_t id)
{
    uint8_t command[64] = {IDENTIFY};
    uint32_t entry;
    bool found = false;

    put_data(command, DATA);
    put32(command, 40, 2);
    must(execute(device, &device->admin, command), "Identify active namespaces");
    for (unsigned i = 0; i < PAGE / 4; i++) {
        memcpy(&entry, device->memory + DATA * PAGE + 4 * i, 4);
        found = found || le32toh(entry) == id;
    }
    return found;
}

/* What an owner of the whole function may try: NVMe Base 2.0, section 5.19, Namespace Attachment. */
static int attach(struct device *device, uint32_t id)
{
    uint8_t command[64] = {NS_ATTACH}, identify[64] = {IDENTIFY};
    uint16_t controller;

    put_data(identify, DATA);
    put32(identify, 40, 1);
    must(execute(device, &device->admin, identify), "Identify controller");
    memcpy(&controller, device->memory + DATA * PAGE + 78, sizeof controller);
    memset(device->memory + DATA * PAGE, 0, PAGE);
    device->memory[DATA * PAGE] = 1;
    memcpy(device->memory + DATA * PAGE + 2, &controller, sizeof controller);
    put32(command, 4, id);
    put_data(command, DATA);
    unsigned status = execute(device, &device->admin, command);
    printf("attaching namespace %u: NVMe status 0x%x, listed %d\n", id, status, lists(device, id));
    return 0;
}

static void fill(uint8_t *block, uint64_t seed, uint64_t lba)
{
    uint64_t value = seed * UINT64_C(0x9e3779b97f4a7c15) + lba;

    for (unsigned i = 0; i < BLOCK; i += sizeof value) {
        value = value * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        memcpy(block + i, &value, sizeof value);
    }
}

static int transfer(struct device *device, uint32_t id, bool writes, uint64_t seed, uint64_t blocks)
{
    uint8_t *data = device->memory + DATA * PAGE, expected[BLOCK];

    for (uint64_t lba = 0; lba < blocks; lba++) {
        uint8_t command[64] = {writes ? WRITE : READ};
        fill(expected, seed, lba);
        memset(data, 0, BLOCK);
        if (writes)
            memcpy(data, expected, BLOCK);
        put32(command, 4, id);
        put_data(command, DATA);
        put32(command, 40, (uint32_t)lba);
        must(execute(device, &device->io, command), writes ? "Write" : "Read");
        if (!writes && memcmp(data, expected, BLOCK) != 0) {
            printf("block %llu differs\n", (unsigned long long)lba);
            return 3;
        }
    }
    printf("%llu blocks %s\n", (unsigned long long)blocks, writes ? "written" : "verified");
    return 0;
}

int main(int argc, char **argv)
{
    struct device device = {0};

    if (argc < 5) {
        fputs("usage: vfio-plain GROUP-NODE PCI-ADDRESS NSID write|verify|hold|attach [SEED BLOCKS]\n",
              stderr);
        return 1;
    }
    uint32_t id = (uint32_t)strtoul(argv[3], NULL, 10);
    open_device(&device, argv[1], argv[2]);
    enable(&device);
    if (strcmp(argv[4], "hold") == 0) {
        puts("holding");
        fflush(stdout);
        pause();
        return 0;
    }
    if (strcmp(argv[4], "attach") == 0)
        return attach(&device, id);
    if (argc < 7 || !lists(&device, id)) {
        fprintf(stderr, "vfio-plain: namespace %u is not attached\n", id);
        return 1;
    }
    make_queues(&device);
    return transfer(&device, id, strcmp(argv[4], "write") == 0, strtoull(argv[5], NULL, 0),
                    strtoull(argv[6], NULL, 0));
}
