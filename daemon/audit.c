/* SPDX-License-Identifier: BSD-3-Clause */
#include "daemon/audit.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *message_id, *name;
    int priority;
} kinds[] = {
    [CORE_EVENT_DEVICE_STATE] = {"19056bef632d4b9587a9efca6337d03b", "device", LOG_NOTICE},
    [CORE_EVENT_FUNCTION_STATE] = {"a93815ebb7b0427ab2c2384d97531418", "function", LOG_INFO},
    [CORE_EVENT_LEASE_GRANTED] = {"d0adc17322e5492290df4aa713bf96dd", "lease granted", LOG_NOTICE},
    [CORE_EVENT_LEASE_ENDED] = {"a926c68854bf457f99692588ab526b1b", "lease ended", LOG_NOTICE},
    [CORE_EVENT_REFUSED] = {"5845d3f03f6d4a6ba747fdecc49c3b0e", "refused", LOG_NOTICE},
    [CORE_EVENT_QUEUE_CREATED] = {"4dc71458b50841d0827c05756dcf8b49", "queue pair created", LOG_INFO},
    [CORE_EVENT_QUEUE_DELETED] = {"a5e995305bf44991b6940a78964bf770", "queue pair deleted", LOG_INFO},
    [CORE_EVENT_MEMORY_REGISTERED] = {"dce3e1c27b4645efb8548cecdc7828a4", "memory registered", LOG_INFO},
    [CORE_EVENT_MEMORY_RELEASED] = {"000f701b5b654742819ad1ad453d8891", "memory released", LOG_INFO},
    [CORE_EVENT_FAULT] = {"21ae4a76fa8e49ad86ea743c04117f92", "fault", LOG_WARNING},
    [CORE_EVENT_LEASE_LOST] = {"59d393e5a7444424911a9b33917ece8c", "lease lost", LOG_NOTICE},
    [CORE_EVENT_LEASE_REVOKING] = {"8f5b9cfb72eb4879b615bcf9233be153", "lease is being revoked", LOG_NOTICE},
    [CORE_EVENT_LEASE_REVOKED] = {"7541fe67f43c4b688aa05cf7c6da1944", "lease revoked", LOG_WARNING},
    [CORE_EVENT_FUNCTION_RESET] = {"203a0346ac7446f18fd7faae2fa222de", "function reset", LOG_WARNING},
    [CORE_EVENT_FUNCTION_FAILED] = {"387388f5d9b94c52a542eaa5fa3ca601", "function failed", LOG_WARNING},
    [CORE_EVENT_NAMESPACE_CHANGED] = {"e32b46ab33f34c44be1648234ded13a4", "namespace changed", LOG_NOTICE},
    [CORE_EVENT_QUEUE_FAILED] = {"0f6c8f8d3a5b4b0f9a1c36d5b0f1d7e4", "queue pair failed", LOG_WARNING},
};

static void append(char *text, size_t bytes, size_t *used, const char *label, const char *value)
{
    if (value && *used < bytes)
        *used += (size_t)snprintf(text + *used, bytes - *used, " %s=%s", label, value);
}

void audit_event(const struct log *log, const struct core_event *event)
{
    const struct log_fields fields = {
        .message_id = kinds[event->kind].message_id,
        .device = event->device,
        .function = event->function,
        .lease = event->lease,
        .tenant = event->tenant,
        .pid = event->pid,
        .uid = event->uid,
    };
    char about[384] = "";
    size_t used = 0;
    append(about, sizeof about, &used, "device", event->device);
    append(about, sizeof about, &used, "vf", event->function);
    append(about, sizeof about, &used, "lease", event->lease);
    append(about, sizeof about, &used, "tenant", event->tenant);
    if (event->pid > 0 && used < sizeof about)
        snprintf(about + used, sizeof about - used, " pid=%d uid=%u", (int)event->pid, (unsigned)event->uid);
    /* Some events have nothing to add to their name. */
    bool more = event->text && event->text[0] && strcmp(event->text, kinds[event->kind].name) != 0;
    log_write(log, kinds[event->kind].priority, &fields, "%s%s%s%s", kinds[event->kind].name, about,
              more ? ": " : "", more ? event->text : "");
}
