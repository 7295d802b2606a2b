/* SPDX-License-Identifier: BSD-3-Clause */
/* The model's admin commands, one at a time, as the PF and as a VF give them; and its IOMMU domains. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "daemon/model/iommu.h"
#include "daemon/model/world.h"

enum { ASSIGN = 8, OFFLINE = 7, ONLINE = 9, QUEUES = 0, INTERRUPTS = 1 };

#define SPEC                                                                                                 \
    "{\"devices\":[{\"serial\":\"TEST\",\"virtualFunctions\":4,\"queues\":{\"perFunction\":6,\"total\":16,"  \
    "\"granularity\":2},\"interrupts\":{\"perFunction\":4,\"total\":8},\"namespaces\":["                     \
    "{\"id\":1,\"bytes\":\"1M\"},{\"id\":3,\"bytes\":\"1M\",\"blockBytes\":4096}]%s}]}"

static struct model_spec *spec;
static struct world *world;
static struct device *device;
static struct admin_call last;

/* more: further members of the device. */
static void begin_with(const char *more)
{
    struct spec_error error;
    char text[512];

    snprintf(text, sizeof(text), SPEC, more);
    ck_assert_msg(spec_parse(text, &spec, &error) == 0, "%s", error.text);
    ck_assert_int_eq(world_new(spec, &world), 0);
    device = world->devices[0];
}

static void set_up(void)
{
    begin_with("");
}

static void end(void)
{
    world_free(world);
    spec_free(spec);
}

static uint16_t give(struct function *function, struct nvme_command command)
{
    uint8_t data[sizeof(last.data)];

    memcpy(data, last.data, sizeof(data));
    last = (struct admin_call){.device = device, .function = function, .command = &command};
    memcpy(last.data, data, sizeof(data));
    world_enter(world);
    uint16_t status = admin_execute(&last);
    world_leave(world);
    return status;
}

static uint16_t identify(struct function *function, uint32_t cns, uint32_t nsid, uint32_t first)
{
    memset(last.data, 0, sizeof(last.data));
    return give(function, (struct nvme_command){
                              .opcode = nvme_admin_identify, .nsid = nsid, .dword10 = cns | first << 16});
}

static uint16_t manage(unsigned id, unsigned action, unsigned kind, unsigned count)
{
    return give(NULL, (struct nvme_command){.opcode = nvme_admin_virtual_mgmt,
                                            .dword10 = id << 16 | kind << 8 | action,
                                            .dword11 = count});
}

static uint16_t attach(struct function *function, uint32_t nsid, uint16_t controller, bool on)
{
    struct nvme_ctrl_list list = {.num = htole16(1), .identifier = {htole16(controller)}};

    memcpy(last.data, &list, sizeof(list));
    return give(function,
                (struct nvme_command){.opcode = nvme_admin_ns_attach, .nsid = nsid, .dword10 = !on});
}

static void bring_up(unsigned index)
{
    ck_assert_uint_eq(manage(index + 1, ASSIGN, QUEUES, 4), 0);
    ck_assert_uint_eq(manage(index + 1, ASSIGN, INTERRUPTS, 2), 0);
    ck_assert_uint_eq(manage(index + 1, ONLINE, 0, 0), 0);
}

/* ---- Virtualization Management (Base 2.0, sections 5.28 and 8.26) ---- */

START_TEST(resources_are_assigned_within_limits)
{
    ck_assert_uint_eq(manage(1, ASSIGN, QUEUES, 6), 0);
    ck_assert_uint_eq(last.value, 6);
    ck_assert_uint_eq(manage(2, ASSIGN, QUEUES, 8), SPECIFIC(INVALID_CTRL_RESOURCES)); /* VQFRSM */
    ck_assert_uint_eq(manage(2, ASSIGN, QUEUES, 3), SPECIFIC(INVALID_CTRL_RESOURCES)); /* VQGRAN */
    ck_assert_uint_eq(manage(2, ASSIGN, QUEUES, 6), 0);
    ck_assert_uint_eq(manage(3, ASSIGN, QUEUES, 6), SPECIFIC(INVALID_CTRL_RESOURCES)); /* the pool: 4 left */
    ck_assert_uint_eq(manage(3, ASSIGN, QUEUES, 4), 0);
    ck_assert_uint_eq(manage(2, ASSIGN, QUEUES, 2), 0); /* what it had goes back */
    ck_assert_uint_eq(manage(4, ASSIGN, QUEUES, 4), 0);
    ck_assert_uint_eq(manage(1, ASSIGN, 2, 1), SPECIFIC(INVALID_RESOURCE_ID));
    ck_assert_uint_eq(manage(0, ASSIGN, QUEUES, 2), SPECIFIC(INVALID_CTRL_ID));
    ck_assert_uint_eq(manage(5, ASSIGN, QUEUES, 2), SPECIFIC(INVALID_CTRL_ID));
    ck_assert_uint_eq(manage(1, 3, 0, 0), GENERIC(INVALID_FIELD));
}
END_TEST

START_TEST(online_needs_what_a_controller_needs)
{
    ck_assert_uint_eq(manage(1, ASSIGN, QUEUES, 4), 0);
    ck_assert_uint_eq(manage(1, ASSIGN, INTERRUPTS, 2), 0);
    ck_assert_uint_eq(manage(1, ONLINE, 0, 0), SPECIFIC(INVALID_SEC_CTRL_STATE)); /* before NumVFs */
    ck_assert_int_eq(device_set_functions(device, 2), 0);
    ck_assert_uint_eq(manage(2, ONLINE, 0, 0), SPECIFIC(INVALID_SEC_CTRL_STATE)); /* nothing assigned */
    ck_assert_uint_eq(manage(1, ONLINE, 0, 0), 0);
    ck_assert(function_usable(&device->functions[0]));
    ck_assert_uint_eq(manage(1, ASSIGN, QUEUES, 2), SPECIFIC(INVALID_SEC_CTRL_STATE)); /* while online */
    ck_assert_uint_eq(manage(1, OFFLINE, 0, 0), 0);
    ck_assert_uint_eq(device->functions[0].queues, 0); /* offline drops them */
    ck_assert_uint_eq(device->queues_free, 16);
    ck_assert_uint_eq(device->interrupts_free, 8);
    ck_assert_uint_eq(manage(1, ONLINE, 0, 0), SPECIFIC(INVALID_SEC_CTRL_STATE));
}
END_TEST

START_TEST(the_number_of_functions_changes_by_way_of_0)
{
    ck_assert_int_eq(device_set_functions(device, 5), -ERANGE);
    ck_assert_int_eq(device_set_functions(device, 4), 0);
    ck_assert_int_eq(device_set_functions(device, 3), -EBUSY);
    bring_up(3);
    ck_assert_int_eq(device_set_functions(device, 0), 0);
    ck_assert(!device->functions[3].online);
    ck_assert_int_eq(device_set_functions(device, 3), 0);
}
END_TEST

START_TEST(a_reset_takes_every_function_offline)
{
    ck_assert_int_eq(device_set_functions(device, 2), 0);
    bring_up(0);
    bring_up(1);
    device_reset(device);
    ck_assert(!device->functions[0].online && !device->functions[1].online);
    ck_assert_uint_eq(device->queues_free, 16);
}
END_TEST

START_TEST(secondaries_are_listed)
{
    const struct nvme_secondary_ctrl_list *list = (const void *)last.data;

    ck_assert_int_eq(device_set_functions(device, 2), 0);
    bring_up(1);
    ck_assert_uint_eq(identify(NULL, NVME_IDENTIFY_CNS_SECONDARY_CTRL_LIST, 0, 0), 0);
    ck_assert_uint_eq(list->num, 4);
    ck_assert_uint_eq(list->sc_entry[1].scs, 1);
    ck_assert_uint_eq(le16toh(list->sc_entry[1].vfn), 2);
    ck_assert_uint_eq(le16toh(list->sc_entry[1].nvq), 4);
    ck_assert_uint_eq(le16toh(list->sc_entry[1].nvi), 2);
    ck_assert_uint_eq(le16toh(list->sc_entry[2].vfn), 0);
    ck_assert_uint_eq(identify(NULL, NVME_IDENTIFY_CNS_SECONDARY_CTRL_LIST, 0, 3), 0);
    ck_assert_uint_eq(list->num, 2);
    ck_assert_uint_eq(le16toh(list->sc_entry[0].scid), 3);
}
END_TEST

START_TEST(the_primary_tells_its_resources)
{
    const struct nvme_primary_ctrl_cap *data = (const void *)last.data;

    ck_assert_uint_eq(manage(1, ASSIGN, QUEUES, 4), 0);
    ck_assert_uint_eq(identify(NULL, NVME_IDENTIFY_CNS_PRIMARY_CTRL_CAP, 0, 0), 0);
    ck_assert_uint_eq(le32toh(data->vqfrt), 16);
    ck_assert_uint_eq(le32toh(data->vqrfa), 4);
    ck_assert_uint_eq(le16toh(data->vqfrsm), 6);
    ck_assert_uint_eq(le16toh(data->vqgran), 2);
    ck_assert_uint_eq(le16toh(data->vifrsm), 4);
}
END_TEST

/* ---- what a VF may not (design: the model must refuse what real SSDs may refuse) ---- */

START_TEST(a_function_refuses_what_concerns_others)
{
    static const uint8_t dangerous[] = {
        nvme_admin_ns_mgmt,   nvme_admin_ns_attach,     nvme_admin_virtual_mgmt, nvme_admin_format_nvm,
        nvme_admin_fw_commit, nvme_admin_security_send, nvme_admin_sanitize_nvm};
    struct function *function = &device->functions[0];
    const struct nvme_id_ctrl *id = (const void *)last.data;
    const struct nvme_cmd_effects_log *effects = (const void *)last.data;

    for (size_t i = 0; i < sizeof(dangerous); i++)
        ck_assert_uint_eq(give(function, (struct nvme_command){.opcode = dangerous[i], .nsid = 1}),
                          GENERIC(INVALID_OPCODE));
    ck_assert_uint_eq(identify(function, NVME_IDENTIFY_CNS_CTRL, 0, 0), 0);
    ck_assert_uint_eq(le16toh(id->oacs), 0);
    ck_assert_uint_eq(le16toh(id->cntlid), 1);
    ck_assert_uint_eq(identify(function, NVME_IDENTIFY_CNS_PRIMARY_CTRL_CAP, 0, 0), GENERIC(INVALID_FIELD));
    ck_assert_uint_eq(identify(function, NVME_IDENTIFY_CNS_ALLOCATED_NS_LIST, 0, 0), GENERIC(INVALID_FIELD));
    memset(last.data, 0, sizeof(last.data));
    ck_assert_uint_eq(
        give(function, (struct nvme_command){.opcode = nvme_admin_get_log_page, .dword10 = 5 | 1023 << 16}),
        0);
    for (size_t i = 0; i < sizeof(dangerous); i++)
        ck_assert_uint_eq(effects->acs[dangerous[i]], 0);
    ck_assert_uint_eq(le32toh(effects->acs[nvme_admin_identify]) & 1, 1);
    ck_assert_uint_eq(le32toh(effects->iocs[nvme_cmd_write]) & 3, 3);
}
END_TEST

START_TEST(a_function_that_does_not_refuse_can_take_a_namespace)
{
    spec->devices[0].vf_refuses = false;
    ck_assert_uint_eq(attach(&device->functions[0], 1, 1, true), 0);
    ck_assert_ptr_nonnull(device_namespace(device, &device->functions[0], 1));
    ck_assert_uint_eq(give(&device->functions[0], (struct nvme_command){.opcode = nvme_admin_virtual_mgmt}),
                      GENERIC(INVALID_OPCODE)); /* the PF's alone, always */
}
END_TEST

/* ---- namespaces (sections 5.20, 5.21, 5.14) ---- */

START_TEST(attachment_follows_its_rules)
{
    struct function *function = &device->functions[1];

    ck_assert_ptr_null(device_namespace(device, function, 1));
    ck_assert_uint_eq(attach(NULL, 1, 2, true), 0);
    ck_assert_ptr_nonnull(device_namespace(device, function, 1));
    ck_assert_ptr_null(device_namespace(device, &device->functions[0], 1));
    ck_assert_uint_eq(attach(NULL, 1, 2, true), SPECIFIC(NS_ALREADY_ATTACHED));
    ck_assert_uint_eq(attach(NULL, 2, 2, true), GENERIC(INVALID_NS));
    ck_assert_uint_eq(attach(NULL, 1, 5, true), SPECIFIC(CTRL_LIST_INVALID));
    ck_assert_uint_eq(attach(NULL, 1, 3, false), SPECIFIC(NS_NOT_ATTACHED));
    ck_assert_uint_eq(attach(NULL, 1, 2, false), 0);
    ck_assert_ptr_null(device_namespace(device, function, 1));
    device->namespaces[1]->shareable = false;
    ck_assert_uint_eq(attach(NULL, 1, 2, true), 0);
    ck_assert_uint_eq(attach(NULL, 1, 3, true), SPECIFIC(NS_IS_PRIVATE));
}
END_TEST

START_TEST(lists_hold_what_is_there)
{
    struct function *function = &device->functions[1];
    const uint32_t *list = (const void *)last.data;
    const struct nvme_ctrl_list *controllers = (const void *)last.data;

    ck_assert_uint_eq(attach(NULL, 3, 2, true), 0);
    ck_assert_uint_eq(identify(function, NVME_IDENTIFY_CNS_NS_ACTIVE_LIST, 0, 0), 0);
    ck_assert_uint_eq(le32toh(list[0]), 3);
    ck_assert_uint_eq(list[1], 0);
    ck_assert_uint_eq(identify(function, NVME_IDENTIFY_CNS_NS_ACTIVE_LIST, 3, 0), 0);
    ck_assert_uint_eq(list[0], 0);
    ck_assert_uint_eq(identify(function, NVME_IDENTIFY_CNS_NS_ACTIVE_LIST, UINT32_MAX, 0),
                      GENERIC(INVALID_NS));
    ck_assert_uint_eq(identify(NULL, NVME_IDENTIFY_CNS_ALLOCATED_NS_LIST, 0, 0), 0);
    ck_assert_uint_eq(le32toh(list[0]), 1);
    ck_assert_uint_eq(le32toh(list[1]), 3);
    ck_assert_uint_eq(identify(NULL, NVME_IDENTIFY_CNS_NS_CTRL_LIST, 3, 0), 0);
    ck_assert_uint_eq(le16toh(controllers->num), 1);
    ck_assert_uint_eq(le16toh(controllers->identifier[0]), 2);
    ck_assert_uint_eq(identify(NULL, NVME_IDENTIFY_CNS_NS_CTRL_LIST, 3, 3), 0);
    ck_assert_uint_eq(controllers->num, 0);
}
END_TEST

START_TEST(a_namespace_is_described)
{
    const struct nvme_id_ns *data = (const void *)last.data;

    ck_assert_uint_eq(attach(NULL, 3, 1, true), 0);
    ck_assert_uint_eq(identify(&device->functions[0], NVME_IDENTIFY_CNS_NS, 3, 0), 0);
    ck_assert_uint_eq(le64toh(data->nsze), 256);
    ck_assert_uint_eq(data->lbaf[data->flbas & 0xf].ds, 12);
    ck_assert_uint_eq(identify(&device->functions[0], NVME_IDENTIFY_CNS_NS, 1, 0), 0);
    ck_assert_uint_eq(le64toh(data->nsze), 0); /* inactive here */
    ck_assert_uint_eq(identify(&device->functions[0], NVME_IDENTIFY_CNS_NS, 0, 0), GENERIC(INVALID_NS));
    ck_assert_uint_eq(identify(&device->functions[0], 0xee, 0, 0), GENERIC(INVALID_FIELD));
}
END_TEST

START_TEST(namespaces_are_created_and_deleted)
{
    struct nvme_id_ns data = {.nsze = htole64(100), .ncap = htole64(100), .flbas = 1};
    const struct nvme_command create = {.opcode = nvme_admin_ns_mgmt};

    memcpy(last.data, &data, sizeof(data));
    ck_assert_uint_eq(give(NULL, create), 0);
    ck_assert_uint_eq(last.value, 2);
    ck_assert_uint_eq(device->namespaces[2]->bytes, 100 * 4096);
    data.ncap = htole64(50);
    memcpy(last.data, &data, sizeof(data));
    ck_assert_uint_eq(give(NULL, create), SPECIFIC(THIN_PROV_NOT_SUPP));
    data = (struct nvme_id_ns){.nsze = htole64(1), .ncap = htole64(1), .flbas = 2};
    memcpy(last.data, &data, sizeof(data));
    ck_assert_uint_eq(give(NULL, create), SPECIFIC(INVALID_FORMAT));
    const struct nvme_command delete = {.opcode = nvme_admin_ns_mgmt, .nsid = 2, .dword10 = 1};
    ck_assert_uint_eq(give(NULL, delete), 0);
    ck_assert_ptr_null(device->namespaces[2]);
    ck_assert_uint_eq(give(NULL, delete), GENERIC(INVALID_NS));
}
END_TEST

START_TEST(format_erases_and_changes_the_blocks)
{
    struct nvme_command format = {.opcode = nvme_admin_format_nvm, .nsid = 1, .dword10 = 1};

    ck_assert_uint_eq(give(NULL, format), GENERIC(INVALID_NS)); /* not attached to the PF */
    ck_assert_uint_eq(attach(NULL, 1, 0, true), 0);
    device->namespaces[1]->memory[5000] = 7;
    ck_assert_uint_eq(give(NULL, format), 0);
    ck_assert_uint_eq(device->namespaces[1]->memory[5000], 0);
    ck_assert_uint_eq(device->namespaces[1]->blocks, 256);
    format.dword10 = 2;
    ck_assert_uint_eq(give(NULL, format), SPECIFIC(INVALID_FORMAT));
    format.dword10 = 3 << 9;
    ck_assert_uint_eq(give(NULL, format), GENERIC(INVALID_FIELD));
}
END_TEST

static unsigned fna(void)
{
    const struct nvme_id_ctrl *id = (const struct nvme_id_ctrl *)(const void *)last.data;

    ck_assert_uint_eq(identify(NULL, NVME_IDENTIFY_CNS_CTRL, 0, 0), 0);
    return id->fna;
}

static void make_second_namespace(void)
{
    struct nvme_id_ns data = {.nsze = htole64(128), .ncap = htole64(128)};
    const struct nvme_command create = {.opcode = nvme_admin_ns_mgmt};

    memcpy(last.data, &data, sizeof(data));
    ck_assert_uint_eq(give(NULL, create), 0);
    ck_assert_uint_eq(last.value, 2);
    memset(device->namespaces[1]->memory, 7, 512);
    memset(device->namespaces[2]->memory, 7, 512);
    ck_assert_uint_eq(attach(NULL, 1, 0, true), 0);
}

/* What a format of namespace 1 with that erase setting leaves of both namespaces: "EE" erased, "KK" kept. */
static const char *left(unsigned erase)
{
    static char text[3];
    const struct nvme_command format = {
        .opcode = nvme_admin_format_nvm, .nsid = htole32(1), .dword10 = htole32(erase << 9)};

    ck_assert_uint_eq(give(NULL, format), 0);
    for (unsigned i = 0; i < 2; i++)
        text[i] = device->namespaces[i + 1]->memory[0] ? 'K' : 'E';
    return text;
}

START_TEST(format_is_of_as_many_namespaces_as_fna_says)
{
    static const struct {
        const char *format;
        unsigned fna;
        const char *plain, *erase;
    } variants[] = {
        {"{}", 4, "EK", "EK"},
        {"{\"all\":true}", 4 | 1, "EE", "EK"},
        {"{\"eraseAll\":true}", 4 | 2, "EK", "EE"},
        {"{\"all\":true,\"eraseAll\":true,\"cryptographicErase\":false}", 1 | 2, "EE", "EE"},
        {"{\"broadcast\":false}", 4 | 8, "EK", "EK"},
    };
    char more[160];

    end();
    for (size_t i = 0; i < sizeof(variants) / sizeof(variants[0]); i++) {
        for (unsigned erase = 0; erase < 2; erase++) {
            snprintf(more, sizeof(more), ",\"format\":%s", variants[i].format);
            begin_with(more);
            ck_assert_uint_eq(fna(), variants[i].fna);
            make_second_namespace();
            ck_assert_str_eq(left(erase), erase ? variants[i].erase : variants[i].plain);
            end();
        }
    }
    begin_with("");
}
END_TEST

START_TEST(format_refuses_what_fna_does_not_offer)
{
    struct nvme_command format = {
        .opcode = nvme_admin_format_nvm, .nsid = htole32(1), .dword10 = htole32(2 << 9)};

    end();
    begin_with(",\"format\":{\"cryptographicErase\":false,\"broadcast\":false}");
    ck_assert_uint_eq(attach(NULL, 1, 0, true), 0);
    ck_assert_uint_eq(give(NULL, format), GENERIC(INVALID_FIELD));
    format.dword10 = 0;
    format.nsid = NSID_ALL;
    ck_assert_uint_eq(give(NULL, format), GENERIC(INVALID_FIELD));
    end();
    begin_with("");
    ck_assert_uint_eq(attach(NULL, 1, 0, true), 0);
    ck_assert_uint_eq(give(NULL, format), 0);
    format.dword10 = htole32(2 << 9);
    ck_assert_uint_eq(give(NULL, format), 0);
}
END_TEST

static struct nvme_command lockdown(unsigned scope, bool prohibit, unsigned number)
{
    return (struct nvme_command){.opcode = nvme_admin_lockdown,
                                 .dword10 = htole32(scope | (unsigned)prohibit << 4 | number << 8)};
}

START_TEST(lockdown_is_not_there_unless_specified)
{
    ck_assert_uint_eq(give(NULL, lockdown(0, true, nvme_admin_format_nvm)), GENERIC(INVALID_OPCODE));
}
END_TEST

START_TEST(lockdown_prohibits_on_every_controller)
{
    const struct nvme_command format = {.opcode = nvme_admin_format_nvm, .nsid = htole32(1)};
    const struct nvme_command set = {.opcode = nvme_admin_set_features,
                                     .dword10 = htole32(NVME_FEAT_FID_ASYNC_EVENT)};

    end();
    begin_with(",\"lockdown\":true,\"virtualFunctionsRefuse\":false");
    ck_assert_uint_eq(attach(NULL, 1, 0, true), 0);
    ck_assert_uint_eq(give(NULL, lockdown(0, true, nvme_admin_format_nvm)), 0);
    ck_assert_uint_eq(give(NULL, format), GENERIC(PROHIBITED_BY_CMD_AND_FEAT));
    ck_assert_uint_eq(give(&device->functions[0], format), GENERIC(PROHIBITED_BY_CMD_AND_FEAT));
    ck_assert_uint_eq(give(NULL, lockdown(0, false, nvme_admin_format_nvm)), 0);
    ck_assert_uint_eq(give(NULL, format), 0);
    ck_assert_uint_eq(give(NULL, lockdown(2, true, NVME_FEAT_FID_ASYNC_EVENT)), 0);
    ck_assert_uint_eq(give(&device->functions[0], set), GENERIC(PROHIBITED_BY_CMD_AND_FEAT));
    ck_assert_uint_eq(give(NULL, lockdown(0, true, nvme_admin_lockdown)),
                      SPECIFIC(PROHIBIT_CMD_EXEC_NOT_SUPPORTED));
    ck_assert_uint_eq(give(NULL, lockdown(1, true, 0)), GENERIC(INVALID_FIELD));
}
END_TEST

/* ---- the IOMMU domain ---- */

START_TEST(a_domain_maps_and_refuses)
{
    int memfd = memfd_create("test", MFD_CLOEXEC);
    struct iommu domain = {0};

    ck_assert_int_eq(ftruncate(memfd, 65536), 0);
    ck_assert_int_eq(iommu_map(&domain, memfd, 0, 100, 0x10000, IOMMU_READ), -EINVAL);
    ck_assert_int_eq(iommu_map(&domain, memfd, 0, 0x2000, UINT64_MAX & ~UINT64_C(0xfff), IOMMU_READ),
                     -EINVAL);
    ck_assert_int_eq(iommu_map(&domain, memfd, 0, 0x2000, 0x10000, IOMMU_READ | IOMMU_WRITE), 0);
    ck_assert_int_eq(iommu_map(&domain, memfd, 0, 0x1000, 0x11000, IOMMU_READ), -EEXIST);
    ck_assert_int_eq(iommu_map(&domain, memfd, 0x2000, 0x1000, 0x12000, IOMMU_READ), 0);
    ck_assert_ptr_nonnull(iommu_translate(&domain, 0x11ff0, 16, IOMMU_WRITE));
    ck_assert_uint_eq(domain.faults, 0);
    ck_assert_ptr_null(iommu_translate(&domain, 0x12000, 16, IOMMU_WRITE)); /* read-only */
    ck_assert_ptr_nonnull(iommu_translate(&domain, 0x12000, 16, IOMMU_READ));
    ck_assert_ptr_null(iommu_translate(&domain, 0x12ff1, 16, IOMMU_READ)); /* over the end */
    ck_assert_ptr_null(iommu_translate(&domain, 0xffff, 1, IOMMU_READ));
    ck_assert_ptr_null(iommu_translate(&domain, 0x10000, UINT64_MAX, IOMMU_READ));
    ck_assert_uint_eq(domain.faults, 4);
    ck_assert_int_eq(iommu_unmap(&domain, 0x11000, 0x1000), -EINVAL);
    ck_assert_int_eq(iommu_unmap(&domain, 0x20000, 0x1000), -ENOENT);
    ck_assert_int_eq(iommu_unmap(&domain, 0x10000, 0x3000), 0);
    ck_assert_ptr_null(iommu_translate(&domain, 0x10000, 1, IOMMU_READ));
    iommu_clear(&domain);
    close(memfd);
}
END_TEST

START_TEST(a_truncated_memfd_reads_as_zeroes)
{
    struct function *function = &device->functions[0];
    int memfd = memfd_create("hostile", MFD_CLOEXEC);

    ck_assert_int_eq(ftruncate(memfd, 8192), 0);
    ck_assert_int_eq(pwrite(memfd, "x", 1, 4096), 1);
    world_enter(world);
    ck_assert_int_eq(iommu_map(&function->iommu, memfd, 0, 8192, 0x10000, IOMMU_READ | IOMMU_WRITE), 0);
    volatile uint8_t *byte = iommu_translate(&function->iommu, 0x11000, 1, IOMMU_WRITE);
    ck_assert_uint_eq(*byte, 'x');
    ck_assert_int_eq(ftruncate(memfd, 0), 0);
    ck_assert_uint_eq(*byte, 0);
    *byte = 1;
    iommu_clear(&function->iommu);
    world_leave(world);
    close(memfd);
}
END_TEST

START_TEST(a_bus_error_elsewhere_still_ends_the_process)
{
    int memfd = memfd_create("own", MFD_CLOEXEC);

    ck_assert_int_eq(ftruncate(memfd, 4096), 0);
    volatile uint8_t *byte = mmap(NULL, 4096, PROT_READ, MAP_SHARED, memfd, 0);
    ck_assert_int_eq(ftruncate(memfd, 0), 0);
    ck_assert_uint_eq(*byte, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("model_admin");
    TCase *tcase = tcase_create("admin");

    tcase_add_checked_fixture(tcase, set_up, end);
    tcase_add_test(tcase, resources_are_assigned_within_limits);
    tcase_add_test(tcase, online_needs_what_a_controller_needs);
    tcase_add_test(tcase, the_number_of_functions_changes_by_way_of_0);
    tcase_add_test(tcase, a_reset_takes_every_function_offline);
    tcase_add_test(tcase, secondaries_are_listed);
    tcase_add_test(tcase, the_primary_tells_its_resources);
    tcase_add_test(tcase, a_function_refuses_what_concerns_others);
    tcase_add_test(tcase, a_function_that_does_not_refuse_can_take_a_namespace);
    tcase_add_test(tcase, attachment_follows_its_rules);
    tcase_add_test(tcase, lists_hold_what_is_there);
    tcase_add_test(tcase, a_namespace_is_described);
    tcase_add_test(tcase, namespaces_are_created_and_deleted);
    tcase_add_test(tcase, format_erases_and_changes_the_blocks);
    tcase_add_test(tcase, format_is_of_as_many_namespaces_as_fna_says);
    tcase_add_test(tcase, format_refuses_what_fna_does_not_offer);
    tcase_add_test(tcase, lockdown_is_not_there_unless_specified);
    tcase_add_test(tcase, lockdown_prohibits_on_every_controller);
    tcase_add_test(tcase, a_domain_maps_and_refuses);
    tcase_add_test(tcase, a_truncated_memfd_reads_as_zeroes);
    tcase_add_test_raise_signal(tcase, a_bus_error_elsewhere_still_ends_the_process, SIGBUS);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
