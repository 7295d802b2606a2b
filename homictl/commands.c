/* SPDX-License-Identifier: BSD-3-Clause */
#include "homictl/command.h"

const struct command commands[] = {
    {.words = "status",
     .arguments = "",
     .summary = "Show homid, its devices, and what is wrong with them",
     .details = "Each device stands with what the configuration wants of it beside what is there. The exit\n"
                "status is 5 when homid serves but not everything that is configured is ready.",
     .run = command_status},
    {.words = "list",
     .arguments = "devices|vfs|leases|queues|tenants|namespaces",
     .arguments_min = 1,
     .arguments_max = 1,
     .summary = "List the objects of one kind",
     .run = command_list},
    {.words = "vf alloc",
     .arguments = "",
     .options = OPTION_TENANT | OPTION_DEVICE | OPTION_QUEUES | OPTION_NAMESPACE,
     .required = OPTION_TENANT,
     .summary = "Reserve virtual functions for a tenant, ahead of its processes",
     .details =
         "Takes one virtual function of each device named, all or nothing; of one device that serves when\n"
         "none is named. The reservation stands until it is freed. Prints the name of the lease, which\n"
         "the tenant's processes may attach to, and the functions.",
     .run = command_vf_alloc},
    {.words = "vf free",
     .arguments = "LEASE",
     .arguments_min = 1,
     .arguments_max = 1,
     .options = OPTION_FORCE,
     .summary = "End a reservation",
     .details =
         "Refused while processes hold the lease, unless --force is given: then their queue pairs are\n"
         "deleted and their access to the functions ends.",
     .run = command_vf_free},
    {.words = "queue",
     .arguments = "",
     .summary = "List the queue pairs with their depth and the process that owns each",
     .run = command_queue},
    {.words = "retry",
     .arguments = "DEVICE [FUNCTION]",
     .arguments_min = 1,
     .arguments_max = 2,
     .summary = "Take a device or one of its functions out of quarantine",
     .details =
         "homid provisions it again from the beginning. Mend the reason that `homictl status` gives first.",
     .run = command_retry},
    {.words = "monitor",
     .arguments = "",
     .options = OPTION_SINCE,
     .summary = "Print what happens, as it happens, until interrupted",
     .details = "With --json, one object a line.",
     .run = command_monitor},
    {0},
};
