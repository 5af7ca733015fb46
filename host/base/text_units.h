/* Amounts for people: two or three digits and the unit that fits. */
#ifndef GSOS_TEXT_UNITS_H
#define GSOS_TEXT_UNITS_H

#include <stddef.h>
#include <stdint.h>

enum { TEXT_UNITS_MAX = 40 }; /* bytes that hold any of these */

/* The end of a noun behind its number: "" of one, else "s". */
static inline const char *text_plural(int64_t n)
{
  return n == 1 ? "" : "s";
}

/* Each writes into text[size] and returns it. */
const char *text_flops(char *text, size_t size, double flops); /* "0.44 GFLOP", "1.2 TFLOP" */
const char *text_bytes(char *text, size_t size, double bytes); /* "1.2 MiB", "16 GiB" */
const char *text_seconds(char *text, size_t size,
                         double seconds); /* "0.04 s", "7.5 s", "3 min 20 s", "2 h 05 min", "3 d 4 h" */

#endif
