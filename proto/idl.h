/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Varlink interface definitions: parses the text that is served to clients and checks the parameters of
 * calls, replies and errors against it, so that code and definition cannot drift apart. An interface never
 * changes once it is parsed, so that any thread may read it; what is found in it lives as long as it does.
 */
#ifndef HOMI_PROTO_IDL_H
#define HOMI_PROTO_IDL_H

#include <json-c/json.h>
#include <stddef.h>

struct idl_interface;
struct idl_method;
struct idl_error;

/* Parses a definition; text is copied. Returns 0, -ENOMEM or -EINVAL with the line in *ret_line (may be
 * NULL). */
int idl_parse(const char *text, struct idl_interface **ret_interface, unsigned *ret_line);
void idl_free(struct idl_interface *interface); /* NULL-safe */

const char *idl_name(const struct idl_interface *interface);
const char *idl_text(const struct idl_interface *interface); /* verbatim */

size_t idl_count_methods(const struct idl_interface *interface);

/* By name without the interface's prefix; NULL when absent. */
const struct idl_method *idl_find_method(const struct idl_interface *interface, const char *name);
const struct idl_error *idl_find_error(const struct idl_interface *interface, const char *name);

/*
 * Checks parameters (NULL counts as empty). Returns 0, -ENOMEM, or 1 with *ret_field set to the path of the
 * offending member ("source.memfd.fd", "namespaces[2]"; owned by the caller): missing, unknown, mistyped, or
 * not a value of its enum; empty when parameters is no object at all. null counts as absent.
 */
int idl_check_input(const struct idl_method *method, json_object *parameters, char **ret_field);
int idl_check_output(const struct idl_method *method, json_object *parameters, char **ret_field);
int idl_check_error(const struct idl_error *error, json_object *parameters, char **ret_field);

#endif
