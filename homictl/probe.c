/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A report of what SSDs can do, for people who write drivers for SSDs that they have not got. The kernel is
 * asked and not homid, which may not even be installed; the commands are the reading ones, so nothing
 * changes.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "homictl/call.h"
#include "homictl/machine.h"
#include "homictl/nvme.h"
#include "homictl/pci.h"
#include "homictl/table.h"

struct probe {
    const char *root, *wanted; /* wanted: a name, an address or a serial number; NULL: all */
    struct json_object *devices;
    bool forbidden; /* some could not be asked */
};

static void probe_controller(void *user, const struct machine_controller *controller)
{
    struct probe *probe = user;
    struct json_object *device, *nvme = NULL;
    int error;

    if (probe->wanted && strcmp(probe->wanted, controller->name) != 0 &&
        strcmp(probe->wanted, controller->address) != 0 && strcmp(probe->wanted, controller->serial) != 0)
        return;
    device = json_object_new_object();
    json_object_object_add(device, "controller", json_object_new_string(controller->name));
    json_object_object_add(device, "model", json_object_new_string(controller->model));
    json_object_object_add(device, "firmware", json_object_new_string(controller->firmware));
    json_object_object_add(device, "serial", json_object_new_string(controller->serial));
    json_object_object_add(device, "pci", pci_describe(probe->root, controller->address));
    /* The device files are those of this machine, whatever the root. */
    error = *probe->root ? 0 : nvme_describe(controller->name, controller->address, &nvme);
    if (nvme)
        json_object_object_add(device, "nvme", nvme);
    probe->forbidden |= error == -EACCES || error == -EPERM;
    json_object_array_add(probe->devices, device);
}

/* "homi_lifecycle_duration_seconds_sum{operation="opening the function"} 1.25" and its _count, as {operation:
 * {...}}. */
static struct json_object *take_timings(struct json_object *reply, void *user)
{
    static const char prefix[] = "homi_lifecycle_duration_seconds_";
    const char *text = member_text(reply, "text");
    struct json_object *timings = user, *parameters = NULL;

    for (const char *line = text ? text : ""; (line = strstr(line, prefix)); line++) {
        struct json_object *entry;
        char part[8], operation[64];
        double value;

        if (sscanf(line + strlen(prefix), "%7[a-z]{operation=\"%63[^\"]\"} %lf", part, operation, &value) !=
            3)
            continue;
        entry = member(timings, operation);
        if (!entry) {
            entry = json_object_new_object();
            json_object_object_add(timings, operation, entry);
        }
        if (!strcmp(part, "sum"))
            json_object_object_add(entry, "seconds", json_object_new_double(value));
        else
            json_object_object_add(entry, "count", json_object_new_int64((int64_t)value));
    }
    if (member(reply, "next")) {
        parameters = json_object_new_object();
        json_object_object_add(parameters, "offset", json_object_get(member(reply, "next")));
    }
    return parameters;
}

static void print_value(const char *name, struct json_object *value, unsigned depth)
{
    int indent = (int)(2 * depth);

    if (json_object_is_type(value, json_type_object)) {
        printf("%*s%s:\n", indent, "", name);
        json_object_object_foreach (value, key, each)
            print_value(key, each, depth + 1);
    } else if (json_object_is_type(value, json_type_array)) {
        printf("%*s%s:\n", indent, "", name);
        for (size_t i = 0; i < json_object_array_length(value); i++) {
            struct json_object *each = json_object_array_get_idx(value, i);

            /* The SSDs at length; what they list, a line each. */
            if (depth == 0)
                print_value("SSD", each, depth + 1);
            else
                printf("%*s%s\n", indent + 2, "",
                       json_object_to_json_string_ext(each, JSON_C_TO_STRING_SPACED));
        }
    } else {
        printf("%*s%s: ", indent, "", name);
        table_text(stdout, TABLE_PLAIN, false, json_object_get_string(value));
        printf("\n");
    }
}

static enum exit_status report(const struct options *options, const struct probe *probe)
{
    struct json_object *answer = json_object_new_object(), *timings = json_object_new_object();
    enum exit_status status = EXIT_OK;
    char kernel[MACHINE_TEXT_BYTES] = "";

    machine_read(probe->root, kernel, "/proc/sys/kernel/osrelease");
    json_object_object_add(answer, "version", json_object_new_string(HOMI_VERSION));
    json_object_object_add(answer, "kernel", json_object_new_string(kernel));
    json_object_object_add(answer, "devices", json_object_get(probe->devices));
    /* A homid that runs has timed each step of its functions' life cycle. */
    if (!*probe->root)
        call_each(options, NULL, ADMIN_METHOD("GetMetrics"), NULL, take_timings, timings);
    json_object_object_add(answer, "lifecycle", timings);
    if (options->given & OPTION_JSON) {
        status = call_print_json(answer);
    } else {
        json_object_object_foreach (answer, key, value)
            print_value(key, value, 0);
    }
    json_object_put(answer);
    return ferror(stdout) ? EXIT_SYSTEM : status;
}

enum exit_status command_probe(const struct options *options, char **arguments)
{
    struct probe probe = {.root = options->root ? options->root : "",
                          .wanted = arguments[0],
                          .devices = json_object_new_array()};
    enum exit_status status;

    machine_each_controller(probe.root, probe_controller, &probe);
    if (!json_object_array_length(probe.devices)) {
        fprintf(stderr,
                "homictl: cannot probe %s: the kernel's nvme driver has no such PCI controller\n"
                "  next: see `ls /sys/class/nvme`\n",
                probe.wanted ? probe.wanted : "the SSDs");
        status = EXIT_SYSTEM;
    } else {
        status = report(options, &probe);
        if (probe.forbidden)
            fprintf(stderr, "homictl: the report lacks what only root may ask a controller\n"
                            "  next: run it as root\n");
    }
    json_object_put(probe.devices);
    return status;
}
