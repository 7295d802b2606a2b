/* SPDX-License-Identifier: BSD-3-Clause */
/* Command lines of the test programs: a table of options, filled into variables of the program. */
#ifndef HOMI_TESTS_TENANTS_COMMON_OPTIONS_H
#define HOMI_TESTS_TENANTS_COMMON_OPTIONS_H

#include <stddef.h>
#include <stdint.h>

#define OPTION_LIST_MAX 8

struct option_list {
    const char *items[OPTION_LIST_MAX];
    size_t count;
};

enum option_kind {
    OPTION_FLAG,   /* bool */
    OPTION_TEXT,   /* const char *, of the command line */
    OPTION_LIST,   /* struct option_list: given several times */
    OPTION_U32,    /* uint32_t from minimum to maximum; K, M and G are powers of 1024 */
    OPTION_U64,    /* uint64_t, the same */
    OPTION_CHOICE, /* int: the index in choices, which end with NULL */
};

struct option_spec {
    const char *name; /* without dashes; NULL ends the table */
    enum option_kind kind;
    void *value;
    uint64_t minimum, maximum; /* maximum 0: as much as fits */
    const char *const *choices;
};

/*
 * Reads the options up to the first argument that is none. Returns its index in argv. Ends the program with
 * status 2 and a message when the command line is wrong, with 0 and the usage for --help.
 */
int options_parse(int argc, char **argv, const struct option_spec *specs, const char *usage);

/* Ends the program with status 2 and a message when a requirement of the command line is not met. */
void options_require(int met, const char *what);

#endif
