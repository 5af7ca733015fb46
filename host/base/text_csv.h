/* Text in comma-separated values. */
#ifndef GSOS_TEXT_CSV_H
#define GSOS_TEXT_CSV_H

#include <stdio.h>

/* A field of RFC 4180: in quotes where it holds what would end it. */
void text_csv(FILE *out, const char *text);

#endif
