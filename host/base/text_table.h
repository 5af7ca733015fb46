/* A table for people: columns as wide as what stands in them, headings broken into lines above
 * narrow columns. */
#ifndef GSOS_TEXT_TABLE_H
#define GSOS_TEXT_TABLE_H

#include <stdbool.h>
#include <stdio.h>

struct text_table;

/* All of these take NULL.  A table that ran out of memory prints a line that says so. */
struct text_table *text_table_create(void); /* NULL without memory */
void text_table_destroy(struct text_table *t);
/* The columns, before any cell; numbers stand at the right.  A heading is broken at spaces and
 * after underscores. */
void text_table_column(struct text_table *t, const char *heading, bool right);
/* The next cell, row by row, copied; one wider than TEXT_TABLE_CELL_MAX columns is cut and ends in
 * "...". */
enum { TEXT_TABLE_CELL_MAX = 31 };
void text_table_cell(struct text_table *t, const char *text);
void text_table_cellf(struct text_table *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Blanks before each line, 0 without this. */
void text_table_indent(struct text_table *t, int columns);
/* Prints it without a line wider than `width` columns, 0: however wide.  What does not fit beside
 * the first column stands below, beside the first column again; a column that does not fit there
 * alone, row by row under the first one's cells.  No cell is cut. */
void text_table_print(FILE *out, const struct text_table *t, int width);

#endif
