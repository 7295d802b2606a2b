/* SPDX-License-Identifier: BSD-3-Clause */
/* homid's refusals in the operator's words: what was tried, why it failed, what to do next. */
#ifndef HOMI_HOMICTL_REFUSAL_H
#define HOMI_HOMICTL_REFUSAL_H

#include <json-c/json.h>
#include <stdio.h>

#include "homictl/command.h"

/* Prints the error called name ("io.homi.Admin.LeaseHeld") with its parameters. Returns EXIT_REFUSED, or
 * EXIT_SYSTEM when homid says that its machine failed. */
enum exit_status refusal_print(FILE *stream, const char *tried, const char *name,
                               struct json_object *parameters);

#endif
