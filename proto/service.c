/* SPDX-License-Identifier: BSD-3-Clause */
#include "proto/service.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proto/idl.h"
#include "proto/interfaces.h"
#include "proto/json.h"

struct service_interface {
    struct idl_interface *definition;
    const struct varlink_method_entry *methods;
};

struct varlink_service {
    struct varlink_service_info info;
    struct service_interface *interfaces; /* the first one is org.varlink.service */
    size_t interface_count;
};

/* Puts a value into an object and gives it up in any case; false when memory ran out, also before. */
static bool put(json_object *object, const char *key, json_object *value)
{
    if (object && value && json_object_object_add(object, key, value) == 0) {
        return true;
    }
    json_object_put(value);
    return false;
}

/* A standard error with one parameter. */
static int send_error(struct varlink_connection *connection, const char *error, const char *key,
                      const char *text, size_t length)
{
    json_object *parameters = json_object_new_object();
    int r = -ENOMEM;

    if (put(parameters, key, json_new_excerpt(text, length))) {
        r = varlink_connection_error(connection, error, parameters);
    }
    json_object_put(parameters);
    return r;
}

int varlink_error_invalid_parameter(struct varlink_connection *connection, const char *field)
{
    return send_error(connection, "org.varlink.service.InvalidParameter", "parameter", field, strlen(field));
}

int varlink_error_permission_denied(struct varlink_connection *connection)
{
    return varlink_connection_error(connection, "org.varlink.service.PermissionDenied", NULL);
}

static const struct service_interface *find_interface(const struct varlink_service *service, const char *name,
                                                      size_t length)
{
    for (size_t i = 0; i < service->interface_count; i++) {
        const char *other = idl_name(service->interfaces[i].definition);
        if (strlen(other) == length && memcmp(other, name, length) == 0) {
            return &service->interfaces[i];
        }
    }
    return NULL;
}

/* Splits INTERFACE.MEMBER; NULL where the service has no such interface. */
static const struct service_interface *find_owner(const struct varlink_service *service, const char *name,
                                                  const char **ret_member)
{
    const char *dot = strrchr(name, '.');

    if (!dot) {
        return NULL;
    }
    *ret_member = dot + 1;
    return find_interface(service, name, (size_t)(dot - name));
}

static const struct varlink_method_entry *find_entry(const struct varlink_method_entry *methods,
                                                     const char *name)
{
    for (; methods->name; methods++) {
        if (strcmp(methods->name, name) == 0) {
            return methods;
        }
    }
    return NULL;
}

static int get_info(struct varlink_connection *connection, struct varlink_message *message, void *user)
{
    const struct varlink_service *service = user;
    json_object *parameters = json_object_new_object(), *names = json_object_new_array();
    int r = -ENOMEM;

    (void)message;
    if (!put(parameters, "vendor", json_object_new_string(service->info.vendor)) ||
        !put(parameters, "product", json_object_new_string(service->info.product)) ||
        !put(parameters, "version", json_object_new_string(service->info.version)) ||
        !put(parameters, "url", json_object_new_string(service->info.url)) ||
        !put(parameters, "interfaces", json_object_get(names))) {
        goto out;
    }
    for (size_t i = 0; i < service->interface_count; i++) {
        json_object *name = json_object_new_string(idl_name(service->interfaces[i].definition));
        if (!name || json_object_array_add(names, name) != 0) {
            json_object_put(name);
            goto out;
        }
    }
    r = varlink_service_reply(service, connection, "org.varlink.service.GetInfo", parameters, false, NULL, 0);
out:
    json_object_put(names);
    json_object_put(parameters);
    return r;
}

static int get_interface_description(struct varlink_connection *connection, struct varlink_message *message,
                                     void *user)
{
    const struct varlink_service *service = user;
    const char *name = json_object_get_string(json_object_object_get(message->parameters, "interface"));
    const struct service_interface *interface = find_interface(service, name, strlen(name));
    json_object *parameters;
    int r = -ENOMEM;

    if (!interface) {
        return send_error(connection, "org.varlink.service.InterfaceNotFound", "interface", name,
                          strlen(name));
    }
    parameters = json_object_new_object();
    if (put(parameters, "description", json_object_new_string(idl_text(interface->definition)))) {
        r = varlink_service_reply(service, connection, "org.varlink.service.GetInterfaceDescription",
                                  parameters, false, NULL, 0);
    }
    json_object_put(parameters);
    return r;
}

/* These two get the service itself as their user. */
static const struct varlink_method_entry own_methods[] = {
    {.name = "GetInfo", .handler = get_info},
    {.name = "GetInterfaceDescription", .handler = get_interface_description},
    {0},
};

int varlink_service_new(const struct varlink_service_info *info, struct varlink_service **ret_service)
{
    struct varlink_service *service = calloc(1, sizeof(*service));
    int r;

    if (!service) {
        return -ENOMEM;
    }
    service->info = *info;
    r = varlink_service_add(service, interface_org_varlink_service, own_methods);
    if (r) {
        varlink_service_free(service);
        return r;
    }
    *ret_service = service;
    return 0;
}

void varlink_service_free(struct varlink_service *service)
{
    if (!service) {
        return;
    }
    for (size_t i = 0; i < service->interface_count; i++) {
        idl_free(service->interfaces[i].definition);
    }
    free(service->interfaces);
    free(service);
}

/* Whether definition and entries name the same methods, each once. */
static bool is_covered(const struct idl_interface *definition, const struct varlink_method_entry *methods)
{
    size_t count = 0;

    for (; methods[count].name; count++) {
        if (!methods[count].handler || !idl_find_method(definition, methods[count].name) ||
            find_entry(methods, methods[count].name) != &methods[count]) {
            return false;
        }
    }
    return count == idl_count_methods(definition);
}

int varlink_service_add(struct varlink_service *service, const char *text,
                        const struct varlink_method_entry *methods)
{
    struct service_interface *interfaces;
    struct idl_interface *definition;
    int r = idl_parse(text, &definition, NULL);

    if (r) {
        return r;
    }
    if (!is_covered(definition, methods) ||
        find_interface(service, idl_name(definition), strlen(idl_name(definition)))) {
        idl_free(definition);
        return -EINVAL;
    }
    interfaces = reallocarray(service->interfaces, service->interface_count + 1, sizeof(*interfaces));
    if (!interfaces) {
        idl_free(definition);
        return -ENOMEM;
    }
    interfaces[service->interface_count++] = (struct service_interface){definition, methods};
    service->interfaces = interfaces;
    return 0;
}

/* Hands a call of a method that exists to its handler, if it is called as it must be. */
static int call_method(const struct service_interface *interface, const struct varlink_method_entry *entry,
                       struct varlink_connection *connection, struct varlink_message *message, void *user)
{
    char *field = NULL;
    int r;

    if (message->upgrade) {
        return varlink_error_invalid_parameter(connection, "upgrade");
    }
    if (entry->more && !message->more) {
        return varlink_connection_error(connection, "org.varlink.service.ExpectedMore", NULL);
    }
    if (message->fd_count > 0 && !entry->takes_fds) {
        return varlink_error_invalid_parameter(connection, "fileDescriptors");
    }
    r = idl_check_input(idl_find_method(interface->definition, entry->name), message->parameters, &field);
    if (r > 0) {
        r = varlink_error_invalid_parameter(connection, field);
        free(field);
        return r;
    }
    return r ? r : entry->handler(connection, message, user);
}

int varlink_service_dispatch(const struct varlink_service *service, struct varlink_connection *connection,
                             struct varlink_message *message, void *user)
{
    const char *dot = strrchr(message->method, '.'), *name;
    const struct service_interface *interface = find_owner(service, message->method, &name);
    const struct varlink_method_entry *entry;

    if (!interface) {
        size_t length = dot ? (size_t)(dot - message->method) : strlen(message->method);
        return send_error(connection, "org.varlink.service.InterfaceNotFound", "interface", message->method,
                          length);
    }
    entry = find_entry(interface->methods, name);
    if (!entry) {
        return send_error(connection, "org.varlink.service.MethodNotFound", "method", message->method,
                          strlen(message->method));
    }
    if (interface == service->interfaces) {
        user = (void *)service;
    }
    return call_method(interface, entry, connection, message, user);
}

int varlink_service_reply(const struct varlink_service *service, struct varlink_connection *connection,
                          const char *method, json_object *parameters, bool continues, const int *fds,
                          unsigned fd_count)
{
    const char *name;
    const struct service_interface *interface = find_owner(service, method, &name);
    const struct idl_method *definition = interface ? idl_find_method(interface->definition, name) : NULL;
    char *field = NULL;
    int r = definition ? idl_check_output(definition, parameters, &field) : 1;

    free(field);
    if (r) {
        return r > 0 ? -EBADMSG : r;
    }
    return varlink_connection_reply(connection, parameters, continues, fds, fd_count);
}

int varlink_service_error(const struct varlink_service *service, struct varlink_connection *connection,
                          const char *error, json_object *parameters)
{
    const char *name;
    const struct service_interface *interface = find_owner(service, error, &name);
    const struct idl_error *definition = interface ? idl_find_error(interface->definition, name) : NULL;
    char *field = NULL;
    int r = definition ? idl_check_error(definition, parameters, &field) : 1;

    free(field);
    if (r) {
        return r > 0 ? -EBADMSG : r;
    }
    return varlink_connection_error(connection, error, parameters);
}
