/* SPDX-License-Identifier: BSD-3-Clause */
/* The SSDs that the kernel's nvme driver has, and the virtual functions that they have now. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "homictl/call.h"
#include "homictl/doctor.h"
#include "homictl/listing.h"
#include "homictl/machine.h"

struct look {
    struct doctor *doctor;
    unsigned capable, controllers;
    struct json_object *managed; /* what homid lists as devices; NULL when it does not answer */
};

/* Whether homid manages the controller; without homid nobody does. */
static bool is_managed(const struct look *look, const struct machine_controller *controller)
{
    for (size_t i = 0; look->managed && i < json_object_array_length(look->managed); i++) {
        const char *address = member_text(json_object_array_get_idx(look->managed, i), "address");

        if (address && !strcmp(address, controller->address))
            return true;
    }
    return false;
}

static void check_function(const struct look *look, const struct machine_controller *controller,
                           const char *address)
{
    struct doctor *doctor = look->doctor;
    char driver[MACHINE_NAME_BYTES] = "", group[MACHINE_NAME_BYTES] = "", folder[128], mend[256];
    unsigned members;

    machine_link(doctor->root, driver, "/sys/bus/pci/devices/%s/driver", address);
    if (!strcmp(driver, "nvme")) {
        snprintf(mend, sizeof(mend), "echo %s >/sys/bus/pci/drivers/nvme/unbind", address);
        doctor_find(doctor, "virtual functions", VERDICT_BAD, mend,
                    "%s of %s is bound to the kernel's nvme driver, so no tenant can have it", address,
                    controller->name);
    }
    if (machine_link(doctor->root, group, "/sys/bus/pci/devices/%s/iommu_group", address) < 0) {
        doctor_find(doctor, "IOMMU groups", VERDICT_BAD, "see what is said above about the IOMMU",
                    "%s has no IOMMU group", address);
        return;
    }
    snprintf(folder, sizeof(folder), "/sys/kernel/iommu_groups/%s/devices", group);
    members = machine_each(doctor->root, folder, NULL, NULL);
    if (members > 1)
        doctor_find(doctor, "IOMMU groups", VERDICT_BAD,
                    "put the SSD into a slot of the processor, or turn on ACS in the firmware",
                    "%s shares group %s with %u others (no ACS between them), so it cannot be isolated",
                    address, group, members - 1);
}

static void check_functions(struct look *look, const struct machine_controller *controller, uint64_t enabled)
{
    char address[MACHINE_NAME_BYTES], mend[256];

    for (uint64_t i = 0; i < enabled; i++)
        if (machine_link(look->doctor->root, address, "/sys/bus/pci/devices/%s/virtfn%" PRIu64,
                         controller->address, i) == 0)
            check_function(look, controller, address);
    if (!enabled || is_managed(look, controller))
        return;
    snprintf(mend, sizeof(mend),
             "echo 0 >/sys/bus/pci/devices/%s/sriov_numvfs, unless somebody else uses them",
             controller->address);
    doctor_find(look->doctor, "stale functions", VERDICT_WARNING, mend,
                "%s has %" PRIu64 " virtual functions, and no homid that answers manages it",
                controller->name, enabled);
}

static void check_controller(void *user, const struct machine_controller *controller)
{
    struct look *look = user;
    uint64_t total = 0, enabled = 0, autoprobe = 0;
    bool capability = machine_number(look->doctor->root, &total, "/sys/bus/pci/devices/%s/sriov_totalvfs",
                                     controller->address) == 0;

    look->controllers++;
    if (!capability) {
        doctor_find(look->doctor, "SR-IOV", VERDICT_WARNING,
                    "if the data sheet promises SR-IOV: turn it on in the machine's firmware, and see the "
                    "vendor's tool",
                    "%s (%s, %s) shows no SR-IOV capability", controller->name, controller->model,
                    controller->address);
        return;
    }
    if (total == 0) {
        doctor_find(look->doctor, "SR-IOV", VERDICT_BAD,
                    "raise the number of virtual functions with the vendor's tool",
                    "%s (%s, %s) has SR-IOV, but its firmware allows no virtual function", controller->name,
                    controller->model, controller->address);
        return;
    }
    look->capable++;
    machine_number(look->doctor->root, &enabled, "/sys/bus/pci/devices/%s/sriov_numvfs", controller->address);
    doctor_find(look->doctor, "SR-IOV", VERDICT_GOOD, NULL,
                "%s (%s, %s): %" PRIu64 " of %" PRIu64 " virtual functions enabled", controller->name,
                controller->model, controller->address, enabled, total);
    machine_number(look->doctor->root, &autoprobe, "/sys/bus/pci/devices/%s/sriov_drivers_autoprobe",
                   controller->address);
    if (enabled && autoprobe)
        doctor_find(look->doctor, "SR-IOV", VERDICT_WARNING, "see `homictl retry` of the device",
                    "%s: the kernel's drivers take new virtual functions (sriov_drivers_autoprobe)",
                    controller->name);
    check_functions(look, controller, enabled);
}

/* Functions of an SSD whose PF is bound to something else than the nvme driver do not show in
 * /sys/class/nvme. */
static void check_class(void *user, const char *address)
{
    struct doctor *doctor = user;
    char driver[MACHINE_NAME_BYTES] = "no driver", mend[256];
    uint64_t class = 0;

    machine_number(doctor->root, &class, "/sys/bus/pci/devices/%s/class", address);
    if (class != 0x010802 || machine_exists(doctor->root, "/sys/bus/pci/devices/%s/physfn", address))
        return;
    machine_link(doctor->root, driver, "/sys/bus/pci/devices/%s/driver", address);
    if (!strcmp(driver, "nvme"))
        return;
    snprintf(
        mend, sizeof(mend),
        "echo %s >/sys/bus/pci/drivers/%s/unbind; modprobe nvme; echo %s >/sys/bus/pci/drivers/nvme/bind",
        address, driver, address);
    doctor_find(doctor, "driver", VERDICT_WARNING, mend,
                "the SSD %s is bound to %s; homid needs the kernel's nvme driver there", address, driver);
}

void doctor_devices(struct doctor *doctor)
{
    struct look look = {.doctor = doctor};

    listing_fetch(doctor->options, &listing_devices, true, &look.managed);
    machine_each(doctor->root, "/sys/bus/pci/devices", check_class, doctor);
    machine_each_controller(doctor->root, check_controller, &look);
    if (!look.controllers)
        doctor_find(doctor, "SSDs", VERDICT_BAD, "see that the SSD is plugged in: lspci -d ::0108",
                    "the kernel's nvme driver has no PCI controller");
    else if (!look.capable)
        doctor_find(doctor, "SSDs", VERDICT_BAD, "`homid --model` has a software SSD to try things with",
                    "no SSD here can have virtual functions");
    json_object_put(look.managed);
}
