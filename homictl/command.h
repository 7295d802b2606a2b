/* SPDX-License-Identifier: BSD-3-Clause */
/* What every command is made of: its words, the options it takes, and the function that carries it out. */
#ifndef HOMI_HOMICTL_COMMAND_H
#define HOMI_HOMICTL_COMMAND_H

#include "homictl/options.h"

/* The exit status of homictl; documented in homictl(1), so fixed. */
enum exit_status {
    EXIT_OK = 0,
    EXIT_REFUSED = 1,     /* homid refused */
    EXIT_USAGE = 2,       /* the command line is wrong; nothing was asked of homid */
    EXIT_UNREACHABLE = 3, /* no homid at the socket, or it went away before it answered */
    EXIT_SYSTEM = 4,      /* this machine or homid's failed */
    EXIT_DEGRADED = 5,    /* status: homid serves, but not everything that is configured is ready */
};

/* The parts of the help. */
enum command_group {
    GROUP_STEER, /* what changes something; also what says nothing else */
    GROUP_LOOK,
    GROUP_MACHINE,
    GROUP_MODEL,
    GROUP_COUNT,
};

struct command {
    const char *words; /* "vf alloc" */
    /* What follows, as the help shows it; "" when nothing does. Completion reads it too: words in capitals
     * stand for names (complete.c knows which), "a|b" for one of these. */
    const char *arguments;
    int arguments_min, arguments_max;
    unsigned options;  /* enum option_bit, beyond OPTIONS_EVERYWHERE */
    unsigned required; /* those of them that must be given */
    const char *summary;
    const char *details; /* paragraphs for --help, NULL when the summary says it all */
    enum exit_status (*run)(const struct options *options, char **arguments);
    enum command_group group;
    bool hidden; /* not for people */
};

/* In the order of the help; the last has no words. */
extern const struct command commands[];

/* The command that the words name, or NULL. */
const struct command *command_find(char **words, int count);
int command_word_count(const struct command *command);

enum exit_status command_status(const struct options *options, char **arguments);
enum exit_status command_list(const struct options *options, char **arguments);
enum exit_status command_queue(const struct options *options, char **arguments);
enum exit_status command_vf_alloc(const struct options *options, char **arguments);
enum exit_status command_vf_free(const struct options *options, char **arguments);
enum exit_status command_lease_revoke(const struct options *options, char **arguments);
enum exit_status command_retry(const struct options *options, char **arguments);
enum exit_status command_drain(const struct options *options, char **arguments);
enum exit_status command_undrain(const struct options *options, char **arguments);
enum exit_status command_show(const struct options *options, char **arguments);
enum exit_status command_tenant(const struct options *options, char **arguments);
enum exit_status command_top(const struct options *options, char **arguments);
enum exit_status command_provision(const struct options *options, char **arguments);
enum exit_status command_config_check(const struct options *options, char **arguments);
enum exit_status command_metrics(const struct options *options, char **arguments);
enum exit_status command_namespace_create(const struct options *options, char **arguments);
enum exit_status command_namespace_delete(const struct options *options, char **arguments);
enum exit_status command_namespace_format(const struct options *options, char **arguments);
enum exit_status command_namespace_attach(const struct options *options, char **arguments);
enum exit_status command_namespace_detach(const struct options *options, char **arguments);
enum exit_status command_doctor(const struct options *options, char **arguments);
enum exit_status command_probe(const struct options *options, char **arguments);
enum exit_status command_complete(const struct options *options, char **arguments);
enum exit_status command_monitor(const struct options *options, char **arguments);
enum exit_status command_model_list(const struct options *options, char **arguments);
enum exit_status command_model_fault(const struct options *options, char **arguments);
enum exit_status command_model_faults(const struct options *options, char **arguments);
enum exit_status command_model_clear(const struct options *options, char **arguments);
enum exit_status command_model_do(const struct options *options, char **arguments);

#endif
