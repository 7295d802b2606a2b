/* SPDX-License-Identifier: BSD-3-Clause */
#include "daemon/api/attach.h"

#include <string.h>

#include "daemon/api/value.h"

static enum core_attach_mode mode_of(const char *name)
{
    if (name && strcmp(name, "join") == 0)
        return CORE_ATTACH_JOIN;
    if (name && strcmp(name, "fresh") == 0)
        return CORE_ATTACH_FRESH;
    return CORE_ATTACH_ANY;
}

/* Whether an optional integer is absent or in range; otherwise the call is answered. */
static bool in_range(struct api_call *call, json_object *parameters, const char *key, int64_t minimum,
                     int64_t maximum, uint32_t *ret_value)
{
    json_object *member = value_member(parameters, key);
    if (!member)
        return true;
    int64_t value = json_object_get_int64(member);
    if (value < minimum || value > maximum) {
        api_call_range(call, key, minimum, maximum);
        return false;
    }
    *ret_value = (uint32_t)value;
    return true;
}

static bool decode_devices(struct api_call *call, json_object *array, struct attach_parameters *attach)
{
    size_t count = array ? json_object_array_length(array) : 0;
    if (count > CORE_LEASE_DEVICES_MAX) {
        api_call_range(call, "devices", 0, CORE_LEASE_DEVICES_MAX);
        return false;
    }
    for (size_t i = 0; i < count; i++)
        attach->devices[i] = json_object_get_string(json_object_array_get_idx(array, i));
    attach->request.devices = attach->devices;
    attach->request.device_count = count;
    return true;
}

static bool decode_namespaces(struct api_call *call, json_object *array, struct attach_parameters *attach)
{
    size_t count = array ? json_object_array_length(array) : 0;
    if (count > CORE_LEASE_NAMESPACES_MAX) {
        api_call_range(call, "namespaces", 0, CORE_LEASE_NAMESPACES_MAX);
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        int64_t id = json_object_get_int64(json_object_array_get_idx(array, i));
        if (id < 1 || id >= UINT32_MAX) { /* FFFFFFFFh means all of them */
            api_call_range(call, "namespaces", 1, UINT32_MAX - 1);
            return false;
        }
        attach->namespaces[i] = (uint32_t)id;
    }
    attach->request.namespaces = attach->namespaces;
    attach->request.namespaces_given = array != NULL;
    attach->request.namespace_count = count;
    return true;
}

bool attach_decode(struct api_call *call, json_object *parameters, struct attach_parameters *attach)
{
    struct core_attach_request *request = &attach->request;
    memset(attach, 0, sizeof *attach);
    request->tenant = value_text(parameters, "tenant");
    request->lease = value_text(parameters, "lease");
    request->mode = mode_of(value_text(parameters, "mode"));
    return decode_devices(call, value_member(parameters, "devices"), attach) &&
           decode_namespaces(call, value_member(parameters, "namespaces"), attach) &&
           in_range(call, parameters, "queuePairs", 1, UINT16_MAX, &request->queue_pairs) &&
           in_range(call, parameters, "expiresSeconds", 1, CORE_EXPIRES_SECONDS_MAX,
                    &request->expires_seconds) &&
           in_range(call, parameters, "waitMilliseconds", 0,
                    call->session->context->config->wait_milliseconds_max, &request->wait_milliseconds);
}
