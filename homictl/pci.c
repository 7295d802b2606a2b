/* SPDX-License-Identifier: BSD-3-Clause */
/* Offsets are those of the PCI Express Base Specification 5.0, sections 7.5 and 9.3. */
#include "homictl/pci.h"

#include <inttypes.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "homictl/machine.h"

enum {
    CONFIG_BYTES = 4096,
    CAPABILITIES = 0x34,
    EXTENDED = 0x100,
    CAP_EXPRESS = 0x10,
    CAP_MSIX = 0x11,
    EXT_ACS = 0x0d,
    EXT_ARI = 0x0e,
    EXT_ATS = 0x0f,
    EXT_SRIOV = 0x10,
    CHAIN_MAX = 64, /* links followed, lest a device's loop be followed for ever */
};

struct config {
    unsigned char bytes[CONFIG_BYTES];
    size_t length;
};

static uint32_t read_bytes(const struct config *config, size_t at, unsigned count)
{
    uint32_t value = 0;

    if (at + count > config->length)
        return 0;
    for (unsigned i = 0; i < count; i++)
        value |= (uint32_t)config->bytes[at + i] << (8 * i);
    return value;
}

static size_t find_capability(const struct config *config, unsigned id)
{
    size_t at = read_bytes(config, CAPABILITIES, 1) & ~3u;

    for (unsigned i = 0; at && i < CHAIN_MAX; i++) {
        if (read_bytes(config, at, 1) == id)
            return at;
        at = read_bytes(config, at + 1, 1) & ~3u;
    }
    return 0;
}

static size_t find_extended(const struct config *config, unsigned id)
{
    size_t at = EXTENDED;

    for (unsigned i = 0; at >= EXTENDED && i < CHAIN_MAX; i++) {
        uint32_t header = read_bytes(config, at, 4);

        if ((header & 0xffff) == id)
            return at;
        at = header >> 20 & ~3u;
    }
    return 0;
}

static void add_number(struct json_object *object, const char *key, uint64_t number)
{
    json_object_object_add(object, key, json_object_new_int64((int64_t)number));
}

static void describe_sriov(const struct config *config, struct json_object *pci)
{
    size_t at = find_extended(config, EXT_SRIOV);
    struct json_object *sriov;

    if (!at)
        return;
    sriov = json_object_new_object();
    add_number(sriov, "initialVirtualFunctions", read_bytes(config, at + 0x0c, 2));
    add_number(sriov, "totalVirtualFunctions", read_bytes(config, at + 0x0e, 2));
    add_number(sriov, "virtualFunctions", read_bytes(config, at + 0x10, 2));
    add_number(sriov, "dependencyLink", read_bytes(config, at + 0x12, 1));
    add_number(sriov, "firstOffset", read_bytes(config, at + 0x14, 2));
    add_number(sriov, "stride", read_bytes(config, at + 0x16, 2));
    add_number(sriov, "deviceId", read_bytes(config, at + 0x1a, 2));
    add_number(sriov, "supportedPageSizes", read_bytes(config, at + 0x1c, 4));
    json_object_object_add(pci, "sriov", sriov);
}

static void describe_config(const struct config *config, struct json_object *pci)
{
    size_t msix = find_capability(config, CAP_MSIX), express = find_capability(config, CAP_EXPRESS);

    add_number(pci, "vendorId", read_bytes(config, 0, 2));
    add_number(pci, "deviceId", read_bytes(config, 2, 2));
    /* An ordinary user sees the first 64 bytes, which end before any capability. */
    if (config->length <= 64)
        return;
    if (msix)
        add_number(pci, "msixVectors", (read_bytes(config, msix + 2, 2) & 0x7ff) + 1);
    json_object_object_add(pci, "functionLevelReset",
                           json_object_new_boolean(express && read_bytes(config, express + 4, 4) >> 28 & 1));
    json_object_object_add(pci, "ari", json_object_new_boolean(find_extended(config, EXT_ARI) != 0));
    json_object_object_add(pci, "acs", json_object_new_boolean(find_extended(config, EXT_ACS) != 0));
    json_object_object_add(pci, "ats", json_object_new_boolean(find_extended(config, EXT_ATS) != 0));
    describe_sriov(config, pci);
}

/* Lines of "first last flags"; the six BARs come first, those of VFs from the eighth on. */
static void describe_bars(const char *root, const char *address, struct json_object *pci)
{
    struct json_object *bars = json_object_new_array();
    char text[MACHINE_TEXT_BYTES];
    uint64_t first, last, flags;
    int used;

    if (machine_read(root, text, "/sys/bus/pci/devices/%s/resource", address) == 0) {
        const char *at = text;

        for (unsigned i = 0;
             sscanf(at, "%" SCNx64 " %" SCNx64 " %" SCNx64 "%n", &first, &last, &flags, &used) == 3;
             i++, at += used) {
            struct json_object *bar;

            if (last <= first)
                continue;
            bar = json_object_new_object();
            add_number(bar, "resource", i);
            add_number(bar, "bytes", last - first + 1);
            json_object_array_add(bars, bar);
        }
    }
    json_object_object_add(pci, "bars", bars);
}

static void describe_text(const char *root, const char *address, const char *attribute, const char *key,
                          struct json_object *pci)
{
    char text[MACHINE_TEXT_BYTES];

    if (machine_read(root, text, "/sys/bus/pci/devices/%s/%s", address, attribute) == 0)
        json_object_object_add(pci, key, json_object_new_string(text));
}

struct json_object *pci_describe(const char *root, const char *address)
{
    struct json_object *pci = json_object_new_object();
    struct config config = {.length = 0};
    char path[PATH_MAX], group[MACHINE_NAME_BYTES];

    json_object_object_add(pci, "address", json_object_new_string(address));
    snprintf(path, sizeof(path), "%s/sys/bus/pci/devices/%s/config", root, address);

    FILE *file = fopen(path, "r");

    if (file) {
        config.length = fread(config.bytes, 1, sizeof(config.bytes), file);
        fclose(file);
        describe_config(&config, pci);
    }
    describe_bars(root, address, pci);
    describe_text(root, address, "reset_method", "resetMethods", pci);
    describe_text(root, address, "max_link_speed", "linkSpeed", pci);
    describe_text(root, address, "max_link_width", "linkWidth", pci);
    describe_text(root, address, "numa_node", "numaNode", pci);
    if (machine_link(root, group, "/sys/bus/pci/devices/%s/iommu_group", address) == 0)
        json_object_object_add(pci, "iommuGroup", json_object_new_string(group));
    return pci;
}
