/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/tenants/common/options.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SPECS_MAX 40

static uint64_t number(const struct option_spec *spec, const char *text)
{
    uint64_t fits = spec->kind == OPTION_U32 ? UINT32_MAX : UINT64_MAX;
    uint64_t maximum = spec->maximum != 0 ? spec->maximum : fits, value;
    static const char units[] = "KMG";
    const char *unit;
    char *end;
    int shift = 0;

    errno = 0;
    value = strtoull(text, &end, 0);
    unit = *end != '\0' ? strchr(units, toupper((unsigned char)*end)) : NULL;
    if (unit) {
        shift = 10 * (int)(unit - units + 1);
        end++;
    }
    if (errno != 0 || !isdigit((unsigned char)text[0]) || *end != '\0' || value > UINT64_MAX >> shift ||
        value << shift < spec->minimum || value << shift > maximum) {
        fprintf(stderr, "--%s %s: a number from %" PRIu64 " to %" PRIu64 " is expected\n", spec->name, text,
                spec->minimum, maximum);
        exit(2);
    }
    return value << shift;
}

static int choice(const struct option_spec *spec, const char *text)
{
    for (int i = 0; spec->choices[i]; i++)
        if (strcmp(spec->choices[i], text) == 0)
            return i;
    fprintf(stderr, "--%s %s: one of these is expected:", spec->name, text);
    for (int i = 0; spec->choices[i]; i++)
        fprintf(stderr, " %s", spec->choices[i]);
    fprintf(stderr, "\n");
    exit(2);
}

static void set(const struct option_spec *spec, const char *text)
{
    struct option_list *list = spec->value;

    switch (spec->kind) {
    case OPTION_FLAG: *(bool *)spec->value = true; break;
    case OPTION_TEXT: *(const char **)spec->value = text; break;
    case OPTION_U32: *(uint32_t *)spec->value = (uint32_t)number(spec, text); break;
    case OPTION_U64: *(uint64_t *)spec->value = number(spec, text); break;
    case OPTION_CHOICE: *(int *)spec->value = choice(spec, text); break;
    case OPTION_LIST:
        options_require(list->count < OPTION_LIST_MAX, "fewer values of one option");
        list->items[list->count++] = text;
        break;
    }
}

int options_parse(int argc, char **argv, const struct option_spec *specs, const char *usage)
{
    struct option table[SPECS_MAX + 2] = {{.name = "help", .val = 1}};
    int chosen, index;

    for (size_t i = 0; specs[i].name && i < SPECS_MAX; i++)
        table[i + 1] = (struct option){
            .name = specs[i].name, .has_arg = specs[i].kind == OPTION_FLAG ? no_argument : required_argument};
    while ((chosen = getopt_long(argc, argv, "+", table, &index)) != -1) {
        if (chosen == 1)
            fputs(usage, stdout);
        if (chosen != 0)
            exit(chosen == 1 ? 0 : 2);
        set(&specs[index - 1], optarg);
    }
    return optind;
}

void options_require(int met, const char *what)
{
    if (met)
        return;
    fprintf(stderr, "required: %s\n", what);
    exit(2);
}
