/* SPDX-License-Identifier: BSD-3-Clause */
#include "lib/lease.h"

#include <errno.h>
#include <linux/membarrier.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/grant.h"
#include "lib/members.h"
#include "lib/page_pool.h"

static const char *const mode_names[] = {
    [HOMI_ATTACH_ANY] = "any",
    [HOMI_ATTACH_JOIN] = "join",
    [HOMI_ATTACH_FRESH] = "fresh",
};

static bool add_devices(json_object *parameters, const struct homi_attach_options *options)
{
    json_object *array = json_object_new_array();

    for (size_t i = 0; array && i < options->device_count; i++)
        if (json_object_array_add(array, json_object_new_string(options->devices[i])) < 0)
            return json_object_put(array), false;
    return member_add(parameters, "devices", array);
}

static bool add_namespaces(json_object *parameters, const struct homi_attach_options *options)
{
    json_object *array = json_object_new_array();

    for (size_t i = 0; array && i < options->namespace_count; i++)
        if (json_object_array_add(array, json_object_new_int64(options->namespaces[i])) < 0)
            return json_object_put(array), false;
    return member_add(parameters, "namespaces", array);
}

static json_object *attach_request(struct homi *homi, const struct homi_attach_options *options)
{
    json_object *parameters = client_request(homi);

    if (!parameters || !options)
        return parameters;
    if (member_add_string(parameters, "tenant", options->tenant) &&
        member_add_string(parameters, "lease", options->lease) &&
        member_add_string(parameters, "mode", mode_names[options->mode]) &&
        (!options->devices || add_devices(parameters, options)) &&
        (!options->namespaces || add_namespaces(parameters, options)) &&
        (options->queue_pairs == 0 || member_add_int(parameters, "queuePairs", options->queue_pairs)) &&
        (options->wait_milliseconds == 0 ||
         member_add_int(parameters, "waitMilliseconds", options->wait_milliseconds)))
        return parameters;
    json_object_put(parameters);
    return NULL;
}

static int map_bar(struct lease_function *function)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    void *bar;

    if (function->bar_offset % page != 0)
        return -EPROTO;
    bar = mmap(NULL, function->bar_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, function->device_fd,
               (off_t)function->bar_offset);
    if (bar == MAP_FAILED)
        return -errno;
    function->bar = bar;
    /* The reader of the doorbells counts on this when it goes to sleep (see homi_queue_ring). */
    if (function->wake_fd >= 0 && syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED, 0, 0) < 0)
        return -errno;
    /* The registers are homid's: a stray store of this process shall not reset the controller. */
    if (!function->info.relayed && page <= LEASE_DOORBELLS_OFFSET &&
        mprotect(bar, LEASE_DOORBELLS_OFFSET, PROT_READ) < 0)
        return -errno;
    return 0;
}

/* homid can hand a function on only when nobody has it open, so this comes before Detach. */
static void close_functions(struct homi_lease *lease)
{
    for (size_t i = 0; i < lease->function_count; i++) {
        struct lease_function *function = &lease->functions[i];

        if (function->bar)
            munmap((void *)(uintptr_t)function->bar, function->bar_bytes);
        if (function->device_fd >= 0)
            close(function->device_fd);
        if (function->wake_fd >= 0)
            close(function->wake_fd);
        function->bar = NULL;
        function->device_fd = function->wake_fd = -1;
    }
}

static void free_lease(struct homi_lease *lease)
{
    for (size_t i = 0; i < lease->function_count; i++) {
        free((char *)(uintptr_t)lease->functions[i].info.name);
        free((char *)(uintptr_t)lease->functions[i].info.device);
        free(lease->functions[i].namespaces);
    }
    free(lease->functions);
    free(lease->name);
    free(lease);
}

static void give_back(struct homi_lease *lease)
{
    json_object *parameters = lease_request(lease);

    /* Whatever the answer, nothing of it is left here; homid takes the rest back with the connection. */
    if (parameters)
        client_command(lease->homi, "io.homi.Tenant.Detach", parameters);
    json_object_put(parameters);
}

int homi_attach(struct homi *homi, const struct homi_attach_options *options, struct homi_lease **ret_lease)
{
    struct varlink_message reply;
    struct homi_lease *lease;
    json_object *parameters;
    int r;

    if (options && (unsigned)options->mode >= sizeof(mode_names) / sizeof(mode_names[0]))
        return -EINVAL;
    lease = calloc(1, sizeof(*lease));
    parameters = lease ? attach_request(homi, options) : NULL;
    r = parameters ? 0 : -ENOMEM;
    if (r == 0)
        r = client_call(homi, "io.homi.Tenant.Attach", parameters, NULL, 0, VARLINK_FDS_MAX, &reply);
    json_object_put(parameters);
    if (r != 0) {
        free(lease);
        return r;
    }
    lease->homi = homi;
    r = grant_read(lease, &reply);
    varlink_message_clear(&reply);
    for (size_t i = 0; r == 0 && i < lease->function_count; i++)
        r = map_bar(&lease->functions[i]);
    if (r == -EPROTO)
        client_breach(homi);
    if (r < 0) {
        close_functions(lease);
        if (lease->name)
            give_back(lease);
        free_lease(lease);
        return r;
    }
    lease->next = homi->leases;
    homi->leases = lease;
    *ret_lease = lease;
    return 0;
}

void homi_detach(struct homi_lease *lease)
{
    if (!lease)
        return;
    lease->ending = true;
    while (lease->pairs)
        homi_queue_pair_free(lease->pairs);
    while (lease->memories)
        homi_memory_free(lease->memories);
    page_pool_free(lease);
    for (struct homi_lease **link = &lease->homi->leases; *link; link = &(*link)->next)
        if (*link == lease) {
            *link = lease->next;
            break;
        }
    close_functions(lease);
    give_back(lease);
    free_lease(lease);
}

json_object *lease_request(struct homi_lease *lease)
{
    json_object *parameters = client_request(lease->homi);

    if (!parameters || member_add_string(parameters, "lease", lease->name))
        return parameters;
    json_object_put(parameters);
    return NULL;
}

uint32_t lease_page_bytes(const struct homi_lease *lease)
{
    uint32_t largest = 0;

    for (size_t i = 0; i < lease->function_count; i++)
        if (lease->functions[i].info.page_bytes > largest)
            largest = lease->functions[i].info.page_bytes;
    return largest;
}

const char *homi_lease_name(const struct homi_lease *lease)
{
    return lease->name;
}

size_t homi_lease_function_count(const struct homi_lease *lease)
{
    return lease->function_count;
}

const struct homi_function_info *homi_lease_function(const struct homi_lease *lease, size_t index)
{
    return index < lease->function_count ? &lease->functions[index].info : NULL;
}

const struct homi_namespace *homi_function_namespace(const struct homi_lease *lease, size_t function,
                                                     size_t index)
{
    if (function >= lease->function_count || index >= lease->functions[function].info.namespace_count)
        return NULL;
    return &lease->functions[function].namespaces[index];
}

const struct homi_namespace *homi_function_namespace_by_id(const struct homi_lease *lease, size_t function,
                                                           uint32_t id)
{
    const struct homi_namespace *namespace;

    for (size_t i = 0; (namespace = homi_function_namespace(lease, function, i)) != NULL; i++)
        if (namespace->id == id)
            return namespace;
    return NULL;
}
