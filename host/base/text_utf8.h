/* Text of other programs, which may be any bytes, as UTF-8. */
#ifndef GSOS_TEXT_UTF8_H
#define GSOS_TEXT_UTF8_H

#include <stddef.h>

/* Length of the well-formed UTF-8 character at `s`, 0 where there is none or the text ends.  Table
 * 3-7 of the Unicode standard: no overlong forms, no surrogates. */
int utf8_length(const char *s);

/* Columns that a terminal gives the well-formed character of n bytes at `s`: 2 where it is wide
 * (Chinese, Japanese, Korean, emoji), 0 where it is set upon the one before it (a combining accent,
 * as macOS writes names of files), else 1.  By the C library's wcwidth. */
int utf8_columns(const char *s, int n);

/* Copies n bytes to out[size] as well-formed UTF-8: what is none, and a zero byte, becomes U+FFFD.
 * Control characters stay; whoever shows the text escapes them (text_escape.h).  What does not fit
 * is cut, between characters, and ends in "...".  Returns out. size >= 8. */
const char *text_utf8(char *out, size_t size, const char *bytes, size_t n);

#endif
