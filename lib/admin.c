/* SPDX-License-Identifier: BSD-3-Clause */
/* What the controller says of itself, by way of homid, which owns the admin queue. */
#include <errno.h>
#include <string.h>

#include "lib/base64.h"
#include "lib/lease.h"
#include "lib/members.h"

/* Parameters that name a function of the lease. Nothing changes, so there is no request id. */
static json_object *question(const struct homi_lease *lease, size_t function)
{
    json_object *parameters = json_object_new_object();

    if (!parameters)
        return NULL;
    if (member_add_string(parameters, "lease", lease->name) &&
        member_add_string(parameters, "virtualFunction", lease->functions[function].info.name))
        return parameters;
    json_object_put(parameters);
    return NULL;
}

/* Asks for base64 data of exactly `bytes` bytes. Takes parameters over (NULL: memory ran out). */
static int ask_for_data(struct homi *homi, const char *method, json_object *parameters, size_t bytes,
                        void *ret_data)
{
    struct varlink_message reply;
    const char *text;
    int r;

    if (!parameters)
        return -ENOMEM;
    r = client_call(homi, method, parameters, NULL, 0, 0, &reply);
    json_object_put(parameters);
    if (r != 0)
        return r;
    if (member_string(reply.parameters, "data", base64_length(bytes), &text) < 0 ||
        base64_decode(text, bytes, ret_data) < 0)
        r = client_breach(homi);
    varlink_message_clear(&reply);
    return r;
}

int homi_identify(struct homi_lease *lease, size_t function, uint8_t cns, uint32_t namespace_id,
                  void *ret_data)
{
    json_object *parameters;

    if (function >= lease->function_count)
        return -EINVAL;
    parameters = question(lease, function);
    if (parameters && !(member_add_int(parameters, "cns", cns) &&
                        (namespace_id == 0 || member_add_int(parameters, "namespace", namespace_id)))) {
        json_object_put(parameters);
        parameters = NULL;
    }
    return ask_for_data(lease->homi, "io.homi.Tenant.Identify", parameters, HOMI_IDENTIFY_BYTES, ret_data);
}

int homi_get_log_page(struct homi_lease *lease, size_t function, uint8_t page, uint32_t namespace_id,
                      size_t bytes, void *ret_data)
{
    json_object *parameters;

    if (function >= lease->function_count || bytes == 0 || bytes % 4 != 0 || bytes > HOMI_LOG_BYTES_MAX)
        return -EINVAL;
    parameters = question(lease, function);
    if (parameters && !(member_add_int(parameters, "page", page) &&
                        member_add_int(parameters, "lengthBytes", (int64_t)bytes) &&
                        (namespace_id == 0 || member_add_int(parameters, "namespace", namespace_id)))) {
        json_object_put(parameters);
        parameters = NULL;
    }
    return ask_for_data(lease->homi, "io.homi.Tenant.GetLogPage", parameters, bytes, ret_data);
}

int homi_get_feature(struct homi_lease *lease, size_t function, uint8_t feature, uint32_t *ret_value)
{
    struct varlink_message reply;
    json_object *parameters;
    int64_t value;
    int r = -ENOMEM;

    if (function >= lease->function_count)
        return -EINVAL;
    parameters = question(lease, function);
    if (parameters && member_add_int(parameters, "feature", feature))
        r = client_call(lease->homi, "io.homi.Tenant.GetFeature", parameters, NULL, 0, 0, &reply);
    json_object_put(parameters);
    if (r != 0)
        return r;
    if (member_int(reply.parameters, "value", 0, UINT32_MAX, &value) < 0)
        r = client_breach(lease->homi);
    else
        *ret_value = (uint32_t)value;
    varlink_message_clear(&reply);
    return r;
}
