/* SPDX-License-Identifier: BSD-3-Clause */
/* homid's refusals: from the name of a Varlink error to enum homi_refusal and to words. */
#ifndef HOMI_LIB_REFUSAL_H
#define HOMI_LIB_REFUSAL_H

#include <json-c/json.h>
#include <stddef.h>

#include <homi/homi.h>

/* By full name ("io.homi.Tenant.QuotaExceeded"); HOMI_REFUSED_OTHER for a name that is not known. */
enum homi_refusal refusal_by_name(const char *error);

/* What a refusal means in general; NULL for a number that is none. */
const char *refusal_text(int refusal);

/* The refusal in words with the error's parameters ("over the tenant's quota (quota: regions, limit: 4, used:
 * 4)"). Truncated to fit. */
void refusal_describe(const char *error, json_object *parameters, char *buffer, size_t bytes);

#endif
