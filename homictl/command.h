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

struct command {
    const char *words;     /* "vf alloc" */
    const char *arguments; /* what follows, as the help shows it; "" when nothing does */
    int arguments_min, arguments_max;
    unsigned options;  /* enum option_bit, beyond OPTIONS_EVERYWHERE */
    unsigned required; /* those of them that must be given */
    const char *summary;
    const char *details; /* paragraphs for --help, NULL when the summary says it all */
    enum exit_status (*run)(const struct options *options, char **arguments);
};

/* In the order of the help; the last has no words. */
extern const struct command commands[];

enum exit_status command_status(const struct options *options, char **arguments);
enum exit_status command_list(const struct options *options, char **arguments);
enum exit_status command_queue(const struct options *options, char **arguments);
enum exit_status command_vf_alloc(const struct options *options, char **arguments);
enum exit_status command_vf_free(const struct options *options, char **arguments);
enum exit_status command_retry(const struct options *options, char **arguments);
enum exit_status command_monitor(const struct options *options, char **arguments);
enum exit_status command_model_list(const struct options *options, char **arguments);
enum exit_status command_model_fault(const struct options *options, char **arguments);
enum exit_status command_model_faults(const struct options *options, char **arguments);
enum exit_status command_model_clear(const struct options *options, char **arguments);
enum exit_status command_model_do(const struct options *options, char **arguments);

#endif
