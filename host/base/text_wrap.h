/* Lines of a report for people: at most 80 columns, or those of the terminal where it has fewer;
 * words kept whole where they fit. */
#ifndef GSOS_TEXT_WRAP_H
#define GSOS_TEXT_WRAP_H

#include <stdio.h>

enum { TEXT_COLUMNS = 80 };

/* Columns of the terminal that `out` is, at least 20; 0: it is none. */
int text_screen(FILE *out);
/* Columns of a report's lines on `out`: TEXT_COLUMNS, or those of a narrower terminal. */
int text_width(FILE *out);

/* Columns that UTF-8 text takes on a terminal (utf8_columns of each character), and its first
 * `bytes`; a byte that is of no character takes one. */
int text_columns(const char *text);
int text_columns_of(const char *text, size_t bytes);
/* Bytes of its first characters that take at most `columns`. */
size_t text_fitting(const char *text, int columns);

/* Writes `lead`, then `text` broken between words, so that no line has more than text_width
 * columns; the lines after the first are indented by the columns of `lead`.  A word that is wider
 * than what is left of a line behind `lead` goes to a line of its own, one that is wider than a
 * line is cut; a newline in `text` begins a new line.  Ends with a newline. */
void text_wrap(FILE *out, const char *lead, const char *text);

/* As text_wrap, of a printf format (up to 4,000 bytes). */
void text_wrapf(FILE *out, const char *lead, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Writes text in a field of that many columns, at its left, or at its right where `columns` is
 * negative. */
void text_pad(FILE *out, const char *text, int columns);

#endif
