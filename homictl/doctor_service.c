/* SPDX-License-Identifier: BSD-3-Clause */
/* homid as it answers, and who may talk to it. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "homictl/call.h"
#include "homictl/doctor.h"
#include "homictl/listing.h"
#include "homictl/machine.h"

#define TENANT_SOCKET "/run/homi/tenant.sock"
#define GROUP         "homi"

static void check_group(struct doctor *doctor)
{
    if (machine_mentions(doctor->root, "/etc/group", GROUP ":"))
        doctor_find(doctor, "group " GROUP, VERDICT_GOOD, NULL, "its members may use homictl");
    else
        doctor_find(doctor, "group " GROUP, VERDICT_WARNING, "systemd-sysusers",
                    "there is no such group: only root may use homictl");
}

static void check_tenant_socket(struct doctor *doctor)
{
    const char *given = getenv("HOMI_TENANT_SOCKET");
    const char *path = given && *given ? given : TENANT_SOCKET;

    if (access(path, R_OK | W_OK) == 0)
        doctor_find(doctor, "tenants' socket", VERDICT_GOOD, NULL, "%s is there for everybody", path);
    else
        doctor_find(doctor, "tenants' socket", errno == ENOENT ? VERDICT_WARNING : VERDICT_BAD,
                    errno == ENOENT ? "systemctl enable --now homid.socket homid-admin.socket"
                                    : "systemctl restart homid.socket",
                    "%s: %s", path, strerror(errno));
}

/* The pinned memory of tenants is charged to homid. */
static void check_memlock(struct doctor *doctor, int64_t pid)
{
    char text[MACHINE_TEXT_BYTES], *line;
    char soft[32] = "";

    if (machine_read("", text, "/proc/%" PRId64 "/limits", pid) < 0 ||
        !(line = strstr(text, "Max locked memory")) || sscanf(line, "Max locked memory %31s", soft) != 1)
        return;
    if (!strcmp(soft, "unlimited"))
        doctor_find(doctor, "locked memory", VERDICT_GOOD, NULL, "homid may pin all that tenants register");
    else
        doctor_find(doctor, "locked memory", VERDICT_WARNING, "LimitMEMLOCK=infinity in homid.service",
                    "homid may pin %s bytes for all tenants together", soft);
}

static void check_namespaces(struct doctor *doctor)
{
    struct json_object *rows = NULL;

    listing_fetch(doctor->options, &listing_namespaces, true, &rows);
    for (size_t i = 0; rows && i < json_object_array_length(rows); i++) {
        struct json_object *row = json_object_array_get_idx(rows, i), *allowed = member(row, "allowed");
        const char *holder = member_text(row, "holder"), *device = member_text(row, "device");
        char mend[256];

        if (!holder || strcmp(holder, "host") != 0 || !json_object_array_length(allowed))
            continue;
        snprintf(mend, sizeof(mend),
                 "unmount what is on it, then detach it from the physical function: nvme detach-ns "
                 "(its controller is in `homictl list devices`)");
        doctor_find(doctor, "namespaces", VERDICT_WARNING, mend,
                    "namespace %" PRId64 " of %s is configured for a tenant and attached to the host",
                    member_number(row, "id"), device ? device : "?");
    }
    if (rows && !json_object_array_length(rows))
        doctor_find(doctor, "namespaces", VERDICT_WARNING, "create some: nvme create-ns",
                    "homid knows of no namespace on its devices");
    json_object_put(rows);
}

static void check_problems(struct doctor *doctor, struct json_object *status)
{
    struct json_object *problems = member(status, "problems"), *devices = member(status, "devices");

    for (size_t i = 0; problems && i < json_object_array_length(problems); i++)
        doctor_find(doctor, "devices", VERDICT_BAD, "see `homictl status`", "%s",
                    json_object_get_string(json_object_array_get_idx(problems, i)));
    if (devices && !json_object_array_length(devices))
        doctor_find(doctor, "configuration", VERDICT_WARNING,
                    "add one to /etc/homi/homid.conf, see homid.conf(5)", "it names no device");
}

void doctor_service(struct doctor *doctor)
{
    struct json_object *status = NULL;
    const char *version;

    check_group(doctor);
    check_tenant_socket(doctor);
    if (call(doctor->options, NULL, ADMIN_METHOD("GetStatus"), NULL, &status) != EXIT_OK) {
        doctor_find(doctor, "homid", VERDICT_WARNING,
                    "systemctl enable --now homid.socket homid.service; journalctl -u homid",
                    "it does not answer, or not to you");
        return;
    }
    version = member_text(status, "version");
    if (version && !strcmp(version, HOMI_VERSION))
        doctor_find(doctor, "homid", VERDICT_GOOD, NULL, "version %s answers", version);
    else
        doctor_find(doctor, "homid", VERDICT_WARNING, "systemctl restart homid",
                    "it is version %s, and homictl is " HOMI_VERSION, version ? version : "?");
    check_memlock(doctor, member_number(status, "pid"));
    check_problems(doctor, status);
    check_namespaces(doctor);
    json_object_put(status);
}
