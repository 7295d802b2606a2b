/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdlib.h>
#include <string.h>

#include "homictl/format.h"
#include "homictl/refusal.h"

/* {name} stands for the error's parameter of that name. */
struct refusal {
    const char *error; /* the last part of the Varlink error's name */
    const char *why;
    const char *next;
};

static const struct refusal refusals[] = {
    {"CallerUnknown", "homid cannot tell who you are: its namespaces have no number for your {unknown}",
     "run homictl in the namespaces that homid runs in"},
    {"UnknownTenant", "the configuration has no tenant {tenant}", "see `homictl list tenants`"},
    {"UnknownDevice", "the configuration has no device {device}", "see `homictl list devices`"},
    {"UnknownNamespace", "{device} has no namespace {namespace}", "see `homictl list namespaces`"},
    {"CommandFailed", "the SSD refused the command with NVMe status {status}",
     "see `journalctl -u homid`; `nvme` of nvme-cli explains the status"},
    {"UnknownLease", "there is no lease {lease}", "see `homictl list leases`"},
    {"UnknownVirtualFunction", "there is no virtual function {virtualFunction}", "see `homictl list vfs`"},
    {"NamespaceNotAllowed", "the tenant may not have namespace {namespace} of {device}",
     "add it to the tenant in homid.conf, or see `homictl list namespaces` for those that it may have"},
    {"NamespaceBusy", "namespace {namespace} of {device} is held by {holder}",
     "free the lease that holds it, or see how far scrubbing it is (`homictl list namespaces`)"},
    {"QuotaExceeded", "the limit of {limit} {quota} is reached ({used} in use)",
     "give some back (`homictl list leases`, `homictl list tenants`), or raise the limit in homid.conf"},
    {"TrustRequired", "{tenant} is to be direct and is not trusted, and the device does not confine it",
     "let it be relayed, or read about trust in homid.conf(5) before setting it"},
    {"NoVirtualFunctionFree", "every virtual function of {device} is taken",
     "see who holds them with `homictl list leases`, and end a reservation with `homictl vf free LEASE`"},
    {"DeviceUnavailable", "{device} cannot serve: {reason}", "see `homictl status`"},
    {"ValueOutOfRange", "{field} must be from {minimum} to {maximum}", "give a value in that range"},
    {"LeaseHeld", "{holders} processes hold lease {lease}",
     "end them (`homictl queue` shows their pids), or take it from them with --force"},
    {"NotQuarantined", "{device} is not in quarantine", "see its state with `homictl status`"},
    {"UnknownFault", "there is no fault {number}", "see `homictl model faults SERIAL`"},
    {"RuleWrong", "the rule is wrong: {reason}", "see homi-model(7) for what a rule may say"},
    {"NotPossible", "{reason}", "see `homictl model list`"},
    {"TooManyFaults", "there are {limit} faults already",
     "remove those that are done with `homictl model clear SERIAL`"},
    {"UserNotPermitted", "{user} is not a user of {tenant}",
     "name one of the tenant's users with --user (`homictl list tenants`)"},
    {"UnknownKeeper", "there is no {keeper} for the lease to end with",
     "start it first, or allocate without --pid and --unit"},
    {"FunctionFailed", "{virtualFunction} failed: {reason}", "see `homictl list vfs`"},
    {"SystemError", "{operation} failed with {errno}", "see `journalctl -u homid` for the circumstances"},
    {"PermissionDenied", "you may not",
     "run homictl as root or as a member of the admin group in homid.conf"},
    {"InvalidParameter", "homid does not accept the parameter {parameter}",
     "see that homictl and homid are of the same version: `homictl --version`, `homictl status`"},
    {"MethodNotFound", "this homid has no method {method}",
     "see that homictl and homid are of the same version: `homictl --version`, `homictl status`"},
    {"InterfaceNotFound", "what listens there does not serve {interface}",
     "name homid's admin socket with --socket"},
};

static void print_parameter(FILE *stream, struct json_object *parameters, const char *key, size_t length)
{
    char name[64];
    struct json_object *value = NULL;

    snprintf(name, sizeof(name), "%.*s", (int)length, key);
    json_object_object_get_ex(parameters, name, &value);

    char *safe = format_safe(value ? json_object_get_string(value) : "?");

    fputs(safe ? safe : "?", stream);
    free(safe);
}

static void print_expanded(FILE *stream, const char *text, struct json_object *parameters)
{
    for (const char *brace; (brace = strchr(text, '{')); text = strchr(brace, '}') + 1) {
        fprintf(stream, "%.*s", (int)(brace - text), text);
        print_parameter(stream, parameters, brace + 1, strcspn(brace + 1, "}"));
    }
    fputs(text, stream);
}

static const struct refusal *find(const char *name)
{
    const char *dot = strrchr(name, '.');

    for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++)
        if (dot && !strcmp(refusals[i].error, dot + 1))
            return &refusals[i];
    return NULL;
}

enum exit_status refusal_print(FILE *stream, const char *tried, const char *name,
                               struct json_object *parameters)
{
    const struct refusal *refusal = find(name);

    fprintf(stream, "homictl: cannot %s: ", tried);
    if (refusal) {
        print_expanded(stream, refusal->why, parameters);
        fprintf(stream, "\n  next: %s\n", refusal->next);
    } else {
        char *safe = format_safe(name);

        fprintf(stream, "homid answered %s\n  next: see homi.varlink(7) for what it means\n",
                safe ? safe : "?");
        free(safe);
    }
    return refusal && !strcmp(refusal->error, "SystemError") ? EXIT_SYSTEM : EXIT_REFUSED;
}
