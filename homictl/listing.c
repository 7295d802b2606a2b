/* SPDX-License-Identifier: BSD-3-Clause */
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "homictl/call.h"
#include "homictl/format.h"
#include "homictl/listing.h"
#include "homictl/table.h"

#define CELL_BYTES 512 /* longer lists end in an ellipsis */

static enum listing_kind kind_of(const struct listing_column *column)
{
    return (enum listing_kind)(column->kind & ~LISTING_WIDE);
}

static enum table_style state_style(const char *state)
{
    static const struct {
        const char *state;
        enum table_style style;
    } styles[] = {
        {"ready", TABLE_GOOD},           {"leased", TABLE_GOOD},       {"quarantined", TABLE_BAD},
        {"draining", TABLE_WARNING},     {"scrubbing", TABLE_WARNING}, {"probing", TABLE_WARNING},
        {"provisioning", TABLE_WARNING}, {"absent", TABLE_WARNING},
    };

    for (size_t i = 0; state && i < sizeof(styles) / sizeof(styles[0]); i++)
        if (!strcmp(state, styles[i].state))
            return styles[i].style;
    return TABLE_PLAIN;
}

/* Appends to a text of CELL_BYTES; what does not fit shows as "...". */
static void append(char *cell, const char *separator, const char *text)
{
    size_t used = strlen(cell), left = CELL_BYTES - used;

    if ((size_t)snprintf(cell + used, left, "%s%s", used ? separator : "", text) >= left)
        strcpy(cell + CELL_BYTES - 4, "...");
}

static void words_cell(char *cell, const char *name)
{
    size_t used = 0;

    for (; *name && used < CELL_BYTES - 2; name++) {
        if (isupper((unsigned char)*name))
            cell[used++] = ' ';
        cell[used++] = (char)tolower((unsigned char)*name);
    }
    cell[used] = '\0';
}

static void list_cell(char *cell, const struct listing_column *column, struct json_object *array)
{
    size_t count = json_object_is_type(array, json_type_array) ? json_object_array_length(array) : 0;

    for (size_t i = 0; i < count; i++) {
        struct json_object *item = json_object_array_get_idx(array, i);
        char place[128];

        if (kind_of(column) == LISTING_PLACES) {
            const char *device = member_text(item, "device");

            snprintf(place, sizeof(place), "%s:%" PRId64, device ? device : "?", member_number(item, "id"));
            append(cell, ",", place);
            continue;
        }
        if (column->other)
            item = member(item, column->other);
        append(cell, ",", item ? json_object_get_string(item) : "?");
    }
}

static void bytes_of(char *cell, int64_t bytes, int64_t limit)
{
    char used[FORMAT_BYTES], most[FORMAT_BYTES];

    format_bytes((uint64_t)bytes, used);
    format_bytes((uint64_t)limit, most);
    snprintf(cell, CELL_BYTES, "%s/%s", used, most);
}

static void fill_cell(char *cell, const struct listing_column *column, struct json_object *row)
{
    struct json_object *value = member(row, column->key);
    int64_t number = json_object_get_int64(value);
    int64_t other = column->other ? member_number(row, column->other) : 0;

    *cell = '\0';
    if (!value)
        return;
    switch (kind_of(column)) {
    case LISTING_TEXT:
    case LISTING_STATE: append(cell, "", json_object_get_string(value)); break;
    case LISTING_WORDS: words_cell(cell, json_object_get_string(value)); break;
    case LISTING_NUMBER: snprintf(cell, CELL_BYTES, "%" PRId64, number); break;
    case LISTING_OF: snprintf(cell, CELL_BYTES, "%" PRId64 "/%" PRId64, number, other); break;
    case LISTING_YES: append(cell, "", json_object_get_boolean(value) ? "yes" : "no"); break;
    case LISTING_BYTES: format_bytes((uint64_t)number, cell); break;
    case LISTING_BYTES_OF: bytes_of(cell, number, other); break;
    case LISTING_SIZE: format_bytes((uint64_t)number * (uint64_t)other, cell); break;
    case LISTING_AGE: format_age((uint64_t)number, cell); break;
    case LISTING_LIST:
    case LISTING_PLACES: list_cell(cell, column, value); break;
    }
}

static bool is_quantity(enum listing_kind kind)
{
    return kind == LISTING_NUMBER || kind == LISTING_OF || kind == LISTING_BYTES ||
           kind == LISTING_BYTES_OF || kind == LISTING_SIZE || kind == LISTING_AGE;
}

static bool is_shown(const struct options *options, const struct listing_column *column)
{
    return options->wide || !(column->kind & LISTING_WIDE);
}

static void add_row(const struct options *options, struct table *table, const struct listing *listing,
                    struct json_object *row)
{
    char cell[CELL_BYTES];

    for (const struct listing_column *column = listing->columns; column->heading; column++) {
        if (!is_shown(options, column))
            continue;
        fill_cell(cell, column, row);
        table_add(table, kind_of(column) == LISTING_STATE ? state_style(cell) : TABLE_PLAIN, cell);
    }
}

enum exit_status listing_print(const struct options *options, const struct listing *listing,
                               struct json_object *rows)
{
    struct table_column columns[LISTING_COLUMNS_MAX];
    struct table *table;
    size_t count = 0;
    int error;

    for (const struct listing_column *column = listing->columns; column->heading; column++)
        if (is_shown(options, column))
            columns[count++] = (struct table_column){column->heading, is_quantity(kind_of(column))};
    error = table_new(columns, count, &table);
    if (!error) {
        for (size_t i = 0; i < json_object_array_length(rows); i++)
            add_row(options, table, listing, json_object_array_get_idx(rows, i));
        error = table_print(table, stdout, call_colour(options, stdout));
        table_free(table);
    }
    if (error)
        fprintf(stderr, "homictl: cannot print the %s: %s\n", listing->noun, strerror(-error));
    return error ? EXIT_SYSTEM : EXIT_OK;
}

enum exit_status listing_print_one(const struct options *options, const struct listing *listing,
                                   struct json_object *row)
{
    bool colour = call_colour(options, stdout);
    char cell[CELL_BYTES];

    for (const struct listing_column *column = listing->columns; column->heading; column++) {
        fill_cell(cell, column, row);
        if (!*cell)
            continue;
        printf("%-14s ", column->heading);
        table_text(stdout, kind_of(column) == LISTING_STATE ? state_style(cell) : TABLE_PLAIN, colour, cell);
        printf("\n");
    }
    return ferror(stdout) ? EXIT_SYSTEM : EXIT_OK;
}
