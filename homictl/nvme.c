/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Offsets and numbers are those of the NVMe Base Specification 2.0. homictl stands on libhomi only, so the
 * few structures that it reads are taken apart here.
 */
#include "homictl/nvme.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/nvme_ioctl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
    DATA_BYTES = 4096,
    REGISTER_BYTES = 4096,
    TIMEOUT_MILLISECONDS = 10000,
    IDENTIFY = 0x06,
    GET_LOG_PAGE = 0x02,
    CNS_CONTROLLER = 0x01,
    CNS_PRIMARY = 0x14,
    CNS_SECONDARIES = 0x15,
    LOG_EFFECTS = 0x05,
    SECONDARIES_MAX = 127,
};

static int ask(int fd, uint8_t opcode, uint32_t dword10, uint32_t dword11, unsigned char data[DATA_BYTES])
{
    struct nvme_admin_cmd command = {
        .opcode = opcode,
        .nsid = opcode == GET_LOG_PAGE ? 0xffffffffu : 0,
        .addr = (uint64_t)(uintptr_t)data,
        .data_len = DATA_BYTES,
        .cdw10 = dword10,
        .cdw11 = dword11,
        .timeout_ms = TIMEOUT_MILLISECONDS,
    };

    memset(data, 0, DATA_BYTES);
    return ioctl(fd, NVME_IOCTL_ADMIN_CMD, &command);
}

static uint64_t little(const unsigned char *data, unsigned bytes)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < bytes; i++)
        value |= (uint64_t)data[i] << (8 * i);
    return value;
}

struct field {
    const char *key;
    unsigned offset, bytes;
};

static void add_fields(struct json_object *object, const struct field *field, const unsigned char *data)
{
    for (; field->key; field++)
        json_object_object_add(object, field->key,
                               json_object_new_int64((int64_t)little(data + field->offset, field->bytes)));
}

/* Section 5.17.2.1. */
static const struct field controller_fields[] = {
    {"controllerId", 78, 2},        {"version", 80, 4},
    {"multipath", 76, 1},           {"maximumTransfer", 77, 1},
    {"optionalAdmin", 256, 2},      {"abortLimit", 258, 1},
    {"eventLimit", 259, 1},         {"namespaces", 516, 4},
    {"optionalCommands", 520, 2},   {"formatAttributes", 524, 1},
    {"volatileWriteCache", 525, 1}, {0},
};

/* Section 5.17.2.16. */
static const struct field primary_fields[] = {
    {"resourceTypes", 4, 1},          {"queuesTotal", 32, 4},
    {"queuesAssigned", 36, 4},        {"queuesOfPrimary", 40, 2},
    {"queuesPrivate", 42, 2},         {"queuesPerSecondary", 44, 2},
    {"queuesGranularity", 46, 2},     {"interruptsTotal", 64, 4},
    {"interruptsAssigned", 68, 4},    {"interruptsOfPrimary", 72, 2},
    {"interruptsPrivate", 74, 2},     {"interruptsPerSecondary", 76, 2},
    {"interruptsGranularity", 78, 2}, {0},
};

/* Section 5.17.2.17, one entry. */
static const struct field secondary_fields[] = {
    {"controllerId", 0, 2}, {"state", 4, 1},       {"virtualFunction", 8, 2},
    {"queues", 10, 2},      {"interrupts", 12, 2}, {0},
};

static void describe_secondaries(int fd, struct json_object *description)
{
    unsigned char data[DATA_BYTES];
    struct json_object *list;

    if (ask(fd, IDENTIFY, CNS_SECONDARIES, 0, data) != 0)
        return;
    list = json_object_new_array();
    for (unsigned i = 0; i < data[0] && i < SECONDARIES_MAX; i++) {
        struct json_object *entry = json_object_new_object();

        add_fields(entry, secondary_fields, data + 32 + 32 * (size_t)i);
        json_object_array_add(list, entry);
    }
    json_object_object_add(description, "secondaryControllers", list);
}

/* Commands Supported and Effects (section 5.16.1.6): the admin commands that there are, with what they do. */
static void describe_effects(int fd, struct json_object *description)
{
    unsigned char data[DATA_BYTES];
    struct json_object *commands;

    if (ask(fd, GET_LOG_PAGE, LOG_EFFECTS | (DATA_BYTES / 4 - 1) << 16, 0, data) != 0)
        return;
    commands = json_object_new_object();
    for (unsigned opcode = 0; opcode < 256; opcode++) {
        uint64_t effects = little(data + 4 * (size_t)opcode, 4);
        char name[8];

        snprintf(name, sizeof(name), "0x%02x", opcode);
        if (effects & 1)
            json_object_object_add(commands, name, json_object_new_int64((int64_t)effects));
    }
    json_object_object_add(description, "adminCommands", commands);
}

/* CAP (section 3.1.3), which no command tells. Reading it does nothing to the controller; a kernel with
 * IO_STRICT_DEVMEM does not let it be mapped while the driver has it, and it is left out. */
static void describe_registers(const char *address, struct json_object *description)
{
    char path[PATH_MAX], text[32];

    snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/resource0", address);

    int fd = open(path, O_RDONLY | O_CLOEXEC);
    volatile uint32_t *registers =
        fd < 0 ? MAP_FAILED : mmap(NULL, REGISTER_BYTES, PROT_READ, MAP_SHARED, fd, 0);

    if (registers != MAP_FAILED) {
        snprintf(text, sizeof(text), "0x%08x%08x", registers[1], registers[0]);
        json_object_object_add(description, "capabilities", json_object_new_string(text));
        munmap((void *)(uintptr_t)registers, REGISTER_BYTES);
    }
    if (fd >= 0)
        close(fd);
}

int nvme_describe(const char *controller, const char *address, struct json_object **ret_description)
{
    unsigned char data[DATA_BYTES];
    struct json_object *description, *primary;
    char path[PATH_MAX];

    snprintf(path, sizeof(path), "/dev/%s", controller);

    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return -errno;
    description = json_object_new_object();
    if (ask(fd, IDENTIFY, CNS_CONTROLLER, 0, data) == 0)
        add_fields(description, controller_fields, data);
    if (ask(fd, IDENTIFY, CNS_PRIMARY, 0, data) == 0) {
        primary = json_object_new_object();
        add_fields(primary, primary_fields, data);
        json_object_object_add(description, "primaryController", primary);
        describe_secondaries(fd, description);
    }
    describe_effects(fd, description);
    describe_registers(address, description);
    close(fd);
    *ret_description = description;
    return 0;
}
