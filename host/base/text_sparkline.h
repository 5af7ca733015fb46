/* A sequence of numbers as one line of block characters, of eight heights. */
#ifndef GSOS_TEXT_SPARKLINE_H
#define GSOS_TEXT_SPARKLINE_H

#include <stddef.h>

/* Bytes that hold `columns` characters. */
#define TEXT_SPARKLINE_SIZE(columns) (3 * (size_t)(columns) + 1)

/* values [n] in at most `columns` characters; where there are more values than that, each character
 * is the last one of its share.  `low` (and what is below) is the lowest bar, `high` the highest;
 * NaN is a blank.  text [TEXT_SPARKLINE_SIZE(columns)]; returns it. */
const char *text_sparkline(char *text, int columns, const double *values, int n, double low, double high);

#endif
