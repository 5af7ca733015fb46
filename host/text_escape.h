/* File names in messages: any bytes in, printable UTF-8 out. */
#ifndef GSOS_TEXT_ESCAPE_H
#define GSOS_TEXT_ESCAPE_H

#include <stddef.h>

/* Copies `bytes` to out[size]: printable ASCII and well-formed UTF-8 as they are, every other byte (control characters,
 * a stray continuation byte, the backslash itself) as \xNN, so that what is shown is unambiguous and never drives a
 * terminal. What does not fit is cut and ends in "...". Returns out. size >= 8. */
const char *text_escape(char *out, size_t size, const char *bytes);

#endif
