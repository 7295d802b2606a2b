/* SPDX-License-Identifier: BSD-3-Clause */
/* What the machine must have before any SSD matters. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "homictl/doctor.h"
#include "homictl/machine.h"

#define KERNEL_MAJOR 6
#define KERNEL_MINOR 1

static void check_kernel(struct doctor *doctor)
{
    char text[MACHINE_TEXT_BYTES];
    unsigned major, minor;

    if (machine_read(doctor->root, text, "/proc/sys/kernel/osrelease") < 0 ||
        sscanf(text, "%u.%u", &major, &minor) != 2)
        doctor_find(doctor, "kernel", VERDICT_UNKNOWN, NULL, "/proc/sys/kernel/osrelease cannot be read");
    else if (major > KERNEL_MAJOR || (major == KERNEL_MAJOR && minor >= KERNEL_MINOR))
        doctor_find(doctor, "kernel", VERDICT_GOOD, NULL, "Linux %.64s", text);
    else
        doctor_find(doctor, "kernel", VERDICT_BAD, "install a newer kernel",
                    "Linux %.64s is older than %d.%d", text, KERNEL_MAJOR, KERNEL_MINOR);
}

/* Whole words of the command line. */
static bool has_word(const char *line, const char *word)
{
    size_t length = strlen(word);

    for (const char *at = line; (at = strstr(at, word)); at += length)
        if ((at == line || at[-1] == ' ') && (at[length] == ' ' || at[length] == '\0'))
            return true;
    return false;
}

static void check_command_line(struct doctor *doctor)
{
    static const char *const hurtful[] = {"intel_iommu=off", "amd_iommu=off", "iommu=off", "nointremap",
                                          "intremap=off",    "noapic",        "pci=nomsi"};
    char line[MACHINE_TEXT_BYTES];

    if (machine_read(doctor->root, line, "/proc/cmdline") < 0) {
        doctor_find(doctor, "kernel command line", VERDICT_UNKNOWN, NULL, "/proc/cmdline cannot be read");
        return;
    }
    for (size_t i = 0; i < sizeof(hurtful) / sizeof(hurtful[0]); i++) {
        if (!has_word(line, hurtful[i]))
            continue;
        doctor_find(doctor, "kernel command line", VERDICT_BAD,
                    "take it out of GRUB_CMDLINE_LINUX in /etc/default/grub, run update-grub, and reboot",
                    "%s turns off what homid needs", hurtful[i]);
        return;
    }
    doctor_find(doctor, "kernel command line", VERDICT_GOOD, NULL, "nothing there is in the way");
}

static void check_iommu(struct doctor *doctor)
{
    unsigned units = machine_each(doctor->root, "/sys/class/iommu", NULL, NULL);
    unsigned groups = machine_each(doctor->root, "/sys/kernel/iommu_groups", NULL, NULL);

    if (groups)
        doctor_find(doctor, "IOMMU", VERDICT_GOOD, NULL, "%u units, %u groups", units, groups);
    else
        doctor_find(
            doctor, "IOMMU", VERDICT_BAD,
            "turn on VT-d or AMD-Vi in the firmware; on Intel add intel_iommu=on to GRUB_CMDLINE_LINUX in "
            "/etc/default/grub, run update-grub, and reboot",
            "the kernel has no IOMMU groups%s", units ? ", though there are IOMMU units" : "");
}

/* Interrupts that go through the remapping hardware have a chip whose name begins with "IR-". */
static void check_interrupts(struct doctor *doctor)
{
    char text[MACHINE_TEXT_BYTES];

    if (machine_read(doctor->root, text, "/sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts") ==
            0 &&
        !strcmp(text, "Y"))
        doctor_find(doctor, "unsafe interrupts", VERDICT_BAD,
                    "remove allow_unsafe_interrupts from /etc/modprobe.d and reboot",
                    "vfio_iommu_type1 allows them: a tenant could forge interrupts of others");
    if (!machine_exists(doctor->root, "/proc/interrupts"))
        doctor_find(doctor, "interrupt remapping", VERDICT_UNKNOWN, NULL, "/proc/interrupts cannot be read");
    else if (machine_mentions(doctor->root, "/proc/interrupts", "IR-") ||
             machine_mentions(doctor->root, "/proc/interrupts", "ITS-"))
        doctor_find(doctor, "interrupt remapping", VERDICT_GOOD, NULL, "interrupts go through it");
    else
        doctor_find(doctor, "interrupt remapping", VERDICT_BAD,
                    "turn on interrupt remapping (x2APIC, VT-d) in the firmware, and reboot",
                    "no interrupt goes through it, and homid does not run without");
}

static void check_vfio(struct doctor *doctor)
{
    bool pci = machine_exists(doctor->root, "/sys/bus/pci/drivers/vfio-pci");
    bool container = machine_exists(doctor->root, "/dev/vfio/vfio");

    if (pci && container)
        doctor_find(doctor, "vfio", VERDICT_GOOD, NULL, "vfio-pci is loaded");
    else
        doctor_find(doctor, "vfio", VERDICT_WARNING, "modprobe vfio-pci",
                    "%s; homid.service loads the module when it starts",
                    pci ? "there is no /dev/vfio/vfio" : "the driver vfio-pci is not loaded");
}

static void check_hugepages(struct doctor *doctor)
{
    uint64_t all = 0, free_pages = 0;

    machine_number(doctor->root, &all, "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages");
    machine_number(doctor->root, &free_pages, "/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages");
    if (free_pages)
        doctor_find(doctor, "hugepages", VERDICT_GOOD, NULL, "%" PRIu64 " of %" PRIu64 " of 2 MiB are free",
                    free_pages, all);
    else
        doctor_find(doctor, "hugepages", VERDICT_WARNING,
                    "sysctl vm.nr_hugepages=512 (and a file in /etc/sysctl.d)",
                    "none of 2 MiB is free: tenants' memory takes longer to register");
}

void doctor_platform(struct doctor *doctor)
{
    check_kernel(doctor);
    check_command_line(doctor);
    check_iommu(doctor);
    check_interrupts(doctor);
    check_vfio(doctor);
    check_hugepages(doctor);
}
