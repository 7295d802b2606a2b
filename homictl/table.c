/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "homictl/format.h"
#include "homictl/table.h"

struct cell {
    char *text;
    enum table_style style;
};

struct table {
    const struct table_column *columns;
    size_t column_count;
    struct cell *cells;
    size_t count, capacity;
    bool lost;
};

int table_new(const struct table_column *columns, size_t count, struct table **ret_table)
{
    struct table *table = calloc(1, sizeof(*table));

    if (!table)
        return -ENOMEM;
    table->columns = columns;
    table->column_count = count;
    *ret_table = table;
    return 0;
}

void table_free(struct table *table)
{
    if (!table)
        return;
    for (size_t i = 0; i < table->count; i++)
        free(table->cells[i].text);
    free(table->cells);
    free(table);
}

void table_add(struct table *table, enum table_style style, const char *text)
{
    if (table->count == table->capacity) {
        size_t capacity = table->capacity ? 2 * table->capacity : 64;
        struct cell *cells = reallocarray(table->cells, capacity, sizeof(*cells));

        if (!cells) {
            table->lost = true;
            return;
        }
        table->cells = cells;
        table->capacity = capacity;
    }

    char *copy = format_safe(text && *text ? text : "-");

    if (!copy) {
        table->lost = true;
        return;
    }
    table->cells[table->count++] = (struct cell){.text = copy, .style = style};
}

size_t table_rows(const struct table *table)
{
    return table->count / table->column_count;
}

static const char *style_code(enum table_style style)
{
    switch (style) {
    case TABLE_GOOD: return "\033[32m";
    case TABLE_WARNING: return "\033[33m";
    case TABLE_BAD: return "\033[1;31m";
    case TABLE_FAINT: return "\033[2m";
    case TABLE_PLAIN: break;
    }
    return "";
}

static void print_styled(FILE *stream, enum table_style style, bool colour, const char *text)
{
    bool styled = colour && style != TABLE_PLAIN;

    fprintf(stream, "%s%s%s", styled ? style_code(style) : "", text, styled ? "\033[0m" : "");
}

/* The padding stands outside the style, so that no colour runs into the gap between columns. */
static void print_cell(const struct table *table, size_t column, size_t width, const struct cell *cell,
                       FILE *stream, bool colour)
{
    int padding = (int)(width - format_width(cell->text));
    bool last = column + 1 == table->column_count;

    if (table->columns[column].right)
        fprintf(stream, "%*s", padding, "");
    print_styled(stream, cell->style, colour, cell->text);
    if (!last)
        fprintf(stream, "%*s", 2 + (table->columns[column].right ? 0 : padding), "");
    else
        fputc('\n', stream);
}

static size_t column_width(const struct table *table, size_t column)
{
    size_t width = format_width(table->columns[column].heading);

    for (size_t i = column; i < table->count; i += table->column_count) {
        size_t cell = format_width(table->cells[i].text);

        if (cell > width)
            width = cell;
    }
    return width;
}

int table_print(const struct table *table, FILE *stream, bool colour)
{
    if (table->lost)
        return -ENOMEM;

    size_t *widths = calloc(table->column_count, sizeof(*widths));

    if (!widths)
        return -ENOMEM;
    for (size_t i = 0; i < table->column_count; i++) {
        struct cell heading = {(char *)table->columns[i].heading, TABLE_FAINT};

        widths[i] = column_width(table, i);
        print_cell(table, i, widths[i], &heading, stream, colour);
    }
    for (size_t i = 0; i < table_rows(table) * table->column_count; i++) {
        size_t column = i % table->column_count;

        print_cell(table, column, widths[column], &table->cells[i], stream, colour);
    }
    free(widths);
    return ferror(stream) ? -EIO : 0;
}

void table_text(FILE *stream, enum table_style style, bool colour, const char *text)
{
    char *safe = format_safe(text);

    if (safe)
        print_styled(stream, style, colour, safe);
    free(safe);
}
