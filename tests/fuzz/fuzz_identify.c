/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the physical function says of itself: Identify data and lists of secondary controllers, as the jobs of
 * the Linux backend read them. The linker puts the functions below in place of libnvme's and of sysfs's
 * (mk/fuzz.mk), so that the input is what the SSD answers.
 */
#include <errno.h>
#include <libnvme.h>
#include <stdio.h>
#include <string.h>

#include "daemon/helper/wire.h"
#include "daemon/hw/linux/jobs.h"
#include "daemon/hw/linux/pf.h"
#include "daemon/hw/linux/sysfs.h"
#include "tests/fuzz/fuzz.h"

int __wrap_nvme_identify(struct nvme_identify_args *args);
int __wrap_sysfs_find(const struct job_device *device, struct sysfs_controller *ret_controller,
                      struct helper_output *output);
int __wrap_sysfs_read_number(const char *address, const char *attribute, unsigned long *ret_value);

static struct fuzz_input input;

/* Each answer begins with a byte: 0 to 7 for data, of which so many times 512 bytes follow; otherwise its
 * status. */
int __wrap_nvme_identify(struct nvme_identify_args *args)
{
    uint8_t kind = fuzz_byte(&input);

    if (kind > 8)
        return kind == 255 ? -1 : kind;
    memset(args->data, 0, NVME_IDENTIFY_DATA_SIZE);
    fuzz_take(&input, args->data, kind * 512u);
    return 0;
}

int __wrap_sysfs_find(const struct job_device *device, struct sysfs_controller *ret_controller,
                      struct helper_output *output)
{
    (void)device, (void)output;
    /* Something that can be opened. */
    *ret_controller = (struct sysfs_controller){.address = "0000:01:00.0", .name = "null"};
    return 0;
}

int __wrap_sysfs_read_number(const char *address, const char *attribute, unsigned long *ret_value)
{
    (void)address, (void)attribute;
    *ret_value = fuzz_byte(&input);
    return 0;
}

static void check_text(const char *text, size_t size)
{
    fuzz_require(memchr(text, '\0', size) != NULL);
    for (; *text; text++)
        fuzz_require(*text >= ' ' && *text <= '~');
}

static void probe(const struct helper_input *job)
{
    static struct helper_body body;
    struct helper_output output = {.data = body.data};
    const struct hw_device_info *info = output.data;

    job_probe(job, &output);
    fuzz_require(output.bytes <= HELPER_BYTES_MAX && output.error <= 0);
    if (output.error)
        return;
    fuzz_require(output.bytes == sizeof(*info) && info->namespace_count <= HW_NAMESPACES_MAX);
    check_text(info->serial, sizeof(info->serial));
    check_text(info->model, sizeof(info->model));
    check_text(info->firmware, sizeof(info->firmware));
    fuzz_require(!info->virtualization_management ||
                 (info->queues.granularity > 0 && info->interrupts.granularity > 0));
    for (unsigned i = 0; i < info->namespace_count; i++) {
        const struct hw_namespace *space = &info->namespaces[i];
        fuzz_require(space->blocks > 0 && space->block_bytes >= 512 && space->block_bytes <= 65536);
        fuzz_require(space->controller_count <= sizeof(space->controllers) / sizeof(space->controllers[0]));
    }
}

static void list(const struct helper_input *job)
{
    static struct helper_body body;
    struct helper_output output = {.data = body.data};

    job_list_secondaries(job, &output);
    fuzz_require(output.bytes <= HW_FUNCTIONS_MAX * sizeof(struct hw_secondary) &&
                 output.bytes <= HELPER_BYTES_MAX);
}

int fuzz_one(const uint8_t *data, size_t bytes)
{
    static const struct job_device device;
    static const struct helper_input job = {.data = &device, .bytes = sizeof(device)};
    struct sysfs_controller controller = {.name = "null"};
    struct hw_secondary secondary;

    input = (struct fuzz_input){data, bytes};
    switch (fuzz_byte(&input) % 3) {
    case 0: probe(&job); break;
    case 1: list(&job); break;
    default: (void)pf_secondary(&controller, fuzz_byte(&input), &secondary); break;
    }
    return 0;
}
