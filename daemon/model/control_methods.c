/* SPDX-License-Identifier: BSD-3-Clause */
#include "daemon/model/control_methods.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "daemon/model/world.h"

#define ERROR(name) "io.homi.Model." name

enum { MILLISECONDS_MAX = 3600000, EVENT_MAX = 0xffffff };

static bool put(json_object *object, const char *key, json_object *value)
{
    if (object && value && json_object_object_add(object, key, value) == 0)
        return true;
    json_object_put(value);
    return false;
}

static json_object *member(const struct varlink_message *message, const char *key)
{
    json_object *value = NULL;

    json_object_object_get_ex(message->parameters, key, &value);
    return value;
}

/* Sends what was made, or gives the connection up for want of memory. Consumes parameters. */
static int reply(struct varlink_connection *connection, json_object *parameters, bool fine)
{
    int r = fine ? varlink_connection_reply(connection, parameters, false, NULL, 0) : -ENOMEM;

    json_object_put(parameters);
    return r;
}

static int fail(struct varlink_connection *connection, const char *error, const char *key, json_object *value)
{
    json_object *parameters = json_object_new_object();
    int r = put(parameters, key, value) ? varlink_connection_error(connection, error, parameters) : -ENOMEM;

    json_object_put(parameters);
    return r;
}

static int not_possible(struct varlink_connection *connection, const char *reason)
{
    return fail(connection, ERROR("NotPossible"), "reason", json_object_new_string(reason));
}

static struct device *find(struct world *world, const char *serial)
{
    for (size_t i = 0; i < world->device_count; i++) {
        if (strcmp(world->devices[i]->spec->serial, serial) == 0)
            return world->devices[i];
    }
    return NULL;
}

/* The device that the call names; NULL: *ret is how its refusal went. */
static struct device *called(struct varlink_connection *connection, const struct varlink_message *message,
                             struct world *world, int *ret)
{
    const char *serial = json_object_get_string(member(message, "device"));
    struct device *device = find(world, serial);

    if (!device)
        *ret = fail(connection, ERROR("UnknownDevice"), "device", json_object_new_string(serial));
    return device;
}

static uint64_t strays(const struct device *device)
{
    uint64_t count = device->strays;

    for (unsigned i = 0; i < device->spec->functions; i++)
        count += device->functions[i].iommu.faults;
    return count;
}

static json_object *describe_device(const struct device *device)
{
    json_object *entry = json_object_new_object();
    bool fine = put(entry, "serial", json_object_new_string(device->spec->serial)) &&
                put(entry, "address", json_object_new_string(device->address)) &&
                put(entry, "present", json_object_new_boolean(!device->absent)) &&
                put(entry, "functionsEnabled", json_object_new_int64(device->functions_enabled)) &&
                put(entry, "functionsTotal", json_object_new_int64(device->spec->functions)) &&
                put(entry, "faults", json_object_new_int64((int64_t)device->faults.count)) &&
                put(entry, "strayAccesses", json_object_new_int64((int64_t)strays(device)));

    if (fine)
        return entry;
    json_object_put(entry);
    return NULL;
}

static int list_devices(struct varlink_connection *connection, struct varlink_message *message, void *user)
{
    json_object *parameters = json_object_new_object(), *list = json_object_new_array();
    struct world *world = user;
    bool fine = list != NULL;
    (void)message;

    world_enter(world);
    for (size_t i = 0; fine && i < world->device_count; i++) {
        json_object *entry = describe_device(world->devices[i]);
        fine = entry && json_object_array_add(list, entry) == 0;
    }
    world_leave(world);
    return reply(connection, parameters, put(parameters, "devices", list) && fine);
}

static int add_fault(struct varlink_connection *connection, struct varlink_message *message, void *user)
{
    struct world *world = user;
    struct fault_spec spec;
    struct spec_error error;
    uint32_t number = 0;
    int r = 0;
    struct device *device = called(connection, message, world, &r);

    if (!device)
        return r;
    r = spec_parse_fault(member(message, "rule"), &spec, &error);
    if (r == -EINVAL)
        return fail(connection, ERROR("RuleWrong"), "reason", json_object_new_string(error.text));
    world_enter(world);
    if (r == 0)
        r = faults_add(&device->faults, &spec, &number);
    world_leave(world);
    if (r == -ENOSPC)
        return fail(connection, ERROR("TooManyFaults"), "limit", json_object_new_int64(FAULTS_MAX));
    if (r < 0)
        return r;
    json_object *parameters = json_object_new_object();
    return reply(connection, parameters, put(parameters, "number", json_object_new_int64(number)));
}

static json_object *describe_fault(const struct fault *fault)
{
    json_object *entry = json_object_new_object();
    bool fine = put(entry, "number", json_object_new_int64(fault->number)) &&
                put(entry, "rule", spec_describe_fault(&fault->spec)) &&
                put(entry, "seen", json_object_new_int64((int64_t)fault->seen)) &&
                put(entry, "fired", json_object_new_int64((int64_t)fault->fired));

    if (fine)
        return entry;
    json_object_put(entry);
    return NULL;
}

static int list_faults(struct varlink_connection *connection, struct varlink_message *message, void *user)
{
    struct world *world = user;
    int r = 0;
    const struct device *device = called(connection, message, world, &r);

    if (!device)
        return r;
    json_object *parameters = json_object_new_object(), *list = json_object_new_array();
    bool fine = list != NULL;
    world_enter(world);
    for (size_t i = 0; fine && i < device->faults.count; i++) {
        json_object *entry = describe_fault(&device->faults.list[i]);
        fine = entry && json_object_array_add(list, entry) == 0;
    }
    world_leave(world);
    return reply(connection, parameters, put(parameters, "faults", list) && fine);
}

static int remove_faults(struct varlink_connection *connection, struct varlink_message *message, void *user)
{
    json_object *wanted = member(message, "number");
    int64_t number = wanted ? json_object_get_int64(wanted) : 0;
    struct world *world = user;
    size_t removed = 0;
    int r = 0;
    struct device *device = called(connection, message, world, &r);

    if (!device)
        return r;
    if (!wanted || (number > 0 && number <= UINT32_MAX)) {
        world_enter(world);
        removed = faults_remove(&device->faults, (uint32_t)number);
        world_leave(world);
    }
    if (wanted && removed == 0)
        return fail(connection, ERROR("UnknownFault"), "number", json_object_new_int64(number));
    json_object *parameters = json_object_new_object();
    return reply(connection, parameters, put(parameters, "removed", json_object_new_int64((int64_t)removed)));
}

/* ---- acts ---- */

struct act {
    const char *name;
    int64_t milliseconds, function, event;
};

/* What stands against it, or NULL: done. */
static const char *act_on_function(struct device *device, const struct act *act)
{
    if (act->function < 0)
        return "virtualFunction is missing";
    if (act->function >= device->spec->functions)
        return "the device has no such virtual function";
    struct function *function = &device->functions[act->function];
    if (!function->open || !function->enabled)
        return "the function's controller is not enabled";
    if (strcmp(act->name, "fatal") == 0)
        controller_fail(function, "made so by hand");
    else
        event_raise_value(function, (uint32_t)act->event);
    return NULL;
}

static const char *act_on(struct device *device, const struct act *act)
{
    bool returns = strcmp(act->name, "return") == 0;

    if (returns != device->absent)
        return returns ? "the device is there" : "the device was removed";
    if (returns)
        device_return(device);
    else if (strcmp(act->name, "reset") == 0)
        device_reset(device);
    else if (strcmp(act->name, "remove") == 0)
        device_remove(device, (uint64_t)act->milliseconds);
    else
        return act_on_function(device, act);
    return NULL;
}

static int64_t number(const struct varlink_message *message, const char *key, int64_t otherwise)
{
    json_object *value = member(message, key);

    return value ? json_object_get_int64(value) : otherwise;
}

static int act(struct varlink_connection *connection, struct varlink_message *message, void *user)
{
    const struct act act = {.name = json_object_get_string(member(message, "act")),
                            .milliseconds = number(message, "milliseconds", 0),
                            .function = number(message, "virtualFunction", -1),
                            .event = number(message, "event", 0)};
    struct world *world = user;
    int r = 0;
    struct device *device = called(connection, message, world, &r);

    if (!device)
        return r;
    if (act.milliseconds < 0 || act.milliseconds > MILLISECONDS_MAX)
        return varlink_error_invalid_parameter(connection, "milliseconds");
    if (act.event < 0 || act.event > EVENT_MAX)
        return varlink_error_invalid_parameter(connection, "event");
    world_enter(world);
    const char *obstacle = act_on(device, &act);
    world_leave(world);
    return obstacle ? not_possible(connection, obstacle)
                    : varlink_connection_reply(connection, NULL, false, NULL, 0);
}

const struct varlink_method_entry control_methods[] = {
    {.name = "ListDevices", .handler = list_devices},
    {.name = "AddFault", .handler = add_fault},
    {.name = "ListFaults", .handler = list_faults},
    {.name = "RemoveFaults", .handler = remove_faults},
    {.name = "Do", .handler = act},
    {0},
};
