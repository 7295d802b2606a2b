/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Aligned columns on a terminal. The caller describes the columns, adds the cells row by row and prints once.
 * Text is copied and made safe to show: what a device or a tenant named itself cannot steer the terminal.
 */
#ifndef HOMI_HOMICTL_TABLE_H
#define HOMI_HOMICTL_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum table_style { TABLE_PLAIN, TABLE_GOOD, TABLE_WARNING, TABLE_BAD, TABLE_FAINT };

struct table_column {
    const char *heading;
    bool right; /* numbers: aligned to the right */
};

struct table;

/* columns must outlive the table. Returns 0 or -ENOMEM. */
int table_new(const struct table_column *columns, size_t count, struct table **ret_table);
void table_free(struct table *table); /* NULL-safe */

/* Adds the next cell, from left to right and row by row. An empty or NULL text shows as "-". Running out of
 * memory is remembered for table_print. */
void table_add(struct table *table, enum table_style style, const char *text);
size_t table_rows(const struct table *table);

/* Prints the headings and the rows. Returns 0, -ENOMEM when a cell was lost, or -EIO when stream failed. */
int table_print(const struct table *table, FILE *stream, bool colour);

/* Prints text in a style, made safe to show. */
void table_text(FILE *stream, enum table_style style, bool colour, const char *text);

#endif
