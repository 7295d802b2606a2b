/* SPDX-License-Identifier: BSD-3-Clause */
/* What a function refuses, and so what direct delegation of it would mean: found out once, when it comes up.
 */
#include <stdio.h>

#include "daemon/core/internal.h"

bool examine_needed(const struct function *function)
{
    return function->verdict.reason[0] == '\0';
}

void examine_start(struct function *function, hw_done done)
{
    function->device->core->backend->examine(function->handle, done, function);
}

static const char *confinement_text(enum hw_confinement confinement)
{
    switch (confinement) {
    case HW_CONFINED: return "confined";
    case HW_TRUSTED_ONLY: return "trusted only";
    default: return "unknown";
    }
}

/* An examination that fails leaves it unknown; if the controller failed, that is told in its own way. */
enum function_state examine_done(struct function *function, const struct hw_result *result)
{
    char text[HW_REASON_BYTES];

    if (result->error)
        copy_text(function->verdict.reason, sizeof(function->verdict.reason), result->reason);
    else
        function->verdict = *result->verdict;
    snprintf(text, sizeof(text), "direct delegation: %s: %.*s",
             confinement_text(function->verdict.confinement), HW_REASON_BYTES - 40, function->verdict.reason);
    event_function(function, CORE_EVENT_FUNCTION_STATE, text);
    record_function(function);
    return FS_INSPECTING;
}
