/* SPDX-License-Identifier: BSD-3-Clause */
/* The few admin commands that a tenant may have executed on its function, and which arguments are harmless.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/core/internal.h"

#define LOG_BYTES_MAX      HW_DATA_BYTES
#define NAMESPACE_ALL      0xffffffffu
#define FEATURE_FIRST      0x01 /* Arbitration */
#define FEATURE_LAST       0x0b /* Asynchronous Event Configuration */
#define FEATURE_LBA_RANGES 0x03 /* answers in a data buffer */

static bool check_value(const char *field, int64_t value, int64_t minimum, int64_t maximum,
                        struct core_error *error)
{
    if (value >= minimum && value <= maximum)
        return true;
    *error = error_refusal(CORE_REFUSED_VALUE, field);
    error->minimum = minimum;
    error->limit = maximum;
    return false;
}

static bool not_permitted(const char *field, struct core_error *error)
{
    *error = error_refusal(CORE_REFUSED_COMMAND_NOT_PERMITTED, field);
    return false;
}

/* NVMe Base 2.0, section 5.17.1: which of the data structures say nothing about others. */
static bool check_identify(const struct function *function, int64_t cns, int64_t id, struct core_error *error)
{
    if (!check_value("cns", cns, 0, UINT8_MAX, error) || !check_value("namespace", id, 0, UINT32_MAX, error))
        return false;
    switch (cns) {
    case 0x00: /* namespace */
    case 0x03: /* its identification descriptors */
    case 0x05: /* it, as its command set sees it */
    case 0x08: /* it, whatever its command set */
        return function_attachment(function, (uint32_t)id) ? true : not_permitted("namespace", error);
    case 0x01: /* controller */
    case 0x06: /* controller, as a command set sees it */
        return id == 0 ? true : not_permitted("namespace", error);
    case 0x02: /* active namespaces */ return true;
    default: return not_permitted("cns", error);
    }
}

static bool check_log_page(const struct function *function, int64_t page, int64_t id, int64_t bytes,
                           struct core_error *error)
{
    if (!check_value("page", page, 0, UINT8_MAX, error) ||
        !check_value("namespace", id, 0, UINT32_MAX, error) ||
        !check_value("lengthBytes", bytes, 4, LOG_BYTES_MAX, error))
        return false;
    if (bytes % 4)
        return check_value("lengthBytes", -1, 4, LOG_BYTES_MAX, error);
    if (page != 0x01 && page != 0x02 && page != 0x05)
        return not_permitted("page", error);
    if (id == 0 || id == NAMESPACE_ALL || function_attachment(function, (uint32_t)id))
        return true;
    return not_permitted("namespace", error);
}

static bool check_feature(int64_t feature, struct core_error *error)
{
    if (!check_value("feature", feature, 0, UINT8_MAX, error))
        return false;
    if (feature < FEATURE_FIRST || feature > FEATURE_LAST || feature == FEATURE_LBA_RANGES)
        return not_permitted("feature", error);
    return true;
}

/* ---- calls ---- */

static void finish(struct call *call, const struct hw_result *result)
{
    struct core *core = call->core;

    core_enter(core);
    call->function->pending--;
    function_wake(call->function);
    if (result->error)
        call->error = error_result(result, "an admin command");
    call_finish(call);
    core_leave(core);
}

static void data_done(void *user, const struct hw_result *result)
{
    struct call *call = user;

    if (!result->error)
        memcpy(call->result.data.bytes, result->data, HW_DATA_BYTES);
    finish(call, result);
}

static void value_done(void *user, const struct hw_result *result)
{
    struct call *call = user;

    if (!result->error)
        call->result.data.value = result->value;
    finish(call, result);
}

/* A call for a command, with room for its data; *ret_function is NULL when it was refused already. */
static struct call *begin(struct core_client *client, const char *lease, const char *name, bool with_data,
                          core_data_done done, void *user, struct core_error *error,
                          struct function **ret_function)
{
    struct call *call = call_new(client->core, client, CALL_DATA, user);
    struct holder *holder;

    *ret_function = NULL;
    if (!call) {
        done(user, &error_no_memory, NULL, 0);
        return NULL;
    }
    call->done.data = done;
    if (with_data && !(call->result.data.bytes = calloc(1, HW_DATA_BYTES))) {
        *error = error_no_memory;
        return call;
    }
    holder = holder_find(client, lease, error);
    if (holder)
        *ret_function = holder_function(holder, name, error);
    return call;
}

static void start(struct call *call, struct function *function)
{
    call->function = function;
    function->pending++;
}

void core_identify(struct core_client *client, const char *lease, const char *name, int64_t cns, int64_t id,
                   core_data_done done, void *user)
{
    struct core *core = client->core;
    struct core_error error = {0};
    struct function *function;
    struct call *call;

    core_enter(core);
    call = begin(client, lease, name, true, done, user, &error, &function);
    if (function && check_identify(function, cns, id, &error)) {
        start(call, function);
        core->backend->identify(function->handle, (uint8_t)cns, (uint32_t)id, data_done, call);
    } else if (call) {
        call_refuse(call, &error);
    }
    core_leave(core);
}

void core_get_log_page(struct core_client *client, const char *lease, const char *name, int64_t page,
                       int64_t id, int64_t bytes, core_data_done done, void *user)
{
    struct core *core = client->core;
    struct core_error error = {0};
    struct function *function;
    struct call *call;

    core_enter(core);
    call = begin(client, lease, name, true, done, user, &error, &function);
    if (function && check_log_page(function, page, id, bytes, &error)) {
        start(call, function);
        core->backend->get_log_page(function->handle, (uint8_t)page, (uint32_t)id, (uint32_t)bytes, data_done,
                                    call);
    } else if (call) {
        call_refuse(call, &error);
    }
    core_leave(core);
}

void core_get_feature(struct core_client *client, const char *lease, const char *name, int64_t feature,
                      core_data_done done, void *user)
{
    struct core *core = client->core;
    struct core_error error = {0};
    struct function *function;
    struct call *call;

    core_enter(core);
    call = begin(client, lease, name, false, done, user, &error, &function);
    if (function && check_feature(feature, &error)) {
        start(call, function);
        core->backend->get_feature(function->handle, (uint8_t)feature, value_done, call);
    } else if (call) {
        call_refuse(call, &error);
    }
    core_leave(core);
}
