/* SPDX-License-Identifier: BSD-3-Clause */
#include "daemon/api/refusal.h"

#include <errno.h>
#include <string.h>

#include "daemon/api/value.h"

enum source { NAME = 1, TEXT, VALUE, MINIMUM, LIMIT, QUOTA, TENANTS };

struct member {
    const char *key;
    enum source source;
};

static const struct row {
    enum core_refusal code;
    const char *error;
    struct member members[3];
} rows[] = {
    {CORE_REFUSED_TENANT_NOT_PERMITTED, "TenantNotPermitted", {{"tenant", NAME}}},
    {CORE_REFUSED_TENANT_AMBIGUOUS, "TenantAmbiguous", {{"tenants", TENANTS}}},
    {CORE_REFUSED_UNKNOWN_TENANT, "UnknownTenant", {{"tenant", NAME}}},
    {CORE_REFUSED_UNKNOWN_DEVICE, "UnknownDevice", {{"device", NAME}}},
    {CORE_REFUSED_UNKNOWN_LEASE, "UnknownLease", {{"lease", NAME}}},
    {CORE_REFUSED_UNKNOWN_FUNCTION, "UnknownVirtualFunction", {{"virtualFunction", NAME}}},
    {CORE_REFUSED_UNKNOWN_REGION, "UnknownRegion", {{"region", VALUE}}},
    {CORE_REFUSED_UNKNOWN_QUEUE_PAIR, "UnknownQueuePair", {{"queuePair", VALUE}}},
    {CORE_REFUSED_NAMESPACE_NOT_ALLOWED, "NamespaceNotAllowed", {{"device", NAME}, {"namespace", VALUE}}},
    {CORE_REFUSED_NAMESPACE_BUSY,
     "NamespaceBusy",
     {{"device", NAME}, {"namespace", VALUE}, {"holder", TEXT}}},
    {CORE_REFUSED_QUOTA, "QuotaExceeded", {{"quota", QUOTA}, {"limit", LIMIT}, {"used", VALUE}}},
    {CORE_REFUSED_TRUST_REQUIRED, "TrustRequired", {{"tenant", NAME}}},
    {CORE_REFUSED_NO_FUNCTION_FREE, "NoVirtualFunctionFree", {{"device", NAME}}},
    {CORE_REFUSED_WAIT_EXPIRED, "WaitExpired", {{"device", NAME}, {"waitMilliseconds", VALUE}}},
    {CORE_REFUSED_DEVICE_UNAVAILABLE, "DeviceUnavailable", {{"device", NAME}, {"reason", TEXT}}},
    {CORE_REFUSED_GROUP_NOT_VIABLE, "GroupNotViable", {{"virtualFunction", NAME}, {"group", VALUE}}},
    {CORE_REFUSED_FUNCTION_FAILED, "FunctionFailed", {{"virtualFunction", NAME}, {"reason", TEXT}}},
    {CORE_REFUSED_FUNCTION_RESET, "FunctionReset", {{"virtualFunction", NAME}, {"reason", TEXT}}},
    {CORE_REFUSED_NO_QUEUE_PAIR_FREE, "NoQueuePairFree", {{"virtualFunction", NAME}, {"limit", LIMIT}}},
    {CORE_REFUSED_NO_INTERRUPT_FREE, "NoInterruptFree", {{"virtualFunction", NAME}, {"limit", LIMIT}}},
    {CORE_REFUSED_DEPTH, "DepthOutOfRange", {{"entries", VALUE}, {"minimum", MINIMUM}, {"maximum", LIMIT}}},
    {CORE_REFUSED_QUEUE_OUTSIDE_REGION, "QueueOutsideRegion", {{"field", NAME}}},
    {CORE_REFUSED_REGION_BUSY, "RegionBusy", {{"region", VALUE}, {"queuePairs", LIMIT}}},
    {CORE_REFUSED_VALUE, "ValueOutOfRange", {{"field", NAME}, {"minimum", MINIMUM}, {"maximum", LIMIT}}},
    {CORE_REFUSED_COMMAND_NOT_PERMITTED, "CommandNotPermitted", {{"field", NAME}}},
    {CORE_REFUSED_COMMAND_FAILED, "CommandFailed", {{"status", VALUE}}},
    {CORE_REFUSED_LEASE_REVOKED, "LeaseRevoked", {{"lease", NAME}, {"reason", TEXT}}},
    {CORE_REFUSED_LEASE_HELD, "LeaseHeld", {{"lease", NAME}, {"holders", VALUE}}},
    {CORE_REFUSED_UNKNOWN_NAMESPACE, "UnknownNamespace", {{"device", NAME}, {"namespace", VALUE}}},
    {CORE_REFUSED_NOT_QUARANTINED, "NotQuarantined", {{"device", NAME}}},
    {CORE_REFUSED_LEASE_KIND, "LeaseKindMismatch", {{"lease", NAME}, {"kind", TEXT}}},
    {CORE_REFUSED_USER_NOT_PERMITTED, "UserNotPermitted", {{"tenant", NAME}, {"user", VALUE}}},
    {CORE_REFUSED_UNKNOWN_KEEPER, "UnknownKeeper", {{"keeper", NAME}}},
    {CORE_REFUSED_LEASE_ONLY, "LeaseOnly", {{"lease", NAME}}},
};

const char *refusal_quota_name(enum core_quota quota)
{
    switch (quota) {
    case CORE_QUOTA_FUNCTIONS: return "virtualFunctions";
    case CORE_QUOTA_QUEUE_PAIRS: return "queuePairs";
    case CORE_QUOTA_MEMORY_BYTES: return "memoryBytes";
    case CORE_QUOTA_CONNECTIONS: return "connections";
    case CORE_QUOTA_REGIONS: return "regions";
    case CORE_QUOTA_WAITING: return "waiting";
    case CORE_QUOTA_QUEUE_PAIRS_PER_SECOND: return "queuePairsPerSecond";
    }
    return "connections";
}

static void put_member(json_object *parameters, const struct member *member, const struct core_error *error,
                       json_object *tenants)
{
    switch (member->source) {
    case NAME: value_put_text(parameters, member->key, error->name); break;
    case TEXT: value_put_text(parameters, member->key, error->text); break;
    case VALUE: value_put_integer(parameters, member->key, error->value); break;
    case MINIMUM: value_put_integer(parameters, member->key, error->minimum); break;
    case LIMIT: value_put_integer(parameters, member->key, error->limit); break;
    case QUOTA: value_put_text(parameters, member->key, refusal_quota_name(error->quota)); break;
    case TENANTS:
        value_put(parameters, member->key, tenants ? json_object_get(tenants) : json_object_new_array());
        break;
    }
}

const char *refusal_error(const struct core_error *error, json_object *tenants, json_object **ret_parameters)
{
    json_object *parameters = json_object_new_object();
    *ret_parameters = parameters;
    for (size_t i = 0; error->code > 0 && i < sizeof rows / sizeof rows[0]; i++) {
        if ((int)rows[i].code != error->code)
            continue;
        for (size_t m = 0; m < 3 && rows[i].members[m].key; m++)
            put_member(parameters, &rows[i].members[m], error, tenants);
        return rows[i].error;
    }
    const char *name = strerrorname_np(error->code < 0 ? -error->code : EPROTO);
    value_put_text(parameters, "errno", name ? name : "EIO");
    value_put_text(parameters, "operation", error->text);
    return "SystemError";
}
