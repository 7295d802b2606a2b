/* SPDX-License-Identifier: BSD-3-Clause */
#include "lib/refusal.h"

#include <stdio.h>
#include <string.h>

struct refusal {
    enum homi_refusal code;
    const char *error;
    const char *text;
};

#define TENANT  "io.homi.Tenant."
#define VARLINK "org.varlink.service."

static const struct refusal refusals[] = {
    {HOMI_REFUSED_PARAMETER, VARLINK "InvalidParameter", "a parameter is not valid"},
    {HOMI_REFUSED_PERMISSION, VARLINK "PermissionDenied", "the caller may not do this"},
    {HOMI_REFUSED_CALLER_UNKNOWN, TENANT "CallerUnknown", "homid cannot tell who the caller is"},
    {HOMI_REFUSED_TENANT_NOT_PERMITTED, TENANT "TenantNotPermitted",
     "the caller may not act for this tenant"},
    {HOMI_REFUSED_TENANT_AMBIGUOUS, TENANT "TenantAmbiguous",
     "the caller may act for several tenants or for none, and named none"},
    {HOMI_REFUSED_UNKNOWN_TENANT, TENANT "UnknownTenant", "no such tenant"},
    {HOMI_REFUSED_UNKNOWN_DEVICE, TENANT "UnknownDevice", "no such device"},
    {HOMI_REFUSED_UNKNOWN_LEASE, TENANT "UnknownLease", "no such lease"},
    {HOMI_REFUSED_UNKNOWN_VIRTUAL_FUNCTION, TENANT "UnknownVirtualFunction",
     "the lease has no such virtual function"},
    {HOMI_REFUSED_UNKNOWN_REGION, TENANT "UnknownRegion", "no such memory region"},
    {HOMI_REFUSED_UNKNOWN_QUEUE_PAIR, TENANT "UnknownQueuePair", "no such queue pair"},
    {HOMI_REFUSED_NAMESPACE_NOT_ALLOWED, TENANT "NamespaceNotAllowed",
     "the tenant may not have this namespace"},
    {HOMI_REFUSED_NAMESPACE_BUSY, TENANT "NamespaceBusy", "the namespace is attached elsewhere"},
    {HOMI_REFUSED_QUOTA, TENANT "QuotaExceeded", "over the tenant's quota"},
    {HOMI_REFUSED_TRUST_REQUIRED, TENANT "TrustRequired",
     "the tenant is configured direct and not trusted, and the device does not confine it"},
    {HOMI_REFUSED_NO_VIRTUAL_FUNCTION, TENANT "NoVirtualFunctionFree",
     "every virtual function is taken; ask with a time to wait"},
    {HOMI_REFUSED_WAIT_EXPIRED, TENANT "WaitExpired", "no virtual function became free in time"},
    {HOMI_REFUSED_DEVICE_UNAVAILABLE, TENANT "DeviceUnavailable", "the device cannot serve now"},
    {HOMI_REFUSED_GROUP_NOT_VIABLE, TENANT "GroupNotViable",
     "the virtual function shares its IOMMU group with other devices"},
    {HOMI_REFUSED_FUNCTION_FAILED, TENANT "FunctionFailed", "the virtual function failed"},
    {HOMI_REFUSED_NO_QUEUE_PAIR, TENANT "NoQueuePairFree", "no queue pair is left on the virtual function"},
    {HOMI_REFUSED_NO_INTERRUPT, TENANT "NoInterruptFree", "no interrupt is left on the virtual function"},
    {HOMI_REFUSED_DEPTH, TENANT "DepthOutOfRange", "the controller has no queues of this many entries"},
    {HOMI_REFUSED_QUEUE_OUTSIDE_REGION, TENANT "QueueOutsideRegion",
     "the queue is misaligned or does not fit into its region"},
    {HOMI_REFUSED_MEMORY, TENANT "MemoryRefused", "the memory cannot be registered"},
    {HOMI_REFUSED_REGION_BUSY, TENANT "RegionBusy", "queue pairs lie in the region"},
    {HOMI_REFUSED_FD_COUNT, TENANT "FileDescriptorCount", "wrong number of file descriptors"},
    {HOMI_REFUSED_VALUE, TENANT "ValueOutOfRange", "a value is out of range"},
    {HOMI_REFUSED_COMMAND_NOT_PERMITTED, TENANT "CommandNotPermitted",
     "tenants may not ask for this command"},
    {HOMI_REFUSED_COMMAND_FAILED, TENANT "CommandFailed", "the controller refused the command"},
    {HOMI_REFUSED_LEASE_REVOKED, TENANT "LeaseRevoked", "the lease was revoked"},
    {HOMI_REFUSED_LEASE_KIND, TENANT "LeaseKindMismatch", "the lease is not for queue pairs from homid"},
    {HOMI_REFUSED_LEASE_ONLY, TENANT "LeaseOnly",
     "the socket is that of a lease, which is not what was asked for"},
    {HOMI_REFUSED_FUNCTION_RESET, TENANT "FunctionReset",
     "the virtual function was reset; homi_recover() waits until it is usable again"},
    {HOMI_REFUSED_SYSTEM, TENANT "SystemError", "the machine failed under homid"},
};

#define REFUSALS (sizeof(refusals) / sizeof(refusals[0]))

static const struct refusal *find(const char *error)
{
    for (size_t i = 0; i < REFUSALS; i++)
        if (strcmp(refusals[i].error, error) == 0)
            return &refusals[i];
    return NULL;
}

enum homi_refusal refusal_by_name(const char *error)
{
    const struct refusal *refusal = find(error);

    return refusal ? refusal->code : HOMI_REFUSED_OTHER;
}

const char *refusal_text(int code)
{
    if (code == HOMI_REFUSED_OTHER)
        return "refused for a reason that this version of libhomi does not know";
    for (size_t i = 0; i < REFUSALS; i++)
        if ((int)refusals[i].code == code)
            return refusals[i].text;
    return NULL;
}

/* Appends to what the buffer holds, as much as fits. */
static void append(char *buffer, size_t bytes, const char *text)
{
    size_t used = strlen(buffer);

    snprintf(buffer + used, bytes - used, "%s", text);
}

void refusal_describe(const char *error, json_object *parameters, char *buffer, size_t bytes)
{
    const struct refusal *refusal = find(error);
    const char *separator = " (";

    snprintf(buffer, bytes, "%s", refusal ? refusal->text : error);
    json_object_object_foreach (parameters, key, value) {
        append(buffer, bytes, separator);
        append(buffer, bytes, key);
        append(buffer, bytes, ": ");
        append(buffer, bytes,
               json_object_is_type(value, json_type_string)
                   ? json_object_get_string(value)
                   : json_object_to_json_string_ext(value, JSON_C_TO_STRING_PLAIN));
        separator = ", ";
    }
    if (json_object_object_length(parameters) > 0)
        append(buffer, bytes, ")");
}
