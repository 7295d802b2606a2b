/* SPDX-License-Identifier: BSD-3-Clause */
/* The number that libhomi gives each call (proto/connection.h), taken out of what a test compares. */
#ifndef HOMI_TESTS_UNIT_CALL_NUMBER_H
#define HOMI_TESTS_UNIT_CALL_NUMBER_H

#include <stdlib.h>
#include <string.h>

/* Cuts the member out of a call. Returns the number; 0: there was none. */
static inline long cut_call_number(char *text)
{
    static const char member[] = ",\"io.homi.Call\":{\"id\":";
    char *at = strstr(text, member), *end = NULL;
    long number = at ? strtol(at + sizeof(member) - 1, &end, 10) : 0;

    if (at && *end == '}')
        memmove(at, end + 1, strlen(end + 1) + 1);
    return number;
}

#endif
