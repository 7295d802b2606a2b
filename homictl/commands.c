/* SPDX-License-Identifier: BSD-3-Clause */
#include <string.h>

#include "homictl/command.h"

#define COMPLETE_WORDS_MAX 4096

const struct command commands[] = {
    {.words = "status",
     .arguments = "",
     .group = GROUP_LOOK,
     .summary = "Show homid, its devices, and what is wrong with them",
     .details = "Each device stands with what the configuration wants of it beside what is there. The exit\n"
                "status is 5 when homid serves but not everything that is configured is ready.",
     .run = command_status},
    {.words = "list",
     .arguments = "devices|vfs|leases|queues|tenants|namespaces",
     .group = GROUP_LOOK,
     .arguments_min = 1,
     .arguments_max = 1,
     .summary = "List the objects of one kind",
     .run = command_list},
    {.words = "show",
     .arguments = "NAME",
     .arguments_min = 1,
     .arguments_max = 1,
     .group = GROUP_LOOK,
     .summary = "Show all about one object, with what belongs to it",
     .details = "NAME is a device, a virtual function, a lease or a tenant by its name, a namespace as\n"
                "DEVICE:ID, or a queue pair as FUNCTION:ID.",
     .run = command_show},
    {.words = "tenant",
     .arguments = "[TENANT]",
     .arguments_max = 1,
     .group = GROUP_LOOK,
     .summary = "Show a tenant with its leases and queue pairs; without a name, list all",
     .run = command_tenant},
    {.words = "top",
     .arguments = "",
     .options = OPTION_INTERVAL,
     .group = GROUP_LOOK,
     .summary = "Show who holds what, over and over, until interrupted",
     .details =
         "On a terminal the screen is drawn anew; elsewhere one table follows the other, and with --json\n"
         "one object a line.",
     .run = command_top},
    {.words = "metrics",
     .arguments = "",
     .options = OPTION_HTTP,
     .group = GROUP_LOOK,
     .summary = "Print what homid counts, in the text format of Prometheus",
     .details =
         "homi-metrics(7) documents the names, homid-metrics.socket serves them over HTTP, and a file for\n"
         "node-exporter is what this prints.",
     .run = command_metrics},
    {.words = "vf alloc",
     .arguments = "",
     .options = OPTION_TENANT | OPTION_DEVICE | OPTION_QUEUES | OPTION_NAMESPACE | OPTION_PASSTHROUGH |
                OPTION_KERNEL | OPTION_USER | OPTION_PID | OPTION_UNIT | OPTION_KILL | OPTION_CONTAINER |
                OPTION_LEASE_SOCKET | OPTION_EXPIRES,
     .required = OPTION_TENANT,
     .summary = "Reserve virtual functions for a tenant, ahead of its processes",
     .details =
         "Takes one virtual function of each device named, all or nothing; of one device that serves when\n"
         "none is named. The reservation stands until it is freed or expires. Prints the name of the\n"
         "lease, which the tenant's processes may attach to, and the functions.\n"
         "With --passthrough or --kernel the functions are lent to software that knows nothing of homid:\n"
         "the user owns the device nodes, which are printed too, until the lease ends.\n"
         "With --lease-socket whoever can connect to the socket that is printed may have the lease.",
     .run = command_vf_alloc},
    {.words = "vf free",
     .arguments = "LEASE",
     .arguments_min = 1,
     .arguments_max = 1,
     .options = OPTION_FORCE,
     .summary = "End a reservation",
     .details =
         "Refused while processes hold the lease, unless --force is given: then their queue pairs are\n"
         "deleted and their access to the functions ends. A lease that lends functions waits for whoever\n"
         "still has a device node open (`homictl list leases` says who), and with --force kills them.",
     .run = command_vf_free},
    {.words = "lease revoke",
     .arguments = "LEASE",
     .arguments_min = 1,
     .arguments_max = 1,
     .options = OPTION_GRACE | OPTION_KILL,
     .summary = "Take a lease away from those who hold it",
     .details =
         "They are told at once, and lose it when the grace is over: their queue pairs are deleted, and the\n"
         "connections of those who hold no other lease are closed. A function whose descriptor a process\n"
         "keeps goes offline until that process lets go. Waits until the lease is over; calling it again\n"
         "with a shorter grace is possible.",
     .run = command_lease_revoke},
    {.words = "queue",
     .arguments = "",
     .group = GROUP_LOOK,
     .summary = "List the queue pairs with their depth and the process that owns each",
     .run = command_queue},
    {.words = "retry",
     .arguments = "DEVICE [FUNCTION]",
     .arguments_min = 1,
     .arguments_max = 2,
     .summary = "Take a device or one of its functions out of quarantine",
     .details =
         "homid provisions it again from the beginning. Mend the reason that `homictl status` gives first.\n"
         "Of a device, namespaces whose scrubbing failed are scrubbed again.",
     .run = command_retry},
    {.words = "drain",
     .arguments = "",
     .options = OPTION_WAIT,
     .summary = "Grant no lease any more, and wait until none stands, so that homid may be stopped",
     .details =
         "With --wait 0 it is only tried. What still stands in the end is named, and leases are granted\n"
         "again. Reservations stand until `homictl vf free`. Interrupted, homid goes on with it until\n"
         "the time is over, or until `homictl undrain`.",
     .run = command_drain},
    {.words = "undrain", .arguments = "", .summary = "Grant leases again", .run = command_undrain},
    {.words = "monitor",
     .arguments = "",
     .group = GROUP_LOOK,
     .options = OPTION_SINCE,
     .summary = "Print what happens, as it happens, until interrupted",
     .details = "With --json, one object a line.",
     .run = command_monitor},
    {.words = "model list",
     .arguments = "",
     .group = GROUP_MODEL,
     .summary = "List the SSDs of the software SSD's process",
     .run = command_model_list},
    {.words = "model fault",
     .arguments = "SERIAL KEY=VALUE...",
     .group = GROUP_MODEL,
     .arguments_min = 2,
     .arguments_max = 16,
     .summary = "Have a software SSD make a fault",
     .details = "Prints the fault's number. Keys and values are those of homi-model(7), for example:\n"
                "  homictl model fault HOMI-MODEL-0 action=delay milliseconds=500 queue=0 opcode=0",
     .run = command_model_fault},
    {.words = "model faults",
     .arguments = "SERIAL",
     .group = GROUP_MODEL,
     .arguments_min = 1,
     .arguments_max = 1,
     .summary = "List the faults of a software SSD, and how often each acted",
     .run = command_model_faults},
    {.words = "model clear",
     .arguments = "SERIAL [FAULT]",
     .group = GROUP_MODEL,
     .arguments_min = 1,
     .arguments_max = 2,
     .summary = "Remove a fault of a software SSD, or all of them",
     .run = command_model_clear},
    {.words = "model do",
     .arguments = "SERIAL ACT [KEY=VALUE]...",
     .group = GROUP_MODEL,
     .arguments_min = 2,
     .arguments_max = 8,
     .summary = "Have something happen to a software SSD now",
     .details =
         "ACT is reset (of the physical function), remove (milliseconds=N: to return by itself), return,\n"
         "or of one controller (virtualFunction=INDEX) fatal, or event (event=DWORD0).",
     .run = command_model_do},
    {.words = "namespace create",
     .arguments = "DEVICE SIZE",
     .arguments_min = 2,
     .arguments_max = 2,
     .options = OPTION_BLOCK | OPTION_SHARED,
     .summary = "Create a namespace",
     .details = "SIZE is in bytes, or a number with K, M, G or T. Nobody has it at first. Prints its name.",
     .run = command_namespace_create},
    {.words = "namespace delete",
     .arguments = "NAMESPACE",
     .arguments_min = 1,
     .arguments_max = 1,
     .options = OPTION_YES,
     .summary = "Delete a namespace and what it holds",
     .details =
         "NAMESPACE is DEVICE:ID. Refused while a lease or the host has it. Asks before, unless --yes is\n"
         "given.",
     .run = command_namespace_delete},
    {.words = "namespace format",
     .arguments = "NAMESPACE",
     .arguments_min = 1,
     .arguments_max = 1,
     .options = OPTION_BLOCK | OPTION_YES,
     .summary = "Format a namespace, which destroys what it holds",
     .details =
         "NAMESPACE is DEVICE:ID. Refused while a lease has it or the host uses it, and on SSDs that format\n"
         "all namespaces at once. Asks before, unless --yes is given.",
     .run = command_namespace_format},
    {.words = "namespace attach",
     .arguments = "NAMESPACE",
     .arguments_min = 1,
     .arguments_max = 1,
     .summary = "Give a namespace to the host",
     .details = "NAMESPACE is DEVICE:ID. The kernel makes a block device of it.",
     .run = command_namespace_attach},
    {.words = "namespace detach",
     .arguments = "NAMESPACE",
     .arguments_min = 1,
     .arguments_max = 1,
     .summary = "Take a namespace from the host, so that tenants can have it",
     .details = "NAMESPACE is DEVICE:ID. Refused while the host uses it: a file system, a volume.",
     .run = command_namespace_detach},
    {.words = "provision",
     .arguments = "[DEVICE]",
     .arguments_max = 1,
     .options = OPTION_WAIT,
     .summary = "Bring a device, or all, to what the configuration wants, and wait for it",
     .details =
         "What is in quarantine is tried again. The exit status is 5 when something is not ready in the\n"
         "end; the reasons are then on standard error.",
     .run = command_provision},
    {.words = "doctor",
     .arguments = "",
     .options = OPTION_ROOT,
     .group = GROUP_MACHINE,
     .summary = "Look for what keeps homid from serving, and say what mends it",
     .details =
         "Reads files of the system and asks homid, when that answers; changes nothing. The exit status is\n"
         "5 when something is bad.",
     .run = command_doctor},
    {.words = "probe",
     .arguments = "[CONTROLLER]",
     .arguments_max = 1,
     .options = OPTION_ROOT,
     .group = GROUP_MACHINE,
     .summary = "Report what the SSDs of this machine can do",
     .details =
         "CONTROLLER is a name of the kernel (nvme0), a PCI address or a serial number. Run as root it also\n"
         "asks the controllers, with commands that change nothing. A report with --json, of an SSD that\n"
         "HOMI does not know yet, is what its developers like to see; it holds the serial number.",
     .run = command_probe},
    {.words = "config check",
     .arguments = "",
     .options = OPTION_CONFIG,
     .group = GROUP_MACHINE,
     .summary = "Say whether homid's configuration is right",
     .details = "Asks the homid program on this machine to read it; the daemon is not disturbed.",
     .run = command_config_check},
    {.words = "complete",
     .arguments = "[WORD]...",
     .arguments_max = COMPLETE_WORDS_MAX,
     .group = GROUP_MACHINE,
     .hidden = true,
     .summary = "Say how a command line may go on, for shells",
     .details =
         "Each line is a word that may stand in the place of the last WORD, then a tab and what it means.",
     .run = command_complete},
    {0},
};

int command_word_count(const struct command *command)
{
    int count = 1;

    for (const char *word = command->words; *word; word++)
        count += *word == ' ';
    return count;
}

/* Whether the first words given are the command's. */
static bool words_match(const struct command *command, char **words, int count)
{
    const char *rest = command->words;

    if (count < command_word_count(command))
        return false;
    for (; *rest; words++) {
        size_t length = strcspn(rest, " ");

        if (strlen(*words) != length || strncmp(*words, rest, length) != 0)
            return false;
        rest += length + (rest[length] == ' ');
    }
    return true;
}

const struct command *command_find(char **words, int count)
{
    for (const struct command *command = commands; command->words; command++)
        if (words_match(command, words, count))
            return command;
    return NULL;
}
