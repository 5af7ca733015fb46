/* Text for messages: any bytes in, printable UTF-8 out; and text that is cut where it does not fit,
 * never within a character. */
#ifndef GSOS_TEXT_ESCAPE_H
#define GSOS_TEXT_ESCAPE_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

/* Copies `bytes` to out[size]: printable ASCII and well-formed UTF-8 that is seen as they are,
 * every other byte (control characters, invisible ones and signs of direction, a stray continuation
 * byte, the backslash itself) as \xNN, so that what is shown is unambiguous and never drives a
 * terminal. What does not fit is cut and ends in "...". Returns out. size >= 8. */
const char *text_escape(char *out, size_t size, const char *bytes);

/* The same, but bytes that are seen as they are but for backslashes are left: a text that may have
 * been escaped before, as a class name that a network's file has kept. */
const char *text_escape_once(char *out, size_t size, const char *bytes);

/* Where the first character begins that is not seen (a no-break space, a zero-width one, a byte
 * order mark, a soft hyphen, a sign of the direction of writing ...): two names may differ in it
 * and look the same.  SIZE_MAX where there is none. */
size_t text_invisible(const char *text);

/* Bytes of text[n] without the UTF-8 character at its end that is not whole there; n where there is
 * none. */
size_t text_whole(const char *text, size_t n);
/* Of text's first `most` bytes, or all if it has fewer: those of whole characters, for a precision
 * ("%.*s"). */
int text_within(const char *text, size_t most);

/* As snprintf, but what does not fit is cut between characters, and the bytes written are returned,
 * without the final 0: less than size.  size > 0. */
size_t text_format(char *text, size_t size, const char *format, ...) __attribute__((format(printf, 3, 4)));
size_t text_vformat(char *text, size_t size, const char *format, va_list arguments)
    __attribute__((format(printf, 3, 0)));

#endif
