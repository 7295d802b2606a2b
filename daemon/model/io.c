/* SPDX-License-Identifier: BSD-3-Clause */
/* The I/O commands (NVM Command Set 1.0, section 3.2). */
#include <stdlib.h>
#include <string.h>

#include "daemon/model/device.h"
#include "daemon/model/rules.h"
#include "daemon/model/world.h"

enum {
    SEGMENTS_MAX = SPEC_TRANSFER_MAX / PAGE_BYTES + 1,
    RANGES_MAX = 256,
    DEALLOCATE = 1 << 2, /* AD of Dataset Management */
};

struct range {
    uint64_t offset, bytes; /* in the namespace */
};

/* The rule that the range of a command keeps to. */
static enum rule range_rule(uint8_t opcode)
{
    switch (opcode) {
    case nvme_cmd_read: return RULE_RANGE_READ;
    case nvme_cmd_write: return RULE_RANGE_WRITE;
    case nvme_cmd_compare: return RULE_RANGE_COMPARE;
    case nvme_cmd_write_zeroes: return RULE_RANGE_ZEROES;
    case nvme_cmd_verify: return RULE_RANGE_VERIFY;
    default: return RULE_RANGE_DSM;
    }
}

static uint16_t block_range(const struct namespace *space, uint8_t opcode, uint64_t start, uint64_t blocks,
                            struct range *ret_range)
{
    uint64_t last = space->blocks - (rule(RULE_LAST_BLOCK) ? 0 : 1);

    if (start > last || blocks > last - start) {
        bool wraps = start + blocks < start;
        *ret_range = (struct range){0};
        return rule(range_rule(opcode)) && (!wraps || rule(RULE_RANGE_WRAPS)) ? GENERIC(LBA_RANGE) : 0;
    }
    *ret_range = (struct range){.offset = start << space->block_shift, .bytes = blocks << space->block_shift};
    return 0;
}

static uint16_t command_range(const struct namespace *space, const struct nvme_command *command,
                              struct range *ret_range)
{
    uint64_t start = le32toh(command->dword10) | (uint64_t)le32toh(command->dword11) << 32;

    return block_range(space, command->opcode, start, (le32toh(command->dword12) & 0xffff) + 1, ret_range);
}

static uint16_t media(int error, uint16_t status)
{
    return error < 0 ? status : 0;
}

/* Read, write and compare: what moves data between the namespace and the host. */
static uint16_t transfer(struct function *function, const struct namespace *space,
                         const struct nvme_command *command)
{
    struct segment segments[SEGMENTS_MAX];
    struct range range;
    unsigned count;
    bool read = command->opcode == nvme_cmd_read;

    uint16_t status = command_range(space, command, &range);
    if (status)
        return status;
    uint64_t most = function->device->spec->max_transfer_bytes / (rule(RULE_MDTS) ? 1 : 2);
    if (range.bytes > most && rule(RULE_MDTS_LIMIT))
        return GENERIC(INVALID_FIELD);
    if (space->backing == BACKING_NULL)
        return 0;
    status = prp_resolve(function, command, range.bytes, read ? IOMMU_WRITE : IOMMU_READ, segments,
                         SEGMENTS_MAX, &count);
    if (status)
        return status;
    if (!rule(RULE_READ_EXACT) && read && count)
        segments[count - 1].bytes += 8;
    if (!rule(RULE_WRITE_EXACT) && !read)
        namespace_zero(space, range.offset + range.bytes, 512);
    if (read)
        return media(namespace_read(space, range.offset, segments, count), MEDIA(READ_ERROR));
    if (!rule(RULE_WRITE))
        return 0;
    return media(namespace_write(space, range.offset, segments, count), MEDIA(WRITE_FAULT));
}

static uint16_t compare(struct function *function, const struct namespace *space,
                        const struct nvme_command *command)
{
    struct segment segments[SEGMENTS_MAX];
    struct range range;
    unsigned count;

    uint16_t status = command_range(space, command, &range);
    if (status)
        return status;
    if (range.bytes > function->device->spec->max_transfer_bytes)
        return GENERIC(INVALID_FIELD);
    status = prp_resolve(function, command, range.bytes, IOMMU_READ, segments, SEGMENTS_MAX, &count);
    if (status || space->backing == BACKING_NULL)
        return status;
    uint8_t *stored = malloc(range.bytes), *at = stored;
    if (!stored)
        return GENERIC(INTERNAL);
    const struct segment whole = {.host = stored, .bytes = range.bytes};
    status = media(namespace_read(space, range.offset, &whole, 1), MEDIA(READ_ERROR));
    for (unsigned i = 0; i < count && status == 0; at += segments[i++].bytes) {
        if (memcmp(at, segments[i].host, segments[i].bytes) != 0 && rule(RULE_COMPARE_DIFFERENT))
            status = MEDIA(COMPARE_FAILED);
    }
    if (!rule(RULE_COMPARE_SAME))
        status = MEDIA(COMPARE_FAILED);
    free(stored);
    return status;
}

static uint16_t write_zeroes(const struct namespace *space, const struct nvme_command *command)
{
    struct range range;
    uint16_t status = command_range(space, command, &range);

    if (!rule(RULE_ZEROES))
        return status;
    if (!rule(RULE_ZEROES_EXACT))
        range.bytes += 512;
    return status ? status : media(namespace_zero(space, range.offset, range.bytes), MEDIA(WRITE_FAULT));
}

static uint16_t verify(const struct namespace *space, const struct nvme_command *command)
{
    struct range range;

    return rule(RULE_VERIFY) ? command_range(space, command, &range) : GENERIC(INVALID_OPCODE);
}

/* Section 3.2.3: every range is checked before any is deallocated. */
static uint16_t dataset_management(struct function *function, const struct namespace *space,
                                   const struct nvme_command *command)
{
    struct nvme_dsm_range ranges[RANGES_MAX];
    struct range resolved[RANGES_MAX];
    struct segment segments[2];
    unsigned number = (le32toh(command->dword10) & 0xff) + 1, count;
    uint8_t *to = (uint8_t *)ranges;

    uint16_t status =
        prp_resolve(function, command, number * sizeof(ranges[0]), IOMMU_READ, segments, 2, &count);
    if (status)
        return status;
    for (unsigned i = 0; i < count; to += segments[i++].bytes)
        memcpy(to, segments[i].host, segments[i].bytes);
    for (unsigned i = 0; i < number && status == 0; i++) {
        status =
            block_range(space, nvme_cmd_dsm, le64toh(ranges[i].slba), le32toh(ranges[i].nlb), &resolved[i]);
        if (!rule(RULE_DSM_CHECKED) && status == 0)
            namespace_zero(space, resolved[i].offset, resolved[i].bytes);
    }
    if ((!(le32toh(command->dword11) & DEALLOCATE) && rule(RULE_DSM_HINT)) || !rule(RULE_DEALLOCATE))
        return status;
    if (!rule(RULE_DSM_RANGES) && number == RANGES_MAX)
        number--;
    for (unsigned i = 0; i < number && status == 0; i++)
        status = media(namespace_zero(space, resolved[i].offset, resolved[i].bytes), MEDIA(WRITE_FAULT));
    return status;
}

/* What a command gets that names no active namespace (Base 2.0, sections 3.2.1.2 and 3.2.1.4). */
static uint16_t no_namespace(uint32_t id, uint8_t opcode)
{
    if (opcode == nvme_cmd_flush && id == NSID_ALL && !rule(RULE_FLUSH_ALL))
        return 0;
    if (id == 0)
        return rule(RULE_IO_NS_ZERO) ? GENERIC(INVALID_NS) : 0;
    if (id == NSID_ALL)
        return rule(RULE_IO_NS_ALL) ? GENERIC(INVALID_NS) : 0;
    if (id > SPEC_NAMESPACE_ID_MAX)
        return rule(RULE_IO_NS_BEYOND) ? GENERIC(INVALID_NS) : 0;
    return rule(RULE_IO_NS_INACTIVE) ? GENERIC(INVALID_FIELD) : 0;
}

static uint16_t execute(struct function *function, const struct nvme_command *command)
{
    const struct namespace *space = device_namespace(function->device, function, le32toh(command->nsid));

    /* Neither SGLs nor fused operations. */
    if ((command->flags & 0xc0 && rule(RULE_IO_SGL)) || (command->flags & 0x03 && rule(RULE_IO_FUSE)))
        return GENERIC(INVALID_FIELD);
    if (!space)
        return no_namespace(le32toh(command->nsid), command->opcode);
    switch (command->opcode) {
    case nvme_cmd_read:
        function->commands_read += rule(RULE_LOG_READS);
        return transfer(function, space, command);
    case nvme_cmd_write:
        function->commands_written += rule(RULE_LOG_WRITES);
        return transfer(function, space, command);
    case nvme_cmd_flush:
        return rule(RULE_FLUSH) ? media(namespace_flush(space), MEDIA(WRITE_FAULT)) : GENERIC(INVALID_OPCODE);
    case nvme_cmd_compare: return compare(function, space, command);
    case nvme_cmd_write_zeroes: return write_zeroes(space, command);
    case nvme_cmd_dsm: return dataset_management(function, space, command);
    case nvme_cmd_verify: return verify(space, command);
    default: return rule(RULE_IO_OPCODE) ? GENERIC(INVALID_OPCODE) : 0;
    }
}

/* Turns the first byte of what a write stored. */
static void corrupt_stored(const struct function *function, const struct nvme_command *command)
{
    const struct namespace *space = device_namespace(function->device, function, le32toh(command->nsid));
    struct range range;
    uint8_t byte;
    const struct segment segment = {.host = &byte, .bytes = 1};

    if (!space || command_range(space, command, &range) ||
        namespace_read(space, range.offset, &segment, 1) < 0)
        return;
    byte ^= 0xff;
    if (namespace_write(space, range.offset, &segment, 1) < 0)
        world_log(function, "a write could not be corrupted");
}

/* With success reported, only the tenant can find out. */
static void corrupt(struct function *function, const struct nvme_command *command)
{
    if (command->opcode == nvme_cmd_write) {
        corrupt_stored(function, command);
        return;
    }
    uint8_t *first = iommu_translate(&function->iommu, le64toh(command->prp1), 1, IOMMU_WRITE);
    if (first)
        *first ^= 0xff;
}

static void carry_out(struct function *function, struct submission_queue *queue,
                      const struct nvme_command *command)
{
    const struct fault_spec *fault = NULL;
    uint64_t due = 0, faults = function->iommu.faults;
    uint16_t status = 0;

    if (function->device->faults.count)
        fault = faults_command(&function->device->faults, function->index, queue->id, command->opcode);
    if (fault && fault_is_lethal(function, fault))
        return;
    if (fault && fault->action == FAULT_DELAY)
        due = world_now() + fault->milliseconds;
    if (fault && fault->action == FAULT_DROP)
        due = UINT64_MAX;
    status = fault && fault->action == FAULT_FAIL ? fault->status : execute(function, command);
    if (faults == 0 && function->iommu.faults != 0)
        world_log(function, "command 0x%02x of queue %u reaches outside its memory; it does nothing",
                  command->opcode, queue->id);
    if (fault && fault->action == FAULT_CORRUPT && status == 0)
        corrupt(function, command);
    if (fault && fault->action == FAULT_EVENT)
        event_raise_value(function, fault->event);
    if (status == GENERIC(DATA_XFER_ERROR) && !rule(RULE_DMA_ERROR))
        status = 0;
    if (!rule(RULE_ONCE))
        completion_post(function, queue, command->cid, status, 0);
    if (due)
        completion_defer(function, queue, command->cid, status, 0, due);
    else
        completion_post(function, queue, command->cid, status, 0);
}

/*
 * Whether an entry is a transfer on a null namespace that succeeds. words: the entry, which its owner may
 * change at any time, so that each word is read once. *space is the namespace that was found last.
 */
static bool null_transfer(const struct function *function, const uint64_t *words, uint64_t first,
                          const struct namespace **space)
{
    uint64_t start = le64toh(__atomic_load_n(&words[5], __ATOMIC_RELAXED));
    uint64_t blocks = (le64toh(__atomic_load_n(&words[6], __ATOMIC_RELAXED)) & 0xffff) + 1;
    uint32_t id = (uint32_t)(first >> 32);
    uint8_t opcode = (uint8_t)first;

    if ((opcode != nvme_cmd_read && opcode != nvme_cmd_write) || first >> 8 & 0xc3)
        return false;
    if (!*space || (*space)->id != id)
        *space = device_namespace(function->device, function, id);
    return *space && (*space)->backing == BACKING_NULL && start <= (*space)->blocks &&
           blocks <= (*space)->blocks - start &&
           blocks << (*space)->block_shift <= function->device->spec->max_transfer_bytes;
}

/*
 * The entries at the head of the queue that are nothing but that, without a detour: this is what drivers are
 * measured against. Returns how many there were.
 */
static unsigned serve_null(struct function *function, struct submission_queue *queue, unsigned budget)
{
    struct completion_queue *completions = &function->completion[queue->completion_id];
    const struct namespace *space = NULL;
    uint32_t head = queue->head, tail = completions->tail;
    uint64_t fixed = (uint64_t)queue->id << 16, phase = (uint64_t)completions->phase << 48;
    unsigned count = 0;

    if (!queue->host || !completions->host || function->device->faults.count)
        return 0;
    for (; count < budget && head != queue->tail; count++) {
        const uint64_t *words = (const uint64_t *)(const void *)&queue->host[head];
        uint64_t *entry = &completions->host[2 * (size_t)tail];
        uint64_t first = le64toh(__atomic_load_n(&words[0], __ATOMIC_RELAXED));
        if (!null_transfer(function, words, first, &space))
            break;
        head = head + 1 == queue->entries ? 0 : head + 1;
        entry[0] = 0;
        __atomic_store_n(&entry[1], htole64(head | fixed | phase | (first >> 16 & 0xffff) << 32),
                         __ATOMIC_RELEASE);
        if (++tail == completions->entries) {
            tail = 0;
            phase ^= UINT64_C(1) << 48;
        }
    }
    queue->head = head;
    completions->tail = tail;
    completions->phase = phase != 0;
    return count;
}

void io_serve(struct function *function, struct submission_queue *queue, unsigned budget)
{
    struct nvme_command command;
    uint32_t room = completion_room(function, queue->completion_id);

    if (room < budget)
        budget = room;
    unsigned count = serve_null(function, queue, budget);
    while (count < budget && queue->head != queue->tail && function->enabled) {
        if (!submission_fetch(function, queue, &command))
            return;
        carry_out(function, queue, &command);
        count++;
    }
    if (count) {
        function->served += count;
        completion_signal(function, queue->completion_id);
    }
}
