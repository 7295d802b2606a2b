/* SPDX-License-Identifier: BSD-3-Clause */
/* The unit tests' fixtures speak to Check's runner; here there is none, and what fails ends the process. */
#include <check.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void _mark_point(const char *file, int line)
{
    (void)file, (void)line;
}

void _ck_assert_failed(const char *file, int line, const char *expr, const char *msg, ...)
{
    va_list arguments;

    fprintf(stderr, "%s:%d: does not hold: %s ", file, line, expr);
    va_start(arguments, msg);
    if (msg)
        vfprintf(stderr, msg, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    abort();
}
