/* SPDX-License-Identifier: BSD-3-Clause */
#include "lib/grant.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/members.h"

#define BAR_BYTES_MAX  (INT64_C(1) << 30)
#define PAGE_BYTES_MAX (INT64_C(1) << 27)

static bool power_of_two(int64_t value)
{
    return value > 0 && (value & (value - 1)) == 0;
}

static int read_name(json_object *object, const char *key, const char **ret_name)
{
    const char *text;
    int r = member_string(object, key, LEASE_NAME_MAX, &text);

    if (r < 0)
        return r;
    *ret_name = strdup(text);
    return *ret_name ? 0 : -ENOMEM;
}

static int read_namespace(json_object *object, struct homi_namespace *ret_namespace)
{
    int64_t id, block_bytes, blocks;

    if (member_int(object, "id", 1, UINT32_MAX - 1, &id) < 0 ||
        member_int(object, "blockBytes", 512, 65536, &block_bytes) < 0 ||
        member_int(object, "blocks", 1, INT64_MAX / 65536, &blocks) < 0 ||
        homi_namespace_init(ret_namespace, (uint32_t)id, (uint32_t)block_bytes, (uint64_t)blocks) < 0)
        return -EPROTO;
    return 0;
}

static int read_namespaces(json_object *object, struct lease_function *function)
{
    json_object *array;
    size_t count;

    if (member_array(object, "namespaces", LEASE_NAMESPACES_MAX, &array) < 0)
        return -EPROTO;
    count = json_object_array_length(array);
    function->namespaces = calloc(count + 1, sizeof(*function->namespaces));
    if (!function->namespaces)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++) {
        int r = read_namespace(json_object_array_get_idx(array, i), &function->namespaces[i]);
        if (r < 0)
            return r;
    }
    function->info.namespace_count = count;
    return 0;
}

/* Numbers of the controller. */
static int read_limits(json_object *object, struct homi_function_info *info)
{
    int64_t controller, page, transfer, entries, pairs, interrupts, commands;

    if (member_int(object, "controllerId", 0, UINT16_MAX, &controller) < 0 ||
        member_int(object, "pageBytes", 4096, PAGE_BYTES_MAX, &page) < 0 || !power_of_two(page) ||
        member_int(object, "maxTransferBytes", 512, UINT32_MAX, &transfer) < 0 ||
        member_int(object, "queueEntriesMax", 2, 65536, &entries) < 0 ||
        member_int(object, "queuePairs", 0, UINT16_MAX, &pairs) < 0 ||
        member_int(object, "interrupts", 0, UINT16_MAX, &interrupts) < 0 ||
        member_int(object, "optionalCommands", 0, UINT16_MAX, &commands) < 0)
        return -EPROTO;
    info->controller_id = (uint16_t)controller;
    info->page_bytes = (uint32_t)page;
    info->max_transfer_bytes = (uint32_t)transfer;
    info->queue_entries_max = (uint32_t)entries;
    info->queue_pairs = (uint32_t)pairs;
    info->interrupts = (uint32_t)interrupts;
    info->optional_commands = (uint16_t)commands;
    return member_bool(object, "volatileWriteCache", &info->volatile_write_cache);
}

/* How the doorbells are reached; takes the descriptor that is to be mapped out of the reply. */
static int read_delegation(json_object *object, struct varlink_message *reply,
                           struct lease_function *function)
{
    const char *delegation;
    int64_t offset, bytes, stride, index;
    bool relayed;

    if (member_string(object, "delegation", LEASE_NAME_MAX, &delegation) < 0 ||
        member_int(object, "barOffsetBytes", 0, INT64_MAX - BAR_BYTES_MAX, &offset) < 0 ||
        member_int(object, "barBytes", 0, BAR_BYTES_MAX, &bytes) < 0 ||
        member_int(object, "doorbellStrideBytes", 4, 4 << 15, &stride) < 0 || !power_of_two(stride))
        return -EPROTO;
    function->bar_offset = (uint64_t)offset;
    function->bar_bytes = (uint64_t)bytes;
    function->doorbell_stride = (uint32_t)stride;
    relayed = strcmp(delegation, "relayed") == 0;
    if ((!relayed && strcmp(delegation, "direct") != 0) ||
        member_present(object, relayed ? "deviceFd" : "doorbellFd") ||
        bytes <= (relayed ? 0 : LEASE_DOORBELLS_OFFSET) ||
        member_int(object, relayed ? "doorbellFd" : "deviceFd", 0, (int64_t)reply->fd_count - 1, &index) < 0)
        return -EPROTO;
    function->info.relayed = relayed;
    function->device_fd = varlink_message_take_fd(reply, (unsigned)index);
    return function->device_fd < 0 ? -EPROTO : 0; /* taken by another function already */
}

/* Of doorbells that are read by something that sleeps. */
static int read_wake(json_object *object, struct varlink_message *reply, struct lease_function *function)
{
    int64_t first = function->info.relayed ? 0 : LEASE_DOORBELLS_OFFSET;
    int64_t offset, index;

    if (!member_present(object, "wakeFd"))
        return function->info.relayed ? -EPROTO : 0;
    if (member_int(object, "wakeOffsetBytes", first, (int64_t)function->bar_bytes - 4, &offset) < 0 ||
        offset % 4 != 0 || member_int(object, "wakeFd", 0, (int64_t)reply->fd_count - 1, &index) < 0)
        return -EPROTO;
    function->wake_offset = (uint64_t)offset;
    function->wake_fd = varlink_message_take_fd(reply, (unsigned)index);
    return function->wake_fd < 0 ? -EPROTO : 0;
}

static int read_function(json_object *object, struct varlink_message *reply, struct lease_function *function)
{
    int r;

    if (!json_object_is_type(object, json_type_object))
        return -EPROTO;
    r = read_name(object, "name", &function->info.name);
    if (r == 0)
        r = read_name(object, "device", &function->info.device);
    if (r == 0)
        r = read_limits(object, &function->info);
    if (r == 0)
        r = read_delegation(object, reply, function);
    if (r == 0)
        r = read_wake(object, reply, function);
    return r < 0 ? r : read_namespaces(object, function);
}

int grant_read(struct homi_lease *lease, struct varlink_message *reply)
{
    json_object *array;
    const char *name;
    size_t count;
    unsigned taken = 0;

    if (member_string(reply->parameters, "lease", LEASE_NAME_MAX, &name) < 0 ||
        member_array(reply->parameters, "virtualFunctions", LEASE_FUNCTIONS_MAX, &array) < 0)
        return -EPROTO;
    count = json_object_array_length(array);
    if (count == 0)
        return -EPROTO;
    lease->name = strdup(name);
    lease->functions = calloc(count, sizeof(*lease->functions));
    if (!lease->name || !lease->functions)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++) {
        struct lease_function *function = &lease->functions[lease->function_count++];

        function->device_fd = function->wake_fd = -1;
        int r = read_function(json_object_array_get_idx(array, i), reply, function);
        if (r < 0)
            return r;
        taken += (function->device_fd >= 0) + (function->wake_fd >= 0);
    }
    return taken == reply->fd_count ? 0 : -EPROTO;
}
